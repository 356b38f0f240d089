# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call of `cdi_spec` would do, before anything is done: which files get which text, or go.

Check mode is this plan not carried out. Nothing is written here, except by a vendor's tool to a temporary directory.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._errors import FleetError, InputError
from .._gpu.findings import Finding
from .._gpu.model import GpuHost
from .._gpu.probe import Reader
from . import kinds
from .check import SpecFile, problems, read_files
from .decide import in_the_way, provider, refreshable, refusal
from .form import normal, parse, render, without_numbers
from .own import own_spec, usable_devices, with_all
from .tools import Run, ask, program_of
from .versions import Spec, lower

DXCORE = "libdxcore.so"


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    stack: str
    """One of `kinds.KINDS`; empty: the host's best."""
    directory: str
    directories: tuple[str, ...]
    """All that engines read, in their order; `directory` is one of them."""
    limit: str | None
    """Newest version of CDI that may be written."""
    tool: str = "auto"
    """auto, vendor or own."""
    refresh: bool = True
    timeout: float = 60.0


@dataclass(frozen=True)
class Plan:
    changes: dict[str, str | None] = field(default_factory=dict)
    """Text by path of files to write; None: to remove."""
    kind: str = ""
    stack: str = ""
    path: str = ""
    """The file that holds the spec, or will; empty where others provide it."""
    names: tuple[str, ...] = ()
    """Qualified names of its devices."""
    version: str = ""
    tool: str = ""
    """Who made the spec: a program's name, or ``own``."""
    provided_by: tuple[str, ...] = ()
    refreshes: bool = False
    warnings: tuple[str, ...] = ()
    message: str = ""
    problems: tuple[Finding, ...] = ()
    """What is wrong with the specs of the directories once the changes are made."""


def plan_present(reader: Reader, host: GpuHost, wish: Wish, run: Run, scratch: str) -> Plan:
    """Have a spec of the stack's kind. scratch: an empty directory for tools that only write files.

    Raises FleetError where the stack is not ready, its tool is missing or fails, the result would be dropped by
    engines, or another's file would cancel or hide it.
    """
    if wish.directory not in wish.directories:
        raise InputError(
            f"no engine is said to read {wish.directory}",
            "directory",
            "Add it to `directories`, in the engines' order.",
        )
    stack = wish.stack or host.best
    if stack not in kinds.KINDS:
        return Plan(message=f"{stack} is given to containers without CDI", problems=_after(reader, wish, {}))
    devices = _ready_devices(host, stack)
    kind = kinds.KINDS[stack]
    own_path = f"{wish.directory}/{kinds.file_name(kind)}"
    files = read_files(reader, wish.directories, wish.limit)
    gone: dict[str, str | None] = {
        file.path: None for file in files if file.name == kinds.file_name(kind) and file.path != own_path
    }
    given = provider(files, kind, devices)
    if given:
        own = {file.path: None for file in files if file.path == own_path}
        return _provided(reader, wish, stack, given, {**gone, **own})
    spec, tool, warnings = _make(reader, host, stack, wish, run, scratch)
    # A tool's file is written anew only with the answer of that tool.
    anew = refreshable(files, kind, kinds.TOOLS[stack].files) if wish.refresh and tool != "own" else []
    path = _place(reader, wish, own_path, spec, tool, anew, gone)
    changes: dict[str, str | None] = {**gone}
    if path != own_path:
        changes.update({file.path: None for file in files if file.path == own_path})
    if not _says_the_same(reader.file(path), spec, path):
        changes[path] = render(spec, path)
    return Plan(
        changes,
        kind,
        stack,
        path,
        tuple(kinds.qualified(kind, device["name"]) for device in spec["devices"]),
        spec["cdiVersion"],
        tool,
        refreshes=path != own_path,
        warnings=tuple(warnings),
        problems=_after(reader, wish, changes),
    )


def plan_absent(reader: Reader, wish: Wish) -> Plan:
    """Remove our file of the stack's kind, or all of ours where no stack is named."""
    names = {kinds.file_name(kinds.KINDS[wish.stack])} if wish.stack else None
    files = read_files(reader, wish.directories, wish.limit)
    changes = {file.path: None for file in files if file.ours and (names is None or file.name in names)}
    kind = kinds.KINDS.get(wish.stack, "")
    return Plan(changes, kind, wish.stack, problems=_after(reader, wish, changes))


def plan_validated(reader: Reader, wish: Wish) -> Plan:
    """Change nothing, and say what is wrong."""
    return Plan(stack=wish.stack, kind=kinds.KINDS.get(wish.stack, ""), problems=_after(reader, wish, {}))


