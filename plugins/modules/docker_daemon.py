#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's Docker daemon: looked at, brought to its daemon.json, started and stopped where no init system does it.

A thin shell around `_host/docker_daemon.py`, `docker_running.py` and `docker_settings.py`.
"""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon
short_description: Bring a host's Docker daemon to its settings, or run one without an init system
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Tells a running daemon to take what C(daemon.json) says now. Settings that a reload takes are reloaded; others need a
    restart, which stops containers unless live restore is on, so that it is held back while some run.
  - Where no init system does it, starts C(dockerd) in the background, with a pid file and a log file, and waits until it
    answers. Where systemd runs, starting is the business of M(ansible.builtin.systemd_service).
  - An engine that answers on the socket already is left alone, whoever started it.
options:
  state:
    description:
      - V(seen) only looks, and notes below C(/run) what the running daemon loaded of O(config). Do this before the file is
        changed; then it is known afterwards which keys the daemon lacks.
      - V(current) reloads or restarts a running daemon that lacks something of O(config), as O(restart) allows.
      - V(started) starts a daemon when none answers.
      - V(stopped) ends only the daemon that was started with O(pid_file).
    type: str
    choices: [seen, current, started, stopped]
    default: started
  config:
    description:
      - The daemon's settings file.
    type: path
    default: /etc/docker/daemon.json
  settings:
    description:
      - Settings that are to go into O(config), for V(seen) to refuse those that clash with how the service starts
        C(dockerd).
    type: dict
    default: {}
  changes:
    description:
      - Dotted keys that would change, for V(current) in check mode, where O(config) is as it was.
    type: list
    elements: str
    default: []
  looks_for:
    description:
      - Files that the daemon looks for when it starts, and never again, such as a hook on its PATH. For V(current), one that
        came after the daemon started makes a restart due.
    type: list
    elements: path
    default: []
  restart:
    description:
      - V(idle) restarts only when no running container would stop, V(always) also then, V(never) not at all.
      - What is held back is said in RV(due) on every call until it is done.
    type: str
    choices: [idle, always, never]
    default: idle
  service:
    description:
      - The daemon's unit under systemd.
    type: str
    default: docker.service
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

- name: Know what the daemon has before its file is changed
  gpu_fleet.containers.docker_daemon:
    state: seen

- name: Log to the journal
  gpu_fleet.containers.settings_file:
    path: /etc/docker/daemon.json
    format: json
    settings:
      log-driver: journald

- name: Reload or restart Docker, unless containers would stop
  gpu_fleet.containers.docker_daemon:
    state: current
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
  description: The daemon's process; empty when none runs that this module could tell.
  type: int
  returned: success
validates:
  description: Whether C(dockerd --validate) is there to check a settings file.
  type: bool
  returned: O(state=seen)
flags:
  description: With which flags the service starts C(dockerd).
  type: list
  elements: str
  returned: O(state=seen)
action:
  description: What was done, or would be, of V(reload) and V(restart).
  type: list
  elements: str
  returned: O(state=current)
keys:
  description: Keys of O(config) that the daemon lacked.
  type: list
  elements: str
  returned: O(state=current)
late:
  description: Files of O(looks_for) that came after the daemon started.
  type: list
  elements: str
  returned: O(state=current)
due:
  description: Which restart is held back, what it would stop, and how to have it. Empty when nothing stays undone.
  type: str
  returned: O(state=current)
not_back:
  description: Containers of other owners that ran before a restart and do not now. Ours were started again.
  type: list
  elements: str
  returned: O(state=current)
"""

