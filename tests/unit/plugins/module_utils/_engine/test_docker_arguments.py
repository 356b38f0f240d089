from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import docker_arguments as arguments
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

OLD, NEW = (1, 41), (1, 45)


def create(config, api=NEW):
    return arguments.create_container(config, {}, samples.SOURCES, api)


def test_smallest_body():
    assert create(samples.BASE) == {
        "Image": "localhost/agent:1",
        "StopTimeout": 10,
        "HostConfig": {"RestartPolicy": {"Name": "no"}},
    }


CONFIG = ContainerConfig(
    "core-web",
    "localhost/agent:1",
    command=("serve",),
    entrypoint=("agent", "-v"),
    environment={"B": "2", "A": "1 2"},
    user="1000",
    ports=(Port(80, 7140, "10.77.1.1"), Port(80, 7141), Port(82, protocol="udp")),
    expose=("90-91", "92/udp"),
    mounts=(
        Mount("volume", "/data", "core_data", nocopy=True),
        Mount("bind", "/etc/agent", "staged:abc", read_only=True),
        Mount("bind", "/there", "/srv/there", create_host_path=False, propagation="rslave"),
        Mount("tmpfs", "/tmp", size=4096, mode=0o1777),
    ),
    secrets=(SecretFile("env:token", "/run/secrets/token"),),
    networks=(Attachment("core_default", ("web",), ipv4="10.0.0.2", mac="02:42:ac:11:00:02"), Attachment("links")),
    restart="on-failure:3",
    healthcheck=Healthcheck(("CMD", "agent-health"), 2, 1.5, 4, 10, 0.5),
    stop_grace_period=2.5,
    init=False,
    read_only=True,
    cap_drop=("ALL",),
    security_opt=("no-new-privileges:true", "systempaths=unconfined"),
    devices=("/dev/fuse", "/dev/a:/dev/b:r"),
    extra_hosts=("db=192.0.2.1", "me:host-gateway"),
    ulimits=(Ulimit("nofile", 10, 20),),
    cpus=0.5,
    memory=1 << 20,
    memory_swap=-1,
    memory_swappiness=0,
    log_driver="json-file",
    log_options={"max-size": "1m"},
    gpu=GpuRequest("nvidia", "nvidia-runtime", count=-1, capabilities=("compute",)),
)
HOST_CONFIG = {
    "NetworkMode": "core_default",
    "PortBindings": {
        "80/tcp": [{"HostIp": "10.77.1.1", "HostPort": "7140"}, {"HostIp": "", "HostPort": "7141"}],
        "82/udp": [{"HostIp": "", "HostPort": ""}],
    },
    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
    "Init": False,
    "ReadonlyRootfs": True,
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
    "Binds": ["/state/abc:/etc/agent:ro"],
    "Mounts": [
        {"Type": "volume", "Target": "/data", "Source": "core_data", "VolumeOptions": {"NoCopy": True}},
        {"Type": "bind", "Target": "/there", "Source": "/srv/there", "BindOptions": {"Propagation": "rslave"}},
        {"Type": "tmpfs", "Target": "/tmp", "TmpfsOptions": {"SizeBytes": 4096, "Mode": 0o1777}},
        {"Type": "bind", "Source": "/state/token", "Target": "/run/secrets/token", "ReadOnly": True},
    ],
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges:true"],
    "MaskedPaths": [],
    "ReadonlyPaths": [],
    "ExtraHosts": ["db:192.0.2.1", "me:host-gateway"],
    "NanoCpus": 500_000_000,
    "Memory": 1 << 20,
    "MemorySwap": -1,
    "MemorySwappiness": 0,
    "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}],
    "Devices": [
        {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"},
        {"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"},
    ],
    "DeviceRequests": [{"Driver": "", "Capabilities": [["gpu", "compute"]], "Count": -1}],
}
BODY = {
    "Image": "localhost/agent:1",
    "Labels": {"a": "b"},
    "Env": ["A=1 2", "B=2"],
    "StopTimeout": 3,
    "HostConfig": HOST_CONFIG,
    "Cmd": ["serve"],
    "Entrypoint": ["agent", "-v"],
    "User": "1000",
    "ExposedPorts": {"80/tcp": {}, "82/udp": {}, "90/tcp": {}, "91/tcp": {}, "92/udp": {}},
}
HEALTH = {
    "Test": ["CMD", "agent-health"],
    "Interval": 2_000_000_000,
    "Timeout": 1_500_000_000,
    "Retries": 4,
    "StartPeriod": 10_000_000_000,
}
FIRST = {"Aliases": ["web"], "IPAMConfig": {"IPv4Address": "10.0.0.2"}, "MacAddress": "02:42:ac:11:00:02"}


def test_whole_body_for_a_new_docker():
    assert arguments.create_container(CONFIG, {"a": "b"}, samples.SOURCES, NEW) == {
        **BODY,
        "Healthcheck": {**HEALTH, "StartInterval": 500_000_000},
        "NetworkingConfig": {"EndpointsConfig": {"core_default": FIRST, "links": {}}},
    }
    assert arguments.later_networks(CONFIG, NEW) == ()


def test_whole_body_for_an_old_docker():
    """Before API 1.44: one network at create, the MAC address at the container, no StartInterval."""
    assert arguments.create_container(CONFIG, {"a": "b"}, samples.SOURCES, OLD) == {
        **BODY,
        "Healthcheck": HEALTH,
        "MacAddress": "02:42:ac:11:00:02",
        "NetworkingConfig": {"EndpointsConfig": {"core_default": FIRST}},
    }
    assert arguments.later_networks(CONFIG, OLD) == (Attachment("links"),)


def changes(before, after, key, build=create):
    """Whether another value of a field gives another body, or an error that names the field."""
    try:
        return build(after) != build(before)
    except EngineError as error:
        return error.path.endswith(key)


# The name is a parameter of the request and the platform too: neither stands in the body.
@pytest.mark.parametrize("key", sorted(set(samples.CONTAINER) - {"name", "platform"}))
@pytest.mark.parametrize("api", [OLD, NEW])
def test_no_field_is_dropped(key, api):
    other = samples.with_field(samples.BASE, key, samples.CONTAINER[key])
    assert changes(samples.BASE, other, key, lambda config: create(config, api))


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, key) for kind, (_base, fields) in samples.NESTED.items() for key in fields]
)
def test_no_nested_field_is_dropped(kind, key):
    base, fields = samples.NESTED[kind]
    other = dataclasses.replace(base, **{key: fields[key]})
    assert changes(samples.containing(base), samples.containing(other), key)


