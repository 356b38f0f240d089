# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the toolkit's role has to do, by what is on the host."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.nvidia_toolkit import (
    ALL,
    BASE,
    ENVIRONMENT,
    Work,
    plan,
    version_of,
)

SYSTEMD = {"/run/systemd/system": ["x"]}
UNIT = {"/usr/lib/systemd/system/nvidia-cdi-refresh.path": "[Path]\n"}
WRITTEN = {**UNIT, "/var/run/cdi/nvidia.yaml": "cdiVersion: 0.5.0\n"}
HOOK = "/usr/share/containers/oci/hooks.d/oci-nvidia-hook.json"


def says(toolkit: str = "", docker: str = "", podman: str = "") -> dict[str, t.Any]:
    answers = {
        "nvidia-ctk --version": toolkit and f"NVIDIA Container Toolkit CLI version {toolkit}\n",
        "dockerd --version": docker and f"Docker version {docker}, build 1a2b3c4\n",
        "podman --version": podman and f"podman version {podman}\n",
    }
    return {words: {"rc": 0, "stdout": text, "stderr": ""} for words, text in answers.items() if text}


def work(
    toolkit: str = "1.20.0",
    platform: str = "linux",
    version: str = "1.20.0-1",
    names: t.Sequence[str] = (BASE,),
    downgrade: bool = False,
    files: dict[str, str] | None = None,
    directories: dict[str, list[str]] | None = None,
    engines: dict[str, str] | None = None,
) -> Work:
    reader = ReplayReader(
        {
            "snapshot": 1,
            "files": WRITTEN if files is None else files,
            "directories": SYSTEMD if directories is None else directories,
            "commands": says(toolkit, **(engines or {})),
        }
    )
    return plan(reader, platform, names, version, downgrade, True)


@pytest.mark.parametrize(
    ("toolkit", "version", "downgrade", "packages"),
    [
        ("", "1.20.0-1", False, (f"{BASE}=1.20.0-1",)),
        ("1.17.8", "1.20.0-1", False, (f"{BASE}=1.20.0-1",)),
        ("1.20.0", "1.20.0-1", False, (f"{BASE}=1.20.0-1",)),
        ("1.21.0", "1.20.0-1", False, ()),
        ("1.21.0", "1.20.0-1", True, (f"{BASE}=1.20.0-1",)),
        ("1.9.0", "1.20.0~rc.1-1", False, (f"{BASE}=1.20.0~rc.1-1",)),
        ("", "", False, (BASE,)),
        ("1.17.8", "", False, (BASE,)),
    ],
)
def test_packages(toolkit: str, version: str, downgrade: bool, packages: tuple[str, ...]) -> None:
    assert work(toolkit, version=version, downgrade=downgrade).packages == packages


def test_all_packages_have_one_version() -> None:
    assert work("", names=ALL).packages == tuple(f"{name}=1.20.0-1" for name in ALL)


@pytest.mark.parametrize(
    ("platform", "version", "names", "words"),
    [
        ("linux", "1.11.0-1", (BASE,), "cannot describe GPUs for CDI, which came with 1.12.0"),
        ("wsl2", "1.12.1-1", (BASE,), "for CDI under WSL2, which came with 1.13.0"),
        ("jetson", "1.20.0-1", (BASE,), "JetPack"),
        ("wsl1", "1.20.0-1", (BASE,), "no NVIDIA toolkit for wsl1"),
        ("macos", "1.20.0-1", (BASE,), "no NVIDIA toolkit for macos"),
        ("linux", "latest", (BASE,), "'latest' is no version"),
        ("linux", "1.20", (BASE,), "'1.20' is no version"),
        ("linux", "1.20.0-1", ("libnvidia-container1",), f"without {BASE}"),
    ],
)
def test_refused(platform: str, version: str, names: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError) as caught:
        work("", platform=platform, version=version, names=names)
    assert words in caught.value.message
    assert caught.value.mend


@pytest.mark.parametrize(
    ("platform", "toolkit", "directories", "files", "use", "reason"),
    [
        ("linux", "1.18.0", SYSTEMD, WRITTEN, True, "nvidia-cdi-refresh is there"),
        ("linux", "1.17.8", SYSTEMD, WRITTEN, False, "works from 1.18.0 on, this is 1.17.8"),
        ("wsl2", "1.19.0", SYSTEMD, WRITTEN, False, "works under WSL2 from 1.19.1 on, this is 1.19.0"),
        ("wsl2", "1.19.1", SYSTEMD, WRITTEN, True, "nvidia-cdi-refresh is there"),
        ("container", "1.20.0", SYSTEMD, WRITTEN, True, "nvidia-cdi-refresh is there"),
        ("linux", "1.20.0", {}, UNIT, False, "systemd does not run"),
        ("linux", "1.20.0", SYSTEMD, {}, False, "there is no /usr/lib/systemd/system/nvidia-cdi"),
    ],
)
def test_refresh(
    platform: str, toolkit: str, directories: dict[str, list[str]], files: dict[str, str], use: bool, reason: str
) -> None:
    found = work(toolkit, platform, version=f"{toolkit}-1", directories=directories, files=files)
    assert found.refresh.use is use
    assert reason in found.refresh.reason
    assert bool(found.warnings) is not use


