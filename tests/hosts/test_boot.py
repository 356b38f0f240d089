"""Groups after a boot, on real hosts: MainPC with Docker, PC2 with Podman, each started by its systemd in plan order.

    tests/hosts/with_hosts mainpc:docker,pc2:podman python -m pytest -q tests/hosts/test_boot.py

The tests follow each other on the same two hosts. `base` becomes healthy 3 seconds after its start.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import time
import typing as t
from datetime import datetime

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = "docker.io/library/agent:1"
BOOT_WAIT = 90

_KEEPS = {"image": IMAGE, "init": True, "stop_grace_period": "2s", "restart": "always"}
_SLOW = {
    **_KEEPS,
    "command": ["sh", "-c", "rm -f /tmp/up; sleep 3; touch /tmp/up; exec sleep 100000"],
    "healthcheck": {"test": ["CMD", "test", "-e", "/tmp/up"], "interval": "30s"},
}
_QUICK = {**_KEEPS, "command": ["sleep", "100000"]}
_ANSWERS = {**_KEEPS, "command": ["httpd", "-f", "-p", "7140"], "ports": ["7140:7140"]}
_BEHIND = {"depends_on": {"base": {"condition": "service_healthy"}}}

GROUPS = {
    "core": {"services": {"base": _SLOW, "twin": {**_QUICK, **_BEHIND}}},
    "memory": {
        "x-fleet": {"needs": ["core"]},
        "services": {"store": {**_QUICK, "x-links": {"REMOTE": "tcp://remote/answer:7140"}}},
    },
    "remote": {"services": {"base": _SLOW, "answer": {**_ANSWERS, **_BEHIND}}},
    "reports": {"x-fleet": {"needs": ["remote"]}, "services": {"writer": _QUICK}},
}
_LIVE_RESTORE = (
    'python3 -c \'import json, pathlib; p = pathlib.Path("/etc/docker/daemon.json"); p.parent.mkdir(exist_ok=True); '
    'p.write_text(json.dumps({{**(json.loads(p.read_text()) if p.exists() else {{}}), "live-restore": {}}}))\''
)
PLACES = {"mainpc": ("docker", ["core", "memory"]), "pc2": ("podman", ["remote", "reports"])}


class Hosts:
    """The two hosts, over SSH, and the playbook that deploys to them."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        (folder / "groups").mkdir()
        for name, group in GROUPS.items():
            (folder / "groups" / f"{name}.yml").write_text(yaml.safe_dump({"name": name, **group}))
        inventory = yaml.safe_load(pathlib.Path(os.environ["FLEET_HOSTS_INVENTORY"]).read_text())["all"]
        inventory["vars"] |= {"container_supervisor": "systemd", "container_boot_wait": BOOT_WAIT}
        for name, (engine, groups) in PLACES.items():
            host = inventory["hosts"][name]
            host |= {
                "container_engine": engine,
                "container_groups": groups,
                "container_link_address": host["ansible_host"],
            }
            self.on(name, f"{engine} import /srv/test-cache/busybox.tar {IMAGE}")
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": inventory}))

    def on(self, host: str, command: str) -> str:
        words = ["ssh", "-F", os.environ["FLEET_HOSTS_SSH"], host, command]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout

    def deploy(self, playbook: str = "deploy.yml", *words: str) -> str:
        argv = ["ansible-playbook", "-i", str(self.folder / "hosts.yml"), str(ROOT / playbook), *words]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def now(self, host: str) -> str:
        """For `journal`."""
        return self.on(host, "date +%s.%N").strip()

    def journal(self, host: str, since: str) -> list[str]:
        """What the groups' units said, without the warnings' mark; a mark of its own for warnings."""
        text = self.on(
            host, f"journalctl -t gpu-fleet --no-pager -o json --output-fields=MESSAGE,PRIORITY --since=@{since}"
        )
        entries = [yaml.safe_load(line) for line in text.splitlines()]
        return [("warning: " if entry["PRIORITY"] == "4" else "") + entry["MESSAGE"] for entry in entries]

    def settled(self, host: str) -> None:
        """Until the units of all its groups are active."""
        names = " ".join(f"gpu-fleet-{host}-{group}" for group in PLACES[host][1])
        wait_for(lambda: self.on(host, f"systemctl is-active {names} || true").split() == ["active"] * 2, 120)

    def started(self, host: str) -> dict[str, float]:
        """Container → when its present life began, in seconds of the host's clock."""
        if PLACES[host][0] == "docker":
            text = self.on(host, "docker inspect --format '{{.Name}} {{.State.StartedAt}}' $(docker ps -q)")
            return {name[1:]: _seconds(at) for name, at in (line.split() for line in text.splitlines())}
        text = self.on(host, "podman ps --format '{{.Names}} {{.StartedAt}}'")
        return {name: float(at) for name, at in (line.split() for line in text.splitlines())}


