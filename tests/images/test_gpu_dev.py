"""The group gpu-dev, deployed as it is: built from the template hybrid, asked on 8888, and used as a notebook's user does.

conda's packages come from a channel that is made here, Python's from the index of pip's own settings.
"""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
import urllib.error
import urllib.request

import pytest

from ..integration.deploy_system import cli, inspected
from .conda_channel import served_channel
from .download_cache import ADDRESS
from .workstation import Workstation

NAME = "gpu-dev-jupyter-1"
URL = "http://127.0.0.1:8888"
TOKEN, LATER = "first-token-of-the-test", "second-token-of-the-test"
ENVIRONMENT = "channels: [conda-forge]\ndependencies: [greet >=3, libgreeting, {pip: [iniconfig==2.3.1]}]\n"

# As JupyterLab does it: a kernel by REST, a cell by websocket (Jupyter's documentation, «Messaging in Jupyter»).
CELL = """
import json, os, sys, uuid
import requests, websocket
token = open(os.environ["JUPYTER_TOKEN_FILE"]).read()
headers = {"Authorization": "token " + token}
url = "127.0.0.1:8888/api/kernels"
kernel = requests.post("http://" + url, headers=headers, json={"name": "python3"}, timeout=60).json()["id"]
channel = websocket.create_connection(f"ws://{url}/{kernel}/channels", header=headers, timeout=60)
number = uuid.uuid4().hex
content = {"code": sys.argv[1], "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
header = {"msg_id": number, "msg_type": "execute_request", "username": "", "session": number, "version": "5.3", "date": ""}
message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}
channel.send(json.dumps(message))
printed, replied, idle = "", None, False
while replied is None or not idle:
    answer = json.loads(channel.recv())
    if answer["parent_header"].get("msg_id") != number:
        continue
    if answer["msg_type"] == "stream":
        printed += answer["content"]["text"]
    replied = answer["content"]["status"] if answer["msg_type"] == "execute_reply" else replied
    idle = idle or answer["content"].get("execution_state") == "idle"
channel.close()
requests.delete(f"http://{url}/{kernel}", headers=headers, timeout=60)
print(json.dumps([replied, printed]))
"""


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[str]:
    with served_channel(tmp_path_factory.mktemp("channel"), ADDRESS) as url:
        yield url


@pytest.fixture(scope="module")
def system(engine: str, channel: str, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Workstation]:
    """Deployed once for all tests here, as building takes longest."""
    made = Workstation(tmp_path_factory.mktemp("gpu-dev"), engine, ["gpu-dev"])
    own = {name: os.environ[name] for name in ("PIP_INDEX_URL", "PIP_TRUSTED_HOST")}
    made.set(container_environment={**own, "CONDA_CHANNELS": channel}, container_secrets={"JUPYTER_TOKEN": TOKEN})
    (made.inventory / "images/gpu-dev/environment.yml").write_text(ENVIRONMENT)
    outcome = made.deploy()
    assert TOKEN not in outcome.output
    yield made
    made.play("playbooks/teardown.yml", "-e", "container_remove_volumes=true")


