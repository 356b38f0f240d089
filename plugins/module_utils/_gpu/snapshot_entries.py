# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot's entries: their shapes, the names of their paths, and texts that cannot be what the kernel or a tool wrote."""

from __future__ import annotations

import re
import typing as t

from .probe import CommandResult, Node

MERGED = (
    ("/var/run", "/run"),
    ("/bin", "/usr/bin"),
    ("/sbin", "/usr/sbin"),
    ("/lib", "/usr/lib"),
    ("/lib64", "/usr/lib64"),
)
"""Directories that are links nearly everywhere (file-hierarchy(7)): a snapshot may name either side."""

FORMS = (
    # (paths, what such a file is as a whole)
    (r"/sys/(bus/pci/devices|class/(drm|accel))/.*/vendor", r"(0x)?[0-9a-fA-F]{4}\s*"),
    (r"/sys/(bus/pci/devices|class/(drm|accel))/.*/device", r"(0x)?[0-9a-fA-F]{1,8}\s*"),
    (r"/sys/(bus/pci/devices|class/drm)/.*/class", r"(0x)?[0-9a-fA-F]{4,6}\s*"),
    (r"/sys/.*/(mem_info_\w+|lmem_total_bytes|physical_vram_size_bytes)", r"(0x)?[0-9a-fA-F]+\s*"),
    (r"/sys/.*/uevent", r"([^\n=]+=[^\n]*(\n|\Z))*"),
    (r"/sys/.*/kfd/topology/nodes/\d+(/mem_banks/\d+)?/properties", r"(\w+ +\d+ *(\n|\Z))*"),
    (r"/proc/self/status", r".*^(Name|Uid|Gid|Groups):.*"),
    (r"/proc/meminfo", r".*^Mem(Total|Free|Available):.*"),
    (r"/proc/sys/kernel/osrelease", r"\d+\.\d+.*"),
    (r"/proc/driver/nvidia/version", r".*Kernel Module.*"),
    (r"/proc/driver/nvidia/gpus/.*/information", r".*:.*"),
    (r"/proc/device-tree/model", r"[ -~]{4,}\x00?\s*"),
)
"""Kernel interfaces with one form each, so that a cut or overwritten file can be told from a host without the thing."""

ANSWERS = (
    ("rocminfo", r"HSA|Agent|ROCk"),
    ("vulkaninfo --summary", r"GPU\d|Vulkan|VULKANINFO"),
    ("nvidia-smi -L", r"GPU \d+: |No devices"),
    ("nvidia-ctk cdi list", r"^[\w.-]+/[\w.-]+=\S+$|\A\s*\Z"),
    ("podman machine list --format json", r"\A\s*\[.*\]\s*\Z"),
    ("sysctl -n hw.memsize", r"\A\d+\s*\Z"),
)
"""What a tool's answer has in it when it says that it succeeded."""


def garbled(part: str, key: str, value: t.Any) -> bool:
    """Whether an entry's text cannot be what was there: it is used as far as it goes, and said to be damaged."""
    if part == "files":
        form = next((form for paths, form in FORMS if re.fullmatch(paths, key)), None)
        return form is not None and re.fullmatch(form, value, re.S | re.M) is None
    if part == "commands" and value.rc == 0:
        words = next((words for command, words in ANSWERS if key.rpartition("/")[2] == command), None)
        return words is not None and re.search(words, value.stdout, re.S | re.M) is None
    return False


def one_name(path: str) -> str:
    """The same path by the name that `MERGED` links to."""
    for link, target in MERGED:
        if path == link or path.startswith(f"{link}/"):
            return target + path[len(link) :]
    return path


def lines(text: str) -> str:
    """Text as Linux writes it, also of a snapshot that went through an editor of Windows."""
    return text.lstrip("\ufeff").replace("\r\n", "\n")


def node(entry: t.Any) -> Node | None:
    if not isinstance(entry, dict):
        return None
    try:
        return Node(
            str(entry.get("kind", "char")),
            *(None if number is None else int(number) for number in (entry.get("major", 0), entry.get("minor", 0))),
            _mode(entry.get("mode", "")),
            int(entry.get("uid", 0)),
            int(entry.get("gid", 0)),
        )
    except (TypeError, ValueError, OverflowError):
        return None


def _mode(value: t.Any) -> str:
    """Permission bits as ``0660``; empty where they were not recorded. ValueError for what is no mode.

    A number is one of stat's, such as 432, or one written as people write modes, such as 660.
    """
    if value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(value)
    octal = isinstance(value, str) or (value > 0o777 and set(str(value)) <= set("01234567"))
    return f"{int(str(value), 8 if octal else 10) & 0o7777:04o}"


def names(entry: t.Any) -> tuple[str, ...] | None:
    return tuple(entry) if isinstance(entry, list) and all(isinstance(name, str) for name in entry) else None


def result(entry: t.Any) -> CommandResult | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("rc"), int):
        return None
    texts = entry.get("stdout", ""), entry.get("stderr", "")
    return CommandResult(entry["rc"], *map(lines, texts)) if all(isinstance(text, str) for text in texts) else None
