from __future__ import annotations

import csv
import dataclasses
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import podman_arguments as arguments
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Attachment,
    ContainerConfig,
    GpuRequest,
    Healthcheck,
    Mount,
    NetworkConfig,
    Port,
    SecretFile,
    Ulimit,
    VolumeConfig,
)

from . import samples

OLD = arguments.Dialect()
NEW = arguments.Dialect((5, 4), frozenset({"--sysctl"}))


def create(config, dialect=NEW):
    return arguments.create_container(config, {}, samples.SOURCES, dialect)


def test_smallest_command():
    assert create(samples.BASE) == [
        *("create", "--name", "web", "--pull=never", "--http-proxy=false"),
        *("--restart", "no", "--stop-timeout", "10"),
        "localhost/agent:1",
    ]


def test_whole_command():
    config = ContainerConfig(
        "core-web",
        "localhost/agent:1",
        command=("serve", "--port", "80"),
        entrypoint=("agent", "-v"),
        environment={"B": "2", "A": "1 2"},
        user="1000",
        ports=(Port(80, 7140, "10.77.1.1"), Port(81, 81, "::1", "udp"), Port(82), Port(83, None, "127.0.0.1")),
        mounts=(
            Mount("volume", "/data", "core_data"),
            Mount("bind", "/etc/agent", "staged:abc", read_only=True),
            Mount("tmpfs", "/tmp", size=4096, mode=0o1777),
        ),
        secrets=(SecretFile("env:token", "/run/secrets/token"),),
        networks=(Attachment("core_default", ("web", "agent"), ipv4="10.0.0.2"), Attachment("links")),
        restart="on-failure:3",
        healthcheck=Healthcheck(("CMD", "agent-health"), 2, 1.5, 4, 10),
        stop_grace_period=2.5,
        init=False,
        read_only=True,
        cap_drop=("ALL",),
        security_opt=("no-new-privileges:true", "systempaths=unconfined"),
        extra_hosts=("db=192.0.2.1",),
        ulimits=(Ulimit("nofile", 10, 20),),
        cpus=0.5,
        memory=1 << 20,
        memory_swap=-1,
        log_driver="json-file",
        log_options={"max-size": "1m"},
        runtime="runc",
        gpu=GpuRequest("nvidia", "cdi", cdi_devices=("nvidia.com/gpu=0",)),
    )
    dialect = dataclasses.replace(OLD, ulimits=("nofile=1024:1024", "nproc=1:1"))
    labels = {"b": '{"x": "a,b"}', "a": "1"}
    assert arguments.create_container(config, labels, samples.SOURCES, dialect) == [
        *("--runtime", "runc", "create", "--name", "core-web", "--pull=never", "--http-proxy=false"),
        *("--label", "a=1", "--label", 'b={"x": "a,b"}'),
        *("--entrypoint", '["agent", "-v"]', "--env", "A=1 2", "--env", "B=2", "--user", "1000"),
        *("--restart", "on-failure:3", "--stop-timeout", "3", "--init=false"),
        *("--log-driver", "json-file", "--log-opt", "max-size=1m"),
        *("--network", "core_default:alias=web,alias=agent,ip=10.0.0.2", "--network", "links"),
        *("--publish", "10.77.1.1:7140:80/tcp", "--publish", "[::1]:81:81/udp"),
        *("--publish", "82/tcp", "--publish", "127.0.0.1::83/tcp"),
        *("--add-host", "db:192.0.2.1"),
        *("--volume", "core_data:/data", "--volume", "/state/abc:/etc/agent:ro"),
        *("--tmpfs", "/tmp:notmpcopyup,rw,size=4096,mode=1777"),
        *("--volume", "/state/token:/run/secrets/token:ro"),
        *("--read-only", "--read-only-tmpfs=false"),
        *("--tmpfs", "/dev/shm:rw,notmpcopyup,mode=1777,size=67108864"),
        *("--health-cmd", "CMD agent-health", "--health-interval", "2000ms", "--health-timeout", "1500ms"),
        *("--health-retries", "4", "--health-start-period", "10000ms"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges:true", "--security-opt", "unmask=ALL"),
        *("--cpus", "0.5", "--memory", "1048576b", "--memory-swap", "-1"),
        *("--ulimit", "nofile=10:20", "--ulimit", "nproc=1:1"),
        *("--device", "nvidia.com/gpu=0"),
        *("localhost/agent:1", "serve", "--port", "80"),
    ]


def test_every_field_has_a_sample():
    assert samples.unsampled(ContainerConfig, samples.CONTAINER) == set()
    for kind, (_base, fields) in samples.NESTED.items():
        assert samples.unsampled(kind, fields) == set(), kind
    assert samples.unsampled(NetworkConfig, [*samples.NETWORK, "labels"]) == set()
    assert samples.unsampled(VolumeConfig, [*samples.VOLUME_FIELDS, "labels"]) == set()


def changes(before, after, key, build=create):
    """Whether another value of a field gives another command, or an error that names the field."""
    try:
        return build(after) != build(before)
    except EngineError as error:
        return error.path.endswith(key)


@pytest.mark.parametrize("key", samples.CONTAINER)
def test_no_field_is_dropped(key):
    assert changes(samples.BASE, samples.with_field(samples.BASE, key, samples.CONTAINER[key]), key)


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, key) for kind, (_base, fields) in samples.NESTED.items() for key in fields]
)
def test_no_nested_field_is_dropped(kind, key):
    base, fields = samples.NESTED[kind]
    dropped = (kind, key) == (Healthcheck, "start_interval")  # we ask while it starts, not Podman
    other = dataclasses.replace(base, **{key: fields[key]})
    assert changes(samples.containing(base), samples.containing(other), key) is not dropped


