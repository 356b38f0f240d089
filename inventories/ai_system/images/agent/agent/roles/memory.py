"""Memory as MainPC sees it: the ways to PC2's memory services, sessions, and a knowledge base of its own."""

from __future__ import annotations

import threading
from collections import OrderedDict

from ..message import Refused, Request, Result, need, need_count
from ..role import Role
from ..store import Store

SESSIONS = 1000
TURNS = 200


class MemoryClient(Role):
    """Stores and searches memories on PC2's orchestrator; the access token is added here."""

    def prepare(self) -> None:
        self.orchestrator = self.setting.peer("MEMORY_ORCHESTRATOR_URL")
        self.reasoning = self.setting.peer("MEMORY_REASONING_URL")
        self.token = self.setting.secret("MEMORY_TOKEN_FILE")

    def op_store(self, request: Request) -> Result:
        text, tags = need(request, "text", str), need(request, "tags", list, [])
        return self.orchestrator.call(request, "store", token=self.token, text=text, tags=tags)

    def op_get(self, request: Request) -> Result:
        return self.orchestrator.call(request, "get", token=self.token, memory=need(request, "memory", int))

    def op_search(self, request: Request) -> Result:
        query, limit = need(request, "query", str), need(request, "limit", int, 5)
        return self.orchestrator.call(request, "search", token=self.token, query=query, limit=limit)

    def op_ask(self, request: Request) -> Result:
        question = need(request, "question", str)
        return self.reasoning.call(request, "ask", token=self.token, question=question)


class PC2Services(MemoryClient):
    """The bridge to PC2: what MemoryClient does, and how PC2's services are."""

    def op_status(self, request: Request) -> Result:
        services = {}
        for name, peer in (("memory-orchestrator", self.orchestrator), ("memory-reasoning", self.reasoning)):
            try:
                services[name] = peer.call(request, "health")
            except Refused as refused:
                services[name] = {"healthy": False, "reason": refused.message}
        return {"services": services}


class SessionMemoryAgent(Role):
    """The turns of running conversations; `remember` hands one to the memory client."""

    def prepare(self) -> None:
        self.memory = self.setting.peer("MEMORY_CLIENT_URL")
        self.sessions: OrderedDict[str, list[Result]] = OrderedDict()
        self.lock = threading.Lock()

    def op_append(self, request: Request) -> Result:
        session, speaker, text = (need(request, key, str) for key in ("session", "speaker", "text"))
        with self.lock:
            turns = self.sessions.setdefault(session, [])
            self.sessions.move_to_end(session)
            turns.append({"speaker": speaker, "text": text})
            del turns[:-TURNS]
            while len(self.sessions) > SESSIONS:
                self.sessions.popitem(last=False)
            return {"turns": len(turns)}

    def op_history(self, request: Request) -> Result:
        with self.lock:
            return {"turns": list(self._turns(request))}

    def op_remember(self, request: Request) -> Result:
        with self.lock:
            lines = [f"{turn['speaker']}: {turn['text']}" for turn in self._turns(request)]
        return self.memory.call(request, "store", text="\n".join(lines), tags=["session", request["session"]])

    def _turns(self, request: Request) -> list[Result]:
        session = need(request, "session", str)
        if session not in self.sessions:
            raise Refused("unknown", f"there is no session {session!r}")
        return self.sessions[session]


class KnowledgeBase(Role):
    """Facts by subject, on this group's own volume."""

    def prepare(self) -> None:
        self.store = Store(self.setting.path("KNOWLEDGE_FILE", "/data/knowledge.sqlite"))

    def op_add(self, request: Request) -> Result:
        subject, fact = need(request, "subject", str), need(request, "fact", str)
        return {"fact": self.store.add(fact, [subject])}

    def op_search(self, request: Request) -> Result:
        return {"facts": self.store.search(need(request, "query", str), need_count(request, "limit", 5, 100))}

    def unhealthy(self) -> str:
        return self.store.problem()

    def close(self) -> None:
        self.store.close()
