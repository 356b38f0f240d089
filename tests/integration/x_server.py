"""A real X server for a test: Xvfb in a container of its own, with a cookie.

Its socket appears in this machine's /tmp/.X11-unix, which is made private here.
"""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import time
import typing as t
import uuid

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import xauthority

from .conftest import VULKAN_IMAGE
from .deploy_system import cli

SOCKETS = pathlib.Path("/tmp/.X11-unix")
NUMBER = "91"


@contextlib.contextmanager
def private_sockets() -> t.Iterator[None]:
    if not SOCKETS.exists():
        # /tmp is the host's. The directory stays: another private machine may have mounted something on it meanwhile.
        SOCKETS.mkdir()
        SOCKETS.chmod(0o1777)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(SOCKETS)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(SOCKETS)], check=True)


class XServer:
    """Xvfb in a container of `engine`; its cookie lies where KWin and SDDM keep theirs.

    screen: a folder in which it keeps what is on the screen, as the file Xvfb_screen0 in the format of xwd(1).
    """

    def __init__(self, engine: str, folder: pathlib.Path, screen: pathlib.Path | None = None) -> None:
        self.engine, self.folder, self.name = engine, folder, f"x{uuid.uuid4().hex[:8]}"
        self.screen = screen
        self.cookie = b""

    def start(self) -> None:
        """With a cookie that it had never before."""
        self.cookie = uuid.uuid4().bytes
        entry = xauthority.Entry(xauthority.LOCAL, b"another-host", NUMBER.encode(), xauthority.MAGIC, self.cookie)
        file = self.folder / "xauth_test"
        file.write_bytes(xauthority.dump([entry]))
        file.chmod(0o600)
        places = ["-v", f"{SOCKETS}:{SOCKETS}", "-v", f"{file}:{file}:ro", "--network", "none"]
        server = ["Xvfb", f":{NUMBER}", "-nolisten", "tcp", "-auth", str(file), "-screen", "0", "640x480x24"]
        if self.screen:
            places += ["-v", f"{self.screen}:/screen"]
            server += ["-fbdir", "/screen"]
        cli(self.engine, "run", "-d", "--name", self.name, *places, VULKAN_IMAGE, *server)
        end = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < end, cli(self.engine, "logs", self.name)
            time.sleep(0.1)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return not xauthority.ask(f"{SOCKETS}/X{NUMBER}", xauthority.MAGIC, self.cookie)
        return False

    def kill(self) -> None:
        """As the kernel or a crash does: the socket stays."""
        cli(self.engine, "kill", "-s", "KILL", self.name)
        subprocess.run([self.engine, "rm", "-f", self.name], capture_output=True, check=True)

    def remove(self) -> None:
        subprocess.run([self.engine, "rm", "-f", self.name], capture_output=True, check=False)
