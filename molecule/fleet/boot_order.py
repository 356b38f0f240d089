"""Whether hosts brought everything up in plan order after a boot, by what systemd and Docker say of when it was.

Reads JSON: ``{"plan": fleet.hosts, "found": {host: {"units": text, "containers": text}}}`` with

- units: ``systemctl show --timestamp=us+utc -p Id,ActiveState,InactiveExitTimestamp,ActiveEnterTimestamp UNIT…``
- containers: a line ``NAME STARTED`` for each container of Docker, in its words; empty with Podman, whose are units.

Prints everything in the order of its start, then what came too early; exit status 1 if anything did.
"""

from __future__ import annotations

import json
import sys
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone


@dataclass(frozen=True)
class Step:
    """A group or a container at boot."""

    started: datetime
    ready: datetime
    """Healthy. Docker keeps no time for that: there it is the start again."""


def main() -> int:
    given = json.load(sys.stdin)
    steps = {}
    for host, found in given["found"].items():
        steps.update(steps_of(host, given["plan"][host], found))
    for (host, name), step in sorted(steps.items(), key=lambda item: item[1].started):
        print(f"{step.started:%H:%M:%S.%f} started  {step.ready:%H:%M:%S.%f} ready  {host:<6}  {name}")
    wrong = [text for before, after in rules(given["plan"]) for text in judge(steps, before, after)]
    for text in wrong:
        print(text)
    return 1 if wrong else 0


Place = tuple[str, str]
"""(host, name of a group or ``group/service``)"""


def steps_of(host: str, plan: dict[str, t.Any], found: dict[str, str]) -> dict[Place, Step]:
    units = {values["Id"]: values for values in map(parse, found["units"].split("\n\n"))}
    docker = dict(line.split() for line in found["containers"].splitlines())
    steps = {}
    for group in plan["groups"]:
        steps[host, group["name"]] = of_unit(units[f"gpu-fleet-{host}-{group['name']}.service"])
        for service in group["services"]:
            name = service["config"]["name"]
            started = docker_time(docker[name]) if docker else None
            steps[host, f"{group['name']}/{service['name']}"] = (
                Step(started, started) if started else of_unit(units[f"{name}.service"])
            )
    return steps


def parse(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.strip().splitlines())


def of_unit(values: dict[str, str]) -> Step:
    if values["ActiveState"] != "active":
        sys.exit(f"{values['Id']} is {values['ActiveState']}")
    return Step(systemd_time(values["InactiveExitTimestamp"]), systemd_time(values["ActiveEnterTimestamp"]))


def systemd_time(text: str) -> datetime:
    """From ``Sun 2026-11-22 07:44:05.123456 UTC``."""
    return datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=timezone.utc)


def docker_time(text: str) -> datetime:
    """From ``2026-11-22T07:44:05.123456789Z``."""
    return datetime.strptime(text[:26].rstrip("Z") + "Z", "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


def rules(hosts: dict[str, t.Any]) -> t.Iterator[tuple[Place, Place]]:
    """What must be ready before what starts."""
    for host, plan in hosts.items():
        for group in plan["groups"]:
            everything = [(host, f"{group['name']}/{service['name']}") for service in group["services"]]
            for before in group.get("needs", []):
                yield from (((host, before), after) for after in everything)
            for awaited in group.get("awaits", []):
                yield from (((awaited["host"], awaited["to"].partition(":")[0]), after) for after in everything)
            for service in group["services"]:
                for dependency in service.get("depends_on", []):
                    yield (
                        (host, f"{group['name']}/{dependency['service']}"),
                        (host, f"{group['name']}/{service['name']}"),
                    )


def judge(steps: dict[Place, Step], before: Place, after: Place) -> t.Iterator[str]:
    ready, started = steps[before].ready, steps[after].started
    if started < ready:
        yield f"{' '.join(after)} started at {started:%H:%M:%S.%f}, before {' '.join(before)} was ready at {ready:%H:%M:%S.%f}"


if __name__ == "__main__":
    sys.exit(main())
