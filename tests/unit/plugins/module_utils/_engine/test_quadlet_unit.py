from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.podman_arguments import (
    Dialect,
    create_container,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.quadlet_unit import (
    quote,
    read_labels,
    render,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Attachment,
    ContainerConfig,
    GpuRequest,
    Healthcheck,
    Mount,
)

from . import quadlet_model, samples

DIALECT = Dialect((5, 4), frozenset())
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x80"), max_size=12)
AWKWARD = st.one_of(
    TEXT, st.sampled_from(["", ";", "$", "$$", "${HOME}", "%h", "%%", "\\", "-c", "a;b", " ", "'", '"', "\n"])
)
NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,8}", fullmatch=True)
CONFIGS = st.builds(
    ContainerConfig,
    name=st.from_regex(r"[a-z][a-z0-9_.-]{0,8}[a-z]", fullmatch=True),
    image=st.just("localhost/agent:1"),
    command=st.none() | st.lists(AWKWARD, max_size=5).map(tuple),
    entrypoint=st.none() | st.lists(AWKWARD, min_size=1, max_size=3).map(tuple),
    environment=st.dictionaries(NAME, AWKWARD, max_size=4),
    annotations=st.dictionaries(NAME, AWKWARD, max_size=2),
    user=st.sampled_from(["", "1000", "1000:1000", "me"]),
    working_dir=st.sampled_from(["", "/srv", "/a b", "/100%"]),
    mounts=st.lists(
        st.builds(
            Mount,
            st.sampled_from(["bind", "volume"]),
            st.sampled_from(["/data", "/da ta", "/$HOME"]),
            st.sampled_from(["/srv/x", "/srv/x y", "data", "x.volume", "/100%"]),
            st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    networks=st.lists(
        st.builds(Attachment, st.sampled_from(["front", "x.network"]), st.just(("a", "b"))), max_size=2
    ).map(tuple),
    dns=st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "odd one"]), max_size=3).map(tuple),
    restart=st.sampled_from(["no", "always", "unless-stopped", "on-failure", "on-failure:3"]),
    healthcheck=st.none() | st.builds(Healthcheck, st.tuples(st.just("CMD-SHELL"), TEXT)),
    cap_add=st.sampled_from([(), ("NET_ADMIN",)]),
    init=st.sampled_from([None, True, False]),
    tty=st.booleans(),
    read_only=st.booleans(),
    security_opt=st.sampled_from([(), ("label=disable",), ("label=disable", "no-new-privileges")]),
    group_add=st.sampled_from([(), ("44",), ("keep-groups",)]),
    cgroup_parent=st.sampled_from(["", "/fleet"]),
    runtime=st.sampled_from(["", "runc"]),
    supervisor=st.just("systemd"),
    one_shot=st.booleans(),
)
LABELS = st.dictionaries(NAME, AWKWARD, max_size=4)


def _unit(config, labels=None, gated=False, rootless=False, dialect=DIALECT):
    return render(config, labels or {}, samples.SOURCES, dialect, gated, rootless)


def _lines(text):
    return text.split("\n")


def _pairs(words):
    """Options with their values, sorted; image and command in their order."""
    image = words.index("localhost/agent:1")
    flags = {
        "--init",
        "--tty",
        "--interactive",
        "--read-only",
        "--privileged",
        "--no-healthcheck",
        "--oom-kill-disable",
    }
    options, left = [], iter(words[:image])
    for word in left:
        alone = word in flags or (word.startswith("--") and "=" in word)
        options.append((word, None) if alone else (word, next(left)))
    return sorted(options, key=str), words[image:]


@given(CONFIGS, LABELS, st.booleans(), st.booleans())
def test_podman_gets_the_words_it_would_get_without_systemd(config, labels, gated, rootless):
    given_words = create_container(config, labels, samples.SOURCES, DIALECT)
    given_words.remove("create")
    options, tail = _pairs(given_words)
    expected = {("--pull", "never") if option == ("--pull=never", None) else option for option in options}
    expected = {(name, value.lower()) if name == "--cap-add" else (name, value) for name, value in expected}
    expected -= {("--restart", config.restart)}
    expected |= {("--log-driver", "passthrough" if config.one_shot and not config.tty else "journald")}
    expected |= {("--cgroups", "enabled")} if config.cgroup_parent else set()
    expected |= {("--sdnotify=healthy", None)} if gated and not config.one_shot else set()
    found, found_tail = _pairs(quadlet_model.argv(_unit(config, labels, gated, rootless)))
    assert set(found) == expected
    assert found_tail == tail


