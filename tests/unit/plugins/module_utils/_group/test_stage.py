"""Staged content and secrets on a real file system: modes, atomicity, nothing outside the folder."""

from __future__ import annotations

import io
import os
import pathlib
import stat
import tarfile
import threading

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import stage
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    STAGED,
    ContainerConfig,
    Mount,
    SecretFile,
)

SHA = "a" * 64
OTHER = "b" * 64


def mode(path: str | pathlib.Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def with_secrets(*secrets: SecretFile) -> ContainerConfig:
    return ContainerConfig("c", "x:1", secrets=secrets)


def with_mounts(*sources: str) -> ContainerConfig:
    return ContainerConfig("c", "x:1", mounts=tuple(Mount("bind", f"/{n}", source) for n, source in enumerate(sources)))


# --- the key of the fingerprints ------------------------------------------------------------------------------------


def test_the_key_is_made_once_and_read_only_by_its_owner(tmp_path):
    state = tmp_path / "deep" / "state"
    key = stage.fingerprint_key(str(state), create=True)
    assert len(key) == 32
    assert stage.fingerprint_key(str(state), create=True) == key == stage.fingerprint_key(str(state), create=False)
    assert mode(state / "key") == 0o600
    assert os.listdir(state) == ["key"]


def test_check_mode_makes_no_key(tmp_path):
    first = stage.fingerprint_key(str(tmp_path / "state"), create=False)
    assert first != stage.fingerprint_key(str(tmp_path / "state"), create=False)
    assert not (tmp_path / "state").exists()


def test_a_damaged_key_is_named(tmp_path):
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(InputError, match=r"key is damaged\. Remove it"):
        stage.fingerprint_key(str(tmp_path), create=True)


def test_hosts_that_share_a_machine_get_one_key(tmp_path, monkeypatch):
    """Both find no key at the same moment; whoever writes second takes the first one's."""
    barrier = threading.Barrier(4)
    original = stage.random_source.token_bytes

    def token_bytes(size):
        barrier.wait(timeout=10)
        return original(size)

    monkeypatch.setattr(stage.random_source, "token_bytes", token_bytes)
    keys = []
    threads = [
        threading.Thread(target=lambda: keys.append(stage.fingerprint_key(str(tmp_path), create=True)))
        for _number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 4 and len(set(keys)) == 1
    assert os.listdir(tmp_path) == ["key"]


# --- staged files ---------------------------------------------------------------------------------------------------


def archive(path: pathlib.Path, *members: tarfile.TarInfo | tuple[str, bytes]) -> str:
    with tarfile.open(path, "w") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size, info.mode = len(member[1]), 0o644
                tar.addfile(info, io.BytesIO(member[1]))
    return str(path)


def entry(name: str, kind: bytes, target: str = "", bits: int = 0o755) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, bits
    return info


def test_only_what_is_not_there_is_missing(tmp_path):
    config = with_mounts(STAGED + SHA, STAGED + OTHER, "/srv/data", "volume")
    assert stage.missing_files(str(tmp_path), [config, config]) == [SHA, OTHER]
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / SHA).write_text("x")
    assert stage.missing_files(str(tmp_path), [config]) == [OTHER]


def test_unpacking_takes_files_directories_and_their_links(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    path = archive(
        tmp_path / "a.tar",
        (SHA, b"one file"),
        entry(OTHER, tarfile.DIRTYPE),
        (f"{OTHER}/..data", b"a name that only looks like leaving"),
        entry(f"{OTHER}/link", tarfile.SYMTYPE, "/etc/localtime"),
        entry(f"{OTHER}/same", tarfile.LNKTYPE, f"{OTHER}/..data"),
    )
    stage.unpack_files(str(state), path)
    files = state / "files"
    assert (files / SHA).read_text() == "one file"
    assert mode(files / SHA) == 0o644 and mode(files) == 0o755
    assert (files / OTHER / "same").read_text() == (files / OTHER / "..data").read_text()
    assert os.readlink(files / OTHER / "link") == "/etc/localtime"
    assert os.listdir(state) == ["files"], "no temporary folder stays"


def test_what_is_there_is_never_changed(tmp_path):
    stage.unpack_files(str(tmp_path), archive(tmp_path / "1.tar", (SHA, b"first")))
    stage.unpack_files(str(tmp_path), archive(tmp_path / "2.tar", (SHA, b"second"), (OTHER, b"new")))
    assert (tmp_path / "files" / SHA).read_text() == "first"
    assert (tmp_path / "files" / OTHER).read_text() == "new"


def test_another_host_was_faster(tmp_path, monkeypatch):
    """Between the look and the rename the same directory appears, as when two hosts share a machine."""
    path = archive(tmp_path / "a.tar", entry(SHA, tarfile.DIRTYPE), (f"{SHA}/x", b"mine"))
    original = os.rename

    def rename(source, target):
        if target.endswith(SHA):
            os.mkdir(target)
            pathlib.Path(target, "x").write_text("theirs")
        original(source, target)

    monkeypatch.setattr(stage.os, "rename", rename)
    stage.unpack_files(str(tmp_path), path)
    assert (tmp_path / "files" / SHA / "x").read_text() == "theirs"


def test_a_rename_that_fails_for_another_reason_is_no_secret(tmp_path, monkeypatch):
    def rename(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage.os, "rename", rename)
    with pytest.raises(OSError, match="No space left"):
        stage.unpack_files(str(tmp_path), archive(tmp_path / "a.tar", (SHA, b"x")))


@pytest.mark.parametrize(
    "members",
    [
        [("../outside", b"x")],
        [(f"{SHA}/../../outside", b"x")],
        [("/outside", b"x")],
        [("..", b"x")],
        [entry(SHA, tarfile.CHRTYPE)],
        [entry(SHA, tarfile.FIFOTYPE)],
        [entry(SHA, tarfile.LNKTYPE, "../outside")],
        [entry(SHA, tarfile.LNKTYPE, "/etc/hostname")],
        [entry(SHA, tarfile.SYMTYPE, ".."), (f"{SHA}/outside", b"x")],
        [entry(SHA, tarfile.DIRTYPE), entry(f"{SHA}/d", tarfile.SYMTYPE, "/"), (f"{SHA}/d/tmp/outside", b"x")],
        [entry(SHA, tarfile.SYMTYPE, "/etc/hostname"), entry(OTHER, tarfile.LNKTYPE, SHA)],
    ],
    ids=[
        "up",
        "up from inside",
        "absolute",
        "the parent itself",
        "device",
        "fifo",
        "hard link up",
        "hard link to an absolute path",
        "through a link to the parent",
        "through a link deeper down",
        "hard link to a link",
    ],
)
def test_an_archive_that_leaves_its_folder_is_refused_before_anything_is_written(tmp_path, members):
    state = tmp_path / "state"
    state.mkdir()
    with pytest.raises(InputError, match="leaves its folder"):
        stage.unpack_files(str(state), archive(tmp_path / "bad.tar", (OTHER, b"good"), *members))
    assert os.listdir(state) == ["files"] and os.listdir(state / "files") == []
    assert not (tmp_path / "outside").exists()


# --- secrets --------------------------------------------------------------------------------------------------------

TOKEN = SecretFile("core/token#0123-1000-1001-440", "/run/secrets/token", uid=1000, gid=1001, mode=0o440)


def test_a_secret_is_written_for_its_user_alone(tmp_path):
    stage.write_secrets(str(tmp_path), "mainpc", [with_secrets(TOKEN)], {"core/token": "s3cret-value"})
    path = stage.secret_path(str(tmp_path), "mainpc", TOKEN)
    assert path == str(tmp_path / "secrets" / "mainpc" / "core_token#0123-1000-1001-440")
    assert pathlib.Path(path).read_text() == "s3cret-value"
    assert mode(path) == 0o440
    assert mode(tmp_path / "secrets") == 0o711 and mode(tmp_path / "secrets" / "mainpc") == 0o700
    if os.geteuid() == 0:
        assert (os.stat(path).st_uid, os.stat(path).st_gid) == (1000, 1001)


def test_no_secrets_no_folder(tmp_path):
    stage.write_secrets(str(tmp_path), "mainpc", [with_secrets()], {})
    assert os.listdir(tmp_path) == []


def test_users_of_one_secret_have_a_file_each_and_hosts_are_apart(tmp_path):
    root = SecretFile("core/token#0123-0-0-400", "/run/secrets/token")
    values = {"core/token": "s3cret-value"}
    stage.write_secrets(str(tmp_path), "mainpc", [with_secrets(TOKEN, root)], values)
    stage.write_secrets(str(tmp_path), "pc2", [with_secrets(root)], values)
    assert len(os.listdir(tmp_path / "secrets" / "mainpc")) == 2
    assert len(os.listdir(tmp_path / "secrets" / "pc2")) == 1


def test_a_write_that_is_cut_off_leaves_nothing(tmp_path, monkeypatch):
    def fchmod(descriptor, bits):
        raise KeyboardInterrupt

    monkeypatch.setattr(stage.os, "fchmod", fchmod)
    with pytest.raises(KeyboardInterrupt):
        stage.write_secrets(str(tmp_path), "mainpc", [with_secrets(TOKEN)], {"core/token": "s3cret-value"})
    assert os.listdir(tmp_path / "secrets" / "mainpc") == []


def test_the_value_is_never_readable_by_others_while_it_is_written(tmp_path, monkeypatch):
    seen = []
    original = os.replace

    def replace(source, target):
        seen.append((pathlib.Path(source).read_text(), mode(source)))
        original(source, target)

    monkeypatch.setattr(stage.os, "replace", replace)
    before = os.umask(0)
    try:
        stage.write_secrets(str(tmp_path), "mainpc", [with_secrets(TOKEN)], {"core/token": "s3cret-value"})
    finally:
        os.umask(before)
    assert seen == [("s3cret-value", 0o440)], "whole and with its mode before it stands under its name"


def test_secrets_that_no_container_names_go(tmp_path):
    old = SecretFile("core/token#9999", "/run/secrets/token")
    values = {"core/token": "s3cret-value"}
    stage.write_secrets(str(tmp_path), "mainpc", [with_secrets(TOKEN, old)], values)
    stage.write_secrets(str(tmp_path), "pc2", [with_secrets(old)], values)
    stage.remove_unused_secrets(str(tmp_path), "mainpc", [with_secrets(TOKEN)])
    kept = os.path.basename(stage.secret_path(str(tmp_path), "mainpc", TOKEN))
    assert os.listdir(tmp_path / "secrets" / "mainpc") == [kept]
    assert len(os.listdir(tmp_path / "secrets" / "pc2")) == 1, "another host's stay"
    stage.remove_unused_secrets(str(tmp_path), "never-seen", [])


def test_bind_sources_name_everything_staged(tmp_path):
    config = ContainerConfig(
        "c", "x:1", mounts=(Mount("bind", "/a", STAGED + SHA), Mount("bind", "/b", "/srv")), secrets=(TOKEN,)
    )
    assert stage.bind_sources(str(tmp_path), "mainpc", config) == {
        STAGED + SHA: str(tmp_path / "files" / SHA),
        TOKEN.source: stage.secret_path(str(tmp_path), "mainpc", TOKEN),
    }


def test_removing_a_host_leaves_the_others_and_what_is_shared(tmp_path):
    values = {"core/token": "s3cret-value"}
    for host in ("mainpc", "pc2"):
        stage.write_secrets(str(tmp_path), host, [with_secrets(TOKEN)], values)
    stage.unpack_files(str(tmp_path), archive(tmp_path / "a.tar", (SHA, b"x")))
    stage.remove_host(str(tmp_path), "mainpc")
    stage.remove_host(str(tmp_path), "mainpc")
    assert os.listdir(tmp_path / "secrets") == ["pc2"]
    assert (tmp_path / "files" / SHA).exists()


KEPT = [
    ((1000, 1000), "keep-id", (0, 0)),
    ((0, 0), "keep-id", (1, 1)),
    ((2000, 1000), "keep-id", (2000, 0)),
    ((1000, 5), "keep-id:uid=7,gid=5", (1000, 0)),
    ((7, 4), "keep-id:uid=7,gid=5", (0, 5)),
]


@pytest.mark.parametrize(("ids", "mode", "expected"), KEPT)
def test_ids_where_the_user_keeps_their_own(ids, mode, expected):
    assert stage.kept_ids(*ids, mode, 1000, 1000) == expected


def test_a_secret_is_in_its_place_only_when_it_has_its_owner(tmp_path, monkeypatch):
    monkeypatch.setattr(stage.os, "geteuid", lambda: 1000)
    config = ContainerConfig("web", "x", secrets=(SecretFile("g/token#1", "/run/secrets/token", 1000, 1000),))
    given = []

    def killed(path, uid, gid):
        given.append((os.stat(path).st_mode & 0o777, uid, gid))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.write_secrets(str(tmp_path), "h", [config], {"g/token": "a long value"}, killed)
    assert given == [(0o400, 1000, 1000)]
    assert os.listdir(tmp_path / "secrets" / "h") == []
