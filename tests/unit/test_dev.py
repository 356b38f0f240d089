"""`./dev`: what CI and docs/testing.md rely on."""

from __future__ import annotations

import pathlib
import re
import subprocess

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
