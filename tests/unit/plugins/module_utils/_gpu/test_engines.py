"""What engines say about themselves, from recorded answers and from a made-up daemon on a real socket."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.docker_api import declared, info
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.engines import add_declared, probe_engines
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import RecordingReader, ReplayReader

DOCKER = "docker info --format {{json .}}"
DIRS = ("/etc/cdi", "/var/run/cdi")
DECLARED = 'docker ps --filter label=org.gpu-fleet.vram --format {{.Label "org.gpu-fleet.vram"}}'


def ask(commands, names=("docker", "podman"), url="", with_declared=False, files=None):
    data = {
        "snapshot": 1,
        "files": files or {},
        "commands": {
            key: {"rc": rc, "stdout": text if isinstance(text, str) else json.dumps(text), "stderr": error}
            for key, (rc, text, error) in commands.items()
        },
    }
    facts, findings = probe_engines(ReplayReader(data), names, url, with_declared)
    return facts, [found.code for found in findings]


def test_nothing_installed():
    facts, codes = ask({})
    assert codes == []
    assert [(each.installed, each.ready, each.reason) for each in facts.values()] == [
        (False, False, "not installed")
    ] * 2


def test_docker_as_it_says():
    answer = {
        "ID": "abc",
        "ServerVersion": "28.5.1",
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=selinux"],
        "Runtimes": {"runc": {}, "nvidia": {}},
        "CDISpecDirs": ["/etc/cdi"],
        "DiscoveredDevices": [
            {"Source": "cdi", "ID": "nvidia.com/gpu=0"},
            {"Source": "cdi", "ID": "docker.com/gpu=webgpu"},
        ],
    }
    facts = ask({DOCKER: (0, answer, ""), DECLARED: (0, "GPU-1=5\nGPU-1=6,GPU-2=1\n", "")}, with_declared=True)[0][
        "docker"
    ]
    assert (facts.ready, facts.version, facts.id, facts.rootless, facts.selinux) == (True, "28.5.1", "abc", True, True)
    assert (facts.flavour, facts.runtimes, facts.cdi_dirs) == ("engine", ("nvidia", "runc"), ("/etc/cdi",))
    assert facts.cdi_devices == ("nvidia.com/gpu=0",)
    assert facts.declared == {"GPU-1": 11, "GPU-2": 1}


@pytest.mark.parametrize(
    ("rc", "text", "error", "reason", "codes"),
    [
        (
            0,
            {"ServerErrors": ["Cannot connect to the Docker daemon"]},
            "",
            "Cannot connect to the Docker daemon",
            ["engine-not-running"],
        ),
        (111, "", "unix:///x does not answer: no", "unix:///x does not answer: no", ["engine-not-running"]),
        (1, "", "boom", "boom", ["engine-failed"]),
        (
            1,
            {"ServerErrors": ["Cannot connect"]},
            "errors pretty printing info",
            "Cannot connect",
            ["engine-not-running"],
        ),
        (1, "", "Cannot connect to the Docker daemon", "Cannot connect to the Docker daemon", ["engine-not-running"]),
        (1, {"ServerErrors": ["permission denied"]}, "", "permission denied", ["engine-no-permission"]),
        (
            111,
            "",
            "no answer: [Errno 13] Permission denied",
            "no answer: [Errno 13] Permission denied",
            ["engine-no-permission"],
        ),
        (
            95,
            "",
            "ssh:// is asked by the container_groups module",
            "ssh:// is asked by the container_groups module",
            [],
        ),
        (0, "[]", "", "it answered something that is not JSON", ["engine-failed"]),
    ],
)
def test_docker_that_is_not_ready(rc, text, error, reason, codes):
    facts, found = ask({DOCKER: (rc, text, error)}, ("docker",))
    assert (facts["docker"].installed, facts["docker"].ready, facts["docker"].reason) == (True, False, reason)
    assert found == codes


def test_desktops_stand_in_is_no_engine():
    text = "The command 'docker' could not be found in this WSL 2 distro.\n\nhttps://docs.docker.com/go/wsl2/\n"
    facts, found = ask({DOCKER: (1, text, "")}, ("docker",))
    assert (facts["docker"].installed, found) == (False, [])
    assert "Docker Desktop" in facts["docker"].reason


def test_docker_desktop():
    answer = {"ServerVersion": "28.0.4", "OperatingSystem": "Docker Desktop"}
    assert ask({DOCKER: (0, answer, "")})[0]["docker"].flavour == "desktop"


def test_podman_as_it_says():
    answer = {
        "host": {"security": {"rootless": True, "selinuxEnabled": True}, "ociRuntime": {"name": "crun"}},
        "store": {"graphRoot": "/home/u/.local/share/containers/storage"},
        "version": {"Version": "5.4.2"},
    }
    labels = [{"Labels": {"org.gpu-fleet.vram": "GPU-1=7"}}, {"Labels": None}]
    commands = {
        "podman info --format json": (0, answer, ""),
        "podman ps --filter label=org.gpu-fleet.vram --format json": (0, labels, ""),
    }
    facts = ask(commands, with_declared=True, files={"/etc/machine-id": "f00\n"})[0]["podman"]
    assert (facts.ready, facts.version, facts.rootless, facts.selinux) == (True, "5.4.2", True, True)
    assert facts.id == "f00:/home/u/.local/share/containers/storage"
    assert facts.declared == {"GPU-1": 7}


CHEAP = {"podman version --format json": (0, {"Client": {"Version": "5.6.0"}}, "")}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ("crun", False, False, "/var/lib/containers/storage", DIRS)),
        ({"/sys/fs/selinux/enforce": "1"}, ("crun", False, True, "/var/lib/containers/storage", DIRS)),
        (
            {
                "/sys/fs/selinux/enforce": "1",
                "/etc/containers/containers.conf": '[containers]\nlabel = false\n[engine]\nruntime = "/usr/bin/runc"\n',
                "/etc/containers/storage.conf": '[storage]\n  graphroot = "/data/podman"\n',
            },
            ("runc", False, False, "/data/podman", DIRS),
        ),
        (
            {
                "/proc/self/status": "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\n",
                "/proc/self/environ": "HOME=/home/u\0PATH=/bin\0",
                "/etc/containers/storage.conf": '[storage]\ngraphroot = "/data/podman"\n',
                "/home/u/.config/containers/containers.conf": "[engine]\nruntime = 'runc' # crun is not there\n",
            },
            ("runc", True, False, "/home/u/.local/share/containers/storage", DIRS),
        ),
        (
            {
                "/etc/containers/containers.conf": '[engine]\ncdi_spec_dirs = [\n  "/a",\n  "/b",\n]\n',
                "/etc/containers/containers.conf.d/9.conf": '[engine]\ncdi_spec_dirs = ["/c", {append=true}]\n',
            },
            ("crun", False, False, "/var/lib/containers/storage", ("/a", "/b", "/c")),
        ),
    ],
)
def test_podman_by_its_version_and_its_files(files, expected):
    """`podman info` takes five to ten times as long, and says the same of these."""
    facts = ask(CHEAP, ("podman",), files={"/etc/machine-id": "f00\n", **files})[0]["podman"]
    runtime, rootless, selinux, root, dirs = expected
    assert (facts.ready, facts.version) == (True, "5.6.0")
    assert (facts.runtimes, facts.rootless, facts.selinux) == ((runtime,), rootless, selinux)
    assert (facts.id, facts.cdi_dirs) == (f"f00:{root}", dirs)


def test_cdi_spec_dirs_came_with_podman_5_5():
    commands = {"podman version --format json": (0, {"Client": {"Version": "5.4.2"}}, "")}
    files = {"/etc/containers/containers.conf": '[engine]\ncdi_spec_dirs = ["/a"]\n'}
    assert ask(commands, ("podman",), files=files)[0]["podman"].cdi_dirs == DIRS


@pytest.mark.parametrize(
    ("rc", "text", "error", "reason"),
    [
        (125, "", "Error: cannot clone\n", "Error: cannot clone"),
        (0, "{}", "", "it answered something that is not podman's version"),
        (0, "[", "", "it answered something that is not podman's version"),
    ],
)
def test_podman_that_does_not_say_its_version(rc, text, error, reason):
    facts, codes = ask({"podman version --format json": (rc, text, error)}, ("podman",))
    assert (facts["podman"].installed, facts["podman"].ready, facts["podman"].reason) == (True, False, reason)
    assert codes == ["engine-failed"]


@pytest.mark.parametrize(
    ("version", "dirs", "words"),
    [("4.3.1", (), "whatever they are"), ("5.3.2", (), "whatever"), ("5.4.2", DIRS, "unless they name CDI devices")],
)
def test_podman_at_dockers_socket(version, dirs, words):
    """As Podman 4.3.1 answers GET /info; its ID is another one each time."""
    answer = {
        "ID": "3c0d256b-3194-4518-ad0a-a0c0730f9bcf",
        "ServerVersion": version,
        "BuildahVersion": "1.28.2",
        "DockerRootDir": "/var/lib/containers/storage",
        "Name": "vm",
        "Rootless": False,
        "DefaultRuntime": "runc",
        "Runtimes": {"crun": {}, "runc": {}},
        "SecurityOptions": ["name=seccomp,profile=default"],
    }
    facts, codes = ask({DOCKER: (0, answer, "")}, ("docker",))
    docker = facts["docker"]
    assert (docker.flavour, docker.version, docker.cdi_dirs, docker.runtimes) == ("podman", version, dirs, ("runc",))
    assert docker.id == "vm:/var/lib/containers/storage"
    assert codes == ["docker-is-podman"]


def test_a_label_with_a_number_that_no_gpu_has():
    assert add_declared([f"GPU-1={'9' * 5000},GPU-2=\u00b2,GPU-3=1"]) == {"GPU-3": 1}


@given(st.lists(st.text(alphabet="GPU-12=,9 x", max_size=20), max_size=5))
def test_labels_of_any_form_never_raise(labels):
    assert all(number >= 0 for number in add_declared(labels).values())


class Daemon(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = urllib.parse.unquote(self.path)
        if path == "/info":
            body = {"ID": "real", "ServerVersion": "29.0.0"}
        elif path == '/containers/json?filters={"label": ["org.gpu-fleet.vram"], "status": ["running"]}':
            body = [{"Labels": {"org.gpu-fleet.vram": "GPU-1=3"}}]
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def address_string(self):
        return "local"

    def log_message(self, *_arguments):
        pass


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture
def daemon(tmp_path):
    path = str(tmp_path / "docker.sock")
    with UnixServer(path, Daemon) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"unix://{path}"
        server.shutdown()
        thread.join()


def test_over_a_unix_socket_and_recorded_as_the_command_would_say_it(daemon):
    recording = RecordingReader(HostReader())
    facts, findings = probe_engines(recording, ["docker"], daemon, with_declared=True)
    assert (facts["docker"].id, facts["docker"].url, facts["docker"].declared) == ("real", daemon, {"GPU-1": 3})
    again, _findings = probe_engines(ReplayReader(recording.snapshot()), ["docker"], daemon, with_declared=True)
    assert again == facts
    assert findings == []


def test_over_tcp(monkeypatch):
    monkeypatch.delenv("DOCKER_TLS_VERIFY", raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Daemon) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"tcp://127.0.0.1:{server.server_address[1]}"
        answer = info(url)
        server.shutdown()
        thread.join()
    assert json.loads(answer.stdout)["ID"] == "real"


@pytest.mark.parametrize("url", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"])
def test_nobody_there(url, monkeypatch):
    monkeypatch.delenv("DOCKER_TLS_VERIFY", raising=False)
    assert info(url).rc == 111
    assert declared(url).rc == 111


def test_ssh_is_left_to_the_module_that_has_a_client():
    assert info("ssh://me@host").rc == 95
