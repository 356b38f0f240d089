"""Secrets of a build on the host."""

from __future__ import annotations

import fcntl
import os
import pathlib

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.secret_files import secret_files


def test_only_this_user_and_only_meanwhile(tmp_path: pathlib.Path) -> None:
    with secret_files({"a,b/c": "one\r\n", "d": "zwei ü"}, [str(tmp_path)]) as paths:
        assert {name: pathlib.Path(path).read_bytes() for name, path in paths.items()} == {
            "a,b/c": b"one\r\n",
            "d": "zwei ü".encode(),
        }
        assert all(os.stat(path).st_mode & 0o777 == 0o600 and "," not in path for path in paths.values())
        (folder,) = tmp_path.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


def test_gone_after_a_failure(tmp_path: pathlib.Path) -> None:
    with pytest.raises(KeyError), secret_files({"a": "12345678"}, [str(tmp_path)]):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_without_secrets_nothing_is_made(tmp_path: pathlib.Path) -> None:
    with secret_files({}, [str(tmp_path)]) as paths:
        assert paths == {} and list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_goes_and_what_is_in_use_stays(tmp_path: pathlib.Path) -> None:
    left = tmp_path / "gpu-fleet-build-secrets-left"
    left.mkdir()
    (left / "0").write_text("secret")
    (tmp_path / "gpu-fleet-build-secrets-link").symlink_to("/")
    with secret_files({"a": "12345678"}, [str(tmp_path)]) as first, secret_files({"a": "1"}, [str(tmp_path)]):
        assert not left.exists() and os.path.exists(first["a"])


def test_one_that_another_run_swept_away_before_it_was_held_is_made_anew(tmp_path, monkeypatch) -> None:
    flock, swept = fcntl.flock, []

    def sweeping(descriptor: int, how: int) -> None:
        if not swept:
            (folder,) = tmp_path.iterdir()
            folder.rmdir()
            swept.append(folder)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", sweeping)
    with secret_files({"a": "12345678"}, [str(tmp_path)]) as paths:
        assert swept and pathlib.Path(paths["a"]).read_text() == "12345678"
    assert list(tmp_path.iterdir()) == []


def test_the_first_place_that_can_be_written(tmp_path: pathlib.Path) -> None:
    with secret_files({"a": "12345678"}, [str(tmp_path / "absent"), str(tmp_path)]) as paths:
        assert paths["a"].startswith(str(tmp_path))
