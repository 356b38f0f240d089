"""A host of which only the engine is reached: its inventory, and what must be true of it wherever the engine is."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import typing as t

import yaml

from .deploy_system import Outcome, System

FIXTURE = pathlib.Path(__file__).resolve().parents[1] / "fixtures/control_plane"
BASE = "localhost/gpu-fleet-test/busybox:1"
# Not real secrets; texts that cannot be anywhere by chance.
FIRST = "plantedFirstNWqLk3Vb8sTzRy5H"
SECOND = "plantedSecondJ7xMd2PfGc9uEa4Q"


class Reached(System):
    """A copy of the fixture's inventory, whose one host is reached as `variables` say."""

    def __init__(self, folder: pathlib.Path, docker: t.Callable[..., str], **variables: t.Any) -> None:
        self.folder, self.settled, self.docker = folder, None, docker
        self.inventory = folder / "inventory"
        shutil.copytree(FIXTURE, self.inventory)
        self.set(**variables)

    def set(self, **variables: t.Any) -> None:
        path = self.inventory / "hosts.yml"
        hosts = yaml.safe_load(path.read_text())
        hosts["all"]["hosts"]["winbox"].update(variables)
        path.write_text(yaml.safe_dump(hosts))

    def inside(self, container: str, script: str) -> str:
        """What a script prints in a container; `docker` runs the far side's own client."""
        return self.docker("exec", container, "sh", "-c", script)

    def containers(self) -> dict[str, str]:
        """Name → id of what is there, running or not."""
        lines = self.docker("ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}").splitlines()
        return dict(line.split() for line in lines)

    def unchanged(self) -> Outcome:
        """A deploy that changes nothing, by its own words and by what is there."""
        before = self.containers()
        outcome = self.deploy()
        assert set(outcome.changed.values()) == {0}, outcome.output
        assert self.containers() == before
        return outcome


def check_life(system: Reached) -> None:
    """Deploy, nothing to do, content, a changed secret, a way back, verify, status, teardown."""
    outcome = system.deploy()
    assert outcome.changed["winbox"] > 0
    _check_content(system, FIRST)
    system.unchanged()
    _check_hidden(system, outcome.output, FIRST)

    before = system.containers()
    system.set(container_secrets={"SITE_TOKEN": SECOND})
    outcome = system.deploy()
    assert "winbox site/web: making anew (secrets./run/secrets/token: value changed)" in outcome.events
    assert {name for name, made in system.containers().items() if before.get(name) != made} == {
        "site-web-1",
        "site-strict-1",
    }
    _check_content(system, SECOND)
    _check_hidden(system, outcome.output, SECOND)

    _check_way_back(system)
    system.unchanged()

    assert "3 of 3 services are healthy" in system.play("playbooks/verify.yml").output
    assert "site-web-1" in system.containers() and "running" in system.play("playbooks/status.yml").output
    system.play("playbooks/teardown.yml")
    assert system.containers() == {}
    # Nameless volumes went with their containers, and so did what was put into them.
    assert system.docker("volume", "ls", "-q").split() == []


def _check_content(system: Reached, token: str) -> None:
    web = system.inside("site-web-1", "id -u; cat /run/secrets/token; echo; cat /www/index.html; ls /etc/app/conf.d")
    # The directory is in the place of the image's, whose own file is not seen.
    assert web.split() == ["1000", token, "hello", "one.conf"]
    assert "-r--------" in system.inside("site-web-1", "ls -l /run/secrets/token")
    strict = system.inside("site-strict-1", "cat /run/secrets/token; echo; cat /etc/app/settings.ini /etc/app/beside")
    assert strict.split() == [token, "level=info", "beside"]
    system.docker("restart", "-t", "1", "site-strict-1")
    assert system.inside("site-strict-1", "cat /run/secrets/token") == token


def _check_hidden(system: Reached, output: str, token: str) -> None:
    names = [*system.containers(), *system.docker("volume", "ls", "-q").split()]
    assert token not in output + system.docker("inspect", *names)


def _check_way_back(system: Reached) -> None:
    """Its network is made anew, so no container of the group can stand by: what was put into them goes back, too."""
    path = system.inventory / "groups/site.yml"
    good = path.read_text()
    bad = good.replace('round: "1"', 'round: "2"').replace('/index.html"], interval', '/lost.html"], interval')
    path.write_text(bad.replace("timeout: 20s", "timeout: 6s"))
    (system.inventory / "groups/conf.d/two.conf").write_text("two\n")
    system.set(container_secrets={"SITE_TOKEN": FIRST})
    outcome = system.deploy(rc=2)
    assert "brought back as it was: strict, web" in outcome.output
    _check_content(system, SECOND)
    path.write_text(good)
    (system.inventory / "groups/conf.d/two.conf").unlink()
    system.set(container_secrets={"SITE_TOKEN": SECOND})


def make_certificates(folder: pathlib.Path, address: str) -> dict[str, str]:
    """A CA, a server's certificate for an address and a client's, by openssl: paths by ca, cert, key, server, server_key."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test ca",
            "-addext", "keyUsage=critical,keyCertSign", "-keyout", "ca-key.pem", "-out", "ca.pem")  # fmt: skip
    for name, usage in (("server", "serverAuth"), ("client", "clientAuth")):
        extensions = f"extendedKeyUsage={usage}\nsubjectAltName=IP:{address}\n"
        (folder / "extensions").write_text(extensions)
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}-key.pem",
                "-out", f"{name}.csr")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-days", "2", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
                "-CAcreateserial", "-extfile", "extensions", "-out", f"{name}.pem")  # fmt: skip
    files = {"ca": "ca", "cert": "client", "key": "client-key", "server": "server", "server_key": "server-key"}
    return {name: str(folder / f"{file}.pem") for name, file in files.items()}
