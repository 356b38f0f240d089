"""A program's lines as they come."""

from __future__ import annotations

import sys

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._lines import run_lines


def test_lines_of_both_outputs_input_and_status() -> None:
    lines: list[str] = []
    code = "import sys; print(sys.stdin.read(), end='', flush=True); print('b ', file=sys.stderr); sys.exit(3)"
    assert run_lines([sys.executable, "-c", code], lines.append, text="a\n") == (3, ["a", "b"])
    assert lines == ["a", "b"]


def test_the_last_lines_and_the_environment() -> None:
    code = "import os; [print(n) for n in range(30)]; print(sorted(os.environ)[:1])"
    status, last = run_lines([sys.executable, "-c", code], environment={"A": "1"})
    assert status == 0 and len(last) == 20 and last[0] == "11" and last[-1] == "['A']"


def test_what_cannot_be_started() -> None:
    with pytest.raises(OSError):
        run_lines(["/nowhere/program"])


def test_a_program_that_ends_without_reading_what_it_was_given_says_why():
    status, last = run_lines(["sh", "-c", "echo no; exit 3"], text="x" * (1 << 20))
    assert (status, last) == (3, ["no"])
