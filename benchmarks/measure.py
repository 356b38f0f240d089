"""How long 26 containers take: this collection beside Docker Compose and loops of container modules.

Run it through `benchmarks/run`, which makes a private machine: engines, networks and directories of its own.
Every contestant brings the same Compose file's containers up, first from nothing, then once more with nothing to do.
Rounds are interleaved, so that other load on the machine meets all alike; a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("GPU_FLEET_CACHE", "~/.cache/gpu-fleet")).expanduser() / "bench"
ARCHIVE = pathlib.Path(os.environ.get("GPU_FLEET_TEST_CACHE", "~/.cache/gpu-fleet-tests")).expanduser() / "busybox.tar"
COMPOSE = os.environ.get("GPU_FLEET_COMPOSE") or str(CACHE / "docker-compose")
IMAGE = "localhost/gpu-fleet-bench/busybox:1"
SERVICES = [f"s{number:02}" for number in range(1, 27)]

CALL_MODULE = """
import importlib, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = open(sys.argv[2], "rb").read(), "legacy"
importlib.import_module(sys.argv[1]).main()
"""
"""A module as a target runs it: one Python process, without Ansible's start on the controller."""


@dataclass(frozen=True)
class Contestant:
    name: str
    engine: str
    """docker or podman; empty: it needs no containers, and is only timed."""
    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


def main() -> int:
    options = _options()
    if os.environ.get("GPU_FLEET_PRIVATE_MACHINE") != "1":
        sys.exit("measure.py removes every container it sees; run it as benchmarks/run, in a machine of its own")
    with tempfile.TemporaryDirectory(prefix="gpu-fleet-bench-") as name:
        folder = pathlib.Path(name)
        daemon = _start_dockerd(folder) if "docker" in options.engines else None
        try:
            for engine in options.engines:
                subprocess.run([engine, "import", str(ARCHIVE), IMAGE], check=True, capture_output=True)
            contestants = list(_contestants(folder, options.engines, not options.no_loops))
            print("\n".join(_report(_measure(contestants, options.rounds))))
        finally:
            for engine in options.engines:
                _clean(engine)
            if daemon is not None:
                daemon.terminate()
                daemon.wait(timeout=60)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default 3)")
    parser.add_argument("--engines", nargs="+", choices=["docker", "podman"], default=["docker", "podman"])
    parser.add_argument("--no-loops", action="store_true", help="leave the loops out, which take most of the time")
    return parser.parse_args()


def _start_dockerd(folder: pathlib.Path) -> subprocess.Popen:
    log = folder / "dockerd.log"
    with log.open("w") as stream:
        process = subprocess.Popen(["dockerd"], stdout=stream, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 30
    while "API listen on" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"dockerd did not start:\n{log.read_text()}")
        time.sleep(0.05)
    return process


# --- who takes part -------------------------------------------------------------------------------------------------


def _contestants(folder: pathlib.Path, engines: t.Sequence[str], loops: bool) -> t.Iterator[Contestant]:
    group_file = _write_fleet(folder)
    ping = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.ping": {}}]}]
    yield Contestant("ansible-playbook, one ping", "", _playbook(folder, "ping", ping), _ansible())
    yield Contestant("module call: ping", "", _module(folder, "ansible.modules.ping", {}), _paths())
    yield Contestant("module call: gpu_facts, no engines", "", _ours(folder, "gpu_facts", {"engines": []}), _paths())
    if "docker" in engines:
        argv = (COMPOSE, "-p", "by-compose", "-f", str(group_file), "up", "-d")
        yield Contestant("docker compose up -d", "docker", argv)
    for engine in engines:
        plan = _plan(folder, engine)
        arguments = {key: plan[key] for key in ("engine", "groups", "images", "state_dir")} | {"host": "bench"}
        check = {**arguments, "_ansible_check_mode": True}
        yield Contestant(
            f"container_groups, the module call ({engine})",
            engine,
            _ours(folder, "container_groups", arguments),
            _paths(),
        )
        yield Contestant(
            f"container_groups, only asked ({engine})", "", _ours(folder, "container_groups", check), _paths()
        )
        deploy = ("ansible-playbook", "-i", str(folder / "hosts.yml"), "-e", f"container_engine={engine}", "deploy.yml")
        yield Contestant(f"ansible-playbook deploy.yml ({engine})", engine, deploy, _ansible())
        if loops and (CACHE / "peers/bin/ansible-playbook").exists():
            argv = _playbook(folder, f"loop-{engine}", [_loop(engine)])
            program = str(CACHE / "peers/bin/ansible-playbook")
            (folder / "peers.cfg").write_text("[connection]\npipelining = true\n")
            environment = {**_ansible(), "ANSIBLE_CONFIG": str(folder / "peers.cfg")}
            name = {"docker": "community.docker.docker_container", "podman": "containers.podman.podman_container"}
            yield Contestant(f"loop of {name[engine]}", engine, (program, *argv[1:]), environment)


