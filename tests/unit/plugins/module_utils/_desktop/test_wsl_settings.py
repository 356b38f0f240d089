"""The wsl role's variables as keys of wsl.conf and .wslconfig."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.wsl_settings import wanted
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError

KEPT = {"general": {"instanceIdleTimeout": "-1"}, "wsl2": {"vmIdleTimeout": "-1"}}


@pytest.mark.parametrize(
    ("variables", "wsl_conf", "wslconfig"),
    [
        ({}, {}, {}),
        ({"systemd": "", "keep_alive": None, "memory": "", "processors": 0, "swap": "", "settings": {}}, {}, {}),
        ({"systemd": True}, {"boot": {"systemd": True}}, {}),
        ({"systemd": "no"}, {"boot": {"systemd": False}}, {}),
        ({"default_user": "ann"}, {"user": {"default": "ann"}}, {}),
        ({"keep_alive": True}, {}, KEPT),
        ({"keep_alive": False}, {}, {}),
        ({"systemd": "auto", "keep_alive": "auto"}, {"boot": {"systemd": True}}, KEPT),
        (
            {"networking_mode": "Mirrored", "memory": "16 GB", "processors": 8, "swap": "0"},
            {},
            {"wsl2": {"networkingMode": "mirrored", "memory": "16GB", "processors": "8", "swap": "0"}},
        ),
        # A key of one's own wins, in whatever case; names keep the case that is there.
        (
            {
                "memory": "8GB",
                "settings": {"WSL2": {"MEMORY": "4GB", "dnsTunneling": True}, "experimental": {"sparseVhd": False}},
            },
            {},
            {"wsl2": {"memory": "4GB", "dnsTunneling": True}, "experimental": {"sparseVhd": False}},
        ),
    ],
)
def test_variables_become_keys(variables, wsl_conf, wslconfig):
    made = wanted(variables)
    assert (made.wsl_conf, made.wslconfig) == (wsl_conf, wslconfig)


@pytest.mark.parametrize(
    ("variables", "wsl_conf", "wslconfig"),
    [
        ({"systemd": True, "keep_alive": True}, [], []),
        ({"systemd": "auto"}, ["boot.systemd"], []),
        ({"keep_alive": "auto"}, [], ["general.instanceIdleTimeout", "wsl2.vmIdleTimeout"]),
        # What the inventory says itself does not yield.
        ({"systemd": "auto", "conf_settings": {"BOOT": {"Systemd": False}}}, [], []),
        ({"keep_alive": "auto", "settings": {"wsl2": {"vmidletimeout": 1}}}, [], ["general.instanceIdleTimeout"]),
    ],
)
def test_what_is_auto_yields_to_the_file(variables, wsl_conf, wslconfig):
    made = wanted(variables)
    assert (made.wsl_conf_unless_set, made.wslconfig_unless_set) == (wsl_conf, wslconfig)


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"systemd": "maybe"}, "wsl_systemd"),
        ({"networking_mode": "bridge"}, "wsl_networking_mode"),
        ({"memory": "lots"}, "wsl_memory"),
        ({"memory": "8GiB"}, "wsl_memory"),
        ({"swap": -1}, "wsl_swap"),
        ({"processors": "many"}, "wsl_processors"),
        ({"processors": -2}, "wsl_processors"),
        ({"settings": ["a"]}, "wsl_settings"),
        ({"settings": {"wsl2": "a"}}, "wsl_settings"),
        ({"conf_settings": "systemd"}, "wsl_conf_settings"),
    ],
)
def test_mistakes_name_their_variable(variables, path):
    with pytest.raises(FleetError) as caught:
        wanted(variables)
    assert caught.value.path == path


def test_all_mistakes_are_told_at_once():
    with pytest.raises(FleetError) as caught:
        wanted({"memory": "lots", "networking_mode": "x"})
    assert "wsl_memory" in str(caught.value) and "wsl_networking_mode" in str(caught.value)
