"""The supervisor systemd with Podman on a real host: containers are Quadlet units, of root and of an ordinary user."""

from __future__ import annotations

import pathlib
import subprocess
import time
import typing as t

import pytest

from .one_host import ROOT, OneHost, service

ONCE = {"image": "localhost/busybox:1", "command": ["sh", "-c", "echo done"], "restart": "no"}


@pytest.fixture(params=["root", "fleet"])
def host(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> t.Iterator[OneHost]:
    host = OneHost(tmp_path, request.param)
    if request.param != "root":
        host.run("loginctl enable-linger fleet", user="root")
    yield host
    host.play("playbooks/teardown.yml", "-e", "container_remove_volumes=true")


VOLUMES = {"data": {}}
GREETING = '100% of $HOME, "quoted"; a\\b\nand a second line'


def test_up_in_order_changed_and_brought_back(host: OneHost) -> None:
    services = {
        "store": service(volumes=["data:/data"]),
        "setup": {**ONCE, "depends_on": {"store": {"condition": "service_healthy"}}},
        "web": service(depends_on={"setup": {"condition": "service_completed_successfully"}}),
    }
    host.define(services, volumes=VOLUMES)
    first = host.deploy()
    told = [event for event in first.events if event.endswith((": healthy", ": completed"))]
    assert [event.split("/")[1].split(":")[0] for event in told] == ["store", "setup", "web"], first.events
    assert set(host.running()) == {"store", "web"} and host.kept_by("web") == "app-web-1.service"
    assert [host.state(name) for name in services] == ["active", "active", "active"]
    host.nothing_to_do()

    # One value: only its container.
    before = host.running()
    services["web"]["environment"] = {"GREETING": GREETING.replace("$", "$$")}
    host.define(services, volumes=VOLUMES)
    host.deploy()
    after = host.running()
    assert after["store"] == before["store"] and after["web"] != before["web"]
    assert host.greeting() == GREETING

    # One that ends before it is healthy: the unit of before comes back.
    host.define(
        {**services, "web": {**services["web"], "command": ["sh", "-c", "echo I am lost; exit 3"]}}, volumes=VOLUMES
    )
    failed = host.deploy(rc=2)
    assert "I am lost" in failed.output and "brought back as it was: web" in failed.output
    assert host.greeting() == GREETING
    host.define(services, volumes=VOLUMES)
    host.nothing_to_do()


def test_repaired_and_taken_away(host: OneHost) -> None:
    services = {"store": service(volumes=["data:/data"]), "web": service(depends_on=["store"])}
    host.define(services, volumes=VOLUMES)
    host.deploy()
    host.run(f"systemctl {host.scope} stop app-web-1.service")
    assert set(host.running()) == {"store"}
    host.deploy()
    assert set(host.running()) == {"store", "web"}
    host.nothing_to_do()

    # Its file deleted by hand: it runs, but would not come back.
    host.run(f"rm {host.units}/app-web-1.container && systemctl {host.scope} daemon-reload")
    assert host.deploy().changed == {"mainpc": 1}
    assert host.files() == ["app-store-1.container", "app-web-1.container"] and set(host.running()) == {"store", "web"}

    # A service that goes takes its unit with it.
    host.define({"store": services["store"]}, volumes=VOLUMES)
    host.deploy()
    assert host.files() == ["app-store-1.container"]
    host.play("playbooks/teardown.yml", "-e", "container_remove_volumes=true")
    assert host.files() == [] and host.running() == {}
    assert host.run(f"systemctl {host.scope} list-units --all --no-legend 'app-*' 'gpu-fleet-*'") == ""


def test_the_supervisor_changes_both_ways(host: OneHost) -> None:
    services = {"store": service(), "web": service(depends_on=["store"])}
    host.define(services)
    host.variables["container_supervisor"] = "engine"
    host.deploy()
    assert host.kept_by("web") == "" and host.files() == []

    host.variables["container_supervisor"] = "systemd"
    host.deploy()
    assert host.kept_by("web") == "app-web-1.service"
    host.nothing_to_do()

    # A new unit that fails gives way to the old container, and the other way round.
    host.variables["container_supervisor"] = "engine"
    host.define({**services, "web": {**services["web"], "command": ["sh", "-c", "exit 3"]}})
    host.deploy(rc=2)
    assert host.kept_by("web") == host.kept_by("store").replace("store", "web") == "app-web-1.service"
    host.define(services)
    host.deploy()
    assert host.kept_by("web") == "" and host.files() == [] and set(host.running()) == {"store", "web"}
    host.nothing_to_do()


def test_words_come_through_quadlet_and_systemd(host: OneHost) -> None:
    """The real ones, for what the model in tests/unit says of them."""
    words = [
        "",
        ";",
        "a b",
        "$HOME",
        "${HOME}",
        "%h 100%",
        'say "hi"',
        "it's",
        "back\\slash",
        "tab\tnew\nline",
        "-c",
        "é",
    ]
    show = 'for word; do echo "<$word>"; done >/tmp/words; while sleep 0.2; do :; done'
    check = {
        "test": ["CMD-SHELL", 'test -s /tmp/words && test "$$GREETING" = "it\'s $$ 5"'],
        "interval": "30s",
        "retries": 1,
    }
    wanted = [word.replace("$", "$$") for word in ["sh", "-c", show, "sh", *words]]
    host.define(
        {
            "web": service(
                command=wanted, environment={"GREETING": "it's $$ 5"}, labels={"a.b": "100% $$X"}, healthcheck=check
            )
        }
    )
    host.deploy()
    assert host.run("podman exec app-web-1 cat /tmp/words") == "\n".join(f"<{word}>" for word in words)
    assert host.run("podman inspect app-web-1 --format '{{index .Config.Labels \"a.b\"}}'") == "100% $X"


def test_up_again_after_a_reboot(host: OneHost) -> None:
    host.define({"store": service(), "web": service(depends_on={"store": {"condition": "service_healthy"}})})
    host.deploy()
    subprocess.run([str(ROOT / "tests/hosts/reboot"), "mainpc"], check=True)
    deadline = time.monotonic() + 300
    while (states := [host.state(name) for name in ("store", "web")]) != ["active", "active"]:
        assert time.monotonic() < deadline, (states, host.run("journalctl --boot --no-pager --lines 200"))
        time.sleep(1)
    shown = "ActiveEnterTimestampMonotonic", "InactiveExitTimestampMonotonic"
    up, begun = (
        int(host.run(f"systemctl {host.scope} show --value --property={what} app-{name}-1.service"))
        for what, name in zip(shown, ("store", "web"), strict=True)
    )
    assert 0 < up <= begun, "web is started when store is healthy"
    host.nothing_to_do()
