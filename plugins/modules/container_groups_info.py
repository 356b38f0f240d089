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
  - Looks at both engines, so that what still runs on the other one is seen too.
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
  gpu:
    description:
      - Ask inside every running container that was given a GPU whether it sees it, as a deploy did when the container started.
    type: bool
    default: false
  groups:
    description:
      - With O(gpu), the groups as M(gpu_fleet.containers.fleet_plan) returns them. What a container must see is then what the plan
        says of it now; without them, and for what they do not name, what it was promised when it was made.
    type: list
    elements: dict
    default: []
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
  links:
    description:
      - Links to ask, as M(gpu_fleet.containers.fleet_plan) returns them for each host.
      - A link with a check is asked by running it inside the consuming container. Otherwise a published port is asked from the host.
    type: list
    elements: dict
    default: []
    suboptions:
      group:
        description:
          - Group of the consuming container.
        type: str
        required: true
      service:
        description:
          - The consuming service.
        type: str
        required: true
      variable:
        description:
          - Name of the link.
        type: str
        required: true
      url:
        description:
          - What the container was given.
        type: str
        required: true
      published:
        description:
          - Whether the link goes through a published port of a host.
        type: bool
        default: false
      check:
        description:
          - Command inside the container that exits 0 when the link answers. C(p50_ms) and C(p99_ms) are taken from a JSON line that it prints.
        type: list
        elements: str
        default: []
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.attributes.read_only
  - gpu_fleet.containers.engine
  - gpu_fleet.containers.engine_tls
attributes:
  platform:
    support: full
    platforms: linux
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
  description: One entry for each container of this host on either engine, sorted by group and service.
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
    engine:
      description: The engine that has it, podman or docker. Not O(engine) for what has not moved there yet.
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
      description: Stack and mode of the access it was given; null when it asked for no GPU. Why this one, the fleet plan says.
      type: dict
      returned: always
      contains:
        stack:
          description: The GPU stack; cpu where it was given none.
          type: str
          returned: always
        mode:
          description: cdi, nvidia-runtime, explicit or none.
          type: str
          returned: always
        seen:
          description:
            - What the container sees of it. C(verdict) is seen, not seen, or not verified (with the C(reason)); C(words) says it in a line.
            - C(by) is the library or tool that named the C(devices); where nothing in the image could, it is the C(nodes) that were opened.
            - Each of C(findings) has level, code, message, probe, evidence and mend. Their level is error where the group does not
              allow the CPU.
          type: dict
          returned: with gpu=true and a GPU that was given
          sample:
            verdict: not seen
            words: "not seen: libvulkan.so.1 shows only llvmpipe, which is software"
            by: ""
            devices: []
            nodes: [/dev/dri/renderD128]
            findings: []
            reason: ""
            torch: ""
commands:
  description: The commands with their exit status (C(rc)) and output, in the order given.
  returned: always
  type: list
  elements: dict
links:
  description: The links with C(answered) (null when nothing could ask), C(reason), and round trips in milliseconds where known.
  returned: always
  type: list
  elements: dict
boot:
  description:
    - By group, the state of the systemd unit that starts it at boot, where it has one (C(container_supervisor=systemd)).
    - C(activating) waits for what the group needs, or is tried again soon; C(failed) was given up.
  returned: always
  type: dict
  sample: {core-services: active, memory-system: activating}
volumes:
  description: Names of this host's volumes on O(engine).
  returned: always
  type: list
  elements: str
