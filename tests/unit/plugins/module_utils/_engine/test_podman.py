"""The adapter over a stand-in program: which commands it runs, and what it makes of the answers."""

from __future__ import annotations

import json
import stat

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import Health
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.login import Login
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.podman import PodmanEngine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.podman_command import (
    PodmanCommand,
    command_environment,
    verb,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import Healthcheck

from . import samples

SCRIPT = """#!/bin/sh
printf '%s\\n' "$*" >>"{folder}/calls"
case "$*" in
    --version) echo podman version {version} ;;
{cases}
    *) echo "Error: not expected: $*" >&2; exit 125 ;;
esac
"""


@pytest.fixture
def podman(tmp_path):
    def make(answers, version="4.3.1"):
        """answers: pattern of the words → shell code."""
        cases = "\n".join(f"    {pattern}) {code} ;;" for pattern, code in answers.items())
        program = tmp_path / "podman"
        program.write_text(SCRIPT.format(folder=tmp_path, version=version, cases=cases))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return PodmanEngine(str(program), {"PATH": "/usr/bin:/bin"})

    make.calls = lambda: (tmp_path / "calls").read_text().splitlines()
    return make


def test_observe_asks_once_for_each_kind(podman):
    engine = podman(
        {
            "'ps --all --no-trunc --format json'": """echo '[{"Id": "1", "Names": ["web"], "State": "running"}]'""",
            "'network ls --format json'": """echo '[{"name": "n", "id": "i"}]'""",
            "'volume ls --format json'": "echo null",
            "'images --no-trunc --format json'": "echo '[]'",
        }
    )
    seen = engine.observe()
    assert [container.name for container in seen.containers] == ["web"]
    assert [network.name for network in seen.networks] == ["n"]
    assert (seen.volumes, seen.images) == ((), ())
    assert len(podman.calls()) == 5, "four lists and the version"
    assert (engine.name, engine.version) == ("podman", "4.3.1")


HEALTH = [
    ("exit 0", Health(True)),
    ("echo starting; exit 1", Health(False, "sad")),
    ("echo unhealthy; exit 1", Health(False, "sad")),
    ("echo starting; exit 0", Health(False, "sad")),
    ("echo 'Error: container 1 has no defined healthcheck' >&2; exit 125", None),
    ("echo 'Error: container 1 is not running' >&2; exit 125", Health(False, "container 1 is not running")),
]


@pytest.mark.parametrize(("code", "expected"), HEALTH)
def test_check_health(podman, code, expected):
    state = json.dumps([{"State": {"Health": {"Log": [{"Output": "glad"}, {"Output": "sad\n"}]}}}])
    engine = podman({"healthcheck*": code, "inspect*": f"printf %s '{state}'"})
    assert engine.check_health("web") == expected


def test_image_test_is_looked_up_for_timings_alone(podman):
    inspected = json.dumps([{"Healthcheck": {"Test": ["CMD", "agent", "ok"]}}])
    engine = podman({"image*": f"echo '{inspected}'", "'create --help'": "echo", "create*": "echo 123"})
    assert engine.create_container(samples.containing(Healthcheck((), interval=5)), {}, {}) == "123"
    assert '--health-cmd ["agent", "ok"] --health-interval 5000ms' in podman.calls()[-1]


@pytest.mark.parametrize(("version", "host"), [("4.3.1", "10.89.0.1"), ("4.7.0", "host-gateway")])
def test_host_gateway(podman, version, host):
    network = json.dumps([{"subnets": [{"gateway": "10.89.0.1"}]}])
    answers = {"'network inspect podman'": f"echo '{network}'", "'create --help'": "echo", "create*": "echo 123"}
    engine = podman(answers, version)
    engine.create_container(samples.with_field(samples.BASE, "extra_hosts", ("me:host-gateway",)), {}, {})
    assert f"--add-host me:{host}" in podman.calls()[-1]


def test_errors_carry_the_engines_words_and_the_object(podman):
    engine = podman({"start*": "echo 'time=\"x\" level=error'>&2; echo 'Error: port is taken' >&2; exit 125"})
    with pytest.raises(EngineError) as caught:
        engine.start_container("web")
    assert str(caught.value) == "container web: podman start: port is taken"


def test_a_command_that_hangs(podman):
    engine = podman({"exec*": "echo so far; exec sleep 30"})
    status, output = engine.run_in("web", ["x"], 0.3)
    assert status == 124 and "no answer within 0.3 s" in output


def test_missing_podman(tmp_path):
    with pytest.raises(EngineError, match="not installed") as caught:
        PodmanCommand(str(tmp_path / "podman"))
    assert "prepare.yml" in caught.value.mend


BUS = "DBUS_SESSION_BUS_ADDRESS"
PLAIN = {"LC_ALL": "C", "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
RUNTIME = {**PLAIN, "XDG_RUNTIME_DIR": "/run/user/1000", BUS: "unix:path=/run/user/1000/bus"}
MINE = {**PLAIN, "XDG_RUNTIME_DIR": "/mine", BUS: "unix:path=/mine/bus"}
ENVIRONMENTS = [
    (0, {}, True, PLAIN),
    (0, {"XDG_RUNTIME_DIR": "/run/user/0"}, True, {**PLAIN, "XDG_RUNTIME_DIR": "/run/user/0"}),
    (1000, {}, True, RUNTIME),
    (1000, {}, False, PLAIN),
    (1000, {"XDG_RUNTIME_DIR": "/mine", "LC_ALL": "de"}, True, MINE),
    (1000, {"XDG_RUNTIME_DIR": "/mine", BUS: "unix:path=/b"}, True, {**MINE, BUS: "unix:path=/b"}),
]


@pytest.mark.parametrize(("uid", "environment", "exists", "expected"), ENVIRONMENTS)
def test_command_environment(uid, environment, exists, expected):
    assert command_environment(environment, uid, lambda _path: exists) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["start", "x"], "start"),
        (["network", "rm", "x"], "network rm"),
        (["--runtime", "runc", "create", "x"], "create"),
    ],
)
def test_verb(words, expected):
    assert verb(words) == expected


