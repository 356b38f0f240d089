"""Controller side of container_groups: what is handed to the module, and what becomes of its answer."""

from __future__ import annotations

import os
import tarfile
from unittest.mock import MagicMock

import pytest
from ansible.template import Templar, trust_as_template

from ansible_collections.gpu_fleet.containers.plugins.action import container_groups
from ansible_collections.gpu_fleet.containers.plugins.action.container_groups import show_event
from ansible_collections.gpu_fleet.containers.plugins.modules.container_groups import _ARGUMENTS

SHA = "a" * 64


API = {"name": "api", "config": {"secrets": [{"source": "core/token", "target": "/run/secrets/token"}]}}


def plan(**changes):
    return {
        "engine": "podman",
        "engine_url": "",
        "groups": [
            {"name": "core", "project": "core", "timeout": 5.0, "services": [API]},
            {"name": "audio", "project": "audio"},
        ],
        "images": {},
        "files": {SHA: {"content": "level: info\n", "mode": "0644"}},
        "secrets": {"core/token": {"variable": "TOKEN"}},
        "selected": ["core"],
        "gpu": {},
        "adopt": True,
        "state_dir": "/srv/fleet",
        "needs_hosts": {"audio": ["pc2"]},
        **changes,
    }


@pytest.fixture
def call(monkeypatch, tmp_path):
    """The action with its two ways to a host replaced; returns the result and every call that went out."""

    def run(check_mode=False, task_vars=None, answers=None, **arguments):
        sent = []
        task = MagicMock(args=arguments, async_val=0, check_mode=check_mode, diff=False, action="container_groups")
        connection = MagicMock()
        connection._shell.join_path = lambda *parts: "/".join(parts)
        action = container_groups.ActionModule(
            task=task,
            connection=connection,
            play_context=MagicMock(check_mode=check_mode),
            loader=MagicMock(),
            templar=Templar(variables={"vaulted": "s3cret-value"}),
            shared_loader_obj=None,
        )

        def execute(module_name, module_args, task_vars):
            sent.append(("asked" if task.check_mode else "executed", module_name, module_args))
            return (answers or {}).get("asked", {"missing_files": [], "changed": False})

        def watch(_action, module, module_args, task_vars, timeout, show):
            sent.append(("watched", module, module_args, timeout))
            return (answers or {}).get("watched", {"changed": True, "groups": {"core": {"status": "changed"}}})

        def transfer(local, remote):
            with tarfile.open(local) as tar:
                sent.append(("transferred", remote, tar.getnames()))
            sent.append(("local", local))

        monkeypatch.setattr(action, "_execute_module", execute)
        monkeypatch.setattr(action, "_transfer_file", transfer)
        monkeypatch.setattr(action, "_fixup_perms2", lambda paths, execute: sent.append(("readable", paths)))
        monkeypatch.setattr(action, "_make_tmp_path", lambda: str(tmp_path))
        monkeypatch.setattr(action, "_remove_tmp_path", lambda path, force=False: sent.append(("removed", path)))
        monkeypatch.setattr(container_groups, "run_with_events", watch)
        variables = {
            "inventory_hostname": "mainpc",
            "container_secrets": {"TOKEN": trust_as_template("{{ vaulted }}")},
            "ansible_play_hosts_all": ["mainpc", "pc2"],
            "ansible_play_hosts": ["mainpc", "pc2"],
            **(task_vars or {}),
        }
        return action.run(task_vars=variables), sent

    return run


def test_check_mode_is_one_call_with_what_the_plan_says(call):
    result, sent = call(check_mode=True, plan=plan(), only=["core"], prune=True)
    ((kind, module, arguments),) = sent
    assert (kind, module) == ("asked", "gpu_fleet.containers.container_groups")
    assert arguments == {
        "host": "mainpc",
        "engine": "podman",
        "engine_url": "",
        "groups": plan()["groups"],
        "images": {},
        "adopt": True,
        "state_dir": "/srv/fleet",
        "only": ["core"],
        "prune": True,
        "secrets": {"core/token": "s3cret-value"},
    }
    assert result["missing_files"] == [] and not result.get("failed")


def test_without_only_every_group_of_the_plan(call):
    _result, sent = call(check_mode=True, plan=plan())
    assert sent[0][2]["only"] == ["core", "audio"]


