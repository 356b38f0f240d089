"""Asking another agent. A dead peer gives an error within the timeout, never a hang.

A socket is made for each call: nothing is left over from a call that timed out, and an
address that moved (a recreated container) is looked up again.
"""

from __future__ import annotations

import itertools
import json
import time
import typing as t

import zmq

from .message import Refused, Request, Result

_ids = itertools.count(1)

SHARE = 0.8
"""Of the time a sender waits for us, what we give our own peer: the error must still get back in time."""


class Connection:
    """One DEALER socket to one agent. Not for use from several threads."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        try:
            self.socket.connect(url)
        except zmq.ZMQError as error:
            self.socket.close()
            raise Refused("bad_url", f"{url!r} is no address to connect to: {error.strerror}") from None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def call(self, op: str, arguments: dict[str, t.Any], timeout: float) -> Result:
        """The peer's result. Raises Refused: its own error, or `unreachable` after `timeout` seconds."""
        request_id = next(_ids)
        request = {**arguments, "id": request_id, "op": op, "within": timeout}
        self.socket.send(json.dumps(request).encode())
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not self.socket.poll(int(left * 1000) + 1):
                raise Refused("unreachable", f"{self.url} did not answer {op!r} within {timeout:g} s")
            reply = json.loads(self.socket.recv())
            if reply.get("id") == request_id:
                return _result(reply)


def _result(reply: dict[str, t.Any]) -> Result:
    if reply.get("ok"):
        return reply["result"]
    error = reply.get("error") or {}
    raise Refused(error.get("code", "bad_reply"), error.get("message", "the peer's reply has no result"))


class Peer:
    """The other end of a link."""

    def __init__(self, url: str, timeout: float = 2.0) -> None:
        self.url = url
        self.timeout = timeout

    def call(self, request: Request, op: str, **arguments: t.Any) -> Result:
        """Ask for `op` while serving `request`, whose sender's patience bounds ours."""
        patience = request.get("within")
        timeout = self.timeout
        if isinstance(patience, (int, float)) and patience > 0:
            timeout = min(timeout, patience * SHARE)
        with Connection(self.url) as connection:
            return connection.call(op, arguments, timeout)
