"""A module that works in the background, its events as they come, and its result, on a local shell."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleError

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils import _events
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._events import remote_folder, run_with_events


class Action:
    """As much of ActionBase as is used; commands run in a real shell, modules are a function of the test."""

    def __init__(self, folder, module):
        self.folder, self.module = folder, module
        shell = SimpleNamespace(tmpdir="kept", join_path=lambda *parts: "/".join(parts))
        self._connection = SimpleNamespace(_shell=shell)
        self._task = SimpleNamespace(async_val=0)
        self.removed, self.async_seen, self.executed, self.commands = [], [], [], []
        self.terminal = False

    def _make_tmp_path(self):
        path = self.folder / "remote"
        path.mkdir()
        self._connection._shell.tmpdir = str(path)
        return str(path)

    def _remove_tmp_path(self, path, force=False):
        self.removed.append((path, force))

    def _execute_module(self, module_name, module_args, task_vars, wrap_async=False):
        self.executed.append((module_name, module_args))
        if wrap_async:
            self.async_seen.append(self._task.async_val)
            return self.module(module_args)
        return json.loads((self.folder / "results" / module_args["jid"]).read_text())

    def _low_level_execute_command(self, command, sudoable):
        assert sudoable
        self.commands.append(command)
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        stdout = done.stdout.replace("\n", "\r\n") if self.terminal else done.stdout
        return {"stdout": stdout, "rc": done.returncode}


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(_events, "_LOOK_EVERY", 0.01)
    (tmp_path / "results").mkdir()
    return tmp_path


def works(host, *steps, result=None):
    """A module whose steps are appended to its events file a little apart, before it ends with `result`."""
    results = host / "results" / "j1"
    started = {"started": 1, "finished": 0, "ansible_job_id": "j1", "results_file": str(results)}

    def module(arguments):
        results.write_text(json.dumps(started))

        def work():
            for step in steps:
                with open(arguments["events"], "a", encoding="utf-8") as file:
                    file.write(step)
                time.sleep(0.03)
            if result is not None:
                results.write_text(json.dumps({"finished": 1, "stdout": "", "ansible_job_id": "j1", **result}))

        thread = threading.Thread(target=work)
        thread.start()
        return started

    return module


def go(host, module, timeout=10.0, terminal=False):
    seen, action = [], Action(host, module)
    action.terminal = terminal
    result = run_with_events(action, "the.module", {"host": "mainpc"}, {}, timeout, seen.append)
    return result, seen, action


def line(text):
    return json.dumps({"event": text}) + "\n"


def test_events_come_once_in_order_and_whole(host):
    first, rest = line("zwölf")[:7], line("zwölf")[7:]
    module = works(host, line("one"), first, rest + line("three"), line("four"), result={"changed": True, "x": 1})
    result, seen, action = go(host, module)
    assert [event["event"] for event in seen] == ["one", "zwölf", "three", "four"]
    assert result == {"changed": True, "x": 1}, "without the wrapper's own keys"
    events = pathlib.Path(action.executed[0][1]["events"])
    assert action.executed[0][1] == {"host": "mainpc", "events": str(events)} and not events.parent.exists()
    assert action.executed[1][1] == {"jid": "j1", "mode": "status", "_async_dir": str(host / "results")}
    assert not (host / "results" / "j1").exists(), "secrets may stand in no file that stays"


def test_text_beyond_ascii_does_not_shift_what_is_read_next(host):
    raw = [json.dumps({"event": word}, ensure_ascii=False) + "\n" for word in ("größer", "→ läuft", "end")]
    _result, seen, _action = go(host, works(host, *raw, result={}))
    assert [event["event"] for event in seen] == ["größer", "→ läuft", "end"]


def test_line_ends_of_a_terminal_do_not_shift_what_is_read_next(host):
    """Ansible has ssh give a command a terminal where the task becomes another user."""
    module = works(host, *map(line, ("one", "two", "three", "four")), result={"x": 1})
    result, seen, _action = go(host, module, terminal=True)
    assert [event["event"] for event in seen] == ["one", "two", "three", "four"] and result == {"x": 1}


def test_a_module_without_events(host):
    result, seen, _action = go(host, works(host, result={"changed": False}))
    assert (result, seen) == ({"changed": False}, [])


def test_the_async_limit_holds_for_this_call_only(host):
    _result, _seen, action = go(host, works(host, result={}), timeout=90.0)
    assert action.async_seen == [91] and action._task.async_val == 0
    assert action._connection._shell.tmpdir is None


def test_a_module_that_could_not_be_started_is_the_result(host):
    answer = {"failed": True, "msg": "no python"}
    assert go(host, lambda _arguments: answer)[0] == answer


def test_the_limit_is_given_back_also_when_starting_fails(host):
    def module(_arguments):
        raise AnsibleError("unreachable")

    action = Action(host, module)
    with pytest.raises(AnsibleError):
        run_with_events(action, "m", {}, {}, 5.0, print)
    assert action._task.async_val == 0


def test_the_events_lie_where_only_the_user_of_the_module_writes(host):
    """With `become_user` that is not the user who logs in, to whom Ansible's own directory belongs."""
    seen = []

    def module(arguments):
        found = os.stat(os.path.dirname(arguments["events"]))
        seen.append((found.st_mode & 0o7777, found.st_uid))
        return {"failed": True}

    _result, _events, action = go(host, module)
    assert seen == [(0o700, os.getuid())]
    assert [command.split()[0] for command in action.commands] == ["mktemp", "rm"], "both as that user"


