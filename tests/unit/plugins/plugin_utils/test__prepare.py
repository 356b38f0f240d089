# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read after `prepare.yml`."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._prepare import Host, due, prepare_lines


def gpu(stack: str = "nvidia", *findings: tuple[str, str]) -> dict[str, t.Any]:
    entries = [
        {"level": level, "code": code, "message": f"about {code}", "mend": f"Mend {code}."} for level, code in findings
    ]
    return {"platform": "linux", "stack": stack, "findings": entries}


def need(role: str, skip: bool = False) -> dict[str, t.Any]:
    return {"role": role, "reason": f"{role} is missing", "skip": skip}


MISSING = ("warning", "toolkit-missing")
LOST = ("error", "gpu-lost")
TOLD = ("info", "npu-found")


@pytest.mark.parametrize(
    ("host", "check", "lines"),
    [
        (
            Host(needs=[], before=gpu()),
            False,
            ["pc: linux, best stack nvidia", "  nothing to do, and nothing is wrong"],
        ),
        (
            Host(needs=[], before=gpu("nvidia", TOLD, LOST)),
            False,
            [
                "pc: linux, best stack nvidia",
                "  left: error gpu-lost: about gpu-lost",
                "      mend: Mend gpu-lost.",
            ],
        ),
        (
            Host(
                needs=[need("docker"), need("nvidia_toolkit")],
                before=gpu("cpu", MISSING, LOST),
                after=gpu("nvidia", LOST),
                due=["Docker is to be restarted"],
            ),
            False,
            [
                "pc: linux, best stack nvidia (was cpu)",
                "  ran: docker (docker is missing)",
                "  ran: nvidia_toolkit (nvidia_toolkit is missing)",
                "  mended: toolkit-missing",
                "  left: error gpu-lost: about gpu-lost",
                "      mend: Mend gpu-lost.",
                "  due: Docker is to be restarted",
            ],
        ),
        (
            Host(
                needs=[need("docker", skip=True), need("mesa")],
                failed={"mesa": "no such package"},
                before=gpu(),
                after=gpu(),
            ),
            False,
            [
                "pc: linux, best stack nvidia",
                "  left out, as the inventory says: docker (docker is missing)",
                "  failed: mesa (mesa is missing): no such package",
            ],
        ),
        (
            Host(needs=[need("mesa")], before=gpu()),
            True,
            ["pc: linux, best stack nvidia", "  would run: mesa (mesa is missing)"],
        ),
        (
            Host({"container_engine_url": "ssh://win"}, needs=[]),
            False,
            ["pc: its engine is elsewhere (ssh://win), and nothing is done here"],
        ),
        (Host(), False, ["pc: it could not be asked (unreachable, or gpu_facts failed)"]),
        (Host(before=gpu()), False, ["pc: what it needs could not be worked out, see its failed task"]),
    ],
)
def test_a_host(host: Host, check: bool, lines: list[str]) -> None:
    assert prepare_lines({"pc": host}, check)[:-2] == lines


@pytest.mark.parametrize(
    ("hosts", "check", "line"),
    [
        ({}, False, "0 hosts, 0 had something to do; left: 0 error, 0 warning"),
        (
            {"a": Host(needs=[need("mesa")], before=gpu("cpu", MISSING), after=gpu("cpu", LOST))},
            False,
            "1 host, 1 had something to do; left: 1 error, 0 warning",
        ),
        (
            {
                "a": Host(needs=[need("mesa", skip=True)], before=gpu("cpu", MISSING)),
                "b": Host(needs=[need("mesa")], before=gpu()),
            },
            True,
            "2 hosts, 1 would be changed or looked after; left: 0 error, 1 warning",
        ),
    ],
)
def test_the_sum(hosts: dict[str, Host], check: bool, line: str) -> None:
    assert prepare_lines(hosts, check)[-1] == line


@pytest.mark.parametrize(
    ("registered", "texts"),
    [
        ({}, []),
        ({"wsl_after": {"restarts": [{"message": "wsl --shutdown"}]}}, ["wsl --shutdown"]),
        ({"docker_desktop_after": {"messages": ["Quit Docker Desktop."]}}, ["Quit Docker Desktop."]),
        ({"docker_taken": {"due": ""}}, []),
        ({"docker_taken": {"due": "Docker is to be restarted"}}, ["Docker is to be restarted"]),
        ({"wsl_after": {"skipped": True}}, []),
        (
            {
                "rocm_users_added": {"results": [{"item": "ann", "changed": True}, {"item": "bob", "changed": False}]},
                "intel_users_added": {"results": [{"item": "ann", "changed": True}]},
            },
            ["Log in again as ann: new groups count from the next login on"],
        ),
    ],
)
def test_what_is_due(registered: dict[str, t.Any], texts: list[str]) -> None:
    assert due(registered.get) == texts
