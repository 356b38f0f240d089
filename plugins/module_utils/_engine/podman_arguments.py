# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations to Podman command lines: pure, so that tests can compare whole commands.

Each function returns the words after ``podman``. Nothing goes through a shell.
A field that Podman cannot carry out raises EngineError naming the field; no field is
dropped silently (a unit test walks over all fields).

Podman reads some options as CSV (flag type ``strings`` in its help) and others literally
(``stringArray``), and which is which changes between versions. `Dialect` says what the
help of the Podman at hand says.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import typing as t
from dataclasses import dataclass

from .._errors import EngineError
from .._group.config import (
    STAGED,
    Attachment,
    ContainerConfig,
    GpuRequest,
    Healthcheck,
    Mount,
    NetworkConfig,
    Port,
    Ulimit,
    VolumeConfig,
)

Words = list[str]


@dataclass(frozen=True)
class Dialect:
    """What differs between one Podman and another, as far as command lines are concerned."""

    version: tuple[int, int] = (4, 3)
    csv: frozenset[str] = frozenset({"--annotation", "--log-opt", "--add-host", "--sysctl"})
    """Options whose values are read as CSV."""
    ulimits: tuple[str, ...] = ()
    """Default limits of containers.conf; any --ulimit replaces them all, so they are repeated beside it."""

    def value(self, option: str, text: str) -> str:
        """A value in the form that `option` wants (Go's encoding/csv): quoted only where it must be."""
        if option not in self.csv or not any(character in text for character in ',"\n\r'):
            return text
        return '"' + text.replace('"', '""') + '"'


def read_dialect(version: tuple[int, int], help_text: str) -> Dialect:
    """The dialect of ``podman create --help`` (or of another command's)."""
    csv = frozenset(re.findall(r"^ *(?:-\w, )?(--[\w-]+) strings\b", help_text, re.MULTILINE))
    defaults = re.search(r"--ulimit strings .*\(default \[(.*)\]\)", help_text)
    return Dialect(version, csv, tuple(defaults.group(1).split(",")) if defaults and defaults.group(1) else ())


def create_container(
    config: ContainerConfig, labels: dict[str, str], bind_sources: dict[str, str], dialect: Dialect
) -> Words:
    """``podman create`` for a configuration whose image is resolved and, with a health check, whose test is known."""
    where = f"container {config.name}"
    words: Words = ["--runtime", config.runtime] if config.runtime else []
    words += ["create", *container_options(config, labels, bind_sources, dialect)]
    if config.image.startswith("build:"):
        raise EngineError(f"image {config.image!r} was not resolved to a reference", path=where)
    return [*words, config.image, *(config.command or ())]


def container_options(
    config: ContainerConfig, labels: dict[str, str], bind_sources: dict[str, str], dialect: Dialect
) -> Words:
    """The options of ``podman create``, which are those of ``podman run`` too."""
    where = f"container {config.name}"
    words = ["--name", config.name, "--pull=never", "--http-proxy=false"]
    words += _identity(config, labels, dialect, where)
    words += _process(config, dialect)
    words += _network(config, dialect)
    words += _storage(config, bind_sources, dialect, where)
    words += _health(config.healthcheck)
    words += _security(config, dialect, where)
    words += _limits(config, dialect)
    return words + _devices(config, where)


def create_network(network: NetworkConfig, labels: dict[str, str]) -> Words:
    """``podman network create``.

    `attachable` is Docker Swarm's; every Podman network is attachable. The option ``isolate`` stays the user's choice:
    with it a published port cannot be reached from another network either, which links need.
    """
    words = ["network", "create"]
    if network.driver:
        words += ["--driver", network.driver]
    words += _pairs("--opt", network.options)
    words += _flag("--internal", network.internal) + _flag("--ipv6", network.ipv6)
    words += _each("--subnet", network.subnets)
    words += _each("--gateway", network.gateways)
    words += _each("--ip-range", network.ip_ranges)
    return [*words, *_pairs("--label", labels), network.name]


def create_volume(volume: VolumeConfig, labels: dict[str, str], dialect: Dialect) -> Words:
    words = ["volume", "create"]
    if volume.driver:
        words += ["--driver", volume.driver]
    words += _pairs("--opt", volume.options)
    return [*words, *_pairs("--label", labels, dialect), volume.name]


