"""What a built collection holds: all that playbooks need, nothing that is made in a checkout."""

from __future__ import annotations

import pathlib
from fnmatch import fnmatch

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
IGNORED = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]


def ignored(path: str) -> bool:
    """As ansible-galaxy decides it: a pattern matches the whole path, and what a matched folder holds is left out."""
    parts = [str(part) for part in [*pathlib.PurePosixPath(path).parents, path]]
    return any(fnmatch(part, pattern) for part in parts if part != "." for pattern in IGNORED)


@pytest.mark.parametrize(
    "path",
    [
        "inventories/local/.secrets/memory_token",
        ".venv/bin/python",
        ".venv-test/bin/python",
        ".cache/base.tar",
        ".hypothesis/x",
        ".collections/ansible_collections",
        "gpu_fleet-containers-0.1.0.tar.gz",
        "tests/unit/test_galaxy.py",
        "changelogs/.plugin-cache.yaml",
        "home/group_vars/all/vault.yml",
    ],
)
def test_left_out(path: str) -> None:
    assert ignored(path)


@pytest.mark.parametrize("folder", ["plugins", "roles", "playbooks", "meta", "docs", "inventories", "changelogs"])
def test_whole(folder: str) -> None:
    made = (".secrets", "__pycache__", ".plugin-cache.yaml")
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if ignored(path) and not any(name in path for name in made)] == []