def test_what_is_about_to_change_is_no_warning() -> None:
    assert work("1.17.8").warnings == ()
    assert work("").warnings == ()


@pytest.mark.parametrize(
    ("engines", "text", "line"),
    [
        ({"podman": "4.9.3"}, None, "{}=no-additional-gids-for-device-nodes"),
        ({"podman": "5.4.2"}, None, ""),
        ({"podman": "5.4.2", "docker": "25.0.5"}, None, "{}=no-additional-gids-for-device-nodes"),
        ({"podman": "5.4.2", "docker": "26.1.5"}, None, ""),
        # It reads no specs at all, so none is too new for it.
        ({"docker": "20.10.24"}, None, ""),
        ({}, None, ""),
        ({"podman": "4.9.3"}, "{}=no-additional-gids-for-device-nodes\n", ""),
        ({"podman": "4.9.3"}, '{}="other, no-additional-gids-for-device-nodes"\n', ""),
        ({"podman": "4.9.3"}, "# a\n{}=other\nX=1\n", "{}=other,no-additional-gids-for-device-nodes"),
        ({"podman": "4.9.3"}, "{}=\n", "{}=no-additional-gids-for-device-nodes"),
    ],
)
def test_flags_for_old_engines(engines: dict[str, str], text: str | None, line: str) -> None:
    name = "NVIDIA_CTK_CDI_GENERATE_FEATURE_FLAGS"
    files = WRITTEN if text is None else {**WRITTEN, ENVIRONMENT: text.format(name)}
    refresh = work(engines=engines, files=files).refresh
    assert refresh.line == line.format(name)
    assert refresh.renew is bool(line)


def test_the_service_runs_where_its_spec_is_missing() -> None:
    assert work(files=UNIT).refresh.renew is True


@pytest.mark.parametrize(
    ("toolkit", "files", "aside"),
    [
        ("1.20.0", WRITTEN, ()),
        ("1.20.0", {**WRITTEN, "/etc/cdi/nvidia.yaml": "x"}, ("/etc/cdi/nvidia.yaml",)),
        ("1.20.0", {**WRITTEN, HOOK: "{}", "/etc/cdi/nvidia.json": "{}"}, (HOOK, "/etc/cdi/nvidia.json")),
        # There nothing else describes the GPUs.
        ("1.17.8", {**UNIT, "/etc/cdi/nvidia.yaml": "x", HOOK: "{}"}, (HOOK,)),
    ],
)
def test_what_is_put_aside(toolkit: str, files: dict[str, str], aside: tuple[str, ...]) -> None:
    assert work(toolkit, version=f"{toolkit}-1", files=files).aside == aside


@pytest.mark.parametrize(
    ("docker", "keys"),
    [
        ("", []),
        ("20.10.24", ["runtimes"]),
        ("24.0.7", ["runtimes"]),
        ("25.0.0", ["features", "runtimes"]),
        ("26.1.5+dfsg1", ["features", "runtimes"]),
        ("28.1.1", ["features", "runtimes"]),
        ("28.2.2", ["runtimes"]),
        ("29.2.0", ["runtimes"]),
    ],
)
def test_docker(docker: str, keys: list[str]) -> None:
    found = work(engines={"docker": docker}).docker
    assert sorted(found.settings) == keys
    assert found.reason
    # With CDI no hook is asked.
    assert bool(found.looks_for) is (docker.startswith("2") and int(docker[:2]) < 25)
    if keys:
        assert found.settings["runtimes"] == {"nvidia": {"path": "nvidia-container-runtime", "args": []}}


def test_docker_is_told_nothing_where_it_is_not_wanted() -> None:
    reader = ReplayReader({"snapshot": 1, "commands": says(docker="28.1.1")})
    assert plan(reader, "linux", ALL, "1.20.0-1", False, False).docker.settings == {}


@pytest.mark.parametrize(
    ("text", "version"), [("", None), ("1.20.0-1", (1, 20, 0)), ("1.18.0~rc.3-1", (1, 18, 0)), ("1.9.0", (1, 9, 0))]
)
def test_versions(text: str, version: tuple[int, ...] | None) -> None:
    assert version_of(text) == version
