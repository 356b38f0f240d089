# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to Docker over the OpenSSH client, so that ~/.ssh/config, agents and known hosts count.

Each runs ``docker system dial-stdio`` on the far side, which joins it to the daemon: that is how Docker's own program
does it (docker/cli, cli/connhelper), and the only way that works on Windows, Mac and Linux alike. One login serves all
connections of a minute (ControlMaster). The SDK's own transport needs paramiko, logs in for each connection, and gives
no socket that could be asked whether it is still alive.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import tempfile
import typing as t

from .._errors import EngineError, InputError

_LONGEST = 85
"""Characters of a control path that leave room in a socket's address (108) for what ssh adds while it makes it (17)."""

_EXPLAINED: tuple[tuple[str, str, str], ...] = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one that is known",
        "Find out why first. If it was installed anew: ssh-keygen -R {host}, then connect once by hand.",
    ),
    (
        "Host key verification failed",
        "its host key is not known",
        "Connect once by hand and compare the key: ssh {login}.",
    ),
    (
        # Before ssh's own «Permission denied»: this is Docker's program on the far side.
        r"permission denied while trying to connect to the .*[dD]ocker (daemon|API)",
        "its user may not use Docker",
        "Put that user into the group docker (on Windows: docker-users) and log in anew.",
    ),
    (
        r"Permission denied \(|Too many authentication failures",
        "it does not let us in",
        "Name the key in ~/.ssh/config (IdentityFile) and put its public half into authorized_keys there; on Windows, for an "
        r"administrator, into C:\ProgramData\ssh\administrators_authorized_keys.",
    ),
    (
        "Could not resolve hostname",
        "its name is not known here",
        "Correct container_engine_url, or give it a HostName in ~/.ssh/config.",
    ),
    (
        "Connection refused|Connection timed out|No route to host|Network is unreachable|Connection closed by",
        "no SSH server answers",
        "Is it on, and its SSH server running? Windows: Start-Service sshd; Mac: System Settings, Sharing, Remote Login.",
    ),
    (
        r"docker: (command )?not found|not found: docker|'docker' is not recognized|term 'docker' is not recognized",
        "there is no docker on the PATH of its SSH sessions",
        "Mac: echo 'export PATH=/usr/local/bin:$PATH' >> ~/.zshenv there. Windows: restart sshd after Docker Desktop was "
        "installed. Try: ssh {login} docker version.",
    ),
    (
        "is not a docker command|unknown (command|shorthand flag)",
        "its docker program is too old for connections over SSH",
        "Update it to 18.09 or newer.",
    ),
    (
        "Cannot connect to the Docker daemon|error during connect|failed to connect to the [dD]ocker API|raw stream connection",
        "Docker does not run there",
        "Start it: Docker Desktop on Windows and Mac (it has to run in that user's session), systemctl start docker on Linux.",
    ),
)
"""What ssh or the far side says (regular expression) → what it means, and the mend."""


class Address(t.NamedTuple):
    """The parts of ``ssh://[user@]host[:port][/path/of/the/socket]``; what is missing is ~/.ssh/config's to say."""

    host: str
    user: str = ""
    port: str = ""
    socket: str = ""

    @property
    def login(self) -> str:
        """As one types it: ``ssh LOGIN``."""
        return (f"-p {self.port} " if self.port else "") + (f"{self.user}@" if self.user else "") + self.host


def parse(url: str) -> Address:
    """Raises InputError. Not by urlsplit, which makes names small: ~/.ssh/config tells MainPC from mainpc."""
    found = re.fullmatch(
        r"ssh://(?:([^@/:\s]+)(:[^@/]*)?@)?(\[[0-9a-fA-F:%.\w]+\]|[A-Za-z0-9_.][A-Za-z0-9_.-]*)(?::(\d{1,5}))?(/[\w./~+-]*)?",
        url,
    )
    if found is None:
        # There may be a password in it.
        shown = re.sub("//.*@", "//…@", url)
        raise InputError(f"{shown} is not understood", "container_engine_url", "Write ssh://[user@]host[:port].")
    user, password, host, port, path = found.groups()
    if password:
        raise InputError(
            "a password in the URL is not used", "container_engine_url", "Use a key: ~/.ssh/config, IdentityFile."
        )
    return Address(host.strip("[]"), user or "", port or "", (path or "").rstrip("/"))


def argv(address: Address, control_path: str = "") -> list[str]:
    """The command of one connection. Nothing may ask: there is nobody to answer."""
    options = ["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15"]
    if control_path:
        options += ["-o", "ControlMaster=auto", "-o", f"ControlPath={control_path}", "-o", "ControlPersist=60"]
    options += ["-l", address.user] if address.user else []
    options += ["-p", address.port] if address.port else []
    where = f"--host unix://{address.socket} " if address.socket else ""
    return ["ssh", *options, "--", address.host, f"docker {where}system dial-stdio"]


def control_path() -> str:
    """Where the shared login's socket lies: beside those of Ansible's own. Empty where the path would be too long."""
    folder = os.environ.get("ANSIBLE_SSH_CONTROL_PATH_DIR") or "~/.ansible/cp"
    path = os.path.join(os.path.expanduser(folder), "fleet-")
    if len(path) + 40 > _LONGEST:
        return ""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    except OSError:
        return ""
    # %C is a hash of both hosts, port and user, 40 characters long (ssh_config, TOKENS).
    return path + "%C"


def explain(said: str, address: Address) -> tuple[str, str]:
    """What went wrong and what mends it, of what ssh and the far side wrote."""
    for pattern, meaning, mend in _EXPLAINED:
        if re.search(pattern, said):
            return meaning, mend.format(host=address.host, login=address.login)
    return "", f"Check that «ssh {address.login} docker version» works without a question."


class Dialer:
    """Opens connections to one Docker over SSH. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._address = parse(url)
        self._argv = argv(self._address, control_path())
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this object
        self._processes: list[subprocess.Popen[bytes]] = []

    def connect(self, timeout: float | None) -> socket.socket:
        """A socket that speaks with the daemon. Raises EngineError without an ssh program."""
        ours, theirs = socket.socketpair()
        try:
            process = subprocess.Popen(
                # A session of its own: Ctrl-C ends the run, which then closes the connection.
                self._argv, stdin=theirs, stdout=theirs, stderr=self._said, start_new_session=True
            )  # fmt: skip
        except FileNotFoundError as error:
            ours.close()
            raise EngineError(
                "the OpenSSH client is missing on the control node",
                "container_engine_url",
                "Install it (Debian and Ubuntu: apt install openssh-client).",
            ) from error
        finally:
            theirs.close()
        self._processes = [each for each in self._processes if each.poll() is None] + [process]
        ours.settimeout(timeout)
        return ours

    def error(self, words: str, path: str = "") -> EngineError:
        """What to say when a connection broke: ssh's own words tell why, the HTTP client's do not."""
        for process in self._processes:
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip()
        meaning, mend = explain(said, self._address)
        last = [line for line in said.splitlines() if line.strip()][-3:]
        shown = "; ".join(last) or words
        return EngineError(
            f"Docker does not answer at {self._url}: {f'{meaning} ({shown})' if meaning else shown}", path, mend
        )
