"""What the roles make of settings files as they are really found, through the merge that writes them, and back again."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop import docker_desktop_settings, wsl_settings
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.plan import Plan, Request, plan

WINDOWS = {"platform": "wsl2", "distribution": "Ubuntu-24.04", "older": False}


def merged(path: str, form: str, settings: dict, found: bytes | None, add: bool = False) -> Plan:
    """The file after the merge. A second one has nothing to do, and the undo gives every byte back."""
    request = Request(path, form, "role", settings, add)
    first = plan(request, found, ())
    states = (first.state,) if first.state else ()
    assert not plan(request, first.after, states).changes
    assert plan(Request(path, form, "role", {}, add), first.after, states).after == found
    return first


def lines(text: str) -> bytes:
    """As editors of Windows save it."""
    return text.replace("\n", "\r\n").encode()


# Written by WSL's settings program, by Notepad (a byte order mark), by PowerShell's «>» (UTF-16), by hand.
BY_HAND = """# Limits for my machine
[wsl2]
memory=48GB           # of 64
swapFile=C:\\\\temp\\\\swap.vhdx
vmIdleTimeout = 60000

[experimental]
sparseVhd=true
ignoredPorts=3000,9000
; someone else's remark
[futureSection]
unknownKey=1
"""

KEEP = {"keep_alive": True, "memory": "32GB"}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16"], ids=["plain", "byte order mark", "PowerShell's UTF-16"]
)
def test_a_wslconfig_keeps_what_is_not_ours(codec, newline):
    found = BY_HAND.replace("\n", newline).encode(codec)
    after = merged("/p/.wslconfig", "ini", wsl_settings.wanted(KEEP).wslconfig, found).after
    assert after is not None and after.startswith(found[:2])
    text = BY_HAND.replace("48GB", "32GB").replace("60000", "-1") + "\n[general]\ninstanceIdleTimeout=-1\n"
    assert after.decode(codec) == text.replace("\n", newline)


@pytest.mark.parametrize(
    ("found", "variables", "after"),
    [
        (None, {"keep_alive": True}, b"[general]\ninstanceIdleTimeout=-1\n\n[wsl2]\nvmIdleTimeout=-1\n"),
        (b"", {"networking_mode": "mirrored"}, b"[wsl2]\nnetworkingMode=mirrored\n"),
        # WSL's names have no case and the first of two keys counts, so nothing is added beside what is there.
        (
            lines("[WSL2]\nNetworkingMode=nat\n"),
            {"networking_mode": "mirrored"},
            lines("[WSL2]\nNetworkingMode=mirrored\n"),
        ),
        (b"[wsl2]\nmemory=8GB\nmemory=4GB\n", {"memory": "6GB"}, b"[wsl2]\nmemory=6GB\nmemory=4GB\n"),
        (b"[wsl2]", {"processors": 4}, b"[wsl2]\nprocessors=4"),
        # Paths of Windows are written as WSL reads them.
        (
            None,
            {"settings": {"wsl2": {"swapFile": "C:\\temp\\swap.vhdx", "kernelCommandLine": "a # b"}}},
            b'[wsl2]\nswapFile=C:\\\\temp\\\\swap.vhdx\nkernelCommandLine="a # b"\n',
        ),
        (b"[wsl2]\nmemory=8GB\n", {"memory": "8GB"}, b"[wsl2]\nmemory=8GB\n"),
        (b"[wsl2]\nmemory=8GB\n", {}, b"[wsl2]\nmemory=8GB\n"),
        (None, {}, None),
    ],
)
def test_wslconfig(found, variables, after):
    assert merged("/p/.wslconfig", "ini", wsl_settings.wanted(variables).wslconfig, found).after == after


UBUNTU = b"[boot]\nsystemd=true\n\n[user]\ndefault=ann\n"
"""As an installed Ubuntu has it."""


@pytest.mark.parametrize(
    ("found", "variables", "after"),
    [
        (None, {"systemd": True}, b"[boot]\nsystemd=true\n"),
        (UBUNTU, {"systemd": True}, UBUNTU),
        (UBUNTU, {"systemd": True, "default_user": "bob"}, UBUNTU.replace(b"ann", b"bob")),
        (
            b'[automount]\noptions = "metadata,umask=22"\n[boot]\ncommand = service docker start\n',
            {"systemd": True},
            b'[automount]\noptions = "metadata,umask=22"\n[boot]\ncommand = service docker start\nsystemd = true\n',
        ),
        (
            UBUNTU,
            {"conf_settings": {"interop": {"appendWindowsPath": False}}},
            UBUNTU + b"\n[interop]\nappendWindowsPath=false\n",
        ),
    ],
)
def test_wsl_conf(found, variables, after):
    assert merged("/etc/wsl.conf", "ini", wsl_settings.wanted(variables).wsl_conf, found).after == after


# As Docker Desktop 4.4x writes it: two spaces, only what is not the default, no newline at the end.
STORE = b"""{
  "AutoStart": false,
  "DisplayedOnboarding": true,
  "EnableDockerAI": true,
  "IntegratedWslDistros": [
    "Debian"
  ],
  "LastContainerdSnapshotterEnable": 1775466305,
  "LicenseTermsVersion": 2,
  "SettingsVersion": 43,
  "UseContainerdSnapshotter": true
}"""


def test_a_settings_store_gets_our_distribution_beside_others():
    wanted = docker_desktop_settings.wanted({"wsl_integration": True, "auto_start": True, "cpus": 4}, WINDOWS).user
    done = merged("/p/settings-store.json", "json", wanted, STORE, add=True)
    assert done.changed == ("AutoStart", "Cpus", "IntegratedWslDistros")
    assert json.loads(done.after) == {
        **json.loads(STORE),
        "AutoStart": True,
        "Cpus": 4,
        "IntegratedWslDistros": ["Debian", "Ubuntu-24.04"],
    }
    assert b'  "IntegratedWslDistros": [\n    "Debian",\n    "Ubuntu-24.04"\n  ],\n' in done.after
    assert not done.after.endswith(b"\n")


@pytest.mark.parametrize(
    ("found", "variables", "host", "after"),
    [
        (None, {"auto_start": False}, WINDOWS, b'{\n  "AutoStart": false\n}\n'),
        (b"{}", {}, WINDOWS, b"{}"),
        (STORE, {"auto_start": False}, WINDOWS, STORE),
        # Before 4.35.
        (
            lines('{\n\t"autoStart": true,\n\t"cpus": 2,\n\t"settingsVersion": 17\n}\n'),
            {"cpus": 6},
            {**WINDOWS, "older": True},
            lines('{\n\t"autoStart": true,\n\t"cpus": 6,\n\t"settingsVersion": 17\n}\n'),
        ),
    ],
)
def test_settings_store(found, variables, host, after):
    wanted = docker_desktop_settings.wanted(variables, host).user
    assert merged("/p/settings-store.json", "json", wanted, found, add=True).after == after


def test_admin_settings_keep_what_an_administrator_wrote():
    found = b'{"configurationFileVersion": 2, "analyticsEnabled": {"locked": true, "value": false}}\n'
    wanted = docker_desktop_settings.wanted(
        {"admin_settings": {"linuxVM": {"wslEngineEnabled": {"locked": True, "value": True}}}}, WINDOWS
    ).admin
    done = merged("/p/admin-settings.json", "json", wanted, found)
    assert json.loads(done.after) == {
        **json.loads(found),
        "linuxVM": {"wslEngineEnabled": {"locked": True, "value": True}},
    }
    made = merged("/p/admin-settings.json", "json", wanted, None).after
    assert not made.startswith(b"\xef\xbb\xbf")  # Docker's page: UTF-8 without a byte order mark
    assert json.loads(made)["configurationFileVersion"] == 2