def _seconds(text: str) -> float:
    """Docker writes nine digits, of which Python takes six."""
    return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp()


def wait_for(condition: t.Callable[[], bool], seconds: float) -> None:
    """A host that does not answer (yet) does not meet it."""

    def met() -> bool:
        try:
            return condition()
        except subprocess.CalledProcessError:
            return False

    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(1)


def assert_order_of_mainpc(hosts: Hosts) -> None:
    began = hosts.started("mainpc")
    assert set(began) == {"core-base-1", "core-twin-1", "memory-store-1"}
    assert began["core-twin-1"] - began["core-base-1"] >= 3, "it waits for health, not for the start"
    assert began["memory-store-1"] > began["core-twin-1"]


def tool(name: str, *hosts: str) -> None:
    subprocess.run([str(ROOT / "tests/hosts" / name), *hosts], check=True, timeout=180)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    return Hosts(tmp_path_factory.mktemp("boot"))


def test_a_deploy_writes_the_units_and_leaves_what_it_has_just_started(hosts):
    since = {host: hosts.now(host) for host in PLACES}
    said = hosts.deploy()
    assert "at boot it waits, at most 90 s, for remote/answer:7140 on pc2" in said
    assert "core: boot units written" in said and "reports: boot units written" in said
    began = {host: hosts.started(host) for host in PLACES}
    for host in PLACES:
        hosts.settled(host)
        assert sorted(hosts.journal(host, since[host])) == sorted(
            f"{group}: all {len(GROUPS[group]['services'])} services are up" for group in PLACES[host][1]
        )
    again = hosts.deploy()
    assert again.count("changed=0") == 2 and "boot units" not in again
    assert {host: hosts.started(host) for host in PLACES} == began


def test_both_hosts_rebooted_come_up_in_plan_order(hosts):
    since = {host: hosts.now(host) for host in PLACES}
    tool("reboot", *PLACES)
    for host in PLACES:
        hosts.settled(host)
    assert_order_of_mainpc(hosts)
    began = hosts.started("pc2")
    assert began["remote-answer-1"] - began["remote-base-1"] >= 3
    assert began["reports-writer-1"] > began["remote-answer-1"] and len(began) == 3
    # What waits for others goes down before them.
    stops = hosts.on("pc2", f"journalctl --no-pager -o cat --since=@{since['pc2']} | grep '^Stopped .*(re' || true")
    order = [text.partition("(")[2].partition(")")[0] for text in stops.splitlines()]
    assert order == ["reports/writer", "remote/answer", "remote/base"]
    answer = "memory: remote/answer:7140 on pc2 (tcp://10.80.0.12:7140) answers after"
    said = hosts.journal("mainpc", since["mainpc"])
    assert any(line.startswith(answer) for line in said) and not any("warning" in line for line in said)


def test_after_a_power_cut_what_docker_started_by_itself_waits_its_turn_and_for_a_late_host(hosts):
    tool("cut", "pc2")
    since = hosts.now("mainpc")
    # It waits until the host has nothing to start any more.
    with subprocess.Popen([str(ROOT / "tests/hosts/power_cut"), "mainpc"]) as cut:
        wait_for(lambda: any("still waiting" in line for line in hosts.journal("mainpc", since)), 80)
        assert "memory-store-1" not in hosts.started("mainpc")
        tool("mend")
    assert cut.returncode == 0
    hosts.settled("mainpc")
    assert_order_of_mainpc(hosts)
    said = hosts.journal("mainpc", since)
    assert "core: stopping twin: started by the engine before what comes first was up" in said
    name = "remote/answer:7140 on pc2 (tcp://10.80.0.12:7140)"
    assert f"memory: waiting at most 90 s for {name}" in said
    assert any(line.startswith("memory: still waiting after 1") and name in line for line in said)
    assert any(line.startswith(f"memory: {name} answers after") for line in said)


