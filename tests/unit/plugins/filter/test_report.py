"""The filters as a playbook calls them: hostvars and hosts in, text out."""

from __future__ import annotations

import pathlib
import re

from ansible_collections.gpu_fleet.containers.plugins.filter.report import FilterModule

FILTERS = FilterModule().filters()
PLAN = {"hosts": {"mainpc": {"engine": "docker", "groups": []}, "pc2": {"engine": "podman", "groups": []}}}


def test_each_reads_the_variable_that_its_playbook_registers():
    hostvars = {
        "mainpc": {
            "fleet_asked": {"groups": {"core": {"status": "would change"}}},
            "fleet_results": {"core": {"status": "changed"}},
            "fleet_removed": {"removed": {"containers": []}, "kept": {"volumes": []}},
        },
        "pc2": {},
        "outside the limit": {"fleet_asked": {"groups": {"x": {"status": "changed"}}}},
    }
    hosts = ["mainpc", "pc2"]
    assert FILTERS["deploy_summary"](PLAN, hostvars, hosts) == "mainpc (docker): changed: core"
    assert FILTERS["status_table"](hostvars, hosts) == "nothing of this inventory runs"
    assert FILTERS["teardown_summary"](hostvars, hosts) == "mainpc: removed 0 containers"
    assert FILTERS["verify_verdict"](PLAN, hostvars, hosts)["failures"] == []
    assert FILTERS["plan_links"](PLAN["hosts"]["mainpc"]) == []


def test_playbooks_and_filters_name_each_other():
    root = pathlib.Path(__file__).resolve().parents[4]
    texts = [path.read_text() for path in (root / "playbooks").rglob("*.yml")]
    used = {name for text in texts for name in re.findall(r"\| gpu_fleet\.containers\.(\w+)", text)}
    assert used == set(FILTERS)
    registered = {
        name for text in texts for name in re.findall(r"(?:register: |^\s+)(fleet_\w+)\b", text, re.MULTILINE)
    }
    assert {"fleet_asked", "fleet_results", "fleet_status", "fleet_removed", "fleet_verified"} <= registered
