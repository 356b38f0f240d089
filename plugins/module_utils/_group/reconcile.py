# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call for one host: look, compare, check, and unless it is check mode, carry out.

This is the whole of the `container_groups` module but for its arguments.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from .._boot.in_run import concerned, settle, starts_ended
from .._engine.base import Engine, Observed, ObservedContainer
from .._errors import FleetError, InputError, raise_all
from .._image.identity import resolve as resolve_image
from .._image.identity import to_stage
from .._image.spec import ImageSpec
from .._lock import locked
from . import parcels as parcels_of
from . import preflight, stage
from .actions import CREATE, RECREATE, REMOVE, Action, GroupActions, plan_groups
from .answer import describe, finish, gpu_warnings, group_result
from .bring_up import Place
from .config import COOKIE, ContainerConfig, Group
from .elsewhere import Elsewhere
from .execute import UNCHANGED, Emit, Run
from .order import Key
from .owned import Owned, deployed_config, owned_by
from .resolve import Image, Wanted, resolve
from .takeover import leaving_containers

if t.TYPE_CHECKING:
    from .._boot.apply import Boot

_LOCK_PATIENCE = 30.0


@dataclass(frozen=True)
class Request:
    """What the module was asked."""

    host: str
    groups: tuple[Group, ...]
    """All groups of this host, also those that this call does not act on."""
    only: frozenset[str] | None = None
    """Names of the groups to act on; None: all."""
    prune: bool = False
    """Remove groups that the host no longer runs."""
    images: tuple[ImageSpec, ...] = ()
    secrets: t.Mapping[str, str | bytes] = field(default_factory=dict, repr=False)
    adopt: bool = False
    state_dir: str = "/var/lib/gpu-fleet"
    supervisor: str = "engine"
    """engine, or systemd: units on this host start the groups at boot, in plan order."""
    boot_wait: float = 300.0
    """Seconds that a group waits at boot for what it needs on other hosts."""
    files_archive: str = ""
    local: bool = True
    """The engine runs on the machine this runs on, so ports and paths can be looked at."""
    by_api: bool = False
    """The engine sees no file of this machine: what its containers need of us is put into them."""
    check: bool = False

    def selected(self) -> tuple[Group, ...]:
        return tuple(group for group in self.groups if self.only is None or group.name in self.only)


def reconcile(
    request: Request, engine: Engine | None, others: t.Sequence[Engine], emit: Emit, boot: Boot | None = None
) -> dict[str, t.Any]:
    """Bring `engine` to the request. engine None (check mode only): not installed yet, counts as empty.

    boot: the files that start the groups at boot; None where the engine runs on another machine.
    Raises FleetError(s) before anything is changed; failures while changing are in the result.
    """
    known, names = {group.name for group in request.groups}, [group.name for group in request.selected()]
    with _lock(request, emit):
        booting = concerned(boot, known, names, request.prune)
        with starts_ended(None if request.check else boot, booting, emit):
            return _reconcile(request, engine, others, emit, boot, booting)


