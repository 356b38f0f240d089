from __future__ import annotations

import os
import threading

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils import _lock
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(_lock, "_PAUSE", 0.01)


def test_the_directory_is_made_and_the_file_is_the_owners_alone(tmp_path):
    path = tmp_path / "state" / "pc.lock"
    with _lock.locked(str(path)):
        assert path.stat().st_mode & 0o777 == 0o600
    with _lock.locked(str(path), 0.0):
        pass


def test_a_link_is_not_followed_and_what_it_names_stays(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "pc.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(EngineError, match="the lock cannot be made"), _lock.locked(str(tmp_path / "pc.lock")):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_patience_ends_and_who_waits_is_told_once(tmp_path):
    path, told = str(tmp_path / "pc.lock"), []
    waiting = pytest.raises(EngineError, match="another run is at work")
    with _lock.locked(path), waiting as caught, _lock.locked(path, 0.05, lambda: told.append(1)):
        pass
    assert told == [1] and caught.value.path == path and caught.value.mend


def test_who_waits_goes_on_when_the_lock_is_free(tmp_path):
    path, free = str(tmp_path / "pc.lock"), threading.Event()
    order = []

    def second():
        with _lock.locked(path, on_wait=free.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with _lock.locked(path):
        thread.start()
        assert free.wait(5)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_a_place_that_takes_no_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    refused = pytest.raises(EngineError, match=r"file/pc\.lock: the lock cannot be made")
    with refused as caught, _lock.locked(os.path.join(str(tmp_path), "file", "pc.lock")):
        pass
    assert "container_cache_dir" in caught.value.mend


def test_without_rights_the_mend_is_to_become_root(tmp_path, monkeypatch):
    def refuse(*_arguments, **_keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "makedirs", refuse)
    for user, mend in ((1000, "Set ansible_become: true"), (0, "Make room or rights there")):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        with pytest.raises(EngineError) as raised, _lock.locked(str(tmp_path / "state" / "pc.lock")):
            pass
        assert raised.value.mend.startswith(mend)
