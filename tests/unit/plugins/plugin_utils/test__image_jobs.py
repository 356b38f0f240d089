"""Who builds which image for whom, and what is moved: every case on plans made by hand."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._image_jobs import (
    builders_to_see,
    image_jobs,
    image_moves,
)

AGENT, TOOLS, REDIS = "localhost/ai/agent", "localhost/ai/tools", "docker.io/library/redis:7"


def spec(key: str = AGENT, builder: str = "", inputs: str = "a" * 64, **more: t.Any) -> dict[str, t.Any]:
    return {"key": key, "repository": key, "inputs": inputs, **({"builder": builder} if builder else {}), **more}


def at(*images: dict[str, t.Any], engine_key: str = "", architecture: str = "amd64", **more: t.Any) -> dict[str, t.Any]:
    return {
        "engine": "podman",
        "engine_url": "",
        "engine_tls": None,
        "cache_dir": "/cache",
        "engine_key": engine_key,
        "architecture": architecture,
        "images": {image["key"]: image for image in images},
        "secrets": {},
        **more,
    }


def plan(hosts: dict[str, dict[str, t.Any]], registry: dict[str, str] | None = None) -> dict[str, t.Any]:
    """mainpc builds for the others; it takes part where it is in `hosts`."""
    for name, host in hosts.items():
        host["engine_key"] = host["engine_key"] or name
    builder = {
        "engine": "docker",
        "engine_url": "",
        "cache_dir": "/srv/cache",
        "address": "10.0.0.1",
        "port": 5443,
        "registry": registry,
        "inside": "mainpc" in hosts,
    }
    return {"hosts": hosts, "image_builders": {"mainpc": builder}}


def seen(architecture: str = "amd64", engine: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
    docker = {"ready": True, "id": "docker-of-mainpc"} if engine is None else engine
    return {"mainpc": {"gpu": {"architecture": architecture, "engines": {"docker": docker}}}}


def all_of(made: dict[str, t.Any]) -> dict[str, list[str]]:
    return {host: list(part["images"]) for host, part in made["hosts"].items()}


def built(*references: tuple[str, str], **more: t.Any) -> dict[str, t.Any]:
    images = [{"key": key, "reference": f"{key.partition('@')[0]}:{tag}"} for key, tag in references]
    return {"mainpc": {"images": [{"key": "", "reference": "debian:12"}, *images], **more}}


def keys_of(build: dict[str, t.Any]) -> list[str]:
    return [image["key"] for image in build["images"]]


def test_without_a_builder_each_host_builds_for_itself() -> None:
    made = plan({"mainpc": at(spec(), spec(REDIS, build=False)), "pc2": at(spec())})
    jobs = image_jobs(made, all_of(made), {})
    assert {host: keys_of(build) for host, build in jobs["builds"].items()} == {
        "mainpc": [AGENT, REDIS],
        "pc2": [AGENT],
    }
    assert (jobs["elsewhere"], jobs["wanted"]) == ({}, {})
    assert jobs["builds"]["pc2"] == {
        "host": "pc2",
        "engine": "podman",
        "engine_url": "",
        "engine_tls": None,
        "cache_dir": "/cache",
        "images": [spec()],
        "secrets": {},
    }
    assert image_moves(made, jobs, {}) == {"offers": {}, "pulls": {}, "blocked": {}, "sboms": {}}


def test_nothing_is_missing() -> None:
    made = plan({"mainpc": at(spec()), "pc2": at(spec(builder="mainpc"))})
    jobs = image_jobs(made, {"mainpc": [], "pc2": []}, {})
    assert jobs == {"builds": {}, "elsewhere": {}, "wanted": {}}


@pytest.mark.parametrize(
    ("missing", "expected"),
    [({"pc2": [REDIS]}, []), ({"pc2": []}, []), ({"pc2": [REDIS, AGENT]}, ["mainpc"]), ({}, [])],
)
def test_a_builder_that_is_off_is_not_asked_for_what_a_registry_has(
    missing: dict[str, list[str]], expected: list[str]
) -> None:
    made = plan({"pc2": at(spec(builder="mainpc"), spec(REDIS, build=False))})
    assert builders_to_see(made, missing) == expected


def test_a_builder_of_the_run_was_looked_at() -> None:
    made = plan({"mainpc": at(), "pc2": at(spec(builder="mainpc"))})
    assert builders_to_see(made, all_of(made)) == []


def test_ten_hosts_need_what_one_builds_once() -> None:
    hosts = {
        f"pc{number}": at(spec(builder="mainpc", where=f"pc{number}"), spec(REDIS, build=False)) for number in range(10)
    }
    made = plan({"mainpc": at(spec(where="mainpc")), **hosts})
    jobs = image_jobs(made, all_of(made), {})
    assert keys_of(jobs["builds"]["mainpc"]) == [AGENT]
    assert "builder" not in jobs["builds"]["mainpc"]["images"][0]
    assert keys_of(jobs["builds"]["pc3"]) == [REDIS]
    moves = image_moves(made, jobs, built((AGENT, "0f3c")))
    assert moves["offers"] == {
        "mainpc": [
            {
                "builder": "mainpc",
                "engine": "podman",
                "engine_url": "",
                "engine_tls": None,
                "cache_dir": "/cache",
                "address": "10.0.0.1",
                "port": 5443,
                "registry": None,
                "images": [f"{AGENT}:0f3c"],
            }
        ]
    }
    pull = {"builder": "mainpc", "by": "mainpc", "number": 0, "registry": False, "images": [f"{AGENT}:0f3c"]}
    assert moves["pulls"] == {f"pc{number}": [pull] for number in range(10)}


def test_variants_of_one_image_for_different_gpus() -> None:
    """Each host has one image of that key; the builder has both, and each host gets its own."""
    nvidia, cpu = (
        spec(builder="mainpc", inputs="n" * 64),
        spec(builder="mainpc", inputs="c" * 64, tags=["localhost/ai/agent:stable"]),
    )
    made = plan({"mainpc": at(), "pc2": at(nvidia), "pc3": at(cpu), "pc4": at(cpu)})
    jobs = image_jobs(made, all_of(made), {})
    other = f"{AGENT}@{'c' * 12}"
    assert keys_of(jobs["builds"]["mainpc"]) == [AGENT, other]
    moves = image_moves(made, jobs, built((AGENT, "n"), (other, "c")))
    wanted = {host: pulls[0]["images"] for host, pulls in moves["pulls"].items()}
    both = [f"{AGENT}:c", f"{AGENT}:stable"]
    assert wanted == {"pc2": [f"{AGENT}:n"], "pc3": both, "pc4": both}
    assert moves["offers"]["mainpc"][0]["images"] == [f"{AGENT}:n", *both]


def test_three_wishes_of_one_key_and_inputs_that_differ_in_tags() -> None:
    wishes = [spec(builder="mainpc", tags=[f"localhost/ai/agent:{number}"]) for number in range(3)]
    made = plan({"mainpc": at(), **{f"pc{number}": at(wish) for number, wish in enumerate(wishes)}})
    keys = keys_of(image_jobs(made, all_of(made), {})["builds"]["mainpc"])
    assert len(set(keys)) == 3


def test_a_builder_outside_the_run_is_asked_by_a_host_that_has_nothing_else_to_do() -> None:
    made = plan({"pc2": at(spec(builder="mainpc"), spec(REDIS, build=False)), "pc3": at(spec(builder="mainpc"))})
    jobs = image_jobs(made, all_of(made), seen())
    assert keys_of(jobs["builds"]["pc2"]) == [REDIS] and set(jobs["elsewhere"]) == {"pc3"}
    [build] = jobs["elsewhere"]["pc3"]
    assert (build["host"], build["engine"], build["cache_dir"]) == ("mainpc", "docker", "/srv/cache")
    moves = image_moves(made, jobs, built((AGENT, "1")))
    assert set(moves["offers"]) == {"pc3"}
    assert {host: [pull["by"] for pull in pulls] for host, pulls in moves["pulls"].items()} == {
        "pc2": ["pc3"],
        "pc3": ["pc3"],
    }


def test_a_builder_that_left_the_run_is_asked_by_another() -> None:
    """It failed at something else before; whether it can build shows when it is asked."""
    made = plan({"mainpc": at(), "pc2": at(spec(builder="mainpc"))})
    jobs = image_jobs(made, {"pc2": [AGENT]}, {})
    assert jobs["elsewhere"]["pc2"][0]["host"] == "mainpc"


def test_one_engine_of_two_hosts_needs_no_move() -> None:
    made = plan({"mainpc": at(engine_key="one"), "pc2": at(spec(builder="mainpc"), engine_key="one")})
    jobs = image_jobs(made, all_of(made), {})
    assert keys_of(jobs["builds"]["mainpc"]) == [AGENT] and jobs["wanted"] == {}
    outside = plan({"pc2": at(spec(builder="mainpc"), engine_key="docker-of-mainpc")})
    assert image_jobs(outside, all_of(outside), seen())["wanted"] == {}


def test_one_engine_of_two_users_fetches_once() -> None:
    pc2, pc3 = (
        at(spec(builder="mainpc"), engine_key="e"),
        at(spec(TOOLS, builder="mainpc"), spec(builder="mainpc"), engine_key="e"),
    )
    made = plan({"mainpc": at(), "pc2": pc2, "pc3": pc3})
    jobs = image_jobs(made, all_of(made), {})
    moves = image_moves(made, jobs, built((AGENT, "1"), (TOOLS, "2")))
    assert {host: pulls[0]["images"] for host, pulls in moves["pulls"].items()} == {"pc2": [f"{AGENT}:1", f"{TOOLS}:2"]}


def test_a_registry_takes_the_place_of_the_builders_own() -> None:
    registry = {"address": "pc2:5000", "username": "fleet", "ca": "", "host": "pc2"}
    made = plan({"mainpc": at(), "pc2": at(spec(builder="mainpc"))}, registry)
    moves = image_moves(made, image_jobs(made, all_of(made), {}), built((AGENT, "1")))
    assert moves["offers"]["mainpc"][0]["registry"] == {"address": "pc2:5000", "username": "fleet"}
    assert moves["pulls"]["pc2"][0]["registry"] is True


def test_secrets_of_builds_come_along() -> None:
    token = {"pc2/app/token": {"variable": "TOKEN"}, "pc2/app/other": {"variable": "OTHER"}}
    made = plan({"mainpc": at(), "pc2": at(spec(builder="mainpc", secrets={"token": "pc2/app/token"}), secrets=token)})
    build = image_jobs(made, all_of(made), {})["builds"]["mainpc"]
    assert build["secrets"] == {"pc2/app/token": {"variable": "TOKEN"}}


def test_lists_of_what_is_in_images_and_where_they_are() -> None:
    made = plan({"pc2": at(spec(builder="mainpc"))})
    jobs = image_jobs(made, all_of(made), seen())
    result = {"mainpc": {"images": [{"key": AGENT, "reference": f"{AGENT}:1", "sbom": "/srv/cache/sbom/agent-1.json"}]}}
    sboms = image_moves(made, jobs, result)["sboms"]
    assert sboms == {"pc2": [{"host": "mainpc", "path": "/srv/cache/sbom/agent-1.json", "name": "agent-1.json"}]}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"failed": True, "msg": "no space left\n", "images": []}, "no space left"),
        ({"unreachable": True, "msg": "Connection timed out"}, "Connection timed out"),
        ({}, "it gave no answer"),
    ],
)
def test_a_builder_that_fails_stops_those_who_wait_for_it(answer: dict[str, t.Any], said: str) -> None:
    made = plan({"mainpc": at(), "pc2": at(spec(builder="mainpc")), "pc3": at(spec(REDIS, build=False))})
    moves = image_moves(made, image_jobs(made, all_of(made), {}), {"mainpc": answer})
    assert moves["blocked"] == {"pc2": f"mainpc, which builds its images, failed: {said}"}
    assert (moves["offers"], moves["pulls"]) == ({}, {})


NO_ANSWER = "mainpc builds the images of amd64 and cannot be reached"
REFUSED = [
    ("unreachable", {"mainpc": {"unreachable": True, "msg": "Task failed: timed out"}}, f"{NO_ANSWER}: timed out. Bring it up, or name another host of amd64."),
    ("nobody asked", {}, f"{NO_ANSWER}: it gave no answer. Bring it up"),
    ("another architecture", seen("arm64"), "mainpc is of arm64 and would have to build for amd64"),
    ("no engine", seen(engine={}), "its docker does not answer: not installed. Run playbooks/prepare.yml -l mainpc."),
    ("its engine is down", seen(engine={"ready": False, "reason": "no socket"}), "its docker does not answer: no socket"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "expected"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_builder_outside_the_run_that_cannot_build(found: dict[str, t.Any], expected: str) -> None:
    made = plan({"pc2": at(spec(builder="mainpc")), "pc3": at(spec(builder="mainpc"))})
    with pytest.raises(FleetError) as caught:
        image_jobs(made, all_of(made), found)
    assert str(caught.value).startswith("container_image_builders.amd64: ") and expected in str(caught.value)
    assert len(getattr(caught.value, "errors", [1])) == 1


def test_the_platform_of_an_image_says_what_its_builder_must_be() -> None:
    made = plan({"pc2": at(spec(builder="mainpc", platform="linux/arm64"))})
    assert image_jobs(made, all_of(made), seen("arm64"))["elsewhere"]["pc2"]
    with pytest.raises(FleetError, match="would have to build for arm64"):
        image_jobs(made, all_of(made), seen("amd64"))


WISHES = st.lists(st.tuples(st.sampled_from([AGENT, TOOLS]), st.sampled_from("abc"), st.booleans()), max_size=8)


@given(WISHES)
def test_every_wish_is_built_once_and_reaches_who_has_it(wishes: list[tuple[str, str, bool]]) -> None:
    hosts = {
        f"pc{number}": at(spec(key, "mainpc", inputs * 64, tags=[f"{key}:latest"] if tagged else []))
        for number, (key, inputs, tagged) in enumerate(wishes)
    }
    made = plan({"mainpc": at(), **hosts})
    jobs = image_jobs(made, all_of(made), {})
    images = jobs["builds"].get("mainpc", {"images": []})["images"]
    assert len(images) == len(set(wishes)) == len({image["key"] for image in images})
    result = {
        "images": [
            {"key": image["key"], "reference": f"{image['repository']}:{image['inputs'][0]}"} for image in images
        ]
    }
    moves = image_moves(made, jobs, {"mainpc": result})
    for number, (key, inputs, tagged) in enumerate(wishes):
        [pull] = moves["pulls"][f"pc{number}"]
        assert pull["images"] == [f"{key}:{inputs}", *([f"{key}:latest"] if tagged else [])]
