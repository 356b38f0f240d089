"""settings_file as Ansible calls it: set, change, undo × check mode × second run, and files that are in the way."""

from __future__ import annotations

import codecs
import json
import os
import pathlib
import stat
import subprocess
import sys

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.modules import settings_file

from .calling import call

ROOT = pathlib.Path(__file__).resolve().parents[4]
WSL_CONF = b"# mine\r\n[Boot]\r\nsystemd = false # why\r\n"
CONTAINERS_CONF = b'[engine]\n# all others are defaults\nenv = [\n  "A=1", # theirs\n]\n'
DAEMON_JSON = b'{\n    "log-driver": "local",\n    "insecure-registries": ["10.0.0.9:5000"]\n}'

CASES = [
    (
        "json",
        DAEMON_JSON,
        {"features": {"cdi": True}, "insecure-registries": ["10.0.0.5:5000"]},
        DAEMON_JSON[:-3].replace(b":5000", b':5000", "10.0.0.5:5000')
        + b'],\n    "features": {\n        "cdi": true\n    }\n}',
    ),
    (
        "ini",
        WSL_CONF,
        {"boot": {"systemd": True}, "automount": {"options": "metadata # x"}},
        WSL_CONF.replace(b"false", b"true") + b'\r\n[automount]\r\noptions = "metadata # x"\r\n',
    ),
    (
        "toml",
        CONTAINERS_CONF,
        {"engine": {"env": ["B=2"], "runtime": "crun"}},
        CONTAINERS_CONF.replace(b"theirs\n]", b'theirs\n  "B=2",\n]') + b'runtime = "crun"\n',
    ),
]

ENCODINGS = {
    "utf-8": lambda data: data,
    "with a mark": lambda data: codecs.BOM_UTF8 + data,
    "utf-16": lambda data: codecs.BOM_UTF16_LE + data.decode().encode("utf-16-le"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("name", "found", "settings", "expected"), CASES)
def test_set_again_and_undo(tmp_path, name, found, settings, expected, encoding):
    found, expected = ENCODINGS[encoding](found), ENCODINGS[encoding](expected)
    path = tmp_path / "file"
    path.write_bytes(found)
    arguments = {"path": str(path), "format": name, "settings": settings, "lists": "add"}
    would = call(settings_file, check=True, **arguments)
    assert would["changed"] and path.read_bytes() == found and os.listdir(tmp_path) == ["file"]
    done = call(settings_file, **arguments)
    assert path.read_bytes() == expected
    assert (done["changed"], done["keys"], done["diff"]) == (True, would["keys"], would["diff"])
    assert pathlib.Path(done["backup"]).read_bytes() == found
    again = call(settings_file, **arguments)
    assert (again["changed"], again["keys"], again["backup"]) == (False, [], done["backup"])
    assert again["diff"]["before"] == again["diff"]["after"]
    would = call(settings_file, check=True, **arguments, state="absent")
    assert would["changed"] and path.read_bytes() == expected
    undone = call(settings_file, **arguments, state="absent")
    assert (undone["changed"], undone["keys"], undone["backup"]) == (True, done["keys"], "")
    assert path.read_bytes() == found and os.listdir(tmp_path) == ["file"]
    assert not call(settings_file, **arguments, state="absent")["changed"]


@pytest.mark.parametrize("found", [None, b"", b"\n"])
@pytest.mark.parametrize("name", ["json", "ini", "toml"])
def test_a_missing_and_an_empty_file(tmp_path, name, found):
    path = tmp_path / "file"
    if found is not None:
        path.write_bytes(found)
    arguments = {"path": str(path), "format": name, "settings": {"a": {"b": 1}}}
    assert call(settings_file, **arguments)["changed"]
    assert b"b" in path.read_bytes()
    assert call(settings_file, **arguments, state="absent")["changed"]
    assert (path.read_bytes() if path.exists() else None) == found


def test_somebody_elses_change_to_our_key_stays_with_a_warning(tmp_path, monkeypatch):
    warned = []
    monkeypatch.setattr(settings_file.AnsibleModule, "warn", lambda _module, text: warned.append(text))
    path = tmp_path / "daemon.json"
    arguments = {"path": str(path), "format": "json", "settings": {"a": 1, "b": 2}}
    call(settings_file, **arguments)
    path.write_text('{"a": 7, "b": 2}')
    undone = call(settings_file, **arguments, state="absent")
    assert (undone["kept"], undone["keys"]) == (["a"], ["b"])
    assert path.read_text() == '{"a": 7}' and len(warned) == 1 and "a was changed by somebody else" in warned[0]


def test_a_wrong_file_stays_as_it_is(tmp_path):
    path = tmp_path / "daemon.json"
    path.write_text('{\n  "debug": true, // on\n}\n')
    result = call(settings_file, path=str(path), format="json", settings={"a": 1})
    assert result["rc"] == 1 and result["msg"] == (
        f"{path}:2:18: a comment; JSON has none. Remove the comment. Nothing was changed."
    )
    assert os.listdir(tmp_path) == ["daemon.json"]


def test_a_link_stays_and_leads_to_the_new_content(tmp_path):
    real, link = tmp_path / "real.json", tmp_path / "daemon.json"
    link.symlink_to("real.json")
    call(settings_file, path=str(link), format="json", settings={"a": 1})
    assert link.is_symlink() and json.loads(real.read_text()) == {"a": 1}
    call(settings_file, path=str(link), format="json", state="absent")
    assert link.is_symlink() and not real.exists()


def test_to_forget_the_settings_is_no_undo(tmp_path):
    path = tmp_path / "daemon.json"
    call(settings_file, path=str(path), format="json", settings={"a": 1})
    result = call(settings_file, path=str(path), format="json")
    assert result["rc"] == 1 and "settings" in result["msg"]
    assert call(settings_file, path=str(path), format="json", settings={})["changed"] and not path.exists()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused(tmp_path, make):
    make(tmp_path / "x")
    result = call(settings_file, path=str(tmp_path / "x"), format="json", settings={"a": 1})
    assert result["rc"] == 1 and "is not a regular file" in result["msg"]


def test_without_a_directory_only_check_mode_goes_on(tmp_path):
    arguments = {"path": str(tmp_path / "no" / "x"), "format": "json", "settings": {"a": 1}}
    assert call(settings_file, check=True, **arguments)["changed"]
    result = call(settings_file, **arguments)
    assert result["rc"] == 1 and "the directory does not exist. Make it first" in result["msg"]


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o644), ("0600", 0o600), ("u=rw,g=r,o=", 0o640)])
def test_mode_is_that_of_a_file_that_is_made(tmp_path, mode, expected):
    path = tmp_path / "x"
    arguments = {"path": str(path), "format": "json", "settings": {"a": 1}, **({"mode": mode} if mode else {})}
    call(settings_file, **arguments)
    assert stat.S_IMODE(path.stat().st_mode) == expected
    path.chmod(0o604)
    call(settings_file, **{**arguments, "settings": {"a": 2}})
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_an_owner_that_nobody_knows_leaves_nothing_behind(tmp_path):
    path = tmp_path / "x"
    result = call(settings_file, path=str(path), format="json", settings={"a": 1}, owner="nobody-of-that-name")
    assert result["rc"] == 1 and "nobody-of-that-name" in result["msg"]
    assert os.listdir(tmp_path) == []