def build_image(
    context: str,
    containerfile: str,
    tags: t.Sequence[str],
    arguments: dict[str, str],
    labels: dict[str, str],
    target: str,
    platform: str,
    id_file: str,
    secrets: dict[str, str],
) -> Words:
    """``podman build``. secrets: id → file. The docker format keeps HEALTHCHECK, which the OCI format has no place for."""
    words = ["build", "--format=docker", "--pull=false", f"--iidfile={id_file}", f"--file={context}/{containerfile}"]
    words += _each("--tag", tags)
    words += _pairs("--build-arg", arguments)
    words += _pairs("--label", labels)
    words += ["--target", target] if target else []
    words += ["--platform", platform] if platform else []
    words += _each("--secret", [f"id={name},src={path}" for name, path in sorted(secrets.items())])
    return [*words, context]


def import_image(archive: str, reference: str, labels: dict[str, str]) -> Words:
    """``podman import``. Podman takes all after the first ``=`` of a LABEL change literally (tried with 4.3)."""
    changes = [f"LABEL {key}={value}" for key, value in sorted(labels.items())]
    return ["import", "--quiet", *_each("--change", changes), archive, reference]


def _identity(config: ContainerConfig, labels: dict[str, str], dialect: Dialect, where: str) -> Words:
    if config.domainname:
        raise EngineError(
            "Podman has no domainname", path=f"{where}: domainname", mend="Write hostname: HOST.DOMAIN instead."
        )
    words = _pairs("--label", labels)
    words += _pairs("--annotation", config.annotations, dialect)
    return words + _option("--hostname", config.hostname) + _option("--platform", config.platform)


def _process(config: ContainerConfig, dialect: Dialect) -> Words:
    words: Words = []
    if config.entrypoint is not None:
        words += ["--entrypoint", json.dumps(list(config.entrypoint))]
    words += _pairs("--env", config.environment)
    words += _option("--user", config.user) + _option("--workdir", config.working_dir)
    words += ["--restart", config.restart]
    words += _option("--stop-signal", config.stop_signal)
    words += ["--stop-timeout", str(math.ceil(config.stop_grace_period))]
    if config.init is not None:
        words += ["--init"] if config.init else ["--init=false"]
    words += _flag("--tty", config.tty) + _flag("--interactive", config.stdin_open)
    words += _option("--log-driver", config.log_driver)
    return words + _pairs("--log-opt", config.log_options, dialect)


def _network(config: ContainerConfig, dialect: Dialect) -> Words:
    words: Words = []
    if config.network_mode:
        words += ["--network", config.network_mode]
    for attachment in config.networks:
        words += ["--network", _attachment(attachment)]
    words += _each("--publish", [publish(port) for port in config.ports])
    words += _each("--expose", config.expose)
    words += _each(
        "--add-host", [dialect.value("--add-host", host.replace("=", ":", 1)) for host in config.extra_hosts]
    )
    words += _each("--dns", config.dns) + _each("--dns-search", config.dns_search)
    return words + _each("--dns-option", config.dns_opt)


def _attachment(attachment: Attachment) -> str:
    options = [f"alias={alias}" for alias in attachment.aliases]
    options += [f"ip={attachment.ipv4}"] if attachment.ipv4 else []
    options += [f"ip6={attachment.ipv6}"] if attachment.ipv6 else []
    options += [f"mac={attachment.mac}"] if attachment.mac else []
    return f"{attachment.network}:{','.join(options)}" if options else attachment.network


def publish(port: Port) -> str:
    """``[address:][host:]container/protocol``; an address without a host port keeps both colons."""
    text = f"{port.container}/{port.protocol}"
    if port.address:
        address = f"[{port.address}]" if ":" in port.address else port.address
        return f"{address}:{port.host or ''}:{text}"
    return f"{port.host}:{text}" if port.host else text


