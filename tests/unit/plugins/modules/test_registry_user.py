"""registry_user with the C library's own bcrypt."""

from __future__ import annotations

import stat

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import htpasswd
from ansible_collections.gpu_fleet.containers.plugins.modules import registry_user
from tests.unit.plugins.modules.calling import call

PASSWORD = "correct horse"
# Made by htpasswd -nbB of Apache 2.4.
OTHER = "fleet:$2y$05$CKdhcRd9ORHV7gXBm5l0ReBdQ0dxK8EDuLdaJN3RYcM0hYYJYhFzm\n"


@pytest.fixture
def path(tmp_path, monkeypatch):
    # Tests need not be root.
    monkeypatch.setattr(
        registry_user.AnsibleModule, "set_owner_if_different", lambda self, path, owner, changed: changed
    )
    monkeypatch.setattr(
        registry_user.AnsibleModule, "set_group_if_different", lambda self, path, group, changed: changed
    )
    return tmp_path / "htpasswd"


def ensure(path, check=False, username="fleet", password=PASSWORD, **more):
    return call(registry_user, check, path=str(path), username=username, password=password, **more)


def test_made_once_and_kept(path):
    assert ensure(path, check=True)["changed"] and not path.exists()
    first = ensure(path)
    text = path.read_text()
    assert first["changed"] and text.startswith("fleet:$2b$05$") and len(text) == len("fleet:\n") + 60
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ensure(path)["changed"] is False
    assert path.read_text() == text


def test_what_changes(path):
    ensure(path)
    text = path.read_text()
    for change in ({"password": "battery staple"}, {"username": "me"}, {"group": "registry"}):
        assert ensure(path, check=True, **change)["changed"]
        assert path.read_text() == text
    ensure(path, group="registry")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    ensure(path, password="battery staple")
    assert path.read_text() != text and path.read_text().count("\n") == 1


def test_nothing_of_a_password_is_shown(path):
    first, second = ensure(path), ensure(path, password="battery staple")
    assert first["diff"]["after"] == "fleet:(a hash)\n"
    assert (second["diff"]["before"], second["diff"]["after"]) == ("fleet:(a hash)\n", "fleet:(another hash)\n")


def test_other_users_go_and_their_hashes_do_not_count(path):
    path.write_text(f"me:x\n{OTHER}")
    assert ensure(path)["changed"]
    assert path.read_text().startswith("fleet:$2b$") and path.read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"username": "a:b"}, "has a colon"),
        ({"username": "a\nb"}, "cannot be typed"),
        ({"password": "é" * 37}, "72 bytes"),
        ({"password": ""}, "it is empty"),
        ({"password": "short\0and more"}, "zero byte"),
    ],
)
def test_wrong(path, change, words):
    result = ensure(path, **change)
    assert result["failed"] and words in result["msg"] and not path.exists()


def test_a_group_that_does_not_exist_leaves_no_hash_behind(path, monkeypatch):
    monkeypatch.setattr(
        registry_user.AnsibleModule,
        "set_group_if_different",
        lambda self, path, group, changed: self.fail_json(msg=f"no group {group}"),
    )
    result = ensure(path, group="gone")
    assert result["failed"] and result["msg"] == "no group gone" and list(path.parent.iterdir()) == []


def test_two_hashes_of_one_password_differ_and_both_hold():
    one, two = htpasswd.line("fleet", PASSWORD, ""), htpasswd.line("fleet", PASSWORD, "")
    assert one != two
    assert htpasswd.line("fleet", PASSWORD, two + one) == two
