# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done for NVIDIA's container toolkit on a host: packages, the service that writes its CDI spec, Docker.

Pure: reads through a `Reader`, decides, changes nothing; the role `nvidia_toolkit` carries it out. Which feature came
when is from the toolkit's changelog, as in `_gpu/toolkit.py`.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from .._cdi.engines import engine_versions, newest_for
from .._cdi.resolve import engine_version
from .._errors import InputError
from .._gpu.model import EngineFacts
from .._gpu.probe import Reader
from .._gpu.toolkit import HOOKS, REFRESH, UNITS, WSL_REFRESH, installed

ALL = ("nvidia-container-toolkit", "nvidia-container-toolkit-base", "libnvidia-container-tools", "libnvidia-container1")
BASE = "nvidia-container-toolkit-base"
"""Holds nvidia-ctk, the CDI hook and the runtime: enough for CDI (NVIDIA's installation guide)."""

FIRST = {"wsl2": (1, 13, 0), "": (1, 12, 0)}
"""First toolkit that describes GPUs for CDI there."""

SPEC = "/var/run/cdi/nvidia.yaml"
"""What nvidia-cdi-refresh.service writes (nvidia-container-toolkit, deployments/systemd)."""
SHADOWED = ("/etc/cdi/nvidia.yaml", "/etc/cdi/nvidia.json")
"""What people write by hand after older instructions; the service's file hides it, names of it that are gone stay visible."""

ENVIRONMENT = "/etc/nvidia-container-toolkit/nvidia-cdi-refresh.env"
FLAGS = "NVIDIA_CTK_CDI_GENERATE_FEATURE_FLAGS"
NO_GIDS = "no-additional-gids-for-device-nodes"
"""Keeps `additionalGids` out of the spec, and thereby its version below 0.7.0 (nvidia-container-toolkit issue 1860)."""
GIDS = (0, 7, 0)

HOOK = "/usr/bin/nvidia-container-runtime-hook"
FEATURE, ON_BY_DEFAULT = (25, 0), (28, 2)
"""Docker reads CDI specs from 25 on, up to 28.1 only with its feature cdi (moby)."""

Version = tuple[int, ...]


@dataclass(frozen=True)
class Refresh:
    """The toolkit's own service that writes the CDI spec at boot and after an update of the driver."""

    use: bool
    reason: str
    line: str = ""
    """The line that its environment file must have; empty where it needs none."""
    renew: bool = False
    """Whether the service has to run now: its spec is not there, or its line is new."""


@dataclass(frozen=True)
class Docker:
    """What Docker has to be told."""

    settings: dict[str, t.Any] = field(default_factory=dict)
    """Keys for daemon.json; empty where Docker is not installed."""
    reason: str = ""
    looks_for: tuple[str, ...] = ()
    """What a Docker without CDI looks for at its start only (moby, daemon/nvidia_linux.go): without it `--gpus` fails."""


@dataclass(frozen=True)
class Work:
    packages: tuple[str, ...]
    """``name=version`` of all that the host shall have; empty where it has newer ones."""
    refresh: Refresh
    aside: tuple[str, ...]
    """Files of others that stand in the way of the service's spec."""
    docker: Docker
    warnings: tuple[str, ...] = ()


def plan(reader: Reader, platform: str, names: t.Sequence[str], version: str, downgrade: bool, docker: bool) -> Work:
    """What is to be done.

    platform: as `gpu_facts` says it. names, version: the packages, and the version they shall have (empty: whatever the
    repository has). docker: whether Docker shall know the runtime. What comes after the packages is that of a host which
    has them: ask again once they are there. Raises InputError where it cannot work.
    """
    _refuse(platform, names, version)
    present = installed_version(reader)
    wanted = version_of(version)
    newer = present is not None and wanted is not None and present > wanted and not downgrade
    settled = present is not None and (wanted is None or present >= wanted)
    warnings = []
    if newer:
        warnings.append(f"the installed toolkit {_text(present)} is newer than {version}, and stays")
    refresh = _refresh(reader, platform, present)
    if settled and not refresh.use:
        warnings.append(f"nothing writes the CDI spec again after an update of the driver: {refresh.reason}")
    return Work(
        packages=() if newer else tuple(f"{name}={version}" if version else name for name in names),
        refresh=refresh,
        aside=tuple(path for path in (*HOOKS, *(SHADOWED if refresh.use else ())) if reader.file(path) is not None),
        docker=_docker(reader) if docker else Docker(reason="not wanted for this host"),
        warnings=tuple(warnings),
    )


