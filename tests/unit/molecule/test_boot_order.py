"""`molecule/fleet/boot_order.py`: what it takes for a break of the plan's order."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing as t

import pytest

PROGRAM = pathlib.Path(__file__).parents[3] / "molecule/fleet/boot_order.py"
PLAN = {
    "mainpc": {
        "groups": [
            {"name": "core", "services": [{"name": "twin", "config": {"name": "core-twin-1"}}]},
            {
                "name": "memory",
                "needs": ["core"],
                "awaits": [{"host": "pc2", "to": "store/db:7140", "url": "tcp://192.0.2.2:7140"}],
                "services": [
                    {"name": "client", "config": {"name": "memory-client-1"}},
                    {"name": "session", "config": {"name": "memory-session-1"}, "depends_on": [{"service": "client"}]},
                ],
            },
        ]
    },
    "pc2": {"groups": [{"name": "store", "services": [{"name": "db", "config": {"name": "store-db-1"}}]}]},
}
TIMES = {
    "gpu-fleet-mainpc-core.service": (1, 3),
    "core-twin-1.service": (1, 2),
    "gpu-fleet-mainpc-memory.service": (1, 9),
    "memory-client-1.service": (5, 6),
    "memory-session-1.service": (6, 8),
    "gpu-fleet-pc2-store.service": (1, 5),
}


def asked(times: dict[str, tuple[int, int]], store: int = 4, state: str = "active") -> subprocess.CompletedProcess[str]:
    blocks = [
        f"Id={name}\nActiveState={state}\nInactiveExitTimestamp=Sun 2026-11-22 07:44:{start:02}.000001 UTC\n"
        f"ActiveEnterTimestamp=Sun 2026-11-22 07:44:{ready:02}.000001 UTC"
        for name, (start, ready) in times.items()
    ]
    blocks.append("Id=other.service\nActiveState=inactive\nInactiveExitTimestamp=\nActiveEnterTimestamp=")
    found = {
        "mainpc": {"units": "\n\n".join(blocks), "containers": ""},
        "pc2": {"units": "\n\n".join(blocks), "containers": f"store-db-1 2026-11-22T07:44:{store:02}.123456789Z"},
    }
    text = json.dumps({"plan": PLAN, "found": found})
    return subprocess.run([sys.executable, str(PROGRAM)], input=text, capture_output=True, text=True, check=False)


def test_everything_is_shown_in_the_order_of_its_start():
    said = asked(TIMES)
    assert said.returncode == 0, said.stdout + said.stderr
    names = [line.split()[-1] for line in said.stdout.splitlines()]
    assert names == ["core", "core/twin", "memory", "store", "store/db", "memory/client", "memory/session"]


@pytest.mark.parametrize(
    ("change", "store", "words"),
    [
        (
            {"memory-session-1.service": (5, 8)},
            4,
            "mainpc memory/session started at 07:44:05.000001, before mainpc memory/client",
        ),
        (
            {"memory-client-1.service": (2, 6)},
            1,
            "mainpc memory/client started at 07:44:02.000001, before mainpc core was",
        ),
        ({}, 7, "mainpc memory/client started at 07:44:05.000001, before pc2 store/db was ready at 07:44:07.123456"),
    ],
)
def test_what_came_too_early_is_named(change: dict[str, t.Any], store: int, words: str):
    said = asked({**TIMES, **change}, store)
    assert said.returncode == 1 and words in said.stdout


def test_a_unit_that_did_not_come_up_is_no_success():
    times = {name: when for name, when in TIMES.items() if name != "memory-client-1.service"}
    assert "KeyError: 'memory-client-1.service'" in asked(times).stderr
    said = asked(TIMES, state="activating")
    assert said.returncode == 1 and "gpu-fleet-mainpc-core.service is activating" in said.stderr