import importlib.util
import os
from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import (
    docker_daemon,
    docker_running,
    docker_settings,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def ensure(module: AnsibleModule) -> dict:
    state = module.params["state"]
    result = {
        "answers": docker_daemon.answers(module.params["socket"]),
        "systemd": os.path.isdir("/run/systemd/system"),  # as sd_booted(3) tells it
        "sdk": importlib.util.find_spec("docker") is not None,
    }
    result["pid"] = _pid(module, result["systemd"])
    if state == "seen":
        return {**result, **_seen(module, result)}
    if state == "current":
        return {**result, **_current(module, result)}
    return {**result, **_started_or_stopped(module, result)}


def _pid(module: AnsibleModule, systemd: bool) -> int | None:
    own = docker_daemon.own_pid(module.params["pid_file"])
    if own is None and systemd:
        return docker_running.service_pid(module.params["service"])
    return own


def _seen(module: AnsibleModule, found: dict) -> dict:
    wanted = module.params
    exec_start = docker_running.show(wanted["service"], "ExecStart") if found["systemd"] else ""
    flags = docker_settings.unit_flags(exec_start)
    if docker_settings.hosts_clash(wanted["settings"], flags):
        raise InputError(
            f"{wanted['service']} starts dockerd with -H, and dockerd refuses to start when daemon.json has hosts as well",
            "docker_daemon_settings.hosts",
            f"Leave hosts out, or put a drop-in with an empty ExecStart= and one without -H below "
            f"/etc/systemd/system/{wanted['service']}.d first.",
        )
    daemon = docker_running.process(found["pid"]) if found["pid"] else None
    if daemon and not module.check_mode:
        loaded = docker_running.loaded(daemon, wanted["config"])
        if loaded is not None:
            docker_running.remember(daemon, loaded)
    return {"flags": flags, "validates": docker_running.validates()}


def _current(module: AnsibleModule, found: dict) -> dict:
    wanted = module.params
    daemon = docker_running.process(found["pid"]) if found["pid"] else None
    if daemon is None or not found["answers"]:
        return {"action": [], "keys": [], "late": [], "due": "", "not_back": []}
    settings = docker_running.read_settings(wanted["config"])
    loaded = docker_running.loaded(daemon, wanted["config"])
    need = docker_settings.needed(loaded, settings)
    if module.check_mode and wanted["changes"]:
        need = docker_settings.foreseen(wanted["changes"])
    need = replace(need, late=docker_running.late(daemon, wanted["looks_for"]))
    decision = _decide(wanted, need, settings)
    action = [name for name in ("reload", "restart") if getattr(decision, name)]
    not_back: list[str] = []
    if action and not module.check_mode:
        if decision.reload:
            docker_running.reload(daemon)
            docker_running.remember(daemon, docker_settings.after_reload(loaded or {}, settings, need))
        if decision.reload and decision.restart:
            docker_running.await_live_restore(module.params["socket"])
        if decision.restart:
            not_back = _restart(module, found)
    if decision.due:
        module.warn(decision.due)
    return {
        "changed": bool(action),
        "action": action,
        "keys": [*need.by_reload, *need.by_restart],
        "late": list(need.late),
        "due": decision.due,
        "not_back": not_back,
    }


def _decide(wanted: dict, need: docker_settings.Need, settings: dict) -> docker_settings.Decision:
    if not need.restart:
        return docker_settings.decide(need, wanted["restart"], False, ())
    running = list(docker_running.running(wanted["socket"]).values())
    live = docker_running.live_restore(wanted["socket"])
    if "live-restore" in need.by_reload:
        live = bool(settings.get("live-restore"))
    return docker_settings.decide(need, wanted["restart"], live, running)


def _restart(module: AnsibleModule, found: dict) -> list[str]:
    wanted = module.params
    before = docker_running.running(wanted["socket"])
    own = docker_daemon.own_pid(wanted["pid_file"])
    if own is not None:
        docker_daemon.stop(own, wanted["timeout"])
        _start(wanted)
    elif found["systemd"]:
        docker_running.restart_service(wanted["service"], wanted["socket"], wanted["timeout"])
    else:
        raise EngineError("Docker was not started by us, and no systemd runs here", mend="Restart it by hand.")
    return docker_running.bring_back(wanted["socket"], before)


def _started_or_stopped(module: AnsibleModule, found: dict) -> dict:
    wanted = module.params
    own = docker_daemon.own_pid(wanted["pid_file"])
    start = wanted["state"] == "started" and not found["answers"]
    stop = wanted["state"] == "stopped" and own is not None
    changed = {"changed": start or stop}
    if module.check_mode or not changed["changed"]:
        return changed
    if start:
        _start(wanted)
    elif own is not None:
        docker_daemon.stop(own, wanted["timeout"])
    return {**changed, "answers": start, "pid": docker_daemon.own_pid(wanted["pid_file"])}


def _start(wanted: dict) -> None:
    docker_daemon.start(
        wanted["socket"], wanted["pid_file"], wanted["log_file"], wanted["data_root"], wanted["timeout"]
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["seen", "current", "started", "stopped"], "default": "started"},
            "config": {"type": "path", "default": "/etc/docker/daemon.json"},
            "settings": {"type": "dict", "default": {}},
            "changes": {"type": "list", "elements": "str", "default": []},
            "looks_for": {"type": "list", "elements": "path", "default": []},
            "restart": {"type": "str", "choices": list(docker_settings.MODES), "default": "idle"},
            "service": {"type": "str", "default": "docker.service"},
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