def _reconcile(
    request: Request,
    engine: Engine | None,
    others: t.Sequence[Engine],
    emit: Emit,
    boot: Boot | None,
    booting: t.Sequence[str],
) -> dict[str, t.Any]:
    """booting: groups whose boot files are this call's business."""
    observed, *away = _observe([engine, *others])
    owned = owned_by(request.host, observed)
    elsewhere = [Elsewhere(other, owned_by(request.host, seen)) for other, seen in zip(others, away)]
    key = _key(request)
    states = {spec.key: resolve_image(spec, observed.images) for spec in request.images}
    selected = request.selected()
    cookies, refusals = _cookies(request, selected)
    request = replace(request, secrets={**request.secrets, **cookies})
    wanted_all = resolve(request.host, request.groups, _images(request, states), request.secrets, key)
    wanted = {k: entry for k, entry in wanted_all.items() if any(k[0] == group.name for group in selected)}

    owned, errors = preflight.take_over(owned, observed, wanted, request.adopt)
    lost = {
        k
        for k, entry in wanted.items()
        if not request.by_api and stage.is_lost(request.state_dir, request.host, entry.config)
    }
    plans = plan_groups(selected, wanted, owned, observed, lost)
    leaving = _leaving(request, owned, elsewhere)
    units = boot.changes(booting) if boot else []
    errors += boot.problems(units) if boot else []
    errors += engine.refusals([entry.config for entry in wanted.values()]) if engine else []
    errors += refusals + _preflight(request, plans, wanted, owned, observed, elsewhere)
    missing_images = [spec.key for spec in request.images if to_stage(spec, states[spec.key]) and _used(spec, selected)]
    missing_files = _missing_files(request, plans, wanted)
    raise_all(errors)

    result = describe(plans, leaving, elsewhere, selected, units)
    result["warnings"] += boot.warnings() if boot else []
    result["missing_images"] = missing_images
    result["missing_files"] = missing_files
    result["images"] = {
        spec.key: {"reference": states[spec.key].reference, "reason": states[spec.key].reason}
        for spec in request.images
    }
    if request.check or engine is None:
        return result
    absent = [key for key in missing_images if not states[key].present]
    if absent:
        raise InputError(
            f"images are missing: {', '.join(f'{key} ({states[key].reason})' for key in sorted(absent))}",
            request.host,
            "Stage them first with image_build, as deploy.yml does.",
        )
    parcels = _stage(request, engine, missing_files, wanted)
    place = Place(engine, request.host, request.state_dir, owned, parcels)
    result["groups"], changed = _execute(request, place, plans, wanted, elsewhere, leaving, emit)
    settled, notes = settle(boot, units, {group.name for group in request.groups}, result["groups"], emit)
    result["changed"] = changed or settled
    result["warnings"] += [*notes, *gpu_warnings(result["groups"])]
    return finish(result)


def _key(request: Request) -> bytes:
    """Of fingerprints of secrets. A host that is reached from a control node keeps none: another may come next."""
    if request.by_api:
        return b""
    with stage.writing(request.state_dir):
        return stage.fingerprint_key(request.state_dir, create=not request.check)


def _missing_files(request: Request, plans: t.Sequence[GroupActions], wanted: dict[Key, Wanted]) -> list[str]:
    """Hashes of staged content that this run needs and the host has not: it keeps none where it goes into containers."""
    if not request.by_api:
        return stage.missing_files(request.state_dir, [entry.config for entry in wanted.values()])
    made = [k for plan in plans for k, action in plan.services.items() if action.kind in (CREATE, RECREATE)]
    return parcels_of.needed_files(wanted[k].config for k in made)


def _observe(engines: t.Sequence[Engine | None]) -> list[Observed]:
    """All engines are asked at the same time; one that is not there is empty."""
    with ThreadPoolExecutor(max_workers=len(engines)) as pool:
        return list(pool.map(lambda engine: engine.observe() if engine else Observed(), engines))


def _cookies(request: Request, selected: t.Sequence[Group]) -> tuple[dict[str, bytes], list[FleetError]]:
    """What only this host can read: cookies of its X servers. Most hosts have no use for the code that does it."""
    services = [service for group in request.groups for service in group.services]
    if not any(secret.source.startswith(COOKIE) for service in services for secret in service.config.secrets):
        return {}, []
    from .._gpu.probe import HostReader
    from .xauthority import gather

    return gather(request.groups, selected, HostReader())


def _images(request: Request, states: dict[str, t.Any]) -> dict[str, Image]:
    """Build keys and plain references, as this engine has them."""
    return {
        spec.key: Image(
            states[spec.key].reference or f"{spec.repository}:to-be-built",
            states[spec.key].identity,
            states[spec.key].present,
        )
        for spec in request.images
    }


def _used(spec: ImageSpec, groups: t.Iterable[Group]) -> bool:
    names_used = {service.config.image for group in groups for service in group.services}
    return spec.key in names_used or f"build:{spec.key}" in names_used


def _preflight(
    request: Request,
    plans: t.Sequence[GroupActions],
    wanted: dict[Key, Wanted],
    owned: Owned,
    observed: Observed,
    elsewhere: t.Sequence[Elsewhere],
) -> list[FleetError]:
    selected = request.selected()
    errors = preflight.objects(selected, owned, observed, request.adopt)
    errors += preflight.renamed_volumes(plans, request.groups, owned)
    errors += preflight.needed_groups(request.groups, {group.name for group in selected}, owned)
    errors += preflight.silent_links(selected, changing=not request.check)
    if request.local:
        errors += preflight.ports(plans, wanted, _going(request, plans, owned, elsewhere))
        errors += preflight.binds(wanted.values())
    return errors


