from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import ssh
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError

URLS = [
    ("ssh://winbox", ssh.Address("winbox")),
    ("ssh://MainPC", ssh.Address("MainPC")),
    ("ssh://me@winbox:2222", ssh.Address("winbox", "me", "2222")),
    ("ssh://me@winbox/", ssh.Address("winbox", "me")),
    ("ssh://me@[fe80::1%eth0]:22", ssh.Address("fe80::1%eth0", "me", "22")),
    (
        "ssh://me@mac/Users/me/.docker/run/docker.sock",
        ssh.Address("mac", "me", "", "/Users/me/.docker/run/docker.sock"),
    ),
]


@pytest.mark.parametrize(("url", "address"), URLS)
def test_parts_of_a_url(url, address):
    assert ssh.parse(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "ssh://",
        "ssh://-oProxyCommand=x",
        "ssh://me@-x",
        "ssh://a b",
        "ssh://a/x;reboot",
        "ssh://a:port",
        "ssh://me:secret@a",
    ],
)
def test_urls_that_are_refused(url):
    with pytest.raises(InputError):
        ssh.parse(url)


def test_a_password_in_a_url_is_in_no_message():
    for url in ("ssh://me:hunter2@winbox", "ssh://me:hunter/2@winbox", "ssh://me:hunter@2@win box"):
        with pytest.raises(InputError) as caught:
            ssh.parse(url)
        assert "hunter" not in str(caught.value) + caught.value.mend
    assert caught.value.path == "container_engine_url" and caught.value.mend
    assert "secret" not in caught.value.message


def test_the_command_of_a_connection():
    plain = ["ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15"]
    assert ssh.argv(ssh.Address("winbox")) == [*plain, "--", "winbox", "docker system dial-stdio"]
    shared = ["-o", "ControlMaster=auto", "-o", "ControlPath=/x/%C", "-o", "ControlPersist=60"]
    assert ssh.argv(ssh.Address("mac", "me", "22", "/run/d.sock"), "/x/%C") == [
        *plain, *shared, "-l", "me", "-p", "22", "--", "mac", "docker --host unix:///run/d.sock system dial-stdio",
    ]  # fmt: skip


def test_a_long_home_shares_no_login(monkeypatch, tmp_path):
    monkeypatch.delenv("ANSIBLE_SSH_CONTROL_PATH_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / ("x" * 80)))
    assert ssh.control_path() == ""
    monkeypatch.setenv("HOME", "/proc/nowhere")
    assert ssh.control_path() == ""
    monkeypatch.setenv("ANSIBLE_SSH_CONTROL_PATH_DIR", "/tmp")
    assert ssh.control_path() == "/tmp/fleet-%C"


# Words of OpenSSH 9.2, of cmd.exe and PowerShell, and of docker 20.10 to 28.
SAID = [
    ("Host key verification failed.", "its host key is not known", "ssh me@winbox"),
    ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "not the one that is known", "ssh-keygen -R winbox"),
    ("me@winbox: Permission denied (publickey,password,keyboard-interactive).", "does not let us in", "administrators_authorized_keys"),
    ("ssh: Could not resolve hostname winbox: Name or service not known", "its name is not known", "container_engine_url"),
    ("ssh: connect to host winbox port 22: Connection refused", "no SSH server answers", "Start-Service sshd"),
    ("ssh: connect to host winbox port 22: No route to host", "no SSH server answers", "Is it on"),
    ("bash: line 1: docker: command not found", "no docker on the PATH", ".zshenv"),
    ("sh: 1: docker: not found", "no docker on the PATH", "ssh me@winbox docker version"),
    ("zsh:1: command not found: docker", "no docker on the PATH", "PATH"),
    ("'docker' is not recognized as an internal or external command,\r\noperable program or batch file.", "no docker on the PATH", "restart sshd"),
    ("docker : The term 'docker' is not recognized as the name of a cmdlet", "no docker on the PATH", "restart sshd"),
    ("permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock", "may not use Docker", "docker-users"),
    ("permission denied while trying to connect to the docker API at unix:///var/run/docker.sock", "may not use Docker", "group docker"),
    ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "Docker does not run there", "Docker Desktop"),
    ("error during connect: open //./pipe/dockerDesktopLinuxEngine: The system cannot find the file specified.", "Docker does not run there", "session"),
    ("failed to open the raw stream connection: dial unix /run/nowhere.sock: connect: …", "Docker does not run there", "Docker Desktop"),
    ("docker: 'system dial-stdio' is not a docker command.", "too old", "18.09"),
    ("something nobody has seen", "", "ssh me@winbox docker version"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "meaning", "mend"), SAID)
def test_what_ssh_says_has_a_meaning_and_a_mend(said, meaning, mend):
    found = ssh.explain(said, ssh.Address("winbox", "me"))
    assert meaning in found[0] and bool(meaning) == bool(found[0])
    assert mend in found[1]
