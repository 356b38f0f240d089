"""The reader of this host: nothing raises, programs are found without PATH, commands end."""

from __future__ import annotations

import time

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import (
    CommandResult,
    HostReader,
    find_program,
)

READER = HostReader()


def test_a_device_node():
    node = READER.node("/dev/null")
    assert (node.kind, node.major, node.minor, node.mode) == ("char", 1, 3, "0666")


@pytest.mark.parametrize("path", ["/nowhere", "/etc/passwd", "/etc", "/dev/null/x", "a\0b"[:1]])
def test_what_is_no_node_is_none(path):
    assert READER.node(path) is None


def test_what_is_not_there_is_none():
    assert READER.file("/nowhere") is None is READER.directory("/nowhere")
    assert READER.file("/etc") is None is READER.directory("/etc/passwd")
    assert READER.link("/etc/passwd") is None
    assert not READER.exists("/nowhere")


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "file").write_bytes(b"a\xff\0b")
    assert READER.file(str(tmp_path / "file")) == "a\ufffd\0b"


def test_a_program_is_found_without_path(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert find_program("sh") in ("/usr/bin/sh", "/bin/sh")
    assert find_program("no-such-program") is None
    assert READER.command(["no-such-program"]) is None


def test_a_relative_path_entry_is_not_trusted(monkeypatch, tmp_path):
    program = tmp_path / "gpu-tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ".")
    assert find_program("gpu-tool") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("gpu-tool") == str(program)


def test_a_command():
    assert READER.command(["sh", "-c", "echo out; echo err >&2; echo $LC_ALL; exit 3"]) == CommandResult(
        3, "out\nC\n", "err\n"
    )


def test_a_crash_is_a_negative_status():
    assert READER.command(["sh", "-c", "kill -SEGV $$"]).rc == -11


def test_a_command_that_hangs_is_ended():
    started = time.monotonic()
    assert READER.command(["sleep", "30"], timeout=0.2) == CommandResult(124, "", "no answer within 0.2 s")
    assert time.monotonic() - started < 5


def test_a_second_opinion_is_asked_for_once_and_only_when_thorough(tmp_path, monkeypatch):
    log = tmp_path / "asked"
    program = tmp_path / "gpu-tool"
    program.write_text(f"#!/bin/sh\necho asked >> {log}\necho answer\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert HostReader().known(["gpu-tool"]) is None and not log.exists()
    thorough = HostReader(thorough=True)
    assert [thorough.known(["gpu-tool"]).stdout for _time in range(3)] == ["answer\n"] * 3
    assert log.read_text() == "asked\n"
