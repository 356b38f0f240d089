# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container as a Quadlet unit (``NAME.container``): pure text, and what can be read back from it.

The options are those that `podman_arguments.py` makes for ``podman create``. One that every Quadlet since Podman 5.0
knows as a key, with a value that needs no quoting, is written as that key; everything else as ``PodmanArgs``, whose
words Quadlet takes apart like systemd does (pkg/systemd/parser and quadlet/quadlet.go of containers/podman).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import typing as t

from .._errors import EngineError
from .._group import labels as names
from .._group.config import ContainerConfig
from .podman_arguments import Dialect, container_options

Pair = tuple[str, t.Optional[str]]
"""An option and its value, None for an option that takes none."""

_FLAGS = {
    "--init": ("RunInit", "true"),
    "--init=false": ("RunInit", "false"),
    "--read-only": ("ReadOnly", "true"),
    "--read-only-tmpfs=false": ("ReadOnlyTmpfs", "false"),
    "--pull=never": ("Pull", "never"),
    "--http-proxy=false": None,
    "--tty": None,
    "--interactive": None,
    "--privileged": None,
    "--no-healthcheck": None,
    "--oom-kill-disable": None,
}
"""Words that stand alone, and the key of those that have one."""

_KEYS = {
    "--name": "ContainerName",
    "--hostname": "HostName",
    "--user": "User",
    "--workdir": "WorkingDir",
    "--log-driver": "LogDriver",
    "--network": "Network",
    "--publish": "PublishPort",
    "--dns": "DNS",
    "--dns-search": "DNSSearch",
    "--dns-option": "DNSOption",
    "--volume": "Volume",
    "--tmpfs": "Tmpfs",
    "--shm-size": "ShmSize",
    "--health-interval": "HealthInterval",
    "--health-timeout": "HealthTimeout",
    "--health-retries": "HealthRetries",
    "--health-start-period": "HealthStartPeriod",
    "--cap-add": "AddCapability",
    "--cap-drop": "DropCapability",
    "--device": "AddDevice",
    "--sysctl": "Sysctl",
    "--ulimit": "Ulimit",
    "--pids-limit": "PidsLimit",
    "--userns": "UserNS",
}
_NEWER_KEYS = {"--group-add": ("GroupAdd", (5, 1))}
"""Keys with the Podman that brought them: one that Quadlet does not know makes it refuse the whole unit."""

_PAIRS = {"--env": "Environment", "--label": "Label", "--annotation": "Annotation"}
"""Keys whose values Quadlet takes apart as quoted ``name=value`` words."""

_PLAIN = re.compile(r"[A-Za-z0-9_./@+~\[*][A-Za-z0-9_./:,=@+~\[\]*-]*")
"""A value that is the same quoted, unquoted and as it is. No leading «-»: in AddDevice that means «if it exists»."""

_UNIT_SUFFIXES = (".container", ".network", ".volume", ".image", ".build", ".pod")
"""A source that ends so is another unit for Quadlet."""

_EMPTY, _SEMICOLON = "GPU_FLEET_EMPTY", "GPU_FLEET_SEMICOLON"
_AWKWARD = {"": _EMPTY, ";": _SEMICOLON}
"""Words that Quadlet cannot hand on (it ends at an empty one, and leaves a «;», which parts commands, unquoted):
they stand in variables of the service, which systemd puts in."""

_START_SECONDS = 300.0
"""How long a container may take to be there, without the time that its health check has to become good."""

_SEAL = "\n# SHA-256 of all above: "
"""The last line, by which a file is known that was edited: it says something else than its labels do."""

_STOP_SECONDS = 15.0
"""What engine and systemd may take to stop a container, beyond its own grace period."""


def render(
    config: ContainerConfig,
    labels: dict[str, str],
    bind_sources: dict[str, str],
    dialect: Dialect,
    gated: bool,
    rootless: bool,
    split: bool = True,
) -> str:
    """The unit of a container whose image is resolved and whose health test is known.

    gated: it has a health check, its own or its image's: what is ordered after it starts when that passed.
    split: its control group can be below the service's.
    Nothing enables it: at boot it is started by the unit of its group, in plan order (`_boot/units.py`).
    """
    if config.image.startswith("build:") or config.image.endswith(_UNIT_SUFFIXES):
        raise EngineError(f"image {config.image!r} cannot stand in a unit", path=f"container {config.name}")
    sections = {
        "Unit": _unit(config, labels, rootless),
        "Quadlet": [("DefaultDependencies", "false")],
        "Container": _container(config, run_options(config, labels, bind_sources, dialect, split), dialect, gated),
        "Service": _service(config),
    }
    text = "# Made by gpu_fleet.containers. What is changed here by hand is undone by the next deploy.\n"
    for section, lines in sections.items():
        text += f"\n[{section}]\n" + "".join(f"{key}={value}\n" for key, value in lines)
    if "\x80" in text:
        # Quadlet writes this one as \x80, which is no UTF-8 for systemd.
        raise EngineError("a unit cannot hold the character U+0080", path=f"container {config.name}")
    return _sealed(text)


def _sealed(text: str) -> str:
    return f"{text}{_SEAL}{hashlib.sha256(text.encode()).hexdigest()}\n"


def is_as_written(text: str) -> bool:
    """Whether nobody changed a unit since `render` made it."""
    return text == _sealed(text.rpartition(_SEAL)[0])


