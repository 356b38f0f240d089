# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet plan: everything known about all hosts, checked together, before anything is touched.

The steps, in order, each a file of its own: inventory → placement → needs, ports, links → GPU and images →
secrets → desired groups → GPU memory → warnings → text. Every error there is, is reported at once.
"""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...module_utils._access.display import DisplayPlan
from ...module_utils._access.plan import AccessPlan
from ...module_utils._errors import InputError, raise_all
from ...module_utils._gpu.model import GpuHost
from ...module_utils._group.config import Group, Service, to_dict
from .._images.lock import Lock, Pins, read_lock
from .._nearest import did_you_mean
from . import display, elsewhere, gpu, secrets, vram, warnings
from .boot import BootWaits, boot_waits
from .builders import Builders, engine_key
from .desired import Context, desired_service
from .errors import Errors
from .host_data import host_data, made_elsewhere, nodes
from .images import HostImages
from .inventory import Host, read_hosts
from .links import Resolved, resolve_links
from .mounts import Files
from .needs import Graph, check_cycles, graph_of, rounds, waves
from .networks import container_name, group_networks, group_volumes
from .placement import Loader, Placement, place
from .ports import Published, check_clashes, published_ports
from .render import render
from .supervisor import check_supervisor


@dataclass
class HostPlan:
    """What is found out about one host inside the limit."""

    host: Host
    groups: list[Group] = field(default_factory=list)
    images: dict[str, t.Any] = field(default_factory=dict)
    files: Files = field(default_factory=dict)
    secrets: dict[str, t.Any] = field(default_factory=dict)
    gpu: dict[str, t.Any] = field(default_factory=dict)
    claims: list[vram.Claim] = field(default_factory=list)
    """All of the plan so far, other hosts' too: hosts may share a GPU."""
    displays: dict[str, str] = field(default_factory=dict)
    """group/service → what it draws on."""
    notes: list[str] = field(default_factory=list)
    """Warnings about its services."""
    engine_key: str = ""
    architecture: str = ""
    libraries: dict[str, list[str]] = field(default_factory=dict)
    """LD_LIBRARY_PATH that a GPU's libraries need → services that get it so, in place of their image's own."""


@dataclass(frozen=True)
class Fleet:
    """What all hosts' plans are made from."""

    placements: list[Placement]
    graph: Graph
    ports: list[Published]
    links: list[Resolved]
    boot: BootWaits = BootWaits()

    def on(self, host: Host) -> list[Placement]:
        return [placement for placement in self.placements if placement.host.name == host.name]


