"""The lock file: read, refreshed without losing what a person wrote, and used by a plan."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.lock import (
    Lock,
    Pins,
    parse_lock,
    read_lock,
    with_digests,
)

A, B, C = (f"sha256:{character * 64}" for character in "abc")
CUDA = "docker.io/nvidia/cuda:12.4.1-runtime-ubuntu22.04"
REDIS = "docker.io/library/redis:7"
KEPT = f"""\
# ours
images:   # by tag
  # the database
  "{REDIS}": "{A}"   # since spring
  zot.example.org/x/y:1: {B}
other: {{kept: true}}
"""


def test_no_file_is_an_empty_lock(tmp_path):
    assert read_lock(str(tmp_path / "images.lock.yml")) == Lock(str(tmp_path / "images.lock.yml"))


def test_a_file(tmp_path):
    path = tmp_path / "images.lock.yml"
    path.write_text(KEPT)
    assert read_lock(str(path)).digests == {REDIS: A, "zot.example.org/x/y:1": B}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "l: the lock file is not a mapping with «images»"),
        ("images: [a]\n", "l:1: images: is not a mapping of references to digests"),
        ("images:\n  a: {\n", "l:3: the lock file is not YAML"),
        ("images: \x00\n", "l: the lock file is not YAML"),
        (
            f"images:\n  redis: {A}\n",
            "l:2: images: 'redis' is not a reference in full with a tag. Write it as «docker.io/l",
        ),
        (f"images:\n  {REDIS}@{A}: {A}\n", f"l:2: images: '{REDIS}@{A}' is not a reference in full with a tag"),
        (f"images:\n  {REDIS}: {A}\n  {REDIS}: {B}\n", f"l:3: images: {REDIS} stands here twice"),
        (f"images:\n  {REDIS}: sha256:abc\n", f"l:2: images: {REDIS}: 'sha256:abc' is not a digest"),
        (f"images:\n  {REDIS}: [1]\n", f"l:2: images: {REDIS}: 'what stands there' is not a digest"),
        (f"images:\n  {REDIS}:\n", f"l:2: images: {REDIS}: '' is not a digest"),
        ("images:\n  Not A Name: x\n", "l:2: images: 'Not A Name' is not an image reference"),
        ("images:\n  [a]: x\n", "l:2: images: a key is not a text"),
    ],
)
def test_what_is_no_lock_file_is_refused_with_its_line(text, message):
    with pytest.raises(InputError) as raised:
        parse_lock(text, "l")
    assert str(raised.value).startswith(message)
    with pytest.raises(InputError):
        with_digests(text, {CUDA: C}, "l")


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text"):
        read_lock(str(tmp_path / "binary"))
    with pytest.raises(InputError, match="cannot read the lock file: Is a directory"):
        read_lock(str(tmp_path))


def test_what_a_person_wrote_stays():
    assert (
        with_digests(KEPT, {REDIS: C, CUDA: C, "quay.io/a/b:1": A}, "l")
        == f"""\
# ours
images:   # by tag
  # the database
  "{REDIS}": "{C}"   # since spring
  "{CUDA}": "{C}"
  "quay.io/a/b:1": "{A}"
  zot.example.org/x/y:1: {B}