def test_a_host_without_room_for_events_is_named(host, monkeypatch):
    action = Action(host, None)
    said = {"stdout": "", "stderr": "mktemp: No space left on device", "rc": 1}
    monkeypatch.setattr(action, "_low_level_execute_command", lambda _command, sudoable: said)
    with pytest.raises(AnsibleError, match="No space left on device"):
        run_with_events(action, "m", {}, {}, 5.0, print)


def test_it_does_not_wait_for_ever(host):
    begin = time.monotonic()
    with pytest.raises(AnsibleError, match="did not end within 0 s; look at .*/results/j1 on the host"):
        go(host, works(host, line("one")), timeout=0.2)
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("", False),
        ('{"started": 1, "fini', False),
        ('{"started": 1, "finished": 0}', False),
        ('{"started": true, "finished": false}', False),
        ('{"started": 1, "finished": 1}', True),
        ('{"changed": true}', True),
        ('{"failed": true, "msg": "x"}', True),
    ],
)
def test_final(text, final):
    assert _events._is_final(text) is final


def test_the_folder_goes_also_after_a_failure(host):
    action = Action(host, None)
    with pytest.raises(KeyError), remote_folder(action) as folder:
        assert action._connection._shell.tmpdir == "kept", "a module's own folder is not this one"
        raise KeyError
    assert action.removed == [(folder, True)]


def test_a_module_that_was_killed_with_its_wrapper_is_said_soon(host, monkeypatch):
    monkeypatch.setattr(_events, "_GRACE", 0.2)
    dead = subprocess.Popen(["true"])
    dead.wait()

    def module(arguments):
        with open(f"{arguments['events']}.pid", "w", encoding="utf-8") as file:
            file.write(str(dead.pid))
        return works(host, line("one"))(arguments)

    with pytest.raises(AnsibleError, match="was killed on the host"):
        go(host, module, timeout=60.0)


def test_a_module_that_ended_a_moment_ago_gets_its_result(host):
    dead = subprocess.Popen(["true"])
    dead.wait()

    def module(arguments):
        with open(f"{arguments['events']}.pid", "w", encoding="utf-8") as file:
            file.write(str(dead.pid))
        return works(host, line("one"), line("two"), result={"x": 1})(arguments)

    assert go(host, module)[0] == {"x": 1}
