"""NVIDIA's container toolkit: what a host lacks, by every way that its version can be told."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.toolkit import installed, look
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.view import HostView, User

SPEC = {"/etc/cdi/nvidia.yaml": "cdiVersion: 0.5.0\n"}
HOOK = "/usr/share/containers/oci/hooks.d/oci-nvidia-hook.json"
NO_UNIT = {
    "/run/systemd/system": ["x"],
    "/usr/lib/systemd/system": [],
    "/lib/systemd/system": [],
    "/etc/systemd/system": [],
}
UNIT = {**NO_UNIT, "/usr/lib/systemd/system": ["nvidia-cdi-refresh.path"]}


def says(version):
    text = f"NVIDIA Container Toolkit CLI version {version}\ncommit: 1a2b3c4\n"
    return {"nvidia-ctk --version": {"rc": 0, "stdout": text, "stderr": ""}}


def codes(platform="linux", **parts):
    reader = ReplayReader({"snapshot": 1, **parts})
    found = look(HostView(reader, platform, User(0, ()), ()))
    assert all(each.evidence and each.probe for each in found)
    return {each.code: each for each in found}


@pytest.mark.parametrize(
    ("platform", "version", "wanted"),
    [
        ("linux", "1.11.0", "1.15.0"),
        ("linux", "1.14.6", "1.15.0"),
        ("linux", "1.15.0", None),
        ("linux", "1.20.0", None),
        ("wsl2", "1.12.1", "1.14.0"),
        ("wsl2", "1.13.5", "1.14.0"),
        ("wsl2", "1.14.0", None),
    ],
)
def test_too_old(platform, version, wanted):
    found = codes(platform, commands=says(version), files=SPEC)
    assert list(found) == ([] if wanted is None else ["toolkit-too-old"])
    if wanted:
        assert wanted in found["toolkit-too-old"].mend
        assert version in found["toolkit-too-old"].evidence


@pytest.mark.parametrize(
    ("platform", "parts", "missing"),
    [
        ("linux", {}, True),
        ("wsl2", {}, False),
        ("linux", {"commands": says("1.17.8")}, False),
        ("linux", {"directories": {"/usr/bin": ["nvidia-ctk"]}}, False),
        ("linux", {"directories": {"/usr/bin": ["nvidia-container-runtime"]}}, False),
        ("linux", {"files": SPEC}, False),
        ("linux", {"files": {"/etc/cdi/amd.json": "{}"}}, True),
    ],
)
def test_missing(platform, parts, missing):
    assert ("toolkit-missing" in codes(platform, **parts)) is missing


def test_the_version_is_in_the_name_of_its_library():
    path = "/usr/lib/x86_64-linux-gnu/libnvidia-container.so.1"
    reader = ReplayReader({"snapshot": 1, "links": {path: "libnvidia-container.so.1.13.5"}})
    assert installed(reader)[:2] == ((1, 13, 5), path)
    assert installed(ReplayReader({"snapshot": 1, "links": {path: "elsewhere"}}))[0] is None
    assert installed(ReplayReader({"snapshot": 1, "commands": says("unknown")}))[0] is None


def test_an_old_hook_beside_a_spec():
    files = {HOOK: '{"version": "1.0.0", "hook": {"path": "/usr/bin/nvidia-container-toolkit"}}'}
    assert "oci-hook-conflict" not in codes(files=files, commands=says("1.17.8"))
    found = codes(files={**files, **SPEC}, commands=says("1.17.8"))["oci-hook-conflict"]
    assert (found.evidence, HOOK in found.mend) == ("path: /usr/bin/nvidia-container-toolkit", True)


@pytest.mark.parametrize(
    ("platform", "version", "directories", "files", "missing"),
    [
        ("linux", "1.17.8", UNIT, SPEC, True),
        ("linux", "1.18.0", UNIT, SPEC, False),
        ("wsl2", "1.17.8", UNIT, SPEC, True),
        ("wsl2", "1.19.0", UNIT, SPEC, True),
        ("wsl2", "1.19.1", UNIT, SPEC, False),
        ("linux", "of no known form", NO_UNIT, SPEC, True),
        ("linux", "of no known form", UNIT, SPEC, False),
        ("linux", "1.17.8", NO_UNIT, {}, False),
        ("linux", "1.17.8", {}, SPEC, False),
    ],
)
def test_nothing_renews_the_spec(platform, version, directories, files, missing):
    found = codes(platform, commands=says(version), files=files, directories=directories)
    assert ("cdi-refresh-missing" in found) is missing
