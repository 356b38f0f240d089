"""A daemon of ours is known by its pid file and its command line together."""

from __future__ import annotations

import pathlib
import socket
import subprocess
import sys
import threading

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import docker_daemon

PID_FILE = "/run/gpu-fleet/dockerd.pid"


@pytest.mark.parametrize(
    ("data_root", "expected"),
    [
        ("", ["dockerd", "--host", "unix:///run/docker.sock", "--pidfile", PID_FILE]),
        ("/d", ["dockerd", "--host", "unix:///run/docker.sock", "--pidfile", PID_FILE, "--data-root", "/d"]),
    ],
)
def test_daemon_argv(data_root: str, expected: list[str]) -> None:
    assert docker_daemon.daemon_argv("/run/docker.sock", PID_FILE, data_root) == expected


@pytest.mark.parametrize(
    ("noted", "words", "ours"),
    [
        ("42\n", ["/usr/sbin/dockerd", "--pidfile", "{file}"], True),
        ("42", ["dockerd", "--host", "x", "--pidfile", "{file}"], True),
        ("42", ["/usr/sbin/dockerd"], False),
        ("42", ["python3", "{file}"], False),
        ("43", ["/usr/sbin/dockerd", "--pidfile", "{file}"], False),
        ("", ["/usr/sbin/dockerd", "--pidfile", "{file}"], False),
        ("many", ["/usr/sbin/dockerd", "--pidfile", "{file}"], False),
    ],
)
def test_own_pid(tmp_path: pathlib.Path, noted: str, words: list[str], ours: bool) -> None:
    file = tmp_path / "dockerd.pid"
    file.write_text(noted)
    (tmp_path / "proc/42").mkdir(parents=True)
    line = "\0".join(word.format(file=file) for word in words) + "\0"
    (tmp_path / "proc/42/cmdline").write_text(line)
    assert docker_daemon.own_pid(str(file), str(tmp_path / "proc")) == (42 if ours else None)


def test_no_pid_file_is_no_daemon(tmp_path: pathlib.Path) -> None:
    assert docker_daemon.own_pid(str(tmp_path / "none")) is None


@pytest.mark.parametrize(
    ("reply", "answers"),
    [(b"HTTP/1.0 200 OK\r\n\r\nOK", True), (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", False), (b"", False)],
)
def test_answers(tmp_path: pathlib.Path, reply: bytes, answers: bool) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen(1)

        def serve() -> None:
            connection, _address = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        assert docker_daemon.answers(str(path)) is answers
        thread.join()


def test_nobody_answers_without_a_socket(tmp_path: pathlib.Path) -> None:
    assert docker_daemon.answers(str(tmp_path / "docker.sock")) is False


def test_stop_waits_until_the_process_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    docker_daemon.stop(process.pid, timeout=10)
    assert process.wait(timeout=10) != 0


def test_stop_says_what_to_do_when_it_does_not_end() -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('set', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            with pytest.raises(EngineError, match=f"kill -9 {process.pid}"):
                docker_daemon.stop(process.pid, timeout=0.3)
        finally:
            process.kill()


def test_a_daemon_that_ends_at_once_shows_its_last_words(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dockerd").write_text("#!/bin/sh\necho 'no space left' >&2\nexit 3\n")
    (tmp_path / "dockerd").chmod(0o755)
    monkeypatch.setattr(docker_daemon, "SYSTEM_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="exit status 3: no space left"):
        docker_daemon.start(
            str(tmp_path / "a/docker.sock"), str(tmp_path / "b/pid"), str(tmp_path / "c/log"), "", timeout=10
        )
