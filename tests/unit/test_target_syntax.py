"""What runs on hosts must be readable by Python 3.9."""

from __future__ import annotations

import ast
import pathlib

import pytest

PLUGINS = pathlib.Path(__file__).resolve().parents[2] / "plugins"
TARGET_FILES = sorted([*PLUGINS.glob("modules/*.py"), *PLUGINS.glob("module_utils/**/*.py")])


@pytest.mark.parametrize("path", TARGET_FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_grammar_of_python_3_9(path: pathlib.Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))


def test_a_newer_grammar_would_be_noticed() -> None:
    with pytest.raises(SyntaxError):
        ast.parse("match x:\n    case 1: pass\n", feature_version=(3, 9))
