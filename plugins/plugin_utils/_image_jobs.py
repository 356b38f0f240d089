# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host builds which image, for whom, and what is moved from where to where. Pure: registered results in, data out.

A builder is asked by a host of the run: by itself, or, where it is no part of the run, by one of those it builds for.
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ..module_utils._errors import FleetError, InputError, raise_all
from ._fleet.builders import VARIABLE, check_architecture

Plan = Mapping[str, t.Any]
"""`hosts` (HOST_KEYS of each) and `image_builders` of a fleet plan (docs/architecture.md)."""
HOST_KEYS = (
    "engine",
    "engine_url",
    "engine_tls",
    "engine_key",
    "cache_dir",
    "architecture",
    "images",
    "secrets",
)
Result = Mapping[str, t.Any]
"""A registered result."""
Registered = t.Callable[[str, str], Result]
"""(host, variable) → what was registered there; empty where nothing was."""


def builders_to_see(plan: Plan, missing: Mapping[str, Sequence[str]]) -> list[str]:
    """Builders outside the run that make some of what is missing; the others need not be reached. missing: as in `image_jobs`."""
    wanted = {plan["hosts"][host]["images"][key].get("builder") for host, keys in missing.items() for key in keys}
    return [name for name, builder in plan["image_builders"].items() if name in wanted and not builder["inside"]]


def image_jobs(plan: Plan, missing: Mapping[str, Sequence[str]], seen: Mapping[str, Result]) -> dict[str, t.Any]:
    """What is built where.

    missing: hosts that take part → keys of their images that are due. seen: builders outside the run → what `gpu_facts`
    answered there. Returns

        builds: {host: build}                              each host's own call of image_build
        elsewhere: {host: [build]}                         calls that a host makes on builders which do not take part
        wanted: {builder: {host: {key: key in the build}}} what is moved

    A build has `host`, `engine`, `engine_url`, `engine_tls`, `cache_dir`, `images`, each once, and where the `secrets`
    that they read come from, in the words of a plan.
    Raises FleetError(s) for a builder that cannot build, before anything is done.
    """
    images: dict[str, list[dict[str, t.Any]]] = {}
    secrets: dict[str, dict[str, t.Any]] = {}
    users: dict[str, list[str]] = {}
    wanted: dict[str, dict[str, dict[str, str]]] = {}
    errors: dict[str, FleetError] = {}
    for host, keys in missing.items():
        for key in keys:
            spec = plan["hosts"][host]["images"][key]
            builder = spec.get("builder") or host
            if builder not in missing and not plan["image_builders"][builder]["inside"]:
                try:
                    _check_seen(plan, builder, _architecture(plan, host, spec), seen.get(builder))
                except FleetError as error:
                    errors[str(error)] = error
                    continue
            users.setdefault(builder, []).append(host)
            there = _add(images.setdefault(builder, []), spec)
            sources = plan["hosts"][host]["secrets"]
            secrets.setdefault(builder, {}).update({key: sources[key] for key in spec.get("secrets", {}).values()})
            if builder != host and _engine_key(plan, builder, seen) != plan["hosts"][host]["engine_key"]:
                wanted.setdefault(builder, {}).setdefault(host, {})[key] = there
    raise_all(list(errors.values()))
    builds = {builder: _build(plan, builder, specs, secrets[builder]) for builder, specs in images.items()}
    elsewhere: dict[str, list[dict[str, t.Any]]] = {}
    for builder in builds:
        if builder not in missing:
            elsewhere.setdefault(_runner(users[builder], builds), []).append(builds[builder])
    return {
        "builds": {builder: build for builder, build in builds.items() if builder in missing},
        "elsewhere": elsewhere,
        "wanted": wanted,
    }