def test_what_is_paused_goes_on_so_that_it_can_be_stopped(podman, tmp_path):
    refusal = "echo 'Error: container 1 is running or paused, refusing to clean up' >&2; exit 125"
    engine = podman(
        {
            "'stop --time 5 web'": f"test -e {tmp_path}/goes-on || {{ {refusal}; }}",
            "'unpause web'": f"touch {tmp_path}/goes-on",
        }
    )
    engine.stop_container("web", 5)
    assert podman.calls()[1:] == ["stop --time 5 web", "unpause web", "stop --time 5 web"]


@pytest.mark.parametrize(
    ("wanted", "made", "refused"),
    [("$5 off", "$5 off", False), ("$5 off", " off", True), ("5 off", "not looked at", False)],
)
def test_a_build_whose_label_came_out_otherwise_is_taken_back(podman, tmp_path, wanted, made, refused):
    write_id = 'for word; do case "$word" in --iidfile=*) echo sha256:abc >"${word#*=}" ;; esac; done'
    engine = podman(
        {
            "'build '*": write_id,
            "'image inspect '*": f"""echo '[{{"Labels": {{"price": "{made}"}}}}]'""",
            "'image rm --force sha256:abc'": ":",
        }
    )
    (tmp_path / "context").mkdir()
    try:
        engine.build_image(str(tmp_path / "context"), "Containerfile", ["a:1"], {}, {"price": wanted})
    except EngineError as error:
        assert refused and "price" in error.message and "build.labels" in error.mend
    else:
        assert not refused
    assert ("image rm --force sha256:abc" in podman.calls()) is refused


def test_a_pull_with_a_login_has_the_password_in_no_argument(podman, tmp_path):
    engine = podman({"'pull '*": f'cat <&0 >"{tmp_path}/auth"'})
    engine.pull_image("pc2:5000/a:1", "linux/amd64", Login("pc2:5000", "fleet", "secret"))
    engine.pull_image("docker.io/a:1")
    assert podman.calls()[1:] == [
        "pull --quiet --platform linux/amd64 --authfile /proc/self/fd/0 pc2:5000/a:1",
        "pull --quiet docker.io/a:1",
    ]
    engine = podman({"'pull '*": "cat /proc/self/fd/0 >&2; exit 125"})
    with pytest.raises(EngineError, match="podman pull") as caught:
        engine.pull_image("pc2:5000/a:1", login=Login("pc2:5000", "fleet", "secret"))
    assert json.loads(caught.value.message.partition(": ")[2])["auths"] == {"pc2:5000": {"auth": "ZmxlZXQ6c2VjcmV0"}}