def _write_fleet(folder: pathlib.Path) -> pathlib.Path:
    """An inventory of one host with one group, whose file Compose takes as well. JSON is YAML."""
    services = {name: {"image": IMAGE, "command": ["sleep", "86400"]} for name in SERVICES}
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "container_groups": ["sleepers"],
    }
    (folder / "groups").mkdir()
    group_file = folder / "groups" / "sleepers.yml"
    group_file.write_text(json.dumps({"name": "sleepers", "services": services}))
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"bench": variables}}}))
    return group_file


def _plan(folder: pathlib.Path, engine: str) -> dict[str, t.Any]:
    """What `fleet_plan` hands to the host, for the module call without Ansible around it."""
    target = folder / f"plan-{engine}.json"
    tasks = [
        {"gpu_fleet.containers.gpu_facts": {}, "register": "gpu_fleet_facts"},
        {"gpu_fleet.containers.fleet_plan": {"show": False}, "register": "fleet"},
        {"ansible.builtin.copy": {"content": "{{ fleet.hosts.bench | to_json }}", "dest": str(target), "mode": "0600"}},
    ]
    argv = _playbook(folder, "plan", [{"hosts": "all", "gather_facts": False, "tasks": tasks}])
    _run((*argv, "-i", str(folder / "hosts.yml"), "-e", f"container_engine={engine}"), _ansible())
    return json.loads(target.read_text())


def _loop(engine: str) -> dict[str, t.Any]:
    """What people write today: one task with a loop over the containers."""
    common = {"name": "loop-{{ item }}", "image": IMAGE, "command": ["sleep", "86400"], "state": "started"}
    if engine == "docker":
        network = {"community.docker.docker_network": {"name": "loop"}}
        container = {"community.docker.docker_container": {**common, "networks": [{"name": "loop"}]}}
    else:
        network = {"containers.podman.podman_network": {"name": "loop"}}
        container = {"containers.podman.podman_container": {**common, "network": ["loop"]}}
    return {"hosts": "localhost", "gather_facts": False, "tasks": [network, {**container, "loop": SERVICES}]}


def _playbook(folder: pathlib.Path, name: str, plays: list[dict[str, t.Any]]) -> tuple[str, ...]:
    path = folder / f"{name}.yml"
    path.write_text(json.dumps(plays))
    return ("ansible-playbook", str(path))


def _ours(folder: pathlib.Path, module: str, arguments: dict[str, t.Any]) -> tuple[str, ...]:
    return _module(folder, f"ansible_collections.gpu_fleet.containers.plugins.modules.{module}", arguments)


def _module(folder: pathlib.Path, module: str, arguments: dict[str, t.Any]) -> tuple[str, ...]:
    path = folder / f"arguments-{len(list(folder.iterdir()))}.json"
    path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    return (sys.executable, "-c", CALL_MODULE, module, str(path))


def _paths() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT / ".collections")}