def builder_answers(jobs: Mapping[str, t.Any], registered: Registered) -> dict[str, Result]:
    """Builder → what image_build answered there, whoever made the call."""
    found = {host: registered(host, "fleet_built") for host in jobs["builds"]}
    for host, builds in jobs["elsewhere"].items():
        results = registered(host, "fleet_built_elsewhere").get("results", ())
        found |= {build["host"]: result for build, result in zip(builds, results, strict=False)}
    return found


def image_moves(plan: Plan, jobs: Mapping[str, t.Any], built: Mapping[str, Result]) -> dict[str, t.Any]:
    """What is offered by whom and fetched by whom, once it was built.

    jobs: what `image_jobs` returned. built: builder → what image_build answered there. Returns

        offers: {host: [{builder, engine, engine_url, engine_tls, cache_dir, address, port, registry, images}]}
        pulls: {host: [{builder, by, number, registry, images}]}    `by` makes the offer; `number` says which of its offers
        blocked: {host: text}                              hosts whose builder failed
        sboms: {host: [{host, path, name}]}                lists of what is in the images that were built

    An engine that several hosts use fetches once.
    """
    offers: dict[str, list[dict[str, t.Any]]] = {}
    pulls: dict[str, list[dict[str, t.Any]]] = {}
    blocked: dict[str, str] = {}
    for runner, build in _calls(jobs):
        builder, result = build["host"], built.get(build["host"], {})
        consumers = jobs["wanted"].get(builder, {})
        if not consumers:
            continue
        if result.get("failed") or result.get("unreachable") or "images" not in result:
            blocked |= dict.fromkeys(consumers, f"{builder}, which builds its images, failed: {_said(result)}")
            continue
        names = _names(build, result)
        fetched = {
            host: _unique(name for key in keys.values() for name in names[key])
            for host, keys in _once_per_engine(plan, consumers).items()
        }
        offer = {
            **{key: build[key] for key in ("engine", "engine_url", "engine_tls", "cache_dir")},
            **{key: plan["image_builders"][builder][key] for key in ("address", "port")},
            "registry": _registry(plan["image_builders"][builder]["registry"]),
            "builder": builder,
            "images": _unique(name for wished in fetched.values() for name in wished),
        }
        offers.setdefault(runner, []).append(offer)
        for host, wished in fetched.items():
            entry = {"builder": builder, "by": runner, "number": len(offers[runner]) - 1, "images": wished}
            entry["registry"] = offer["registry"] is not None
            pulls.setdefault(host, []).append(entry)
    return {"offers": offers, "pulls": pulls, "blocked": blocked, "sboms": _sboms(jobs, built)}


# --- who builds what --------------------------------------------------------------------------------------------------


def _add(images: list[dict[str, t.Any]], spec: Mapping[str, t.Any]) -> str:
    """The key in `images` of what `spec` makes, put there if it was not yet. Variants of one image get keys of their own."""
    wish = {**spec}
    wish.pop("builder", None)
    taken = {entry["key"]: entry for entry in images}
    keys = [wish["key"], f"{wish['key']}@{wish.get('inputs', '')[:12]}"]
    keys += [f"{keys[1]}.{number}" for number in range(2, len(images) + 3)]
    for key in keys:
        if key in taken and not _same(taken[key], wish):
            continue
        if key not in taken:
            images.append({**wish, "key": key})
        return key
    raise AssertionError("more keys than images")


def _same(one: Mapping[str, t.Any], other: Mapping[str, t.Any]) -> bool:
    """Whether two specs make the same image: where they stand in group files, and for which key, does not count."""
    texts = [
        json.dumps({**spec, "key": "", "where": "", "builder": ""}, sort_keys=True, default=list)
        for spec in (one, other)
    ]
    return texts[0] == texts[1]


def _architecture(plan: Plan, host: str, spec: Mapping[str, t.Any]) -> str:
    platform = spec.get("platform") or ""
    return platform.split("/")[1] if "/" in platform else plan["hosts"][host]["architecture"]


