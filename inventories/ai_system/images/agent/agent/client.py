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

from .message import MAX_BYTES, Refused, Request, Result

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
        payload = json.dumps({**arguments, "id": request_id, "op": op, "within": timeout}).encode()
        if len(payload) > MAX_BYTES:
            raise Refused("too_long", f"a request of {len(payload)} bytes is longer than {MAX_BYTES}")
        self.socket.send(payload)
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not self.socket.poll(int(left * 1000) + 1):
                raise Refused("unreachable", f"{self.url} did not answer {op!r} within {timeout:g} s")
            reply = _parse(self.socket.recv(), self.url)
            if reply.get("id") == request_id:
                return _result(reply, self.url)


def _parse(payload: bytes, url: str) -> dict[str, t.Any]:
    try:
        reply = json.loads(payload)
    except ValueError:
        reply = None
    if not isinstance(reply, dict):
        raise Refused("bad_reply", f"what answers at {url} is no agent: its reply is not a JSON object")
    return reply


def _result(reply: dict[str, t.Any], url: str) -> Result:
    if reply.get("ok") and isinstance(reply.get("result"), dict):
        return reply["result"]
    error = reply.get("error")
    if not isinstance(error, dict):
        raise Refused("bad_reply", f"the reply of {url} has neither result nor error")
    raise Refused(str(error.get("code")), str(error.get("message")))


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
