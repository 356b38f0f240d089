"""Which layers an engine lacks, and what a manifest may say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.incoming import (
    BY_CHAIN,
    BY_LAYER,
    BY_NOTHING,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.layers import (
    choose,
    diff_ids,
    is_index,
    lacking,
    read_manifest,
)

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.mark.parametrize(
    ("wanted", "there", "reuses", "expected"),
    [
        ("abc", [], BY_LAYER, (0, 1, 2)),
        ("abc", ["abc"], BY_LAYER, ()),
        ("abc", ["xb", "c"], BY_LAYER, (0,)),
        ("abc", ["abc"], BY_CHAIN, ()),
        ("abc", ["abcd"], BY_CHAIN, ()),
        ("abc", ["abx", "bc"], BY_CHAIN, (2,)),
        ("abc", ["xbc"], BY_CHAIN, (0, 1, 2)),
        ("abc", ["abc"], BY_NOTHING, (0, 1, 2)),
        ("", ["abc"], BY_CHAIN, ()),
        # The same layer twice in one image, as empty ones are.
        ("aba", ["ab"], BY_CHAIN, (2,)),
        ("aba", ["ab"], BY_LAYER, ()),
    ],
)
def test_lacking(wanted, there, reuses, expected):
    assert lacking(wanted, there, reuses) == expected


stacks = st.lists(st.text("abc", max_size=5), max_size=4)


@given(st.text("abc", max_size=5), stacks)
def test_a_chain_is_never_more_than_its_layers(wanted, there):
    by_layer, by_chain = lacking(wanted, there, BY_LAYER), lacking(wanted, there, BY_CHAIN)
    assert set(by_layer) <= set(by_chain) <= set(lacking(wanted, there, BY_NOTHING))
    # What is lacking of a chain lies on top of what is there.
    assert list(by_chain) == list(range(len(wanted) - len(by_chain), len(wanted)))


def manifest(**changed):
    layer = {"digest": B, "size": 20, "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}
    return json.dumps({"config": {"digest": A, "size": 10}, "layers": [layer], **changed}).encode()


def test_a_manifest_is_read():
    read = read_manifest(manifest(), "application/vnd.oci.image.manifest.v1+json")
    assert (read.media_type, read.config.digest, read.size) == ("application/vnd.oci.image.manifest.v1+json", A, 20)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<html>", "none of an image"),
        (b"[]", "none of an image"),
        (b"{}", "none of an image"),
        (manifest(layers=[{"digest": "sha256:../../etc/passwd", "size": 1}]), "no sha256 digest"),
        (manifest(layers=[{"digest": f"sha512:{'a' * 64}", "size": 1}]), "no sha256 digest"),
        (manifest(layers=[{"digest": A, "size": 1, "mediaType": "a.nondistributable.b"}]), "not in the registry"),
    ],
)
def test_what_is_no_manifest(data, words):
    with pytest.raises(EngineError, match=words):
        read_manifest(data)


def index(*platforms):
    entries = [{"digest": digest, "platform": {"architecture": name}} for digest, name in platforms]
    return json.dumps({"mediaType": INDEX, "manifests": entries}).encode()


def test_of_an_index_the_own_architecture_is_chosen():
    data = index((A, "arm64"), (B, "amd64"), ("sha256:c", "unknown"))
    assert is_index(data, "") and not is_index(manifest(), "") and not is_index(b"<html>", "")
    assert (choose(data, "arm64"), choose(data, "amd64")) == (A, B)
    with pytest.raises(EngineError, match="no image for riscv64, only for amd64, arm64"):
        choose(data, "riscv64")


def test_diff_ids():
    assert diff_ids(json.dumps({"rootfs": {"diff_ids": [A, B]}}).encode()) == (A, B)
    with pytest.raises(EngineError, match="none of an image"):
        diff_ids(b"{}")
