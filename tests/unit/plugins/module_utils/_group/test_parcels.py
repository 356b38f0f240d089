from __future__ import annotations

import io
import tarfile

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import parcels, resolve
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    ContainerConfig,
    Mount,
    SecretFile,
)

CONFIG = ContainerConfig(
    "web",
    "img",
    mounts=(Mount("bind", "/a", "staged:f1", read_only=True), Mount("bind", "/srv", "/srv")),
    secrets=(SecretFile("g/T#abc-1000-1000-400", "/run/secrets/T", 1000, 1000),),
)


def test_everything_a_container_may_need_is_gathered(tmp_path):
    archive = tmp_path / "files.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("f1")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"one"))
    assert parcels.needed_files([CONFIG]) == ["f1"]
    found = parcels.gather(["f1"], str(archive), [CONFIG], {"g/T": "hidden"})
    assert set(found) == {"staged:f1", "g/T#abc-1000-1000-400"}
    with tarfile.open(fileobj=io.BytesIO(found["g/T#abc-1000-1000-400"])) as tar:
        (member,) = tar.getmembers()
        assert (member.mode, member.uid, tar.extractfile(member).read()) == (0o400, 1000, b"hidden")


def test_without_files_no_archive_is_opened():
    assert set(parcels.gather([], "", [CONFIG], {"g/T": "hidden"})) == {"g/T#abc-1000-1000-400"}


def test_a_fingerprint_without_a_key_is_the_same_anywhere_and_another_in_another_place():
    first = resolve.slow_fingerprint("winbox/g/T", "hidden")
    assert first == resolve.slow_fingerprint("winbox/g/T", "hidden") and len(first) == 16
    assert (
        len({first, resolve.slow_fingerprint("winbox/g/U", "hidden"), resolve.slow_fingerprint("winbox/g/T", "other")})
        == 3
    )
