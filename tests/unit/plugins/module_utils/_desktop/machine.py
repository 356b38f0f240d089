"""Made-up machines: a tree below tmp_path that looks like a host's «/», and answers of programs."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.reader import RootedReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import CommandResult

BOOT = 1_700_000_000
"""When made-up machines started, in seconds since 1970."""

MOUNTS = (
    "none /mnt/wsl tmpfs rw,relatime 0 0\n"
    "none /usr/lib/wsl/drivers 9p ro,nosuid,nodev,noatime,aname=drivers;fmask=222;dmask=222,trans=fd 0 0\n"
    "C:\\134 /mnt/c 9p rw,noatime,aname=drvfs;path=C:\\;uid=1000;gid=1000;symlinkroot=/mnt/,cache=5,trans=fd 0 0\n"
)

WSL = {
    "proc/sys/kernel/osrelease": "6.6.87.2-microsoft-standard-WSL2\n",
    "proc/stat": f"cpu  1 2 3\nbtime {BOOT}\nprocesses 4\n",
    # The name may hold spaces and brackets; PID 1 started 2 s after the kernel.
    "proc/1/stat": f"1 (init (Ubuntu)) S 0 1 1 0 -1 4194560 {' '.join(['0'] * 12)} 200 1024 256\n",
    "proc/1/cmdline": "/sbin/init\0",
    "proc/mounts": MOUNTS,
    "run/WSL/1_interop": "",
    "run/systemd/system/": "",
    "mnt/c/Windows/System32/cmd.exe": "",
    "mnt/c/Windows/System32/tasklist.exe": "",
    "mnt/c/Users/Public/desktop.ini": "",
    "mnt/c/Users/Default/NTUSER.DAT": "",
    "mnt/c/Users/ann/AppData/Roaming/Docker/settings-store.json": '{\n  "SettingsVersion": 43\n}',
}


def build(root: Path, files: t.Mapping[str, str]) -> Path:
    """Write files (path → text; a path that ends with «/» is a folder), all of them older than the machine's start."""
    for name, text in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (BOOT - 1000, BOOT - 1000))
    for socket in (root / "run/WSL").glob("*_interop"):
        os.utime(socket, (BOOT + 2, BOOT + 2))
    return root


class Machine(RootedReader):
    """A tree, and what programs answer: the words joined by spaces → standard output."""

    def __init__(self, root: Path, answers: t.Mapping[str, str] | None = None, system: str = "Linux") -> None:
        super().__init__(str(root))
        self.answers = {words: CommandResult(0, text) for words, text in (answers or {}).items()}
        self.asked: list[str] = []
        self._system = system

    def system(self) -> str:
        return self._system

    def command(self, argv: t.Sequence[str], timeout: float = 10.0) -> CommandResult | None:
        self.asked.append(" ".join(argv))
        # env is always there; what it was to start may not be.
        return self.answers.get(self.asked[-1], CommandResult(1, "", "connect failed 2") if argv[0] == "env" else None)


def through(socket: str, program: str, *words: str) -> str:
    """The command line that asks Windows through an interop socket."""
    return " ".join(["env", f"WSL_INTEROP=/run/WSL/{socket}", f"/mnt/c/Windows/System32/{program}", *words])
