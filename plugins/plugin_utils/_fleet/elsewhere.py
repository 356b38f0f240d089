# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts whose engine is reached from the control node: what their inventory may say, and what a plan says of it."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...module_utils._engine.delivery import deliver
from ...module_utils._engine.docker_url import is_elsewhere, is_loopback
from ...module_utils._engine.ssh import parse
from ...module_utils._errors import EngineError, InputError
from ...module_utils._gpu.reported import DECLARABLE
from ...module_utils._group.config import STAGED, Service
from .._nearest import did_you_mean

_TLS = {"ca": str, "cert": str, "key": str, "verify": bool}
_SERVICE = ("url", "variable")


@dataclass(frozen=True)
class Reach:
    tls: Mapping[str, t.Any] = field(default_factory=dict)
    stacks: tuple[str, ...] = ()
    metal_service: Mapping[str, str] = field(default_factory=dict)


def read(host: str, values: Mapping[str, t.Any], engine: str, url: str, supervisor: str) -> Reach:
    """The host's own variables for it. Raises InputError for what cannot be, with the mend."""
    if url.startswith("ssh://"):
        try:
            parse(url)
        except InputError as error:
            raise InputError(error.message, f"{host}: {error.path}", error.mend) from None
    if is_elsewhere(url):
        _check(host, engine, supervisor)
    tls = _tls(host, values.get("container_engine_tls"))
    if tls and not url.startswith("tcp://"):
        raise InputError(
            "it is for engines at tcp:// only",
            f"{host}: container_engine_tls",
            "Take it out; ssh:// and unix:// have means of their own.",
        )
    return Reach(tls, _stacks(host, values.get("container_gpu_stacks"), url), _service(host, values))


def check_connection(host: str, url: str, connection: str) -> None:
    """Raises InputError where Ansible would connect to the far side itself. connection: the last part of its name."""
    if is_elsewhere(url) and not is_loopback(url) and connection != "local":
        raise InputError(
            f"its engine is reached at {url} from the control node, but Ansible would connect to it by {connection}",
            f"{host}: ansible_connection",
            "Set ansible_connection: local and ansible_python_interpreter: '{{ ansible_playbook_python }}' for this host.",
        )


def _check(host: str, engine: str, supervisor: str) -> None:
    if engine != "docker":
        raise InputError(
            "an engine that is reached by a URL is asked by Docker's API",
            f"{host}: container_engine",
            "Set container_engine: docker; Podman's service answers to it too (GPUs of Podman: see inventories/desktop).",
        )
    if supervisor != "engine":
        raise InputError(
            "systemd's units cannot be written on a host of which only the engine is reached",
            f"{host}: container_supervisor",
            "Leave it at engine; containers then start by their restart policies.",
        )


def _tls(host: str, value: t.Any) -> dict[str, t.Any]:
    where = f"{host}: container_engine_tls"
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError("expected a mapping", where, "Write {ca: …, cert: …, key: …}.")
    for name, content in value.items():
        if name not in _TLS:
            raise InputError(f"there is no {name} in it", where, did_you_mean(str(name), _TLS))
        if not isinstance(content, _TLS[name]):
            raise InputError("expected a path" if _TLS[name] is str else "expected true or false", f"{where}.{name}")
    return dict(value)


def _stacks(host: str, value: t.Any, url: str) -> tuple[str, ...]:
    where = f"{host}: container_gpu_stacks"
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise InputError("expected a list of stacks", where, "Write [venus], for example.")
    if value and not is_elsewhere(url):
        raise InputError(
            "what GPUs this host has is found out", where, "Take it out; it is for engines reached by a URL."
        )
    for entry in value:
        if entry not in DECLARABLE:
            raise InputError(f"{entry} cannot be declared", where, did_you_mean(entry, DECLARABLE) or "")
    return tuple(value)


def _service(host: str, values: Mapping[str, t.Any]) -> dict[str, str]:
    value = values.get("container_metal_service")
    where = f"{host}: container_metal_service"
    if value is None:
        return {}
    if not isinstance(value, dict) or sorted(value) != sorted(_SERVICE) or not all(map(_is_text, value.values())):
        raise InputError(
            "expected url and variable",
            where,
            "Write {url: http://host.docker.internal:12434/engines/v1, variable: OPENAI_BASE_URL}.",
        )
    return {name: str(value[name]) for name in _SERVICE}


def _is_text(value: t.Any) -> bool:
    return isinstance(value, str) and bool(value)


def url_warnings(host: str, url: str, tls: Mapping[str, t.Any]) -> list[str]:
    """What has to be said of how a host's engine is reached."""
    if not url.startswith(("tcp://", "http://")) or is_loopback(url):
        return []
    if not tls:
        return [
            f"{host}: {url} is neither encrypted nor guarded: whoever reaches it is root there. "
            "Use ssh://, or TLS with container_engine_tls."
        ]
    if tls.get("verify") is False:
        return [f"{host}: the certificate of {url} is not checked: set container_engine_tls.ca and verify: true."]
    return []


def check_delivery(service: Service, files: Mapping[str, Mapping[str, t.Any]], where: str) -> None:
    """Raises InputError for content that could not be put into this container."""
    directories = {STAGED + sha for sha, manifest in files.items() if manifest.get("type") == "directory"}
    try:
        deliver(service.config, directories)
    except EngineError as error:
        raise InputError(error.message, where, error.mend) from None
