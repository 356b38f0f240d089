"""Staging on an engine made of lists: what is called, in which order, and what is left alone."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import pathlib
import tarfile
import threading
import typing as t
from dataclasses import replace

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import ObservedImage
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.login import Login
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError, FleetError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import labels
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image import bootstrap
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.make import Done, Stager, plan_images
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import Bootstrap, ImageSpec

from .archives import diff_id, image, layer

BASE_LAYER = layer({"usr/lib/libcuda.so.1": b"of the base", "etc/os-release": b"ID=debian\nVERSION_ID=12\n"})
BASE = "docker.io/library/debian:12"
RECIPE = Bootstrap("BASE", "bookworm")
SPEC = ImageSpec(
    "agent",
    "localhost/agent",
    inputs="i" * 64,
    context="/c",
    bases=("debian:12",),
    base="debian:12",
    arguments={"BASE": "debian:12"},
    labels={"mine": "1"},
)
REDIS = ImageSpec("redis", "docker.io/library/redis:7", build=False)


class FakeEngine:
    """Images by reference; `registry` is what can be pulled, `fails` makes builds fail."""

    name, version = "fake", "1"

    def __init__(self, *references: str, registry: dict[str, str] | None = None, fails: bool = False) -> None:
        self.there = {reference: ObservedImage(f"id {reference}", (reference,)) for reference in references}
        self.registry = registry or {}
        self.fails = fails
        self.calls: list[tuple[str, ...]] = []
        self.built: dict[str, t.Any] = {}
        self.files: dict[str, bytes] = {"app/text": b"one"}
        """What a build puts into its layer."""

    def images(self) -> tuple[ObservedImage, ...]:
        return tuple(self.there.values())

    def pull_image(self, reference: str, platform: str = "", login: Login | None = None) -> None:
        self.calls.append(("pull", reference, *([login.username] if login else [])))
        if reference not in self.registry:
            raise EngineError("no route to the registry")
        name = reference.rpartition(":")[0]
        digests = (f"{name}@sha256:{self.registry[reference]}",)
        self.there[reference] = ObservedImage(f"id {reference}", (reference,), digests)

    def build_image(
        self, context, containerfile, tags, arguments, labels, target="", platform="", on_line=None, secrets=None
    ) -> str:
        assert tags == (), "an image is looked into before it has a name"
        self.calls.append(("build",))
        self.built = {
            "secrets": {name: pathlib.Path(path).read_text() for name, path in secrets.items()},
            "tags": [],
            "arguments": arguments,
            "labels": labels,
            "content": sorted(pathlib.Path(context).iterdir()),
        }
        on_line("STEP 1")
        for path in secrets.values():
            on_line(pathlib.Path(path).read_text())
        if self.fails:
            raise EngineError("RUN false: exit status 1")
        self.there["sha256:new"] = ObservedImage("sha256:new", (), (), labels)
        return "sha256:new"

    def image_layers(self, reference: str) -> tuple[str, ...]:
        return (diff_id(BASE_LAYER),)

    @contextlib.contextmanager
    def saved_image(self, reference: str) -> t.Iterator[t.IO[bytes]]:
        yield io.BytesIO(image(BASE_LAYER, layer(self.files)))

    def remove_image(self, reference: str) -> None:
        del self.there[reference]

    def import_image(self, archive: str, reference: str, labels: dict[str, str]) -> str:
        self.calls.append(("import", archive, reference))
        self.there[reference] = ObservedImage("imported", (reference,), (), labels)
        return "imported"

    def tag_image(self, reference: str, new_reference: str) -> None:
        image = self.there[reference]
        if reference == "sha256:new":
            self.built["tags"].append(new_reference)
        else:
            self.calls.append(("tag", new_reference))
        tags = tuple(dict.fromkeys((*image.tags, new_reference)))
        same = [name for name, each in self.there.items() if each.id == image.id]
        self.there.update(dict.fromkeys([*same, new_reference], replace(image, tags=tags)))


@pytest.fixture
def stage(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., list[Done]]:
    """Stage specs on an engine with a context for each; bootstrapping makes a file called root.tar."""
    with tarfile.open(tmp_path / "context.tar", "w"):
        pass
    monkeypatch.setattr(bootstrap, "base_archive", lambda *arguments: ("root.tar", True))

    def call(engine: FakeEngine, *specs: ImageSpec, events: list[dict[str, t.Any]] | None = None) -> list[Done]:
        archives = {spec.key: str(tmp_path / "context.tar") for spec in specs}
        told = [] if events is None else events
        return Stager(engine, str(tmp_path), archives, told.append, {"pip": "value of pip"}).stage(specs)

    return call


def kinds(engine: FakeEngine) -> list[str]:
    return [call[0] for call in engine.calls]


def actions(done: list[Done]) -> list[str]:
    return [entry.action for entry in done]


def test_first_build_and_second_run(stage) -> None:
    engine, events = FakeEngine(BASE), []
    done = stage(engine, SPEC, events=events)
    assert actions(done) == ["built"]
    assert engine.built["labels"] == {
        "org.opencontainers.image.base.name": BASE,
        "org.opencontainers.image.title": "agent",
        "org.opencontainers.image.version": done[0].reference.rpartition(":")[2],
        "mine": "1",
        labels.IMAGE_INPUTS: SPEC.inputs,
        labels.IMAGE_BASE: f"id {BASE}",
    }
    lines = ["STEP 1", "looking into the image"]
    assert events == [{"event": "build", "image": done[0].reference, "line": line} for line in lines]
    assert actions(stage(engine, SPEC)) == ["present"]
    assert kinds(engine) == ["build"]


def test_changed_inputs_build_again(stage) -> None:
    engine = FakeEngine(BASE)
    stage(engine, SPEC)
    done = stage(engine, replace(SPEC, inputs="j" * 64))
    assert (actions(done), done[0].reason[:31]) == (["built"], "no image has these build inputs")


def test_own_tag_comes_last(stage) -> None:
    engine = FakeEngine(BASE)
    done = stage(engine, replace(SPEC, tags=("localhost/agent:stable",)))
    assert engine.built["tags"] == ["localhost/agent:stable", done[0].reference]


def test_a_missing_further_tag_is_given_without_a_build(stage) -> None:
    engine = FakeEngine(BASE)
    stage(engine, SPEC)
    tagged = replace(SPEC, tags=("localhost/agent:stable",))
    assert actions(plan_images([tagged], engine.images())) == ["tagged"]
    assert actions(stage(engine, tagged)) == ["tagged"]
    assert actions(stage(engine, tagged)) == ["present"]
    assert kinds(engine) == ["build", "tag"]


def test_the_base_is_pulled_first(stage) -> None:
    engine = FakeEngine(registry={BASE: "aa"})
    done = stage(engine, SPEC)
    assert [(entry.action, entry.key) for entry in done] == [("pulled", ""), ("built", "agent")]
    assert engine.built["labels"][labels.IMAGE_BASE] == "sha256:aa"


def test_a_pulled_base_may_show_that_nothing_is_to_build(stage) -> None:
    engine = FakeEngine(registry={BASE: "aa"})
    always = replace(SPEC, pull_policy="always")
    stage(engine, always)
    assert actions(stage(engine, always))[-1] == "present"
    engine.registry[BASE] = "bb"
    done = stage(engine, always)
    assert actions(done) == ["pulled", "built"]
    assert kinds(engine).count("build") == 2


def test_no_base_and_no_recipe_names_from(stage) -> None:
    engine = FakeEngine()
    with pytest.raises(EngineError) as caught:
        stage(engine, SPEC)
    assert "FROM debian:12" in caught.value.message and "no route to the registry" in caught.value.message
    assert "x-bootstrap" in caught.value.mend
    assert caught.value.path == "agent: /c/Dockerfile"
    assert kinds(engine) == ["pull"]


def test_a_local_base_is_never_pulled(stage) -> None:
    engine = FakeEngine()
    with pytest.raises(EngineError, match="FROM localhost/base:1"):
        stage(engine, replace(SPEC, bases=("localhost/base:1",)))
    assert kinds(engine) == []


def test_bootstrap_where_the_pull_fails(stage) -> None:
    engine, spec = FakeEngine(), replace(SPEC, bootstrap=RECIPE)
    done = stage(engine, spec)
    assert actions(done) == ["bootstrapped", "built"]
    assert "no route to the registry" in done[0].reason
    assert engine.built["arguments"] == {"BASE": done[0].reference}
    assert kinds(engine) == ["pull", "import", "build"]
    assert actions(stage(engine, replace(spec, inputs="j" * 64))) == ["built"]
    assert kinds(engine) == ["pull", "import", "build", "build"]


def test_bootstrap_without_a_registry(stage) -> None:
    engine, spec = FakeEngine(), replace(SPEC, bootstrap=replace(RECIPE, pull=False))
    planned = plan_images([spec], ())
    done = stage(engine, spec)
    assert kinds(engine) == ["import", "build"]
    assert [(entry.action, entry.reference) for entry in planned] == [(entry.action, entry.reference) for entry in done]


def test_a_failed_build_leaves_no_tag(stage) -> None:
    engine = FakeEngine(BASE, fails=True)
    with pytest.raises(EngineError, match="building localhost/agent:[0-9a-f]{12} failed: RUN false"):
        stage(engine, SPEC)
    assert list(engine.there) == [BASE]


def test_a_driver_in_the_image_is_refused_and_nothing_is_left(stage, tmp_path) -> None:
    engine = FakeEngine(BASE)
    engine.files["usr/lib/x86_64-linux-gnu/libcuda.so.535.104.05"] = b"driver"
    with pytest.raises(EngineError) as caught:
        stage(engine, replace(SPEC, tags=("localhost/agent:stable",)))
    assert "usr/lib/x86_64-linux-gnu/libcuda.so.535.104.05 in layer 2 of 2" in caught.value.message
    assert "cuda-toolkit" in caught.value.mend and caught.value.path == "agent: /c/Dockerfile"
    assert list(engine.there) == [BASE] and not (tmp_path / "sbom").exists()


def test_a_secret_reaches_the_build_and_may_not_stay_in_the_image(stage) -> None:
    engine, spec = FakeEngine(BASE), replace(SPEC, secrets={"token": "pip"})
    events: list[dict[str, t.Any]] = []
    assert actions(stage(engine, spec, events=events)) == ["built"]
    assert [event["line"] for event in events] == ["STEP 1", "********", "looking into the image"]
    assert engine.built["secrets"] == {"token": "value of pip"}
    engine.files["root/.netrc"] = b"password value of pip\n"
    with pytest.raises(EngineError) as caught:
        stage(engine, replace(spec, inputs="j" * 64))
    assert "root/.netrc in layer 2 of 2 holds token" in caught.value.message
    assert "value of pip" not in str(caught.value)
    with pytest.raises(InputError, match="no value for the build secret token"):
        stage(engine, replace(spec, inputs="k" * 64, secrets={"token": "other"}))


def test_an_image_that_was_there_before_is_not_taken_away(stage) -> None:
    engine = FakeEngine(BASE)
    engine.files["usr/lib/wsl/lib/libdxcore.so"] = b"driver"
    engine.there["sha256:new"] = ObservedImage("sha256:new", ("docker.io/library/theirs:1",))
    with pytest.raises(EngineError, match="holds a GPU driver"):
        stage(engine, SPEC)
    assert "sha256:new" in engine.there


def test_the_list_of_packages_lies_beside_the_image(stage, tmp_path) -> None:
    engine = FakeEngine(BASE)
    engine.files["usr/lib/python3/site-packages/torch-2.1.dist-info/METADATA"] = b"Name: torch\nVersion: 2.1\n\ntext"
    (done,) = stage(engine, SPEC)
    assert done.sbom == str(tmp_path / "sbom" / f"agent-{done.reference[-12:]}.cdx.json")
    assert [entry["name"] for entry in json.loads(pathlib.Path(done.sbom).read_text())["components"]] == [
        "debian",
        "torch",
    ]


def test_a_full_disk_says_what_to_do(stage) -> None:
    engine = FakeEngine(BASE)

    def build_image(*arguments):
        raise EngineError("write /x: no space left on device")

    engine.build_image = build_image
    with pytest.raises(EngineError) as caught:
        stage(engine, SPEC)
    assert "Make room" in caught.value.mend


def test_what_another_host_builds_is_not_built_here(stage) -> None:
    engine = FakeEngine(BASE)
    with pytest.raises(InputError, match="is built on mainpc for this host. Run build.yml"):
        stage(engine, replace(SPEC, builder="mainpc"))


def test_a_build_without_its_context_is_a_clear_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="its context was not sent"):
        Stager(FakeEngine(BASE), str(tmp_path), {}, lambda event: None).stage([SPEC])


def test_pulled_images(stage) -> None:
    engine = FakeEngine(registry={REDIS.repository: "aa"})
    done = stage(engine, REDIS)
    assert [(entry.action, entry.reference) for entry in done] == [("pulled", f"{REDIS.repository}@sha256:aa")]
    assert actions(stage(engine, REDIS)) == ["present"]
    assert kinds(engine) == ["pull"]


def test_always_asks_the_registry_and_says_whether_it_had_something_new(stage) -> None:
    engine, always = FakeEngine(registry={REDIS.repository: "aa"}), replace(REDIS, pull_policy="always")
    assert [actions(stage(engine, always)) for _count in range(2)] == [["pulled"], ["present"]]
    engine.registry[REDIS.repository] = "bb"
    assert actions(stage(engine, always)) == ["pulled"]


def test_never_is_refused(stage) -> None:
    never = replace(REDIS, pull_policy="never")
    with pytest.raises(EngineError, match="pull_policy is never"):
        stage(FakeEngine(registry={REDIS.repository: "aa"}), never)
    with pytest.raises(EngineError, match="pull_policy is never"):
        plan_images([never], ())


def test_localhost_is_no_registry(stage) -> None:
    engine, ours = FakeEngine(), replace(REDIS, repository="localhost/x:1")
    with pytest.raises(EngineError, match="localhost/x:1 is not on this engine, and localhost/ is no registry"):
        stage(engine, ours)
    with pytest.raises(EngineError, match="Build or load it"):
        plan_images([ours], ())
    assert engine.calls == []


def test_all_errors_are_told_and_the_rest_is_staged(stage) -> None:
    engine = FakeEngine(BASE)
    with pytest.raises(FleetError) as caught:
        stage(engine, REDIS, replace(REDIS, key="x", repository="docker.io/library/x:1"), SPEC)
    assert "redis:7" in str(caught.value) and "x:1" in str(caught.value)
    assert kinds(engine) == ["pull", "pull", "build"]


def test_the_plan_tells_a_shared_base_once() -> None:
    other = replace(SPEC, key="other", repository="localhost/other")
    planned = plan_images([SPEC, other], ())
    assert [(entry.action, entry.context_needed) for entry in planned] == [
        ("pulled", False),
        ("built", True),
        ("built", True),
    ]


def test_every_image_that_cannot_be_pulled_is_named_where_the_user_wrote_it(stage):
    wanted = [
        replace(REDIS, key=name, repository=name, where=f"groups/web.yml:{name}") for name in ("a:1", "b:1", "c:1")
    ]
    engine = FakeEngine(registry={"b:1": "0"})
    with pytest.raises(FleetError) as raised:
        stage(engine, *wanted)
    assert sorted(str(raised.value).splitlines()) == [
        f"groups/web.yml:{name}.image: cannot pull {name}: no route to the registry. "
        "Correct the name, log in to its registry, or load the image by hand."
        for name in ("a:1", "c:1")
    ]


def test_pulls_run_at_the_same_time_and_the_answers_keep_their_order(stage):
    names = [f"docker.io/library/image{number}:1" for number in range(6)]
    together = threading.Barrier(4, timeout=10)
    engine = FakeEngine(registry=dict.fromkeys(names, "0"))
    pull, count = engine.pull_image, itertools.count()

    def pull_image(reference, platform="", login=None):
        if next(count) < 4:
            together.wait()
        pull(reference, platform, login)

    engine.pull_image = pull_image
    done = stage(engine, *(replace(REDIS, key=name, repository=name) for name in names))
    assert [entry.key for entry in done] == names and {entry.action for entry in done} == {"pulled"}


def test_a_login_goes_to_its_registry_only(tmp_path) -> None:
    references = ["pc2:5000/app:1", "docker.io/library/redis:7", "pc2:5001/app:1"]
    engine = FakeEngine(registry=dict.fromkeys(references, "0"))
    specs = [ImageSpec(reference, reference, build=False) for reference in references]
    logins = [Login("pc2:5000", "fleet", "secret")]
    Stager(engine, str(tmp_path), {}, lambda event: None, logins=logins).stage(specs)
    assert sorted(engine.calls) == [
        ("pull", "docker.io/library/redis:7"),
        ("pull", "pc2:5000/app:1", "fleet"),
        ("pull", "pc2:5001/app:1"),
    ]


def test_the_lock_of_a_build_lies_in_the_cache_directory_and_nowhere_others_can_write(stage, tmp_path) -> None:
    stage(FakeEngine(BASE), SPEC)
    assert (tmp_path / "images.lock").stat().st_mode & 0o777 == 0o600


def test_a_cache_directory_that_cannot_be_made_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match=r"file/cache/images\.lock: the lock cannot be made"):
        Stager(FakeEngine(BASE), str(tmp_path / "file/cache"), {}, lambda event: None).stage([SPEC])
