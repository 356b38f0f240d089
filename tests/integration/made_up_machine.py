"""Run as root in namespaces of its own: a made-up /dev, /sys and /proc/driver, then a program.

    unshare --mount --propagation private python made_up_machine.py MACHINE.json PROGRAM [ARGUMENTS]

MACHINE.json: {"files": {path: text}, "copies": {path: source}, "nodes": [[path, major, minor]], "links": {path: target}}.
Paths outside the made-up places are laid over /usr/lib, whose real content stays.
"""

from __future__ import annotations

import json
import os
import pathlib
import stat
import subprocess
import sys
import tempfile

PLAIN = (("null", 1, 3), ("zero", 1, 5), ("random", 1, 8), ("urandom", 1, 9))


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def node(path: str, major: int, minor: int) -> None:
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, stat.S_IFCHR, os.makedev(major, minor))
    os.chmod(path, 0o666)


def own_root(work: str) -> None:
    """A root of its own: what tests run in may be a container and say so by a file there; the made-up machine is none."""
    root = f"{work}/root"
    os.mkdir(root)
    for entry in os.scandir("/"):
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), f"{root}/{entry.name}")
        elif entry.is_dir():
            os.mkdir(f"{root}/{entry.name}")
            mount("--rbind", entry.path, f"{root}/{entry.name}")
    os.chroot(root)
    os.chdir("/")


def main() -> None:
    machine = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    # Beside it, as it is the caller's to remove.
    work = tempfile.mkdtemp(prefix="machine-", dir=os.path.dirname(os.path.abspath(sys.argv[1])))
    mount("-t", "tmpfs", "tmpfs", work)
    own_root(work)
    for name in ("upper", "work"):
        os.mkdir(f"{work}/{name}")
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/usr/lib,upperdir={work}/upper,workdir={work}/work", "/usr/lib")
    for place in ("/dev", "/sys", "/proc/driver"):
        mount("-t", "tmpfs", "tmpfs", place)
    for name, major, minor in PLAIN:
        node(f"/dev/{name}", major, minor)
    for path, major, minor in machine.get("nodes", ()):
        node(path, major, minor)
    for path, text in machine.get("files", {}).items():
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_text(text, encoding="utf-8")
    for path, source in machine.get("copies", {}).items():
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_bytes(pathlib.Path(source).read_bytes())
    for path, target in machine.get("links", {}).items():
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).symlink_to(target)
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
