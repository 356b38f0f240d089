"""What the action reads of a plan and of registered results; the rest is `_image_jobs.py`."""

from __future__ import annotations

import typing as t

from ansible_collections.gpu_fleet.containers.plugins.action.image_jobs import _jobs, _needed

SPEC = {"key": "localhost/a", "repository": "localhost/a", "inputs": "i" * 64, "builder": "mainpc"}
HOST = {
    "engine": "docker",
    "engine_url": "",
    "engine_tls": None,
    "engine_key": "pc2",
    "cache_dir": "/cache",
    "architecture": "amd64",
    "images": {"localhost/a": SPEC},
    "secrets": {},
}
BUILDER = {"engine": "podman", "engine_url": "", "cache_dir": "/c", "address": "", "port": 0, "registry": None}
PLAN = {"hosts": {"pc2": {**HOST, "files": {"much": 1}}}, "image_builders": {"mainpc": {**BUILDER, "inside": False}}}
SEEN = {
    "fleet_builder": "mainpc",
    "gpu": {"architecture": "amd64", "engines": {"podman": {"ready": True, "id": "mainpc"}}},
}


def test_no_more_of_a_plan_than_is_needed() -> None:
    assert _needed({**PLAN, "text": "long"}) == {"hosts": {"pc2": HOST}, "image_builders": PLAN["image_builders"]}


def test_what_is_missing_and_who_was_looked_at_is_what_tasks_registered() -> None:
    results: dict[tuple[str, str], dict[str, t.Any]] = {
        ("pc2", "fleet_asked"): {"missing_images": ["localhost/a"]},
        ("pc2", "fleet_builders_seen"): {"results": [SEEN]},
    }
    # A host that the plan does not know is none of its business.
    jobs = _jobs(PLAN, ["pc2", "localhost"], lambda host, name: results.get((host, name), {}))
    assert jobs["elsewhere"]["pc2"][0]["host"] == "mainpc"
    assert jobs["wanted"] == {"mainpc": {"pc2": {"localhost/a": "localhost/a"}}}
