"""A tree in place of «/»: every question stays inside it, and nothing is run."""

from __future__ import annotations

import os

from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.reader import RootedReader


def test_every_question_is_about_the_tree(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("made-up\n")
    os.utime(tmp_path / "etc/hostname", (5, 5))
    (tmp_path / "etc/localtime").symlink_to("hostname")
    reader = RootedReader(f"{tmp_path}/")
    assert reader.file("/etc/hostname") == "made-up\n"
    assert reader.directory("/etc") == ("hostname", "localtime")
    assert reader.exists("/etc/hostname") and not reader.exists("/proc")
    assert reader.entry("/etc/hostname").kind == "file" and reader.node("/dev/null") is None
    assert reader.link("/etc/localtime") == "hostname"
    assert reader.modified("/etc/hostname") == 5.0 and reader.modified("/etc/passwd") is None
    assert reader.real("/etc/hostname") == str(tmp_path / "etc/hostname")
    assert reader.command(["true"]) is None and reader.program("true") is None


def test_without_a_tree_it_is_this_host():
    reader = RootedReader()
    assert reader.real("/etc") == "/etc" and reader.command(["true"]).rc == 0 and reader.program("sh")
