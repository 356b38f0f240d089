"""Our reading of TOML is tomllib's."""

from __future__ import annotations

import datetime
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings import toml_text
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.merge import same
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.misread import MisreadError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.toml_read import Moment

from . import documents


def plain(value):
    """With dates and times as texts, on both sides alike."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Moment):
        return "moment"
    return "moment" if isinstance(value, (datetime.date, datetime.time)) else value


RIGHT = [
    "",
    "# only a comment",
    "a = 1",
    "a.b.c = 1\na.b.d = 2",
    '"quoted key" = 1\n\'literal.key\' = 2\n"a\\u00e9".b = 3',
    "[a.b.c]\nx = 1\n[a]\ny = 2\n[a.b]\nz = 3",
    "[ a . b ]\nx = 1",
    "[fruit]\napple.color = 1\napple.taste.sweet = true\n[fruit.apple.texture]\nsmooth = true",
    "[[p]]\nn = 1\n[[p]]\n[[p]]\nn = 2\n[p.sub]\nx = 1\n[[p.q]]\ny = 1",
    "a = [1, 2,\n # c\n 3, ]\nb = [\n]\nc = [[1], ['x', \"y\"]]",
    "a = { b = 1, c.d = 2, e = { f = [] } }\ng = {}",
    'a = """\nx\n  y\\\n   z """\nb = """a"b""c"""\nc = """a"""""\nd = """"a"""',
    "a = '''\nx\\n'y''z'''\nb = ''''a'''''",
    "a = \"\"\nb = ''\nc = \"\"\"\"\"\"\nd = ''''''",
    'a = "\\b\\t\\n\\f\\r\\"\\\\\\u00e9\\U0001f600"',
    "a = 0xDEAD_beef\nb = 0o17\nc = 0b1_0\nd = 1_000\ne = +7\nf = -0\ng = 00_0.1".replace("00_0.1", "0.1"),
    "a = 1.5\nb = 1e3\nc = -2.5E-3\nd = inf\ne = -inf\nf = 6_2.0_1e+1_0",
    "a = 1979-05-27T07:32:00Z\nb = 1979-05-27 07:32:00.99-07:00\nc = 1979-05-27\nd = 07:32:00\ne = 1979-05-27T07:32:00",
    "a = true # c\nb = false\t# d",
    'a=1\r\n[b]\r\nc="""x\r\ny"""\r\n',
    "1234 = 1\n-a_ = 2",
    "a = [{b = 1}, {c = 2}]",
    "  a = 1\n\t[ b ]\n\tc = 2",
]

WRONG = [
    "a",
    "a =",
    "= 1",
    "a = 1 # \x01",
    "a = 01",
    "a = 1__0",
    "a = 1.",
    "a = .5",
    "a = True",
    "a = 0x",
    "a = 1\na = 2",
    "a = 1\na.b = 2",
    "a.b = 1\na = 2",
    "a = {b = 1}\na.c = 2",
    "a = {b = 1}\n[a]",
    "a = {b = 1}\n[a.c]",
    "a = {b = 1,}",
    "a = {b = 1\n}",
    "a = {b = 1, b = 2}",
    "a = {b = {c = 1}, b.d = 2}",
    "[a]\n[a]",
    "[a]\nb.c = 1\n[a.b]",
    "[a.b]\n[a]\nb.c = 1",
    "a = []\n[[a]]",
    "[[a]]\n[a]",
    "[a]\n[[a]]",
    "[]",
    "[a",
    "[a] b = 1",
    "[[a]",
    'a = "x\ny"',
    'a = "\\x41"',
    'a = "\\ud800"',
    'a = """x',
    "a = 'x",
    "a = [1 2]",
    "a = [1",
    "a = [,]",
    "a\n= 1",
    "a. = 1",
    '"""a""" = 1',
    "a = 1 b = 2",
    "a = 1\rb = 2",
    "a = 1979-05-27T",
    'a = "\x7f"',
    "a = 'x\x00'",
]


@pytest.mark.parametrize("text", RIGHT)
def test_right(text):
    assert same(plain(toml_text.data(text)), plain(tomllib.loads(text)))


@pytest.mark.parametrize("text", WRONG)
def test_wrong(text):
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text)
    with pytest.raises(MisreadError):
        toml_text.data(text)


@given(documents.toml_files())
def test_files_in_every_style(text):
    assert same(plain(toml_text.data(text)), plain(tomllib.loads(text)))


PIECES = ["a", "b", ".", "=", " ", "\n", "[", "]", "{", "}", ",", '"', "'", "1", "1.0", "true", "#", "\\", "_", "-"]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_what_tomllib_refuses_is_never_accepted_and_the_other_way_round(text):
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(MisreadError):
            toml_text.data(text)
    else:
        assert same(plain(toml_text.data(text)), plain(expected))
