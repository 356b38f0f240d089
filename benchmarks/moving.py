"""What it takes to move an image to another engine: this collection beside ``save | load``, with and without gzip.

    tests/integration/in_private_machine python benchmarks/moving.py [--megabytes 200] [--layer 10]

An image with one large layer and one small one is moved whole, then again after the small one changed; one more is moved by a
transfer that is killed halfway and run again. Bytes are those on the wire, which a proxy between the two counts in both
directions, with all that TLS adds. As root, with `.venv-test/bin` first on PATH.
"""

from __future__ import annotations

import argparse
import gzip
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import typing as t
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".collections")]

from tests.integration.moving import PASSWORD, Wire, call, kill, start, wire  # noqa: E402

ARCHIVE = pathlib.Path(os.environ.get("GPU_FLEET_TEST_CACHE", "~/.cache/gpu-fleet-tests")).expanduser() / "busybox.tar"
BASE = "localhost/gpu-fleet-bench/busybox:1"
NAME = "localhost/gpu-fleet-bench/moved"
MB = 1_000_000


@dataclass(frozen=True)
class Row:
    direction: str
    what: str
    way: str
    size: int
    """Compressed bytes of the layers that the other engine lacks."""
    moved: int
    """Bytes on the wire."""
    seconds: float


def main() -> int:
    options = _options()
    if os.environ.get("GPU_FLEET_PRIVATE_MACHINE") != "1":
        sys.exit("moving.py removes every image it sees; run it in tests/integration/in_private_machine")
    with tempfile.TemporaryDirectory(prefix="gpu-fleet-moving-", dir="/var/tmp") as name:
        daemon = _start_dockerd(pathlib.Path(name))
        try:
            rows = []
            for source, target in (("podman", "docker"), ("docker", "podman")):
                folder = pathlib.Path(name) / source
                folder.mkdir()
                for row in _measure(folder, source, target, options):
                    print(f"{row.direction}: {row.what}, {row.way}: {row.moved} {row.seconds:.1f}", file=sys.stderr)
                    rows.append(row)
            print("\n".join(_report(rows)))
        finally:
            daemon.terminate()
            daemon.wait(timeout=60)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=200, help="size of the layer that stays (default 200)")
    parser.add_argument("--layer", type=int, default=10, help="size of the layer that changes (default 10)")
    return parser.parse_args()


def _start_dockerd(folder: pathlib.Path) -> subprocess.Popen:
    log = folder / "dockerd.log"
    with log.open("w") as stream:
        process = subprocess.Popen(["dockerd"], stdout=stream, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while "API listen on" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"dockerd did not start:\n{log.read_text()}")
        time.sleep(0.05)
    return process


def _measure(folder: pathlib.Path, source: str, target: str, options: argparse.Namespace) -> t.Iterator[Row]:
    for engine in (source, target):
        _run(engine, "system", "prune", "--all", "--force")
        _run(engine, "import", str(ARCHIVE), BASE)
    (folder / "Containerfile").write_text(f"FROM {BASE}\nCOPY big /big\nCOPY small /small\n")
    direction, big = f"{source} → {target}", _write(folder / "big", options.megabytes)

    def build(tag: str) -> tuple[str, int]:
        size = _write(folder / "small", options.layer)
        _run(source, "build", "--quiet", "--file", str(folder / "Containerfile"), "--tag", f"{NAME}:{tag}", str(folder))
        return f"{NAME}:{tag}", size

    image, small = build("1")
    yield Row(direction, "whole image", "save, load", big + small, *_piped(source, target, image))
    _run(target, "rmi", "--force", image)
    yield Row(direction, "whole image", "this collection", big + small, *_ours(folder, source, target, image))
    image, small = build("2")
    yield Row(direction, "one layer", "this collection", small, *_ours(folder, source, target, image))
    for compress in (False, True):
        _run(target, "rmi", "--force", image)
        way = "save, gzip, load" if compress else "save, load"
        yield Row(direction, "one layer", way, small, *_piped(source, target, image, compress))
    big = _write(folder / "big", options.megabytes)
    image, small = build("3")
    yield Row(
        direction,
        "whole, killed halfway, run again",
        "this collection",
        big + small,
        *_killed(folder, source, target, image, big),
    )


