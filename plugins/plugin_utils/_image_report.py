# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the images of a run, as lines of text. Pure: registered results in, lines out."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..module_utils._units import human
from ._image_jobs import builder_answers

Result = Mapping[str, t.Any]
Registered = t.Callable[[str], Mapping[str, Result | None]]
"""Name of a variable → what is registered in it, by host."""

_WOULD = {"built": "build", "pulled": "pull", "tagged": "tag", "bootstrapped": "bootstrap"}


@dataclass(frozen=True)
class Happened:
    """What the playbooks registered; all but `missing` empty where no image was missing."""

    missing: Mapping[str, t.Sequence[str]] = field(default_factory=dict)
    """Hosts that are still part of the play → what they lacked when they were asked."""
    elsewhere: Mapping[str, t.Any] = field(default_factory=dict)
    moves: Result = field(default_factory=dict)
    built: Mapping[str, Result] = field(default_factory=dict)
    offered: Mapping[str, Result] = field(default_factory=dict)
    pulled: Mapping[str, Result] = field(default_factory=dict)


def happened(registered: Registered) -> Happened:
    missing = {host: result.get("missing_images", ()) for host, result in _there(registered("fleet_asked")).items()}
    jobs = _first(registered("fleet_jobs"), "builds")
    if not jobs:
        return Happened(missing)
    kept = {name: registered(name) for name in ("fleet_built", "fleet_built_elsewhere")}
    return Happened(
        missing,
        jobs["elsewhere"],
        _first(registered("fleet_moves"), "pulls"),
        builder_answers(jobs, lambda host, name: kept[name].get(host) or {}),
        _there(registered("fleet_offered")),
        _there(registered("fleet_pulled")),
    )


def build_lines(plan: Mapping[str, t.Any], done: Happened, check: bool = False) -> list[str]:
    """The summary of `build`: per host what was built, pulled and fetched, who had all, and who failed; then the plan's warnings."""
    lines = _host_lines(plan, done, check)
    asked = [host for host, part in plan["hosts"].items() if part.get("selected_images")]
    had_all = [host for host in asked if host in done.missing and not done.missing[host]]
    if had_all:
        lines.append(f"every image {'is' if check else 'was'} there: {', '.join(had_all)}")
    failed = [host for host in asked if host not in done.missing]
    if failed:
        lines.append(f"failed, see what was said above: {', '.join(failed)}")
    return lines + [f"warning: {text}" for text in plan.get("plan_warnings", ())]


def image_lines(plan: Mapping[str, t.Any], done: Happened, check: bool = False) -> list[str]:
    """The same for a summary about more than images: nothing is said where nothing was missing."""
    return _host_lines(plan, done, check)


def _host_lines(plan: Mapping[str, t.Any], done: Happened, check: bool) -> list[str]:
    outside = [build["host"] for builds in done.elsewhere.values() for build in builds]
    lines = []
    for host in [*plan["hosts"], *outside]:
        place = plan["hosts"].get(host) or plan["image_builders"][host]
        told = [*_built(done.built.get(host, {}), check), *_fetched(host, done, check)]
        if not told and done.missing.get(host):
            # It shares an engine with one that was told to get it.
            come = "would come" if check else "came"
            told = [f"{_short(key)} {come} through another host" for key in done.missing[host]]
        if told:
            note = ", outside the limit" if host in outside else ""
            lines += [f"{host} ({place['engine']}{note}): images", *(f"  {text}" for text in told)]
    return lines


def _built(result: Result, check: bool) -> Iterator[str]:
    for entry in result.get("images", ()):
        action = entry["action"]
        if action == "present":
            continue
        name = _short(entry["reference"])
        if check:
            yield f"would {_WOULD[action]} {name}: {entry['reason']}"
            continue
        yield f"{action} {name} in {entry['seconds']:.1f} s"
        if entry.get("sbom"):
            yield f"  its packages: {entry['sbom']}"


def _fetched(host: str, done: Happened, check: bool) -> Iterator[str]:
    results = done.pulled.get(host, {}).get("results", ())
    for number, pull in enumerate(done.moves.get("pulls", {}).get(host, ())):
        if check:
            yield from (f"would fetch {_short(name)} from {pull['builder']}" for name in pull["images"])
            continue
        offers = done.offered.get(pull["by"], {}).get("results", ())
        offer = offers[pull["number"]] if pull["number"] < len(offers) else {}
        sizes = offer.get("offer", {}).get("images", {})
        for entry in results[number].get("images", ()) if number < len(results) else ():
            if entry["action"] == "present":
                continue
            size = sizes.get(entry["reference"], {}).get("size", 0)
            much = f"{human(entry['received_bytes'])}{f' of {human(size)}' if size else ''}"
            yield f"fetched {_short(entry['reference'])} from {pull['builder']}: {much} in {entry['seconds']:.1f} s"


def _short(reference: str) -> str:
    return reference.removeprefix("localhost/")


def _first(results: Mapping[str, Result | None], key: str) -> Result:
    """Of a task that ran once, whose result every host has; a host that came to nothing has none."""
    return next((result for result in results.values() if result and key in result), {})


def _there(results: Mapping[str, Result | None]) -> dict[str, Result]:
    return {host: result for host, result in results.items() if result}
