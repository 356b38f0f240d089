# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that make systemd bring groups up in plan order at boot. Pure: groups in, path → text out.

One service unit a group, which runs `script.py` with the group's file (JSON). With Podman, whose containers are units
themselves (Quadlet), a drop-in for each says behind what it stops and starts; nothing enables those at boot but their
group's unit. Why it is so: docs/decisions/boot-order.md.
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field

from .._group.config import Group, to_dict
from .._group.order import STARTED, Wait, start_order, waits
from .systemd import PREFIX

DOCKER = "docker.service"
DROP_IN = "50-gpu-fleet-order.conf"
_OWNER = "# gpu_fleet.containers: "
"""First line of each of our files, followed by JSON with its host and group: whose a file is, when it has to go."""

_ENGINE_PATIENCE = 60
"""Seconds that the script waits for a Docker that starts (`engines.py`)."""
_SLACK = 30
RETRY = 30
"""Seconds after which a group that did not come up is tried again."""


@dataclass(frozen=True)
class Settings:
    """Of one inventory host."""

    host: str
    engine: str
    """docker or podman"""
    units: str
    """Directory of the units: ``/etc/systemd/system``, or a user's."""
    folder: str
    """Directory of the groups' files: ``<state_dir>/boot``."""
    runtime: str
    """Directory that a reboot empties: ``/run/gpu-fleet``."""
    command: tuple[str, ...]
    """Python and the installed script."""
    user: bool = False
    """Units of an ordinary user's own systemd."""
    socket: str = "/var/run/docker.sock"
    boot_wait: float = 300.0


@dataclass(frozen=True)
class Files:
    """All of one group."""

    texts: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    """Symbolic links that enable units: path → target."""


def escaped(text: str) -> str:
    r"""Fit for a unit's name: other characters than letters, digits, ``:``, ``_``, ``.`` and ``-`` as ``\xNN``."""
    return re.sub(r"[^A-Za-z0-9:_.-]", lambda found: "".join(f"\\x{byte:02x}" for byte in found.group().encode()), text)


def unit_name(host: str, group: str) -> str:
    return f"{PREFIX}{escaped(host)}-{escaped(group)}.service"


def owner_line(host: str, group: str) -> str:
    return _OWNER + json.dumps({"host": host, "group": group}) + "\n"


def owner_of(text: str) -> tuple[str, str] | None:
    """(host, group) that a file was written for; None: it is not ours."""
    first = text.partition("\n")[0]
    if not first.startswith(_OWNER):
        return None
    try:
        said = json.loads(first[len(_OWNER) :])
        return (str(said["host"]), str(said["group"]))
    except (ValueError, KeyError, TypeError):
        return None


def boot_files(settings: Settings, groups: t.Sequence[Group]) -> dict[str, Files]:
    """What belongs on the host for each of its groups. groups: all of the host, as needs go between them."""
    graph = waits(groups)
    order = start_order(groups)
    return {group.name: _of_group(settings, group, order, graph, {other.name for other in groups}) for group in groups}


def _of_group(
    settings: Settings,
    group: Group,
    order: t.Sequence[tuple[str, str]],
    graph: dict[tuple[str, str], tuple[Wait, ...]],
    known: t.Collection[str],
) -> Files:
    unit = unit_name(settings.host, group.name)
    needs = tuple(name for name in group.needs if name in known)
    own = {
        service: tuple(wait for wait in graph[group.name, service] if wait.key[0] == group.name)
        for name, service in order
        if name == group.name
    }
    texts = {
        group_path(settings, group.name): group_file(settings, group, own, needs),
        f"{settings.units}/{unit}": _unit(settings, group, needs),
    }
    if settings.engine == "podman":
        texts.update(_drop_ins(settings, group, own, needs))
    return Files(texts, {f"{settings.units}/{_wanted_by(settings)}.wants/{unit}": f"../{unit}"})


def _wanted_by(settings: Settings) -> str:
    if settings.engine == "docker":
        # Also when Docker is started again by hand, or by an upgrade of its package.
        return DOCKER
    return "default.target" if settings.user else "multi-user.target"


def group_path(settings: Settings, group: str) -> str:
    return f"{settings.folder}/{escaped(settings.host)}-{escaped(group)}.json"


