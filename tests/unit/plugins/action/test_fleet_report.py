"""What each playbook registers is what its report reads."""

from __future__ import annotations

import json
import pathlib
import re

import pytest

from ansible_collections.gpu_fleet.containers.plugins.action.fleet_report import ARGUMENTS, report, write_json
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError

PLAN = {
    "hosts": {
        name: {"engine": engine, "groups": [], "gpu": {}, "selected_images": images}
        for name, engine, images in (("mainpc", "docker", ["redis:7"]), ("pc2", "podman", []))
    }
}
REGISTERED = {
    "gpu_fleet_facts": {"mainpc": None},
    **dict.fromkeys(("fleet_jobs", "fleet_moves", "fleet_built", "fleet_offered", "fleet_pulled"), {"mainpc": None}),
    "fleet_asked": {"mainpc": {"groups": {"core": {"status": "would change"}}}, "pc2": None},
    "fleet_results": {"mainpc": {"core": {"status": "changed"}}, "pc2": None},
    "fleet_removed": {"mainpc": {"removed": {"containers": []}, "kept": {"volumes": {}}}},
    "fleet_status": {},
    "fleet_verified": {"mainpc": {"services": [], "links": []}, "pc2": None},
}


@pytest.mark.parametrize(
    ("about", "text"),
    [
        ("build", "every image was there: mainpc"),
        ("deploy", "mainpc (docker): changed: core"),
        (
            "doctor",
            "mainpc: it could not be asked (unreachable, or gpu_facts failed)\n\n"
            "1 host, findings: 0 error, 0 warning, 0 info; 1 could not be asked",
        ),
        ("status", "nothing of this inventory runs"),
        ("teardown", "mainpc: removed 0 containers"),
        ("verify", "0 of 0 services are healthy\nno links"),
    ],
)
def test_each_playbook_has_its_text(about, text):
    assert report(about, PLAN, REGISTERED.__getitem__) == (text, [])


def test_a_teardown_in_check_mode_has_removed_nothing():
    text, _failures = report("teardown", PLAN, REGISTERED.__getitem__, check=True)
    assert text == "mainpc: would remove 0 containers"


def test_what_prepare_and_its_roles_registered():
    gpu = {"platform": "linux", "stack": "cpu", "findings": []}
    need = {"role": "docker", "reason": "docker is not installed", "skip": False}
    registered = {
        "container_engine_url": {"mainpc": None, "pc2": None, "win": "ssh://win"},
        "prepare_needs": {"mainpc": [need], "pc2": None, "win": []},
        "prepare_failed": {"mainpc": {"docker": "no such package"}, "pc2": None, "win": None},
        "gpu_fleet_facts": {"mainpc": {"gpu": gpu}, "pc2": {"msg": "unreachable"}, "win": {"skipped": True}},
        "prepare_after": {"mainpc": {"gpu": {**gpu, "stack": "vulkan"}}, "pc2": None, "win": {"skipped": True}},
        "wsl_after": {
            "mainpc": {"restarts": [{"message": "Run `wsl --shutdown` in Windows."}]},
            "pc2": None,
            "win": None,
        },
    }
    nothing = dict.fromkeys(("mainpc", "pc2", "win"))
    text, failures = report("prepare", {}, lambda name: registered.get(name, nothing))
    assert failures == []
    assert text.splitlines() == [
        "mainpc: linux, best stack vulkan (was cpu)",
        "  failed: docker (docker is not installed): no such package",
        "  due: Run `wsl --shutdown` in Windows.",
        "pc2: it could not be asked (unreachable, or gpu_facts failed)",
        "win: its engine is elsewhere (ssh://win), and nothing is done here",
        "",
        "3 hosts, 1 had something to do, 1 with a role that failed; left: 0 error, 0 warning",
    ]


def test_a_link_that_does_not_answer_fails_the_play():
    link = {"group": "core", "service": "twin", "variable": "A", "url": "x:1", "answered": False, "reason": "refused"}
    verified = {"mainpc": {"services": [], "links": [link]}, "pc2": None}
    _text, failures = report("verify", PLAN, {"fleet_verified": verified}.__getitem__)
    assert failures == ["mainpc: link core/twin A to x:1 does not answer: refused"]


def test_playbooks_register_what_the_reports_read():
    root = pathlib.Path(__file__).resolve().parents[4]
    texts = "\n".join(path.read_text() for path in (root / "playbooks").rglob("*.yml"))
    assert set(re.findall(r"about: (\w+)", texts)) == set(ARGUMENTS["about"]["choices"])
    named = set(re.findall(r"(?:register: |^\s+)((?:gpu_)?fleet_\w+)\b", texts, re.MULTILINE))
    assert set(REGISTERED) <= named


def test_the_answer_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "doctor.json"
    assert write_json(str(target), {"hosts": {}}) == {"path": str(target)}
    assert json.loads(target.read_text()) == {"hosts": {}}
    assert [path.name for path in tmp_path.iterdir()] == ["doctor.json"]


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(InputError, match="the answer cannot be written: No such file or directory"):
        write_json(str(tmp_path / "missing" / "doctor.json"), {})
