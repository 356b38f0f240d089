"""What the tests of moving images share: the modules as hosts run them, and a wire whose bytes are counted."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
PASSWORD = "a password of tests only"

_CALL = """
import importlib, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = open(sys.argv[2], "rb").read(), "legacy"
importlib.import_module("ansible_collections.gpu_fleet.containers.plugins.modules." + sys.argv[1]).main()
"""


def start(
    folder: pathlib.Path, module: str, environment: dict[str, str] | None = None, **options: t.Any
) -> subprocess.Popen:
    """A module as a host runs it: one Python process."""
    arguments = folder / f"arguments-{time.monotonic_ns()}.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    return subprocess.Popen(
        [sys.executable, "-c", _CALL, module, str(arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / ".collections"), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen) -> dict[str, t.Any]:
    output, errors = process.communicate(timeout=300)
    try:
        return json.loads(output)
    except ValueError:
        raise AssertionError(f"no answer:\n{output}\n{errors}") from None


def call(folder: pathlib.Path, module: str, **options: t.Any) -> dict[str, t.Any]:
    """What the module answers; it must not have failed."""
    said = answer(start(folder, module, **options))
    assert not said.get("failed"), said["msg"]
    return said


def failure(folder: pathlib.Path, module: str, environment: dict[str, str] | None = None, **options: t.Any) -> str:
    """What the module says; it must have failed."""
    said = answer(start(folder, module, environment, **options))
    assert said.get("failed"), said
    return said["msg"]


class Wire:
    """Listens on 127.0.0.1 and passes everything on to an address, counting the bytes that come back.

    pace: bytes a second at most, 0 for as fast as it goes.
    """

    def __init__(self, target: str, pace: int = 0) -> None:
        host, _colon, port = target.rpartition(":")
        self._target, self._pace = (host, int(port)), pace
        self.received = self.sent = self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    @property
    def bytes(self) -> int:
        return self.received + self.sent

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(self._target) as server,
            selectors.DefaultSelector() as selector,
        ):
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _events in selector.select():
                    data = t.cast(socket.socket, key.fileobj).recv(1 << 16)
                    if not data:
                        return
                    key.data.sendall(data)
                    if key.fileobj is server:
                        self.received += len(data)
                        if self._pace:
                            time.sleep(len(data) / self._pace)
                    else:
                        self.sent += len(data)


@contextlib.contextmanager
def wire(target: str, pace: int = 0) -> t.Iterator[Wire]:
    made = Wire(target, pace)
    try:
        yield made
    finally:
        made.close()


def registry_processes() -> list[int]:
    """Of every program docker-registry that runs in this machine."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            words = pathlib.Path(f"/proc/{int(name)}/cmdline").read_bytes().split(b"\0")
            if b"docker-registry" in b" ".join(words[:5]):
                found.append(int(name))
    return sorted(found)


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()
