# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engines of a host say about themselves.

Docker is asked over its socket. Podman is asked for its version only, and what else is needed of `podman info` is
read from files: that command takes 130 to 350 ms, for much that nobody here wants (docs/decisions/asking-podman.md).
Both are asked at the same time; who declared GPU memory is asked only where there is a GPU.
"""

from __future__ import annotations

import json
import re
import typing as t

from .findings import Finding, finding
from .model import EngineFacts
from .probe import CommandResult, Reader

PODMAN_INFO = ("podman", "info", "--format", "json")
PODMAN_DECLARED = ("podman", "ps", "--filter", "label=org.gpu-fleet.vram", "--format", "json")
PODMAN_VERSION = ("podman", "version", "--format", "json")
CDI_DIRS = ("/etc/cdi", "/var/run/cdi")
CDI_BEHIND_DOCKER = (5, 4)
"""First Podman whose Docker-compatible API honours requests with the driver cdi; all others it ignores, in silence."""
NO_JSON = "it answered something that is not JSON"
NO_INTEGRATION = "could not be found in this WSL 2 distro"
"""What the stand-in says that Docker Desktop puts in the place of its program."""
NOT_INTEGRATED = "Docker Desktop is not switched on for this distribution"
NOT_ASKED, UNREACHABLE = 95, 111
"""Exit statuses of `docker_api.py`, repeated here so that it is imported only where Docker is asked."""


def probe_engines(
    reader: Reader, names: t.Sequence[str], url: str = "", with_declared: bool = False
) -> tuple[dict[str, EngineFacts], list[Finding]]:
    """Facts of the named engines (docker, podman), asked concurrently. url: Docker's, empty for its default."""
    if not names:
        return {}, []
    # Imported here: who asks no engine should not wait for it.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(names)) as pool:
        asked = list(pool.map(lambda name: _PROBES[name](reader, url, with_declared), names))
    facts = dict(zip(names, (answer for answer, _found in asked)))
    return facts, [each for _answer, found in asked for each in found]


def _docker(reader: Reader, url: str, with_declared: bool) -> tuple[EngineFacts, list[Finding]]:
    result = reader.docker_info(url)
    if result is None:
        return EngineFacts("docker", reason="not installed", url=url), []
    facts, found = _read("docker", result, docker_facts)
    if facts.ready and with_declared:
        answer = reader.docker_declared(url)
        lines = answer.stdout.splitlines() if answer is not None and answer.rc == 0 else []
        facts = _with(facts, declared=add_declared(lines))
    if facts.flavour == "podman":
        text = f"Docker's socket is answered by Podman {facts.version}, which ignores requests for GPUs"
        text += " unless they name CDI devices" if facts.cdi_dirs else ", whatever they are"
        found = [*found, finding("docker-is-podman", text, "docker info", f"BuildahVersion, {facts.version}")]
    return _with(facts, url=url), [*found, *_cdi_warnings(result)]


def _cdi_warnings(result: CommandResult) -> list[Finding]:
    """What the daemon itself says is wrong with CDI specs (moby daemon/info.go puts it among its warnings)."""
    try:
        data = json.loads(result.stdout) if result.rc == 0 else None
    except (ValueError, RecursionError):
        return []
    warnings = [text for text in _texts(_mapping(data).get("Warnings")) if re.search(r"\bCDI\b", text)]
    return [finding("docker-warns-of-cdi", f"docker: {text}", "docker info", text) for text in warnings]


def _podman(reader: Reader, url: str, with_declared: bool) -> tuple[EngineFacts, list[Finding]]:
    from .podman_files import cdi_dirs, info

    result = reader.known(PODMAN_INFO) or _podman_result(reader, info)
    if result is None:
        return EngineFacts("podman", reason="not installed", cdi_dirs=CDI_DIRS), []
    machine_id = (reader.file("/etc/machine-id") or "").strip()
    facts, found = _read("podman", result, lambda data: _podman_facts(data, machine_id))
    if facts.ready:
        facts = _with(facts, cdi_dirs=cdi_dirs(reader, facts.version, CDI_DIRS))
    if facts.ready and with_declared:
        answer = reader.command(PODMAN_DECLARED, timeout=30.0)
        facts = _with(facts, declared=add_declared(_podman_labels(answer)))
    return facts, found


def _podman_result(reader: Reader, info: t.Callable[[Reader, str], dict[str, t.Any]]) -> CommandResult | None:
    """What `podman info` would answer, as far as it is needed. On a Mac only Podman knows: it is in its machine."""
    if reader.system() != "Linux":
        return reader.command(PODMAN_INFO, timeout=30.0)
    result = reader.command(PODMAN_VERSION, timeout=30.0)
    if result is None or result.rc != 0:
        return result
    try:
        said = json.loads(result.stdout)
    except (ValueError, RecursionError):
        said = None
    version = _text(_mapping(_mapping(said).get("Client")).get("Version"))
    if not version:
        return CommandResult(1, "", "it answered something that is not podman's version")
    return CommandResult(0, json.dumps(info(reader, version)))


_PROBES: dict[str, t.Callable[[Reader, str, bool], tuple[EngineFacts, list[Finding]]]] = {
    "docker": _docker,
    "podman": _podman,
}


def _read(
    name: str, result: CommandResult, parse: t.Callable[[dict[str, t.Any]], EngineFacts]
) -> tuple[EngineFacts, list[Finding]]:
    """Facts of an answer; an engine that is installed and gives none is a finding, unless nobody asked it."""
    facts, code = _parsed(name, result, parse)
    if facts.ready or code == "":
        return facts, []
    # What it answered says more than that it was no JSON.
    shown = _last_line(result.stdout)[:200] if facts.reason == NO_JSON else ""
    return facts, [finding(code, f"{name}: {facts.reason}", f"{name} info", shown or facts.reason, engine=name)]


