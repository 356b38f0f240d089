"""The small YAML reader agrees with PyYAML on what it accepts, and refuses the rest."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.yaml_subset import parse

# As nvidia-ctk writes it (keys sorted, sequences at the indentation of their key).
SPEC = """---
cdiVersion: 0.5.0
containerEdits:
  deviceNodes:
  - path: /dev/nvidia-modeset
  - gid: 44
    major: 195
    path: /dev/nvidiactl   # control
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  hooks:
  - args:
    - nvidia-cdi-hook
    - create-symlinks
    - --link
    - ../libnvidia-allocator.so.1::/usr/lib/x86_64-linux-gnu/gbm/nvidia-drm_gbm.so
    hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
  mounts: []
devices:
- containerEdits:
    deviceNodes:
      - path: /dev/nvidia0
  name: "0"
- containerEdits: {}
  name: 'it''s'
kind: nvidia.com/gpu
"""


def test_a_spec_as_nvidia_ctk_writes_it():
    assert parse(SPEC) == yaml.safe_load(SPEC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1\n",
        "- a\n- - b\n  - c\n",
        "-\n  a: 1\n-\n  - x\n",
        "a:\nb: ~\nc: null\n",
        'a: "x # y"\nb: x#y\nc: x # y\n',
        "a: [x, y, 3]\nb: []\nc: {}\n",
        "a:b: c\n",
        "- a:b\n- x=y:z\n",
        "'quoted key': 1\n",
        "a: -5\nb: 1.5\nc: true\nd: 0.6.0\n",
        "- -x\n- --link\n",
        "a: http://x/y\n",
        "a: 0660\nb: 00\nc: 089\n",
    ],
)
def test_agrees_with_pyyaml(text):
    assert parse(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x\n",
        "a: |\n  text\n",
        "a: >\n  text\n",
        "a: !tag 1\n",
        "a: 1\n---\nb: 2\n",
        "a: 1\n  b: 2\n",
        "a: {x: 1}\n",
        "a: [[1]]\n",
        "a: one\n  two\n",
        "a: 1\na: 2\n",
        "\ta: 1\n",
        'a: "open\n',
        "a: 'open\n",
        "? a\n: b\n",
        "%YAML 1.2\n---\na: 1\n",
        "- " * 60 + "x\n",
        "a: b: c\n",
    ],
)
def test_refuses_what_it_does_not_know(text):
    with pytest.raises(ValueError, match="line 1|line 2|line 3"):
        parse(text)


words = st.text(alphabet="abcXYZ019-_./:=# '\"~", min_size=0, max_size=12)
values = st.recursive(
    st.one_of(words, st.integers(-9999, 9999), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(alphabet="abcXYZ-_/.", min_size=1, max_size=8), inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    value=st.dictionaries(st.text(alphabet="abcXYZ", min_size=1, max_size=8), values, min_size=1, max_size=5),
    at_key=st.booleans(),
)
def test_reads_what_a_dumper_writes(value, at_key):
    dumper = yaml.SafeDumper
    text = yaml.dump(value, Dumper=dumper, default_flow_style=False, width=10_000, indent=2 if at_key else 4)
    assert parse(text) == value


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet="ab:- \n\"'#[]{}&*|>~.,!", max_size=60))
def test_either_agrees_with_pyyaml_or_refuses(text):
    try:
        mine, theirs = parse(text), yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return
    assert mine == theirs