def version_of(text: str) -> Version | None:
    """``1.20.0-1`` → (1, 20, 0); None for empty text. Raises InputError for what is no version of the toolkit."""
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:[-~+*][\w.~+*-]*)?", text)
    if found is None:
        raise InputError(
            f"{text!r} is no version of the toolkit", "version", "Write it as the repository does: 1.20.0-1."
        )
    return tuple(int(part) for part in found.groups())


def installed_version(reader: Reader) -> Version | None:
    """Of the toolkit that is there, from its library's name or from nvidia-ctk; None where there is none."""
    version, _probe, _evidence = installed(reader)
    if version is None and reader.program("nvidia-ctk"):
        answer = reader.command(("nvidia-ctk", "--version"))
        found = re.search(r"version (\d+\.\d+\.\d+)", answer.stdout) if answer is not None and answer.rc == 0 else None
        return version_of(found.group(1)) if found else None
    return version


def _refuse(platform: str, names: t.Sequence[str], version: str) -> None:
    if platform == "jetson":
        raise InputError(
            "a Jetson has NVIDIA's toolkit from JetPack, and one from elsewhere does not fit it",
            mend="Run `apt-get install nvidia-container`, and set `prepare_skip: [nvidia_toolkit]`.",
        )
    if platform in ("macos", "wsl1"):
        raise InputError(f"there is no NVIDIA toolkit for {platform}", mend="Set `prepare_skip: [nvidia_toolkit]`.")
    if BASE not in names and ALL[0] not in names:
        raise InputError(f"without {BASE} there is nothing that describes GPUs", "packages", f"Add {BASE}.")
    wanted, first = version_of(version), FIRST.get(platform, FIRST[""])
    if wanted is not None and wanted < first:
        where = " under WSL2" if platform == "wsl2" else ""
        raise InputError(
            f"the toolkit {version} cannot describe GPUs for CDI{where}, which came with {_text(first)}",
            "version",
            f"Take {_text(WSL_REFRESH if platform == 'wsl2' else REFRESH)} or newer, which also renews its spec by itself.",
        )


def _refresh(reader: Reader, platform: str, version: Version | None) -> Refresh:
    since = WSL_REFRESH if platform == "wsl2" else REFRESH
    if reader.directory("/run/systemd/system") is None:
        return Refresh(False, "systemd does not run here")
    if version is not None and version < since:
        where = " under WSL2" if platform == "wsl2" else ""
        return Refresh(False, f"nvidia-cdi-refresh works{where} from {_text(since)} on, this is {_text(version)}")
    if all(reader.file(path) is None for path in UNITS):
        return Refresh(False, f"there is no {UNITS[0]}")
    line = _line(reader)
    return Refresh(True, "nvidia-cdi-refresh is there", line, bool(line) or reader.file(SPEC) is None)


def _line(reader: Reader) -> str:
    """The flags for engines that drop a spec of version 0.7.0; empty where all is as it should be."""
    limit = newest_for(engine_versions(reader))
    if limit is None or tuple(int(part) for part in limit.split(".")) >= GIDS:
        return ""
    flags = _flags(reader.file(ENVIRONMENT) or "")
    return "" if NO_GIDS in flags else f"{FLAGS}={','.join([*flags, NO_GIDS])}"


def _flags(text: str) -> list[str]:
    """Those that the environment file (systemd.exec(5), `EnvironmentFile=`) sets; the last line counts."""
    found = re.findall(rf"^\s*{FLAGS}=(.*)$", text, re.MULTILINE)
    return [flag.strip() for flag in found[-1].strip().strip("\"'").split(",") if flag.strip()] if found else []


def _docker(reader: Reader) -> Docker:
    version = engine_version(EngineFacts("docker", version=engine_versions(reader).get("docker", "")))
    if version is None:
        return Docker(reason="there is no dockerd on this host")
    settings: dict[str, t.Any] = {"runtimes": {"nvidia": {"path": "nvidia-container-runtime", "args": []}}}
    if FEATURE <= version < ON_BY_DEFAULT:
        settings["features"] = {"cdi": True}
    return Docker(settings, f"dockerd {_text(version)}", (HOOK,) if version < FEATURE else ())


def _text(version: Version) -> str:
    return ".".join(map(str, version))
