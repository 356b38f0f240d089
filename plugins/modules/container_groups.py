#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring all container groups of one host to the plan, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_groups
short_description: Bring the container groups of a host to the plan
version_added: 0.1.0
description:
  - Compares the container groups that a host should run with what its engine runs, and carries out the difference in one call.
    Creates, starts, updates, makes anew and removes containers, networks and volumes.
  - Services start concurrently, each as soon as what it depends on is healthy. Health checks are run actively.
  - A container that was given a GPU is asked for it from inside as soon as it runs, by what its image has (Python, a shell, or a
    vendor's tool). One that does not see it fails like one that is not healthy, unless its group allows the CPU. The question is asked
    as the container's own user and makes no context on the GPU.
  - A group is all new or all old. When one service does not become healthy, every member of its group is brought back.
  - Only objects that carry this host's ownership labels are changed. A container of another owner under a name that is needed is refused.
  - The desired state comes from M(gpu_fleet.containers.fleet_plan). The playbook C(gpu_fleet.containers.deploy) puts both together.
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
options:
  plan:
    description:
      - This host's part of what M(gpu_fleet.containers.fleet_plan) returned, for example C(fleet.hosts[inventory_hostname]).
      - It stands for O(engine), O(engine_url), O(engine_tls), O(groups), O(images), O(adopt), O(state_dir), O(supervisor) and
        O(boot_wait). O(secrets) are filled from the variable C(container_secrets) and the controller's files, as the plan says.
    type: dict
  asked:
    description:
      - With O(plan), what the same task answered in check mode a moment ago. Saves asking the host once more.
    type: dict
  host:
    description:
      - Inventory name of the host. It is part of the ownership labels, so several inventory hosts can share one engine.
      - Without it, the host that the task runs for.
    type: str
  groups:
    description:
      - All groups of this host, in the form in which M(gpu_fleet.containers.fleet_plan) returns them.
    type: list
    elements: dict
    default: []
  only:
    description:
      - Names of the groups to act on. All when this is not set.
    type: list
    elements: str
  prune:
    description:
      - Remove groups of this host that are not in O(groups) any more. Their volumes stay.
    type: bool
    default: false
  images:
    description:
      - Images of the plan by key, in the form in which M(gpu_fleet.containers.fleet_plan) returns them.
    type: dict
    default: {}
  secrets:
    description:
      - Secret values by the key that the groups name them by. They are written to files that only the container's user can read.
    type: dict
    default: {}
  state:
    description:
      - V(present) brings the groups to the plan.
      - V(absent) removes this host's groups (those in O(only), or all) with their networks, on both engines.
    type: str
    choices: [present, absent]
    default: present
  remove_volumes:
    description:
      - With O(state=absent), remove the named volumes and their data too.
    type: bool
    default: false
  adopt:
    description:
      - Take over containers, networks and volumes of another owner whose names are needed.
    type: bool
    default: false
  state_dir:
    description:
      - Directory on the host for staged files, secrets and the lock.
      - For the default, a user other than root who cannot write there gets C($XDG_DATA_HOME/gpu-fleet) or
        C(~/.local/share/gpu-fleet).
    type: path
    default: /var/lib/gpu-fleet
  supervisor:
    description:
      - Who keeps the containers up. V(engine) does it by its own restart policies, and starts everything at once at boot.
      - With V(systemd) units of this host start the groups at boot in the order of the plan, each when what it needs is
        healthy. With Podman (5.0 or newer) every container is a Quadlet unit; with Docker every group is one unit.
    type: str
    choices: [engine, systemd]
    default: engine
  boot_wait:
    description:
      - How many seconds a group waits at boot for what it needs on other hosts, before it is started without them.
    type: float
    default: 300
  files_archive:
    description:
      - Tar file on the host with staged content that RV(missing_files) named. The action plugin sends it.
    type: path
  events:
    description:
      - File on the host to which progress is appended as JSON lines. The action plugin reads it.
    type: path
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.engine
  - gpu_fleet.containers.engine_tls
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
seealso:
  - module: gpu_fleet.containers.fleet_plan
  - module: gpu_fleet.containers.container_groups_info
"""

EXAMPLES = r"""
# The playbook gpu_fleet.containers.deploy does all of this, installs missing engines and orders groups across hosts.
- name: Bring every host to the plan
  hosts: all
  gather_facts: false
  tasks:
    - name: Look at the host
      gpu_fleet.containers.gpu_facts:
      register: gpu_fleet_facts

    - name: Plan the fleet
      gpu_fleet.containers.fleet_plan:
      register: fleet
      run_once: true

    - name: Compare with what runs
      gpu_fleet.containers.container_groups:
        plan: "{{ fleet.hosts[inventory_hostname] }}"
      check_mode: true
      changed_when: false
      register: asked

    - name: Build or pull the images that are missing
      gpu_fleet.containers.image_build:
        engine: "{{ fleet.hosts[inventory_hostname].engine }}"
        images: "{{ asked.missing_images | map('extract', fleet.hosts[inventory_hostname].images) }}"
      when: asked.missing_images | length > 0

    - name: Bring this host to the plan
      gpu_fleet.containers.container_groups:
        plan: "{{ fleet.hosts[inventory_hostname] }}"

# A playbook of its own.
- name: Take every group of these hosts away, keep the data
  hosts: retired
  gather_facts: false
  tasks:
    - name: Remove the groups
      gpu_fleet.containers.container_groups:
        engine: podman
        state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, to each container.
  returned: with state=present
  type: list
  elements: dict
  sample:
    - action: recreate
      group: core-services
      service: request-coordinator
      container: core-services-request-coordinator-1
      reason: "environment.LOG_LEVEL: 'info' → 'debug'"
      changes: [{path: environment.LOG_LEVEL, before: info, after: debug}]
due:
  description: Names of the groups for which a run has anything to do, be it only to ask a container for its health.
  returned: with state=present
  type: list
  elements: str
leaving:
  description: Names of groups that O(prune) removes.
  returned: with state=present
  type: list
  elements: str
groups:
  description:
    - By group, its C(status) (unchanged, changed, would change, failed, blocked), an error, and how it was rolled back.
    - C(gpu) says for each service that was asked in this run what it sees of the GPU it was given, in the form of
      M(gpu_fleet.containers.container_groups_info).
  returned: with state=present
  type: dict
  sample:
    language-processing:
      status: changed
      services: {text-processor: create}
      gpu:
        text-processor:
          verdict: seen
          words: NVIDIA GeForce RTX 4090 seen
          by: libcuda.so.1
          devices: [{name: NVIDIA GeForce RTX 4090, uuid: GPU-1f3c6bd2-0c5a-4b1e-9c55-7d9f1c2a3b4d, memory_bytes: 25756696576}]
          nodes: [/dev/nvidia0]
          findings: []
          reason: ""
          torch: ""
images:
  description: By key, the image's reference on this engine and why it is, or is not, there.
  returned: with state=present
  type: dict
missing_images:
  description: Keys of images that have to be staged first.
  returned: with state=present
  type: list
  elements: str
missing_files:
  description: Hashes of staged content that the host does not have.
  returned: with state=present
  type: list
  elements: str
moving:
  description: Groups that run on the other engine now, with its name.
  returned: with state=present
  type: dict
left_behind:
  description: Volumes of this host that lie on another engine.
  returned: with state=present
  type: dict
boot_units:
  description:
    - Files of systemd that start the groups at boot in the order of the plan, C(written) and C(removed). There are some
      with O(supervisor=systemd).
  returned: with state=present
  type: dict
  sample:
    written: [/etc/systemd/system/gpu-fleet-mainpc-core-services.service, /var/lib/gpu-fleet/boot/mainpc-core-services.json]
    removed: []
networks:
  description: Networks that are made.
  returned: with state=present
  type: list
  elements: str
volumes:
  description: Volumes that are made.
  returned: with state=present
  type: list
  elements: str
removed:
  description: Names of removed containers, networks and volumes.
  returned: with state=absent
  type: dict
kept:
  description: Volumes that were kept.
  returned: with state=absent
  type: dict
  contains:
    volumes:
      description: Their names by the engine that has them; an engine without any is left out.
      type: dict
      returned: always
      sample: {podman: [core-services_data]}
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.systemd import systemd_here
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import Engine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker_url import (
    Tls,
    default_socket,
    is_elsewhere,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.open import is_installed, open_engine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import Group, from_dict
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.reconcile import Request, reconcile
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.teardown import tear_down
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.directories import own_directory
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import from_dict as image_from_dict
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.arguments import ENGINE, ENGINE_TLS
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.engines import other_engines
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.events import Events
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module

if t.TYPE_CHECKING:
    from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.apply import Boot

_ARGUMENTS = {
    "plan": {"type": "dict"},
    "asked": {"type": "dict"},
    "host": {"type": "str"},
    "groups": {"type": "list", "elements": "dict", "default": []},
    "only": {"type": "list", "elements": "str"},
    "prune": {"type": "bool", "default": False},
    "images": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "remove_volumes": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    "state_dir": {"type": "path", "default": "/var/lib/gpu-fleet"},
    "supervisor": {"type": "str", "choices": ["engine", "systemd"], "default": "engine"},
    "boot_wait": {"type": "float", "default": 300.0},
    "files_archive": {"type": "path"},
    "events": {"type": "path"},
    **ENGINE,
    **ENGINE_TLS,
}


def _present(module: AnsibleModule, events: Events) -> dict[str, t.Any]:
    params = module.params
    request = Request(
        host=params["host"],
        groups=tuple(from_dict(Group, group) for group in params["groups"]),
        only=None if params["only"] is None else frozenset(params["only"]),
        prune=params["prune"],
        images=tuple(image_from_dict(spec) for spec in params["images"].values()),
        secrets=params["secrets"],
        adopt=params["adopt"],
        state_dir=params["state_dir"],
        supervisor=params["supervisor"],
        boot_wait=params["boot_wait"],
        files_archive=params["files_archive"] or "",
        local=not is_elsewhere(params["engine_url"]),
        by_api=is_elsewhere(params["engine_url"]),
        check=module.check_mode,
    )
    engine = _engine_to_use(module)
    others = other_engines(params["engine"], params["engine_url"])
    return reconcile(request, engine, others, events, _boot(params, request.groups))


def _boot(params: dict[str, t.Any], groups: t.Sequence[Group]) -> Boot | None:
    """The host's boot files; None where it has none and wants none, or its systemd is on another machine."""
    if is_elsewhere(params["engine_url"]):
        return None
    systemd, folder = systemd_here(), f"{params['state_dir']}/boot"
    if params["supervisor"] != "systemd" and not systemd.has_groups() and not os.path.isdir(folder):
        return None
    # Here, as most hosts have none.
    from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.apply import boot_of

    path = params["engine_url"].partition("://")[2] or default_socket()
    return boot_of(
        params["host"],
        groups,
        params["engine"],
        params["supervisor"],
        params["state_dir"],
        params["boot_wait"],
        systemd,
        path,
    )


def _open(params: dict[str, t.Any], supervisor: str = "") -> Engine:
    return open_engine(params["engine"], params["engine_url"], Tls.from_dict(params["engine_tls"]), supervisor)


def _engine_to_use(module: AnsibleModule) -> Engine | None:
    try:
        return _open(module.params, module.params["supervisor"])
    except EngineError:
        # In check mode deploy.yml has not installed or started the engine: one that is not there is empty.
        if module.check_mode and not module.params["engine_url"] and not is_installed(module.params["engine"]):
            return None
        raise


def _absent(module: AnsibleModule, events: Events) -> dict[str, t.Any]:
    params = module.params
    engines = other_engines(params["engine"], params["engine_url"])
    if is_installed(params["engine"]) or params["engine_url"]:
        engines.insert(0, _open(params))
    only = None if params["only"] is None else frozenset(params["only"])
    return tear_down(
        params["host"],
        engines,
        only,
        params["remove_volumes"],
        params["state_dir"],
        module.check_mode,
        events,
        _boot({**params, "supervisor": "engine"}, ()),
    )


def _run(module: AnsibleModule) -> dict[str, t.Any]:
    if not module.params["host"] or module.params["plan"] is not None:
        # The action plugin turns `plan` into the other options: only it sees the controller's files and secrets.
        raise InputError(
            "container_groups was called without its action plugin", mend="Use it as a task, not by another way."
        )
    module.params["state_dir"] = own_directory(module.params["state_dir"])
    events = Events(module.params["events"] or "")
    try:
        result = _present(module, events) if module.params["state"] == "present" else _absent(module, events)
    finally:
        events.close()
    for text in result.pop("warnings", ()):
        module.warn(text)
    return result


def main() -> None:
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    run_module(module, _run)


if __name__ == "__main__":
    main()
