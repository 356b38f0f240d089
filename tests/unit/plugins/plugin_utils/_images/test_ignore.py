"""The rules of .dockerignore, each from Docker's documentation or from what its builders do."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.ignore import parse_ignore


class Case(t.NamedTuple):
    rules: str
    ignored: tuple[str, ...]
    sent: tuple[str, ...]


CASES = {
    "a name counts at the top only": Case("temp", ("temp", "temp/x", "temp/a/b"), ("a/temp", "temporary", "temp.txt")),
    "leading slash": Case("/temp/cache", ("temp/cache", "temp/cache/x"), ("a/temp/cache", "temp/x")),
    "trailing slash": Case("temp/", ("temp", "temp/x"), ("a/temp",)),
    "star stays in its directory": Case("*/temp*", ("a/temporary.txt", "a/temp", "a/temp/b"), ("temp", "a/b/temp")),
    "two levels": Case("*/*/temp*", ("a/b/temporary.txt",), ("a/temp", "a/b/c/temp")),
    "question mark": Case("temp?", ("tempa", "temp1"), ("temp", "tempab", "temp/")),
    "any depth, none included": Case("**/*.go", ("a.go", "a/b.go", "a/b/c.go"), ("go", "a.gox")),
    "any depth in the middle": Case("a/**/z", ("a/z", "a/b/z", "a/b/c/z/y"), ("z", "b/z", "a/bz")),
    "everything below": Case("a/**", ("a/b", "a/b/c"), ("a", "b/a")),
    "everything": Case("**", ("a", "a/b", ".git"), ()),
    "all but one": Case("*\n!keep", ("a", "a/b", "keeper"), ("keep", "keep/x")),
    "the last match wins": Case(
        "*.md\n!README*.md\nREADME-secret.md", ("a.md", "README-secret.md"), ("README.md", "b")
    ),
    "an exception has no effect before its rule": Case("!README.md\n*.md", ("README.md", "a.md"), ("x",)),
    "the middle line does nothing": Case(
        "*.md\nREADME-secret.md\n!README*.md", ("a.md",), ("README.md", "README-secret.md")
    ),
    "exception inside an ignored directory": Case("a\n!a/keep", ("a", "a/x", "a/b/keep"), ("a/keep", "a/keep/y")),
    "comments and blank lines": Case("# x\n\n   \nx\n#y", ("x",), ("#y", "# x", "y")),
    "only a hash in the first column is a comment": Case(" #x", ("#x",), ("x",)),
    "dots are cleaned away": Case("./a/../b", ("b", "b/c"), ("a", "a/b")),
    "a dot alone is ignored": Case(".", (), ("a", ".git")),
    "a slash alone is ignored": Case("/", (), ("a",)),
    "spaces around": Case("  x  \n! x/y ", ("x", "x/z"), ("x/y",)),
    "byte order mark": Case("\ufeffx", ("x",), ("y",)),
    "class": Case("[a-c].txt", ("a.txt", "c.txt"), ("d.txt", "ab.txt")),
    "negated class": Case("[^a].txt", ("b.txt",), ("a.txt", "/.txt")),
    "escaped star": Case("\\*.txt", ("*.txt",), ("a.txt",)),
    "characters of regular expressions": Case("a.b+c(d)$", ("a.b+c(d)$",), ("aXb+c(d)$", "a.bbc(d)$")),
    "windows line ends": Case("x\r\ny\r\n", ("x", "y"), ("z",)),
    "hidden files count for a star": Case("*", (".git", ".env"), ()),
}


@pytest.mark.parametrize("name", CASES)
def test_rules(name: str) -> None:
    case = CASES[name]
    rules = parse_ignore(case.rules)
    assert {path: rules.ignores(path) for path in case.ignored} == dict.fromkeys(case.ignored, True)
    assert {path: rules.ignores(path) for path in case.sent} == dict.fromkeys(case.sent, False)


@pytest.mark.parametrize(("text", "where"), [("a\n!", "f:2"), ("[a", "f:1"), ("x\n\n[z-a]", "f:3")])
def test_meaningless_patterns_name_their_line(text: str, where: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_ignore(text, path="f")
    assert caught.value.path == where


SEGMENT = st.text(st.sampled_from("ab.*?"), min_size=1, max_size=4)
PATTERN = st.lists(SEGMENT | st.just("**"), min_size=1, max_size=4).map("/".join)
PATH = st.lists(st.text(st.sampled_from("ab."), min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)


@given(PATTERN, PATH)
def test_what_is_below_an_ignored_directory_is_ignored(pattern: str, path: str) -> None:
    rules = parse_ignore(pattern)
    if rules.ignores(path):
        assert rules.ignores(f"{path}/below")


@given(st.lists(PATTERN, max_size=4), PATH)
def test_everything_kept_again_at_the_end_is_sent(patterns: list[str], path: str) -> None:
    assert not parse_ignore("\n".join([*patterns, "!**"])).ignores(path)
