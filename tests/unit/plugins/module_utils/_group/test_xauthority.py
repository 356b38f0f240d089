# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cookie files, and X servers that take a cookie or not: a made-up server on a real socket."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import stat
import struct
import threading
import time
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import display
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import xauthority
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import SecretFile
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.xauthority import (
    LOCAL,
    MAGIC,
    WILD,
    Entry,
    cookie_file,
    dump,
    for_container,
    for_display,
    gather,
    parse,
)

from . import examples

# What `xauth add :77 MIT-MAGIC-COOKIE-1 00112233445566778899aabbccddeeff` on a host named «pc» writes.
FILE = (
    b"\x01\x00\x00\x02pc\x00\x0277\x00\x12MIT-MAGIC-COOKIE-1\x00\x10"
    b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
)
COOKIE = bytes.fromhex("00112233445566778899aabbccddeeff")

entries = st.builds(
    Entry,
    st.integers(0, 0xFFFF),
    st.binary(max_size=20),
    st.sampled_from([b"", b"0", b"77"]),
    st.sampled_from([MAGIC, b"XDM-AUTHORIZATION-1"]),
    st.binary(max_size=20),
)


def test_a_file_of_xauth() -> None:
    assert parse(FILE) == (Entry(LOCAL, b"pc", b"77", MAGIC, COOKIE),)
    assert dump(parse(FILE)) == FILE


@given(st.lists(entries, max_size=5))
def test_there_and_back(several: list[Entry]) -> None:
    assert parse(dump(several)) == tuple(several)


@given(st.lists(entries, min_size=1, max_size=4), st.data())
def test_a_cut_file_has_its_whole_entries(several: list[Entry], data: st.DataObject) -> None:
    content = dump(several)
    cut = data.draw(st.integers(0, len(content) - 1))
    whole = parse(content[:cut])
    assert whole == tuple(several[: len(whole)]) and len(dump(whole)) <= cut


@given(st.binary(max_size=200))
def test_garbage_does_not_raise(content: bytes) -> None:
    assert dump(parse(content)) == content[: len(dump(parse(content)))]


def test_a_cookie_is_not_shown() -> None:
    assert "cookie" in repr(Entry(LOCAL, b"pc", b"0", b"cookie", b"secret!"))
    assert "secret!" not in repr(Entry(LOCAL, b"pc", b"0", b"cookie", b"secret!"))


def test_cookies_for_a_display_in_order() -> None:
    def entry(family: int, address: bytes, number: bytes, name: bytes = MAGIC) -> Entry:
        return Entry(family, address, number, name, b"x")

    own, any_host, old = entry(LOCAL, b"pc", b"0"), entry(WILD, b"", b"0"), entry(LOCAL, b"old-name", b"0")
    any_display = entry(LOCAL, b"pc", b"")
    others = [entry(LOCAL, b"pc", b"1"), entry(LOCAL, b"pc", b"00"), entry(LOCAL, b"pc", b"0", b"XDM-AUTHORIZATION-1")]
    assert for_display([any_display, *others, old, any_host, own], "0", "pc") == [own, any_host, old, any_display]


@given(entries, st.sampled_from(["0", "12"]))
def test_what_a_container_gets_fits_any_host_name(entry: Entry, number: str) -> None:
    assert parse(for_container(entry, number)) == (Entry(WILD, b"", number.encode(), entry.name, entry.data),)


