"""Commands of one tier side by side: two at a time, each shown whole, and a failure is not lost."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

from tests.tiers import run


def tier(*lines: str) -> subprocess.CompletedProcess[str]:
    script = "\n".join(["set -euo pipefail", f". {run.TIERS}/side_by_side.bash", *lines, "all_ended"])
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=False)


def test_two_at_a_time(tmp_path: pathlib.Path) -> None:
    # Each of the first two waits for the other; the third finds that both were there.
    until = "touch {0}/{1}; until [ -e {0}/{2} ]; do sleep 0.01; done; echo {1} saw {2}"
    done = tier(
        f"side_by_side one bash -c '{until.format(tmp_path, 'a', 'b')}'",
        f"side_by_side two bash -c '{until.format(tmp_path, 'b', 'a')}'",
        f"side_by_side three ls {tmp_path}",
    )
    assert done.returncode == 0, done
    assert "a saw b\n--- one: ok, " in done.stdout and "b saw a\n--- two: ok, " in done.stdout
    assert f"--- three: ls {tmp_path}\na\nb\n--- three: ok, " in done.stdout


@pytest.mark.parametrize("failing", ["one", "two", "three"])
def test_a_failure_is_not_lost(failing: str) -> None:
    done = tier(*(f"side_by_side {name} [ {name} != {failing} ]" for name in ("one", "two", "three")))
    assert done.returncode == 1
    assert done.stdout.count(": ok, ") == 2 and f"--- {failing}: FAILED, " in done.stdout
