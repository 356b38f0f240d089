"""registry_trust in made-up directories."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import registry_trust as places
from ansible_collections.gpu_fleet.containers.plugins.modules import registry_trust
from tests.unit.plugins.modules.calling import call

CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
OTHER = CA.replace("AAAA", "BBBB")


def ensure(root, ca=CA, check=False, address="pc2:5000"):
    directories = [str(root / "docker"), str(root / "containers")]
    return call(registry_trust, check, address=address, ca=ca, directories=directories)


def there(root):
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.crt")}


def test_created_kept_changed_and_removed(tmp_path):
    both = ["containers/pc2:5000/gpu-fleet.crt", "docker/pc2:5000/gpu-fleet.crt"]
    assert ensure(tmp_path, check=True)["changed"] and there(tmp_path) == {}
    assert ensure(tmp_path)["paths"] == [str(tmp_path / path) for path in both]
    assert there(tmp_path) == dict.fromkeys(both, CA)
    assert ensure(tmp_path, CA.strip())["changed"] is False
    assert [each["after"] for each in ensure(tmp_path, OTHER)["diff"]] == [OTHER, OTHER]
    assert there(tmp_path) == dict.fromkeys(both, OTHER)
    assert ensure(tmp_path, "")["changed"]
    assert list(tmp_path.rglob("*")) == [tmp_path / "docker", tmp_path / "containers"] or not there(tmp_path)
    assert ensure(tmp_path, "")["changed"] is False


def test_of_another_address_ours_goes_and_theirs_stays(tmp_path):
    ensure(tmp_path, address="pc1:5000")
    theirs = tmp_path / "docker/pc1:5000/theirs.crt"
    theirs.write_text(OTHER)
    ensure(tmp_path)
    assert sorted(there(tmp_path)) == [
        "containers/pc2:5000/gpu-fleet.crt",
        "docker/pc1:5000/theirs.crt",
        "docker/pc2:5000/gpu-fleet.crt",
    ]
    assert not (tmp_path / "containers/pc1:5000").exists()
    known = places.known("pc1:5000", [str(tmp_path / "docker"), str(tmp_path / "containers")])
    assert known == [str(theirs)]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"ca": "/etc/ca.pem"}, "no certificate"), ({"address": "../x"}, "no address"), ({"address": ""}, "no address")],
)
def test_wrong(tmp_path, change, words):
    result = ensure(tmp_path, **change)
    assert result["failed"] and words in result["msg"] and there(tmp_path) == {}
