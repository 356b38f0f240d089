"""wsl_info and docker_desktop_info as Ansible calls them, on made-up trees."""

from __future__ import annotations

import os

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.modules import docker_desktop_info, wsl_info

from ..module_utils._desktop.machine import BOOT, WSL, build
from .calling import call


@pytest.fixture
def warned(monkeypatch) -> list[str]:
    """What the module warns of; where it would be shown depends on what else of Ansible is loaded."""
    texts: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: texts.append(text))
    return texts


def test_wsl_info_names_paths_in_the_tree_and_warns(tmp_path, warned):
    build(tmp_path, {**WSL, "etc/wsl.conf": ""})
    os.utime(tmp_path / "etc/wsl.conf", (BOOT + 60, BOOT + 60))
    result = call(wsl_info, root=str(tmp_path))
    assert result["wsl2"] and not result["changed"]
    assert result["wsl_conf"] == str(tmp_path / "etc/wsl.conf")
    assert result["wslconfig"] == str(tmp_path / "mnt/c/Users/ann/.wslconfig")
    assert result["drives"] == {"c": str(tmp_path / "mnt/c")}
    assert result["started"] == {"machine": BOOT, "distribution": BOOT + 2}
    (restart,) = result["restarts"]
    assert warned == [restart["message"]]
    edited = [result["wsl_conf"], result["wslconfig"]]
    assert len(call(wsl_info, root=str(tmp_path), edited=edited)["restarts"]) == 2


def test_wsl_info_elsewhere_is_empty(tmp_path):
    build(tmp_path, {"proc/sys/kernel/osrelease": "6.8.0-49-generic\n"})
    result = call(wsl_info, root=str(tmp_path))
    assert not result["wsl2"] and result["platform"] == "linux"
    assert not any(result[name] for name in ("wsl_conf", "wslconfig", "drives", "restarts"))


def test_wsl_info_refuses_a_profile_that_is_not_there(tmp_path):
    build(tmp_path, WSL)
    result = call(wsl_info, root=str(tmp_path), windows_profile="C:\\Users\\eve")
    assert result["rc"] == 1 and "windows_profile" in result["msg"]


def test_docker_desktop_info(tmp_path, warned):
    build(tmp_path, WSL)
    result = call(docker_desktop_info, root=str(tmp_path), waiting=["Cpus"])
    assert result["found"] and result["state"] == "unknown"
    assert result["settings"] == str(tmp_path / "mnt/c/Users/ann/AppData/Roaming/Docker/settings-store.json")
    assert result["admin"] == str(tmp_path / "mnt/c/ProgramData/DockerDesktop/admin-settings.json")
    (message,) = result["messages"]
    assert message.startswith(f"{result['settings']} was left as it is (Cpus)")
    assert warned == [message]
    result = call(docker_desktop_info, root=str(tmp_path), waiting=["Cpus"], stopped=True)
    assert result["state"] == "stopped" and not result["messages"]


def test_docker_desktop_info_says_why_nothing_was_found(tmp_path):
    build(tmp_path, {"proc/sys/kernel/osrelease": "6.8.0-49-generic\n"})
    result = call(docker_desktop_info, root=str(tmp_path))
    assert not result["found"] and "never started here" in result["reason"] and result["settings"] == ""
