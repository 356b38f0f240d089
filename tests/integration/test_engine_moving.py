"""Images from one engine to the other, with real engines and the real docker-registry; the bytes are counted on the wire."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import time
import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import Engine, ObservedImage
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.login import Login
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import htpasswd
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image import serve
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.identity import (
    built_digest,
    is_named_by_content,
)

from .conftest import IMAGE
from .moving import PASSWORD, answer, call, failure, kill, registry_processes, start, wire

MB = 1 << 20
BIG, SMALL = 24 * MB, 3 * MB

# Which engine it is makes no difference to these.
PODMAN_TO_DOCKER = pytest.mark.parametrize("direction", ["podman to docker"], indirect=True)
DOCKER_TO_PODMAN = pytest.mark.parametrize("direction", ["docker to podman"], indirect=True)


@pytest.fixture(params=["podman to docker", "docker to podman"])
def direction(request, podman_engine, docker_engine) -> tuple[Engine, Engine]:
    """Who offers, and who gets it. What either has is taken away again, so that no test finds layers of another's."""
    pair = (podman_engine, docker_engine) if request.param.startswith("podman") else (docker_engine, podman_engine)
    before = {engine.name: {image.id for image in engine.observe().images} for engine in pair}
    yield pair
    for engine in pair:
        for image in engine.observe().images:
            if image.id not in before[engine.name]:
                subprocess.run([engine.name, "rmi", "--force", image.id], check=True, capture_output=True)


class Image:
    """Three layers over the test image: one that stays, one that changes, one that says what it is."""

    def __init__(self, engine: Engine, folder: pathlib.Path, name: str) -> None:
        self.engine, self.folder, self.name = engine, folder, name
        folder.mkdir()
        (folder / "big").write_bytes(os.urandom(BIG))
        (folder / "Containerfile").write_text(f"FROM {IMAGE}\nCOPY big /big\nCOPY small /small\nENV WORD=one\n")

    def build(self) -> str:
        """A new content of the small layer; the reference, named as image_build names it."""
        (self.folder / "small").write_bytes(os.urandom(SMALL))
        inputs = hashlib.sha256((self.folder / "small").read_bytes()).hexdigest()
        reference = f"localhost/{self.name}:{built_digest(inputs, 'sha256:base')[:12]}"
        own = {labels.IMAGE_INPUTS: inputs, labels.IMAGE_BASE: "sha256:base"}
        self.engine.build_image(str(self.folder), "Containerfile", [reference], {}, own)
        return reference


@pytest.fixture
def image(direction, tmp_path, name) -> Image:
    return Image(direction[0], tmp_path / "context", name)


@pytest.fixture
def offering(tmp_path):
    """Calls of image_offer on the build host; what they started ends with the test."""
    before = registry_processes()

    def offer(engine: Engine, *references: str, **options: t.Any) -> dict[str, t.Any]:
        said = call(
            tmp_path,
            "image_offer",
            engine=engine.name,
            images=list(references),
            cache_dir=str(tmp_path / "build-host"),
            **{"password": PASSWORD, "address": "127.0.0.1", **options},
        )
        return said["offer"]

    yield offer
    call(tmp_path, "image_offer", state="absent", cache_dir=str(tmp_path / "build-host"))
    assert registry_processes() == before


def pulling(tmp_path: pathlib.Path, engine: Engine, offer: dict[str, t.Any], address: str = "") -> dict[str, t.Any]:
    return {
        "engine": engine.name,
        "engine_url": getattr(engine, "url", ""),
        "offer": {**offer, "address": address or offer["address"]},
        "password": PASSWORD,
        "cache_dir": str(tmp_path / "other-host"),
    }


def there(engine: Engine, reference: str) -> ObservedImage | None:
    return next((image for image in engine.observe().images if reference in image.tags), None)


def content(engine: Engine, reference: str, path: str) -> str:
    """sha256 of a file, as a container of the image sees it."""
    argv = [engine.name, "run", "--rm", "--network=none", reference, "sha256sum", path]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()[0]


def sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def fleet_registry(folder: pathlib.Path) -> t.Iterator[dict[str, str]]:
    """The real program with TLS and a password file, as somebody runs it for a fleet."""
    folder.mkdir()
    certificate = serve.make_certificate("127.0.0.1", 3600)
    (folder / "key").write_text(certificate.key)
    (folder / "certificate").write_text(certificate.text)
    (folder / "users").write_text(htpasswd.line("fleet", PASSWORD, ""))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": address, "tls": {"certificate": str(folder / "certificate"), "key": str(folder / "key")}},
        "auth": {"htpasswd": {"realm": "fleet", "path": str(folder / "users")}},
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([serve.find_program(), "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while "listening on" not in (folder / "log").read_text():
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield {"address": address, "username": "fleet", "ca": certificate.text}
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("by", ["transfer", "fleet registry"])
def test_one_changed_layer_is_all_that_moves(direction, image, offering, tmp_path, by):
    source, target = direction
    with contextlib.ExitStack() as stack:
        how = {"registry": stack.enter_context(fleet_registry(tmp_path / "fleet"))} if by != "transfer" else {}
        first = image.build()
        offer = offering(source, first, **how)
        said = call(tmp_path, "image_pull", **pulling(tmp_path, target, offer))
        assert [entry["action"] for entry in said["images"]] == ["pulled"]

        second = image.build()
        offer = offering(source, second, **how)
        size = SMALL  # of random bytes: no compression makes them fewer
        with wire(offer["address"]) as counted:
            said = call(tmp_path, "image_pull", **pulling(tmp_path, target, offer, counted.address))
            assert counted.connections > 0
            assert size < counted.bytes < 1.05 * size, f"{counted.bytes / size:.4f} times the layer"
            assert size < said["received_bytes"] <= counted.received
            assert "1 of 3 layers is not here" in said["images"][0]["reason"]

            # Once more: the engine is asked, the registry is not.
            connections = counted.connections
            again = call(tmp_path, "image_pull", **pulling(tmp_path, target, offer, counted.address))
            assert (again["changed"], again["images"][0]["action"]) == (False, "present")
            assert counted.connections == connections

        moved, made = there(target, second), there(source, second)
        assert moved is not None and made is not None
        assert moved.labels == made.labels
        assert is_named_by_content(second, moved)
        assert content(target, second, "/small") == sha256(image.folder / "small")
        assert content(target, second, "/big") == sha256(image.folder / "big")
        # Nothing is left of the way: no further name of the image, no layers, no folder.
        assert [entry.tags for entry in (moved, made)] == [(second,), (second,)]
        assert [path for path in (tmp_path / "other-host").rglob("*") if path.is_file() and path.stat().st_size] == []
        # Offered once more it is not pushed again.
        argument = {"engine": source.name, "images": [second], "password": PASSWORD, "address": "127.0.0.1", **how}
        offered = call(tmp_path, "image_offer", cache_dir=str(tmp_path / "build-host"), **argument)
        assert [entry["action"] for entry in offered["images"]] == ["present"] and offered["changed"] is False


def test_killed_halfway_it_goes_on(direction, image, offering, tmp_path):
    source, target = direction
    reference = image.build()
    offer = offering(source, reference)
    whole = sum(entry["size"] for entry in offer["images"].values())
    with wire(offer["address"], pace=24 * MB) as slow:
        process = start(tmp_path, "image_pull", **pulling(tmp_path, target, offer, slow.address))
        deadline = time.monotonic() + 60
        while slow.received < whole / 2:
            assert time.monotonic() < deadline and process.poll() is None, process.communicate()
            time.sleep(0.01)
        kill(process)
    arrived = sum(path.stat().st_size for path in (tmp_path / "other-host/blobs").iterdir() if path.is_file())
    assert whole / 3 < arrived < whole
    assert there(target, reference) is None

    with wire(offer["address"]) as counted:
        said = call(tmp_path, "image_pull", **pulling(tmp_path, target, offer, counted.address))
        assert counted.bytes < 1.05 * (whole - arrived) + 64_000, "layers that had arrived were sent again"
        assert said["received_bytes"] < whole - arrived + 16_000
    assert content(target, reference, "/big") == sha256(image.folder / "big")


def test_a_kill_while_it_is_handed_over(direction, image, offering, tmp_path):
    source, target = direction
    reference = image.build()
    offer = offering(source, reference)
    for delay in (0.1, 0.3):
        events = tmp_path / f"events-{delay}"
        process = start(tmp_path, "image_pull", events=str(events), **pulling(tmp_path, target, offer))
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if events.exists() and '"load"' in events.read_text():
                break
            time.sleep(0.005)
        time.sleep(delay)
        kill(process)
    call(tmp_path, "image_pull", **pulling(tmp_path, target, offer))
    assert content(target, reference, "/big") == sha256(image.folder / "big")
    assert is_named_by_content(reference, t.cast(ObservedImage, there(target, reference)))


def test_two_hosts_and_several_images_at_once(podman_engine, docker_engine, docker_with, offering, tmp_path, name):
    other = docker_with({"features": {}})
    images = [Image(podman_engine, tmp_path / f"context{index}", f"{name}-{index}") for index in range(2)]
    references = [image.build() for image in images]
    offer = offering(podman_engine, *references)
    # Two hosts, and two that are one machine with one cache.
    hosts = [(docker_engine, "a"), (other, "b"), (other, "b")]
    calls = [
        start(tmp_path, "image_pull", **{**pulling(tmp_path, engine, offer), "cache_dir": str(tmp_path / cache)})
        for engine, cache in hosts
    ]
    answers = [answer(process) for process in calls]
    assert [said.get("msg") for said in answers if said.get("failed")] == []
    for engine in (docker_engine, other):
        assert {*references} <= {tag for image in engine.observe().images for tag in image.tags}
    for engine in (docker_engine, other, podman_engine):
        for reference in references:
            engine.remove_image(reference)


@PODMAN_TO_DOCKER
def test_the_same_engine_has_nothing_to_move(direction, image, offering, tmp_path):
    source, _target = direction
    reference = image.build()
    offer = offering(source, reference)
    with wire(offer["address"]) as counted:
        said = call(tmp_path, "image_pull", **pulling(tmp_path, source, offer, counted.address))
    assert (said["changed"], counted.connections) == (False, 0)


@PODMAN_TO_DOCKER
def test_a_tag_of_ones_own_means_what_is_offered(direction, image, offering, tmp_path):
    source, target = direction
    tag = f"localhost/{image.name}:stable"
    for _time in range(2):
        reference = image.build()
        source.tag_image(reference, tag)
        offer = offering(source, tag)
        said = call(tmp_path, "image_pull", **pulling(tmp_path, target, offer))
        assert said["changed"] is True
        assert content(target, tag, "/small") == sha256(image.folder / "small")
        assert call(tmp_path, "image_pull", **pulling(tmp_path, target, offer))["changed"] is False


@PODMAN_TO_DOCKER
def test_check_mode(direction, image, tmp_path):
    source, target = direction
    before = registry_processes()
    reference = image.build()
    options = {"images": [reference], "password": PASSWORD, "address": "127.0.0.1", "_ansible_check_mode": True}
    said = call(tmp_path, "image_offer", engine=source.name, cache_dir=str(tmp_path / "build-host"), **options)
    assert said["summary"] == [f"would push {reference}"] and registry_processes() == before
    assert not (tmp_path / "build-host").exists()
    for engine, would in ((target, True), (source, False)):
        pull = call(tmp_path, "image_pull", **pulling(tmp_path, engine, said["offer"]), _ansible_check_mode=True)
        assert pull["changed"] is would
    assert there(target, reference) is None


# --- what goes wrong ---------------------------------------------------------


@pytest.fixture(scope="module")
def offered(podman_engine, docker_engine, tmp_path_factory) -> t.Iterator[tuple[Engine, str, dict[str, t.Any]]]:
    """One offer of Podman's for all that goes wrong with Docker, which does not get the image."""
    folder = tmp_path_factory.mktemp("offered")
    reference = Image(podman_engine, folder / "context", "offered").build()
    options = {"engine": "podman", "images": [reference], "cache_dir": str(folder)}
    offer = call(folder, "image_offer", password=PASSWORD, address="127.0.0.1", **options)["offer"]
    yield docker_engine, reference, {**offer, "folder": str(folder)}
    call(folder, "image_offer", state="absent", cache_dir=str(folder))


def without_folder(offered: tuple[Engine, str, dict[str, t.Any]]) -> tuple[Engine, str, dict[str, t.Any], pathlib.Path]:
    """With the offering host's cache apart from what is offered."""
    target, reference, offer = offered
    return target, reference, {key: offer[key] for key in offer if key != "folder"}, pathlib.Path(offer["folder"])


def largest_layer(folder: pathlib.Path) -> pathlib.Path:
    return max(folder.rglob("data"), key=lambda path: path.stat().st_size)


def test_refusals_are_clear_and_leave_nothing(offered, tmp_path):
    target, reference, offer, _folder = without_folder(offered)
    digest = offer["images"][reference]["digest"]
    right = pulling(tmp_path, target, offer)
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    stranger = serve.make_certificate("127.0.0.1", 60).text
    wrong = {reference: {**offer["images"][reference], "digest": f"sha256:{'0' * 64}"}}
    cases = [
        ({"offer": {**offer, "address": nobody}}, "does not answer: Connection refused"),
        ({"offer": {**offer, "address": "registry.invalid:5000"}}, "its name is not known here"),
        ({"password": "not the right password"}, "it refuses the password of fleet (401 Unauthorized)"),
        ({"offer": {**offer, "ca": stranger}}, "its certificate is not trusted"),
        ({"offer": {**offer, "ca": ""}}, "its certificate is not trusted"),
        ({"offer": {**offer, "ca": "no PEM"}}, "no certificate in PEM"),
        ({"offer": {**offer, "images": wrong}}, f"it has no {offer['images'][reference]['repository']}@sha256:0000"),
        ({"images": ["localhost/another:1"]}, "localhost/another:1 is not offered"),
    ]
    for changed, words in cases:
        said = failure(tmp_path, "image_pull", **{**right, **changed})
        assert words in said, said
        assert PASSWORD not in said
    assert there(target, reference) is None
    assert digest.startswith("sha256:")


def test_a_damaged_layer_is_not_taken(offered, tmp_path):
    target, reference, offer, folder = without_folder(offered)
    with largest_layer(folder).open("r+b") as stream:
        stream.seek(1000)
        good = stream.read(7)
        stream.seek(1000)
        stream.write(b"damaged")
        stream.flush()
        said = failure(tmp_path, "image_pull", **pulling(tmp_path, target, offer))
        stream.seek(1000)
        stream.write(good)
    assert re.search(r"layer sha256:\w{64} arrived as sha256:\w{64}", said) and "damaged there" in said
    assert there(target, reference) is None
    # The layer in question is not kept; those that are good are.
    assert max(path.stat().st_size for path in (tmp_path / "other-host/blobs").iterdir() if path.is_file()) < BIG


def test_a_damaged_beginning_from_an_earlier_run_is_fetched_anew(offered, tmp_path):
    target, reference, offer, folder = without_folder(offered)
    largest = largest_layer(folder)
    blobs = tmp_path / "other-host/blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{largest.parent.name}.part").write_bytes(os.urandom(5 * MB))
    call(tmp_path, "image_pull", **pulling(tmp_path, target, offer))
    assert there(target, reference)
    target.remove_image(reference)


def test_a_full_disk(offered, tmp_path):
    target, reference, offer, _folder = without_folder(offered)
    (tmp_path / "full").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path / "full")], check=True)
    try:
        options = {**pulling(tmp_path, target, offer), "cache_dir": str(tmp_path / "full")}
        said = failure(tmp_path, "image_pull", **options)
        assert re.search(r"the layers take 2\d\.\d MiB, and \d\.\d MiB are free", said)
        assert there(target, reference) is None
    finally:
        subprocess.run(["umount", str(tmp_path / "full")], check=True)


