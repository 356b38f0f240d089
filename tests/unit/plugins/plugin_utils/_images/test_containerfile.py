"""Which images a Containerfile starts from."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.containerfile import parse_bases


class Case(t.NamedTuple):
    text: str
    bases: tuple[str, ...]
    arguments: dict[str, str] = {}
    target: str = ""


CASES = {
    "plain": Case("FROM debian:bookworm\nRUN x\n", ("debian:bookworm",)),
    "lower case, tab, no newline": Case("from\tdebian", ("debian",)),
    "default of an argument": Case("ARG BASE=a/b:1\nFROM ${BASE}", ("a/b:1",)),
    "given argument wins": Case("ARG BASE=a\nFROM $BASE", ("c",), {"BASE": "c"}),
    "argument without default": Case("ARG BASE\nFROM $BASE", ("c",), {"BASE": "c"}),
    "argument in an argument": Case("ARG V=12\nARG BASE=debian:$V\nFROM ${BASE}-slim", ("debian:12-slim",)),
    "several arguments on a line, quoted": Case("ARG A=x B=\"y\" C='z'\nFROM $A/$B:${C}", ("x/y:z",)),
    "default in the variable": Case("ARG V\nFROM debian:${V:-12}", ("debian:12",)),
    "empty counts as unset with a colon": Case("ARG V=\nFROM debian:${V:-12}", ("debian:12",)),
    "alternative in the variable": Case("ARG V=1\nFROM debian${V:+:x}", ("debian:x",)),
    "alternative of an unset one": Case("FROM debian${V:+:x}", ("debian",)),
    "platform and stage name": Case("FROM --platform=$BUILDPLATFORM golang:1 AS build\nFROM build", ("golang:1",)),
    "stages are no bases, whatever their case": Case("FROM a as Build\nFROM b\nCOPY --from=build /x /x", ("a", "b")),
    "stage by number": Case("FROM a\nFROM b\nCOPY --from=0 /x /x", ("a", "b")),
    "copied from an image": Case("FROM a\nCOPY --chown=1 --from=ghcr.io/x/uv:1 /uv /uv", ("a", "ghcr.io/x/uv:1")),
    "scratch": Case("FROM scratch\nCOPY x /x", ()),
    "the same base twice": Case("FROM a AS x\nFROM a", ("a",)),
    "digest": Case("FROM a@sha256:" + "0" * 64, ("a@sha256:" + "0" * 64,)),
    "continuation with a comment inside": Case("FROM \\\n# a comment\n  debian \\\n  AS x\nRUN y", ("debian",)),
    "comments and blank lines": Case("# FROM x\n\n   # FROM y\nFROM z", ("z",)),
    "escape directive": Case("# syntax=docker/dockerfile:1\n# escape=`\nFROM `\n  win\nRUN dir c:\\", ("win",)),
    "no directive after a comment": Case("# hello\n# escape=`\nFROM \\\n a", ("a",)),
    "FROM in a continued RUN": Case("FROM a\nRUN echo \\\nFROM b", ("a",)),
    "FROM in a here-document": Case("FROM a\nRUN <<EOF\nFROM b\nEOF\nFROM c", ("a", "c")),
    "python in a here-document": Case("FROM a\nRUN python3 - <<-'EOF'\nfrom x import y\n\tEOF\nUSER 1", ("a",)),
    "a shift is no here-document": Case("FROM a\nRUN echo $((1<<2))\nFROM b", ("a", "b")),
    "stages after the target do not count": Case("FROM a AS x\nFROM b AS y\nFROM $NOPE", ("a",), {}, "x"),
    "stages before the target do": Case("FROM a AS x\nFROM b AS y", ("a", "b"), {}, "y"),
    "an argument of a stage is not for FROM": Case("ARG B=a\nFROM $B AS x\nARG B=z\nFROM $B", ("a",)),
    "an unset variable in a default is empty": Case("ARG URL=x/$TARGETARCH/y\nFROM a", ("a",)),
    "byte order mark": Case("\ufeffFROM a", ("a",)),
}


@pytest.mark.parametrize("name", CASES)
def test_bases(name: str) -> None:
    case = CASES[name]
    assert parse_bases(case.text, case.arguments, case.target).references == case.bases


@pytest.mark.parametrize(
    ("text", "target", "path", "words"),
    [
        ("ARG A\n\nFROM $A", "", "C:3", "variable A has no value"),
        ("FROM a\nFROM ${MISSING}:1", "", "C:2", "variable MISSING"),
        ("ARG A=\nFROM ${A}", "", "C:2", "empty"),
        ("RUN x", "", "C", "no FROM"),
        ("", "", "C", "no FROM"),
        ("FROM a AS b", "c", "C", "no stage 'c'"),
        ("FROM a b", "", "C:1", "FROM image"),
        ('ARG A="x\nFROM a', "", "C:1", "ARG"),
    ],
)
def test_errors_name_the_line(text: str, target: str, path: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_bases(text, {}, target, path="C")
    assert caught.value.path == path
    assert words in caught.value.message


def test_defaults_are_told() -> None:
    assert parse_bases("ARG A=1\nARG B=$A\nFROM x\nARG C=3", {"A": "2"}).defaults == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("text", "target", "final"),
    [
        ("FROM a", "", "a"),
        ("FROM a AS x\nFROM b", "", "b"),
        ("FROM a AS x\nFROM x AS y\nFROM y", "", "a"),
        ("FROM a AS x\nFROM b AS y", "x", "a"),
        ("FROM a\nFROM b\nFROM c", "1", "b"),
        ("FROM scratch AS s\nFROM s", "", ""),
        ("FROM a\nCOPY --from=b /x /x", "", "a"),
    ],
)
def test_what_the_target_starts_from(text: str, target: str, final: str) -> None:
    assert parse_bases(text, {}, target).final == final
