"""The core of the system: what state it is in, and one door to all agents."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ..client import Peer
from ..message import Refused, Request, Result, need
from ..role import Role


class SystemDigitalTwin(Role):
    """Keeps the last state that each part of the system reported."""

    def prepare(self) -> None:
        self.parts: dict[str, Result] = {}

    def op_report(self, request: Request) -> Result:
        name, state = need(request, "name", str), need(request, "state", dict)
        self.parts[name] = {"state": state, "time": time.time()}
        return {"parts": len(self.parts)}

    def op_state(self, request: Request) -> Result:
        name = need(request, "name", str, "")
        if name and name not in self.parts:
            raise Refused("unknown", f"{name!r} has not reported")
        return {"parts": {name: self.parts[name]} if name else dict(self.parts)}


class RequestCoordinator(Role):
    """Passes requests on to the agents it has links to."""

    def prepare(self) -> None:
        self.peers = self.setting.peers()

    def op_peers(self, request: Request) -> Result:
        return {"peers": {name: peer.url for name, peer in self.peers.items()}}

    def op_forward(self, request: Request) -> Result:
        """``{"to": "text-processor", "request": {"op": "analyse", "text": "…"}}``"""
        inner = dict(need(request, "request", dict))
        op = need(inner, "op", str)
        for key in ("op", "id", "within"):
            inner.pop(key, None)
        return self._peer(need(request, "to", str)).call(request, op, **inner)

    def _peer(self, name: str) -> Peer:
        if name not in self.peers:
            raise Refused("unknown", f"no link to {name!r}; there are: {', '.join(self.peers) or 'none'}")
        return self.peers[name]


class UnifiedSystemAgent(Role):
    """One view of the whole: this container's own figures, and who of its peers answers."""

    def prepare(self) -> None:
        self.peers = self.setting.peers()

    def op_overview(self, request: Request) -> Result:
        peers = {}
        for name, peer in self.peers.items():
            try:
                peers[name] = peer.call(request, "health")
            except Refused as refused:
                peers[name] = {"healthy": False, "reason": refused.message}
        return {"peers": peers, "healthy": all(peer["healthy"] for peer in peers.values())}

    def op_system(self, request: Request) -> Result:
        available = next(
            int(line.split()[1]) * 1024
            for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
            if line.startswith("MemAvailable:")
        )
        return {"cpus": os.cpu_count(), "load": os.getloadavg(), "memory_available_bytes": available}
