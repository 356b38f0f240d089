"""The contexts of the examples' images hold what the image is made of, and nothing that a tool left there."""

from __future__ import annotations

import pathlib
import shutil

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.context import digest_context, read_context

ROOT = pathlib.Path(__file__).resolve().parents[3]
CONTEXTS = sorted(path.parent for path in (ROOT / "inventories").glob("*/images/*/Containerfile"))


FOLDERS = [
    (context, folder)
    for context in CONTEXTS
    for folder in (".", *(each.name for each in context.iterdir() if each.is_dir()))
]


@pytest.mark.parametrize(("context", "folder"), FOLDERS, ids=lambda each: each if isinstance(each, str) else each.name)
@pytest.mark.parametrize("left", [".ruff_cache", ".pytest_cache", ".mypy_cache", "__pycache__"])
def test_running_tools_there_does_not_change_the_image(tmp_path, context, folder, left):
    copy = tmp_path / "context"
    shutil.copytree(context, copy, ignore=shutil.ignore_patterns(".*_cache", "__pycache__"))
    before = digest_context(read_context(str(copy), "Containerfile"))
    (copy / folder / left).mkdir(parents=True)
    (copy / folder / left / "CACHEDIR.TAG").write_text("x")
    assert digest_context(read_context(str(copy), "Containerfile")) == before


def test_there_are_contexts():
    assert CONTEXTS