@pytest.mark.parametrize(("base", "key", "value"), samples.MOUNTS)
def test_no_mount_field_is_dropped(base, key, value):
    other = dataclasses.replace(base, **{key: value})
    assert changes(samples.containing(base), samples.containing(other), key)


@pytest.mark.parametrize("key", samples.NETWORK)
def test_no_network_field_is_dropped(key):
    base = NetworkConfig("front")
    other = dataclasses.replace(base, **{key: samples.NETWORK[key]})
    assert changes(base, other, key, lambda network: arguments.create_network(network, {})) is (key != "attachable")


@pytest.mark.parametrize("key", samples.VOLUME_FIELDS)
def test_no_volume_field_is_dropped(key):
    base = VolumeConfig("data")
    other = dataclasses.replace(base, **{key: samples.VOLUME_FIELDS[key]})
    assert changes(base, other, key, lambda volume: arguments.create_volume(volume, {}, OLD))


HEALTH = [
    (("CMD", "agent-health"), "CMD agent-health"),
    (("CMD", "test", "a b"), '["test", "a b"]'),
    (("CMD", "/opt/my check"), '["CMD-SHELL", "\'/opt/my check\'"]'),
    (("CMD-SHELL", "a || b 'c'"), '["CMD-SHELL", "a || b \'c\'"]'),
]


@pytest.mark.parametrize(("test", "command"), HEALTH)
def test_health_command(test, command):
    assert arguments.health_command(test) == command


def test_health_none_and_own():
    assert "--no-healthcheck" in create(samples.containing(Healthcheck(("NONE",))))
    assert create(samples.containing(Healthcheck(()))) == create(samples.BASE)


ERRORS = [
    ("domainname", {"domainname": "example.org"}, "container web: domainname"),
    ("image", {"image": "build:agent"}, "container web"),
    ("staged", {"mounts": (Mount("bind", "/x", "staged:none"),)}, "container web: mounts[0]"),
    ("secret", {"secrets": (SecretFile("env:none", "/x"),)}, "container web: secrets[0]"),
    ("colon", {"mounts": (Mount("bind", "/x", "/a:b"),)}, "container web: mounts[0]"),
    ("mount type", {"mounts": (Mount("npipe", "/x", "/a"),)}, "container web: mounts[0]"),
    ("health", {"healthcheck": Healthcheck(("curl", "x"))}, "healthcheck.test"),
    ("seccomp", {"security_opt": ("a=b", 'seccomp={"x": 1}')}, "container web: security_opt[1]"),
    ("gpus", {"gpu": GpuRequest("nvidia", "nvidia-runtime", count=-1)}, "container web: gpu"),
    ("cdi without a name", {"gpu": GpuRequest("nvidia", "cdi")}, "container web: gpu"),
    ("unknown access", {"gpu": GpuRequest("nvidia", "magic")}, "container web: gpu"),
]


