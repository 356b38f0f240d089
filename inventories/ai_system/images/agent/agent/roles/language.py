"""Small, plain text analysis: counts and word lists, no model."""

from __future__ import annotations

import re
from collections import Counter

from ..message import Request, Result, need
from ..role import Role
from .models import DeviceRole


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


POSITIVE = word_set("good great excellent happy love like wonderful fast reliable clear thanks best nice works")
NEGATIVE = word_set("bad awful terrible sad hate slow broken unclear worst error fails wrong angry poor never")
NEGATION = word_set("not no never without hardly")
EMOTIONS = {
    "joy": word_set("happy glad love delighted joy fun thanks wonderful"),
    "sadness": word_set("sad unhappy lonely cry miss sorry grief"),
    "anger": word_set("angry hate furious annoyed rage mad"),
    "fear": word_set("afraid scared fear worried anxious panic"),
    "surprise": word_set("surprised sudden unexpected wow amazed"),
}


def words(text: str) -> list[str]:
    return re.findall("\\w+(?:['\u2019]\\w+)*", text.lower())


def sentences(text: str) -> list[str]:
    """Split after ``.``, ``!``, ``?`` and ``…`` before a space."""
    return [part for part in re.split(r"(?<=[.!?…])\s+", text.strip()) if part]


class TextProcessor(DeviceRole):
    """Figures about a text."""

    def op_analyse(self, request: Request) -> Result:
        text = need(request, "text", str)
        found = words(text)
        return {
            "characters": len(text),
            "words": len(found),
            "sentences": len(sentences(text)),
            "frequent": [{"word": word, "count": count} for word, count in Counter(found).most_common(5)],
        }


class SentimentAnalyzer(DeviceRole):
    """Counts friendly and unfriendly words; a negation before one turns it round."""

    def op_analyse(self, request: Request) -> Result:
        return sentiment(need(request, "text", str))


def sentiment(text: str) -> Result:
    """``score`` from -1 to 1; ``matched`` 0 means that no word of the lists was there, so nothing is known."""
    balance = matched = 0
    before = ""
    for word in words(text):
        value = (word in POSITIVE) - (word in NEGATIVE)
        if value:
            matched += 1
            balance += -value if before in NEGATION else value
        before = word
    score = round(balance / matched, 3) if matched else 0.0
    label = "positive" if score > 0 else "negative" if score < 0 else "neutral"
    return {"label": label, "score": score, "matched": matched, "method": "word list"}


class EmotionDetector(Role):
    """Counts the words of five small lists."""

    def op_detect(self, request: Request) -> Result:
        found = words(need(request, "text", str))
        counts = {name: sum(word in entries for word in found) for name, entries in EMOTIONS.items()}
        best = max(counts, key=lambda name: counts[name])
        return {"emotion": best if counts[best] else None, "counts": counts, "method": "word list"}
