# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short forms of a service's keys and the canonical form they become (see test_parity.py for whole files)."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.group import load_group

from .test_group import read, service

STARTED = {"condition": "service_started", "required": True}


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("command: sh -c 'a b'", "command", ["sh", "-c", "a b"]),
        ("command: []", "command", []),
        ("entrypoint: ''", "entrypoint", []),
        ("environment: [A=1, B]", "environment", {"A": "1", "B": None}),
        ("environment: {OUT: }", "environment", {"OUT": "outside"}),
        (
            "depends_on: {web2: {condition: service_healthy, restart: true}}",
            "depends_on",
            {"web2": {"condition": "service_healthy", "restart": True, "required": True}},
        ),
        ("depends_on: [web2]", "depends_on", {"web2": STARTED}),
        ("network_mode: service:web2", "depends_on", {"web2": {**STARTED, "restart": True}}),
        ("networks: [default]", "networks", {"default": None}),
        ("networks: {default: {aliases: [a], priority: 0}}", "networks", {"default": {"aliases": ["a"]}}),
        (
            "healthcheck: {test: curl x, interval: 90s}",
            "healthcheck",
            {"test": ["CMD-SHELL", "curl x"], "interval": "1m30s"},
        ),
        ("healthcheck: {disable: true}", "healthcheck", {"disable": True}),
        (
            "devices: [/dev/fuse, '/a:/b:r']",
            "devices",
            [
                {"source": "/dev/fuse", "target": "/dev/fuse", "permissions": "rwm"},
                {"source": "/a", "target": "/b", "permissions": "r"},
            ],
        ),
        (
            "devices: ['nvidia.com/gpu=all']",
            "devices",
            [{"source": "nvidia.com/gpu=all", "target": "nvidia.com/gpu=all", "permissions": "rwm"}],
        ),
        (
            # A MIG slice: Compose itself takes the 1 for a path in the container.
            "devices: ['nvidia.com/gpu=0:1']",
            "devices",
            [{"source": "nvidia.com/gpu=0:1", "target": "nvidia.com/gpu=0:1", "permissions": "rwm"}],
        ),
        ("extra_hosts: {b: 1.1.1.1, a: ['::1', '[::2]']}", "extra_hosts", ["a=::1", "a=::2", "b=1.1.1.1"]),
        ("extra_hosts: ['h:host-gateway']", "extra_hosts", ["h=host-gateway"]),
        ("dns: 8.8.8.8", "dns", ["8.8.8.8"]),
        ("tmpfs: /run", "tmpfs", ["/run"]),
        ("cap_drop: [ALL, ALL]", "cap_drop", ["ALL"]),
        ("pull_policy: if_not_present", "pull_policy", "missing"),
        ("mem_limit: 1.5g", "mem_limit", "1610612736"),
        ("stop_grace_period: 1.5m", "stop_grace_period", "1m30s"),
        ("logging: {driver: x, options: {a: 1, b: }}", "logging", {"driver": "x", "options": {"a": "1", "b": ""}}),
        (
            "deploy: {resources: {limits: {cpus: '0.50', memory: 1m}}}",
            "deploy",
            {"resources": {"limits": {"cpus": 0.5, "memory": "1048576"}}, "placement": {}},
        ),
        ("build: ctx", "build", {"context": "/nowhere/ctx", "dockerfile": "Dockerfile"}),
        (
            "build: {args: [OUT, NOPE, A=1], additional_contexts: {r: ./r, i: 'docker-image://x'}}",
            "build",
            {
                "context": "/nowhere",
                "dockerfile": "Dockerfile",
                "args": {"OUT": "outside", "A": "1"},
                "additional_contexts": {"r": "/nowhere/r", "i": "docker-image://x"},
            },
        ),
        ("build: {dockerfile_inline: FROM x}", "build", {"context": "/nowhere", "dockerfile_inline": "FROM x"}),
        (
            "ulimits: {nofile: '10', core: {soft: 0, hard: 1}}",
            "ulimits",
            {"nofile": 10, "core": {"soft": 0, "hard": 1}},
        ),
    ],
)
def test_canonical(text: str, key: str, value: t.Any) -> None:
    spec = read(f"services:\n  web:\n    image: i\n    {text}\n  web2: {{image: i}}\n", OUT="outside")
    assert spec.services["web"][key] == value


@pytest.mark.parametrize(
    "text",
    [
        "labels: {}",
        "tty: false",
        "hostname: ''",
        "cpus: 0",
        "mem_limit: 0",
        "dns: []",
        "environment: []",
        "deploy: ",
        "gpus: []",
    ],
)
def test_what_is_empty_is_left_out(text: str) -> None:
    assert sorted(service(f"    {text}\n")) == ["command", "entrypoint", "image", "networks"]


def test_a_secret_has_a_target_and_a_config_has_none() -> None:
    spec = read(
        "services: {web: {image: i, secrets: [s], configs: [c], build: {context: ., secrets: [s]}}}\n"
        "secrets: {s: {file: s}}\nconfigs: {c: {file: c}}\n"
    )
    web = spec.services["web"]
    assert web["secrets"] == [{"source": "s", "target": "/run/secrets/s"}]
    assert web["configs"] == [{"source": "c"}]
    assert web["build"]["secrets"] == [{"source": "s"}]


def test_a_dropped_rest_of_a_command_is_warned_about() -> None:
    spec = read("services: {web: {image: i, command: a && b}}")
    assert spec.services["web"]["command"] == ["a"]
    assert "drops '&& b'" in spec.warnings[0]


def test_a_time_is_warned_about() -> None:
    spec = read("services: {web: {image: i, labels: {built: 2024-01-31}}}")
    assert spec.services["web"]["labels"] == {"built": "2024-01-31 00:00:00 +0000 UTC"}
    assert "put it in quotes" in spec.warnings[0]


def test_env_files_in_order_with_environment_on_top(tmp_path: Path) -> None:
    (tmp_path / "one.env").write_text("A=1\nB=1\nC=1\n")
    (tmp_path / "two.env").write_text("B=2\nD=${A}-${OUT}\n")
    (tmp_path / "core.yml").write_text(
        "services: {web: {image: i, env_file: [one.env, two.env, {path: no.env, required: false}], environment: {C: 3, A: }}}"
    )
    found = load_group(tmp_path / "core.yml", {"OUT": "outside"}).services["web"]["environment"]
    assert found == {"A": None, "B": "2", "C": "3", "D": "1-outside"}


def test_an_error_in_an_env_file_names_both_files(tmp_path: Path) -> None:
    (tmp_path / "one.env").write_text("A=1\nB=${X:?is needed}\n")
    (tmp_path / "core.yml").write_text("services:\n  web:\n    image: i\n    env_file: one.env\n")
    with pytest.raises(FleetError) as caught:
        load_group(tmp_path / "core.yml", {})
    assert f"core.yml:4:5: services.web.env_file: {tmp_path / 'one.env'}:2: the variable X" in str(caught.value)
