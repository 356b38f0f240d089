"""What is read of an image's archive, in the layouts of both engines."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image import inspect
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.packages import Package

from .archives import diff_id, image, layer

BASE = layer({"etc/os-release": b"ID=debian\nVERSION_ID=12\n", "a/x.dist-info/METADATA": b"Name: x\nVersion: 1\n"})
EMPTY = layer({})
SECRET = {"token": inspect.forms("s3cret/value+1\n")}


def read(*layers: bytes, secrets: inspect.Secrets | None = None, **options) -> inspect.Contents:
    return inspect.read_image(io.BytesIO(image(*layers, **options)), secrets or {})


def names(contents: inspect.Contents) -> list[str]:
    return [package.name for package in inspect.installed(contents)]


@pytest.mark.parametrize("layout", ["podman", "docker", "oci"])
def test_layouts(layout: str) -> None:
    upper = layer(
        {"usr/lib/libcuda.so.1": b"x", "usr/lib/libcuda.so": None, "./b/y.dist-info/METADATA": b"Name: y\nVersion: 2\n"}
    )
    contents = read(BASE, EMPTY, upper, layout=layout)
    assert contents.diff_ids == tuple(diff_id(each) for each in (BASE, EMPTY, upper))
    assert [each.drivers for each in contents.layers] == [(), (), ("usr/lib/libcuda.so.1",)]
    assert inspect.installed(contents) == [Package("pypi", "x", "1"), Package("pypi", "y", "2")]
    assert inspect.distribution(contents) == ("debian", "12")


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"a/.wh.x.dist-info": b""}, []),
        ({"a/x.dist-info/.wh.METADATA": b""}, []),
        ({"a/.wh..wh..opq": b""}, []),
        ({".wh.a": b""}, []),
        ({"a/x.dist-info/METADATA": b"Name: newer\nVersion: 2\n"}, ["newer"]),
        ({"a/.wh.x": b"", ".wh.aa": b"", "b/.wh..wh..opq": b""}, ["x"]),
        ({"a/.wh..wh..opq": b"", "a/x.dist-info/METADATA": b"Name: newer\nVersion: 2\n"}, ["newer"]),
    ],
)
def test_removed_and_replaced(files: dict[str, bytes], left: list[str]) -> None:
    assert names(read(BASE, layer(files))) == left


def test_what_cannot_be_read_is_no_reason_to_refuse_the_image() -> None:
    damaged = layer({"conda-meta/a.json": b"{", "var/lib/rpm/Packages": b"Berkeley DB"})
    assert read(damaged).layers[0].unread == ("conda-meta/a.json", "var/lib/rpm/Packages")


def test_a_known_layer_is_passed_over() -> None:
    seen = []

    def known(name: str) -> inspect.Layer | None:
        seen.append(name)
        return (
            inspect.Layer(packages={"p": (Package("deb", "known", "1"),)})
            if name.startswith(diff_id(BASE)[7:])
            else None
        )

    upper = layer({"b/y.dist-info/METADATA": b"Name: y\nVersion: 2\n"})
    contents = inspect.read_image(io.BytesIO(image(BASE, upper)), {}, known)
    assert names(contents) == ["y", "known"]
    assert set(contents.names) < set(seen)


def test_a_layer_survives_being_kept() -> None:
    kept = read(
        layer({"a/.wh.x": b"", "etc/os-release": b"ID=a\n", "x.dist-info/METADATA": b"Name: x\nVersion: 1\n"})
    ).layers[0]
    assert inspect.layer_from_json(inspect.layer_to_json(kept)) == kept


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"packages": {}, "other": []}', '{"packages": {"a": [{"b": 1}]}}']
)
def test_what_is_no_kept_layer(text: str) -> None:
    assert inspect.layer_from_json(text) is None


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"s3cret/value+1", True),
        (b"url = https://me:s3cret%2Fvalue%2B1@host/\n", True),
        (b"x" * (inspect._CHUNK - 5) + b"s3cret/value+1" + b"y" * 9, True),
        (b"s3cret/value", False),
        (b"", False),
    ],
)
def test_secrets_in_files(content: bytes, found: bool) -> None:
    contents = read(BASE, layer({"root/.netrc": content}), secrets=SECRET)
    assert contents.layers[1].secrets == ((("root/.netrc", "token"),) if found else ())


@settings(max_examples=30)
@given(st.binary(min_size=8, max_size=20), st.integers(0, 60), st.integers(1, 30))
def test_a_secret_is_found_wherever_the_pieces_end(secret: bytes, before: int, size: int) -> None:
    class Pieces(io.BytesIO):
        def read(self, _size: int = -1) -> bytes:
            return super().read(size)

    content, found = inspect._read_file(Pieces(b"\0" * before + secret + b"\1" * 9), {"s": (secret,)}, True)
    assert found == ["s"] and content == b"\0" * before + secret + b"\1" * 9


def test_secrets_in_settings() -> None:
    config = {
        "config": {"Env": ["PATH=/bin", "TOKEN=s3cret/value+1"], "Labels": {"l": "s3cret/value+1"}},
        "history": [{"created_by": "RUN echo s3cret/value+1"}],
    }
    assert [path for path, _name in inspect.settings_with(config, SECRET)] == [
        "config.Env[1]",
        "config.Labels.l",
        "history[0].created_by",
    ]


def test_above_the_base() -> None:
    contents = read(BASE, EMPTY, layer({"x": b"1"}))
    ids = contents.diff_ids
    assert [inspect.above(contents, base) for base in ((), ids[:1], ids[:2], ids, ("sha256:other",))] == [0, 1, 2, 3, 0]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (
            [{"created_by": "ADD"}, {"created_by": "ENV a", "empty_layer": True}, {"created_by": "RUN x"}],
            "layer 2 of 2, «RUN x»",
        ),
        (
            [{"created_by": "ADD"}, {"created_by": "/bin/sh -c apt-get   install \\\n x"}],
            "layer 2 of 2, «apt-get install \\ x»",
        ),
        ([{"created_by": "ADD"}, {"created_by": "RUN " + "x" * 100}], "layer 2 of 2, «RUN " + "x" * 73 + "…»"),
        ([], "layer 2 of 2"),
    ],
)
def test_a_layer_in_words(history: list[dict], expected: str) -> None:
    assert inspect.step(read(BASE, EMPTY, config={"history": history}), 1) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive" * 1000,
        image(BASE)[:2000],
        layer({"manifest.json": b"[]"}),
        layer({"manifest.json": b"{}"}),
        layer({"manifest.json": b"[{"}),
    ],
)
def test_no_archive_of_an_image(content: bytes) -> None:
    with pytest.raises(EngineError, match="archive of the image cannot be read"):
        inspect.read_image(io.BytesIO(content), {})
