"""What engines are handed of an image."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import podman_moving
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker_moving import reuses
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.incoming import (
    IncomingImage,
    IncomingLayer,
    archive,
    write_directory,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.login import Login
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError

LAYER = b"a layer" * 1000
DIGEST = f"sha256:{hashlib.sha256(LAYER).hexdigest()}"
CONFIG = b'{"rootfs": {}}'


@pytest.fixture(params=[True, False])
def image(request, tmp_path):
    (tmp_path / DIGEST[7:]).write_bytes(LAYER)
    layers = (
        IncomingLayer("sha256:there", ""),
        IncomingLayer("sha256:new", DIGEST, len(LAYER), "application/vnd.oci.image.layer.v1.tar+gzip"),
    )
    return IncomingImage("localhost/a:1", CONFIG, layers, str(tmp_path), docker=request.param)


def test_an_archive_holds_what_is_lacking(image):
    with tarfile.open(fileobj=io.BytesIO(b"".join(archive(image)))) as tar:
        names = tar.getnames()
        read = {name: tar.extractfile(name).read() for name in names}
    (entry,) = json.loads(read["manifest.json"])
    assert entry["RepoTags"] == ["localhost/a:1"] and read[entry["Config"]] == CONFIG
    there, new = entry["Layers"]
    assert there not in names and read[new] == LAYER


def test_a_directory_lists_what_is_there_by_its_diff_id(image, tmp_path):
    write_directory(image)
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    assert [layer["digest"] for layer in manifest["layers"]] == ["sha256:there", DIGEST]
    assert (tmp_path / manifest["config"]["digest"][7:]).read_bytes() == CONFIG
    # A health check is only kept in Docker's format.
    assert ("docker" in manifest["mediaType"]) is ("docker" in manifest["config"]["mediaType"]) is image.docker


def test_a_directory_that_cannot_be_written_is_named(image):
    image = dataclasses.replace(image, folder=f"{image.folder}/gone")
    with pytest.raises(EngineError, match="cannot be written: No such file") as caught:
        podman_moving.load(None, image)
    assert caught.value.path == image.folder and "container_cache_dir" in caught.value.mend


@pytest.mark.parametrize(
    ("info", "podman", "expected"),
    [
        ({"DriverStatus": [["Backing Filesystem", "extfs"]]}, False, "chains"),
        ({"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}, False, "nothing"),
        ({"DriverStatus": None}, False, "chains"),
        ({"DriverStatus": [["Backing Filesystem", "extfs"]]}, True, "nothing"),
    ],
)
def test_which_layers_docker_takes_as_known(info, podman, expected):
    assert reuses(info, podman) == expected


def test_a_login_without_a_name_has_no_password():
    assert json.loads(Login("pc2:5000", "fleet", "secret").authfile) == {
        "auths": {"pc2:5000": {"auth": "ZmxlZXQ6c2VjcmV0"}}
    }
    assert json.loads(Login("pc2:5000").authfile) == {"auths": {}}
    assert Login("pc2:5000").auth_config is None
    assert Login("pc2:5000", "fleet", "secret").auth_config == {
        "username": "fleet",
        "password": "secret",
        "serveraddress": "pc2:5000",
    }
