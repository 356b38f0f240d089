"""Which memories a question is about: Xapian's BM25 over stemmed words.

Kept apart because Xapian is there in the image (Debian's python3-xapian) and not on PyPI.
xapian.org/docs/apidoc/html/classXapian_1_1BM25Weight.html
"""

from __future__ import annotations

import math
import typing as t
from pathlib import Path

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
"""Share of a question (`Hit.coverage`) that a memory must hold for us to say that it answers."""


class Hit(t.NamedTuple):
    memory: int
    text: str
    score: float
    """BM25 weight."""
    coverage: float
    """Share of the question found in this memory, 0 to 1; a word counts by how rare it is, most if no memory has it."""


class Index:
    """Memories in a Xapian database: the memory's number is the document's id, its text the document's data.

    path: where it is kept; None keeps it in memory. It is only a copy of what the orchestrator has: one that
    cannot be read is made anew. Not for use from several threads at once.
    """

    def __init__(self, path: Path | None = None, language: str = "english") -> None:
        self.path = path
        self.stemmer = xapian.Stem(language)
        self.generator = xapian.TermGenerator()
        self.generator.set_stemmer(self.stemmer)
        # Every word as its stem; the default also keeps whole words, and has no stem of a number to search for.
        self.generator.set_stemming_strategy(xapian.TermGenerator.STEM_ALL)
        try:
            self.database = self._open(xapian.DB_CREATE_OR_OPEN)
        except (xapian.DatabaseCorruptError, xapian.DatabaseVersionError):
            self.database = self._open(xapian.DB_CREATE_OR_OVERWRITE)

    def _open(self, how: int) -> xapian.WritableDatabase:
        if self.path is None:
            return xapian.WritableDatabase("", xapian.DB_BACKEND_INMEMORY)
        return xapian.WritableDatabase(str(self.path), how)

    @property
    def store(self) -> str:
        """Identity of the store whose memories these are; empty for a new index."""
        return self.database.get_metadata("store").decode()

    @property
    def last(self) -> int:
        """Number of the newest memory."""
        return self.database.get_lastdocid()

    @property
    def count(self) -> int:
        return self.database.get_doccount()

    def restart(self, store: str) -> None:
        """Forget everything; what follows are memories of this store."""
        self.database.close()
        self.database = self._open(xapian.DB_CREATE_OR_OVERWRITE)
        self.database.set_metadata("store", store)

    def add(self, number: int, text: str) -> None:
        document = xapian.Document()
        document.set_data(text)
        self.generator.set_document(document)
        self.generator.index_text(text)
        self.database.replace_document(number, document)

    def commit(self) -> None:
        self.database.commit()

    def close(self) -> None:
        self.database.close()

    def terms(self, question: str) -> list[str]:
        """The stems that matter in a question, in the form in which texts are indexed."""
        document = xapian.Document()
        self.generator.set_document(document)
        self.generator.index_text(" ".join(word for word in _words(question) if word not in STOP_WORDS))
        return [entry.term.decode() for entry in document.termlist()]

    def rank(self, question: str, limit: int) -> list[Hit]:
        """The best memories first; empty when none holds any word of the question."""
        terms = self.terms(question)
        if not terms or not self.count:
            return []
        weights = {term: math.log((self.count + 1) / (self.database.get_termfreq(term) + 0.5)) for term in terms}
        enquire = xapian.Enquire(self.database)
        enquire.set_weighting_scheme(xapian.BM25Weight())
        enquire.set_query(xapian.Query(xapian.Query.OP_OR, terms))
        hits = []
        for match in enquire.get_mset(0, limit):
            found = sum(weights[term.decode()] for term in enquire.matching_terms(match))
            text = match.document.get_data().decode()
            hits.append(Hit(match.docid, text, round(match.weight, 3), round(found / sum(weights.values()), 3)))
        return hits


def _words(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()
