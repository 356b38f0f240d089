"""Podman's settings from its files: which file counts, for root and for a user (integration tests hold it to Podman)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.podman_files import cdi_dirs, info
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

DEFAULT = ("/etc/cdi", "/var/run/cdi")


def reader(uid: int, files: dict[str, str], **environment: str) -> ReplayReader:
    own = {
        "/proc/self/status": f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n",
        "/proc/self/environ": "\0".join(f"{key}={value}" for key, value in environment.items()),
    }
    programs = {path: [] for path in ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin")}
    return ReplayReader({"snapshot": 1, "files": {**own, **files}, "directories": programs})


def runtime(found: dict[str, t.Any]) -> str:
    return found["host"]["ociRuntime"]["name"]


SYSTEM = {"/usr/share/containers/containers.conf": '[engine]\n#runtime = "no"\nruntime = "kata"\n'}
ETC = {"/etc/containers/containers.conf": "[engine]\nruntime = 'runc'  # ours\n"}
OWN = {"/home/max/.config/containers/containers.conf": '[engine]\nruntime = "/opt/bin/youki"\n'}
XDG = {"/cfg/containers/containers.conf": '[engine]\nruntime = "crun"\n'}
HOME = {"HOME": "/home/max"}


@pytest.mark.parametrize(
    ("uid", "files", "environment", "expected"),
    [
        (0, {}, {}, "runc"),
        (0, {"/usr/bin/crun": ""}, {}, "crun"),
        (0, SYSTEM, {}, "kata"),
        (0, {**SYSTEM, **ETC}, {}, "runc"),
        (0, {**SYSTEM, **OWN}, HOME, "kata"),
        (1000, {**SYSTEM, **ETC, **OWN}, HOME, "youki"),
        (1000, {**ETC, **OWN, **XDG}, {**HOME, "XDG_CONFIG_HOME": "/cfg"}, "crun"),
        (1000, {**ETC, **OWN}, {**HOME, "XDG_CONFIG_HOME": ""}, "youki"),
    ],
)
def test_which_runtime_counts(uid, files, environment, expected):
    assert runtime(info(reader(uid, files, **environment), "5.4.2")) == expected


STORAGE = {"/etc/containers/storage.conf": '[storage]\ngraphroot = "/srv/root"\n'}


@pytest.mark.parametrize(
    ("uid", "files", "environment", "expected"),
    [
        (0, {}, {}, "/var/lib/containers/storage"),
        (0, STORAGE, {}, "/srv/root"),
        (1000, STORAGE, HOME, "/home/max/.local/share/containers/storage"),
        (1000, STORAGE, {**HOME, "XDG_DATA_HOME": "/data"}, "/data/containers/storage"),
        (
            1000,
            {"/etc/containers/storage.conf": '[storage]\nrootless_storage_path = "$HOME/pods"\n'},
            HOME,
            "/home/max/pods",
        ),
        (
            1000,
            {"/cfg/containers/storage.conf": '[storage]\ngraphroot = "/fast"\n'},
            {**HOME, "XDG_CONFIG_HOME": "/cfg"},
            "/fast",
        ),
    ],
)
def test_where_images_are(uid, files, environment, expected):
    assert info(reader(uid, files, **environment), "5.4.2")["store"]["graphRoot"] == expected


@pytest.mark.parametrize(
    ("version", "text", "expected"),
    [
        ("5.4.2", '[engine]\ncdi_spec_dirs = ["/srv/cdi"]\n', DEFAULT),
        ("5.5.0", '[engine]\ncdi_spec_dirs = ["/srv/cdi"]\n', ("/srv/cdi",)),
        ("5.5.0", "[engine]\ncdi_spec_dirs = [\n  '/a',\n  \"/b\",\n]\n", ("/a", "/b")),
        ("5.5.0", "[engine]\n# cdi_spec_dirs = ['/a']\n", DEFAULT),
        ("dev", '[engine]\ncdi_spec_dirs = ["/srv/cdi"]\n', DEFAULT),
    ],
)
def test_directories_of_cdi_specs(version, text, expected):
    assert cdi_dirs(reader(0, {"/etc/containers/containers.conf": text}), version, DEFAULT) == expected
