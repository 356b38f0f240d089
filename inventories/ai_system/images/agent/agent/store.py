"""Texts in SQLite with full-text search: what a volume keeps.

Write-ahead log and ``synchronous=FULL``: a text whose `add` was answered survives SIGKILL
and a power cut (sqlite.org/pragma.html#pragma_synchronous). Searching uses FTS5
(sqlite.org/fts5.html), ranked with its bm25().
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import time
import typing as t
import uuid
from pathlib import Path

from .setting import SettingError

SCHEMA = """
CREATE TABLE IF NOT EXISTS memory (
    id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, tags TEXT NOT NULL, time REAL NOT NULL);
CREATE VIRTUAL TABLE IF NOT EXISTS memory_text USING fts5(text, tags, content='memory', content_rowid='id');
CREATE TRIGGER IF NOT EXISTS memory_insert AFTER INSERT ON memory BEGIN
    INSERT INTO memory_text(rowid, text, tags) VALUES (new.id, new.text, new.tags); END;
CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL);
"""

Memory = dict[str, t.Any]
"""``{"memory": number, "text": …, "tags": […], "time": seconds since 1970}``"""


class Store:
    """Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()
        try:
            self.connection = sqlite3.connect(path, timeout=5, check_same_thread=False, isolation_level=None)
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=FULL")
            self.connection.executescript(f"BEGIN IMMEDIATE;{SCHEMA}COMMIT;")
            self.identity = self._identity()
        except sqlite3.Error as error:
            raise SettingError(f"{path} cannot be used as a database: {error}") from None

    def _identity(self) -> str:
        """Tells one database from another one in its place: numbers start again, the identity differs."""
        self.connection.execute(
            "INSERT INTO identity SELECT ? WHERE NOT EXISTS (SELECT 1 FROM identity)", [uuid.uuid4().hex]
        )
        return self.connection.execute("SELECT id FROM identity").fetchone()[0]

    def add(self, text: str, tags: t.Sequence[str]) -> int:
        """The number of the new text; it is on the disk when this returns."""
        row = (text, json.dumps([str(tag) for tag in tags], ensure_ascii=False), time.time())
        with self.lock:
            return int(self.connection.execute("INSERT INTO memory(text, tags, time) VALUES (?, ?, ?)", row).lastrowid)

    def get(self, number: int) -> Memory | None:
        rows = self._select("WHERE id = ?", number)
        return rows[0] if rows else None

    def since(self, number: int, limit: int) -> list[Memory]:
        """The texts after `number`, oldest first."""
        return self._select("WHERE id > ? ORDER BY id LIMIT ?", number, limit)

    def search(self, query: str, limit: int) -> list[Memory]:
        """Texts that hold any word of the query, the most fitting first."""
        words = re.findall(r"\w+", query)
        if not words:
            return []
        expression = " OR ".join(f'"{word}"' for word in words)
        return self._select(
            "JOIN memory_text ON memory_text.rowid = memory.id WHERE memory_text MATCH ?"
            " ORDER BY bm25(memory_text), id LIMIT ?",
            expression,
            limit,
        )

    def count(self) -> int:
        with self.lock:
            return self.connection.execute("SELECT count(*) FROM memory").fetchone()[0]

    def problem(self) -> str:
        """Why the database does not answer; empty when it does."""
        if not self.lock.acquire(timeout=1):
            return f"{self.path} has been busy for a second"
        try:
            self.connection.execute("SELECT id FROM identity").fetchone()
        except sqlite3.Error as error:
            return f"{self.path}: {error}"
        finally:
            self.lock.release()
        return ""

    def close(self) -> None:
        with self.lock:
            self.connection.close()

    def _select(self, rest: str, *values: t.Any) -> list[Memory]:
        with self.lock:
            rows = self.connection.execute(
                f"SELECT memory.id, memory.text, memory.tags, memory.time FROM memory {rest}", values
            ).fetchall()
        return [{"memory": row[0], "text": row[1], "tags": json.loads(row[2]), "time": row[3]} for row in rows]