def group_file(settings: Settings, group: Group, own: dict[str, tuple[Wait, ...]], needs: t.Sequence[str]) -> str:
    """What the script reads. own: what each service waits for in its group, in start order."""
    services = {service.name: service for service in group.services}
    unit = unit_name(settings.host, group.name)
    data = {
        "host": settings.host,
        "group": group.name,
        "engine": settings.engine,
        "socket": settings.socket,
        "user": settings.user,
        "boot_wait": settings.boot_wait,
        "timeout": group.timeout,
        "adopt": f"{settings.runtime}/{unit}.adopt",
        "lives": f"{settings.runtime}/{unit}.json",
        "awaits": to_dict(group.awaits),
        "needs": [group_path(settings, name) for name in needs],
        "services": [
            {
                "name": name,
                "container": services[name].config.name,
                "one_shot": services[name].one_shot,
                "settle": services[name].settle,
                "checked": _is_checked(group, name),
                "grace": services[name].config.stop_grace_period,
                "after": [{"service": wait.key[1], "state": wait.state} for wait in after],
            }
            for name, after in own.items()
        ],
    }
    return json.dumps(data, indent=1) + "\n"


def _is_checked(group: Group, name: str) -> bool:
    check = next(service.config.healthcheck for service in group.services if service.name == name)
    return check is not None and check.test[:1] != ("NONE",)


def _unit(settings: Settings, group: Group, needs: t.Sequence[str]) -> str:
    needed = [unit_name(settings.host, name) for name in needs]
    stops = sum(service.config.stop_grace_period for service in group.services) + _SLACK
    # At the worst: Docker starts, what came too early is stopped, other hosts, needed groups and the group are waited for.
    starts = _ENGINE_PATIENCE + stops + settings.boot_wait + 2 * group.timeout + _SLACK
    script = [*settings.command]
    path = group_path(settings, group.name)
    lines = [
        "[Unit]",
        f"Description=Container group {_plain(group.name)} of {_plain(settings.host)}, in plan order",
        # A group that failed is tried again without an end; what needs it waits for its health, not for its unit.
        "StartLimitIntervalSec=0",
        *(f"Wants={name}\nAfter={name}" for name in needed),
        *_engine_lines(settings, group),
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        f"ExecStart={_words([*script, 'start', path])}",
        f"ExecStop={_words([*script, 'stop', path])}",
        "Restart=on-failure",
        f"RestartSec={RETRY}",
        f"TimeoutStartSec={round(starts)}",
        f"TimeoutStopSec={round(stops)}",
        "SyslogIdentifier=gpu-fleet",
        "",
        "[Install]",
        f"WantedBy={_wanted_by(settings)}",
    ]
    return owner_line(settings.host, group.name) + "\n".join(lines) + "\n"


def _engine_lines(settings: Settings, group: Group) -> list[str]:
    if settings.engine == "docker":
        # Not Requires: one start of Docker that fails and is repeated would leave the group down.
        return [f"Wants={DOCKER}", f"After={DOCKER}", f"PartOf={DOCKER}"]
    # Behind the target that wants it, or systemd would put the target behind it, and the boot would not be over before
    # every group is up (systemd.target(5), «Automatic Dependencies»).
    if settings.user:
        return ["After=default.target", _after_members(group)]
    return ["Wants=network-online.target", "After=network-online.target multi-user.target", _after_members(group)]


def _after_members(group: Group) -> str:
    """So that at shutdown the group is down before its containers are, and what needs it before the group."""
    return "After=" + " ".join(f"{service.config.name}.service" for service in group.services)


def _drop_ins(
    settings: Settings, group: Group, own: dict[str, tuple[Wait, ...]], needs: t.Sequence[str]
) -> dict[str, str]:
    """Behind what the unit of each container is started and, the other way round, stopped."""
    containers = {service.name: service.config.name for service in group.services}
    result = {}
    for service, after in own.items():
        # Not behind one that only has to be started: its unit counts as started when it is healthy.
        units = [f"{containers[wait.key[1]]}.service" for wait in after if wait.state != STARTED]
        units += [unit_name(settings.host, name) for name in needs]
        if units:
            path = f"{settings.units}/{containers[service]}.service.d/{DROP_IN}"
            lines = ["[Unit]", *(f"After={name}" for name in dict.fromkeys(units))]
            result[path] = owner_line(settings.host, group.name) + "\n".join(lines) + "\n"
    return result


def _words(words: t.Iterable[str]) -> str:
    """A command line as systemd reads it (systemd.service(5), «Command Lines»)."""
    return " ".join(_word(word) for word in words)


def _word(word: str) -> str:
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return text if re.fullmatch(r"[A-Za-z0-9:_./%$-]+", text) else f'"{text}"'


def _plain(text: str) -> str:
    return text.replace("%", "%%")
