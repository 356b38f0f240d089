# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs podman: argv in, an answer out. The one place that starts a process."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import typing as t
from dataclasses import dataclass

from .._errors import EngineError
from .._lines import run_lines
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

    def run(
        self, *words: str, timeout: float | None = None, folder: str | None = None, stdin: int = subprocess.DEVNULL
    ) -> Answer:
        """folder: to run it in. stdin: a descriptor. Status 124 when there was no answer within `timeout` seconds.

        Raises EngineError only if it cannot be started.
        """
        try:
            done = subprocess.run(
                [self._program, *words],
                stdin=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                env=self._environment,
                cwd=folder,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            return Answer(124, _text(late.stdout), f"{_text(late.stderr)}no answer within {timeout:g} s")
        except OSError as error:
            raise EngineError(f"podman could not be run: {error.strerror}", path=self._program) from error
        return Answer(done.returncode, done.stdout, done.stderr)

    def ask(self, *words: str, path: str = "podman", folder: str | None = None) -> str:
        """Standard output. Raises EngineError with podman's own words when it failed."""
        answer = self.run(*words, folder=folder)
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
        try:
            status, last = run_lines([self._program, *words], on_line, self._environment)
        except OSError as error:
            raise EngineError(f"podman could not be run: {error.strerror}", path=self._program) from error
        if status:
            raise EngineError(f"podman {verb(words)} failed:\n" + "\n".join(last), path=path)

    @contextlib.contextmanager
    def output(self, words: t.Sequence[str], path: str) -> t.Iterator[t.IO[bytes]]:
        """Standard output as it comes. Raises EngineError with podman's own words when it failed, at the end."""
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(
                [self._program, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                env=self._environment,
            ) as process,
        ):
            output = t.cast("t.IO[bytes]", process.stdout)
            try:
                yield output
                # The reader stops at the end of the archive, which need not be the end of the output.
                while output.read(1 << 20):
                    pass
            except BaseException:
                # Podman ends by this, if it has not ended by itself, which then is what the reader failed of.
                output.close()
                if process.wait() <= 0 or "broken pipe" in _said(said):
                    raise
            if process.wait():
                raise EngineError(f"podman {verb(words)}: {parse.complaint(_said(said))}", path=path)


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


def _said(file: t.IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _text(data: t.Any) -> str:
    return data.decode(errors="replace") if isinstance(data, bytes) else data or ""
