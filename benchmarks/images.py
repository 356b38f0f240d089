"""How long image_build takes when there is nothing to build, beside a fully cached build by the engine's own program.

    tests/integration/in_private_machine python benchmarks/images.py [--rounds N] [--images N]

Both are asked for the same images: their contexts have a Containerfile with six steps, and everything is built before the
first round. image_build is the one module call that a host gets for all its images, as a process of its own (a Python that
starts, without Ansible on the controller); the programs are called once an image, as a script would. What an empty module
takes in the same way is Python's and Ansible's start, and is told beside it: the rest is the module's own work.
Rounds are interleaved, so that other load on the machine meets all alike; a ratio is the median of the rounds' ratios. The least
of all rounds is what was disturbed least: on a busy machine a Python that starts suffers more than a daemon that waits.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import typing as t

from measure import ARCHIVE, CALL_MODULE, IMAGE, ROOT, _run, _start_dockerd

STEPS = f"FROM {IMAGE}\n" + "".join(f"RUN echo {number} > /step{number}\n" for number in range(4)) + "COPY text /text\n"
NAMES = {"ours": "image_build, one module call", "empty": "an empty module", "theirs": "fully cached build"}

MAKE_ARGUMENTS = """
import json, sys
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import to_dict
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.context import read_context, write_archive
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.spec import image_spec
engine, folder, *contexts = sys.argv[1:]
images = []
for number, context in enumerate(contexts):
    spec = image_spec("bench", {"context": context}, None, "cpu", f"bench/image{number}")
    archive = f"{folder}/{engine}-{number}.tar"
    write_archive(read_context(spec.context, spec.containerfile), archive)
    images.append({**to_dict(spec), "context_archive": archive})
print(json.dumps({"ANSIBLE_MODULE_ARGS": {"engine": engine, "images": images, "cache_dir": f"{folder}/cache"}}))
"""
"""What the action plugin works out on the controller."""


class Contestants(t.NamedTuple):
    ours: list[tuple[str, ...]]
    empty: list[tuple[str, ...]]
    theirs: list[tuple[str, ...]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=3, help="images a host has (default 3)")
    options = parser.parse_args()
    if os.environ.get("GPU_FLEET_PRIVATE_MACHINE") != "1":
        sys.exit("run it in tests/integration/in_private_machine: it builds on the engines that it finds")
    with tempfile.TemporaryDirectory(prefix="gpu-fleet-bench-") as name:
        folder = pathlib.Path(name)
        daemon = _start_dockerd(folder)
        try:
            print("\n".join(_report(folder, options.images, options.rounds)))
        finally:
            daemon.terminate()
            daemon.wait(timeout=60)
    return 0


def _report(folder: pathlib.Path, images: int, rounds: int) -> t.Iterator[str]:
    environment = {"PYTHONPATH": str(ROOT / ".collections"), "DOCKER_BUILDKIT": "1"}
    contexts = [_context(folder / f"context{number}", number) for number in range(images)]
    yield f"| {images} images, nothing to build | seconds | / fully cached build | least seconds | / its least |"
    yield "|---|---|---|---|---|"
    for engine in ("docker", "podman"):
        subprocess.run([engine, "import", str(ARCHIVE), IMAGE], check=True, capture_output=True)
        contestants = _contestants(folder, engine, contexts, environment)
        built = [*contestants.ours, *contestants.theirs]
        for argv in built:
            _run(argv, environment)
        # Figures of something that did its work a second time are worth nothing.
        for argv in contestants.ours:
            answer = json.loads(_said(argv, environment))
            assert not answer["changed"] and len(answer["images"]) == images, answer
        yield from _measured(engine, contestants, environment, rounds)


def _measured(engine: str, contestants: Contestants, environment: dict[str, str], rounds: int) -> t.Iterator[str]:
    seconds: dict[str, list[float]] = {name: [] for name in contestants._fields}
    for _round in range(rounds):
        for name, argvs in contestants._asdict().items():
            seconds[name].append(sum(_run(argv, environment) for argv in argvs))
    seconds["own"] = [max(0.0, ours - empty) for ours, empty in zip(seconds["ours"], seconds["empty"], strict=True)]
    least = {name: min(each) for name, each in seconds.items()}
    least["own"] = max(0.0, least["ours"] - least["empty"])
    for name, words in {**NAMES, "own": "image_build without the empty module: its own work"}.items():
        ratios = [one / other for one, other in zip(seconds[name], seconds["theirs"], strict=True)]
        yield (
            f"| {words} ({engine}) | {statistics.median(seconds[name]):.2f} | {statistics.median(ratios):.2f} "
            f"| {least[name]:.2f} | {least[name] / least['theirs']:.2f} |"
        )


def _context(folder: pathlib.Path, number: int) -> str:
    folder.mkdir()
    (folder / "Dockerfile").write_text(STEPS)
    (folder / "text").write_text(f"{number}\n")
    return str(folder)


def _contestants(folder: pathlib.Path, engine: str, contexts: list[str], environment: dict[str, str]) -> Contestants:
    arguments, nothing = folder / f"{engine}.json", folder / "empty.json"
    arguments.write_text(_said((sys.executable, "-c", MAKE_ARGUMENTS, engine, str(folder), *contexts), environment))
    nothing.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {}}))
    module = "ansible_collections.gpu_fleet.containers.plugins.modules.image_build"
    program = _builder() if engine == "docker" else "podman"
    options = () if engine == "docker" else ("--format=docker", "--pull=false")
    return Contestants(
        [(sys.executable, "-c", CALL_MODULE, module, str(arguments))],
        [(sys.executable, "-c", CALL_MODULE, "ansible.modules.ping", str(nothing))],
        [(program, "build", *options, "--tag", f"theirs{number}", each) for number, each in enumerate(contexts)],
    )


def _builder() -> str:
    """A docker program that can build with BuildKit; the first on PATH need not be one."""
    code = "from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import docker_buildkit as b; "
    path = {"PYTHONPATH": str(ROOT / ".collections")}
    return _said((sys.executable, "-c", code + "print(b.find_client().program)"), path).strip()


def _said(argv: t.Sequence[str], environment: dict[str, str]) -> str:
    done = subprocess.run(argv, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