def _ansible() -> dict[str, str]:
    return {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOCALHOST_WARNING": "0"}


# --- measuring ------------------------------------------------------------------------------------------------------

Rounds = dict[str, list[tuple[float, float]]]
"""Contestant → (seconds from nothing, seconds with nothing to do) of each round."""


def _measure(contestants: t.Sequence[Contestant], rounds: int) -> Rounds:
    seconds: Rounds = {contestant.name: [] for contestant in contestants}
    for number in range(rounds):
        for contestant in contestants:
            cold, idle = _once(contestant)
            seconds[contestant.name].append((cold, idle))
            print(f"round {number + 1}: {contestant.name}: {cold:.2f} {idle:.2f}", file=sys.stderr, flush=True)
    return seconds


def _once(contestant: Contestant) -> tuple[float, float]:
    if not contestant.engine:
        first, second = (_run(contestant.argv, contestant.environment) for _time in range(2))
        return first, second
    _clean(contestant.engine)
    cold = _run(contestant.argv, contestant.environment)
    made = _running(contestant.engine)
    idle = _run(contestant.argv, contestant.environment)
    # Figures of something that did not do its work, or did more, are worth nothing.
    assert len(made) == len(SERVICES), f"{contestant.name}: {len(made)} containers run"
    assert _running(contestant.engine) == made, f"{contestant.name}: the second run changed containers"
    _clean(contestant.engine)
    return cold, idle


def _run(argv: t.Sequence[str], environment: dict[str, str]) -> float:
    begin = time.monotonic()
    done = subprocess.run(
        argv, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - begin
    if done.returncode:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout}\n{done.stderr}")
    return seconds


def _running(engine: str) -> set[str]:
    listed = subprocess.run([engine, "ps", "-q", "--no-trunc"], check=True, capture_output=True, text=True)
    return set(listed.stdout.split())


def _clean(engine: str) -> None:
    """Back to nothing: containers, networks, volumes and what lies staged."""
    for kind, list_words, remove_words in (
        ("containers", ["ps", "-aq"], ["rm", "-f"]),
        ("volumes", ["volume", "ls", "-q"], ["volume", "rm"]),
    ):
        words = ["rm", "-f", "-t", "0"] if (engine, kind) == ("podman", "containers") else remove_words
        there = subprocess.run([engine, *list_words], check=True, capture_output=True, text=True).stdout.split()
        if there:
            subprocess.run([engine, *words, *there], check=True, capture_output=True)
    subprocess.run([engine, "network", "prune", "-f"], check=True, capture_output=True)
    shutil.rmtree("/var/lib/gpu-fleet/secrets", ignore_errors=True)


# --- telling --------------------------------------------------------------------------------------------------------


def _report(seconds: Rounds) -> t.Iterator[str]:
    compose = seconds.get("docker compose up -d")
    loops = {
        "docker": seconds.get("loop of community.docker.docker_container"),
        "podman": seconds.get("loop of containers.podman.podman_container"),
    }
    for index, title in enumerate((f"{len(SERVICES)} containers from nothing", "nothing to do")):
        yield f"\n{title}: median seconds; times of Compose, share of the loop on the same engine\n"
        yield "| work | seconds | / compose | / loop |"
        yield "|---|---|---|---|"
        for name, rounds in seconds.items():
            engine = "podman" if "podman" in name else "docker"
            if index == 0 and (name.startswith(("module call", "ansible-playbook, one")) or "only asked" in name):
                continue
            yield (
                f"| {name} | {statistics.median(each[index] for each in rounds):.2f} "
                f"| {_ratio(rounds, compose, index)} | {_ratio(rounds, loops[engine], index)} |"
            )
    yield f"\nmodule calls: gpu_facts without engines / ping: {_ratio(*_two_calls(seconds), 1)}"


def _two_calls(seconds: Rounds) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    return seconds["module call: gpu_facts, no engines"], seconds["module call: ping"]


def _ratio(rounds: list[tuple[float, float]], others: list[tuple[float, float]] | None, index: int) -> str:
    """Median of the ratios within each round, so that a slow round is slow for both."""
    if not others:
        return "-"
    return f"{statistics.median(one[index] / other[index] for one, other in zip(rounds, others)):.2f}"


if __name__ == "__main__":
    sys.exit(main())