def test_a_password_in_an_address_is_shown_nowhere(tmp_path):
    path = tmp_path / "daemon.json"
    path.write_text('{"proxies": {"https-proxy": "http://me:altgeheim@proxy"}}')
    settings = {"proxies": {"http-proxy": "http://me:neugeheim@proxy"}}
    result = call(settings_file, path=str(path), format="json", settings=settings)
    assert json.loads(path.read_text())["proxies"]["http-proxy"] == "http://me:neugeheim@proxy"
    assert "geheim" not in json.dumps(result) and "@proxy" in result["diff"]["after"]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("words", "good"), [(["grep", "-q", '"a": 1', "%s"], True), (["sh", "-c", "cat %s; exit 1"], False)]
)
def test_a_program_judges_what_the_file_would_be(tmp_path, words, good, check):
    path = tmp_path / "daemon.json"
    arguments = {"path": str(path), "format": "json", "settings": {"a": 1, "p": "http://me:x@y"}, "validate": words}
    result = call(settings_file, check, **arguments)
    assert result["rc"] == (0 if good else 1)
    assert path.exists() is (good and not check)
    if not good:
        assert f'{path}: sh refuses what it would be: {{\n  "a": 1' in result["msg"]
        assert "[hidden]@y" in result["msg"] and os.listdir(tmp_path) == []


def test_a_file_that_stays_as_it_is_is_not_judged(tmp_path):
    path = tmp_path / "daemon.json"
    path.write_text('{"a": 1}')
    result = call(settings_file, path=str(path), format="json", settings={"a": 1}, validate=["false"])
    assert not result["changed"]


CHILD = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import tests.conftest
from tests.unit.plugins.modules.calling import call
from ansible_collections.gpu_fleet.containers.plugins.modules import settings_file
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
print(json.dumps(call(settings_file, path=sys.argv[2], format="json", settings={"a": 1})))
"""


@pytest.mark.parametrize(("mode", "words"), [(0o000, "read"), (0o644, "written")])
def test_an_ordinary_user_is_told_what_is_missing(tmp_path, mode, words):
    path = tmp_path / "daemon.json"
    path.write_text("{}")
    path.chmod(mode)
    tmp_path.chmod(0o555)
    for parent in tmp_path.parents:
        if not parent.stat().st_mode & 0o001:  # pytest's own, which nobody else may enter
            parent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(ROOT), str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    assert result["rc"] == 1
    assert f"it cannot be {words}: Permission denied. Set ansible_become: true. Nothing was changed." in result["msg"]
    assert path.read_text() == "{}" and os.listdir(tmp_path) == ["daemon.json"]


PLAY = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable, "on": True, "count": 3},
        "tasks": [
            {
                "gpu_fleet.containers.settings_file": {
                    "path": "{{ file }}",
                    "format": "json",
                    "settings": {"on": "{{ on }}", "count": "{{ count + 1 }}", "text": "{{ on }}!", "none": None},
                },
            }
        ],
    }
]


@pytest.fixture
def play(tmp_path):
    """Run the playbook with these options; what it printed."""
    file = tmp_path / "file.json"
    file.write_text('{"mine": 1}\n')
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False))

    def run(*options):
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", "-e", f"file={file}"]
            + [*options, str(tmp_path / "play.yml")],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_NOCOLOR": "1"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return file, run


def test_through_ansible(play):
    file, run = play
    shown = run("--check", "--diff")
    assert '+{"mine": 1, "on": true, "count": 4, "text": "True!", "none": null}' in shown and "changed=1" in shown
    assert file.read_text() == '{"mine": 1}\n'
    assert "changed=1" in run()
    assert json.loads(file.read_text()) == {"mine": 1, "on": True, "count": 4, "text": "True!", "none": None}
    assert "changed=0" in run()
