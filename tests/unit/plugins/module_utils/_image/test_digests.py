"""What skopeo is asked, what a digest is made of, and what an answer that is none says to a user."""

from __future__ import annotations

import hashlib
import os
import pathlib

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.login import Login
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError, FleetErrors
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.digests import digests, run_skopeo

MANIFEST = b'{\n "schemaVersion": 2,\n "manifests": []}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


class Skopeo:
    """Answers as told, by reference, and keeps what it was asked."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []
        self.logins = {}

    def __call__(self, words):
        self.asked.append(words)
        for option in ("--authfile", "--cert-dir"):
            if option in words:
                path = pathlib.Path(words[words.index(option) + 1])
                self.logins[option] = {
                    each.name: each.read_text() for each in [path, *path.glob("*")] if each.is_file()
                }
                self.logins[option + " mode"] = oct(os.stat(path).st_mode & 0o777)
        return self.answers.get("answer", (0, MANIFEST, b""))


def test_a_digest_is_of_the_bytes_as_they_are():
    skopeo = Skopeo()
    assert digests(["docker.io/library/debian:13", "quay.io/a/b:1"], [], "/bin/skopeo", skopeo) == {
        "docker.io/library/debian:13": DIGEST,
        "quay.io/a/b:1": DIGEST,
    }
    assert sorted(skopeo.asked) == [
        ["/bin/skopeo", "inspect", "--raw", "docker://docker.io/library/debian:13"],
        ["/bin/skopeo", "inspect", "--raw", "docker://quay.io/a/b:1"],
    ]


def test_a_login_is_in_files_of_this_user_alone_and_not_in_words():
    skopeo = Skopeo()
    digests(["pc2:5000/a:1"], [Login("pc2:5000", "fleet", "hunter2hunter2", "PEM")], "skopeo", skopeo)
    (words,) = skopeo.asked
    assert "hunter2hunter2" not in str(words) and "ZmxlZXQ6" not in str(words)
    assert list(skopeo.logins["--authfile"].values()) == [
        '{"auths": {"pc2:5000": {"auth": "ZmxlZXQ6aHVudGVyMmh1bnRlcjI="}}}'
    ]
    assert skopeo.logins["--authfile mode"] == "0o600"
    assert skopeo.logins["--cert-dir"] == {"ca.crt": "PEM"}
    assert not any(os.path.exists(words[words.index(option) + 1]) for option in ("--authfile", "--cert-dir"))


def test_another_registry_gets_no_login():
    skopeo = Skopeo()
    digests(["docker.io/a/b:1"], [Login("pc2:5000", "fleet", "hunter2hunter2")], "skopeo", skopeo)
    assert "--authfile" not in skopeo.asked[0]


SAID = 'time="2026-01-01T00:00:00Z" level=fatal msg="Error parsing image name \\"docker://a:1/b:1\\": {}"'


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            (
                1,
                b"",
                SAID.format('pinging container registry a:1: Get \\"https://a:1/v2/\\": connection refused').encode(),
            ),
            'a:1/b:1: its registry was asked and gave no digest: Get "https://a:1/v2/": connection refused. See whether the'
            " registry is up and that host reaches it. Write localhost/… for images of no registry.",
        ),
        (
            (1, b"", SAID.format("reading manifest 1 in a:1/b: manifest unknown: manifest unknown").encode()),
            "a:1/b:1: its registry was asked and gave no digest: manifest unknown: manifest unknown. Correct the name or the"
            " tag where it is written.",
        ),
        (
            (1, b"", SAID.format("reading manifest 1 in a:1/b: unauthorized: authentication required").encode()),
            "a:1/b:1: its registry was asked and gave no digest: unauthorized: authentication required. Correct name and"
            " password: container_registry and container_registry_password, or `skopeo login` on that host.",
        ),
        (
            (
                1,
                b"",
                SAID.format("pinging container registry a:1: x509: certificate signed by unknown authority").encode(),
            ),
            "a:1/b:1: its registry was asked and gave no digest: x509: certificate signed by unknown authority. Name its CA"
            " in container_registry, or put it into /etc/containers/certs.d of that host.",
        ),
        ((1, b"", b"boom\n"), "a:1/b:1: its registry was asked and gave no digest: boom"),
        ((1, b"", b""), "a:1/b:1: its registry was asked and gave no digest: skopeo said nothing"),
        ((0, b"<html>", b""), "a:1/b:1: its registry answered with something that is no manifest"),
        ((0, b"[1]", b""), "a:1/b:1: its registry answered with something that is no manifest"),
    ],
)
def test_an_answer_that_is_none(answer, message):
    with pytest.raises(FleetError) as raised:
        digests(["a:1/b:1"], [], "skopeo", Skopeo(answer=answer))
    assert str(raised.value) == message


def test_every_reference_without_an_answer_is_named():
    with pytest.raises(FleetErrors) as raised:
        digests(["a:1/z:1", "a:1/b:1"], [], "skopeo", Skopeo(answer=(1, b"", b"boom")))
    assert [error.path for error in raised.value.errors] == ["a:1/b:1", "a:1/z:1"]


def test_a_program_that_cannot_be_run(tmp_path):
    with pytest.raises(FleetError, match="it could not be run: No such file or directory"):
        run_skopeo([str(tmp_path / "skopeo")])
