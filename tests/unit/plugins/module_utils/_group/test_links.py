"""Links are asked on real sockets: what answers, what only accepts, and what is not there."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import threading
import time

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import links
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.links import Answer, ask, wait_for

ZMTP_GREETING = b"\xff" + b"\x00" * 8 + b"\x7f" + b"\x03\x01NULL".ljust(54, b"\x00")


@contextlib.contextmanager
def tcp_server(behave, port=0):
    """A listener on loopback; `behave` is called with each connection. Yields the port."""
    listener = socket.create_server(("127.0.0.1", port))
    stop = threading.Event()
    open_connections = []

    def serve():
        while not stop.is_set():
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            open_connections.append(connection)
            with contextlib.suppress(OSError):
                behave(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)
        for connection in open_connections:
            connection.close()


@contextlib.contextmanager
def http_server(status: int):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.parametrize("status", [200, 404, 503])
def test_any_http_status_is_an_answer(status):
    with http_server(status) as port:
        answer = ask(f"http://127.0.0.1:{port}/health")
    assert (answer.answered, answer.reason) == (True, f"HTTP {status}")
    assert 0 < answer.round_trip < 2


def test_a_zeromq_peer_greets():
    with tcp_server(lambda connection: connection.sendall(ZMTP_GREETING)) as port:
        answer = ask(f"tcp://127.0.0.1:{port}")
    assert (answer.answered, answer.reason) == (True, "the peer spoke")


def test_a_silent_server_that_keeps_the_connection_is_there(monkeypatch):
    monkeypatch.setattr(links, "_PATIENCE", 0.1)
    with tcp_server(lambda connection: None) as port:
        answer = ask(f"redis://127.0.0.1:{port}")
    assert (answer.answered, answer.reason) == (True, "the connection stays open")
    assert answer.round_trip < 0.1, "the wait for the peer's word is no part of the round trip"


@pytest.mark.parametrize("scheme", ["tcp", "redis", "http"])
def test_accepting_and_closing_is_no_answer(scheme):
    """What docker-proxy does when nobody listens behind the published port."""
    with tcp_server(lambda connection: connection.close()) as port:
        answer = ask(f"{scheme}://127.0.0.1:{port}")
    assert not answer.answered
    if scheme != "http":
        assert answer.reason == "the connection was closed at once: nobody listens behind the published port"
    assert answer.reason


@pytest.mark.parametrize("scheme", ["tcp", "http", "https"])
def test_refused(scheme):
    answer = ask(f"{scheme}://127.0.0.1:{free_port()}")
    assert answer == Answer(False, "Connection refused")


def test_an_http_server_that_never_answers():
    begin = time.monotonic()
    with tcp_server(lambda connection: None) as port:
        answer = ask(f"http://127.0.0.1:{port}", timeout=0.2)
    assert answer == Answer(False, "no answer within 0.2 s")
    assert time.monotonic() - begin < 2


def test_something_else_than_http():
    with tcp_server(lambda connection: connection.sendall(ZMTP_GREETING + b"\r\n")) as port:
        answer = ask(f"http://127.0.0.1:{port}")
    assert not answer.answered and answer.reason


def test_something_else_than_tls():
    def plain(connection):
        connection.sendall(b"HTTP/1.0 400 no TLS here\r\n\r\n")

    with tcp_server(plain) as port:
        answer = ask(f"https://127.0.0.1:{port}")
    assert not answer.answered
    assert answer.reason and ssl.SSLError.__name__ not in answer.reason


def test_a_name_that_does_not_exist():
    answer = ask("tcp://no-such-host.invalid:7140", timeout=1)
    assert not answer.answered and answer.reason


@pytest.mark.parametrize("url", ["tcp://127.0.0.1", "pc2:7140", "", "tcp://:7140"])
def test_no_host_or_no_port(url):
    assert ask(url) == Answer(False, f"{url} names no host and port")


@pytest.mark.parametrize(
    ("url", "port"), [("http://h", 80), ("https://h/x", 443), ("redis://h/0", 6379), ("postgres://h/db", 5432)]
)
def test_ports_that_a_scheme_implies(url, port, monkeypatch):
    asked = []
    monkeypatch.setattr(links, "_ask_http", lambda scheme, host, number, *rest: asked.append(number))
    monkeypatch.setattr(links, "_ask_tcp", lambda host, number, *rest: asked.append(number))
    ask(url)
    assert asked == [port]


def test_waiting_for_one_that_comes_up():
    port = free_port()
    with contextlib.ExitStack() as stack:
        timer = threading.Timer(
            0.3, lambda: stack.enter_context(tcp_server(lambda connection: connection.sendall(b"hello"), port))
        )
        timer.start()
        answer = wait_for(f"tcp://127.0.0.1:{port}", 5.0)
        timer.join()
    assert answer.answered


def test_waiting_ends():
    begin = time.monotonic()
    answer = wait_for(f"tcp://127.0.0.1:{free_port()}", 0.4)
    assert answer == Answer(False, "Connection refused")
    assert 0.4 <= time.monotonic() - begin < 2