def test_a_disk_that_fills_up_meanwhile(offered, tmp_path):
    target, reference, offer, _folder = without_folder(offered)
    full = tmp_path / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(full)], check=True)
    try:
        options = {**pulling(tmp_path, target, offer), "cache_dir": str(full)}
        with wire(offer["address"], pace=20 * MB) as slow:
            process = start(tmp_path, "image_pull", **{**options, "offer": {**offer, "address": slow.address}})
            while slow.received < 4 * MB:
                assert process.poll() is None, process.communicate()
                time.sleep(0.01)
            (full / "other").write_bytes(bytes(24 * MB))
            said = answer(process)
        assert said["failed"] and "No space left on device" in said["msg"] and "container_cache_dir" in said["msg"]
        assert there(target, reference) is None
        (full / "other").unlink()
        call(tmp_path, "image_pull", **options)
        target.remove_image(reference)
    finally:
        subprocess.run(["umount", str(full)], check=True)


@DOCKER_TO_PODMAN
def test_pushing_is_refused_clearly(direction, image, tmp_path):
    source, _target = direction
    reference, running = image.build(), registry_processes()
    options = {"engine": source.name, "images": [reference], "cache_dir": str(tmp_path / "build-host")}
    with fleet_registry(tmp_path / "fleet") as registry:
        cases = [
            ({"registry": registry, "password": "not the right one"}, "it refuses the password of fleet"),
            ({"registry": {**registry, "ca": ""}, "password": PASSWORD}, "its certificate is not trusted"),
            ({"registry": {**registry, "address": "127.0.0.1:9"}, "password": PASSWORD}, "does not answer"),
            ({"address": "192.0.2.1", "password": PASSWORD}, "does not start"),
            ({"address": "127.0.0.1", "password": "short"}, "16 to 72 characters"),
            ({"password": PASSWORD}, "neither `registry` nor `address`"),
            ({"registry": registry, "password": PASSWORD, "images": ["localhost/nobody/has:1"]}, "not on this engine"),
        ]
        for changed, words in cases:
            said = failure(tmp_path, "image_offer", **{**options, **changed})
            assert words in said, said
    before = {image.tags for image in source.observe().images}
    assert not [tag for tags in before for tag in tags if tag.startswith("127.0.0.1")]
    assert registry_processes() == running