def _going(
    request: Request, plans: t.Sequence[GroupActions], owned: Owned, elsewhere: t.Sequence[Elsewhere]
) -> list[ObservedContainer]:
    """Containers that hold no port any more once this run has begun with their group."""
    staying = {group.name for group in request.groups}
    moving = {group.name for group in request.selected()}
    pruned = [entry for key, entry in owned.current.items() if request.prune and key[0] not in staying]
    moved = [
        entry
        for other in elsewhere
        for key, entry in other.owned.current.items()
        if key[0] in moving or (request.prune and key[0] not in staying)
    ]
    return [*leaving_containers(plans, owned).values(), *pruned, *moved]


def _leaving(request: Request, owned: Owned, elsewhere: t.Sequence[Elsewhere]) -> list[Action]:
    """Containers of groups that this host no longer runs; only when that was asked for."""
    if not request.prune:
        return []
    staying = {group.name for group in request.groups}
    return [
        Action(REMOVE, *key, name=container.name, reason="the group no longer belongs to this host")
        for place in (owned, *(other.owned for other in elsewhere))
        for key, container in sorted(place.current.items())
        if key[0] not in staying
    ]


def _stage(
    request: Request, engine: Engine, missing_files: list[str], wanted: dict[Key, Wanted]
) -> dict[str, bytes] | None:
    """Content onto the host; or, where the engine is elsewhere, what is put into its containers."""
    configs = [entry.config for entry in wanted.values()]
    if missing_files and not request.files_archive:
        raise InputError(f"staged content is missing: {', '.join(sha[:12] for sha in missing_files)}", request.host)
    if request.by_api:
        return parcels_of.gather(missing_files, request.files_archive, configs, request.secrets)
    with stage.writing(request.state_dir):
        if missing_files:
            stage.unpack_files(request.state_dir, request.files_archive)
        stage.write_secrets(request.state_dir, request.host, configs, request.secrets, engine.give_away)
    return None


def _execute(
    request: Request,
    place: Place,
    plans: t.Sequence[GroupActions],
    wanted: dict[Key, Wanted],
    elsewhere: t.Sequence[Elsewhere],
    leaving: t.Sequence[Action],
    emit: Emit,
) -> tuple[dict[str, t.Any], bool]:
    for group in sorted({action.group for action in leaving}):
        for where in (Elsewhere(place.engine, place.owned), *elsewhere):
            if where.stop(group):
                where.remove(group)
                emit("removed", group, text="the group no longer belongs to this host")
    run = Run(place, plans, wanted, elsewhere, emit)
    results = run.loop()
    changed = bool(leaving) or any(result.status != UNCHANGED for result in results.values())
    if changed:
        _tidy(request, [place.engine, *(other.engine for other in elsewhere)])
    return {name: group_result(result) for name, result in results.items()}, changed


def _tidy(request: Request, engines: t.Sequence[Engine]) -> None:
    """Remove what no container of this host uses any more: networks that no group names, and secret files."""
    named = {network.name for group in request.groups for network in group.networks}
    secrets_in_use: list[ContainerConfig] = []
    for engine in engines:
        observed = engine.observe()
        owned = owned_by(request.host, observed)
        used = {name for container in observed.containers for name in container.networks}
        for network in owned.networks:
            if network not in used and (network not in named or engine is not engines[0]):
                engine.remove_network(network)
        for container in (*owned.current.values(), *owned.previous.values()):
            config = deployed_config(container)
            if config is not None:
                secrets_in_use.append(config)
    stage.remove_unused_secrets(request.state_dir, request.host, secrets_in_use)


@contextlib.contextmanager
def _lock(request: Request, emit: Emit) -> t.Iterator[None]:
    """One run at a time for one inventory host. The lock goes with the process, also when it is killed."""
    if request.check:
        yield
        return
    path = os.path.join(request.state_dir, f"{request.host}.lock")
    with locked(path, _LOCK_PATIENCE, lambda: emit("waiting", "", text="for another run on this host")):
        yield
