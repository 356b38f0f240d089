# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs podman: argv in, an answer out. The one place that starts a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import typing as t
from dataclasses import dataclass

from .._errors import EngineError
from . import podman_parse as parse
from .base import PREPARE
from .podman_arguments import Dialect, read_dialect


@dataclass(frozen=True)
class Answer:
    """What one podman process said."""

    status: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        return parse.complaint(self.stderr) or self.stdout.strip() or f"exit status {self.status}"


class PodmanCommand:
    """The podman program of this host, run with an environment that makes its answers readable."""

    def __init__(self, program: str = "podman", environment: dict[str, str] | None = None) -> None:
        """program: a name on PATH or a path. environment: instead of this process's own. Raises EngineError if absent."""
        found = shutil.which(program)
        if found is None:
            raise EngineError("Podman is not installed on this host", mend=PREPARE)
        self._program = found
        self._environment = command_environment(dict(os.environ if environment is None else environment), os.geteuid())
        self._dialects: dict[str, Dialect] = {}
        self._lock = threading.Lock()
        self.version, self.numbers = parse.version(self.ask("--version"))

    def run(self, *words: str, timeout: float | None = None) -> Answer:
        """Status 124 when there was no answer within `timeout` seconds. Raises EngineError only if it cannot be started."""
        try:
            done = subprocess.run(
                [self._program, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                env=self._environment,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            return Answer(124, _text(late.stdout), f"{_text(late.stderr)}no answer within {timeout:g} s")
        except OSError as error:
            raise EngineError(f"podman could not be run: {error.strerror}", path=self._program) from error
        return Answer(done.returncode, done.stdout, done.stderr)

    def ask(self, *words: str, path: str = "podman") -> str:
        """Standard output. Raises EngineError with podman's own words when it failed."""
        answer = self.run(*words)
        if answer.status:
            raise EngineError(f"podman {verb(words)}: {answer.words}", path=path)
        return answer.stdout

    def entries(self, *words: str) -> list[dict[str, t.Any]]:
        """What a command lists."""
        return parse.documents(self.ask(*words, "--format", "json"), verb(words))

    def dialect(self, *command: str) -> Dialect:
        """How the options of a command are read by this Podman; asked once."""
        key = " ".join(command)
        with self._lock:
            if key not in self._dialects:
                self._dialects[key] = read_dialect(self.numbers, self.ask(*command, "--help"))
            return self._dialects[key]

    def stream(self, words: t.Sequence[str], on_line: t.Callable[[str], None] | None, path: str) -> None:
        """Run, handing on every line as it comes; the last lines go into the error."""
        last: list[str] = []
        with subprocess.Popen(
            [self._program, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._environment,
        ) as process:
            for line in process.stdout or ():
                last = [*last[-19:], line.rstrip()]
                if on_line:
                    on_line(line.rstrip())
        if process.returncode:
            raise EngineError(f"podman {verb(words)} failed:\n" + "\n".join(last), path=path)


def command_environment(
    environment: dict[str, str], uid: int, is_directory: t.Callable[[str], bool] = os.path.isdir
) -> dict[str, str]:
    """The environment podman and systemctl are run with: messages in English, and a rootless user's runtime directory.

    After `su` or `become` XDG_RUNTIME_DIR is absent, and Podman would fall back to a
    directory below /tmp: a different set of running containers (podman(1), «XDG_RUNTIME_DIR»).
    So is the address of the user's bus, over which both talk to the user's systemd. A warning about cgroup v1 would stand
    in what programs in containers print, on every call.
    """
    result = {**environment, "LC_ALL": "C", "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
    folder = f"/run/user/{uid}"
    if uid != 0 and not result.get("XDG_RUNTIME_DIR") and is_directory(folder):
        result["XDG_RUNTIME_DIR"] = folder
    if uid != 0 and result.get("XDG_RUNTIME_DIR") and not result.get("DBUS_SESSION_BUS_ADDRESS"):
        result["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={result['XDG_RUNTIME_DIR']}/bus"
    return result


def verb(words: t.Sequence[str]) -> str:
    """``network create`` out of the words of a command, for messages."""
    words = words[2:] if words[0] == "--runtime" else words
    count = 2 if words[0] in ("network", "volume", "image", "healthcheck") else 1
    return " ".join(words[:count])


def _text(data: t.Any) -> str:
    return data.decode(errors="replace") if isinstance(data, bytes) else data or ""
