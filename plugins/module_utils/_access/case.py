# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stack asked of one engine, and what every stack's planner makes of it."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from .._errors import InputError
from .._gpu.model import DeviceNode, EngineFacts, GpuDevice, GpuHost, Stack
from .._group.config import GpuPromise, GpuRequest, Mount
from .choose import ALL, identities, is_own

CAPABILITIES = ("gpu", "compute", "utility", "graphics", "video", "display", "ngx", "compat32", "all")
"""NVIDIA's driver capabilities (container-toolkit docs, «Driver Capabilities»), and Compose's own «gpu»."""

NPU = "npu"
"""Beside the GPU: the host's neural accelerators."""

_PRIMARY = re.compile(r"/dev/dri/card\d+")


@dataclass(frozen=True)
class GpuWish:
    """What a service asks for; the group file's own `GpuWish` has these fields too."""

    stacks: tuple[str, ...] = ()
    """In order of preference; empty: the host's best ready stack, never cpu, and never a lesser one in its place."""
    count: int = ALL
    """-1: all GPUs."""
    ids: tuple[str, ...] = ()
    """Indexes, UUIDs, MIG UUIDs, bus addresses, render nodes or CDI names of GPUs; with ids `count` does not matter."""
    capabilities: tuple[str, ...] = ("gpu",)
    memory: int = 0
    """Bytes of GPU memory, on each GPU that is given."""
    driver: str = ""
    """Compose's word for whose GPU it must be (`plan.DRIVERS`); with `stacks` it does not matter."""