def test_without_the_program_it_says_what_to_install(podman_engine, tmp_path):
    options = {"engine": "podman", "images": [IMAGE], "password": PASSWORD, "address": "127.0.0.1"}
    program = serve.find_program()
    # Something that cannot be run lies in its place.
    subprocess.run(["mount", "--bind", "/dev/null", program], check=True)
    try:
        said = failure(tmp_path, "image_offer", cache_dir=str(tmp_path / "cache"), **options)
    finally:
        subprocess.run(["umount", program], check=True)
    assert "docker-registry" in said and "prepare.yml" in said, said


# --- what serves -------------------------------------------------------------


def asked(offer: dict[str, t.Any], username: str, password: str, method: str) -> int:
    """The status that the registry answers with; POST is how a push begins."""
    connection = http.client.HTTPSConnection(offer["address"], context=ssl.create_default_context(cadata=offer["ca"]))
    headers = {"Authorization": f"Basic {Login(offer['address'], username, password).basic}"} if username else {}
    connection.request(method, "/v2/a/blobs/uploads/" if method == "POST" else "/v2/", headers=headers)
    with contextlib.closing(connection):
        return connection.getresponse().status


def test_what_serves_is_closed_to_strangers_and_ends(podman_engine, offering, tmp_path, monkeypatch):
    # /tmp is also other tests', which run beside these and have keys of their own.
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    before = registry_processes()
    offer = offering(podman_engine, IMAGE)
    own = [pid for pid in registry_processes() if pid not in before]
    assert own
    # It listens where it was told to, and nowhere else; what the engine pushed to is gone.
    listening = subprocess.run(["ss", "-Hltnp"], check=True, capture_output=True, text=True).stdout
    mine = [line for line in listening.splitlines() if any(f"pid={pid}," in line for pid in own)]
    assert [line.split()[3] for line in mine] == [offer["address"]]
    codes = [asked(offer, *who) for who in (("", "", "GET"), ("fleet", PASSWORD, "GET"), ("fleet", PASSWORD, "POST"))]
    assert codes == [401, 200, 405]
    for pid in own:
        for kind in ("cmdline", "environ"):
            assert PASSWORD.encode() not in pathlib.Path(f"/proc/{pid}/{kind}").read_bytes()
    # On no disk: neither password nor key.
    for folder in (tmp_path, pathlib.Path("/run")):
        held = subprocess.run(
            ["grep", "-rslE", f"{PASSWORD}|PRIVATE KEY", str(folder)], capture_output=True, text=True, check=False
        )
        assert [line for line in held.stdout.splitlines() if "arguments-" not in line] == []

    absent = {"state": "absent", "cache_dir": str(tmp_path / "build-host")}
    assert call(tmp_path, "image_offer", offer={"ca": "of another"}, **absent)["changed"] is False
    assert [pid for pid in registry_processes() if pid not in before] == own
    ended = call(tmp_path, "image_offer", offer=offer, **absent)
    assert ended["changed"] is True and registry_processes() == before


