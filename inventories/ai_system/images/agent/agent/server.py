"""The loop of an agent: a ROUTER socket, a few worker threads, a Unix socket for the health check.

The loop answers `ping`, `health` and `ops` itself, so that slow work never makes an agent
look dead; work that takes far too long does (`STUCK`). Only the loop touches the ROUTER
socket, as ZeroMQ wants it; workers hand their replies back through a queue.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import threading
import time
import traceback
import typing as t

import zmq

from .log import Log
from .message import MAX_BYTES, Refused, Request, parse_request, reply_error, reply_ok
from .role import Role

WORKERS = 2
BACKLOG = 256
STUCK = 30.0
"""Seconds after which a request in hand makes the agent unhealthy."""
GRACE = 0.7
"""Seconds a request in hand gets after SIGTERM; the container is to be gone within one second."""
LINGER = 200
"""Milliseconds the last replies get to leave; only a peer that reads too slowly uses them up."""


class Job(t.NamedTuple):
    envelope: list[bytes]
    request: Request


class Server:
    def __init__(self, role: Role, url: str, health_socket: str, log: Log) -> None:
        self.role, self.log = role, log
        self.operations = role.operations()
        self.stopping = False
        self.started = time.monotonic()
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[tuple[list[bytes], bytes]] = queue.SimpleQueue()
        self.waiting = 0
        self.in_hand: dict[str, float] = {}
        # A context of its own: ending it sends the last replies, without waiting for what workers ask of peers.
        self.context = zmq.Context()
        self.router = self.context.socket(zmq.ROUTER)
        self.router.setsockopt(zmq.LINGER, LINGER)
        self.router.setsockopt(zmq.MAXMSGSIZE, MAX_BYTES)
        self.router.bind(url)
        self.url = self.router.getsockopt_string(zmq.LAST_ENDPOINT)
        self.wake_in, self.wake_out = socket.socketpair()
        self.wake_in.setblocking(False)
        self.wake_out.setblocking(False)
        self.health_path = health_socket
        self.listener = _listen(health_socket)

    def stop(self, *_: object) -> None:
        """Also a signal handler: says so to the loop and returns."""
        self.stopping = True
        self._wake()

    def run(self) -> None:
        """Serve until `stop`; then finish what is in hand."""
        for number in range(WORKERS):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()
        poller = zmq.Poller()
        for entry in (self.router, self.wake_in, self.listener):
            poller.register(entry, zmq.POLLIN)
        self.log("ready", url=self.url, operations=sorted(self.operations), **self.role.describe())
        while not self.stopping:
            ready = dict(poller.poll())
            if self.wake_in.fileno() in ready:
                self._drain_wake()
                self._send_done()
            if self.router in ready:
                self._receive()
            if self.listener.fileno() in ready:
                self._answer_health_check()
        self._finish()

    def health(self) -> tuple[bool, str]:
        """(healthy, reason)"""
        oldest = min(list(self.in_hand.values()), default=None)
        if oldest is not None and time.monotonic() - oldest > STUCK:
            return False, f"a request has been in hand for {time.monotonic() - oldest:.0f} s"
        reason = self.role.unhealthy()
        return not reason, reason

    def _receive(self) -> None:
        frames = self.router.recv_multipart()
        envelope, payload = frames[:-1], frames[-1]
        request: Request = {}
        try:
            request = parse_request(payload)
            result = self._answer_now(request)
            if result is not None:
                self.router.send_multipart([*envelope, reply_ok(request.get("id"), result)])
                return
            if request["op"] not in self.operations:
                raise Refused("unknown_op", f"{self.role.name} has no operation {request['op']!r}; ask for 'ops'")
            if self.waiting >= BACKLOG:
                raise Refused("busy", f"{BACKLOG} requests are waiting already")
        except Refused as refused:
            self.router.send_multipart([*envelope, reply_error(request.get("id"), refused)])
            return
        self.waiting += 1
        self.jobs.put(Job(envelope, request))

    def _answer_now(self, request: Request) -> dict[str, t.Any] | None:
        if request["op"] == "ping":
            return {"agent": self.role.name}
        if request["op"] == "health":
            healthy, reason = self.health()
            uptime = round(time.monotonic() - self.started, 3)
            return {"agent": self.role.name, "healthy": healthy, "reason": reason, "uptime": uptime}
        if request["op"] == "ops":
            return {"agent": self.role.name, "ops": sorted([*self.operations, "health", "ops", "ping"])}
        return None

    def _work(self) -> None:
        name = threading.current_thread().name
        while True:
            job = self.jobs.get()
            self.in_hand[name] = time.monotonic()
            payload = self._serve(job.request)
            del self.in_hand[name]
            self.done.put((job.envelope, payload))
            self._wake()

    def _serve(self, request: Request) -> bytes:
        request_id = request.get("id")
        try:
            return reply_ok(request_id, self.operations[request["op"]](request))
        except Refused as refused:
            self.log("refused", level="warning", op=request["op"], code=refused.code, message=refused.message)
            return reply_error(request_id, refused)
        except Exception:
            # The one broad handler of the runtime: a bug in one request is told and logged, and the agent stays up.
            self.log("failed", level="error", op=request["op"], traceback=traceback.format_exc())
            return reply_error(request_id, Refused("internal", f"{self.role.name} failed; its log says more"))

    def _send_done(self) -> None:
        while True:
            try:
                envelope, payload = self.done.get_nowait()
            except queue.Empty:
                return
            self.waiting -= 1
            self.router.send_multipart([*envelope, payload])

    def _answer_health_check(self) -> None:
        connection, _ = self.listener.accept()
        healthy, reason = self.health()
        with connection, contextlib.suppress(OSError):
            connection.sendall(json.dumps({"healthy": healthy, "reason": reason}).encode())

    def _finish(self) -> None:
        """Requests that no worker took are refused; those in hand get `GRACE` seconds."""
        self.log("stopping", in_hand=len(self.in_hand))
        with contextlib.suppress(queue.Empty):
            while True:
                job = self.jobs.get_nowait()
                refused = Refused("stopping", f"{self.role.name} is stopping")
                self.done.put((job.envelope, reply_error(job.request.get("id"), refused)))
        deadline = time.monotonic() + GRACE
        self._send_done()
        while self.waiting and time.monotonic() < deadline:
            time.sleep(0.005)
            self._send_done()
        self.router.close()
        self.context.term()
        self.listener.close()
        with contextlib.suppress(OSError):
            os.unlink(self.health_path)
        if not self.waiting:
            self.role.close()
        self.log("stopped", unanswered=self.waiting)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.wake_out.send(b".")

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.wake_in.recv(4096):
                pass


def _listen(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(16)
    return listener


def serve(role: Role, url: str, health_socket: str, log: Log) -> None:
    """Serve until SIGTERM or SIGINT. Call from the main thread."""
    server = Server(role, url, health_socket, log)
    signal.set_wakeup_fd(server.wake_out.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.stop)
    server.run()
