# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Display servers by their sockets, and the files that may hold an X server's cookie."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import host
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.display import authorities, detect
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import Display, GpuHost
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import RecordingReader, ReplayReader

X = "/tmp/.X11-unix"
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
sddm:x:110:110::/var/lib/sddm:/bin/false
max:x:1000:1000::/home/max:/bin/bash
ann:x:1001:1001::/home/ann:/bin/bash
"""
WSLG = {
    "/mnt/wslg": [".X11-unix", "PulseServer", "runtime-dir", "weston.log"],
    "/mnt/wslg/.X11-unix": ["X0"],
    "/mnt/wslg/runtime-dir": ["pulse", "wayland-0", "wayland-0.lock"],
}
SHOWN = Display(
    "wslg", ":0", "/mnt/wslg/.X11-unix/X0", more=("/mnt/wslg/runtime-dir/wayland-0", "/mnt/wslg/PulseServer")
)


def node(kind: str, uid: int) -> dict[str, t.Any]:
    return {"kind": kind, "major": None, "minor": None, "mode": "0600", "uid": uid, "gid": uid}


def reader(
    directories: dict[str, list[str]] | None = None, own: str = "", files: dict[str, str] | None = None, **nodes: t.Any
) -> ReplayReader:
    """A host; nodes: owners by path, ``s`` in front of a socket's."""
    snapshot = {
        "snapshot": 1,
        "directories": directories or {},
        "files": {"/etc/passwd": PASSWD, "/proc/self/environ": own, **(files or {})},
        "nodes": {
            path: node("socket" if "X11-unix" in path or "wayland-" in path else "file", uid)
            for path, uid in nodes.items()
        },
    }
    made = ReplayReader(snapshot)
    assert made.findings() == []
    return made


def x11(number: int, uid: int | None, authority: str = "") -> Display:
    return Display("x11", f":{number}", f"{X}/X{number}", uid, authority)


def wayland(uid: int, name: str = "wayland-0") -> Display:
    return Display("wayland", name, f"/run/user/{uid}/{name}", uid)


GDM = "/run/user/1000/gdm/Xauthority"
MUTTER = "/run/user/1000/.mutter-Xwaylandauth.AB12CD"


@pytest.mark.parametrize(
    ("seen", "displays"),
    [
        pytest.param(reader(), [], id="nothing"),
        pytest.param(reader({X: []}), [], id="an empty directory"),
        pytest.param(reader({X: ["X0"]}), [x11(0, None)], id="only the socket's name is known"),
        pytest.param(reader({X: ["X0-lock", "Xfoo", "x1", "X"]}), [], id="other names"),
        pytest.param(
            reader(**{f"{X}/X1": 1000, GDM: 1000}), [x11(1, 1000, GDM)], id="Xorg of gdm, run by the user itself"
        ),
        pytest.param(
            reader(**{f"{X}/X0": 0, "/run/lightdm/max/xauthority": 1000}),
            [x11(0, 1000, "/run/lightdm/max/xauthority")],
            id="Xorg of lightdm, run by root: the cookie tells whose session it is",
        ),
        pytest.param(
            reader(**{f"{X}/X0": 0, "/tmp/xauth_AbCdEf": 1000}), [x11(0, 1000, "/tmp/xauth_AbCdEf")], id="SDDM 0.20"
        ),
        pytest.param(
            reader(**{f"{X}/X0": 1000, "/home/max/.Xauthority": 1000, MUTTER: 1000}),
            [x11(0, 1000, MUTTER)],
            id="a session's own file before the one in the home directory, which outlives sessions",
        ),
        pytest.param(
            reader(**{f"{X}/X0": 1001, "/home/max/.Xauthority": 1000}),
            [x11(0, 1001)],
            id="a cookie of somebody else is not told to this server",
        ),
        pytest.param(
            reader(**{f"{X}/X0": 1000, MUTTER: 1000, "/run/user/1000/wayland-0": 1000}),
            [wayland(1000), x11(0, 1000, MUTTER)],
            id="GNOME with Xwayland",
        ),
        pytest.param(
            reader({"/run/user": ["1000"], "/run/user/1000": ["wayland-1", "wayland-1.lock", "bus"]}),
            [wayland(1000, "wayland-1")],
            id="a compositor of which only the name is known",
        ),
        pytest.param(
            reader(**{f"{X}/X1024": 120, f"{X}/X1": 1001, f"{X}/X0": 0}),
            [x11(1, 1001), x11(0, 0), x11(1024, 120)],
            id="people first, the login screen last",
        ),
        pytest.param(
            reader(own="DISPLAY=:7.0\0XAUTHORITY=/srv/cookie\0", **{f"{X}/X1": 1000, f"{X}/X7": 0, "/srv/cookie": 0}),
            [x11(7, 0, "/srv/cookie"), x11(1, 1000)],
            id="what this process was told first",
        ),
        pytest.param(
            reader(own="XDG_RUNTIME_DIR=/srv/run/\0", **{"/srv/run/wayland-0": 1000}),
            [Display("wayland", "wayland-0", "/srv/run/wayland-0", 1000)],
            id="a runtime directory in an unusual place",
        ),
    ],
)
def test_displays(seen: ReplayReader, displays: list[Display]) -> None:
    found, findings = detect(seen, "linux")
    assert list(found) == displays
    # Nobody misses the login screen's.
    lacking = [entry for entry in displays if entry.kind == "x11" and not entry.authority and entry.uid != 120]
    assert [(entry.code, entry.evidence) for entry in findings] == [("x11-no-cookie", each.socket) for each in lacking]
    assert all(entry.probe and entry.mend for entry in findings)


