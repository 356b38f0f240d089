"""Learning."""

from __future__ import annotations

import heapq
import threading

from ..message import Refused, Request, Result, need, need_count
from ..role import Role

KEPT = 1000


class ActiveLearningMonitor(Role):
    """Keeps the predictions that were least certain: the ones worth a person's label."""

    def prepare(self) -> None:
        self.lock = threading.Lock()
        self.heap: list[tuple[float, int, str]] = []
        self.observed = 0

    def op_observe(self, request: Request) -> Result:
        text, confidence = need(request, "text", str), need(request, "confidence", (int, float))
        if not 0 <= confidence <= 1:
            raise Refused("bad_request", '"confidence" is not between 0 and 1')
        with self.lock:
            self.observed += 1
            # The first entry of the heap is the most certain one: the one to drop.
            heapq.heappush(self.heap, (-confidence, -self.observed, text))
            if len(self.heap) > KEPT:
                heapq.heappop(self.heap)
            return {"observed": self.observed}

    def op_uncertain(self, request: Request) -> Result:
        limit = need_count(request, "limit", 10, KEPT)
        with self.lock:
            entries = heapq.nlargest(limit, self.heap)
        return {"predictions": [{"text": text, "confidence": -negative} for negative, _order, text in entries]}
