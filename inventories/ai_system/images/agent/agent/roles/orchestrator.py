"""PC2's memory: one store for the whole system, on a volume."""

from __future__ import annotations

import hmac

from ..message import Refused, Request, Result, need, need_count
from ..role import Role
from ..store import Store

LONGEST_TEXT = 64 * 1024
"""Bytes of one memory, so that a page of `since` stays a message of bearable size."""


def check_token(request: Request, token: str) -> None:
    given = need(request, "token", str, "")
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise Refused("denied", "the access token is missing or wrong")


class MemoryOrchestratorService(Role):
    """Stores, finds and hands out memories to whoever has the access token."""

    def prepare(self) -> None:
        self.token = self.setting.secret("MEMORY_TOKEN_FILE")
        self.store = Store(self.setting.path("MEMORY_FILE", "/data/memory.sqlite"))

    def describe(self) -> Result:
        return {"memories": self.store.count()}

    def op_store(self, request: Request) -> Result:
        check_token(request, self.token)
        text, tags = need(request, "text", str).strip(), need(request, "tags", list, [])
        if not text:
            raise Refused("bad_request", '"text" is empty')
        if len(text.encode()) > LONGEST_TEXT:
            raise Refused("too_long", f"a memory has at most {LONGEST_TEXT} bytes")
        return {"memory": self.store.add(text, tags)}

    def op_get(self, request: Request) -> Result:
        check_token(request, self.token)
        number = need(request, "memory", int)
        found = self.store.get(number)
        if found is None:
            raise Refused("unknown", f"there is no memory {number}")
        return found

    def op_search(self, request: Request) -> Result:
        check_token(request, self.token)
        return {"memories": self.store.search(need(request, "query", str), need_count(request, "limit", 5, 100))}

    def op_since(self, request: Request) -> Result:
        """Memories after a number, oldest first: for those who keep an index of their own."""
        check_token(request, self.token)
        memories = self.store.since(need(request, "memory", int, 0), need_count(request, "limit", 200, 500))
        return {"store": self.store.identity, "memories": memories}

    def unhealthy(self) -> str:
        return self.store.problem()

    def close(self) -> None:
        self.store.close()