def _parsed(
    name: str, result: CommandResult, parse: t.Callable[[dict[str, t.Any]], EngineFacts]
) -> tuple[EngineFacts, str]:
    try:
        data = json.loads(result.stdout)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict) and (result.rc == 0 or data.get("ServerErrors")):
        # The docker program says so of its daemon, and fails all the same.
        facts = parse(data)
        return facts, _code_of(facts.reason) or "engine-not-running"
    text = result.stdout + result.stderr
    if NO_INTEGRATION in text:
        return EngineFacts(name, reason=NOT_INTEGRATED), ""
    if result.rc == 0:
        return EngineFacts(name, installed=True, reason=NO_JSON), "engine-failed"
    reason = _last_line(result.stderr) or _last_line(result.stdout) or f"failed with status {result.rc}"
    code = {NOT_ASKED: "", UNREACHABLE: "engine-not-running"}.get(result.rc, "engine-failed")
    return EngineFacts(name, installed=True, reason=reason), code and (_code_of(text) or code)


def _code_of(text: str) -> str:
    """Of what an engine's program says when it gets no answer; empty for anything else."""
    if "permission denied" in text.lower():
        return "engine-no-permission"
    return "engine-not-running" if "Cannot connect to the Docker daemon" in text else ""


def docker_facts(data: dict[str, t.Any]) -> EngineFacts:
    """From Docker's /info (moby api types/system Info). An unreachable daemon shows as ServerErrors."""
    errors = _texts(data.get("ServerErrors"))
    if errors or not data.get("ServerVersion"):
        return EngineFacts("docker", installed=True, reason=errors[0] if errors else "the daemon does not answer")
    options = _texts(data.get("SecurityOptions"))
    if isinstance(data.get("BuildahVersion"), str):
        return _podman_behind_docker(data)
    desktop = data.get("OperatingSystem") == "Docker Desktop" or data.get("Name") == "docker-desktop"
    discovered = [_text(entry.get("ID")) for entry in _list(data.get("DiscoveredDevices")) if isinstance(entry, dict)]
    return EngineFacts(
        "docker",
        installed=True,
        ready=True,
        version=_text(data.get("ServerVersion")),
        id=_text(data.get("ID")),
        rootless=any("rootless" in option for option in options),
        flavour="desktop" if desktop else "engine",
        cdi_dirs=tuple(_texts(data.get("CDISpecDirs"))),
        # docker.com/gpu=webgpu is Docker Desktop's own and no GPU for containers.
        cdi_devices=tuple(sorted(name for name in discovered if name and not name.startswith("docker.com/"))),
        runtimes=tuple(sorted(_texts(list(_mapping(data.get("Runtimes")))))),
        selinux=any("selinux" in option for option in options),
    )


def _podman_behind_docker(data: dict[str, t.Any]) -> EngineFacts:
    """Podman's /info has fields of its own (tried on 4.3); it says nothing of CDI, whatever it can do with it."""
    version = _text(data.get("ServerVersion"))
    found = re.match(r"(\d+)\.(\d+)", version)
    honoured = found is not None and (int(found.group(1)), int(found.group(2))) >= CDI_BEHIND_DOCKER
    return EngineFacts(
        "docker",
        installed=True,
        ready=True,
        version=version,
        # Its ID is made up for each answer; the storage is what two hosts would share.
        id=f"{_text(data.get('Name'))}:{_text(data.get('DockerRootDir'))}",
        rootless=data.get("Rootless") is True,
        flavour="podman",
        cdi_dirs=CDI_DIRS if honoured else (),
        runtimes=tuple(filter(None, [_text(data.get("DefaultRuntime"))])),
        selinux=any("selinux" in option for option in _texts(data.get("SecurityOptions"))),
    )


def _podman_facts(data: dict[str, t.Any], machine_id: str) -> EngineFacts:
    host, store, version = _mapping(data.get("host")), _mapping(data.get("store")), _mapping(data.get("version"))
    security = _mapping(host.get("security"))
    return EngineFacts(
        "podman",
        installed=True,
        ready=True,
        version=_text(version.get("Version")),
        id=f"{machine_id}:{_text(store.get('graphRoot'))}",
        rootless=security.get("rootless") is True,
        cdi_dirs=CDI_DIRS,
        # Podman calls a runtime that is set by its path by that path.
        runtimes=tuple(filter(None, [_text(_mapping(host.get("ociRuntime")).get("name")).rpartition("/")[2]])),
        selinux=security.get("selinuxEnabled") is True,
    )


def _podman_labels(result: CommandResult | None) -> list[str]:
    try:
        entries = json.loads(result.stdout) if result is not None and result.rc == 0 else []
    except (ValueError, RecursionError):
        return []
    return [_text(_mapping(_mapping(entry).get("Labels")).get("org.gpu-fleet.vram")) for entry in _list(entries)]


def add_declared(labels: t.Iterable[str]) -> dict[str, int]:
    """Sums ``uuid=bytes,uuid=bytes`` labels by uuid; parts of another form are left out."""
    total: dict[str, int] = {}
    for label in labels:
        for part in label.split(","):
            uuid, _equals, number = part.strip().rpartition("=")
            if uuid and re.fullmatch("[0-9]{1,18}", number):
                total[uuid] = total.get(uuid, 0) + int(number)
    return total


def _with(facts: EngineFacts, **changes: t.Any) -> EngineFacts:
    import dataclasses

    return dataclasses.replace(facts, **changes)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _text(value: t.Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else []


def _texts(value: t.Any) -> list[str]:
    return [entry for entry in _list(value) if isinstance(entry, str)]


def _mapping(value: t.Any) -> dict[str, t.Any]:
    return value if isinstance(value, dict) else {}