@pytest.mark.parametrize(("base", "key", "value"), samples.MOUNTS)
def test_no_mount_field_is_dropped(base, key, value):
    other = dataclasses.replace(base, **{key: value})
    assert changes(samples.containing(base), samples.containing(other), key)


def test_missing_bind_source_is_made_only_if_wanted():
    host = create(samples.containing(Mount("bind", "/x", "/srv/x")))["HostConfig"]
    assert host["Binds"] == ["/srv/x:/x"] and "Mounts" not in host
    host = create(samples.containing(Mount("bind", "/x", "/srv/x", create_host_path=False)))["HostConfig"]
    assert host["Mounts"] == [{"Type": "bind", "Target": "/x", "Source": "/srv/x"}] and "Binds" not in host
    host = create(samples.containing(Mount("bind", "/x", "/srv:x")))["HostConfig"]
    assert host["Mounts"][0]["BindOptions"] == {"CreateMountpoint": True}


@pytest.mark.parametrize("key", samples.NETWORK)
def test_no_network_field_is_dropped(key):
    base = NetworkConfig("front", subnets=("10.0.0.0/24",))
    other = dataclasses.replace(base, **{key: samples.NETWORK[key]})
    assert changes(base, other, key, lambda network: arguments.create_network(network, {}))


@pytest.mark.parametrize("key", samples.VOLUME_FIELDS)
def test_no_volume_field_is_dropped(key):
    base = VolumeConfig("data")
    other = dataclasses.replace(base, **{key: samples.VOLUME_FIELDS[key]})
    assert changes(base, other, key, lambda volume: arguments.create_volume(volume, {}))


GPUS = [
    (GpuRequest("nvidia", "none"), []),
    (GpuRequest("vulkan", "explicit"), []),
    (
        GpuRequest("nvidia", "cdi", cdi_devices=("nvidia.com/gpu=0",)),
        [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0"]}],
    ),
    (
        GpuRequest("nvidia", "nvidia-runtime", count=-1),
        [{"Driver": "", "Capabilities": [["gpu"]], "Count": -1}],
    ),
    (
        GpuRequest("nvidia", "nvidia-runtime", count=2, capabilities=("gpu", "utility")),
        [{"Driver": "", "Capabilities": [["gpu", "utility"]], "Count": 2}],
    ),
    (
        GpuRequest("nvidia", "nvidia-runtime", device_ids=("GPU-1",)),
        [{"Driver": "", "Capabilities": [["gpu"]], "DeviceIDs": ["GPU-1"]}],
    ),
]


@pytest.mark.parametrize(("gpu", "requests"), GPUS)
def test_gpu_requests(gpu, requests):
    assert arguments.gpu_requests(gpu, NEW, "gpu") == requests
    assert create(samples.containing(gpu))["HostConfig"].get("DeviceRequests", []) == requests


def test_cdi_names_among_devices():
    config = samples.with_field(samples.BASE, "devices", ("vendor.com/class=all", "/dev/fuse"))
    host = create(config)["HostConfig"]
    assert host["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": ["vendor.com/class=all"]}]
    assert [device["PathOnHost"] for device in host["Devices"]] == ["/dev/fuse"]


