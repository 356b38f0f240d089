"""Answers from stored memories, with the memories they rest on. It knows nothing else and says so."""

from __future__ import annotations

import threading

from .. import ranking
from ..message import Request, Result, need, need_count
from ..role import Role
from .orchestrator import check_token

PAGE = 200


class UnifiedMemoryReasoningAgent(Role):
    """Reads new memories from the orchestrator before each answer and ranks them with Xapian."""

    def prepare(self) -> None:
        self.orchestrator = self.setting.peer("MEMORY_ORCHESTRATOR_URL")
        self.token = self.setting.secret("MEMORY_TOKEN_FILE")
        self.lock = threading.Lock()
        self.index = ranking.Index(self.setting.path("INDEX_DIR", "/data/index"))

    def describe(self) -> Result:
        return {"memories": self.index.count}

    def op_ask(self, request: Request) -> Result:
        """``{"question": …}`` → ``known``, ``answer`` and the memories it rests on, the best first."""
        check_token(request, self.token)
        question = need(request, "question", str)
        limit = need_count(request, "limit", 3, 20)
        with self.lock:
            try:
                self._read_new(request)
            finally:
                self.index.commit()
            hits = [hit for hit in self.index.rank(question, limit) if hit.coverage >= ranking.ENOUGH]
            count = self.index.count
        if not hits:
            answer = f"I do not know: none of the {count} stored memories answers this."
            return {"known": False, "answer": answer, "memories": []}
        return {"known": True, "answer": hits[0].text, "memories": [hit._asdict() for hit in hits]}

    def _read_new(self, request: Request) -> None:
        """What the orchestrator has beyond our newest; everything, if it is another store than last time."""
        while True:
            page = self.orchestrator.call(request, "since", token=self.token, memory=self.index.last, limit=PAGE)
            if page["store"] != self.index.store:
                self.index.restart(page["store"])
                continue
            for memory in page["memories"]:
                self.index.add(memory["memory"], memory["text"])
            if len(page["memories"]) < PAGE:
                return

    def close(self) -> None:
        with self.lock:
            self.index.close()
