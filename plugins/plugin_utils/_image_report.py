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
    """What `tasks/images.yml` registered; all of it empty where no image was missing."""

    elsewhere: Mapping[str, t.Any] = field(default_factory=dict)
    moves: Result = field(default_factory=dict)
    built: Mapping[str, Result] = field(default_factory=dict)
    offered: Mapping[str, Result] = field(default_factory=dict)
    pulled: Mapping[str, Result] = field(default_factory=dict)


def happened(registered: Registered) -> Happened:
    jobs = _first(registered("fleet_jobs"), "builds")
    if not jobs:
        return Happened()
    kept = {name: registered(name) for name in ("fleet_built", "fleet_built_elsewhere")}
    return Happened(
        jobs["elsewhere"],
        _first(registered("fleet_moves"), "pulls"),
        builder_answers(jobs, lambda host, name: kept[name].get(host) or {}),
        _there(registered("fleet_offered")),
        _there(registered("fleet_pulled")),
    )


def build_lines(plan: Mapping[str, t.Any], done: Happened, check: bool = False) -> list[str]:
    """The summary of `build`: per host what was built, pulled and fetched, and who had all; then the plan's warnings."""
    lines, quiet = _host_lines(plan, done, check)
    if quiet:
        lines.append(f"every image {'is' if check else 'was'} there: {', '.join(quiet)}")
    return lines + [f"warning: {text}" for text in plan.get("plan_warnings", ())]


def image_lines(plan: Mapping[str, t.Any], done: Happened, check: bool = False) -> list[str]:
    """The same for a summary about more than images: nothing is said where nothing was missing."""
    return _host_lines(plan, done, check)[0]


def _host_lines(plan: Mapping[str, t.Any], done: Happened, check: bool) -> tuple[list[str], list[str]]:
    """Lines, and hosts of which there is nothing to say."""
    outside = [build["host"] for builds in done.elsewhere.values() for build in builds]
    lines, quiet = [], []
    for host in [*plan["hosts"], *outside]:
        place = plan["hosts"].get(host) or plan["image_builders"][host]
        told = [*_built(done.built.get(host, {}), check), *_fetched(host, done, check)]
        if told:
            note = ", outside the limit" if host in outside else ""
            lines += [f"{host} ({place['engine']}{note}): images", *(f"  {text}" for text in told)]
        elif place.get("selected_images"):
            quiet.append(host)
    return lines, quiet


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
