"""Bases from a mirror: whose mirror, which command, made once."""

from __future__ import annotations

import os
import pathlib
import stat
import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.bootstrap import (
    Mirror,
    base_archive,
    command,
    host_mirror,
    sources,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import Bootstrap

RECIPE = Bootstrap("BASE", "bookworm", ("python3-zmq", "python3"), mirror="http://mirror.invalid/debian")

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://deb.invalid/debian
# another
Suites: bookworm
  bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian.gpg
"""


class Sources(t.NamedTuple):
    files: dict[str, str]
    mirror: Mirror


SOURCES = {
    "none": Sources({}, Mirror("")),
    "one line": Sources(
        {"sources.list": "deb http://deb.invalid/debian bookworm main"}, Mirror("http://deb.invalid/debian")
    ),
    "options": Sources(
        {"sources.list": "deb [arch=amd64 signed-by=/k.gpg] http://deb.invalid/debian bookworm main contrib"},
        Mirror("http://deb.invalid/debian", "/k.gpg"),
    ),
    "deb822": Sources(
        {"sources.list.d/debian.sources": DEB822}, Mirror("http://deb.invalid/debian", "/usr/share/keyrings/debian.gpg")
    ),
    "comments, source and security lines": Sources(
        {
            "sources.list": "#deb http://old.invalid/debian x main\ndeb-src http://s.invalid/debian x main\n"
            "deb http://security.invalid/debian-security bookworm-security main\n"
            "deb http://deb.invalid/debian bookworm main"
        },
        Mirror("http://deb.invalid/debian"),
    ),
    "another vendor's list comes first": Sources(
        {
            "sources.list.d/a.list": "deb https://vendor.invalid/apt stable main",
            "sources.list.d/debian.sources": DEB822,
        },
        Mirror("http://deb.invalid/debian", "/usr/share/keyrings/debian.gpg"),
    ),
    "an unusual address is better than none": Sources(
        {"sources.list": "deb http://lan.invalid/mirror/bookworm bookworm main"},
        Mirror("http://lan.invalid/mirror/bookworm"),
    ),
    "switched off": Sources({"sources.list.d/d.sources": DEB822 + "Enabled: no\n"}, Mirror("")),
    "second stanza, embedded key": Sources(
        {
            "sources.list.d/d.sources": "Types: deb-src\nURIs: http://x.invalid/debian\nSuites: a\nComponents: main\n\n"
            "Types: deb\nURIs: http://y.invalid/ubuntu/\nSuites: noble\nComponents: main universe\n"
            "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ\n"
        },
        Mirror("http://y.invalid/ubuntu/"),
    ),
    "not over the network": Sources({"sources.list": "deb cdrom:[Debian]/ bookworm main"}, Mirror("")),
}


@pytest.mark.parametrize("name", SOURCES)
def test_host_mirror(name: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    for file, text in SOURCES[name].files.items():
        (tmp_path / file).write_text(text)
    assert host_mirror(str(tmp_path)) == SOURCES[name].mirror


def test_a_list_of_mirrors_in_a_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "debian.list").write_text("https://one.invalid/debian\nhttps://two.invalid/debian\n")
    (tmp_path / "sources.list").write_text(f"deb mirror+file:{tmp_path}/debian.list bookworm main")
    assert host_mirror(str(tmp_path)) == Mirror("https://one.invalid/debian")


def test_command() -> None:
    argv = command(RECIPE, "arm64", "/c/base.tar")
    assert argv[:4] == ["mmdebstrap", "--format=tar", "--variant=minbase", "--architectures=arm64"]
    assert argv[-4:] == ["--include=python3,python3-zmq", "bookworm", "/c/base.tar", "-"]
    assert not any(word.startswith("--include") for word in command(Bootstrap("B", "trixie"), "amd64", "/x"))


def test_sources_line() -> None:
    assert (
        sources(Mirror("http://m/debian", "/k.gpg"), "trixie") == "deb [signed-by=/k.gpg] http://m/debian trixie main\n"
    )
    assert sources(Mirror("http://m/ubuntu"), "noble") == "deb http://m/ubuntu noble main universe\n"


@pytest.fixture
def fake_mmdebstrap(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A program of that name that notes its calls; it fails while a file «broken» lies beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "mmdebstrap"
    program.write_text(
        f'#!/bin/sh\ncd {folder}\nread -r line\necho "$line" >> calls\necho "I: working" >&2\n'
        '[ ! -e broken ] || { echo "E: no such package" >&2; exit 25; }\n'
        'for word; do before=$last; last=$word; done\necho root > "$before"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_made_once(fake_mmdebstrap: pathlib.Path, tmp_path: pathlib.Path) -> None:
    cache = tmp_path / "cache"
    lines: list[str] = []
    path, made = base_archive(RECIPE, str(cache), on_line=lines.append)
    assert made and pathlib.Path(path).read_text() == "root\n"
    assert lines == ["I: working"]
    assert base_archive(RECIPE, str(cache)) == (path, False)
    calls = (fake_mmdebstrap / "calls").read_text().splitlines()
    assert len(calls) == 1 and calls[0].endswith("http://mirror.invalid/debian bookworm main")
    assert sorted(entry.name for entry in cache.iterdir()) == [os.path.basename(path), os.path.basename(path) + ".lock"]


def test_a_failure_leaves_nothing_and_shows_the_last_lines(
    fake_mmdebstrap: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (fake_mmdebstrap / "broken").touch()
    with pytest.raises(EngineError, match="status 25:\nI: working\nE: no such package"):
        base_archive(RECIPE, str(tmp_path / "cache"))
    assert [entry.suffix for entry in (tmp_path / "cache").iterdir()] == [".lock"]


def test_without_mmdebstrap(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError) as caught:
        base_archive(RECIPE, str(tmp_path / "cache"))
    assert "apt-get install mmdebstrap" in caught.value.mend


def test_a_password_in_the_mirror_is_refused(fake_mmdebstrap: pathlib.Path, tmp_path: pathlib.Path) -> None:
    recipe = Bootstrap("BASE", "bookworm", mirror="http://user:password1@mirror.invalid/debian")
    with pytest.raises(InputError) as caught:
        base_archive(recipe, str(tmp_path / "cache"))
    assert "password1" not in str(caught.value)
    assert not (fake_mmdebstrap / "calls").exists()