def test_a_runtime_of_its_own_instead_of_a_request():
    """A Jetson's toolkit refuses --gpus."""
    host = create(samples.containing(GpuRequest("nvidia-tegra", "nvidia-runtime", runtime="nvidia")))["HostConfig"]
    assert (host["Runtime"], host.get("DeviceRequests")) == ("nvidia", None)


NAMED = {"devices": ("vendor.com/class=all",)}
BY_CDI = {"gpu": GpuRequest("nvidia", "cdi", cdi_devices=("nvidia.com/gpu=all",))}
BY_COUNT = {"gpu": GpuRequest("nvidia", "nvidia-runtime", count=-1)}
BY_RUNTIME = {"gpu": GpuRequest("nvidia-tegra", "nvidia-runtime", runtime="nvidia")}


@pytest.mark.parametrize(
    ("fields", "podman", "refused"),
    [
        (NAMED, (5, 3), True),
        (NAMED, (5, 4), False),
        (BY_CDI, (4, 3), True),
        (BY_CDI, (5, 4), False),
        (BY_COUNT, (4, 3), True),
        (BY_COUNT, (5, 4), True),
        (BY_RUNTIME, (5, 4), True),
        ({"gpu": GpuRequest("vulkan", "explicit"), "devices": ("/dev/dri/renderD128",)}, (4, 3), False),
    ],
)
def test_podman_in_dockers_place_is_asked_for_nothing_that_it_drops(fields, podman, refused):
    """Its API is 1.41 in all these versions, where Docker of that number knows no CDI."""
    config = dataclasses.replace(samples.BASE, **fields)
    if refused:
        with pytest.raises(EngineError, match=f"Podman {podman[0]}.{podman[1]}, which ignores") as caught:
            arguments.create_container(config, {}, {}, OLD, podman)
        assert "container_engine: podman" in caught.value.mend
    else:
        arguments.create_container(config, {}, {}, OLD, podman)


ERRORS = [
    ("image", {"image": "build:agent"}, NEW, "container web"),
    ("staged", {"mounts": (Mount("bind", "/x", "staged:none"),)}, NEW, "container web: mounts[0]"),
    ("secret", {"secrets": (SecretFile("env:none", "/x"),)}, NEW, "container web: secrets[0]"),
    ("mount type", {"mounts": (Mount("npipe", "/x", "/a"),)}, NEW, "container web: mounts[0]"),
    ("subpath", {"mounts": (Mount("volume", "/x", "d", subpath="a"),)}, OLD, "container web: mounts[0]: subpath"),
    ("annotations", {"annotations": {"a": "b"}}, OLD, "container web: annotations"),
    ("old cdi", {"gpu": GpuRequest("nvidia", "cdi", cdi_devices=("a.b/c=d",))}, OLD, "container web: gpu"),
    ("old cdi device", {"devices": ("a.b/c=d",)}, OLD, "container web: devices"),
    ("cdi without a name", {"gpu": GpuRequest("nvidia", "cdi")}, NEW, "container web: gpu"),
    ("unknown access", {"gpu": GpuRequest("nvidia", "magic")}, NEW, "container web: gpu"),
]


@pytest.mark.parametrize(("fields", "api", "path"), [case[1:] for case in ERRORS], ids=[case[0] for case in ERRORS])
def test_what_docker_cannot_do_is_an_error(fields, api, path):
    with pytest.raises(EngineError) as caught:
        create(dataclasses.replace(samples.BASE, **fields), api)
    assert caught.value.path == path


def test_health_none_and_own():
    assert create(samples.containing(Healthcheck(("NONE",))))["Healthcheck"] == {"Test": ["NONE"]}
    assert "Test" not in create(samples.containing(Healthcheck((), interval=5)))["Healthcheck"]


def test_network():
    network = NetworkConfig(
        "core", options={"mtu": "9000"}, internal=True, subnets=("10.0.0.0/24", "fd00::/64"), gateways=("10.0.0.1",)
    )
    assert arguments.create_network(network, {"a": "b"}) == {
        "Name": "core",
        "CheckDuplicate": True,
        "Labels": {"a": "b"},
        "Options": {"mtu": "9000"},
        "Internal": True,
        "IPAM": {
            "Driver": "default",
            "Config": [{"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1"}, {"Subnet": "fd00::/64"}],
        },
    }


def test_import_changes_survive_the_builder():
    assert arguments.import_changes({"b": 'x "y" $z \\', "a": "1"}) == [
        'LABEL "a"="1"',
        'LABEL "b"="x \\"y\\" \\$z \\\\"',
    ]
