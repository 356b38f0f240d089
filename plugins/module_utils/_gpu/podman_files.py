# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `podman info` would say of a Linux host, from the files it would say it from.

Files and their order: containers.conf(5), containers-storage.conf(5). Of their TOML only plain ``key = "text"``,
``key = true`` and lists of texts are read; that is all these settings can be.
"""

from __future__ import annotations

import re
import typing as t

from .probe import Reader
from .view import user

_CRUN = ("/usr/bin/crun", "/usr/local/bin/crun", "/usr/sbin/crun", "/bin/crun", "/sbin/crun")
"""Where Podman looks for its default runtime, among other places (containers.conf(5), «runtimes»)."""


def info(reader: Reader, version: str) -> dict[str, t.Any]:
    """The fields of ``podman info --format json`` that `engines.py` reads."""
    rootless = user(reader).uid != 0
    conf = _container_files(reader, rootless)
    default = "crun" if any(reader.exists(path) for path in _CRUN) else "runc"
    runtime = _setting(conf, "runtime") or default
    labels = _setting(conf, "label") != "false"
    return {
        "version": {"Version": version},
        "host": {
            "security": {
                "rootless": rootless,
                "selinuxEnabled": labels and reader.file("/sys/fs/selinux/enforce") is not None,
            },
            "ociRuntime": {"name": runtime.rpartition("/")[2]},
        },
        "store": {"graphRoot": _graph_root(reader, rootless)},
    }


def cdi_dirs(reader: Reader, version: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Directories of CDI specs: containers.conf's `cdi_spec_dirs` from Podman 5.5 on, else CDI's own."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or (int(found.group(1)), int(found.group(2))) < (5, 5):
        return default
    result: tuple[str, ...] = ()
    for text in _container_files(reader, user(reader).uid != 0):
        for content in re.findall(r"^\s*cdi_spec_dirs\s*=\s*\[(.*?)\]", text, re.M | re.S):
            listed = tuple(first or second for first, second in re.findall(r"\"([^\"\n]*)\"|'([^'\n]*)'", content))
            # A list replaces the one before it unless it says {append=true}.
            result = (*result, *listed) if re.search(r"append\s*=\s*true", content) else listed
    return result or default


def _container_files(reader: Reader, rootless: bool) -> list[str]:
    """Texts of the containers.conf files, the later ones counting more."""
    paths = []
    for folder in _folders(reader, rootless):
        paths.append(f"{folder}/containers.conf")
        names = reader.directory(f"{folder}/containers.conf.d") or ()
        paths += [f"{folder}/containers.conf.d/{name}" for name in names if name.endswith(".conf")]
    return [text for text in map(reader.file, paths) if text is not None]


def _folders(reader: Reader, rootless: bool) -> tuple[str, ...]:
    """Where Podman's settings are, the user's own last."""
    folders = ("/usr/share/containers", "/etc/containers")
    return (*folders, _own_folder(_environment(reader))) if rootless else folders


def _own_folder(environment: dict[str, str]) -> str:
    return f"{environment.get('XDG_CONFIG_HOME') or environment.get('HOME', '') + '/.config'}/containers"


def _graph_root(reader: Reader, rootless: bool) -> str:
    environment = _environment(reader)
    home = environment.get("HOME", "")
    files = (reader.file(f"{folder}/storage.conf") for folder in _folders(reader, rootless))
    texts = [text for text in files if text is not None]
    if rootless:
        data = environment.get("XDG_DATA_HOME") or f"{home}/.local/share"
        own = reader.file(f"{_own_folder(environment)}/storage.conf")
        root = _setting(texts, "rootless_storage_path") or _setting([own or ""], "graphroot")
        return (root or f"{data}/containers/storage").replace("$HOME", home)
    return _setting(texts[-1:], "graphroot") or "/var/lib/containers/storage"


def _environment(reader: Reader) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in (reader.file("/proc/self/environ") or "").split("\0"))


def _setting(texts: t.Iterable[str], key: str) -> str:
    """The last ``key = value`` of the texts; empty where none has it."""
    value = ""
    for text in texts:
        for quoted, plain in re.findall(rf"^\s*{key}\s*=\s*(?:[\"']([^\"'\n]*)[\"']|(\w+))", text, re.M):
            value = quoted or plain
    return value
