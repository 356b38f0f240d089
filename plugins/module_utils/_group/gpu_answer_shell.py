# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shell program of `gpu_probe.py` and single tools printed inside a container.

The program prints one ``word|…`` a line, and the output of tools between ``begin`` and ``end``.
"""

from __future__ import annotations

import errno
import re
import typing as t

from .._gpu import rocminfo, vulkaninfo
from .gpu_answer import NO_DEVICE_NODE, Answer, Device, Library, Node, bare_uuid, plain

_NUMBERS = {
    "Permission denied": errno.EACCES,
    "Operation not permitted": errno.EPERM,
    "No such device or address": errno.ENXIO,
    "No such device": errno.ENODEV,
    "Input/output error": errno.EIO,
}


def from_shell(output: str) -> Answer | None:
    """The answer of `SHELL_PROGRAM`, also one that broke off in a tool; None where the output holds none."""
    nodes: list[Node] = []
    libraries: list[Library] = []
    status: dict[tuple[str, str], str] = {}
    environment: dict[str, str] = {}
    begun, tool, said, musl = False, "", [], False
    for line in output.splitlines():
        word, *rest = line.rstrip("\r").split("|")
        if tool and not (word == "end" and rest[:1] == [tool]):
            said.append(line)
        elif tool:
            libraries.append(from_tool(tool, _number_of(rest[-1]), "\n".join(said)))
            tool, said = "", []
        elif word == "gpu-probe":
            begun = True
        elif word == "status" and len(rest) == 3:
            status[rest[0], rest[1]] = rest[2]
        elif word == "node" and len(rest) >= 4:
            nodes += _shell_node(rest[0], rest[1], rest[2], "|".join(rest[3:]))
        elif word == "environment" and len(rest) >= 2:
            environment[plain(rest[0])] = plain("|".join(rest[1:]))
        elif word == "musl":
            musl = True
        elif word == "begin":
            tool = "|".join(rest) or "nothing"
    if not begun:
        return None
    if tool:
        libraries.append(Library(tool.split()[0], tool, hung=True, error="it did not end in time"))
    return Answer(
        "sh",
        tuple(nodes),
        tuple(entry for entry in libraries if entry.there),
        *_who(status, "self"),
        *_who(status, "1"),
        environment,
        musl,
    )


def _who(status: dict[tuple[str, str], str], process: str) -> tuple[str, str]:
    """User and groups of a process. Lines of /proc/PID/status name the real, effective, saved and file system's id."""
    user, group = (status.get((process, key), "").split() for key in ("Uid:", "Gid:"))
    groups = {*group[1:2], *status.get((process, "Groups:"), "").split()}
    return "".join(user[1:2]), " ".join(sorted(groups, key=lambda word: (len(word), word)))


def _shell_node(state: str, path: str, listed: str, error: str) -> list[Node]:
    """`listed` is the line of ``ls -ldn``: ``crw-rw---- 1 0 104 226, 128 …``."""
    if state == "absent":
        # A pattern that nothing matches.
        return [] if "*" in path else [Node(path, False, "No such file or directory", errno.ENOENT)]
    words = listed.split()
    mode = _octal(words[0]) if words else ""
    uid, gid = (_number_of(word) for word in words[2:4]) if len(words) > 3 else (None, None)
    if state == "other":
        return [Node(path, False, NO_DEVICE_NODE, 0, mode, uid, gid)]
    said = plain(error.rpartition(": ")[2])
    return [Node(path, state == "opened", said, _NUMBERS.get(said, 0), mode, uid, gid)]


def _octal(letters: str) -> str:
    """``crw-rw----`` as ``0660``; empty for anything else."""
    if not re.match(r".[r-][w-].[r-][w-].[r-][w-].", letters):
        return ""
    bits = "".join("0" if letter in "-ST" else "1" for letter in letters[1:10])
    return f"{int(bits, 2):04o}"


# Not found, not executable, or ended by a signal: nvidia-smi may crash under WSL2 while CUDA works (microsoft/WSL 11277).
_TELLS_NOTHING = (126, 127, *(128 + number for number in (4, 6, 7, 8, 11)))


def from_tool(tool: str, status: int | None, output: str) -> Library:
    """What ``nvidia-smi -L``, ``rocminfo`` or ``vulkaninfo --summary`` printed; not there where it cannot be run."""
    api = tool.split()[0]
    devices = _READERS[api](output) if api in _READERS else ()
    words = [line.strip() for line in output.splitlines() if line.strip()]
    said = "" if devices else next((line for line in words if re.search(r"error|fail|unable", line, re.I)), "")
    return Library(
        api,
        tool,
        status not in _TELLS_NOTHING,
        devices,
        code=status or 0,
        error=plain(said or ("" if devices else (words or ["it printed nothing"])[0])),
        hung=status == 124,
    )


def _nvidia_smi(text: str) -> tuple[Device, ...]:
    """Lines ``GPU 0: NAME (UUID: GPU-…)``, each followed by its slices ``  MIG 1g.5gb Device 0: (UUID: MIG-…)``."""
    devices: list[Device] = []
    whole: Device | None = None
    for line in text.splitlines():
        gpu = re.match(r"GPU \d+: (.*) \(UUID: (GPU-[^)]+)\)", line)
        part = re.match(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)", line)
        if gpu:
            uuid = bare_uuid(gpu.group(2))
            whole = Device(plain(gpu.group(1)), uuid, uuid)
            devices.append(whole)
        elif part and whole is not None:
            if devices[-1] is whole:
                devices.pop()
            devices.append(Device(f"{whole.name} MIG {part.group(1)}", bare_uuid(part.group(2)), whole.uuid))
    return tuple(devices)


def _rocminfo(text: str) -> tuple[Device, ...]:
    return tuple(
        Device(plain(agent.marketing_name or agent.name), memory_bytes=agent.memory_bytes)
        for agent in rocminfo.agents(text)
    )


def _vulkaninfo(text: str) -> tuple[Device, ...]:
    return tuple(
        Device(plain(each.name), vendor=_hexadecimal(each.vendor), software=each.software)
        for each in vulkaninfo.parse(text)
    )


_READERS: dict[str, t.Callable[[str], tuple[Device, ...]]] = {
    "nvidia-smi": _nvidia_smi,
    "rocminfo": _rocminfo,
    "vulkaninfo": _vulkaninfo,
}


def _number_of(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else None


def _hexadecimal(text: str) -> int:
    return int(text, 16) if re.fullmatch(r"0x[0-9a-fA-F]{1,8}", text) else 0