def test_asked_before_it_is_not_asked_again(call):
    result, sent = call(plan=plan(), only=["core"], asked={"missing_files": []})
    assert [entry[0] for entry in sent] == ["watched"], "nothing to send, so no directory for it"
    assert result["changed"] and "files_archive" not in sent[0][2]
    # Twice the groups' own time, and some for stopping and going back; audio has the default of 120 s.
    assert sent[0][3] == 120 + 2 * (5 + 120)


def test_by_hand_it_asks_first_and_sends_what_is_missing(call):
    answers = {"asked": {"missing_files": [SHA]}}
    _result, sent = call(plan=plan(), only=["core"], answers=answers)
    assert [entry[0] for entry in sent] == ["asked", "transferred", "local", "readable", "watched", "removed"]
    assert sent[1][2] == [SHA] and sent[4][2]["files_archive"] == sent[1][1]
    assert sent[3][1] == [sent[5][1], sent[1][1]], "by the user that the module runs as, too"
    assert not os.path.exists(sent[2][1]), "the archive does not stay on the controller"


def test_a_question_that_fails_is_the_answer(call):
    answers = {"asked": {"failed": True, "msg": "port taken"}}
    result, sent = call(plan=plan(), answers=answers)
    assert result["msg"] == "port taken" and [entry[0] for entry in sent] == ["asked"]


def test_a_missing_secret_fails_before_anything_goes_out(call):
    result, sent = call(plan=plan(), task_vars={"container_secrets": {}})
    assert result["failed"] and sent == []
    assert result["msg"] == "core/token: no value for the secret TOKEN. Put it into container_secrets."


def test_without_a_plan_the_arguments_are_the_modules_own(call):
    _result, sent = call(groups=[{"name": "core", "timeout": 1.0}], host="other")
    assert sent[0][2] == {"groups": [{"name": "core", "timeout": 1.0}], "host": "other"}


LOST = {"ansible_play_hosts": ["mainpc"]}


def test_a_host_that_failed_blocks_what_needs_it_and_nothing_else(call):
    result, sent = call(plan=plan(), only=["core", "audio"], asked={"missing_files": []}, task_vars=LOST)
    assert sent[0][2]["only"] == ["core"]
    assert result["failed"] and result["changed"]
    assert result["groups"]["core"]["status"] == "changed" and result["groups"]["audio"]["status"] == "blocked"
    assert result["msg"] == (
        "audio: blocked: it needs a group on pc2, which failed in this run. Mend that host, then deploy again."
    )


def test_both_failures_are_told(call):
    answers = {"watched": {"failed": True, "msg": "core: failed: crash", "changed": True, "groups": {}}}
    result, _sent = call(plan=plan(), asked={"missing_files": []}, task_vars=LOST, answers=answers)
    assert result["msg"].splitlines()[0] == "core: failed: crash" and "audio: blocked" in result["msg"]


def test_a_failed_host_that_nobody_needs_blocks_nothing(call):
    result, sent = call(plan=plan(), only=["core"], asked={"missing_files": []}, task_vars=LOST)
    assert not result.get("failed") and sent[0][2]["only"] == ["core"]


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (("create", "core", "twin", "new"), "mainpc    1.2 s  core/twin: creating (new)"),
        (("start", "core", "twin", ""), "mainpc    1.2 s  core/twin: starting"),
        (
            ("waiting", "core", "twin", "for router (healthy)"),
            "mainpc    1.2 s  core/twin: waiting for router (healthy)",
        ),
        (("healthy", "core", "twin", ""), "mainpc    1.2 s  core/twin: healthy"),
        (("waiting", "", "", "for another run on this host"), "mainpc    1.2 s  waiting for another run on this host"),
        (("gpu", "core", "twin", "RTX seen"), "mainpc    1.2 s  core/twin: gpu: RTX seen"),
        (("failed", "core", "twin", "it ended"), "mainpc    1.2 s  core/twin: failed: it ended"),
        (("stopped", "core", "", "on podman"), "mainpc    1.2 s  core: stopped on podman"),
        (("recreate", "core", "", "x"), "mainpc    1.2 s  core: making anew (x)"),
    ],
)
def test_events_as_lines(event, text):
    names = dict(zip(("event", "group", "service", "text"), event, strict=True))
    assert show_event("mainpc", {**names, "seconds": 1.21}) == text


def test_events_of_several_hosts_stand_in_columns():
    event = {"event": "healthy", "group": "core", "service": "", "text": "", "seconds": 0.3}
    assert show_event("pc2", event, 6) == "pc2       0.3 s  core: healthy"


def test_what_it_takes_from_the_plan_are_options_of_the_module():
    assert set(container_groups._FROM_PLAN) <= set(_ARGUMENTS)