def _unit(config: ContainerConfig, labels: dict[str, str], rootless: bool) -> list[tuple[str, str]]:
    what = f"{labels.get(names.GROUP, '?')}/{labels.get(names.SERVICE, '?')}"
    lines = [("Description", _doubled(f"Container {config.name} ({what})"))]
    if not rootless:
        # After, not Wants: addresses it publishes on may come late, but a host without wait-online must not hang for it.
        # A user's manager does not know the target, and Quadlet's own stand-in waits 90 s for one that nothing wants
        # (containers/podman#24796), hence no default dependencies.
        lines.append(("After", "network-online.target"))
    policy, _colon, times = config.restart.partition(":")
    if policy == "on-failure" and times.isdigit() and int(times):
        return [*lines, ("StartLimitIntervalSec", "600"), ("StartLimitBurst", str(int(times) + 1))]
    return [*lines, ("StartLimitIntervalSec", "0")]


def _container(config: ContainerConfig, pairs: list[Pair], dialect: Dialect, gated: bool) -> list[tuple[str, str]]:
    lines = [("Image", _doubled(config.image))]
    if config.runtime:
        lines.append(("GlobalArgs", f"--runtime {quote(config.runtime)}"))
    for option in dict.fromkeys(option for option, _value in pairs):
        lines += _option(option, [value for each, value in pairs if each == option], dialect)
    if gated and not config.one_shot:
        lines.append(("Notify", "healthy"))
    if config.command:
        lines.append(("Exec", " ".join(map(quote, config.command))))
    return lines


def run_options(
    config: ContainerConfig, labels: dict[str, str], bind_sources: dict[str, str], dialect: Dialect, split: bool
) -> list[Pair]:
    """Those of ``podman create`` without --restart, which is systemd's here.

    Logs go to the journal, where they outlive the container (Quadlet's are gone when they end): by the engine, or as
    the output of a one-shot, which systemd runs in the foreground.
    """
    pairs = [
        pair for pair in _paired(container_options(config, labels, bind_sources, dialect)) if pair[0] != "--restart"
    ]
    if not config.log_driver:
        pairs.append(("--log-driver", "passthrough" if config.one_shot and not config.tty else "journald"))
    if config.cgroup_parent or not split:
        # Quadlet's own --cgroups=split, which comes before, takes no parent.
        pairs.append(("--cgroups", "enabled"))
    return pairs


def _paired(words: t.Iterable[str]) -> list[Pair]:
    left = iter(words)
    return [(word, None if word in _FLAGS else next(left)) for word in left]


def _option(option: str, values: list[str | None], dialect: Dialect) -> list[tuple[str, str]]:
    """The lines of one option with all its values, which keep their order because they all go the same way."""
    texts = [value for value in values if value is not None]
    if not texts:
        key = _FLAGS[option]
        return [key or ("PodmanArgs", option)]
    if option in _PAIRS:
        return [(_PAIRS[option], quote(text)) for text in texts]
    if option == "--security-opt" and texts == ["label=disable"]:
        return [("SecurityLabelDisable", "true")]
    newer = _NEWER_KEYS.get(option)
    key = newer[0] if newer and dialect.version >= newer[1] else _KEYS.get(option)
    if key and all(_is_plain(option, text) for text in texts):
        return [(key, text) for text in texts]
    return [("PodmanArgs", f"{option} {quote(text)}") for text in texts]


def _is_plain(option: str, text: str) -> bool:
    if option in ("--network", "--volume") and text.partition(":")[0].endswith(_UNIT_SUFFIXES):
        return False
    # Older Quadlets take a group in User for the user's name.
    return bool(_PLAIN.fullmatch(text)) and not (option == "--user" and ":" in text)


def _service(config: ContainerConfig) -> list[tuple[str, str]]:
    lines = [("Type", "oneshot"), ("RemainAfterExit", "yes")] if config.one_shot else []
    lines += [
        ("Restart", _restart(config)),
        ("RestartSec", "500ms"),
        # From systemd 254 on (older ones leave these out): one that keeps ending is started ever more slowly, and
        # what is ordered after it waits for its next try instead of failing with its first.
        ("RestartSteps", "6"),
        ("RestartMaxDelaySec", "30"),
        ("RestartMode", "direct"),
        ("TimeoutStartSec", "infinity" if config.one_shot else str(math.ceil(_START_SECONDS + _grace(config)))),
        ("TimeoutStopSec", str(math.ceil(config.stop_grace_period + _STOP_SECONDS))),
    ]
    used = [word for word in _AWKWARD if word in (config.command or ())]
    return lines + [("Environment", quote(f"{_AWKWARD[word]}={word}")) for word in used]


def _restart(config: ContainerConfig) -> str:
    policy = config.restart.partition(":")[0]
    if policy in ("always", "unless-stopped"):
        # systemd refuses a one-shot that is to run again after it succeeded.
        return "on-failure" if config.one_shot else "always"
    return policy


def _grace(config: ContainerConfig) -> float:
    """Seconds after which a check that keeps failing means unhealthy."""
    check = config.healthcheck
    return check.start_period + check.retries * (check.interval + check.timeout) if check else 0.0


def quote(word: str) -> str:
    """A word as Quadlet and systemd read it: JSON's escapes are among theirs; % and $ stand doubled."""
    if word in _AWKWARD:
        return "${" + _AWKWARD[word] + "}"
    if _PLAIN.fullmatch(word.lstrip("-")):
        return word
    return _doubled(json.dumps(word, ensure_ascii=False))


def _doubled(text: str) -> str:
    return text.replace("%", "%%").replace("$", "$$")


def read_labels(text: str) -> dict[str, str]:
    """The labels of a unit that `render` wrote; empty for somebody else's."""
    found = {}
    for line in text.split("\n"):
        if line.startswith("Label="):
            word = line[len("Label=") :].replace("%%", "%").replace("$$", "$")
            try:
                name, _equals, value = (json.loads(word) if word.startswith('"') else word).partition("=")
            except (ValueError, AttributeError):
                continue
            found[name] = value
    return found