# --- the ways -------------------------------------------------------------------------------------------------------


def _ours(folder: pathlib.Path, source: str, target: str, image: str) -> tuple[int, float]:
    """Bytes and seconds of both module calls: the push to the registry of the transfer, and the pull."""
    begin = time.monotonic()
    offer = _offer(folder, source, image)
    with wire(offer["address"]) as counted:
        call(folder, "image_pull", **_pulling(folder, target, offer, counted))
        seconds = time.monotonic() - begin
        moved = counted.bytes
    _end(folder)
    return moved, seconds


def _killed(folder: pathlib.Path, source: str, target: str, image: str, big: int) -> tuple[int, float]:
    """All bytes of a call that is killed when half of it came, and of the one after it."""
    begin = time.monotonic()
    offer = _offer(folder, source, image)
    with wire(offer["address"], pace=40 * MB) as counted:
        process = start(folder, "image_pull", **_pulling(folder, target, offer, counted))
        while counted.received < big / 2:
            time.sleep(0.01)
        kill(process)
        time.sleep(0.5)  # what was on its way when it was killed
        call(folder, "image_pull", **_pulling(folder, target, offer, counted))
        seconds = time.monotonic() - begin
        moved = counted.bytes
    _end(folder)
    return moved, seconds


def _offer(folder: pathlib.Path, source: str, image: str) -> dict[str, t.Any]:
    options = {"engine": source, "images": [image], "address": "127.0.0.1", "password": PASSWORD}
    return call(folder, "image_offer", cache_dir=str(folder / "build-host"), **options)["offer"]


def _pulling(folder: pathlib.Path, target: str, offer: dict[str, t.Any], counted: Wire) -> dict[str, t.Any]:
    through = {**offer, "address": counted.address}
    return {"engine": target, "offer": through, "password": PASSWORD, "cache_dir": str(folder / "other-host")}


def _end(folder: pathlib.Path) -> None:
    call(folder, "image_offer", state="absent", cache_dir=str(folder / "build-host"))


def _piped(source: str, target: str, image: str, compress: bool = False) -> tuple[int, float]:
    """``save | load``, as people do it over ssh; with ``gzip -1`` and ``gunzip`` between."""
    begin, moved = time.monotonic(), 0
    with (
        subprocess.Popen([source, "save", image], stdout=subprocess.PIPE) as save,
        subprocess.Popen([target, "load"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as load,
    ):
        reader, writer = t.cast("t.IO[bytes]", save.stdout), t.cast("t.IO[bytes]", load.stdin)
        while chunk := reader.read(MB):
            data = gzip.compress(chunk, 1) if compress else chunk
            moved += len(data)
            writer.write(gzip.decompress(data) if compress else data)
        writer.close()
    if save.returncode or load.returncode:
        sys.exit(f"{source} save | {target} load failed for {image}")
    return moved, time.monotonic() - begin


# --- small things ---------------------------------------------------------------------------------------------------


def _write(path: pathlib.Path, megabytes: int) -> int:
    """Fill with what compresses to about a half, as programs and libraries do; its size as a gzip layer."""
    with path.open("wb") as stream:
        for _piece in range(megabytes * MB // 2000):
            stream.write(os.urandom(1000) + bytes(1000))
    with path.open("rb") as stream:
        return sum(len(gzip.compress(chunk, 6)) for chunk in iter(lambda: stream.read(MB), b""))


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout}{done.stderr}")


def _report(rows: t.Sequence[Row]) -> t.Iterator[str]:
    yield "| direction | what is moved | way | MB on the wire | / its layers, compressed | seconds |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        yield (
            f"| {row.direction} | {row.what} | {row.way} | {row.moved / MB:.1f} | {row.moved / row.size:.3f} "
            f"| {row.seconds:.1f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