def test_a_host_that_stays_away_keeps_nobody_down(hosts):
    hosts.on("mainpc", 'sed -i \'s/"boot_wait": 90.0/"boot_wait": 4.0/\' /var/lib/gpu-fleet/boot/mainpc-memory.json')
    tool("cut", "pc2")
    since = hosts.now("mainpc")
    tool("power_cut", "mainpc")
    hosts.settled("mainpc")
    tool("mend")
    assert_order_of_mainpc(hosts)
    warnings = [line for line in hosts.journal("mainpc", since) if line.startswith("warning")]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: memory: starting without remote/answer:7140 on pc2 (tcp://10.80.0.12:7140)")


def test_docker_restarted_brings_its_groups_back_in_order(hosts):
    before = hosts.started("mainpc")
    hosts.on("mainpc", "systemctl restart docker")
    hosts.settled("mainpc")
    assert_order_of_mainpc(hosts)
    assert hosts.started("mainpc")["core-base-1"] > before["core-base-1"]


def test_docker_restarted_with_live_restore_spares_containers_of_a_later_deploy(hosts):
    hosts.on("mainpc", f"{_LIVE_RESTORE.format(True)}; systemctl reload docker")
    wait_for(lambda: "true" in hosts.on("mainpc", "docker info --format '{{.LiveRestoreEnabled}}'"), 60)
    twin = {**GROUPS["core"]["services"]["twin"], "environment": {"LATER": "1"}}
    later = {"name": "core", "services": {**GROUPS["core"]["services"], "twin": twin}}
    (hosts.folder / "groups" / "core.yml").write_text(yaml.safe_dump(later))
    before = hosts.started("mainpc")
    hosts.deploy("deploy.yml", "-l", "mainpc")
    after = hosts.started("mainpc")
    assert after["core-twin-1"] > before["core-twin-1"]
    hosts.on("mainpc", "systemctl restart docker")
    hosts.settled("mainpc")
    assert hosts.started("mainpc") == after
    hosts.on("mainpc", f"{_LIVE_RESTORE.format(False)}; systemctl reload docker")


def test_a_group_that_failed_at_boot_is_tried_again(hosts):
    """What it needs did not get healthy in time; when that is mended, nobody has to come and start anything."""
    hosts.on("pc2", "systemctl stop gpu-fleet-pc2-reports gpu-fleet-pc2-remote; systemctl mask --runtime remote-base-1")
    hosts.on("pc2", 'sed -i \'s/"timeout": 120.0/"timeout": 3.0/\' /var/lib/gpu-fleet/boot/pc2-*.json')
    since = hosts.now("pc2")
    hosts.on("pc2", "systemctl start --no-block gpu-fleet-pc2-remote gpu-fleet-pc2-reports")
    wait_for(lambda: any("reports: not all of it is up" in line for line in hosts.journal("pc2", since)), 90)
    assert "reports-writer-1" not in hosts.started("pc2"), "it does not start without what it needs"
    hosts.on(
        "pc2",
        'systemctl unmask --runtime remote-base-1; sed -i \'s/"timeout": 3.0/"timeout": 120.0/\' /var/lib/gpu-fleet/boot/pc2-*.json',
    )
    hosts.settled("pc2")
    assert len(hosts.started("pc2")) == 3


def test_the_engine_as_supervisor_again_leaves_no_unit_and_stops_nothing(hosts):
    began = hosts.started("mainpc")
    assert (
        hosts.deploy("deploy.yml", "-l", "mainpc", "-e", "container_supervisor=engine").count("boot units removed") == 2
    )
    assert hosts.on("mainpc", "ls /etc/systemd/system | grep gpu-fleet || true") == ""
    assert hosts.on("mainpc", "systemctl list-units --all --plain --no-legend 'gpu-fleet*'") == ""
    # `always` is what the group files say, and it was another policy under systemd: these are made anew.
    assert set(hosts.started("mainpc")) == set(began)
    hosts.deploy("playbooks/teardown.yml")
    assert hosts.on("pc2", "ls -d /etc/systemd/system/*gpu-fleet* /var/lib/gpu-fleet/boot 2>/dev/null || true") == ""
