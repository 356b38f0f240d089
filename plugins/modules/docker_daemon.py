#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts or stops a Docker daemon where no init system does; a thin shell around `_host/docker_daemon.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon
short_description: Run a Docker daemon on a host without an init system
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Starts C(dockerd) in the background, with a pid file and a log file, and waits until it answers.
  - An engine that answers on the socket already is left alone, whoever started it.
  - For containers, CI runners and chroots. Where systemd runs, use M(ansible.builtin.systemd_service).
options:
  state:
    description:
      - V(stopped) ends only the daemon that was started with O(pid_file).
    type: str
    choices: [started, stopped]
    default: started
  socket:
    description:
      - The Unix socket to answer on.
    type: path
    default: /run/docker.sock
  pid_file:
    description:
      - Where the daemon notes its pid; this is how a later run knows its own daemon.
    type: path
    default: /run/gpu-fleet/dockerd.pid
  log_file:
    description:
      - Where the daemon's messages are appended.
    type: path
    default: /var/log/gpu-fleet/dockerd.log
  data_root:
    description:
      - Where images, containers and volumes lie. Empty means Docker's own default.
    type: str
    default: ""
  timeout:
    description:
      - How long the daemon may take to answer, or to end, in seconds.
    type: float
    default: 60
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
"""

EXAMPLES = r"""
- name: Have a Docker engine on this runner
  gpu_fleet.containers.docker_daemon:
    state: started
"""

RETURN = r"""
answers:
  description: Whether an engine answers on the socket now; in check mode, whether it answered before.
  type: bool
  returned: success
systemd:
  description: Whether systemd starts services on this host.
  type: bool
  returned: success
sdk:
  description: Whether the interpreter that runs the modules has the Docker SDK for Python.
  type: bool
  returned: success
pid:
  description: The daemon that was started with O(pid_file); empty when the socket's engine is another's.
  type: int
  returned: success
"""

import importlib.util
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import docker_daemon
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def ensure(module: AnsibleModule) -> dict:
    wanted = module.params
    answers = docker_daemon.answers(wanted["socket"])
    pid = docker_daemon.own_pid(wanted["pid_file"])
    start = wanted["state"] == "started" and not answers
    stop = wanted["state"] == "stopped" and pid is not None
    if (start or stop) and not module.check_mode:
        if start:
            docker_daemon.start(
                wanted["socket"], wanted["pid_file"], wanted["log_file"], wanted["data_root"], wanted["timeout"]
            )
        else:
            docker_daemon.stop(pid, wanted["timeout"])
        answers, pid = start, docker_daemon.own_pid(wanted["pid_file"])
    return {
        "changed": start or stop,
        "answers": answers,
        "pid": pid,
        "systemd": os.path.isdir("/run/systemd/system"),  # as sd_booted(3) tells it
        "sdk": importlib.util.find_spec("docker") is not None,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "socket": {"type": "path", "default": "/run/docker.sock"},
            "pid_file": {"type": "path", "default": "/run/gpu-fleet/dockerd.pid"},
            "log_file": {"type": "path", "default": "/var/log/gpu-fleet/dockerd.log"},
            "data_root": {"type": "str", "default": ""},
            "timeout": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    run_module(module, ensure)


if __name__ == "__main__":
    main()
