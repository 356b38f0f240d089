"""podman_boot on made-up directories; systemctl is a stand-in."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import podman_boot as decisions
from ansible_collections.gpu_fleet.containers.plugins.modules import podman_boot

OLD = "[Service]\nExecStart=/usr/bin/podman $LOGGING start --all --filter restart-policy=always\n"
NEW = OLD.replace("restart-policy=always", "should-start-on-boot=true")
STALE = decisions.drop_in(OLD)


@pytest.mark.parametrize(
    ("unit", "there", "left", "changed"),
    [(OLD, "", STALE, True), (OLD, STALE, STALE, False), (NEW, STALE, "", True), (NEW, "", "", False)],
)
def test_the_drop_in_follows_the_packaged_unit(tmp_path, monkeypatch, unit, there, left, changed):
    class Module:
        check_mode = False
        params = {"user": "", "state": "present"}
        tmpdir = str(tmp_path)

        def atomic_move(self, source, path):
            drop_in.write_text((tmp_path / source).read_text())

        def set_mode_if_different(self, path, mode, changed):
            return changed

    units, drop_in = tmp_path / "units", tmp_path / "drop-in"
    (units / "system").mkdir(parents=True)
    (units / "system" / decisions.UNIT).write_text(unit)
    if there:
        drop_in.write_text(there)
    commands = []
    monkeypatch.setattr(podman_boot, "DIRECTORIES", (str(units),))
    monkeypatch.setattr(decisions, "DROP_IN", str(drop_in))
    monkeypatch.setattr(podman_boot.os.path, "isdir", lambda path: True)
    monkeypatch.setattr(podman_boot, "_enabled", lambda who: True)
    monkeypatch.setattr(podman_boot.podman_user, "run", commands.append)
    result = podman_boot.ensure(Module())
    assert (result["changed"], bool(result["drop_in"])) == (changed, bool(left))
    assert (drop_in.read_text() if drop_in.exists() else "") == left
    assert commands == ([["systemctl", "daemon-reload"]] if changed else [])
