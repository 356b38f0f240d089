"""Tests of the ranking, run where Xapian is: ``python3 /opt/agent/selftest.py`` in a container of this image."""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from agent import ranking  # noqa: E402

TEXTS = {
    1: "The spare key lies under the blue pot in the garden.",
    2: "Ana prefers green tea in the morning.",
    3: "The blue car needs new tyres before winter.",
    4: "My train leaves at nine.",
    5: "Verification run 20261122004501123456 came through",
    6: "Verification run 20261122004501123457 came through",
}


class Ranking(unittest.TestCase):
    def setUp(self) -> None:
        self.index = ranking.Index()
        for number, text in TEXTS.items():
            self.index.add(number, text)

    def best(self, question: str) -> int | None:
        hits = [hit for hit in self.index.rank(question, 3) if hit.coverage >= ranking.ENOUGH]
        return hits[0].memory if hits else None

    def test_questions(self) -> None:
        cases = {
            "Where is the spare key?": 1,
            "What tea does Ana prefer?": 2,
            "when does the train leave": 4,
            "TYRES!": 3,
            "Which is verification run 20261122004501123457?": 6,
            "Which is verification run 99?": None,
            "What is the capital of France?": None,
            "where is it": None,
            "": None,
            "Is the blue whale an animal": None,
        }
        for question, expected in cases.items():
            with self.subTest(question):
                self.assertEqual(self.best(question), expected)

    def test_a_rarer_word_weighs_more(self) -> None:
        hits = self.index.rank("blue tyres", 5)
        self.assertEqual([hit.memory for hit in hits], [3, 1])
        self.assertGreater(hits[0].score, hits[1].score)
        self.assertEqual((hits[0].coverage, hits[1].coverage < 0.5), (1.0, True))

    def test_kept_on_disk(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "index"
            index = ranking.Index(path)
            self.assertEqual((index.store, index.last, index.count), ("", 0, 0))
            index.restart("store-1")
            index.add(7, TEXTS[1])
            index.add(7, TEXTS[1])
            index.commit()
            index.close()
            index = ranking.Index(path)
            self.assertEqual((index.store, index.last, index.count), ("store-1", 7, 1))
            self.assertEqual(index.rank("spare key", 3)[0].text, TEXTS[1])
            index.restart("store-2")
            self.assertEqual((index.store, index.last, index.count), ("store-2", 0, 0))
            index.close()

    def test_a_damaged_index_is_made_anew(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "index"
            index = ranking.Index(path)
            index.add(1, TEXTS[1])
            index.close()
            (path / "iamglass").write_bytes(b"damaged")
            self.assertEqual(ranking.Index(path).count, 0)

    def test_empty_index(self) -> None:
        self.assertEqual(ranking.Index().rank("key", 3), [])


if __name__ == "__main__":
    unittest.main()
