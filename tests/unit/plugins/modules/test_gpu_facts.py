"""gpu_facts as Ansible calls it: arguments in, JSON out."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import types

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.modules import gpu_facts

ROOT = pathlib.Path(__file__).resolve().parents[4]
HOSTS = ROOT / "tests" / "fixtures" / "hosts"


def call(tmp_path, **arguments):
    """Run the module in a process of its own, as a target does."""
    check = arguments.pop("check", False)
    (tmp_path / "arguments").write_text(
        json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check}})
    )
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import tests.conftest;"
        "from ansible.module_utils import basic;"
        "basic._ANSIBLE_ARGS = open(sys.argv[2], 'rb').read(); basic._ANSIBLE_PROFILE = 'legacy';"
        "from ansible_collections.gpu_fleet.containers.plugins.modules import gpu_facts; gpu_facts.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), str(tmp_path / "arguments")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return json.loads(done.stdout), done.returncode


def test_replay(tmp_path):
    result, rc = call(tmp_path, replay=str(HOSTS / "wsl2-mainpc-toolkit.json"))
    assert rc == 0
    assert result["changed"] is False
    gpu = result["gpu"]
    assert (gpu["platform"], gpu["stack"]) == ("wsl2", "nvidia-wsl")
    assert gpu["access"]["podman"]["nvidia-wsl"]["gpu"]["cdi_devices"] == ["nvidia.com/gpu=all"]
    assert gpu["engines"]["podman"]["version"] == "4.9.3"


def test_this_host_without_engines(tmp_path):
    result, rc = call(tmp_path, engines=[])
    assert rc == 0
    assert result["gpu"]["engines"] == {} == result["gpu"]["access"]
    assert result["gpu"]["stacks"][-1]["name"] == "cpu"


def test_record_writes_a_snapshot_but_not_in_check_mode(tmp_path):
    target = tmp_path / "host.json"
    call(tmp_path, engines=[], record=str(target), check=True)
    assert not target.exists()
    recorded, _rc = call(tmp_path, engines=[], record=str(target))
    replayed, _rc = call(tmp_path, engines=[], replay=str(target))
    assert replayed["gpu"] == recorded["gpu"]
    assert json.loads(target.read_text())["snapshot"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"replay": "/nowhere/x.json"}, "/nowhere/x.json: the snapshot cannot be read"),
        ({"record": "/nowhere/x.json", "engines": []}, "/nowhere/x.json: the snapshot cannot be written"),
        ({"record": "/dev/null", "engines": []}, "/dev/null: cannot be written: it is there and is not"),
        ({"record": "/tmp", "engines": []}, "/tmp: cannot be written: it is there and is not"),
        ({"record": "/a", "replay": "/b"}, "mutually exclusive"),
        ({"engines": ["lxd"]}, "lxd"),
    ],
)
def test_errors(tmp_path, arguments, words):
    result, rc = call(tmp_path, **arguments)
    assert rc == 1
    assert words in result["msg"]


@pytest.mark.parametrize(
    ("more", "thorough"), [({}, False), ({"thorough": True}, True), ({"record": "/nowhere/host.json"}, True)]
)
def test_a_snapshot_for_a_bug_report_holds_second_opinions(monkeypatch, more, thorough):
    asked = []

    class Reader(gpu_facts.HostReader):
        def __init__(self, thorough=False):
            asked.append(thorough)
            super().__init__(thorough=thorough)

    monkeypatch.setattr(gpu_facts, "HostReader", Reader)
    arguments = {
        "engines": [],
        "engine_url": "",
        "engine_tls": None,
        "thorough": False,
        "record": None,
        "replay": None,
        **more,
    }
    gpu_facts.run(types.SimpleNamespace(params=arguments, check_mode=True))
    assert asked == [thorough]


def test_documentation_and_arguments_agree():
    documented = yaml.safe_load(gpu_facts.DOCUMENTATION)["options"]
    shown = {
        name: {key: value for key, value in option.items() if key != "description"}
        for name, option in documented.items()
    }
    # engine_tls is a fragment's, which a test of its own compares (test_run.py).
    assert shown == {name: option for name, option in gpu_facts.ARGUMENTS.items() if name != "engine_tls"}
    assert yaml.safe_load(gpu_facts.EXAMPLES)
    assert set(yaml.safe_load(gpu_facts.RETURN)["gpu"]["contains"]) == {
        "platform",
        "architecture",
        "stack",
        "stacks",
        "devices",
        "engines",
        "access",
        "findings",
        "npus",
        "displays",
        "cdi",
        "reported",
    }
