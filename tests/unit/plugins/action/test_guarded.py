"""gpu_facts, container_groups_info and leftovers look at how Ansible would connect before it does."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest

from ansible_collections.gpu_fleet.containers.plugins.action import container_groups_info, gpu_facts, leftovers


@pytest.mark.parametrize("plugin", [gpu_facts, container_groups_info, leftovers])
@pytest.mark.parametrize(
    ("transport", "url", "runs"),
    [
        ("local", "ssh://winbox", True),
        ("ssh", "ssh://winbox", False),
        ("ssh", "", True),
        ("ansible.builtin.ssh", "tcp://a:1", False),
    ],
)
def test_a_host_of_which_only_the_engine_is_reached(monkeypatch, plugin, transport, url, runs):
    task = MagicMock(args={"engine_url": url}, async_val=0, check_mode=False, action="x")
    action = plugin.ActionModule(
        task=task,
        connection=MagicMock(transport=transport),
        play_context=MagicMock(check_mode=False),
        loader=MagicMock(),
        templar=MagicMock(),
        shared_loader_obj=None,
    )
    asked = []
    monkeypatch.setattr(
        action, "_execute_module", lambda **arguments: asked.append(arguments["module_name"]) or {"ran": 1}
    )
    result = action.run(task_vars={"inventory_hostname": "winbox"})
    name = plugin.__name__.rpartition(".")[2]
    assert asked == ([f"gpu_fleet.containers.{name}"] if runs else [])
    assert bool(asked) is runs is not result.get("failed", False)
    assert runs or result["msg"].startswith("winbox: ansible_connection: its engine is reached at")
