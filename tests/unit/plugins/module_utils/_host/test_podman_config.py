"""Which settings a host needs for Podman: none on an ordinary one, and each for its reason."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.podman_config import (
    HostLimits,
    cgroup_layout,
    may_raise_limits,
    render,
    runtime_for,
    settings_for,
)

ORDINARY = HostLimits(
    cgroups="unified", systemd=True, root=True, may_raise_limits=True, hard_nofile=524288, hard_nproc=127000
)

V1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
V2 = "42 31 0:39 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw\n"
ROOT = "23 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"


@pytest.mark.parametrize(
    ("mountinfo", "layout"),
    [
        (ROOT + V2, "unified"),
        (ROOT + V1 + V2, "hybrid"),
        (ROOT + V1, "legacy"),
        (ROOT, "none"),
        ("", "none"),
    ],
)
def test_cgroup_layout(mountinfo: str, layout: str) -> None:
    assert cgroup_layout(mountinfo) == layout


@pytest.mark.parametrize(
    ("status", "may"),
    [
        ("Name:\tpython3\nCapEff:\t000001ffffffffff\n", True),
        ("Name:\tpython3\nCapEff:\t000001fffeffffff\n", False),
        ("CapEff:\t0000000000000000\n", False),
        ("Name:\tpython3\n", False),
    ],
)
def test_may_raise_limits(status: str, may: bool) -> None:
    assert may_raise_limits(status) is may


@pytest.mark.parametrize(
    ("host", "lines"),
    [
        pytest.param(ORDINARY, [], id="an ordinary host needs nothing"),
        pytest.param(
            replace(ORDINARY, may_raise_limits=False, hard_nofile=20000, hard_nproc=96551),
            ['default_ulimits = ["nofile=16384:16384", "nproc=65536:65536"]'],
            id="limits that nothing may raise",
        ),
        pytest.param(
            replace(ORDINARY, may_raise_limits=False, hard_nofile=20000, hard_nproc=-1),
            ['default_ulimits = ["nofile=16384:16384", "nproc=1048576:1048576"]'],
            id="one of them unlimited",
        ),
        pytest.param(
            replace(ORDINARY, may_raise_limits=False, hard_nofile=1048576, hard_nproc=-1), [], id="limits high enough"
        ),
        pytest.param(
            replace(ORDINARY, root=False, may_raise_limits=False, hard_nofile=1024),
            [],
            id="rootless takes the user's limits",
        ),
        pytest.param(
            replace(ORDINARY, cgroups="hybrid"),
            ['runtime = "runc"', 'env = ["PODMAN_IGNORE_CGROUPSV1_WARNING=1"]', 'cgroup_manager = "cgroupfs"'],
            id="hybrid cgroups",
        ),
        pytest.param(
            replace(ORDINARY, cgroups="legacy"), ['env = ["PODMAN_IGNORE_CGROUPSV1_WARNING=1"]'], id="cgroups v1"
        ),
        pytest.param(
            replace(ORDINARY, systemd=False),
            ['cgroup_manager = "cgroupfs"', 'events_logger = "file"'],
            id="no systemd",
        ),
    ],
)
def test_settings(host: HostLimits, lines: list[str]) -> None:
    assert [setting.line for setting in settings_for(host)] == lines


@pytest.mark.parametrize(("cgroups", "runtime"), [("unified", "crun"), ("legacy", "crun"), ("hybrid", "runc")])
def test_runtime(cgroups: str, runtime: str) -> None:
    assert runtime_for(replace(ORDINARY, cgroups=cgroups)) == runtime


def test_nothing_needed_is_no_file() -> None:
    assert render([]) == ""


@given(
    st.builds(
        HostLimits,
        cgroups=st.sampled_from(["unified", "hybrid", "legacy", "none"]),
        systemd=st.booleans(),
        root=st.booleans(),
        may_raise_limits=st.booleans(),
        hard_nofile=st.integers(min_value=-1, max_value=2**31),
        hard_nproc=st.integers(min_value=-1, max_value=2**31),
    )
)
def test_the_file_is_toml_with_each_setting_in_its_table(host: HostLimits) -> None:
    settings = settings_for(host)
    parsed = tomllib.loads(render(settings))
    assert sorted((table, key) for table, keys in parsed.items() for key in keys) == sorted(
        (setting.table, setting.line.split(" = ")[0]) for setting in settings
    )
    for limit in parsed.get("containers", {}).get("default_ulimits", []):
        name, count = limit.split("=")
        hard = host.hard_nofile if name == "nofile" else host.hard_nproc
        assert hard < 0 or int(count.split(":")[1]) <= hard
