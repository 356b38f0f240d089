# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running Docker daemon needs to take its daemon.json: nothing, a reload, or a restart, and whether that may be now.

Pure decisions; `docker_running.py` looks at the daemon and acts on it.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# What SIGHUP takes when it is set (moby, daemon/reload.go, daemon/reload_unix.go; authorization-plugins in
# cmd/dockerd/daemon.go). `features` are kept by a reload, but CDI and the image store look at them at the start only.
RELOADED = frozenset(
    {
        "allow-nondistributable-artifacts",
        "authorization-plugins",
        "debug",
        "default-cgroupns-mode",
        "default-ipc-mode",
        "default-runtime",
        "default-shm-size",
        "features.buildkit",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "network-diagnostic-port",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)
# Of those, what goes back to its default by a reload when it is taken out: the others ask IsValueSet first and stay.
RESET = frozenset(
    {
        "features.buildkit",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "network-diagnostic-port",
    }
)
# Live restore keeps containers over a restart unless the ground they stand on moves: «daemon options such as bridge IP
# addresses and graph driver» (Docker's page «Live restore»). Directories, user namespaces and the image store are the same.
UPROOTING = frozenset(
    {
        "bip",
        "bridge",
        "containerd",
        "containerd-namespace",
        "data-root",
        "exec-root",
        "features.containerd-snapshotter",
        "fixed-cidr",
        "fixed-cidr-v6",
        "iptables",
        "ip6tables",
        "ipv6",
        "storage-driver",
        "storage-opts",
        "userns-remap",
    }
)

MODES = ("idle", "always", "never")


@dataclass(frozen=True)
class Running:
    """A container that runs now."""

    name: str
    group: str
    """The container group it is of; empty when it is another owner's."""


@dataclass(frozen=True)
class Need:
    """Keys of daemon.json (dotted below `features`) that the running daemon does not have."""

    by_reload: tuple[str, ...] = ()
    by_restart: tuple[str, ...] = ()
    unknown: bool = False
    """Nobody knows what the daemon loaded: all of the file counts as not loaded."""
    late: tuple[str, ...] = ()
    """Files that the daemon looks for at its start only, and that came after it."""

    @property
    def restart(self) -> bool:
        return bool(self.by_restart or self.late)


@dataclass(frozen=True)
class Decision:
    """What is done now, in this order, and what stays to be done."""

    reload: bool = False
    restart: bool = False
    due: str = ""
    """What a restart that is held back would bring and cost, and how to have it; empty when nothing stays undone."""


def needed(loaded: Mapping[str, t.Any] | None, wanted: Mapping[str, t.Any]) -> Need:
    """Compare what the daemon loaded (None when nobody knows) with what its file says now; both as parsed JSON."""
    if loaded is None:
        return Need(by_restart=tuple(sorted(_flat(wanted))) or ("what was taken out",), unknown=True)
    before, after = _flat(loaded), _flat(wanted)
    changed = sorted(
        key for key in {*before, *after} if key not in before or key not in after or before[key] != after[key]
    )
    by_reload = tuple(key for key in changed if key in RELOADED and (key in after or key in RESET))
    return Need(by_reload, tuple(key for key in changed if key not in by_reload))


def foreseen(keys: Sequence[str]) -> Need:
    """What a change of these keys (dotted) would need, for check mode, where the file is as it was."""
    roots = {key if key.startswith("features.") else key.partition(".")[0] for key in keys}
    return Need(tuple(sorted(roots & RELOADED)), tuple(sorted(roots - RELOADED)))


def after_reload(loaded: Mapping[str, t.Any], wanted: Mapping[str, t.Any], need: Need) -> dict[str, t.Any]:
    """What the daemon has once it took `need.by_reload` of `wanted`."""
    have, want = _flat(loaded), _flat(wanted)
    for key in need.by_reload:
        have.pop(key, None)
        if key in want:
            have[key] = want[key]
    result: dict[str, t.Any] = {}
    for key, value in have.items():
        table, dot, name = key.partition(".")
        if dot and table == "features":
            result.setdefault("features", {})[name] = value
        else:
            result[key] = value
    return result


def decide(need: Need, mode: str, live_restore: bool, running: Sequence[Running]) -> Decision:
    """live_restore: whether the daemon will have it by the time of a restart, that is after the reload."""
    reload = bool(need.by_reload)
    if not need.restart:
        return Decision(reload=reload)
    stopped = [] if live_restore and not UPROOTING.intersection(need.by_restart) else list(running)
    if mode == "always" or (mode == "idle" and not stopped):
        # A reload before the restart only where it saves containers: it brings live restore.
        return Decision(reload=reload and live_restore and bool(running), restart=True)
    return Decision(reload=reload, due=_due(need, mode, stopped))


def unit_flags(exec_start: str) -> list[str]:
    """dockerd's flags in what `systemctl show --property ExecStart --value` prints, without the program and `$OPTIONS`.

    `{ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS ; ignore_errors=no ; … }`
    """
    _before, found, rest = exec_start.partition("argv[]=")
    words = rest.split(" ; ")[0].split()[1:] if found else []
    return [word for word in words if not word.startswith("$")]


def hosts_clash(settings: Mapping[str, t.Any], flags: Sequence[str]) -> bool:
    """Whether `hosts` would meet a flag that says the same: dockerd then refuses to start."""
    return "hosts" in settings and any(flag.startswith(("-H", "--host")) for flag in flags)


def _flat(settings: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Each feature as a key of its own, because they differ; everything else as it is."""
    flat = {key: value for key, value in settings.items() if key != "features"}
    features = settings.get("features")
    if isinstance(features, Mapping):
        flat.update({f"features.{name}": value for name, value in features.items()})
    elif features is not None:
        flat["features"] = features
    return flat


def _due(need: Need, mode: str, stopped: Sequence[Running]) -> str:
    keys, reasons = ", ".join(need.by_restart), []
    if need.unknown:
        reasons.append(f"daemon.json ({keys}) changed after the daemon started")
    elif keys:
        reasons.append(f"the running daemon does not have {keys} as daemon.json says")
    if need.late:
        reasons.append(f"{', '.join(need.late)} came after the daemon, which looks for it at its start only")
    text = f"Docker is to be restarted: {', and '.join(reasons)}"
    if stopped:
        text += f", and a restart would stop {_who(stopped)}"
    if mode == "never":
        return f"{text}. docker_restart is never: restart it when it suits you."
    return f"{text}. Run again with -e docker_restart=always, or when they are stopped."


def _who(stopped: Sequence[Running]) -> str:
    groups = sorted({each.group for each in stopped if each.group})
    others = sorted(each.name for each in stopped if not each.group)
    count = f"{len(stopped)} container{'s' if len(stopped) > 1 else ''}"
    parts = []
    if groups:
        parts.append(f"of the group{'s' if len(groups) > 1 else ''} {', '.join(groups)}")
    if others:
        parts.append(f"of others ({', '.join(others[:5])}{', …' if len(others) > 5 else ''})")
    return f"{count} {' and '.join(parts)}"