@pytest.mark.parametrize(("fields", "path"), [case[1:] for case in ERRORS], ids=[case[0] for case in ERRORS])
def test_what_podman_cannot_do_is_an_error(fields, path):
    with pytest.raises(EngineError) as caught:
        create(dataclasses.replace(samples.BASE, **fields))
    assert caught.value.path == path


@pytest.mark.parametrize("mode", ["none", "explicit"])
def test_gpu_by_devices_of_the_configuration_needs_no_request(mode):
    assert create(samples.containing(GpuRequest("vulkan", mode))) == create(samples.BASE)


def test_subpath_needs_5_4():
    config = samples.containing(Mount("volume", "/x", "data", subpath="a", read_only=True))
    assert "type=volume,source=data,destination=/x,subpath=a,ro" in create(config, NEW)
    with pytest.raises(EngineError, match=r"mounts\[0\]: subpath"):
        create(config, arguments.Dialect((5, 3)))


@pytest.mark.parametrize(
    "config",
    [
        dataclasses.replace(samples.BASE, read_only=True, ipc="host"),
        dataclasses.replace(samples.BASE, read_only=True, mounts=(Mount("tmpfs", "/dev/shm"),)),
    ],
)
def test_shared_memory_of_others_is_left_alone(config):
    assert not any(word.startswith("/dev/shm:rw,notmpcopyup,mode") for word in create(config))


HELP = """
      --annotation strings        Add annotations to container (key=value)
  -l, --label stringArray         Set metadata on container
      --sysctl strings            Sysctl options
      --ulimit strings            Ulimit options (default [nofile=1024:1024,nproc=1024:1024])
"""


def test_dialect_is_read_from_the_help():
    dialect = arguments.read_dialect((4, 3), HELP)
    assert dialect.csv == {"--annotation", "--sysctl", "--ulimit"}
    assert dialect.ulimits == ("nofile=1024:1024", "nproc=1024:1024")
    assert arguments.read_dialect((5, 0), "  --ulimit strings  Ulimit options (default [])").ulimits == ()


@given(st.text())
def test_csv_values_come_back(text):
    """Podman's CSV reader and Python's agree on quoted fields."""
    written = arguments.Dialect(csv=frozenset({"--x"})).value("--x", text)
    if '"' in written or "," in text or "\n" in text:
        assert next(csv.reader(io.StringIO(written, newline=""), strict=True)) == [text]
    else:
        assert written == text
    assert arguments.Dialect(csv=frozenset()).value("--x", text) == text


def test_network():
    network = NetworkConfig(
        "core",
        driver="bridge",
        options={"mtu": "9000"},
        internal=True,
        subnets=("10.0.0.0/24",),
        gateways=("10.0.0.1",),
    )
    assert arguments.create_network(network, {"a": "b"}) == [
        *("network", "create", "--driver", "bridge", "--opt", "mtu=9000", "--internal"),
        *("--subnet", "10.0.0.0/24", "--gateway", "10.0.0.1", "--label", "a=b", "core"),
    ]


def test_volume_labels_follow_the_dialect():
    labels = {"spec": '{"a": 1}'}
    csv_volume = arguments.Dialect(csv=frozenset({"--label"}))
    assert arguments.create_volume(VolumeConfig("d"), labels, csv_volume) == [
        *("volume", "create", "--label", '"spec={""a"": 1}"', "d"),
    ]
    assert arguments.create_volume(VolumeConfig("d"), labels, NEW) == [
        "volume",
        "create",
        "--label",
        'spec={"a": 1}',
        "d",
    ]


def test_build_and_import():
    assert arguments.build_image(
        "/c", "sub/Dockerfile", ["a:1", "b:1"], {"X": "1"}, {"l": "v"}, "last", "", "/id", {"token": "/run/0"}
    ) == [
        *("build", "--format=docker", "--pull=false", "--iidfile=/id", "--file=/c/sub/Dockerfile"),
        *("--tag", "a:1", "--tag", "b:1", "--build-arg", "X=1", "--label", "l=v", "--target", "last"),
        *("--secret", "id=token,src=/run/0", "/c"),
    ]
    assert arguments.import_image("/a.tar", "base:1", {"l": "v w"}) == [
        *("import", "--quiet", "--change", "LABEL l=v w", "/a.tar", "base:1"),
    ]
