"""Docker over tcp with TLS, as of another machine: nothing of this one's files reaches its containers by a path."""

from __future__ import annotations

import subprocess
import typing as t
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.delivery import file_parcel
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker import DockerEngine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker_url import Tls
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import Mount, SecretFile

from .conftest import IMAGE
from .control_plane import Reached, check_life, make_certificates
from .test_engine_build import build
from .test_image_build import spec_of, tags
from .waiting import config

URL = "tcp://127.0.0.1:7376"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> dict[str, str]:
    return make_certificates(tmp_path_factory.mktemp("certificates"), "127.0.0.1")


@pytest.fixture(scope="module")
def guarded(docker_with, certificates) -> DockerEngine:
    """The engine's other end, at a socket of this machine."""
    return docker_with(
        {
            "hosts": [URL],
            "tlsverify": True,
            "tlscacert": certificates["ca"],
            "tlscert": certificates["server"],
            "tlskey": certificates["server_key"],
        }
    )


@pytest.fixture(scope="module")
def engine(guarded, certificates) -> DockerEngine:
    return DockerEngine(URL, Tls(certificates["ca"], certificates["cert"], certificates["key"]))


def test_who_is_not_trusted_is_told_why(guarded, certificates, tmp_path):
    stranger = make_certificates(tmp_path / "stranger", "127.0.0.1")
    for tls, mend in (
        (None, "set container_engine_tls"),
        (Tls(stranger["ca"], certificates["cert"], certificates["key"]), "container_engine_tls.ca must have signed"),
        (Tls(certificates["ca"], stranger["cert"], stranger["key"]), "wants a client certificate"),
        (Tls(certificates["ca"]), "wants a client certificate"),
    ):
        with pytest.raises(EngineError) as caught:
            DockerEngine(URL, tls)
        assert mend in caught.value.mend, (tls, caught.value)


@pytest.mark.parametrize("behind", ["docker", "podman"])
def test_content_is_put_into_containers(request, behind, name):
    """Of Podman's service, too, which is how a Podman machine on a Mac is reached."""
    engine = (
        request.getfixturevalue("engine")
        if behind == "docker"
        else DockerEngine(request.getfixturevalue("podman_service"))
    )
    mounts = (
        Mount("bind", "/etc/deep/er/one.conf", "staged:one", read_only=True),
        Mount("tmpfs", "/run"),
        Mount("volume", "/data"),
    )
    secrets = (SecretFile("g/T#1", "/run/secrets/T", 1000, 1000), SecretFile("g/U#1", "/etc/u"))
    wanted = replace(config(name, "sleep", "60"), mounts=mounts, secrets=secrets)
    parcels = {
        "staged:one": file_parcel(b"one", 0o644),
        "g/T#1": file_parcel(b"of 1000", 0o400, 1000, 1000),
        "g/U#1": file_parcel(b"of root", 0o400),
    }
    engine.create_container(wanted, {}, {}, parcels)
    try:
        assert engine.contents(name, wanted).keys() == parcels.keys()
        engine.start_container(name)
        script = "cat /etc/deep/er/one.conf /run/secrets/T /etc/u; ls -ld /etc/deep /etc/deep/er; ls -ln /run/secrets/T /etc/u"
        status, said = engine.run_in(name, ["sh", "-c", script], 60)
        assert status == 0 and said.startswith("oneof 1000of root"), said
        # Folders that were not there are open to every user of the container, what is in them only to whom it is for.
        rows = [line.split() for line in said.removeprefix("oneof 1000of root").splitlines()]
        assert [(row[0], row[2], row[-1]) for row in rows] == [
            ("drwxr-xr-x", "root", "/etc/deep"),
            ("drwxr-xr-x", "root", "/etc/deep/er"),
            ("-r--------", "0", "/etc/u"),
            ("-r--------", "1000", "/run/secrets/T"),
        ], said
    finally:
        engine.remove_container(name)


def test_the_life_of_a_host(guarded, certificates, tmp_path):
    socket = guarded._client._custom_adapter.socket_path

    def docker(*words: str) -> str:
        done = subprocess.run(["docker", "-H", f"unix://{socket}", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"docker {' '.join(words)}: {done.stderr}"
        return done.stdout

    tls: dict[str, t.Any] = {name: certificates[name] for name in ("ca", "cert", "key")}
    check_life(Reached(tmp_path, docker, container_engine_url=URL, container_engine_tls=tls))


@pytest.mark.parametrize("behind", ["docker", "podman"])
def test_images_are_built_through_the_connection(request, behind, name, tmp_path):
    """The context and the secrets are the client's; the image is looked into as it comes back."""
    behind_podman = behind == "podman"
    engine = (
        DockerEngine(request.getfixturevalue("podman_service")) if behind_podman else request.getfixturevalue("engine")
    )
    context = tmp_path / "context"
    context.mkdir()
    (context / "text").write_text("one\n")
    step = (
        "RUN cat /text" if behind_podman else "RUN --mount=type=secret,id=token test $(wc -c < /run/secrets/token) = 12"
    )
    (context / "Containerfile").write_text(f"FROM {IMAGE}\nCOPY text /text\n{step}\n")
    spec = spec_of(context, name)
    if not behind_podman:
        spec = replace(spec, secrets={"token": "key"})
    done, _lines = build(engine, spec, tmp_path, {"key": "a secret one"})
    assert done.action == "built" and tags(engine, name) == [done.reference]
    assert build(engine, spec, tmp_path)[0].action == "present"
    engine.remove_image(done.reference)
