"""Running tiers side by side: what is shown, what is counted, and that an interruption ends them all."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.tiers import run


@pytest.mark.parametrize(
    ("output", "succeeded", "counted"),
    [
        ("12 passed in 1.20s", True, (12, 0)),
        ("=== 2 failed, 10 passed, 1 warning in 3.04s ===", False, (10, 2)),
        ("1 error in 0.50s", False, (0, 1)),
        ("3 passed in 1.00s\nother words\n4 passed, 1 skipped in 61.00s (0:01:01)", True, (7, 0)),
        ("", True, (1, 0)),
        ("", False, (0, 1)),
        ("12 passed in 1.20s", False, (12, 1)),
        ("we had 3 failed in 2 tries", True, (1, 0)),
    ],
)
def test_count(output: str, succeeded: bool, counted: tuple[int, int]) -> None:
    assert run.count(output, succeeded) == counted


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        (["lint"], ["lint"]),
        (["lint", "unit", "fleet", "integration"], ["integration", "fleet", "lint", "unit"]),
        (["unit", "lint", "unit"], ["unit", "lint"]),
    ],
)
def test_the_longest_begin_first_and_nobody_twice(wanted: list[str], order: list[str]) -> None:
    assert run.in_order(wanted) == order


def test_the_longest_are_tiers() -> None:
    assert all((run.TIERS / tier).is_file() for tier in run.LONGEST)


@pytest.fixture
def tiers(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with the program, to which a test adds tiers."""
    shutil.copy(run.__file__, tmp_path)
    (tmp_path / "platform").write_text("echo on a machine\n")
    return tmp_path


def start(tiers: pathlib.Path, *wanted: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(tiers / "run.py"), *wanted],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


def test_each_is_shown_whole_and_all_run_whatever_fails(tiers: pathlib.Path) -> None:
    # Each waits for what the other does: it ends only when both run at once.
    (tiers / "one").write_text(
        f"echo first of one; touch {tiers}/a; until [ -e {tiers}/b ]; do sleep 0.01; done; echo last of one; exit 3\n"
    )
    (tiers / "two").write_text(
        f"until [ -e {tiers}/a ]; do sleep 0.01; done; echo '7 passed in 1.00s'; touch {tiers}/b\n"
    )
    process = start(tiers, "one", "two")
    output = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    assert "first of one\nlast of one\n" in output
    assert "==> Ran on\non a machine\n" in output
    lines = [line.split() for line in output.partition("==> Summary\n")[2].splitlines()]
    assert [line[:6] for line in lines[:2]] == [
        ["one", "FAILED", "0", "passed", "1", "failed"],
        ["two", "ok", "7", "passed", "0", "failed"],
    ]
    assert lines[2][0] == "together"
    assert output.endswith("\n7 passed, 1 failed\n")


def test_one_at_a_time_where_that_is_asked_for(tiers: pathlib.Path) -> None:
    (tiers / "one").write_text(f"sleep 0.3; touch {tiers}/a\n")
    (tiers / "two").write_text(f"[ -e {tiers}/a ]\n")
    process = start(tiers, "one", "two", GPU_FLEET_TIERS_AT_ONCE="1")
    output = process.communicate(timeout=30)[0]
    assert process.returncode == 0, output
    assert output.endswith("\n2 passed, 0 failed\n")


def test_one_alone_shows_its_output_as_it_comes(tiers: pathlib.Path) -> None:
    (tiers / "one").write_text(f"echo early; until [ -e {tiers}/seen ]; do sleep 0.01; done; cat; exit 0\n")
    process = start(tiers, "one")
    assert process.stdout
    while process.stdout.readline() != "early\n":
        assert process.poll() is None
    (tiers / "seen").touch()
    assert process.communicate(timeout=30)[0].endswith("\n1 passed, 0 failed\n")
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_lets_each_clear_away(tiers: pathlib.Path, number: signal.Signals) -> None:
    for name in ("one", "two"):
        (tiers / name).write_text(
            f"trap 'rm {tiers}/{name}.made; exit 130' INT\ntouch {tiers}/{name}.made\nwhile :; do sleep 0.05; done\n"
        )
    process = start(tiers, "one", "two")
    deadline = time.monotonic() + 20
    while len(list(tiers.glob("*.made"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    output = process.communicate(timeout=30)[0]
    assert process.returncode == 130
    assert list(tiers.glob("*.made")) == []
    assert "interrupted" in output and "passed" not in output


def test_one_that_does_not_end_is_killed(tiers: pathlib.Path) -> None:
    (tiers / "one").write_text(f"trap '' INT TERM\necho $$ >{tiers}/pid\nwhile :; do sleep 0.05; done\n")
    program = (tiers / "run.py").read_text()
    (tiers / "run.py").write_text(program.replace("ENDS_WITHIN = 90.0", "ENDS_WITHIN = 0.2"))
    process = start(tiers, "one")
    deadline = time.monotonic() + 20
    while not (tiers / "pid").exists() or not (tiers / "pid").read_text():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=30)[0]
    assert process.returncode == 130 and "one does not end and is killed" in output
    with pytest.raises(ProcessLookupError):
        os.kill(int((tiers / "pid").read_text()), 0)
