"""The lock file as the action keeps it; what the host answers is given here."""

from __future__ import annotations

import os
from unittest.mock import MagicMock

import pytest
import yaml
from ansible.template import Templar

from ansible_collections.gpu_fleet.containers.plugins.action import image_digests

REDIS = "docker.io/library/redis:7"
A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
REGISTRY = {"address": "pc2:5000", "username": "fleet", "ca": "ca.pem"}


@pytest.fixture
def call(monkeypatch, tmp_path):
    """The action with the host replaced; returns its result and what the host was sent."""

    def run(answer, check_mode=False, variables=None, **arguments):
        sent = []
        arguments = {"references": [REDIS], "lock": "images.lock.yml", **arguments}
        task = MagicMock(args=arguments, async_val=0, check_mode=check_mode, diff=True, action="image_digests")
        action = image_digests.ActionModule(
            task=task,
            connection=MagicMock(),
            play_context=MagicMock(check_mode=check_mode),
            loader=MagicMock(get_basedir=lambda: str(tmp_path)),
            templar=Templar(variables={}),
            shared_loader_obj=None,
        )

        def execute(module_name, module_args, task_vars):
            sent.append(module_args)
            return answer

        monkeypatch.setattr(action, "_execute_module", execute)
        task_vars = {"inventory_hostname": "mainpc", "inventory_dir": str(tmp_path), **(variables or {})}
        return action.run(task_vars={**task_vars, "hostvars": {"mainpc": task_vars}}), sent

    return run


def test_a_file_that_was_edited_on_windows_is_kept_as_it_is(call, tmp_path):
    lock = tmp_path / "images.lock.yml"
    lock.write_bytes(b"images:\r\n  quay.io/a/b:1: " + B.encode() + b"\r\n")
    result, _sent = call({"digests": {"quay.io/a/b:1": A}})
    assert result["changed"], result
    assert lock.read_bytes() == b'images:\r\n  quay.io/a/b:1: "' + A.encode() + b'"\r\n'


def test_a_new_file_is_written_and_the_next_run_writes_nothing(call, tmp_path):
    lock = tmp_path / "images.lock.yml"
    result, sent = call({"digests": {REDIS: A}}, check_mode=True)
    assert result["changed"] and not lock.exists() and f'"{REDIS}": "{A}"' in result["diff"]["after"]
    result, sent = call({"digests": {REDIS: A}})
    assert result["changed"] and result["summary"] == [f"{REDIS}: new, sha256:{'a' * 12}"]
    assert sent[0]["lock"] == str(lock) and sent[0]["registries"] == []
    assert yaml.safe_load(lock.read_text()) == {"images": {REDIS: A}}
    assert oct(lock.stat().st_mode & 0o777) == oct(0o666 & ~_umask())
    before = lock.stat()
    result, _sent = call({"digests": {REDIS: A}})
    assert not result["changed"] and result["summary"] == [] and lock.stat() == before
    result, _sent = call({"digests": {REDIS: B}})
    assert result["summary"] == [f"{REDIS}: sha256:{'a' * 12} → sha256:{'b' * 12}"]


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_link_to_the_file_stays_one(call, tmp_path):
    (tmp_path / "real.yml").write_text("images: {}\n")
    (tmp_path / "images.lock.yml").symlink_to("real.yml")
    call({"digests": {REDIS: A}})
    assert (tmp_path / "images.lock.yml").is_symlink() and A in (tmp_path / "real.yml").read_text()


def test_an_answer_that_failed_writes_nothing(call, tmp_path):
    result, _sent = call({"failed": True, "msg": "no"})
    assert result["failed"] and result["msg"] == "no" and not (tmp_path / "images.lock.yml").exists()


def test_a_file_that_is_no_lock_file_is_told_before_anybody_is_asked(call, tmp_path):
    (tmp_path / "images.lock.yml").write_text("- x\n")
    result, sent = call({"digests": {REDIS: A}})
    assert result["failed"] and "is not a mapping with «images»" in result["msg"] and not sent


def test_nothing_to_ask_asks_nobody(call):
    result, sent = call({}, references=[])
    assert not result["changed"] and not sent


def test_the_inventorys_registry_is_logged_in_to(call, tmp_path):
    (tmp_path / "ca.pem").write_text("PEM")
    variables = {"container_registry": REGISTRY, "container_registry_password": "hunter2hunter2"}
    result, sent = call({"digests": {REDIS: A}}, variables=variables)
    login = {"address": "pc2:5000", "username": "fleet", "password": "hunter2hunter2", "ca": "PEM"}
    assert sent[0]["registries"] == [login] and "hunter2" not in str(result)
    (tmp_path / "ca.pem").unlink()
    result, sent = call({"digests": {REDIS: A}}, variables=variables)
    assert result["failed"] and "mainpc: container_registry.ca: cannot read" in result["msg"] and not sent
