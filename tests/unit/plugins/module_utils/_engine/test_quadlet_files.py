from __future__ import annotations

import os

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import quadlet_files
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.quadlet_files import UnitFile, UnitFolder
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError

OURS = "[Container]\nLabel=org.gpu-fleet.schema=1\n"


@pytest.fixture
def folder(tmp_path):
    return UnitFolder(str(tmp_path / "systemd"), False)


def _put(folder, name, text=OURS):
    file = UnitFile(name, folder.path(name), text)
    folder.write(file)
    return file


def test_written_put_aside_brought_back_removed(folder):
    web = _put(folder, "web")
    assert folder.read("web") == web and web.service == "web.service" and not web.aside
    assert oct(os.stat(web.path).st_mode)[-3:] == "644" and os.listdir(folder.folder) == ["web.container"]
    folder.rename(web, "web.previous")
    assert os.listdir(folder.folder) == ["web.container.previous"], "no name that Quadlet reads"
    assert folder.read("web") is None
    aside = folder.read("web.previous")
    assert aside.aside and aside.text == OURS
    _put(folder, "web", OURS + "Image=x\n")
    assert set(folder.read_all()) == {"web", "web.previous"}
    folder.remove(folder.read("web"))
    folder.rename(aside, "web")
    assert folder.read_all() == {"web": web}
    folder.remove(web)
    folder.remove(web)
    assert folder.read_all() == {}


def test_others_files_are_left_alone(folder):
    assert folder.read_all() == {}
    _put(folder, "web")
    for name in ("theirs.container", "web.network", "notes"):
        with open(os.path.join(folder.folder, name), "w") as file:
            file.write("[Container]\nImage=x\n")
    assert set(folder.read_all()) == {"web"} and folder.read("theirs") is None
    with pytest.raises(EngineError, match="somebody else's"):
        _put(folder, "theirs")
    with pytest.raises(EngineError, match="renamed to other"):
        folder.rename(folder.read("web"), "other")


def test_what_the_system_refuses_names_the_file(folder, tmp_path):
    (tmp_path / "systemd").write_text("in the way")
    with pytest.raises(EngineError, match="cannot be written") as caught:
        _put(folder, "web")
    assert caught.value.path.endswith("web.container") and caught.value.mend


def test_nothing_half_written_stays(folder, monkeypatch):
    _put(folder, "web")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quadlet_files.os, "fsync", full)
    with pytest.raises(EngineError, match="No space left"):
        _put(folder, "web", "other")
    assert os.listdir(folder.folder) == ["web.container"] and folder.read("web").text == OURS


PLACES = [
    (0, {"XDG_CONFIG_HOME": "/c"}, "/etc/containers/systemd"),
    (1000, {"XDG_CONFIG_HOME": "/c", "HOME": "/home/me"}, "/c/containers/systemd"),
    (1000, {"HOME": "/home/me"}, "/home/me/.config/containers/systemd"),
]


@pytest.mark.parametrize(("uid", "environment", "expected"), PLACES)
def test_where_quadlet_looks(monkeypatch, uid, environment, expected):
    monkeypatch.setattr(quadlet_files.os, "geteuid", lambda: uid)
    assert UnitFolder.of_this_user(environment) == UnitFolder(expected, uid != 0)