other: {{kept: true}}
"""
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# mine\n", f'# mine\nimages:\n  "{CUDA}": "{A}"\n'),
        ("other: 1", f'other: 1\nimages:\n  "{CUDA}": "{A}"\n'),
        ("images:\nother: 1\n", f'images:\n  "{CUDA}": "{A}"\nother: 1\n'),
        ("images: {}\nother: 1\n", f'images:\n  "{CUDA}": "{A}"\nother: 1\n'),
        ("images: null  # none\n", f'images:\n  "{CUDA}": "{A}"  # none\n'),
        (f"images: {{{REDIS}: {B}}}\n", f'images: {{{REDIS}: {B}, "{CUDA}": "{A}"}}\n'),
        (f"images:\n    {REDIS}: {B}", f'images:\n    {REDIS}: {B}\n    "{CUDA}": "{A}"'),
        (f"images:\n# z\n  zot.org/a:1: {B}\n", f'images:\n# z\n  "{CUDA}": "{A}"\n  zot.org/a:1: {B}\n'),
    ],
)
def test_the_first_entries(before, after):
    assert with_digests(before, {CUDA: A}, "l") == after
    assert with_digests(after, {CUDA: A}, "l") == after


def test_a_new_file_says_what_it_is():
    text = with_digests("", {CUDA: A}, "l")
    assert text.startswith("---\n# Which image each tag meant")
    assert parse_lock(text, "l") == {CUDA: A}


def test_a_file_in_braces_is_refused_where_it_has_no_entries():
    with pytest.raises(InputError, match="l: nothing can be added to a mapping in braces"):
        with_digests("{images: {}, other: 1}\n", {CUDA: A}, "l")
    assert with_digests(f"{{images: {{{CUDA}: {B}}}}}", {CUDA: A}, "l") == f'{{images: {{{CUDA}: "{A}"}}}}'


def test_a_file_without_content_gets_its_first_entry():
    for text in ("", "---\n", "# mine\n", "--- # mine\n"):
        changed = with_digests(text, {CUDA: A}, "l")
        assert parse_lock(changed, "l") == {CUDA: A} and changed.startswith(text)


def test_what_is_written_can_be_read_again():
    """A document that somebody ended: what stands behind it would be another one."""
    with pytest.raises(InputError, match="l:3: the lock file is not YAML"):
        with_digests("a: 1\n...\n", {CUDA: A}, "l")


def test_ends_of_lines_stay_as_they_are():
    lines = f"images:\r\n  {CUDA}: {B}  # mine\r\n"
    assert with_digests(lines, {CUDA: A, REDIS: C}, "l") == (
        f'images:\r\n  "{REDIS}": "{C}"\r\n  {CUDA}: "{A}"  # mine\r\n'
    )


def test_nothing_new_is_nothing_to_write():
    assert with_digests("", {}, "l") == ""
    assert with_digests(KEPT, {REDIS: A}, "l") == KEPT


NAMES = st.builds("{}.example.org/{}:{}".format, *[st.text("abz", min_size=1, max_size=3)] * 3)
DIGESTS = st.dictionaries(NAMES, st.sampled_from([A, B, C]), max_size=6)


@settings(max_examples=30, deadline=None)
@given(before=DIGESTS, new=DIGESTS, flow=st.booleans(), comment=st.booleans())
def test_a_refreshed_file_says_the_old_and_the_new(before, new, flow, comment):
    images = yaml.safe_dump({"images": before}, sort_keys=False)
    text = f"images: {json.dumps(before)}\nother: 1\n" if flow else f"{images}other: 1\n"
    if comment:
        text = text.replace("\n", "  # why\n")
    changed = with_digests(text, new, "l")
    assert parse_lock(changed, "l") == {**before, **new}
    assert yaml.safe_load(changed)["other"] == 1
    assert changed.count("# why") == text.count("# why")
    assert with_digests(changed, new, "l") == changed


def test_a_plan_is_pinned_and_says_what_is_not():
    pins = Pins(Lock("inv/images.lock.yml", {CUDA: A}), built={"localhost/ai-system/base"})
    assert pins.pin("nvidia/cuda:12.4.1-runtime-ubuntu22.04", "one") == f"{CUDA}@{A}"
    assert pins.pin("redis:7", "two") == "redis:7"
    assert pins.pin(REDIS, "three") == REDIS
    for own in ("localhost/x:1", f"redis:7@{B}", f"redis@{B}", "ai-system/base", "ai-system/base:2"):
        assert pins.pin(own, "four") == own
    assert pins.asked == {CUDA: "one", REDIS: "two"}
    pins.pin("debian:13", "five")
    assert pins.warnings() == [
        f"inv/images.lock.yml has no digest for docker.io/library/debian:13 (five), {REDIS} (two): what is pulled is"
        " whatever a registry has that day. «ansible-playbook build.yml -e update_lock=true» writes it down."
    ]
    assert Pins(Lock("l", {CUDA: A}), asked={CUDA: "one"}).warnings() == []