def status(token: str = "", path: str = "/api/contents") -> int:
    request = urllib.request.Request(URL + path, headers={"Authorization": f"token {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def inside(system: Workstation, *words: str) -> str:
    return cli(system.engine, "exec", NAME, *words)


def cell(system: Workstation, code: str) -> list[str]:
    return json.loads(inside(system, "python", "-c", CELL, code))


def image(system: Workstation) -> str:
    (container,) = inspected(system.engine)
    return container["Image"]


def logs(system: Workstation) -> str:
    done = subprocess.run([system.engine, "logs", NAME], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_8888_answers_with_the_token_alone(system: Workstation) -> None:
    assert [status(), status("wrong" + TOKEN), status(TOKEN)] == [403, 403, 200]
    assert status(path=f"/api/contents?token={TOKEN}") == 200
    assert status(path="/lab?token=wrong") in (200, 403) and status(path="/api/contents?token=wrong") == 403


def test_the_token_stands_in_a_file_alone(system: Workstation) -> None:
    status(path=f"/api/contents?token={TOKEN}")
    assert "/api/contents" in logs(system) or "Jupyter Server" in logs(system)
    shown = {
        "its log": logs(system),
        "inspect": cli(system.engine, "inspect", NAME),
        "its image": cli(system.engine, "image", "inspect", image(system)),
        "its image's history": cli(system.engine, "history", "--no-trunc", image(system)),
        "environments": inside(system, "sh", "-c", "cat /proc/[0-9]*/environ | tr '\\0' '\\n'"),
        "processes": inside(system, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"),
        "the layer": "".join(cli(system.engine, "diff", NAME)),
    }
    assert [place for place, text in shown.items() if TOKEN in text] == []
    # What Jupyter writes about itself has it: that lies in memory, and is its user's alone.
    (found,) = inside(
        system, "sh", "-c", f"grep -rl {TOKEN} /home /tmp /var /etc /opt/venv/etc /dev/shm/jupyter | head -1"
    ).split()
    assert found.startswith("/dev/shm/jupyter/")
    assert inside(system, "stat", "-c", "%a %U", "/dev/shm/jupyter").split() == ["700", "dev"]


def test_without_a_token_it_does_not_start(system: Workstation) -> None:
    for words in ((), ("-e", "JUPYTER_TOKEN_FILE=/dev/null")):
        argv = [system.engine, "run", "--rm", *words, image(system)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1 and "Jupyter does not start" in done.stderr, done.stderr
        assert "token=" not in done.stderr + done.stdout


def test_a_cell_runs_in_a_kernel(system: Workstation) -> None:
    code = "import os, sys; print(6 * 7, os.getuid(), sys.prefix, os.getcwd())"
    assert cell(system, code) == ["ok", "42 1000 /opt/venv /workspace\n"]
    assert cell(system, "raise ValueError")[0] == "error"


def test_a_notebook_is_executed(system: Workstation) -> None:
    lines = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": []}
    notebook = {"cells": [{**lines, "source": "print(40 + 2)"}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    script = "import sys; open('/workspace/sum.ipynb', 'w').write(sys.argv[1])"
    inside(system, "python", "-c", script, json.dumps(notebook))
    inside(system, "jupyter", "execute", "--inplace", "/workspace/sum.ipynb")
    (output,) = json.loads(inside(system, "cat", "/workspace/sum.ipynb"))["cells"][0]["outputs"]
    assert output["text"] in ("42\n", ["42\n"])


def test_condas_part_is_there_for_programs_and_for_python(system: Workstation) -> None:
    assert inside(system, "greet") == "hello from conda\n"
    code = "import ctypes; f = ctypes.CDLL('libgreeting.so').greeting; f.restype = ctypes.c_char_p; print(f())"
    assert cell(system, code) == ["ok", "b'hello from conda'\n"]
    assert cell(system, "import iniconfig; print(iniconfig.__file__)")[1].startswith("/opt/venv/")
    listed = inside(system, "sh", "-c", "cd /opt/conda/conda-meta && ls *.json").split()
    assert listed == ["greet-3.1-0.json", "libgreeting-2.0-0.json"]


def test_nothing_of_the_building_is_in_the_image(system: Workstation) -> None:
    script = """
        find /opt/tools /opt/conda.py /wanted /context /root/.cache /home/dev/.cache /usr/local/share/ca-certificates \
             /var/lib/apt/lists /var/cache/apt/archives /opt/conda/pkgs -type f 2>/dev/null | grep -v lock
        command -v gcc pip micromamba; python -c 'import rattler'; true"""
    done = cli(
        system.engine, "run", "--rm", "--user", "0", "--entrypoint", "sh", image(system), "-c", script + " 2>/dev/null"
    )
    assert done.split() == []


def test_a_second_deploy_has_nothing_to_do(system: Workstation) -> None:
    system.nothing_to_do()


def test_the_work_outlives_the_container_and_a_new_token_shuts_out_the_old(system: Workstation) -> None:
    inside(system, "sh", "-c", "echo kept >/workspace/note")
    (before,) = inspected(system.engine)
    system.set(container_secrets={"JUPYTER_TOKEN": LATER})
    system.deploy()
    (after,) = inspected(system.engine)
    assert after["Id"] != before["Id"] and after["Image"] == before["Image"]
    assert [status(TOKEN), status(LATER)] == [403, 200]
    assert inside(system, "cat", "/workspace/note") == "kept\n"
