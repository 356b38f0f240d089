"""Every canonical key of a service becomes something, or is refused by name."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.display import DisplayPlan
from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.plan import AccessPlan
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Dependency,
    GpuRequest,
    Healthcheck,
    Mount,
    SecretFile,
    Ulimit,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.kinds import Unsupported
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.schema import SERVICE
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet import desired
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.networks import group_networks, group_volumes

from .examples import group, host, placed, service

NO_GPU = AccessPlan(GpuRequest())
GONE_IN_CANONICAL_FORM = {"env_file", "extends", "gpus", "label_file"}


def make(content, access=NO_GPU, others=None, **keys):
    placement = placed(host("mainpc"), group("core", {"web": content, **(others or {})}, **keys))
    return desired.desired_service(placement, "web", desired.Context("redis:7", access, []), {})


def config(access=NO_GPU, others=None, **keys):
    return make(service(**keys), access, others).config


def test_every_key_that_the_parser_takes_is_mapped():
    taken = {key for key, kind in SERVICE.keys.items() if not isinstance(kind, Unsupported)}
    assert taken - desired._MAPPED - desired._ELSEWHERE - GONE_IN_CANONICAL_FORM == set()


def test_an_unknown_key_is_refused():
    with pytest.raises(InputError) as raised:
        config(mem_limits="1g")
    assert str(raised.value) == (
        "mainpc: groups/core.yml: services.web.mem_limits: «mem_limits» is not supported. Did you mean «mem_limit»?"
    )


CASES = [
    ({"command": ["a", "b"]}, "command", ("a", "b")),
    ({"command": None}, "command", None),
    ({"entrypoint": []}, "entrypoint", ()),
    ({"environment": {"A": "1", "B": None, "C": ""}}, "environment", {"A": "1", "C": ""}),
    ({"labels": {"a": "b"}}, "labels", {"a": "b"}),
    ({"annotations": {"a": "b"}}, "annotations", {"a": "b"}),
    ({"user": "1000:1000"}, "user", "1000:1000"),
    ({"working_dir": "/x"}, "working_dir", "/x"),
    ({"hostname": "h"}, "hostname", "h"),
    ({"container_name": "mine"}, "name", "mine"),
    ({}, "name", "core-web-1"),
    ({"expose": ["70"]}, "expose", ("70",)),
    ({"restart": "on-failure:3"}, "restart", "on-failure:3"),
    ({}, "restart", "no"),
    ({"deploy": {"restart_policy": {"condition": "on-failure", "max_attempts": 2}}}, "restart", "on-failure:2"),
    ({"deploy": {"restart_policy": {}}, "restart": "no"}, "restart", "always"),
    ({"stop_grace_period": "1m0s"}, "stop_grace_period", 60.0),
    ({"stop_signal": "SIGINT"}, "stop_signal", "SIGINT"),
    ({"init": True}, "init", True),
    ({"init": False}, "init", False),
    ({}, "init", None),
    ({"tty": True}, "tty", True),
    ({"read_only": True}, "read_only", True),
    ({"cap_add": ["NET_ADMIN"]}, "cap_add", ("NET_ADMIN",)),
    ({"cap_drop": ["ALL"]}, "cap_drop", ("ALL",)),
    ({"security_opt": ["no-new-privileges:true"]}, "security_opt", ("no-new-privileges:true",)),
    ({"devices": [{"source": "/dev/a", "target": "/dev/b", "permissions": "r"}]}, "devices", ("/dev/a:/dev/b:r",)),
    ({"group_add": ["video", "44"]}, "group_add", ("video", "44")),
    ({"sysctls": {"net.core.somaxconn": "1024"}}, "sysctls", {"net.core.somaxconn": "1024"}),
    (
        {"ulimits": {"nproc": 5, "nofile": {"soft": 1, "hard": 2}}},
        "ulimits",
        (Ulimit("nofile", 1, 2), Ulimit("nproc", 5, 5)),
    ),
    (
        {"extra_hosts": ["a=1.2.3.4", "v6=::1", "h=host-gateway"]},
        "extra_hosts",
        ("a:1.2.3.4", "v6:::1", "h:host-gateway"),
    ),
    ({"dns": ["1.1.1.1"]}, "dns", ("1.1.1.1",)),
    ({"cpu_quota": 150000}, "cpus", 1.5),
    ({"cpu_quota": 50000, "cpu_period": 25000}, "cpus", 2.0),
    ({"cpu_quota": -1}, "cpus", 0.0),
    ({"cpu_period": 25000}, "cpus", 0.0),
    ({"deploy": {"mode": "global", "replicas": 1, "resources": {"limits": {"cpus": 2}}}}, "cpus", 2.0),
    ({"ipc": "host"}, "ipc", "host"),
    ({"cgroup": "private"}, "cgroup", "private"),
    ({"platform": "linux/arm64"}, "platform", "linux/arm64"),
    ({"cpus": 1.5}, "cpus", 1.5),
    ({"deploy": {"resources": {"limits": {"cpus": 0.5}}}, "cpus": 1.5}, "cpus", 0.5),
    ({"mem_limit": "1073741824"}, "memory", 1 << 30),
    ({"deploy": {"resources": {"limits": {"memory": "52428800"}}}}, "memory", 50 << 20),
    ({"deploy": {"resources": {"reservations": {"memory": "1024"}}}}, "memory_reservation", 1024),
    ({"memswap_limit": "-1"}, "memory_swap", -1),
    ({"mem_swappiness": "0"}, "memory_swappiness", 0),
    ({"deploy": {"resources": {"limits": {"pids": 10}}}}, "pids_limit", 10),
    ({"shm_size": "67108864"}, "shm_size", 64 << 20),
    ({"logging": {"driver": "json-file", "options": {"max-size": "10m"}}}, "log_options", {"max-size": "10m"}),
    ({"healthcheck": {"disable": True}}, "healthcheck", Healthcheck(("NONE",))),
    (
        {
            "healthcheck": {
                "test": ["CMD", "a"],
                "interval": "1m30s",
                "timeout": "500ms",
                "retries": 2,
                "start_period": "5s",
            }
        },
        "healthcheck",
        Healthcheck(("CMD", "a"), 90.0, 0.5, 2, 5.0),
    ),
    (
        {"tmpfs": ["/run", "/tmp:size=5m,mode=1777"]},
        "mounts",
        (Mount("tmpfs", "/run"), Mount("tmpfs", "/tmp", size=5 << 20, mode=0o1777)),
    ),
    (
        {
            "volumes": [
                {
                    "type": "bind",
                    "source": "/srv",
                    "target": "/s",
                    "bind": {"create_host_path": True, "propagation": "rslave"},
                }
            ]
        },
        "mounts",
        (Mount("bind", "/s", "/srv", create_host_path=True, propagation="rslave"),),
    ),
    (
        {"volumes": [{"type": "bind", "source": "/srv", "target": "/s", "bind": {}}]},
        "mounts",
        (Mount("bind", "/s", "/srv", create_host_path=False),),
    ),
    (
        {"volumes": [{"type": "volume", "target": "/anonymous", "volume": {}}]},
        "mounts",
        (Mount("volume", "/anonymous"),),
    ),
]


@pytest.mark.parametrize(("content", "name", "expected"), CASES)
def test_a_key_becomes_a_field(content, name, expected):
    assert getattr(config(**content), name) == expected


REFUSED = [
    ({"scale": 2}, "a service has exactly one container here"),
    ({"deploy": {"replicas": 3}}, "a service has exactly one container here"),
    ({"deploy": {"mode": "job"}}, "a service has exactly one container here"),
    ({"external_links": ["db"]}, "«external_links» is not supported"),
    ({"labels": {"org.gpu-fleet.host": "x"}}, "is set by the deployment"),
    ({"tmpfs": ["/run:uid=5"]}, "the tmpfs option uid is not supported"),
    ({"tmpfs": ["/run", "/run:size=1m"]}, "two mounts have the target /run"),
    ({"volumes": [{"type": "volume", "source": "dat", "target": "/d"}]}, "there is no volume «dat»"),
    ({"configs": [{"source": "c"}]}, "there is no config «c»"),
    ({"networks": {"default": {"link_local_ips": ["169.254.1.1"]}}}, "«link_local_ips» is not supported here"),
    ({"ipc": "service:wbe"}, "there is no service «wbe»"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_what_is_refused(content, message):
    with pytest.raises(InputError, match=message):
        config(**content)


def test_a_shared_namespace_names_the_container_and_orders():
    content = {
        "image": "redis:7",
        "network_mode": "service:db",
        "depends_on": {"db": {"condition": "service_healthy", "required": True}},
    }
    made = make(content, others={"db": service()})
    assert made.config.network_mode == "container:core-db-1"
    assert made.config.networks == ()
    assert made.depends_on == (Dependency("db", "service_healthy", restart=True),)


def test_the_access_plan_is_added_and_the_user_wins():
    access = AccessPlan(
        GpuRequest(stack="nvidia-wsl", mode="explicit"),
        devices=("/dev/dxg",),
        mounts=(Mount("bind", "/usr/lib/wsl", "/usr/lib/wsl", read_only=True),),
        environment={"LD_LIBRARY_PATH": "/usr/lib/wsl/lib", "A": "plan"},
        group_add=("44",),
        security_opt=("label=disable",),
    )
    made = config(access, environment={"A": "user"}, group_add=["44", "7"])
    assert made.devices == ("/dev/dxg",)
    assert made.mounts[-1].target == "/usr/lib/wsl"
    assert made.environment == {"LD_LIBRARY_PATH": "/usr/lib/wsl/lib", "A": "user"}
    assert made.group_add == ("44", "7")
    assert made.security_opt == ("label=disable",)


SOCKET = Mount("bind", target="/tmp/.X11-unix/X0", source="/tmp/.X11-unix/X0", read_only=True, create_host_path=False)
DRIVER = Mount("bind", target="/usr/lib/wsl", source="/usr/lib/wsl", read_only=True, create_host_path=False)
SHOWN = DisplayPlan(
    mounts=(SOCKET, DRIVER),
    environment={"DISPLAY": ":0", "LD_LIBRARY_PATH": "/display"},
    secrets=(SecretFile("x11-cookie-0", "/run/display/Xauthority"),),
    security_opt=("label=disable",),
)


def with_display(access=NO_GPU, **keys):
    placement = placed(host("mainpc"), group("core", {"web": service(**keys)}))
    mine = SecretFile("core/token", "/run/secrets/token")
    context = desired.Context("redis:7", access, [], secrets=(mine,), display=SHOWN)
    return desired.desired_service(placement, "web", context, {}).config


def test_the_display_plan_is_added_and_the_user_wins():
    made = with_display(environment={"DISPLAY": ":9"}, security_opt=["no-new-privileges:true"])
    assert made.mounts == (SOCKET, DRIVER)
    assert made.environment == {"DISPLAY": ":9", "LD_LIBRARY_PATH": "/display"}
    assert [secret.source for secret in made.secrets] == ["core/token", "x11-cookie-0"]
    assert made.security_opt == ("no-new-privileges:true", "label=disable")


def test_what_gpu_and_display_both_want_is_mounted_once():
    made = with_display(
        AccessPlan(GpuRequest("nvidia-wsl", "explicit"), mounts=(DRIVER,), security_opt=("label=disable",))
    )
    assert made.mounts == (DRIVER, SOCKET)
    assert made.security_opt == ("label=disable",)


def test_a_volume_in_the_displays_place_is_refused():
    with pytest.raises(
        InputError, match=r"services.web.volumes: /tmp/.X11-unix/X0 is where the display's own mount goes"
    ):
        with_display(volumes=[{"type": "bind", "source": "/x", "target": "/tmp/.X11-unix/X0", "bind": {}}])
    assert (
        len(with_display(volumes=[{"type": "bind", "source": "/x", "target": "/tmp/.X11-unix", "bind": {}}]).mounts)
        == 3
    )


WSL = AccessPlan(GpuRequest("nvidia-wsl", "explicit"), devices=("/dev/dxg", "v.com/gpu=0:1"), mounts=(DRIVER,))


def bind(source, target):
    return {"type": "bind", "source": source, "target": target, "bind": {}}


def test_what_the_group_file_gives_of_the_gpu_itself_is_not_given_twice():
    """Recipes for WSL2 name these; an engine refuses two mounts on one place."""
    device = {"source": "/dev/dxg", "target": "/dev/dxg", "permissions": "rw"}
    made = config(WSL, volumes=[bind("/usr/lib/wsl", "/usr/lib/wsl")], devices=[device])
    assert [(mount.source, mount.target) for mount in made.mounts] == [("/usr/lib/wsl", "/usr/lib/wsl")]
    assert made.devices == ("/dev/dxg:/dev/dxg:rw", "v.com/gpu=0:1")


def test_a_volume_in_the_gpus_place_is_refused():
    with pytest.raises(InputError, match="services.web.volumes: /usr/lib/wsl is where the GPU's own mount goes"):
        config(WSL, volumes=[bind("/opt/wsl", "/usr/lib/wsl")])


def test_names_of_networks_and_volumes():
    spec = group(
        "core",
        {
            "web": service(
                networks={"default": None, "own": {"aliases": ["w"], "priority": 5}, "out": None},
                volumes=[
                    {"type": "volume", "source": "data", "target": "/a", "volume": {}},
                    {"type": "volume", "source": "theirs", "target": "/b", "volume": {"nocopy": True}},
                ],
                mac_address="02:42:ac:11:00:02",
            )
        },
        networks={
            "default": {"ipam": {}},
            "own": {
                "name": "lan",
                "internal": True,
                "ipam": {"config": [{"subnet": "10.1.0.0/16", "gateway": "10.1.0.1"}]},
            },
            "out": {"external": True, "name": "shared"},
        },
        volumes={"data": {"driver_opts": {"type": "nfs"}}, "theirs": {"external": True}},
    )
    placement = placed(host("mainpc", shared=True), spec)
    networks = {network.key: network for network in group_networks(placement, [])}
    assert {key: network.name for key, network in networks.items()} == {
        "default": "mainpc-core_default",
        "own": "lan",
        "out": "shared",
    }
    assert networks["own"].internal
    assert networks["own"].subnets == ("10.1.0.0/16",)
    assert networks["out"].external
    assert [(volume.name, volume.external) for volume in group_volumes(placement)] == [
        ("mainpc-core_data", False),
        ("theirs", True),
    ]
    made = desired.desired_service(placement, "web", desired.Context("redis:7", NO_GPU, []), {}).config
    assert [(entry.network, entry.aliases, entry.mac) for entry in made.networks] == [
        ("lan", ("web", "w"), "02:42:ac:11:00:02"),
        ("mainpc-core_default", ("web",), ""),
        ("shared", ("web",), ""),
    ]


@pytest.mark.parametrize(
    "definition",
    [{"ipam": {"driver": "dhcp"}}, {"ipam": {"config": [{"aux_addresses": {"a": "10.1.0.3"}}]}}, {"enable_ipv4": True}],
)
def test_networks_that_are_refused(definition):
    with pytest.raises(InputError):
        group_networks(placed(host("a"), group("core", networks={"default": definition})), [])


def test_a_service_that_another_waits_for_to_complete_is_a_one_shot():
    waiting = service(depends_on={"web": {"condition": "service_completed_successfully", "required": True}})
    assert make(service(), others={"app": waiting}).one_shot
    assert not make(service(), others={"app": service()}).one_shot


def test_keep_groups_stands_alone():
    """Podman refuses «keep-groups» beside any other group (podman-run, --group-add)."""
    access = AccessPlan(GpuRequest("rocm", "explicit"), group_add=("keep-groups",))
    assert config(access).group_add == ("keep-groups",)
    with pytest.raises(InputError, match="takes no others") as raised:
        config(access, group_add=["44"])
    assert str(raised.value).startswith("mainpc: groups/core.yml: services.web.group_add")


@pytest.mark.parametrize(
    ("access", "display", "expected"),
    [
        ("compute,video", "compute,graphics", "compute,video,graphics"),
        ("all", "compute,graphics", "all"),
        ("", "compute", "compute"),
    ],
)
def test_capabilities_of_gpu_and_display_are_put_together(access, display, expected):
    key = "NVIDIA_DRIVER_CAPABILITIES"
    gpu = AccessPlan(GpuRequest("nvidia", "nvidia-runtime"), environment={key: access} if access else {})
    placement = placed(host("mainpc"), group("core", {"web": service()}))
    context = desired.Context("redis:7", gpu, [], display=DisplayPlan(environment={key: display}))
    made = desired.desired_service(placement, "web", context, {})
    assert made.config.environment == {key: expected}
