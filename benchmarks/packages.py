"""How long uv and pip take to install the same Python packages, with an empty cache and with a full one.

The packages are those of the group gpu-dev (inventories/workstation/images/gpu-dev/requirements.txt), all of them pinned, each
time into an environment that is new. Rounds are interleaved, so that other load meets both alike; a ratio is the median of the
rounds' ratios. pip compiles what it installs and uv does not unless it is told to, so both are measured both ways.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "inventories/workstation/images/gpu-dev/requirements.txt"
TOOLS = ("uv==0.13.9", "pip==26.3")
"""uv is the one of the template hybrid."""

NAMES = ("pip", "pip, not compiling", "uv, compiling", "uv")

Rounds = dict[tuple[str, str], list[float]]
"""(name, cache: empty or full) → seconds of each round."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default 3)")
    parser.add_argument("--requirements", type=pathlib.Path, default=REQUIREMENTS)
    parser.add_argument(
        "--local",
        action="store_true",
        help="packages come from a folder in place of the index: without the network's share",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gpu-fleet-bench-", dir="/var/tmp") as name:
        folder = pathlib.Path(name)
        tools = folder / "tools"
        _run(sys.executable, "-m", "venv", str(tools))
        _run(str(tools / "bin/python"), "-m", "pip", "install", "--quiet", *TOOLS)
        source = _wheels(tools, folder, options.requirements) if options.local else ()
        print("\n".join(_report(_measure(tools, folder, options, source), options.requirements)))
    return 0


def _wheels(tools: pathlib.Path, folder: pathlib.Path, requirements: pathlib.Path) -> tuple[str, ...]:
    wheels = folder / "wheels"
    _run(str(tools / "bin/pip"), "download", "--quiet", "--dest", str(wheels), "--requirement", str(requirements))
    return ("--no-index", "--find-links", str(wheels))


def _measure(tools: pathlib.Path, folder: pathlib.Path, options: argparse.Namespace, source: t.Sequence[str]) -> Rounds:
    seconds: Rounds = {(name, cache): [] for cache in ("empty", "full") for name in NAMES}
    for number in range(options.rounds):
        for name in NAMES:
            cache = folder / f"cache-{number}-{name.partition(',')[0]}-{NAMES.index(name)}"
            for filled in ("empty", "full"):
                taken = _install(
                    tools, folder / "environment", cache, name, [*source, "--requirement", str(options.requirements)]
                )
                seconds[name, filled].append(taken)
                print(f"round {number + 1}: {name}, cache {filled}: {taken:.2f}", file=sys.stderr, flush=True)
            shutil.rmtree(cache)
    return seconds


def _install(tools: pathlib.Path, target: pathlib.Path, cache: pathlib.Path, name: str, words: list[str]) -> float:
    """Seconds to install into a new environment, which is made before the clock starts."""
    shutil.rmtree(target, ignore_errors=True)
    _run(str(tools / "bin/uv"), "venv", "--quiet", "--python", sys.executable, str(target))
    python = str(target / "bin/python")
    if name.startswith("pip"):
        argv = [str(tools / "bin/pip"), "--python", python, "--cache-dir", str(cache), "install", "--quiet"]
        argv += ["--no-compile"] if "not compiling" in name else []
    else:
        argv = [str(tools / "bin/uv"), "pip", "install", "--python", python, "--cache-dir", str(cache), "--quiet"]
        argv += ["--compile-bytecode"] if "compiling" in name else []
    os.sync()
    begin = time.monotonic()
    _run(*argv, *words)
    taken = time.monotonic() - begin
    # What did not do its work was not measured.
    _run(python, "-c", "import jupyterlab, ipykernel")
    return taken


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout}\n{done.stderr}")


def _report(seconds: Rounds, requirements: pathlib.Path) -> t.Iterator[str]:
    lines = [line for line in requirements.read_text().splitlines() if line.strip() and not line.startswith("#")]
    yield f"\n{len(lines)} lines of {requirements.name}; median seconds, and how often that goes into pip's, cache alike\n"
    yield "| | cache empty | pip / it | cache full | pip / it |"
    yield "|---|---|---|---|---|"
    for name in NAMES:
        cells = (
            f"{statistics.median(seconds[name, cache]):.2f} | {_ratio(seconds, name, cache):.1f}"
            for cache in ("empty", "full")
        )
        yield f"| {name} | {' | '.join(cells)} |"
    rounds = zip(seconds["pip", "empty"], seconds["uv", "full"], strict=True)
    yield f"\npip with an empty cache / uv with a full one: {statistics.median(a / b for a, b in rounds):.1f}"


def _ratio(seconds: Rounds, name: str, cache: str) -> float:
    """Median of the ratios within each round, so that a slow round is slow for both."""
    return statistics.median(pip / it for pip, it in zip(seconds["pip", cache], seconds[name, cache], strict=True))


if __name__ == "__main__":
    sys.exit(main())
