"""How long uv and pip take to install the same Python packages, with an empty cache and with a full one.

The packages are those of the group gpu-dev (inventories/workstation/images/gpu-dev/requirements.txt), all of them pinned, each
time into an environment that is new. They are fetched once, and then come from an index on this machine that answers as PyPI
does (metadata beside each wheel, headers that allow caching): so both meet the same network, which is none. Rounds are
interleaved, so that other load meets both alike; a ratio is the median of the rounds' ratios. pip compiles what it installs
and uv does not unless it is told to, so both are measured both ways.
"""

from __future__ import annotations

import argparse
import hashlib
import http.server
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "inventories/workstation/images/gpu-dev/requirements.txt"
TOOLS = ("uv==0.13.9", "pip==26.3")
"""uv is the one of the template hybrid."""

NAMES = ("pip", "pip, not compiling", "uv, compiling", "uv")

Rounds = dict[tuple[str, str], list[tuple[float, float]]]
"""(name, cache: empty or full) → seconds of each round: by the clock, and of the processor."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gpu-fleet-bench-", dir="/var/tmp") as name:
        folder = pathlib.Path(name)
        tools = folder / "tools"
        _run(sys.executable, "-m", "venv", str(tools))
        _run(str(tools / "bin/python"), "-m", "pip", "install", "--quiet", *TOOLS)
        wheels = folder / "wheels"
        _run(str(tools / "bin/pip"), "download", "--quiet", "--dest", str(wheels), "--requirement", str(REQUIREMENTS))
        with Index(wheels) as index:
            threading.Thread(target=index.serve_forever, daemon=True).start()
            for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
                del os.environ[name]
            os.environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.url, "UV_DEFAULT_INDEX": index.url}
            # Without TLS pip keeps nothing in its cache unless it is told to trust the host.
            os.environ["PIP_TRUSTED_HOST"] = "127.0.0.1"
            print("\n".join(_report(_measure(tools, folder, options.rounds))))
            index.shutdown()
    return 0


class Index(http.server.ThreadingHTTPServer):
    """The wheels of a folder by PEP 503 and PEP 658, on this machine alone."""

    request_queue_size = 64

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.url = f"http://127.0.0.1:{self.server_port}/simple/"
        self.files: dict[str, bytes] = {}
        self.pages: dict[str, str] = {}
        for wheel in sorted(folder.glob("*.whl")):
            content = wheel.read_bytes()
            with zipfile.ZipFile(wheel) as archive:
                (inside,) = (
                    name for name in archive.namelist() if name.count("/") == 1 and name.endswith(".dist-info/METADATA")
                )
                metadata = archive.read(inside)
            self.files |= {wheel.name: content, f"{wheel.name}.metadata": metadata}
            told = f'data-core-metadata="sha256={hashlib.sha256(metadata).hexdigest()}"'
            link = f'<a href="/files/{wheel.name}#sha256={hashlib.sha256(content).hexdigest()}" {told}>{wheel.name}</a>'
            project = wheel.name.partition("-")[0].replace("_", "-").replace(".", "-").lower()
            self.pages[project] = f"<!DOCTYPE html><html><body>{self.pages.get(project, '')}{link}</body></html>"


class _Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Index

    def do_GET(self) -> None:
        place, name = self.path.strip("/").partition("/")[::2]
        if place == "files" and name in self.server.files:
            self._send(self.server.files[name], "application/octet-stream", "max-age=365000000, immutable, public")
        elif name in self.server.pages:
            self._send(self.server.pages[name].encode(), "text/html", "max-age=600, public")
        else:
            self.send_error(404)

    def _send(self, content: bytes, kind: str, cached: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", cached)
        self.send_header("ETag", f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"')
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: t.Any) -> None:
        pass


def _measure(tools: pathlib.Path, folder: pathlib.Path, rounds: int) -> Rounds:
    seconds: Rounds = {(name, cache): [] for cache in ("empty", "full") for name in NAMES}
    for number in range(rounds):
        for name in NAMES:
            cache = folder / f"cache-{number}-{name.partition(',')[0]}-{NAMES.index(name)}"
            for filled in ("empty", "full"):
                taken = _install(tools, folder / "environment", cache, name)
                seconds[name, filled].append(taken)
                print(
                    f"round {number + 1}: {name}, cache {filled}: {taken[0]:.2f} {taken[1]:.2f}",
                    file=sys.stderr,
                    flush=True,
                )
            shutil.rmtree(cache)
    return seconds


def _install(tools: pathlib.Path, target: pathlib.Path, cache: pathlib.Path, name: str) -> tuple[float, float]:
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
    begin, used = time.monotonic(), _used()
    _run(*argv, "--requirement", str(REQUIREMENTS))
    taken = time.monotonic() - begin, _used() - used
    # What did not do its work was not measured.
    assert any(cache.iterdir()), f"{name} keeps no cache"
    _run(python, "-c", "import jupyterlab, ipykernel")
    return taken


def _used() -> float:
    """Seconds of the processor that programs took which have ended; the index runs in this one."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout}\n{done.stderr}")


def _report(seconds: Rounds) -> t.Iterator[str]:
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if line.strip() and not line.startswith("#")]
    yield f"\n{len(lines)} lines of {REQUIREMENTS.name}; median seconds, and how often that goes into pip's, cache alike\n"
    for cache in ("empty", "full"):
        yield f"| cache {cache} | seconds | pip / it | of the processor | pip / it |"
        yield "|---|---|---|---|---|"
        for name in NAMES:
            cells = (
                f"{statistics.median(taken[kind] for taken in seconds[name, cache]):.2f} "
                f"| {_ratio(seconds['pip', cache], seconds[name, cache], kind):.1f}"
                for kind in (0, 1)
            )
            yield f"| {name} | {' | '.join(cells)} |"
        yield ""
    yield f"pip with an empty cache / uv with a full one: {_ratio(seconds['pip', 'empty'], seconds['uv', 'full'], 0):.1f}"


def _ratio(pip: list[tuple[float, float]], other: list[tuple[float, float]], kind: int) -> float:
    """Median of the ratios within each round, so that a slow round is slow for both."""
    return statistics.median(one[kind] / it[kind] for one, it in zip(pip, other, strict=True))


if __name__ == "__main__":
    sys.exit(main())
