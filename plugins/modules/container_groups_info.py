#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs of the container groups of one host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_groups_info
short_description: Report the observed state of a host's container groups
version_added: 0.1.0
description:
  - Lists the containers that belong to an inventory host, with state, health, image, ports and the GPU access that each was given.
  - Can run the health checks now instead of reporting what the engine saw last, and commands inside the containers, such as a link's check.
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
options:
  host:
    description:
      - Inventory name of the host whose groups are meant.
    type: str
    required: true
  health:
    description:
      - Run every health check now. A Podman host without systemd has no timers, so its recorded health is as old as the last check.
    type: bool
    default: false
  commands:
    description:
      - Commands to run inside containers, all at the same time.
    type: list
    elements: dict
    default: []
    suboptions:
      group:
        description:
          - Group of the container.
        type: str
        required: true
      service:
        description:
          - Service of the container.
        type: str
        required: true
      argv:
        description:
          - The command as a list of words; no shell is used.
        type: list
        elements: str
        required: true
      timeout:
        description:
          - Seconds the command may take.
        type: float
        default: 30.0
extends_documentation_fragment:
  - gpu_fleet.containers.attributes.read_only
  - gpu_fleet.containers.engine
attributes:
  platform:
    platforms: posix
    support: full
    description: Target operating systems it works on.
"""

EXAMPLES = r"""
- name: What runs here
  gpu_fleet.containers.container_groups_info:
    host: "{{ inventory_hostname }}"
    health: true
  register: info

- name: Every container must be healthy
  ansible.builtin.assert:
    that: info.services | rejectattr('health', 'in', ['healthy', 'none']) | list | length == 0
"""

RETURN = r"""
services:
  description: One entry for each container of this host, sorted by group and service.
  returned: always
  type: list
  elements: dict
  contains:
    group:
      description: Name of the container group.
      type: str
      returned: always
    service:
      description: Name of the service.
      type: str
      returned: always
    container:
      description: Name of the container.
      type: str
      returned: always
    state:
      description: What the engine says, for example running or exited.
      type: str
      returned: always
    health:
      description: healthy, unhealthy, starting, or none where there is no check.
      type: str
      returned: always
    health_output:
      description: Words of a failing check.
      type: str
      returned: with health=true and a failing check
    image:
      description: Reference the container was made from.
      type: str
      returned: always
    gpu:
      description: Stack, mode and reason of the access it was given; null when it asked for no GPU.
      type: dict
      returned: always
commands:
  description: The commands with their exit status (C(rc)) and output, in the order given.
  returned: always
  type: list
  elements: dict
volumes:
  description: Names of this host's volumes.
  returned: always
  type: list
  elements: str
"""

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import Engine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.open import open_engine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.owned import deployed_config, owned_by
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.teardown import summary
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.arguments import ENGINE
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module

_ARGUMENTS = {
    "host": {"type": "str", "required": True},
    "health": {"type": "bool", "default": False},
    "commands": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "group": {"type": "str", "required": True},
            "service": {"type": "str", "required": True},
            "argv": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "float", "default": 30.0},
        },
    },
    **ENGINE,
}


def _run(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    engine = open_engine(params["engine"], params["engine_url"])
    owned = owned_by(params["host"], engine.observe())
    services = summary(owned)
    with ThreadPoolExecutor(max_workers=8) as pool:
        if params["health"]:
            checks = {
                (entry["group"], entry["service"]): deployed_config(owned.current[entry["group"], entry["service"]])
                for entry in services
            }
            list(pool.map(lambda entry: _ask_health(engine, entry, checks), services))
        commands = list(pool.map(lambda command: _run_in(engine, owned, command), params["commands"]))
    return {"services": services, "commands": commands, "volumes": sorted(owned.volumes)}


def _ask_health(engine: Engine, entry: dict[str, t.Any], configs: dict[tuple[str, str], t.Any]) -> None:
    if entry["state"] != "running":
        return
    config = configs[entry["group"], entry["service"]]
    answer = engine.check_health(entry["container"], config.healthcheck if config else None)
    entry["health"] = "none" if answer is None else "healthy" if answer.healthy else "unhealthy"
    if answer is not None and not answer.healthy:
        entry["health_output"] = answer.output.strip()[-400:]


def _run_in(engine: Engine, owned: t.Any, command: dict[str, t.Any]) -> dict[str, t.Any]:
    container = owned.current.get((command["group"], command["service"]))
    if container is None or container.state != "running":
        return {**command, "rc": None, "output": "the container does not run"}
    try:
        status, output = engine.run_in(container.name, command["argv"], command["timeout"])
    except EngineError as error:
        return {**command, "rc": None, "output": str(error)}
    return {**command, "rc": status, "output": output}


def main() -> None:
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    run_module(module, _run)


if __name__ == "__main__":
    main()
