"""`./dev` and the counting of results: what CI and docs/testing.md rely on."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
REQUIREMENTS = [*ROOT.glob("requirements*.txt")]


def dev(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(ROOT / "dev"), *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("words", [("help",), ("--help",), ()])
def test_help_names_every_command(words: tuple[str, ...]) -> None:
    result = dev(*words)
    assert result.returncode == 0
    for command in ("up", "down", "test", "lint", "bench", "setup", "run", "help"):
        assert re.search(rf"^  {command}\b", result.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "message"),
    [(("upp",), "unknown command 'upp'"), (("test", "units"), "There is no tier 'units'. Tiers: lint unit")],
)
def test_mistakes_are_named(words: tuple[str, ...], message: str) -> None:
    result = dev(*words)
    assert result.returncode != 0
    assert message in result.stderr


def test_every_tier_is_documented_and_executable() -> None:
    tiers = re.search(r"^TIERS=\((.*)\)$", (ROOT / "dev").read_text(), re.MULTILINE)
    assert tiers
    documentation = (ROOT / "docs/testing.md").read_text()
    for tier in tiers.group(1).split():
        assert f"| `{tier}` |" in documentation
        assert (ROOT / "tests/tiers" / tier).stat().st_mode & 0o111


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_once(path: pathlib.Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "-r"))]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+( ; python_version (<|>=) \"3\.12\")?", line), line
    assert len({line.split("==")[0] + line.partition(";")[2] for line in lines}) == len(lines)


@pytest.mark.parametrize(
    ("output", "result", "counted"),
    [
        ("12 passed in 1.20s", "ok", "12 0"),
        ("=== 2 failed, 10 passed, 1 warning in 3.04s ===", "FAILED", "10 2"),
        ("1 error in 0.50s", "FAILED", "0 1"),
        ("3 passed in 1.00s\nother words\n4 passed, 1 skipped in 61.00s (0:01:01)", "ok", "7 0"),
        ("", "ok", "1 0"),
        ("", "FAILED", "0 1"),
        ("12 passed in 1.20s", "FAILED", "12 1"),
        ("we had 3 failed in 2 tries", "ok", "1 0"),
    ],
)
def test_count(output: str, result: str, counted: str) -> None:
    command = [sys.executable, str(ROOT / "tests/tiers/count.py"), result]
    printed = subprocess.run(command, input=output, capture_output=True, text=True, check=True)
    assert printed.stdout.split() == counted.split()
