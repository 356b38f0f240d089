"""The action plugin around the plan: Ansible's values in, a registered result out."""

from __future__ import annotations

import json
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from ansible.template import Templar

from ansible_collections.gpu_fleet.containers.plugins.action import fleet_plan

from ..plugin_utils._fleet.examples import cpu_facts

GROUP = "services: {web: {image: 'redis:7', ports: ['80:80']}}\n"


@pytest.fixture
def task_vars(tmp_path):
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups" / "core.yml").write_text(GROUP)
    (tmp_path / "groups" / "more.yml").write_text(GROUP.replace("80:80", "81:80"))
    common = {"inventory_dir": str(tmp_path), "gpu_fleet_facts": cpu_facts()}
    return {
        "hostvars": {
            "mainpc": {**common, "container_groups": ["core", "more"], "container_link_address": "10.0.0.1"},
            "pc2": {**common, "container_groups": ["core"], "container_link_address": "10.0.0.2"},
        },
        "groups": {"all": ["mainpc", "pc2"]},
        "ansible_play_hosts_all": ["mainpc", "pc2"],
        "ansible_play_hosts": ["mainpc", "pc2"],
    }


def run(task_vars, monkeypatch, check_mode=False, **arguments):
    shown = []
    monkeypatch.setattr(fleet_plan, "display", SimpleNamespace(display=shown.append))
    task = MagicMock(args=arguments, async_val=0, check_mode=check_mode, diff=False, action="fleet_plan")
    action = fleet_plan.ActionModule(
        task=task,
        connection=MagicMock(),
        play_context=MagicMock(check_mode=check_mode),
        loader=MagicMock(),
        templar=Templar(variables={}),
        shared_loader_obj=None,
    )
    return action.run(task_vars=task_vars), shown


@pytest.mark.parametrize("check_mode", [False, True])
def test_it_plans_prints_once_and_changes_nothing(task_vars, monkeypatch, check_mode):
    result, shown = run(task_vars, monkeypatch, check_mode)
    assert not result.get("failed"), result
    assert result["changed"] is False
    assert list(result["hosts"]) == ["mainpc", "pc2"]
    assert shown == [result["text"]]
    json.dumps(result)


def test_it_can_be_silent(task_vars, monkeypatch):
    _result, shown = run(task_vars, monkeypatch, show=False)
    assert shown == []


def test_it_runs_once_a_play():
    assert fleet_plan.ActionModule.BYPASS_HOST_LOOP


def test_an_error_is_a_failed_result(task_vars, monkeypatch):
    task_vars["hostvars"]["pc2"]["container_groups"] = ["cor"]
    task_vars["hostvars"]["mainpc"]["container_engine"] = "dcoker"
    result, shown = run(task_vars, monkeypatch)
    assert result["failed"]
    assert "2 errors; nothing was changed:" in result["msg"]
    assert "1. mainpc: container_engine: unknown engine 'dcoker'. Did you mean «docker»?" in result["msg"]
    assert "2. pc2: container_groups: no file for group «cor»" in result["msg"]
    assert shown == []


def test_facts_kept_of_a_host_that_failed_do_not_count(task_vars, monkeypatch):
    task_vars["ansible_play_hosts"] = ["mainpc"]
    result, _shown = run(task_vars, monkeypatch)
    assert result["msg"].startswith("pc2: this host is inside the limit but gave no facts")


def test_facts_under_another_name(task_vars, monkeypatch):
    for values in task_vars["hostvars"].values():
        values["looked"] = values.pop("gpu_fleet_facts")
    assert "gave no facts" in run(task_vars, monkeypatch)[0]["msg"]
    assert "hosts" in run(task_vars, monkeypatch, facts="looked")[0]


def test_hosts_outside_the_limit_need_no_facts(task_vars, monkeypatch):
    task_vars["ansible_play_hosts_all"] = task_vars["ansible_play_hosts"] = ["mainpc"]
    del task_vars["hostvars"]["pc2"]["gpu_fleet_facts"]
    assert list(run(task_vars, monkeypatch)[0]["hosts"]) == ["mainpc"]


def test_the_option_wins_over_the_variable(task_vars, monkeypatch):
    task_vars["container_group"] = "core"
    assert run(task_vars, monkeypatch)[0]["rounds"] == [{"mainpc": ["core"], "pc2": ["core"]}]
    assert run(task_vars, monkeypatch, container_group=["more"])[0]["rounds"] == [{"mainpc": ["more"]}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, []), ("", []), ("core", ["core"]), ("core, more", ["core", "more"]), (["core", "more"], ["core", "more"])],
)
def test_names(value, expected):
    assert fleet_plan.names(value) == expected
