"""The list of an image's packages."""

from __future__ import annotations

import json
import pathlib

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image import sbom
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.packages import Package

LIBC = Package("deb", "libc6", "2.36-9", "amd64", "glibc")
REFERENCE = "localhost/ai-system/agent:0f3c5d1e9a77"


@pytest.mark.parametrize(
    ("package", "system", "expected"),
    [
        (LIBC, ("debian", "12"), "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc"),
        (LIBC, ("", ""), "pkg:deb/debian/libc6@2.36-9?arch=amd64&upstream=glibc"),
        (
            Package("deb", "zlib1g", "1:1.2", "amd64"),
            ("ubuntu", ""),
            "pkg:deb/ubuntu/zlib1g@1:1.2?arch=amd64&distro=ubuntu",
        ),
        (Package("deb", "libstdc++6", "12", "amd64"), ("", ""), "pkg:deb/debian/libstdc%2B%2B6@12?arch=amd64"),
        (
            Package("apk", "musl", "1.2", "x86_64", "musl"),
            ("alpine", "3"),
            "pkg:apk/alpine/musl@1.2?arch=x86_64&distro=alpine-3",
        ),
        (
            Package("rpm", "bash", "5-1", "noarch"),
            ("fedora", "40"),
            "pkg:rpm/fedora/bash@5-1?arch=noarch&distro=fedora-40",
        ),
        (Package("pypi", "Zope.Interface_x", "5.0+cu121"), ("debian", "12"), "pkg:pypi/zope-interface-x@5.0%2Bcu121"),
        (
            Package("conda", "zlib", "1.3", "linux-64", "conda-forge"),
            ("debian", "12"),
            "pkg:conda/zlib@1.3?channel=conda-forge&subdir=linux-64",
        ),
    ],
)
def test_package_urls(package: Package, system: tuple[str, str], expected: str) -> None:
    assert sbom.package_url(package, system) == expected


def test_the_same_image_gives_the_same_document() -> None:
    packages = [LIBC, Package("pypi", "a", "1"), Package("pypi", "a", "1")]
    made = sbom.document(REFERENCE, "sha256:i", packages, ("debian", "12"))
    assert made == sbom.document(REFERENCE, "sha256:i", packages[::-1], ("debian", "12"))
    assert made["serialNumber"] != sbom.document(REFERENCE, "sha256:j", packages)["serialNumber"]
    assert [(entry["type"], entry["name"]) for entry in made["components"]] == [
        ("operating-system", "debian"),
        ("library", "libc6"),
        ("library", "a"),
    ]
    assert made["metadata"]["component"]["name"] == "localhost/ai-system/agent"
    assert made["compositions"][0]["aggregate"] == "unknown"


def test_what_could_not_be_read_is_said() -> None:
    made = sbom.document(REFERENCE, "sha256:i", [], unread=["var/lib/rpm/Packages"])
    assert made["compositions"][0]["aggregate"] == "incomplete"
    assert made["properties"] == [{"name": "org.gpu-fleet.unread", "value": "var/lib/rpm/Packages"}]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (REFERENCE, "/c/sbom/ai-system/agent-0f3c5d1e9a77.cdx.json"),
        ("pc2:5000/agent:abc", "/c/sbom/pc2_5000/agent-abc.cdx.json"),
        ("docker.io/library/agent:abc", "/c/sbom/docker.io/library/agent-abc.cdx.json"),
    ],
)
def test_where_it_lies(reference: str, expected: str) -> None:
    assert sbom.path_of("/c", reference) == expected


def test_written_as_a_whole(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sbom/a-1.cdx.json"
    for number in (1, 2):
        sbom.write(str(path), {"number": number})
    assert json.loads(path.read_text()) == {"number": 2}
    assert path.stat().st_mode & 0o777 == 0o644 and list(path.parent.iterdir()) == [path]
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="list of packages cannot be written"):
        sbom.write(str(tmp_path / "file/a.json"), {})
