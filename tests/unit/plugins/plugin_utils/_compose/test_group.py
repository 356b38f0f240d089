# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole group files: names, our keys put together, and properties that hold for any input."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.group import load_group, load_text
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.interpolate import Variables
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.schema import GROUP_FILE, SERVICE
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import GroupSpec

from .test_parity import ACCEPTED, KINDS, load

FILE = "/nowhere/core.yml"


def read(text: str, **variables: str) -> GroupSpec:
    return load_text(text, FILE, "/nowhere", Variables(variables))


def service(text: str, **variables: str) -> dict[str, t.Any]:
    """The canonical form of one service with the given keys."""
    return read(f"services:\n  web:\n    image: example/web:1\n{text}", **variables).services["web"]


def test_smallest_group() -> None:
    spec = read("services: {web: {image: example/web:1}}")
    assert (spec.name, spec.path, spec.directory) == ("core", FILE, "/nowhere")
    assert spec.services == {
        "web": {"image": "example/web:1", "command": None, "entrypoint": None, "networks": {"default": None}}
    }
    assert spec.networks == {"default": {"ipam": {}}}
    assert (spec.needs, spec.timeout, spec.warnings, spec.builds) == ((), 120.0, (), {})


def test_where_names_file_line_column_and_path() -> None:
    spec = read("services:\n  web:\n    image: example/web:1\n    ports:\n      - 80\n      - 8080:81\n")
    assert spec.where(("services", "web", "ports", 1)) == f"{FILE}:6:9: services.web.ports[1]"
    assert spec.where(("services", "web", "tty")) == f"{FILE}:2:3: services.web.tty"
    assert spec.where() == FILE


def test_names_stay_without_the_project() -> None:
    spec = read(
        "services: {web: {image: i, networks: [a, b, c], volumes: ['data:/d']}}\n"
        "networks: {a: , b: {name: other}, c: {external: true}}\n"
        "volumes: {data: , unused: }\n"
    )
    assert spec.networks == {
        "a": {"ipam": {}},
        "b": {"name": "other", "ipam": {}},
        "c": {"name": "c", "external": True, "ipam": {}},
    }
    assert spec.volumes == {"data": {}}


def test_gpus_become_a_device_request() -> None:
    devices = service("    gpus: all\n")["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"capabilities": ["gpu"], "count": -1}]


def test_dollars_are_real_in_a_spec() -> None:
    assert service("    command: [echo, $$HOME]\n")["command"] == ["echo", "$HOME"]


@pytest.mark.parametrize(
    ("volume", "relative"),
    [
        ("./a:/a", True),
        ("~/a:/a", True),
        ("/a:/a", False),
        ("data:/a", False),
        ("{type: bind, source: a, target: /a}", True),
    ],
)
def test_relative_sources_are_remembered(volume: str, relative: bool) -> None:
    spec = read(
        f"services: {{web: {{image: i, volumes: [{volume!r}]}}}}\nvolumes: {{data: }}".replace("'{", "{").replace(
            "}'", "}"
        )
    )
    assert (("services", "web", "volumes", 0) in spec.relative) is relative


def test_variables_win_over_dot_env(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TAG=1\nOTHER=${TAG}-x\n")
    (tmp_path / "core.yml").write_text("services: {web: {image: 'i:${TAG}', labels: {o: '${OTHER}'}}}")
    assert load_group(tmp_path / "core.yml", {}).services["web"]["image"] == "i:1"
    changed = load_group(tmp_path / "core.yml", {"TAG": "2"}).services["web"]
    assert (changed["image"], changed["labels"]["o"]) == ("i:2", "2-x")


def test_inventory_values_that_are_no_text() -> None:
    text = "services: {web: {image: 'i:${N}', tty: '${B}'}}"
    directory = Path(__file__).parent
    with pytest.raises(FleetError):
        load_group(directory / "no-such-file.yml", {})
    assert read(text, N="1", B="true").services["web"]["tty"] is True


def test_unset_variables_warn_with_the_place() -> None:
    spec = read("services:\n  web:\n    image: i\n    hostname: ${NOPE}\n")
    assert spec.warnings == (f"{FILE}:4:5: services.web.hostname: the variable NOPE is not set; it is taken as empty",)


@pytest.mark.parametrize(
    "text",
    [
        "    command: echo ${TOKEN}\n",
        "    command: echo $TOKEN\n",
        "    command: echo ${NOPE:-${TOKEN}}\n",
        "    environment: [TOKEN]\n",
        "    environment: {TOKEN: }\n",
        "    build: {context: ., args: [TOKEN]}\n",
        "    build: {context: ., x-stacks: {nvidia: {args: [TOKEN]}}}\n",
    ],
)
def test_a_secret_is_never_interpolated(text: str) -> None:
    variables = Variables({"TOKEN": "hush-hush"}, secrets=frozenset({"TOKEN"}))
    with pytest.raises(FleetError) as caught:
        load_text("services:\n  web:\n    image: i\n" + text, FILE, "/nowhere", variables)
    assert "TOKEN is a secret" in str(caught.value)
    assert "services.web" in caught.value.path
    assert "hush-hush" not in str(caught.value)


def test_a_secret_may_be_named_as_a_secret() -> None:
    variables = Variables({}, secrets=frozenset({"TOKEN"}))
    text = "services: {web: {image: i, secrets: [token]}}\nsecrets: {token: {environment: TOKEN}}"
    spec = load_text(text, FILE, "/nowhere", variables)
    assert spec.secrets == {"token": {"environment": "TOKEN"}}


def escaped(value: t.Any) -> t.Any:
    """Data with every dollar sign of a value doubled; keys are never interpolated."""
    if isinstance(value, dict):
        return {key: escaped(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [escaped(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.name.removesuffix(".expected.json"))
def test_canonical_form_read_again_is_the_same(path: Path) -> None:
    spec = load(path.with_name(path.name.replace(".expected.json", ".yml")))
    content = {"name": spec.name, "services": spec.services, **{kind: getattr(spec, kind) for kind in KINDS}}
    again = load_text(json.dumps(escaped(content)), f"/nowhere/{spec.name}.yml", "/elsewhere", Variables())
    for kind in ("services", *KINDS):
        assert getattr(again, kind) == getattr(spec, kind)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(
        ["", "a", "80:80", "1g", "$", "${A:-b}", "x: y", "\0", "9" * 5000, "0x" + "f" * 300, "9" * 5000 + "s", "\ud800"]
    )
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=4) | st.sampled_from(["source", "target", "type", "test", "x-stacks"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    _read_or_refuse(text)


@given(st.dictionaries(st.sampled_from(sorted({*SERVICE.keys, *SERVICE.extensions})), JSON, max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_service_is_read_or_refused(keys: dict[str, t.Any]) -> None:
    _read_or_refuse(json.dumps({"services": {"web": {"image": "i", **keys}}}))


@given(st.dictionaries(st.sampled_from(sorted({*GROUP_FILE.keys, *GROUP_FILE.extensions})), JSON, max_size=4))
@settings(max_examples=150, deadline=None)
def test_any_group_is_read_or_refused(keys: dict[str, t.Any]) -> None:
    _read_or_refuse(json.dumps({"services": {"web": {"image": "i"}}, **keys}))


def _read_or_refuse(text: str) -> None:
    try:
        spec = read(text)
    except FleetError as error:
        assert str(error)
    else:
        assert spec.services