@pytest.mark.parametrize(
    ("directories", "conf", "shown"),
    [
        (WSLG, "", [SHOWN]),
        ({**WSLG, X: ["X0"], "/run/user": ["1000"], "/run/user/1000": ["wayland-0"]}, "", [SHOWN]),
        ({**WSLG, X: ["X0", "X5"]}, "", [SHOWN, x11(5, None)]),
        ({"/mnt": ["c", "wslg"]}, "", [SHOWN]),
        ({"/mnt": ["c"]}, "", []),
        ({"/mnt/wslg": [".X11-unix", "runtime-dir"], "/mnt/wslg/.X11-unix": ["X0"], "/mnt/wslg/runtime-dir": ["pulse"]},
         "", [Display("wslg", ":0", "/mnt/wslg/.X11-unix/X0")]),
        ({path.replace("/mnt", "/windows"): names for path, names in WSLG.items()},
         "[boot]\nroot = /wrong\n[automount] # drives\nenabled=true\nroot = /windows/ # here\n",
         [Display("wslg", ":0", "/windows/wslg/.X11-unix/X0",
                  more=("/windows/wslg/runtime-dir/wayland-0", "/windows/wslg/PulseServer"))]),
        (WSLG, "[automount]\nroot=/windows\n", [SHOWN]),
        (WSLG, "[automount]\nroot=c\n=\n[\n", [SHOWN]),
    ],
    ids=["all of it", "its links", "another X server", "its name only", "switched off", "no compositor", "automount.root",
         "root set and not followed", "a broken wsl.conf"],
)  # fmt: skip
def test_wslg(directories: dict[str, list[str]], conf: str, shown: list[Display]) -> None:
    found, _findings = detect(reader(directories, files={"/etc/wsl.conf": conf}), "wsl2")
    assert list(found) == shown


def test_wslg_is_looked_for_under_wsl2_only() -> None:
    assert detect(reader(WSLG), "linux") == ((), ())


def test_candidates_in_order() -> None:
    paths = [
        "/srv/told",
        "/run/user/1000/gdm/Xauthority",
        "/run/user/1000/xauth_1",
        "/run/user/1001/Xauthority",
        "/run/lightdm/max/xauthority",
        "/run/lightdm/ann/xauthority",
        "/tmp/xauth_x",
        "/tmp/xvfb-run.x/Xauthority",
        "/home/max/.Xauthority",
        "/home/ann/.Xauthority",
        "/root/.Xauthority",
        "/run/lightdm/root/:0",
        "/run/lxdm/lxdm-:0.auth",
        "/run/sddm/xauth_y",
        "/run/gdm3/auth-for-max-1/database",
    ]
    seen = reader(own="XAUTHORITY=/srv/told\0", **dict.fromkeys(paths, 0))
    assert list(authorities(seen, "0", 0)) == paths
    theirs = authorities(seen, "1", 1001)
    assert theirs[:2] == ("/srv/told", "/run/user/1001/Xauthority") and "/run/lightdm/root/:0" not in theirs


def test_no_cookie_gets_into_a_snapshot(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On this host, with a real socket and a real cookie file."""
    module = "ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.display"
    monkeypatch.setattr(f"{module}.X_SOCKETS", str(tmp_path / "x"))
    monkeypatch.setattr(f"{module}.SESSIONS", str(tmp_path / "user"))
    mine = tmp_path / "user" / str(os.getuid())
    mine.mkdir(parents=True)
    (tmp_path / "x").mkdir()
    (mine / "xauth_1").write_bytes(b"the-cookie-itself")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "x" / "X3"))
        recorder = RecordingReader(HostReader())
        found, _findings = detect(recorder, "linux")
    assert (found[0].name, found[0].uid, found[0].authority) == (":3", os.getuid(), str(mine / "xauth_1"))
    text = json.dumps(recorder.snapshot())
    assert "the-cookie-itself" not in text
    assert detect(ReplayReader(json.loads(text)), "linux")[0] == found


@pytest.mark.parametrize(
    ("seen", "platform", "count"),
    [(reader({X: ["X0"]}), "linux", 1), (reader({X: ["X0"]}), "macos", 0), (reader(), "linux", 0)],
)
def test_a_host_names_its_displays(
    seen: ReplayReader, platform: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "detect_platform", lambda _reader: platform)
    facts = host.describe(seen)
    assert len(facts.displays) == count
    assert GpuHost.from_dict(json.loads(json.dumps(facts.to_dict()))).displays == facts.displays


names = st.sampled_from(
    ["X0", "X1", "X" + "9" * 30, "wayland-0", "1000", "-1", "", "gdm", "xauth_", ".mutter-Xwaylandauth.x", "¹", "wslg"]
)
places = st.sampled_from(
    [X, "/run/user", "/run/user/1000", "/tmp", "/mnt", "/mnt/wslg", "/mnt/wslg/.X11-unix", "/run/sddm", "/run/lightdm"]
)
lines = st.sampled_from(
    ["a:x:1000:1::/h:/s", "b:x:²:1::/h:/s", "::::::", "[automount]", "root=/w", "=", "DISPLAY=:0\0"]
)


@given(
    st.dictionaries(places, st.lists(names, max_size=4)),
    st.dictionaries(st.sampled_from(["/etc/passwd", "/etc/wsl.conf", "/proc/self/environ"]), st.lists(lines)),
    st.sampled_from(["linux", "wsl2", "container"]),
)
def test_it_never_raises(directories: t.Any, files: t.Any, platform: str) -> None:
    texts = {path: "\n".join(content) for path, content in files.items()}
    found, findings = detect(ReplayReader({"snapshot": 1, "directories": directories, "files": texts}), platform)
    assert all(display.socket.startswith("/") for display in found)
    assert all(entry.evidence for entry in findings)