def _storage(config: ContainerConfig, bind_sources: dict[str, str], dialect: Dialect, where: str) -> Words:
    words: Words = []
    for index, mount in enumerate(config.mounts):
        words += _mount(mount, bind_sources, dialect, f"{where}: mounts[{index}]")
    for index, secret in enumerate(config.secrets):
        path = f"{where}: secrets[{index}]"
        words += ["--volume", _volume(_source(secret.source, bind_sources, path), secret.target, ["ro"], path)]
    if config.read_only:
        words += _read_only(config)
    return words + (["--shm-size", f"{config.shm_size}b"] if config.shm_size else [])


def _read_only(config: ContainerConfig) -> Words:
    """Compose's read_only means the whole root, where Podman would add writable /run, /tmp and /var/tmp.

    Without these, newer Podmans make /dev/shm read-only too (containers/podman#12937); Docker leaves it writable.
    """
    words = ["--read-only", "--read-only-tmpfs=false"]
    if config.ipc not in ("", "private") or any(mount.target == "/dev/shm" for mount in config.mounts):
        return words
    return [*words, "--tmpfs", f"/dev/shm:rw,notmpcopyup,mode=1777,size={config.shm_size or 64 << 20}"]


def _source(source: str, bind_sources: dict[str, str], path: str) -> str:
    if source in bind_sources:
        return bind_sources[source]
    raise EngineError(f"{source!r} is not on this host", path=path)


def _mount(mount: Mount, bind_sources: dict[str, str], dialect: Dialect, path: str) -> Words:
    if mount.type == "tmpfs":
        options = ["notmpcopyup", "ro" if mount.read_only else "rw"]
        options += [f"size={mount.size}"] if mount.size else []
        options += [f"mode={mount.mode:o}"] if mount.mode else []
        return ["--tmpfs", f"{mount.target}:{','.join(options)}"]
    options = ["ro"] if mount.read_only else []
    if mount.type == "bind":
        source = mount.source
        if source.startswith(STAGED):
            source = _source(source, bind_sources, path)
        options += [option for option in (mount.propagation, mount.selinux) if option]
        return ["--volume", _volume(source, mount.target, options, path)]
    if mount.type != "volume":
        raise EngineError(f"mounts of type {mount.type!r} are not supported on Podman", path=path)
    options += ["nocopy"] if mount.nocopy else []
    if mount.subpath:
        return ["--mount", _subpath(mount, options, dialect, path)]
    return ["--volume", _volume(mount.source, mount.target, options, path) if mount.source else mount.target]


def _subpath(mount: Mount, options: Words, dialect: Dialect, path: str) -> str:
    # subpath of volumes: Podman 5.4 release notes.
    if dialect.version < (5, 4):
        raise EngineError("a volume's subpath needs Podman 5.4", path=f"{path}: subpath")
    fields = ["type=volume", f"source={mount.source}", f"destination={mount.target}", f"subpath={mount.subpath}"]
    return ",".join(fields + options)


def _volume(source: str, target: str, options: Words, path: str) -> str:
    if ":" in source or ":" in target:
        raise EngineError(f"Podman cannot mount a path with a colon: {source} on {target}", path=path)
    return ":".join([source, target, ",".join(options)] if options else [source, target])


def _health(healthcheck: Healthcheck | None) -> Words:
    """Timings go in too: with systemd Podman checks by itself. `start_interval` is how often we ask while it starts."""
    if healthcheck is None or not healthcheck.test:
        return []
    if healthcheck.test[0] == "NONE":
        return ["--no-healthcheck"]
    return [
        "--health-cmd",
        health_command(healthcheck.test),
        "--health-interval",
        _duration(healthcheck.interval),
        "--health-timeout",
        _duration(max(healthcheck.timeout, 1.0)),
        "--health-retries",
        str(max(healthcheck.retries, 1)),
        "--health-start-period",
        _duration(healthcheck.start_period),
    ]


def health_command(test: t.Sequence[str]) -> str:
    """A health test in the one option value that Podman has for it.

    Podman decides by the text: a JSON array of several words is run as it is, of one word through the shell;
    ``CMD word`` is run as it is, but split at spaces (`makeHealthCheckFromCli` in pkg/specgenutil/specgen.go).
    """
    kind, words = test[0], list(test[1:])
    if kind == "CMD-SHELL":
        return json.dumps(["CMD-SHELL", " ".join(words)])
    if kind != "CMD" or not words:
        raise EngineError(f"a health test starts with CMD, CMD-SHELL or NONE, not {kind!r}", path="healthcheck.test")
    if len(words) > 1:
        return json.dumps(words)
    return f"CMD {words[0]}" if not words[0].split()[1:] else json.dumps(["CMD-SHELL", shlex.quote(words[0])])


