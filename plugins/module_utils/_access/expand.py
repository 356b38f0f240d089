# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CDI devices without CDI: what a spec would do, as plain devices, mounts, variables and groups. Pure.

For engines that cannot read a spec (Docker before 25 or with the feature off, Podman whose library is too old
for the spec's version, Podman before 5.4 behind Docker's API). Hooks cannot be run this way, so what NVIDIA's do
(nvidia-container-toolkit, cmd/nvidia-cdi-hook) is made by mounts where mounts can do it, and said where not.
"""

from __future__ import annotations

import posixpath
import typing as t
from dataclasses import dataclass, field

from .._cdi import names
from .._cdi.spec import Edits
from .._group.config import Mount
from .carry import LINKS, OTHERWISE, joined


@dataclass(frozen=True)
class Expansion:
    """What stands in for CDI names in a container's configuration."""

    devices: tuple[str, ...] = ()
    """``host:container:permissions``."""
    nodes: tuple[str, ...] = ()
    """The device nodes, as paths inside the container."""
    mounts: tuple[Mount, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    group_add: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """What of the spec is not done, in words."""

    @property
    def missed(self) -> tuple[str, ...]:
        """The part of it that a program may miss."""
        return tuple(text for text in self.left_out if text not in _IGNORED.values())


class NotExpandable(ValueError):
    """The device needs something that only CDI can do; the message says what."""


_PROGRAMS = ("nvidia-cdi-hook", "nvidia-ctk")
_WORDS = {"fileMode": "mode", "uid": "owner", "gid": "group"}
_IGNORED = {
    # Hooks whose work is not needed for the GPU to be used, and what their absence means.
    "chmod": "modes of folders in the container stay as they are",
    "enable-cuda-compat": "the image's own forward-compatible libcuda is not chosen",
    "disable-device-node-modification": "the driver may try to make device nodes itself",
    "update-application-profile": "no driver profile is written into the container",
}


def expand(specs: t.Mapping[str, t.Any], wanted: t.Sequence[str]) -> Expansion:
    """What `wanted` CDI names stand for. specs: `GpuHost.cdi`. Raises NotExpandable.

    As CDI does it: edits of a file once, then each device's; for one container path the last mount counts.
    """
    edits: Edits = {}
    for kind in dict.fromkeys(names.split(name)[0] for name in wanted):
        if kind not in specs:
            raise NotExpandable(f"no CDI spec of this host is of kind {kind}")
        edits = joined(edits, specs[kind]["edits"])
    for name in wanted:
        kind, device = names.split(name)
        if device not in specs[kind]["devices"]:
            raise NotExpandable(f"no CDI spec of this host names {name}")
        edits = joined(edits, specs[kind]["devices"][device])
    for key in ("netDevices", "intelRdt"):
        if edits.get(key):
            raise NotExpandable(f"the spec uses {key}, which only CDI can do")
    mounts, left_out = _mounts(edits)
    links, folders, lost = _hooks(edits)
    linked, more = _linked(mounts, {**edits.get(LINKS, {}), **links})
    nodes = {node["path"]: _device(node) for node in edits.get("deviceNodes") or () if _is_open(node)}
    environment = dict(text.split("=", 1) for text in edits.get("env") or ())
    if folders:
        # Without ldconfig in the container the loader knows its own default directories only, and whether these
        # are among them depends on the image.
        environment.setdefault("LD_LIBRARY_PATH", ":".join(folders))
    return Expansion(
        devices=tuple(nodes.values()),
        nodes=tuple(nodes),
        mounts=(*mounts.values(), *linked),
        environment=environment,
        group_add=tuple(str(gid) for gid in dict.fromkeys(edits.get("additionalGids") or ()) if gid),
        left_out=tuple(dict.fromkeys((*left_out, *lost, *more, *_otherwise(edits)))),
    )


def _otherwise(edits: Edits) -> t.Iterator[str]:
    for node in edits.get("deviceNodes") or ():
        what = [_WORDS[key] for key in node.get(OTHERWISE, ())]
        if what and _is_open(node):
            yield f"the {' and '.join(what)} of {node['path']}, which stay the host's"


def _device(node: Edits) -> str:
    host, inside = node.get("hostPath") or node["path"], node["path"]
    if node.get("type") == "p":
        raise NotExpandable(f"the spec makes a FIFO at {inside}, which only CDI can do")
    if ":" in host + inside:
        raise NotExpandable(f"{host} has a colon in its path")
    return f"{host}:{inside}:{node.get('permissions') or 'rwm'}"


def _is_open(node: Edits) -> bool:
    """CDI's permissions «none» make a node that nobody may use: without CDI it is left away."""
    return node.get("permissions") != "none"


def _mounts(edits: Edits) -> tuple[dict[str, Mount], list[str]]:
    mounts: dict[str, Mount] = {}
    left_out = []
    for entry in edits.get("mounts") or ():
        inside = posixpath.normpath(entry["containerPath"])
        if entry.get("type") == "tmpfs":
            left_out.append(f"the tmpfs on {inside}")
        elif entry.get("type") or not entry["hostPath"].startswith("/"):
            raise NotExpandable(f"the mount on {inside} is no bind mount")
        else:
            mounts.pop(inside, None)
            mounts[inside] = _bind(entry["hostPath"], inside, "rw" not in entry.get("options", ()))
    return mounts, left_out


def _bind(source: str, target: str, read_only: bool) -> Mount:
    return Mount("bind", target, source, read_only=read_only, create_host_path=False)


def _hooks(edits: Edits) -> tuple[dict[str, str], list[str], list[str]]:
    """Links to make (link → target), library folders to index, and what is not done."""
    links: dict[str, str] = {}
    folders: list[str] = []
    left_out: list[str] = []
    for hook in edits.get("hooks") or ():
        what, options = _subcommand(hook)
        if what == "create-symlinks":
            for pair in options.get("--link", ()):
                target, _colons, link = pair.partition("::")
                # nvcdi: the target is as `ln -s` takes it, relative to the link's folder.
                links[posixpath.normpath(link)] = posixpath.join(posixpath.dirname(link), target)
        elif what == "update-ldcache":
            folders += [folder for folder in options.get("--folder", ()) if folder not in folders]
        elif what in _IGNORED:
            left_out.append(_IGNORED[what])
        else:
            program = hook["path"].rpartition("/")[2]
            raise NotExpandable(f"the spec runs the hook {program} {what}".rstrip() + ", which only CDI can do")
    return links, folders, left_out


def _subcommand(hook: Edits) -> tuple[str, dict[str, list[str]]]:
    """``nvidia-cdi-hook create-symlinks --link a::b`` (before 1.16 ``nvidia-ctk hook create-symlinks``)."""
    if hook["path"].rpartition("/")[2] not in _PROGRAMS:
        return "", {}
    words = [word for word in hook.get("args", ())[1:] if word != "hook"]
    # Options of the program itself, like --quiet, stand before the subcommand.
    while words and words[0].startswith("-"):
        words.pop(0)
    options: dict[str, list[str]] = {}
    rest = iter(words[1:])
    for word in rest:
        option, equals, value = word.partition("=")
        if option in ("--link", "--folder"):
            options.setdefault(option, []).append(value if equals else next(rest, ""))
    return (words[0] if words else ""), options


def _linked(mounts: dict[str, Mount], links: dict[str, str]) -> tuple[list[Mount], list[str]]:
    """The file that a link leads to, mounted where the link would stand."""
    made: list[Mount] = []
    left_out: list[str] = []
    for link in sorted(links):
        target, seen = posixpath.normpath(links[link]), {link}
        while target in links and target not in seen and target not in mounts:
            seen.add(target)
            target = posixpath.normpath(links[target])
        if link in mounts or any(link.startswith(f"{folder}/") for folder in mounts):
            continue
        if target in mounts:
            made.append(_bind(mounts[target].source, link, mounts[target].read_only))
        else:
            left_out.append(f"the link {link}")
    return made, left_out