"""

import json
import math
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.systemd import systemd_here
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import Engine, Health
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker_url import Tls, is_elsewhere
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.open import open_engine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    GpuPromise,
    Group,
    from_dict,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.links import ask, can_be_asked
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.owned import (
    Owned,
    deployed_config,
    deployed_promise,
    owned_by,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.teardown import summary
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.arguments import ENGINE, ENGINE_TLS
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.engines import other_engines
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module

_LINK_TRIES = 20
_LINK_TIMEOUT = 60.0

_ARGUMENTS = {
    "host": {"type": "str", "required": True},
    "health": {"type": "bool", "default": False},
    "gpu": {"type": "bool", "default": False},
    "groups": {"type": "list", "elements": "dict", "default": []},
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
    "links": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "group": {"type": "str", "required": True},
            "service": {"type": "str", "required": True},
            "variable": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "published": {"type": "bool", "default": False},
            "check": {"type": "list", "elements": "str", "default": []},
        },
    },
    **ENGINE,
    **ENGINE_TLS,
}


def _run(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    with ThreadPoolExecutor(max_workers=8) as pool:
        (engine, owned), *others = _look(params, pool)
        found = [(place, seen, entry) for place, seen in ((engine, owned), *others) for entry in summary(seen)]
        for place, _seen, entry in found:
            entry["engine"] = place.name
        if params["health"]:
            list(pool.map(lambda each: _ask_health(*each), found))
        if params["gpu"]:
            promises = _promises(params["groups"])
            list(pool.map(lambda each: _ask_gpu(*each, promises), found))
        commands = list(pool.map(lambda command: _run_in(engine, owned, command), params["commands"]))
        links = list(pool.map(lambda link: _ask_link(engine, owned, link), params["links"]))
    services = sorted((entry for _place, _seen, entry in found), key=lambda entry: (entry["group"], entry["service"]))
    boot = {} if is_elsewhere(params["engine_url"]) else _start_states(params["host"])
    volumes = sorted(owned.volumes)
    return {"services": services, "commands": commands, "links": links, "volumes": volumes, "boot": boot}


def _start_states(host: str) -> dict[str, str]:
    systemd = systemd_here()
    if not systemd.has_groups():
        return {}
    # Here, as most hosts have no units of groups.
    from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.apply import start_states

    return start_states(host, systemd)


def _look(params: dict[str, t.Any], pool: ThreadPoolExecutor) -> list[tuple[Engine | None, Owned]]:
    """The engine that is asked for, then the other one, each with what it has of this host.

    None stands for one that does not answer (that was left, say) while the other has containers of this host.
    """

    def look(engine: Engine) -> tuple[Engine, Owned]:
        return engine, owned_by(params["host"], engine.observe())

    others = other_engines(params["engine"], params["engine_url"])
    try:
        engine = open_engine(params["engine"], params["engine_url"], Tls.from_dict(params["engine_tls"]))
    except EngineError:
        found = list(pool.map(look, others))
        if not any(owned.current for _engine, owned in found):
            raise
        return [(None, Owned()), *found]
    return list(pool.map(look, [engine, *others]))


def _ask_health(engine: Engine, owned: Owned, entry: dict[str, t.Any]) -> None:
    if entry["state"] != "running":
        return
    config = deployed_config(owned.current[entry["group"], entry["service"]])
    try:
        answer = engine.check_health(entry["container"], config.healthcheck if config else None)
    except EngineError as error:  # it went between the list and the question
        answer = Health(False, str(error))
    entry["health"] = "none" if answer is None else "healthy" if answer.healthy else "unhealthy"
    if answer is not None and not answer.healthy:
        entry["health_output"] = answer.output.strip()[-400:]


def _promises(groups: list[dict[str, t.Any]]) -> dict[tuple[str, str], GpuPromise]:
    """(group, service) → what the plan says that it must see."""
    return {
        (group.name, service.name): service.promise
        for group in (from_dict(Group, data) for data in groups)
        for service in group.services
        if service.promise is not None
    }


def _ask_gpu(
    engine: Engine, owned: Owned, entry: dict[str, t.Any], promises: dict[tuple[str, str], GpuPromise]
) -> None:
    if entry["gpu"] is None or entry["gpu"]["stack"] == "cpu" or entry["gpu"]["mode"] == "network":
        return
    # Here, as most questions are not about GPUs.
    from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_check import unverified
    from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.gpu_look import look

    key = (entry["group"], entry["service"])
    promise = promises.get(key) or deployed_promise(owned.current[key])
    if entry["state"] != "running":
        seen = unverified("it does not run")
    elif promise is None:
        seen = unverified("what it was promised is not known: it was made by an earlier release, or by hand")
    else:
        try:
            seen = look(engine, entry["container"], promise)
        except EngineError as error:  # it went between the list and the question
            seen = unverified(str(error))
    entry["gpu"]["seen"] = seen.as_data()


def _run_in(engine: Engine | None, owned: Owned, command: dict[str, t.Any]) -> dict[str, t.Any]:
    container = owned.current.get((command["group"], command["service"]))
    if engine is None or container is None or container.state != "running":
        return {**command, "rc": None, "output": "the container does not run"}
    try:
        status, output = engine.run_in(container.name, command["argv"], command["timeout"])
    except EngineError as error:
        return {**command, "rc": None, "output": str(error)}
    return {**command, "rc": status, "output": output}


def _ask_link(engine: Engine | None, owned: Owned, link: dict[str, t.Any]) -> dict[str, t.Any]:
    if link["check"]:
        answer = _run_in(engine, owned, {**link, "argv": link["check"], "timeout": _LINK_TIMEOUT})
        return {
            **link,
            "answered": answer["rc"] == 0,
            "reason": answer["output"].strip()[-400:],
            **_figures(answer["output"]),
        }
    if not link["published"]:
        return {**link, "answered": None, "reason": "it has no check, and its network is not reached from the host"}
    if not can_be_asked(link["url"]):
        return {
            **link,
            "answered": None,
            "reason": "it has no check, and nobody knows whether an address of UDP answers",
        }
    answers = []
    while len(answers) < _LINK_TRIES:
        answers.append(ask(link["url"]))
        if answers[-1].silent:
            break
    good = sorted(answer.round_trip * 1000 for answer in answers if answer.answered)
    bad = [answer.reason for answer in answers if not answer.answered]
    if bad:
        return {**link, "answered": False, "reason": f"{len(bad)} of {len(answers)} tries: {bad[0]}"}
    figures = {} if answers[-1].silent else percentiles(good)
    return {**link, "answered": True, "reason": answers[-1].reason, **figures}


def _figures(output: str) -> dict[str, float]:
    """Round trips from the JSON line that a check may print."""
    for line in reversed(output.splitlines()):
        try:
            data = json.loads(line)
        except ValueError:
            continue
        if isinstance(data, dict):
            return {key: float(data[key]) for key in ("p50_ms", "p99_ms") if isinstance(data.get(key), (int, float))}
    return {}


def percentiles(ordered: list[float]) -> dict[str, float]:
    """p50 and p99 (nearest rank) of a sorted, non-empty list."""
    return {
        f"{name}_ms": round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def main() -> None:
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    run_module(module, _run)


if __name__ == "__main__":
    main()
