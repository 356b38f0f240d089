# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker daemon of ours, for hosts where no init system starts one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time

from .._errors import EngineError, FleetError

# Where dockerd finds containerd, runc, docker-proxy and iptables, whatever PATH a login left us.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def answers(path: str, timeout: float = 3.0) -> bool:
    """Whether a Docker engine answers `/_ping` on the Unix socket `path`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def daemon_argv(socket_path: str, pid_file: str, data_root: str) -> list[str]:
    """The command that starts the daemon; an empty `data_root` leaves Docker's own default."""
    argv = ["dockerd", "--host", f"unix://{socket_path}", "--pidfile", pid_file]
    return [*argv, "--data-root", data_root] if data_root else argv


def own_pid(pid_file: str, proc: str = "/proc") -> int | None:
    """The pid of the daemon that was started with `pid_file`, or None.

    The file alone proves nothing: the number may belong to another process by now.
    """
    try:
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        with open(f"{proc}/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except (OSError, ValueError):
        return None
    named = os.path.basename(words[0]) == b"dockerd" and pid_file.encode() in words
    return pid if named else None


def start(socket_path: str, pid_file: str, log_file: str, data_root: str, timeout: float) -> None:
    """Start a daemon in the background and wait until it answers; EngineError with the log's last lines otherwise."""
    for path in (socket_path, pid_file, log_file):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(log_file, "ab") as log:
            process = subprocess.Popen(
                daemon_argv(socket_path, pid_file, data_root),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={"PATH": SYSTEM_PATH, "HOME": "/root", **_proxies()},
            )
    except FileNotFoundError:
        raise FleetError(f"dockerd is not in {SYSTEM_PATH}", mend="Run 'apt-get install docker.io'.") from None
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if answers(socket_path):
            return
        if process.poll() is not None:
            raise EngineError(f"dockerd ended with exit status {process.returncode}: {_last_lines(log_file)}", log_file)
        time.sleep(0.1)
    process.terminate()
    raise EngineError(
        f"dockerd did not answer on {socket_path} within {timeout:g} s: {_last_lines(log_file)}", log_file
    )


def stop(pid: int, timeout: float) -> None:
    """Ask the daemon to end, and wait for it; EngineError when it does not."""
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if _gone(pid):
            return
        time.sleep(0.1)
    raise EngineError(
        f"dockerd (pid {pid}) did not end within {timeout:g} s", mend=f"Look at it, then run 'kill -9 {pid}'."
    )


def _gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # A dead process that nobody waited for is gone as well: state Z, after the name in parentheses.
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _proxies() -> dict[str, str]:
    names = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return {name: os.environ[name] for name in names if name in os.environ}


def _last_lines(path: str, count: int = 8) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return " / ".join(line.strip() for line in file.readlines()[-count:])