def _ready_devices(host: GpuHost, stack: str) -> int:
    """How many devices of the stack can be used; FleetError where it is not ready."""
    devices = usable_devices(host, stack)
    if stack == "intel-npu":
        if not devices:
            raise FleetError("no NPU that can be used was found", stack, "Load its driver: `modprobe intel_vpu`.")
        return len(devices)
    found = host.stack(stack)
    if found is None or not found.ready:
        mend = next((each.mend for each in host.findings if each.level == "error" and each.mend), "")
        reason = found.reason if found else "it is not on this host"
        raise FleetError(f"the stack is not ready: {reason}", stack, mend or "Run gpu_facts and look at gpu.findings.")
    return 1 if stack == "nvidia-wsl" else len(devices)


def _provided(reader: Reader, wish: Wish, stack: str, given: tuple[str, ...], gone: dict[str, str | None]) -> Plan:
    message = f"{kinds.KINDS[stack]} is provided by {', '.join(given)}"
    if gone:
        message += f"; our own {', '.join(gone)} gives way to it"
    return Plan(
        gone,
        kinds.KINDS[stack],
        stack,
        provided_by=given,
        message=message,
        problems=_after(reader, wish, gone),
    )


def _make(reader: Reader, host: GpuHost, stack: str, wish: Wish, run: Run, scratch: str) -> tuple[Spec, str, list[str]]:
    """The spec, who made it, and what a user should know of it."""
    spec, tool, warnings = _from_tool(reader, stack, wish, run, scratch)
    if spec is None:
        spec, tool = own_spec(reader, host, stack), "own"
    try:
        spec, removed = lower(spec, wish.limit)
    except ValueError as error:
        mend = "Update the engine, or set max_version where the old one need not read the spec."
        raise FleetError(str(error), kinds.KINDS[stack], mend) from error
    if removed:
        warnings.append(
            f"{' and '.join(removed)} left out of the spec of {kinds.KINDS[stack]}: {wish.limit} is the newest "
            "version that every engine here reads. Give containers the groups of the nodes by number instead."
        )
    return spec, tool, warnings


def _from_tool(reader: Reader, stack: str, wish: Wish, run: Run, scratch: str) -> tuple[Spec | None, str, list[str]]:
    """The vendor's spec; None where ours is to be used. FleetError where neither can be had."""
    program = None if wish.tool == "own" else program_of(stack)
    if program is None:
        needed = wish.tool == "vendor" or stack not in kinds.WITHOUT_TOOL
        tool = kinds.TOOLS.get(stack)
        if needed and tool is None:
            raise FleetError("no vendor has a program that writes its specs", stack, "Set tool to auto or own.")
        if needed and wish.tool == "own":
            raise FleetError(
                f"only {tool.program} can write its spec: it holds the driver's files", stack, "Set tool to auto."
            )
        if needed:
            raise FleetError(f"{tool.program} is not installed", stack, f"Install the package {tool.package}.")
        return None, "", []
    spec = without_numbers(ask(stack, program, scratch, run, wish.timeout), lambda path: _numbers(reader, path))
    name = program.rpartition("/")[2]
    if stack == "nvidia-wsl" and wish.tool == "auto" and DXCORE not in render(spec):
        # NVIDIA/nvidia-container-toolkit issue 1739: CUDA does not start in a container without it.
        return None, "", [f"{name} left {DXCORE} out of its spec: the whole directories below /usr/lib/wsl are used"]
    return with_all(spec), name, []


def _numbers(reader: Reader, path: str) -> tuple[int, int] | None:
    node = reader.node(path)
    return None if node is None or node.major is None or node.minor is None else (node.major, node.minor)


def _place(
    reader: Reader,
    wish: Wish,
    own_path: str,
    spec: Spec,
    tool: str,
    anew: list[str],
    gone: dict[str, str | None],
) -> str:
    """The file to write: ours, or a tool's own that is in its way and unusable. FleetError where neither would do."""
    own, hindering = _placed(reader, wish, own_path, spec, gone)
    if not own.usable:
        maker = "the collection" if tool == "own" else tool
        raise FleetError(
            f"the spec that {maker} made cannot be used: {own.problems[0].message}",
            own_path,
            "Nothing was written. Run gpu_facts and look at gpu.findings.",
        )
    for path in (own_path, *anew):
        if not _placed(reader, wish, path, spec, gone if path == own_path else {**gone, own_path: None})[1]:
            return path
    raise refusal(own, hindering)


def _placed(
    reader: Reader, wish: Wish, path: str, spec: Spec, gone: dict[str, str | None]
) -> tuple[SpecFile, list[SpecFile]]:
    """The file as it would be, and those of others that would be in its way."""
    files = read_files(reader, wish.directories, wish.limit, {**gone, path: render(spec, path)})
    placed = next(file for file in files if file.path == path)
    return placed, in_the_way(files, placed)


def _says_the_same(text: str | None, spec: Spec, path: str) -> bool:
    try:
        return text is not None and normal(parse(text, path)) == normal(spec)
    except ValueError:
        return False


def _after(reader: Reader, wish: Wish, changes: t.Mapping[str, str | None]) -> tuple[Finding, ...]:
    return tuple(problems(read_files(reader, wish.directories, wish.limit, changes)))