class Server(threading.Thread):
    """Speaks the first exchange of the X protocol: admits those with `cookie`; None: everybody."""

    def __init__(self, path: pathlib.Path, cookie: bytes | None, answer: bytes | None = None) -> None:
        super().__init__(daemon=True)
        self.cookie, self.answer = cookie, answer
        self.asked: list[bytes] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()

    def run(self) -> None:
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            with client:
                head = client.recv(12, socket.MSG_WAITALL)
                order, major, minor, name, data = struct.unpack("<BxHHHHxx", head)
                assert (order, major, minor) == (ord("l"), 11, 0)
                words = client.recv((name + 3) // 4 * 4 + (data + 3) // 4 * 4, socket.MSG_WAITALL)
                given_name, given_data = words[:name], words[(name + 3) // 4 * 4 :][:data]
                self.asked.append(given_data)
                client.sendall(self.answer if self.answer is not None else self._verdict(given_name, given_data))

    def _verdict(self, name: bytes, data: bytes) -> bytes:
        if self.cookie is None or (name, data) == (MAGIC, self.cookie):
            return struct.pack("<BxHHH", 1, 11, 0, 0)
        reason = b"Authorization required"
        return struct.pack("<BBHHH", 0, len(reason), 11, 0, 6) + reason + b"\0\0"

    def end(self) -> None:
        if self.is_alive():
            self.listener.shutdown(socket.SHUT_RDWR)
            self.join()
            self.listener.close()


@pytest.fixture
def machine(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Callable[..., Server]]:
    """A place for sockets and sessions, and ``machine(cookie, …)``, which starts server :7 there."""
    servers: list[Server] = []
    (tmp_path / "x").mkdir()
    (tmp_path / "user" / str(os.getuid())).mkdir(parents=True)
    monkeypatch.setattr(display, "SESSIONS", str(tmp_path / "user"))
    monkeypatch.setattr(xauthority, "X_SOCKETS", str(tmp_path / "x"))
    monkeypatch.setattr(display, "_users", lambda _reader: [])
    monkeypatch.setattr(xauthority, "PATIENCE", 0.5)

    def start(cookie: bytes | None, answer: bytes | None = None) -> Server:
        server = Server(tmp_path / "x" / "X7", cookie, answer)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.end()


def keep(folder: pathlib.Path, name: str, *kept: Entry) -> pathlib.Path:
    file = folder / "user" / str(os.getuid()) / name
    file.write_bytes(dump(kept))
    return file


def read() -> bytes:
    return cookie_file("7", HostReader())


def local(data: bytes, number: bytes = b"7") -> Entry:
    return Entry(LOCAL, b"pc", number, MAGIC, data)


def test_the_cookie_that_the_server_takes(machine: t.Callable[..., Server], tmp_path: pathlib.Path) -> None:
    server = machine(b"right")
    keep(tmp_path, "xauth_1", local(b"of an earlier session"), local(b"another display's", b"8"))
    keep(tmp_path, "xauth_2", local(b"right"))
    assert parse(read()) == (Entry(WILD, b"", b"7", MAGIC, b"right"),)
    assert server.asked == [b"of an earlier session", b"right"]


def test_a_server_that_admits_everybody_needs_none(machine: t.Callable[..., Server], tmp_path: pathlib.Path) -> None:
    machine(None)
    assert parse(read()) == (Entry(WILD, b"", b"7", MAGIC, b""),)


def test_a_server_that_has_another_cookie(machine: t.Callable[..., Server], tmp_path: pathlib.Path) -> None:
    machine(b"new")
    file = keep(tmp_path, "xauth_1", local(b"old"))
    with pytest.raises(InputError) as caught:
        read()
    assert str(caught.value) == (
        f"the X server :7 refuses (Authorization required); no cookie that it accepts in {file}. "
        "Connect as root or as the user of that session; a cookie file in an unusual place is found through a link at ~/.Xauthority."
    )


def test_a_file_that_cannot_be_read(
    machine: t.Callable[..., Server], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(b"new")
    file = keep(tmp_path, "xauth_1", local(b"new"))
    monkeypatch.setattr(xauthority, "_read", lambda _path, _owner: None)
    with pytest.raises(InputError, match=f"{file} is not readable"):
        read()


@pytest.mark.parametrize(("uid", "told"), [(1000, True), (0, True), (1001, False)])
def test_a_file_that_became_another_users_is_not_told(
    uid: int, told: bool, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its directory is the server owner's, who can put a link to any file there after it was looked at."""
    file = tmp_path / "xauth_1"
    file.write_bytes(b"cookie")
    found = list(os.stat(file))
    found[stat.ST_UID] = uid
    monkeypatch.setattr(xauthority.os, "fstat", lambda _descriptor: os.stat_result(found))
    assert xauthority._read(str(file), 1000) == (b"cookie" if told else None)


def test_what_became_no_file_is_not_read(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "xauth_1")
    assert xauthority._read(str(tmp_path / "xauth_1"), None) is None
    assert xauthority._read("/dev/zero", None) is None


def test_not_every_cookie_of_a_file_is_tried(machine: t.Callable[..., Server], tmp_path: pathlib.Path) -> None:
    server = machine(b"new")
    keep(tmp_path, "xauth_1", *(local(b"old%d" % number) for number in range(40)))
    with pytest.raises(InputError, match="no cookie that it accepts"):
        read()
    # And once without any.
    assert len(server.asked) == 16 + 1


def test_an_answer_that_trickles_is_none(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xauthority, "PATIENCE", 0.2)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "X7"))
    listener.listen()

    def trickle() -> None:
        client, _address = listener.accept()
        with client, contextlib.suppress(OSError):
            client.sendall(b"\0\x04\x0b\0\0\0\xff\xff")
            while True:
                client.sendall(b".")
                time.sleep(0.02)

    thread = threading.Thread(target=trickle)
    thread.start()
    begin = time.monotonic()
    with listener, pytest.raises(OSError, match="timed out"):
        xauthority.ask(str(tmp_path / "X7"))
    assert time.monotonic() - begin < 2
    thread.join()


def test_no_server(machine: t.Callable[..., Server]) -> None:
    with pytest.raises(InputError, match=r"the X server :7 is gone .*X7 does not exist.*Log in on this host's desktop"):
        read()


def test_a_socket_without_a_server(machine: t.Callable[..., Server], tmp_path: pathlib.Path) -> None:
    machine(b"x").end()
    with pytest.raises(InputError, match="the X server :7 does not answer on .*: Connection refused. It has ended"):
        read()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "it closed the connection"),
        (b"\0", "it closed the connection"),
        (b"\0\x04\x0b\0\0\0\x01\0None", "None"),
        (b"\0\xff\x0b\0\0\0\xff\xffcut", "cut"),
        (b"\2\0\0\0\0\0\x01\0Why\0", "Why"),
        (b"HTTP/1.1 400", "HTTP"),
    ],
)
def test_odd_answers(answer: bytes, reason: str, machine: t.Callable[..., Server], tmp_path: pathlib.Path) -> None:
    machine(b"x", answer)
    if reason == "HTTP":
        # Something that is no X server.
        with pytest.raises(InputError, match="the X server :7 refuses"):
            read()
    else:
        assert xauthority.ask(str(tmp_path / "x" / "X7")) == reason