def make_plan(
    variables: Mapping[str, Mapping[str, t.Any]],
    facts: Mapping[str, t.Any],
    load: Loader,
    inside: t.Collection[str],
    only: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> dict[str, t.Any]:
    """The plan in the form of docs/architecture.md, JSON-able and without secrets.

    variables: host → plain values of `inventory.VARIABLES`, for every host of the inventory.
    remarks: warnings about the inventory that were found before.
    facts: host → what `gpu_facts` returned there. inside: hosts of the limit.
    only: groups that may be changed; empty means all.
    Raises FleetError, or FleetErrors with all that was found.
    """
    errors = Errors()
    hosts = read_hosts(variables, inside, errors)
    placements, notes = place(hosts, load, errors)
    lost = _lost(variables, placements)
    _check_only(only, placements, lost, errors)
    fleet = _fleet(placements, lost, errors)
    inner = [host for host in hosts if host.inside]
    known = _facts(inner, facts, errors)
    builders = Builders({host.name: host for host in hosts}, known)
    claims: list[vram.Claim] = []
    memo: dict[tuple[str, str], str] = {}
    locks = _locks(inner, errors)
    machines = {host.machine: known[host.name] for host in inner if host.name in known}
    plans = []
    # Always in the inventory's order, so that the choice of a GPU does not depend on the limit.
    for host in hosts:
        if host.name in known:
            plans.append(_plan_host(host, fleet, known[host.name], builders, claims, memo, locks, errors))
        elif not host.inside and host.machine in machines:
            _claim_outside(host, fleet, machines[host.machine], claims)
    budgets = vram.budgets(inner, known, claims)
    vram.check_budgets(budgets, errors)
    raise_all(_once(errors))
    notes = [*remarks, *notes, *_warnings(fleet, plans)]
    notes += [note for pins in locks.values() for note in pins.warnings()]
    selected = [node for plan in plans for node in nodes(plan) if not only or node[1] in only]
    data = {plan.host.name: host_data(plan, fleet, selected) for plan in plans}
    order = waves(fleet.graph, selected)
    notes = [warnings.shorten(note) for note in notes]
    return {
        "hosts": data,
        "waves": [[{"host": host, "group": group} for host, group in wave] for wave in order],
        "rounds": rounds(fleet.graph, selected),
        "image_builders": builders.data({spec["builder"] for plan in plans for spec in made_elsewhere(plan)}),
        "locks": {
            path: {"host": _asker(path, inner), "references": sorted(pins.asked)}
            for path, pins in locks.items()
            if pins.asked
        },
        # Not «warnings»: Ansible takes that key out of a result before it is registered.
        "plan_warnings": notes,
        "text": render(
            data, {plan.host.name: plan.groups for plan in plans}, order, budgets, notes, fleet.boot.circles
        ),
    }


def _lost(variables: Mapping[str, Mapping[str, t.Any]], placements: list[Placement]) -> set[str]:
    """Groups that are meant to run somewhere and could not be read: what needs or links to them is not to blame."""
    meant = [values.get("container_groups") for values in variables.values()]
    names = {name for entry in meant if isinstance(entry, list) for name in entry if isinstance(name, str)}
    return names - {placement.name for placement in placements}


def _locks(hosts: list[Host], errors: Errors) -> dict[str, Pins]:
    """The lock files that these hosts' images get their digests from, by path; an empty one where it cannot be read."""
    result = {}
    for path in dict.fromkeys(host.images_lock for host in hosts):
        result[path] = Pins(Lock(path))
        with errors.collect():
            result[path] = Pins(read_lock(path))
    return result


def _asker(path: str, hosts: list[Host]) -> str:
    """The host that asks registries for a lock file: one that has it, and that Ansible connects to if there is any."""
    using = [host for host in hosts if host.images_lock == path]
    return min(using, key=lambda host: host.is_elsewhere).name


def _check_only(only: Sequence[str], placements: list[Placement], lost: set[str], errors: Errors) -> None:
    names = {placement.name for placement in placements}
    for name in only:
        if name not in names | lost:
            purpose = "container_group is for one run, with -e; a host's groups are container_groups."
            mend = f"{did_you_mean(name, names)} {purpose}".strip()
            errors.append(InputError(f"no host runs a group «{name}»", "container_group", mend))


def _fleet(placements: list[Placement], lost: set[str], errors: Errors) -> Fleet:
    graph = graph_of(placements, lost, errors)
    check_cycles(graph, {entry.node: entry.where("x-fleet", "needs") for entry in placements}, errors)
    ports = published_ports(placements, errors)
    check_clashes(ports, errors)
    _check_container_names(placements, errors)
    links = resolve_links(placements, ports, lost, errors)
    return Fleet(placements, graph, ports, links, boot_waits(placements, graph, ports, links))


def _check_container_names(placements: list[Placement], errors: Errors) -> None:
    seen: dict[tuple[str, str, str], str] = {}
    for placement in placements:
        for service in placement.services:
            name = container_name(placement, service)
            first = seen.setdefault(
                (placement.host.machine, placement.host.engine, name), placement.where("services", service)
            )
            where = placement.where("services", service)
            if first != where:
                errors.append(
                    InputError(f"the container name {name} is taken by {first}", where, "Leave container_name out.")
                )


def _facts(hosts: list[Host], facts: Mapping[str, t.Any], errors: Errors) -> dict[str, GpuHost]:
    known = {}
    for host in hosts:
        with errors.collect():
            found = gpu.read_facts(host.name, facts.get(host.name), any(facts.values()))
            known[host.name] = gpu.with_inventory(found, host)
            check_supervisor(host, known[host.name])
    return known


def _plan_host(
    host: Host,
    fleet: Fleet,
    facts: GpuHost,
    builders: Builders,
    claims: list[vram.Claim],
    memo: dict[tuple[str, str], str],
    locks: Mapping[str, Pins],
    errors: Errors,
) -> HostPlan:
    """One host's part. `claims` (GPU memory planned so far, on any host), `memo` (build contexts) and `locks` grow."""
    plan = HostPlan(host, claims=claims, engine_key=engine_key(host, facts), architecture=facts.architecture)
    placements = fleet.on(host)
    images = HostImages(placements, memo, lambda platform: builders.of(host, platform), locks[host.images_lock])
    values = dict(host.secrets)
    for placement in placements:
        found = secrets.sources(placement, errors)
        # A secret from a file is told by its key, one from a variable by the variable's name.
        values |= {source.key: value for source, value in found.values() if "file" in source.manifest}
        plan.secrets |= {source.key: dict(source.manifest) for source, _value in found.values()}
        with errors.collect():
            services = _services(placement, fleet, facts, images, found, plan, errors)
            plan.groups.append(_group(placement, fleet, services))
    for placement in placements:
        secrets.check_leaks(placement, values, errors)
    if placements:
        secrets.check_environment_leaks(placements[0], values, errors)
    plan.images = {key: to_dict(spec) for key, spec in sorted(images.specs.items())}
    return plan


def _services(
    placement: Placement,
    fleet: Fleet,
    facts: GpuHost,
    images: HostImages,
    found: Mapping[str, tuple[secrets.Source, str]],
    plan: HostPlan,
    errors: Errors,
) -> tuple[Service, ...]:
    result = []
    for name in sorted(placement.services):
        with errors.collect():
            access = gpu.plan_gpu(placement, name, facts, vram.taken(plan.claims))
            _note_gpu(placement, name, access, plan)
            context = Context(
                image=images.image_of(placement, name, access.gpu.stack),
                access=access,
                links=fleet.links,
                ports=tuple(
                    entry.port
                    for entry in fleet.ports
                    if (entry.placement.node, entry.service) == (placement.node, name)
                ),
                secrets=secrets.secret_files(placement, name, found),
                display=_display(placement, name, access, facts, plan),
            )
            service = desired_service(placement, name, context, plan.files)
            if placement.host.is_elsewhere:
                elsewhere.check_delivery(service, plan.files, placement.where("services", name))
            result.append(service)
    return tuple(result)


def _display(placement: Placement, name: str, access: AccessPlan, facts: GpuHost, plan: HostPlan) -> DisplayPlan:
    made = display.plan_service(placement, name, access, facts)
    if made.display is not None:
        plan.displays[f"{placement.name}/{name}"] = f"{made.display.kind} {made.display.name}"
    if made.reason:
        plan.notes.append(f"{placement.where('services', name, 'x-display')} goes without a display: {made.reason}.")
    return made


def _note_gpu(placement: Placement, name: str, access: AccessPlan, plan: HostPlan) -> None:
    summary = gpu.summary(placement, name, access)
    if summary is not None:
        plan.gpu[f"{placement.name}/{name}"] = summary
    where = placement.where("services", name)
    plan.notes.extend(warnings.access_warnings(where, access, placement.services[name]))
    path = gpu.replaced_library_path(access, placement.services[name])
    if path:
        plan.libraries.setdefault(path, []).append(f"{placement.name}/{name}")
    plan.claims.extend(_claims(placement, name, access))


def _claim_outside(host: Host, fleet: Fleet, facts: GpuHost, claims: list[vram.Claim]) -> None:
    """GPU memory of a host outside the limit that is the same machine as one inside: it is the same GPU."""
    for placement in fleet.on(host):
        for name in sorted(placement.services):
            with Errors().collect():  # what does not fit there is said when that host is planned
                access = gpu.plan_gpu(placement, name, facts, vram.taken(claims))
                claims += _claims(placement, name, access)


def _claims(placement: Placement, name: str, access: AccessPlan) -> list[vram.Claim]:
    if not access.gpu.memory:
        return []
    where = placement.where("services", name, "x-gpu", "memory")
    return [vram.Claim(*placement.node, name, access.gpu.memory, access.gpu.uuids, where)]


def _group(placement: Placement, fleet: Fleet, services: tuple[Service, ...]) -> Group:
    return Group(
        name=placement.name,
        project=placement.project,
        services=services,
        networks=group_networks(placement, fleet.links),
        volumes=group_volumes(placement),
        needs=tuple(sorted(name for host, name in fleet.graph[placement.node] if host == placement.host.name)),
        awaits=fleet.boot.awaits.get(placement.node, ()),
        timeout=float(placement.spec.timeout),
        working_dir=placement.spec.directory,
        config_files=os.path.abspath(placement.spec.path),
    )


def _once(errors: Errors) -> list:
    """The same fault of one file that several hosts use is said once."""
    return list({str(error): error for error in errors}.values())


def _warnings(fleet: Fleet, plans: list[HostPlan]) -> list[str]:
    notes = list(warnings.file_warnings(fleet.placements))
    for plan in plans:
        notes += elsewhere.url_warnings(plan.host.name, plan.host.engine_url, plan.host.engine_tls)
        placements = {placement.name: placement for placement in fleet.on(plan.host)}
        notes += [*plan.notes, *warnings.library_warnings(plan.host.name, plan.libraries)]
        for group in plan.groups:
            for service in group.services:
                notes += warnings.service_warnings(placements[group.name], service)
    notes += warnings.port_warnings([port for port in fleet.ports if port.placement.host.inside])
    notes += warnings.need_warnings(fleet.placements, fleet.graph, fleet.links)
    notes += fleet.boot.notes
    return notes