@given(CONFIGS)
def test_values_of_one_option_keep_their_order(config):
    words = quadlet_model.argv(_unit(config))
    given_words = create_container(config, {}, samples.SOURCES, DIALECT)
    for option in ("--dns", "--volume", "--network", "--env"):
        assert [words[at + 1] for at, word in enumerate(words) if word == option] == [
            given_words[at + 1] for at, word in enumerate(given_words) if word == option
        ]


@given(LABELS)
def test_labels_are_read_back(labels):
    assert read_labels(_unit(samples.BASE, labels)) == labels


@given(AWKWARD)
def test_a_word_is_one_line(word):
    assert "\n" not in quote(word)


def test_labels_of_other_units_are_no_error():
    assert read_labels('Label="half\nLabel=["a"]\nLabel="["a"]"\nImage=x\nLabel=a=b c') == {'["a"]': "", "a": "b c"}


@pytest.mark.parametrize(
    "key", sorted(set(samples.CONTAINER) - {"domainname", "restart", "network_mode", "healthcheck"})
)
def test_no_field_is_dropped(key):
    assert _unit(samples.with_field(samples.BASE, key, samples.CONTAINER[key])) != _unit(samples.BASE)


RESTARTS = [
    ("no", False, "no", "0"),
    ("always", False, "always", "0"),
    ("unless-stopped", False, "always", "0"),
    ("on-failure", False, "on-failure", "0"),
    ("on-failure:3", False, "on-failure", "600"),
    ("always", True, "on-failure", "0"),
    ("no", True, "no", "0"),
]


@pytest.mark.parametrize(("policy", "one_shot", "restart", "interval"), RESTARTS)
def test_restart_is_systemds(policy, one_shot, restart, interval):
    lines = _lines(_unit(dataclasses.replace(samples.BASE, restart=policy, one_shot=one_shot)))
    assert f"Restart={restart}" in lines and f"StartLimitIntervalSec={interval}" in lines
    assert ("StartLimitBurst=4" in lines) == (policy == "on-failure:3")
    assert ("Type=oneshot" in lines) == ("RemainAfterExit=yes" in lines) == one_shot


def test_what_waits_for_health():
    check = Healthcheck(("CMD-SHELL", "true"), interval=10, timeout=5, retries=3, start_period=20)
    config = dataclasses.replace(samples.BASE, healthcheck=check, stop_grace_period=45.5)
    lines = _lines(_unit(config, gated=True))
    assert {"Notify=healthy", "TimeoutStartSec=365", "TimeoutStopSec=61"} <= set(lines)
    assert "Notify=healthy" not in _lines(_unit(config, gated=False))
    once = _lines(_unit(dataclasses.replace(config, one_shot=True), gated=True))
    assert "Notify=healthy" not in once and "TimeoutStartSec=infinity" in once


def test_what_it_starts_behind():
    system, user = _lines(_unit(samples.BASE)), _lines(_unit(samples.BASE, rootless=True))
    assert "After=network-online.target" in system and "After=network-online.target" not in user
    assert "DefaultDependencies=false" in system and "[Install]" not in system, "its group's unit starts it"


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (samples.with_field(samples.BASE, "gpu", GpuRequest("nvidia", "cdi", cdi_devices=("nvidia.com/gpu=all",))),
         "AddDevice=nvidia.com/gpu=all"),
        (samples.with_field(samples.BASE, "security_opt", ("label=disable",)), "SecurityLabelDisable=true"),
        (samples.with_field(samples.BASE, "group_add", ("44",)), "GroupAdd=44"),
        (samples.with_field(samples.BASE, "log_driver", "k8s-file"), "LogDriver=k8s-file"),
        (samples.with_field(samples.BASE, "environment", {"A": "b"}), "Environment=A=b"),
        (samples.with_field(samples.BASE, "command", ("run", "-c", "x y")), 'Exec=run -c "x y"'),
    ],
)  # fmt: skip
def test_keys_that_people_know(config, line):
    assert line in _lines(_unit(config))


def test_a_key_that_this_quadlet_does_not_know():
    config = samples.with_field(samples.BASE, "group_add", ("44",))
    assert "PodmanArgs=--group-add 44" in _lines(_unit(config, dialect=Dialect((5, 0), frozenset())))


@pytest.mark.parametrize(
    ("field", "value"),
    [("image", "build:agent"), ("image", "localhost/x.image"), ("command", ("\x80",))],
)
def test_what_no_unit_can_say(field, value):
    with pytest.raises(EngineError) as caught:
        _unit(samples.with_field(samples.BASE, field, value))
    assert caught.value.path == "container web"
