"""Which memories a question is about: Xapian's BM25 over stemmed words.

Kept apart because Xapian is there in the image (Debian's python3-xapian) and not on PyPI.
xapian.org/docs/apidoc/html/classXapian_1_1BM25Weight.html
"""

from __future__ import annotations

import typing as t

import xapian

STOP_WORDS = [
    "a",
    "about",
    "am",
    "an",
    "and",
    "any",
    "are",
    "as",
    "at",
    "be",
    "been",
    "by",
    "can",
    "could",
    "did",
    "do",
    "does",
    "for",
    "from",
    "had",
    "has",
    "have",
    "he",
    "her",
    "his",
    "how",
    "i",
    "if",
    "in",
    "is",
    "it",
    "its",
    "me",
    "my",
    "of",
    "on",
    "or",
    "our",
    "please",
    "she",
    "should",
    "so",
    "tell",
    "than",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "they",
    "this",
    "to",
    "was",
    "we",
    "were",
    "what",
    "when",
    "where",
    "which",
    "who",
    "whom",
    "whose",
    "why",
    "will",
    "with",
    "would",
    "you",
    "your",
]
ENOUGH = 0.5
"""Share of a question's words that a memory must hold for us to say that it answers."""


class Hit(t.NamedTuple):
    memory: int
    score: float
    """BM25 weight."""
    coverage: float
    """Share of the question's words found in this memory, 0 to 1."""


class Index:
    """Texts by number, in memory. Not for use from several threads at once."""

    def __init__(self, language: str = "english") -> None:
        self.stemmer = xapian.Stem(language)
        self.database = xapian.WritableDatabase("", xapian.DB_BACKEND_INMEMORY)
        self.generator = xapian.TermGenerator()
        self.generator.set_stemmer(self.stemmer)

    def add(self, number: int, text: str) -> None:
        document = xapian.Document()
        document.set_data(str(number))
        self.generator.set_document(document)
        self.generator.index_text(text)
        self.database.add_document(document)

    def terms(self, question: str) -> list[str]:
        """The stems that matter in a question, as `TermGenerator` writes them (``Z`` before a stem)."""
        document = xapian.Document()
        self.generator.set_document(document)
        self.generator.index_text(" ".join(word for word in _words(question) if word not in STOP_WORDS))
        return [entry.term.decode() for entry in document.termlist() if entry.term.startswith(b"Z")]

    def rank(self, question: str, limit: int) -> list[Hit]:
        """The best memories first; empty when none holds any word of the question."""
        terms = self.terms(question)
        if not terms or not self.database.get_doccount():
            return []
        enquire = xapian.Enquire(self.database)
        enquire.set_weighting_scheme(xapian.BM25Weight())
        enquire.set_query(xapian.Query(xapian.Query.OP_OR, terms))
        hits = []
        for match in enquire.get_mset(0, limit):
            found = sum(1 for _ in enquire.matching_terms(match))
            hits.append(Hit(int(match.document.get_data()), round(match.weight, 3), round(found / len(terms), 3)))
        return hits


def _words(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()
