"""What people read about images, from registered results."""

from __future__ import annotations

import typing as t

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._image_report import (
    Happened,
    build_lines,
    happened,
    image_lines,
)

AGENT = "localhost/ai/agent:0f3c"
PLAN = {
    "hosts": {
        "pc2": {"engine": "docker", "selected_images": ["localhost/ai/agent"]},
        "pc3": {"engine": "podman", "selected_images": ["localhost/ai/agent"]},
        "nas": {"engine": "podman", "selected_images": []},
    },
    "image_builders": {"mainpc": {"engine": "podman"}},
    "plan_warnings": ["core: debian:12 has no digest"],
}
JOBS = {"builds": {}, "elsewhere": {"pc2": [{"host": "mainpc"}]}, "wanted": {"mainpc": {"pc2": {}}}}
MOVES = {"pulls": {"pc2": [{"builder": "mainpc", "by": "pc2", "number": 0, "images": [AGENT]}]}}
BUILT = {
    "images": [
        {"reference": "docker.io/library/debian:12", "action": "pulled", "reason": "base", "seconds": 2.04},
        {
            "reference": AGENT,
            "action": "built",
            "reason": "not built yet",
            "seconds": 12.5,
            "sbom": "/c/sbom/agent.json",
        },
        {"reference": "localhost/ai/tools:1", "action": "present", "reason": "present", "seconds": 0.0},
    ]
}
OFFERED = {"offer": {"images": {AGENT: {"size": 64 << 20}}}}
PULLED = {
    "images": [
        {"reference": AGENT, "action": "pulled", "received_bytes": 5 << 20, "seconds": 1.5},
        {"reference": "localhost/ai/agent:stable", "action": "present", "received_bytes": 0, "seconds": 0.0},
    ]
}


def registered(**values: dict[str, t.Any]) -> t.Callable[[str], dict[str, t.Any]]:
    return lambda name: values.get(name, dict.fromkeys(PLAN["hosts"]))


ASKED = {
    "pc2": {"missing_images": ["localhost/ai/agent"]},
    "pc3": {"missing_images": []},
    "nas": {"missing_images": []},
}
RUN = registered(
    fleet_asked=ASKED,
    fleet_jobs={"pc2": None, "pc3": JOBS},
    fleet_moves={"pc2": MOVES, "pc3": MOVES},
    fleet_built_elsewhere={"pc2": {"results": [BUILT]}, "pc3": None},
    fleet_offered={"pc2": {"results": [OFFERED]}, "pc3": {"results": []}},
    fleet_pulled={"pc2": {"results": [PULLED]}, "pc3": None},
)


def test_what_was_built_where_and_what_it_took_to_move_it() -> None:
    lines = [
        "pc2 (docker): images",
        "  fetched ai/agent:0f3c from mainpc: 5.0 MiB of 64.0 MiB in 1.5 s",
        "mainpc (podman, outside the limit): images",
        "  pulled docker.io/library/debian:12 in 2.0 s",
        "  built ai/agent:0f3c in 12.5 s",
        "    its packages: /c/sbom/agent.json",
    ]
    assert build_lines(PLAN, happened(RUN)) == [
        *lines,
        "every image was there: pc3",
        "warning: core: debian:12 has no digest",
    ]
    assert image_lines(PLAN, happened(RUN)) == lines


def test_check_mode_says_would() -> None:
    done = happened(
        registered(
            fleet_jobs={"pc2": JOBS}, fleet_moves={"pc2": MOVES}, fleet_built_elsewhere={"pc2": {"results": [BUILT]}}
        )
    )
    assert image_lines(PLAN, done, check=True) == [
        "pc2 (docker): images",
        "  would fetch ai/agent:0f3c from mainpc",
        "mainpc (podman, outside the limit): images",
        "  would pull docker.io/library/debian:12: base",
        "  would build ai/agent:0f3c: not built yet",
    ]


def test_nothing_was_missing() -> None:
    nobody = dict.fromkeys(PLAN["hosts"], {"missing_images": []})
    done = happened(registered(fleet_asked=nobody))
    assert build_lines({**PLAN, "plan_warnings": []}, done) == ["every image was there: pc2, pc3"]
    assert build_lines({**PLAN, "plan_warnings": []}, done, check=True) == ["every image is there: pc2, pc3"]
    assert image_lines(PLAN, done) == []


def test_a_host_that_failed_did_not_have_everything() -> None:
    """It is no part of the play any more, so nothing that it registered is known."""
    done = happened(registered(fleet_asked={"pc3": {"missing_images": []}}, fleet_jobs={"pc3": JOBS}))
    assert build_lines({**PLAN, "plan_warnings": []}, done) == [
        "every image was there: pc3",
        "failed, see what was said above: pc2",
    ]


def test_a_host_that_shares_its_engine_with_the_builder() -> None:
    jobs = {"builds": {"pc3": {"host": "pc3"}}, "elsewhere": {}, "wanted": {}}
    done = happened(registered(fleet_asked=ASKED, fleet_jobs={"pc3": jobs}, fleet_built={"pc3": BUILT}))
    lines = build_lines({**PLAN, "plan_warnings": []}, done)
    assert lines[:2] == ["pc2 (docker): images", "  ai/agent came through another host"]
    assert not [line for line in lines if line.startswith("every image was there: pc2")]


def test_a_host_that_came_to_nothing() -> None:
    """Its builder failed, or its offer did: what the others did is still said."""
    done = Happened(
        moves=MOVES, built={"pc3": {"failed": True, "msg": "no"}}, offered={"pc2": {"results": [{"failed": True}]}}
    )
    assert image_lines(PLAN, done) == []
