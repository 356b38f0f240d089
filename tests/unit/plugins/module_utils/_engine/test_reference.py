from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.reference import parse_reference
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError

FULL = [
    ("redis", "docker.io/library/redis:latest"),
    ("redis:7", "docker.io/library/redis:7"),
    ("me/redis", "docker.io/me/redis:latest"),
    ("docker.io/redis:7", "docker.io/library/redis:7"),
    ("ghcr.io/a/b/c:1", "ghcr.io/a/b/c:1"),
    ("localhost/a:1", "localhost/a:1"),
    ("pc2:5000/a", "pc2:5000/a:latest"),
    ("pc2:5000/a:1@sha256:abc", "pc2:5000/a:1@sha256:abc"),
    ("a@sha256:abc", "docker.io/library/a@sha256:abc"),
]


@pytest.mark.parametrize(("text", "full"), FULL)
def test_references_are_written_in_full(text, full):
    assert str(parse_reference(text)) == full


@pytest.mark.parametrize("text", ["", "A/b", "a b", "a@md5:1", ":1", "a:", "a:-1", "a:b c", "/a", "a//b", "a/", "a-"])
def test_what_is_no_reference(text):
    with pytest.raises(InputError):
        parse_reference(text)


part = st.from_regex(r"\A[a-z0-9]+([._-][a-z0-9]+)*\Z")


@given(
    st.lists(part, min_size=1, max_size=4),
    st.one_of(st.just(""), st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}\Z")),
)
def test_a_full_reference_stays_as_it_is(parts, tag):
    full = str(parse_reference("/".join(parts) + (f":{tag}" if tag else "")))
    assert str(parse_reference(full)) == full