def test_it_ends_by_itself(podman_engine, offering):
    before = registry_processes()
    offering(podman_engine, IMAGE, time_limit=6)
    assert registry_processes() != before
    deadline = time.monotonic() + 60
    while registry_processes() != before:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@DOCKER_TO_PODMAN
def test_a_killed_offer_leaves_nobody_who_takes_pushes(direction, image, tmp_path):
    source, _target = direction
    reference, before = image.build(), registry_processes()
    options = {"engine": source.name, "images": [reference], "cache_dir": str(tmp_path / "build-host")}
    process = start(tmp_path, "image_offer", password=PASSWORD, address="127.0.0.1", **options)
    deadline = time.monotonic() + 60
    while registry_processes() == before:
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.01)
    time.sleep(0.1)
    kill(process)
    deadline = time.monotonic() + 60
    while registry_processes() != before:
        assert time.monotonic() < deadline, "what takes pushes outlived who started it"
        time.sleep(0.05)
    # The next offer finds its way, and takes the name away that Docker may have kept.
    said = call(tmp_path, "image_offer", password=PASSWORD, address="127.0.0.1", **options)
    call(tmp_path, "image_offer", state="absent", offer=said["offer"], cache_dir=str(tmp_path / "build-host"))
    tags = [tag for image in source.observe().images for tag in image.tags]
    assert not [tag for tag in tags if tag.startswith("127.0.0.1")]