def _security(config: ContainerConfig, dialect: Dialect, where: str) -> Words:
    words = _flag("--privileged", config.privileged)
    words += _each("--cap-add", config.cap_add) + _each("--cap-drop", config.cap_drop)
    for index, option in enumerate(config.security_opt):
        words += ["--security-opt", _security_option(option, f"{where}: security_opt[{index}]")]
    words += _each("--group-add", config.group_add)
    words += _option("--ipc", config.ipc) + _option("--pid", config.pid) + _option("--uts", config.uts)
    words += _option("--userns", config.userns_mode) + _option("--cgroupns", config.cgroup)
    words += _option("--cgroup-parent", config.cgroup_parent)
    return words + _pairs("--sysctl", config.sysctls, dialect)


def _security_option(option: str, path: str) -> str:
    if option in ("systempaths=unconfined", "systempaths:unconfined"):
        return "unmask=ALL"
    if option.startswith(("seccomp={", "seccomp:{")):
        raise EngineError("Podman takes a seccomp profile as a file on the host", path=path)
    return option


def _limits(config: ContainerConfig, dialect: Dialect) -> Words:
    words: Words = []
    words += ["--cpus", f"{config.cpus:g}"] if config.cpus else []
    words += ["--cpu-shares", str(config.cpu_shares)] if config.cpu_shares else []
    words += _option("--cpuset-cpus", config.cpuset)
    words += ["--memory", f"{config.memory}b"] if config.memory else []
    words += ["--memory-reservation", f"{config.memory_reservation}b"] if config.memory_reservation else []
    if config.memory_swap:
        words += ["--memory-swap", "-1" if config.memory_swap < 0 else f"{config.memory_swap}b"]
    if config.memory_swappiness is not None:
        words += ["--memory-swappiness", str(config.memory_swappiness)]
    words += ["--pids-limit", str(config.pids_limit)] if config.pids_limit else []
    words += _flag("--oom-kill-disable", config.oom_kill_disable)
    words += ["--oom-score-adj", str(config.oom_score_adj)] if config.oom_score_adj else []
    return words + _each("--ulimit", _ulimits(config.ulimits, dialect))


def _ulimits(limits: t.Sequence[Ulimit], dialect: Dialect) -> Words:
    named = {limit.name for limit in limits}
    defaults = [text for text in dialect.ulimits if text.partition("=")[0] not in named] if limits else []
    return [f"{limit.name}={limit.soft}:{limit.hard}" for limit in limits] + defaults


def _devices(config: ContainerConfig, where: str) -> Words:
    words = _each("--device", config.devices)
    words += _each("--device-cgroup-rule", config.device_cgroup_rules)
    return words + _each("--device", cdi_devices(config.gpu, where))


def cdi_devices(gpu: GpuRequest | None, where: str) -> tuple[str, ...]:
    """The CDI names to ask Podman for. With mode explicit the devices and mounts stand in the configuration itself."""
    if gpu is None or gpu.mode in ("none", "explicit", "network"):
        return ()
    if gpu.mode == "cdi" and gpu.cdi_devices:
        return gpu.cdi_devices
    raise EngineError(
        f"Podman has no GPU access by {gpu.mode!r}" if gpu.mode != "cdi" else "GPU access by cdi without a device name",
        path=f"{where}: gpu",
        mend="Generate a CDI specification: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml.",
    )


def _pairs(option: str, values: dict[str, str], dialect: Dialect | None = None) -> Words:
    texts = [f"{key}={value}" for key, value in sorted(values.items())]
    return _each(option, [dialect.value(option, text) if dialect else text for text in texts])


def _each(option: str, values: t.Iterable[str]) -> Words:
    return [word for value in values for word in (option, value)]


def _option(option: str, value: str) -> Words:
    return [option, value] if value else []


def _flag(option: str, value: bool) -> Words:
    return [option] if value else []


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