def _check_seen(plan: Plan, builder: str, architecture: str, seen: Result | None) -> None:
    """Raises InputError for a builder outside the run that could not be looked at, or cannot build."""
    where = f"{VARIABLE}.{architecture}"
    gpu = (seen or {}).get("gpu")
    if not gpu:
        raise InputError(
            f"{builder} builds the images of {architecture} and cannot be reached: {_said(seen or {})}",
            where,
            f"Bring it up, or name another host of {architecture}.",
        )
    check_architecture(builder, architecture, gpu.get("architecture", ""))
    engine = plan["image_builders"][builder]["engine"]
    facts = gpu["engines"].get(engine, {})
    if not facts.get("ready"):
        raise InputError(
            f"{builder} builds the images of {architecture}, and its {engine} does not answer: "
            f"{facts.get('reason') or 'not installed'}",
            where,
            f"Run playbooks/prepare.yml -l {builder}.",
        )


def _said(result: Result) -> str:
    """Its words, without Ansible's own in front."""
    return str(result.get("msg") or "it gave no answer").strip().removeprefix("Task failed: ")


def _engine_key(plan: Plan, builder: str, seen: Mapping[str, Result]) -> str:
    """As `_fleet.builders.engine_key`, for a builder inside the run or outside."""
    if builder in plan["hosts"]:
        return plan["hosts"][builder]["engine_key"]
    return seen[builder]["gpu"]["engines"][plan["image_builders"][builder]["engine"]].get("id", "")


def _build(plan: Plan, builder: str, specs: list[dict[str, t.Any]], secrets: dict[str, t.Any]) -> dict[str, t.Any]:
    place = plan["hosts"].get(builder) or plan["image_builders"][builder]
    return {
        "host": builder,
        "engine": place["engine"],
        "engine_url": place["engine_url"],
        "engine_tls": place.get("engine_tls"),
        "cache_dir": place["cache_dir"],
        "images": specs,
        "secrets": secrets,
    }


def _runner(users: Sequence[str], builds: Mapping[str, t.Any]) -> str:
    """Who asks a builder that does not take part: best one that has nothing of its own to do, and so nothing to fail at."""
    return min(users, key=lambda host: (host in builds, users.index(host)))


# --- what is moved ----------------------------------------------------------------------------------------------------


def _calls(jobs: Mapping[str, t.Any]) -> Iterator[tuple[str, dict[str, t.Any]]]:
    """Every build with the host that makes the call."""
    yield from jobs["builds"].items()
    for runner, builds in jobs["elsewhere"].items():
        yield from ((runner, build) for build in builds)


def _registry(registry: Mapping[str, str] | None) -> dict[str, str] | None:
    """As image_offer takes it. Its CA the builder knows, as the role `registry` had every host trust it."""
    return {key: registry[key] for key in ("address", "username")} if registry else None


def _names(build: Mapping[str, t.Any], result: Result) -> dict[str, list[str]]:
    """Key in the build → the image's reference there, and the further tags that the user asked for."""
    references = {entry["key"]: entry["reference"] for entry in result["images"] if entry["key"]}
    return {spec["key"]: [references[spec["key"]], *spec.get("tags", ())] for spec in build["images"]}


def _once_per_engine(plan: Plan, consumers: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The same wishes, those of hosts with one engine put together on the first of them."""
    first: dict[str, str] = {}
    merged: dict[str, dict[str, str]] = {}
    for host, keys in consumers.items():
        chosen = first.setdefault(plan["hosts"][host]["engine_key"], host)
        # By the build's own keys: two hosts may mean different variants by one key.
        merged.setdefault(chosen, {}).update({there: there for there in keys.values()})
    return merged


def _unique(names: t.Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _sboms(jobs: Mapping[str, t.Any], built: Mapping[str, Result]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for runner, build in _calls(jobs):
        for entry in built.get(build["host"], {}).get("images", ()):
            path = entry.get("sbom")
            if path:
                name = path.rpartition("/")[2]
                found.setdefault(runner, []).append({"host": build["host"], "path": path, "name": name})
    return found
