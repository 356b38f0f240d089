"""One detector for the kind of machine: every signal alone, and the traps between them."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.platform import detect, environment
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

DXG = {"nodes": {"/dev/dxg": {"kind": "char", "major": 10, "minor": 125, "mode": "0666", "uid": 0, "gid": 0}}}
RELEASE = "/proc/sys/kernel/osrelease"
WSL2 = "6.6.87.2-microsoft-standard-WSL2\n"


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        ({}, "linux"),
        ({"files": {RELEASE: "6.8.0-49-generic\n"}}, "linux"),
        ({"files": {RELEASE: WSL2}}, "wsl2"),
        ({"files": {RELEASE: "4.4.0-19041-Microsoft\n"}}, "wsl1"),
        ({"files": {RELEASE: "6.12.9-mine\n"}, **DXG}, "wsl2"),
        ({"files": {RELEASE: "6.12.9-mine\n"}, "directories": {"/dev": ["dxg"]}}, "wsl2"),
        ({"files": {RELEASE: "6.12.9-mine\n"}, "directories": {"/run/WSL": ["8_interop"]}}, "wsl2"),
        ({"files": {RELEASE: "6.12.9-mine\n"}, "directories": {"/usr/lib/wsl/lib": ["libdxcore.so"]}}, "wsl2"),
        ({"files": {RELEASE: "6.12.9\n", "/proc/self/environ": "WSL_DISTRO_NAME=Debian\0PATH="}}, "wsl2"),
        ({"files": {RELEASE: "4.4.0-19041-Microsoft\n", "/proc/self/environ": "WSL_INTEROP=/run/x"}}, "wsl1"),
        ({"files": {RELEASE: WSL2, "/.dockerenv": ""}}, "container"),
        ({"files": {RELEASE: WSL2, "/run/.containerenv": ""}, **DXG}, "container"),
        ({"files": {RELEASE: WSL2, "/run/systemd/container": "lxc\n"}}, "container"),
        ({"files": {RELEASE: WSL2, "/run/systemd/container": "wsl\n"}}, "wsl2"),
        ({"files": {"/proc/1/environ": "container=podman\0TERM=xterm"}}, "container"),
        ({"files": {"/proc/1/cgroup": "0::/kubepods/besteffort/pod1/abc\n"}}, "container"),
        ({"files": {"/proc/1/cgroup": "0::/init.scope\n"}}, "linux"),
        ({"files": {"/proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0"}}, "raspberry-pi"),
        ({"files": {"/proc/device-tree/model": "Orange Pi 5\0"}}, "linux"),
        ({"files": {"/etc/nv_tegra_release": "# R36 (release), REVISION: 4.7"}}, "jetson"),
        ({"files": {"/sys/devices/soc0/family": "Tegra\n"}}, "jetson"),
        ({"system": "Darwin"}, "macos"),
    ],
)
def test_detect(snapshot, expected):
    assert detect(ReplayReader({"snapshot": 1, **snapshot})) == expected


def test_environment_takes_only_whole_pairs():
    assert environment("A=1\0B=x=y\0broken\0") == {"A": "1", "B": "x=y"}
    assert environment(None) == {}