def test_a_server_that_says_nothing(machine: t.Callable[..., Server], tmp_path: pathlib.Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "x" / "X7"))
    listener.listen()
    with listener, pytest.raises(InputError, match="does not answer on .*timed out"):
        read()


def drawer(name: str, number: str, group: str) -> t.Any:
    return examples.service(
        name,
        group=group,
        secrets=(SecretFile(f"x11-cookie-{number}", "/run/display/Xauthority"), SecretFile("a/b", "/s")),
    )


def test_cookies_of_groups(machine: t.Callable[..., Server], tmp_path: pathlib.Path) -> None:
    server = machine(b"right")
    keep(tmp_path, "xauth_1", local(b"right"))
    first = examples.group("core", drawer("one", "7", "core"), drawer("two", "7", "core"), drawer("three", "9", "core"))
    second = examples.group("other", drawer("four", "8", "other"))
    values, errors = gather([first, second], [first], HostReader())
    assert set(values) == {"x11-cookie-7", "x11-cookie-8", "x11-cookie-9"}
    assert parse(values["x11-cookie-7"])[0].data == b"right" and server.asked == [b"right"]
    assert values["x11-cookie-8"] == values["x11-cookie-9"] == b""
    assert [error.path for error in errors] == ["core: services.three.x-display"]
    assert "the X server :9 is gone" in errors[0].message
    assert gather([second], [], HostReader()) == ({"x11-cookie-8": b""}, [])
