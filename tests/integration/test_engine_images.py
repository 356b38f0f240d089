"""Images on real engines: import, build, tag, remove."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.reference import parse_reference
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import ContainerConfig, Healthcheck

from .conftest import IMAGE
from .waiting import output_of, run, until

LABELS = {"org.gpu-fleet.image.inputs": "abc", "other": 'a "b", c'}
CONTAINERFILE = """\
ARG BASE
FROM ${BASE} AS first
RUN echo "built with $(cat /context.txt 2>/dev/null)" >/first
FROM ${BASE} AS last
ARG WORD=default
COPY context.txt /
COPY --from=first /first /first
RUN echo "$WORD" >/word
HEALTHCHECK --interval=1h CMD test -e /word
ENTRYPOINT ["sh", "-c"]
CMD ["trap 'exit 0' TERM; while :; do sleep 0.1; done"]
"""


@pytest.fixture
def context(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "Containerfile").write_text(CONTAINERFILE)
    (tmp_path / "context.txt").write_text("a file of the context\n")
    (tmp_path / "ignored.txt").write_text("x")
    (tmp_path / ".dockerignore").write_text("ignored.txt\n")
    return str(tmp_path)


def images(engine, tag):
    return [image for image in engine.observe().images if tag in image.tags]


def test_build(engine, name, context):
    tag, second = f"localhost/{name}/agent:one", f"localhost/{name}/agent:two"
    lines = []
    image_id = engine.build_image(
        context, "files/Containerfile", [tag, second], {"BASE": IMAGE, "WORD": "a b"}, LABELS, on_line=lines.append
    )
    (image,) = images(engine, tag)
    assert image.id == image_id and set(image.tags) == {tag, second}
    assert {key: image.labels[key] for key in LABELS} == LABELS
    assert any("COPY context.txt" in line for line in lines)

    run(engine, ContainerConfig(name, tag))
    assert output_of(engine, name, "cat", "/word", "/context.txt") == "a b\na file of the context"
    assert engine.check_health(name).healthy, "the image's own health check is used"
    timed = ContainerConfig(f"{name}-timed", tag, healthcheck=Healthcheck((), interval=5, timeout=3))
    run(engine, timed)
    assert engine.check_health(timed.name, timed.healthcheck).healthy
    output_of(engine, timed.name, "rm", "/word")
    assert not engine.check_health(timed.name, timed.healthcheck).healthy

    for container in (name, timed.name):
        engine.remove_container(container)
    engine.remove_image(tag)
    assert images(engine, tag) == [] and images(engine, second)
    engine.remove_image(second)
    engine.remove_image(second)
    assert images(engine, second) == []


def test_a_label_with_a_dollar_sign_is_right_or_refused(engine, name, context):
    """Podman 5.4 would take it for a variable, and the image would carry another label."""
    tag, labels = f"localhost/{name}:1", {"price": "$5 {$HOME}"}
    try:
        engine.build_image(context, "files/Containerfile", [tag], {"BASE": IMAGE}, labels)
    except EngineError as error:
        assert engine.name == "podman" and "label price" in error.message and "build.labels" in error.mend
        assert images(engine, tag) == []
    else:
        (image,) = images(engine, tag)
        assert image.labels["price"] == labels["price"]
        engine.remove_image(tag)


def test_build_stops_at_its_target(engine, name, context):
    tag = f"localhost/{name}:1"
    engine.build_image(context, "files/Containerfile", [tag], {"BASE": IMAGE}, {}, target="first")
    run(engine, ContainerConfig(name, tag, command=("cat", "/first")))
    until(lambda: engine.container(name).state == "exited")
    assert engine.logs(name, 5).startswith("built with")


def test_failed_build_says_why(engine, name, context, tmp_path):
    (tmp_path / "Containerfile").write_text(f"FROM {IMAGE}\nRUN echo a compiler complains; exit 4\n")
    with pytest.raises(EngineError, match=r"(?s)a compiler complains.*4") as caught:
        engine.build_image(context, "Containerfile", [f"localhost/{name}:1"], {}, {})
    assert caught.value.path == f"image localhost/{name}:1"


def test_containerfile_that_is_missing(engine, name, context):
    with pytest.raises(EngineError, match="Nowhere"):
        engine.build_image(context, "Nowhere", [f"localhost/{name}:1"], {}, {})


def test_tags_are_written_in_full(engine, name):
    """A name without a registry is Docker Hub's, on both engines."""
    engine.tag_image(IMAGE, str(parse_reference(f"{name}:1")))
    assert images(engine, f"docker.io/library/{name}:1")
    engine.remove_image(f"docker.io/library/{name}:1")
    assert not images(engine, f"docker.io/library/{name}:1") and images(engine, IMAGE)


def test_import_again_moves_the_tag(engine, name, busybox_archive):
    tag = f"localhost/{name}:1"
    labels = {"number": "1", "words": 'a "b", $c {"x": "y"}'}
    first = engine.import_image(busybox_archive, tag, labels)
    assert images(engine, tag)[0].labels == labels
    second = engine.import_image(busybox_archive, tag, {"number": "2"})
    assert first != second
    assert [image.id for image in images(engine, tag)] == [second]
    for image_id in (first, second):
        engine.remove_image(image_id)