@dataclass(frozen=True)
class AccessPlan:
    """Everything a container configuration needs to get the GPU (JSON by `config.to_dict`)."""

    gpu: GpuRequest
    devices: tuple[str, ...] = ()
    """``host[:container[:permissions]]``, or a CDI name that the engine resolves."""
    mounts: tuple[Mount, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    group_add: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    cpu_fallback: bool = False
    """A GPU was preferred, none fits, and the wish allows cpu."""
    promise: GpuPromise | None = None
    """What the container must then see; None where it gets no GPU."""
    missed: tuple[str, ...] = ()
    """What of a CDI spec that is carried out here a program may miss, in words."""


@dataclass(frozen=True)
class Case:
    """A ready stack of a host, the GPUs chosen of it, and the engine and the wish they are for."""

    host: GpuHost
    engine: EngineFacts
    stack: Stack
    devices: tuple[GpuDevice, ...]
    wish: t.Any
    where: str = ""

    def request(self, mode: str, reason: str, **values: t.Any) -> GpuRequest:
        same = identities(self.host)
        uuids = tuple(dict.fromkeys(same.get(device.uuid, device.uuid) for device in self.devices if device.uuid))
        return GpuRequest(self.stack.name, mode, reason, memory=self.wish.memory, uuids=uuids, **values)

    def none(self, reason: str) -> AccessPlan:
        return AccessPlan(self.request("none", reason))

    def cdi(self, names: tuple[str, ...], environment: dict[str, str] | None = None) -> AccessPlan:
        """By names that the engine resolves. The promise is about nodes that the specs are known to give."""
        request = self.request("cdi", f"{self.engine.name} reads the CDI spec", cdi_devices=names)
        given = [node for name in names for node in self.engine.cdi_nodes.get(name, ())]
        known = all(name in self.engine.cdi_nodes for name in names)
        nodes = tuple(path for path in self.nodes if path in given or not known)
        return AccessPlan(
            request,
            environment=environment or {},
            group_add=cdi_groups(self.engine, names),
            promise=self.promise(nodes),
        )

    def explicit(
        self,
        reason: str,
        nodes: tuple[str, ...],
        mounts: tuple[Mount, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> AccessPlan:
        """By plain nodes of this host, which the engine must see."""
        if not is_here(self.engine):
            return self.none(elsewhere(self.engine))
        return AccessPlan(
            self.request("explicit", reason),
            devices=nodes,
            mounts=mounts,
            environment=environment or {},
            promise=self.promise(nodes),
        )

    def expanded(self, names: tuple[str, ...]) -> AccessPlan:
        """By what a CDI spec would do, for an engine that cannot read it. Mode none where that needs CDI itself."""
        # Imported here: on most hosts every engine reads its specs.
        from .expand import NotExpandable, expand

        if not is_here(self.engine):
            return self.none(elsewhere(self.engine))
        try:
            made = expand(self.host.cdi, names)
        except NotExpandable as error:
            return self.none(f"{self.engine.name} cannot read the CDI spec of {names[0]}, and {error}")
        left_out = f"; left out: {', '.join(made.left_out)}" if made.left_out else ""
        return AccessPlan(
            self.request(
                "explicit", f"{self.engine.name} cannot read the CDI spec, so it is carried out here{left_out}"
            ),
            devices=made.devices,
            mounts=made.mounts,
            environment=made.environment,
            group_add=made.group_add,
            promise=self.promise(tuple(path for path in self.nodes if path in made.nodes) or made.nodes),
            missed=made.missed,
        )

    def promise(self, nodes: tuple[str, ...]) -> GpuPromise:
        """What a container with the chosen GPUs must see. UUIDs of our own making mean nothing inside it."""
        uuids = [device.uuid for device in self.devices if device.uuid and not is_own(device)]
        return GpuPromise(
            stack=self.stack.name,
            nodes=nodes,
            uuids=tuple(uuids),
            names=tuple(device.name for device in self.devices),
            count=len(self.devices),
            allows_cpu="cpu" in self.wish.stacks,
        )

    @property
    def nodes(self) -> tuple[str, ...]:
        """Nodes of the chosen GPUs that a program needs; primary nodes (card0) only for a display."""
        found = [node.path for device in self.devices for node in device.nodes]
        kept = [path for path in found if not _PRIMARY.fullmatch(path) or self.wants_display]
        return tuple(dict.fromkeys(kept))

    @property
    def wants_display(self) -> bool:
        return "display" in self.wish.capabilities

    @property
    def carried(self) -> frozenset[str]:
        """CDI names of the specs that came with the facts, because this host has an engine that cannot read them."""
        return frozenset(f"{kind}={name}" for kind, spec in self.host.cdi.items() for name in spec["devices"])


def cdi_groups(engine: EngineFacts, names: t.Iterable[str]) -> tuple[str, ...]:
    """Groups of CDI devices, asked for by ourselves as well.

    Docker loses those of a spec until moby/moby#52579 (May 2026), and no engine gives them to what `exec` starts.
    """
    gids = {gid for name in names for gid in engine.cdi_groups.get(name, ())}
    return tuple(str(gid) for gid in sorted(gids))


def is_here(engine: EngineFacts) -> bool:
    """Whether an engine's containers can be given this host's nodes and files."""
    parts = urlsplit(engine.url)
    near = parts.scheme in ("", "unix") or parts.hostname in ("localhost", "127.0.0.1", "::1")
    return engine.flavour != "desktop" and near


def elsewhere(engine: EngineFacts) -> str:
    if engine.flavour == "desktop":
        return "Docker Desktop runs containers in a virtual machine, which does not have this GPU's nodes"
    return f"{engine.name} answers at {engine.url}: its containers cannot be given nodes of this host"


def check_capabilities(wish: t.Any, where: str) -> None:
    """Raises InputError for a capability that means nothing here: it would be dropped in silence."""
    for name in wish.capabilities:
        if name not in (*CAPABILITIES, NPU):
            known = ", ".join((*CAPABILITIES, NPU))
            raise InputError(f"there is no GPU capability {name}", where, f"Known: {known}.")


def with_npus(plan: AccessPlan, case: Case) -> AccessPlan:
    """The plan with the host's NPUs, where the wish names them. Raises InputError where there are none to give."""
    if NPU not in case.wish.capabilities:
        return plan
    nodes = tuple(node.path for npu in case.host.npus if npu.ready for node in npu.nodes)
    if not nodes or not is_here(case.engine):
        reason = "no NPU of this host can be used" if not nodes else elsewhere(case.engine)
        raise InputError(f"the capability npu is wanted, and {reason}", case.where, "Take npu out of the capabilities.")
    promise = replace(plan.promise, nodes=(*plan.promise.nodes, *nodes)) if plan.promise else None
    return replace(plan, devices=(*plan.devices, *nodes), promise=promise)


def with_permissions(plan: AccessPlan, case: Case) -> AccessPlan:
    """The plan with the groups and labels that its nodes need."""
    given = {text.partition(":")[0] for text in plan.devices}
    given |= set() if plan.gpu.mode == "explicit" else set(case.nodes)
    known = [node for device in (*case.devices, *case.host.npus) for node in device.nodes if node.path in given]
    groups, lost = groups_for(case.engine, (*plan.group_add, *_closed_to(known)))
    gpu = replace(plan.gpu, reason=f"{plan.gpu.reason}; {lost}") if lost else plan.gpu
    return replace(plan, gpu=gpu, group_add=groups, security_opt=labels(case.engine))


def _closed_to(nodes: t.Iterable[DeviceNode]) -> t.Iterator[str]:
    """Groups of the nodes that not everybody may open."""
    for node in nodes:
        if node.gid and node.mode and not node.mode.endswith(("6", "7")):
            yield str(node.gid)


def groups_for(engine: EngineFacts, gids: t.Iterable[str]) -> tuple[tuple[str, ...], str]:
    """What to add a container's user to for these groups of the host, and what to say where nothing would help.

    Inside a rootless container a numeric gid of the host means nothing; keep-groups passes on the groups of the user
    who starts it, and stands alone (podman-run, --group-add; crun only, and not through an API).
    """
    wanted = tuple(sorted(set(gids), key=int))
    if not wanted or not engine.rootless:
        return wanted, ""
    if engine.name == "podman" and engine.runtimes in ((), ("crun",)):
        return ("keep-groups",), ""
    return (), f"rootless {engine.name} cannot pass on group {wanted[0]}, to which a node is open"


def labels(engine: EngineFacts) -> tuple[str, ...]:
    """SELinux refuses device nodes to a confined container (docs of nvidia-container-toolkit, Podman)."""
    return ("label=disable",) if engine.selinux else ()
