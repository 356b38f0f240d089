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
        self._forget("")

    def op_ask(self, request: Request) -> Result:
        """``{"question": …}`` → ``known``, ``answer`` and the memories it rests on, the best first."""
        check_token(request, self.token)
        question = need(request, "question", str)
        limit = need_count(request, "limit", 3, 20)
        with self.lock:
            self._read_new(request)
            hits = [hit for hit in self.index.rank(question, limit) if hit.coverage >= ranking.ENOUGH]
            memories = [{"memory": hit.memory, "text": self.texts[hit.memory], **_figures(hit)} for hit in hits]
            count = len(self.texts)
        if not memories:
            answer = f"I do not know: none of the {count} stored memories answers this."
            return {"known": False, "answer": answer, "memories": []}
        return {"known": True, "answer": memories[0]["text"], "memories": memories}

    def _read_new(self, request: Request) -> None:
        while True:
            page = self.orchestrator.call(request, "since", token=self.token, memory=self.last, limit=PAGE)
            if page["store"] != self.store:
                starts_anew = self.last > 0
                self._forget(page["store"])
                if starts_anew:
                    continue
            for memory in page["memories"]:
                self.index.add(memory["memory"], memory["text"])
                self.texts[memory["memory"]] = memory["text"]
                self.last = memory["memory"]
            if len(page["memories"]) < PAGE:
                return

    def _forget(self, store: str) -> None:
        self.store = store
        self.last = 0
        self.index = ranking.Index()
        self.texts: dict[int, str] = {}


def _figures(hit: ranking.Hit) -> Result:
    return {"score": hit.score, "coverage": hit.coverage}
