"""One real host with Podman and one group on it: an inventory of its own, its playbooks, what the host then has."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import subprocess
import sys
import time
import typing as t

from ..integration.deploy_system import ROOT, Outcome

HOST = "mainpc"
UP = ["sh", "-c", "touch /tmp/ok; while sleep 0.2; do :; done"]
CHECK = {"test": ["CMD-SHELL", "test -e /tmp/ok"], "interval": "30s", "timeout": "5s", "retries": 1}
BUSYBOX = "podman image exists localhost/busybox:1 || podman import /srv/test-cache/busybox.tar localhost/busybox:1"


def service(**more: t.Any) -> dict[str, t.Any]:
    """A service that is healthy at once and dies at once when it is told to."""
    return {
        "image": "localhost/busybox:1",
        "command": UP,
        "healthcheck": CHECK,
        "stop_signal": "SIGKILL",
        "restart": "unless-stopped",
        **more,
    }


def on(host: str, command: str, user: str = "root", rc: int = 0) -> str:
    """What a command on a host prints, run in the shell of the user who logs in."""
    done = subprocess.run(
        ["ssh", "-F", os.environ["FLEET_HOSTS_SSH"], f"{user}@{host}", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == rc, f"{host}: {command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def played(folder: pathlib.Path, playbook: str, *arguments: str, rc: int = 0) -> Outcome:
    """A playbook on the inventory in a folder, run to its end; it has to end with this status."""
    program = pathlib.Path(sys.executable).parent / "ansible-playbook"
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
    }
    begin = time.monotonic()
    done = subprocess.run(
        [str(program), "-i", str(folder / "hosts.yml"), str(ROOT / playbook), *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    outcome = Outcome(done.returncode, done.stdout, time.monotonic() - begin)
    print(f"$ {playbook} {shlex.join(arguments)}  ({outcome.seconds:.1f} s)\n{outcome.output}")
    assert outcome.rc == rc, f"{playbook} ended with {outcome.rc}:\n{outcome.output}"
    return outcome


class OneHost:
    """`user`: root, or an ordinary user with a Podman of their own."""

    def __init__(self, folder: pathlib.Path, user: str) -> None:
        self.folder = folder
        self.user = user
        self.variables: dict[str, t.Any] = {
            "ansible_user": user,
            "container_engine": "podman",
            "container_supervisor": "systemd",
            "container_engine_install": False,
            "container_groups": ["app"],
        }
        (folder / "groups").mkdir()
        (folder / "group_vars").mkdir()
        (folder / "hosts.yml").write_text(pathlib.Path(os.environ["FLEET_HOSTS_INVENTORY"]).read_text())
        self.run(BUSYBOX)

    @property
    def scope(self) -> str:
        return "" if self.user == "root" else "--user"

    @property
    def units(self) -> str:
        return "/etc/containers/systemd" if self.user == "root" else ".config/containers/systemd"

    def run(self, command: str, rc: int = 0, user: str = "") -> str:
        return on(HOST, command, user or self.user, rc)

    def define(self, services: dict[str, t.Any], **more: t.Any) -> None:
        """Write the group file; JSON is YAML."""
        (self.folder / "groups/app.yml").write_text(json.dumps({"services": services, **more}))

    def play(self, playbook: str, *arguments: str, rc: int = 0) -> Outcome:
        (self.folder / "group_vars/all.yml").write_text(json.dumps(self.variables))
        return played(self.folder, playbook, "-l", HOST, *arguments, rc=rc)

    def deploy(self, *arguments: str, rc: int = 0) -> Outcome:
        return self.play("deploy.yml", *arguments, rc=rc)

    def nothing_to_do(self) -> None:
        before = self.running()
        outcome = self.deploy()
        assert outcome.changed == {HOST: 0}, outcome.output
        assert self.running() == before

    def running(self) -> dict[str, str]:
        """Service → id of its running container."""
        names = self.run("podman ps --format '{{.Names}} {{.ID}}'")
        pairs = [line.split() for line in names.splitlines()]
        return {name.removeprefix("app-").removesuffix("-1"): number for name, number in pairs}

    def kept_by(self, service: str) -> str:
        """The systemd unit that keeps a service's container up, empty for the engine."""
        text = self.run(
            f"podman inspect app-{service}-1 --format '{{{{index .Config.Labels \"PODMAN_SYSTEMD_UNIT\"}}}}'"
        )
        return text.replace("<no value>", "")

    def greeting(self) -> str:
        """What a program in web sees of the variable GREETING."""
        return self.run("""podman exec app-web-1 sh -c 'echo "$GREETING"'""")

    def files(self) -> list[str]:
        """Unit files, ours and what stands by."""
        listed = self.run(f"ls -A {self.units} 2>/dev/null || true").splitlines()
        return sorted(name for name in listed if name != "users")

    def state(self, service: str) -> str:
        return self.run(f"systemctl {self.scope} is-active app-{service}-1.service || true")
