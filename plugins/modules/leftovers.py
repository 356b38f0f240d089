#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists or removes what stays on a host when its groups are gone; a thin shell around `_host/leftovers.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: leftovers
short_description: List or remove what stays on a host when its groups are gone
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Volumes with this host's label, images that were built or bootstrapped here and that no container uses, and the
    directories named, on every engine that answers.
  - The directories stay as long as any container of ours exists on this host, because hosts that share an engine share them.
    They also stay while an engine that is installed does not answer, because it may have some.
  - Containers and networks are removed by M(gpu_fleet.containers.container_groups) with O(gpu_fleet.containers.container_groups#module:state=absent).
options:
  host:
    description:
      - Name of the host in the inventory.
    type: str
    required: true
  directories:
    description:
      - Directories on the host that belong to the fleet as a whole.
      - For C(/var/lib/gpu-fleet) and C(/var/cache/gpu-fleet), which a user other than root cannot write, that user's own
        below C(~/.local/share) and C(~/.cache) are meant.
      - They are left alone where O(engine_url) leads to another machine; none of them is that host's.
    type: list
    elements: path
    default: []
  state:
    description:
      - V(listed) only says what there is, V(absent) removes it.
    type: str
    choices: [listed, absent]
    default: listed
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.engine
  - gpu_fleet.containers.engine_tls
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
- name: See what is left
  gpu_fleet.containers.leftovers:
    host: "{{ inventory_hostname }}"
    directories: [/var/lib/gpu-fleet]
"""

RETURN = r"""
volumes:
  description: Names of volumes, by engine.
  type: dict
  returned: success
images:
  description: References of images, by engine.
  type: dict
  returned: success
directories:
  description: Bytes in each directory that exists.
  type: dict
  returned: success
in_use:
  description:
    - Containers of ours that still exist and units that start groups at boot, of whatever inventory host, and engines that
      are installed and do not answer.
    - While there are any, directories stay.
  type: list
  elements: str
  returned: success
elsewhere:
  description: Whether only the engine of this host is reached, so that nothing else on it is ours.
  type: bool
  returned: success
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._boot.systemd import systemd_here
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import Engine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker_url import Tls, is_elsewhere
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.open import is_installed, open_engine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import leftovers
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.directories import own_directory
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.arguments import ENGINE, ENGINE_TLS
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def look(module: AnsibleModule) -> dict:
    elsewhere = is_elsewhere(module.params["engine_url"])
    directories = [] if elsewhere else [own_directory(path) for path in module.params["directories"]]
    wanted = {**module.params, "directories": directories}
    leftovers.check_directories(wanted["directories"])
    remove = wanted["state"] == "absent" and not module.check_mode
    engines, silent = _engines(wanted["engine"], wanted["engine_url"], Tls.from_dict(wanted["engine_tls"]))
    result: dict = {"volumes": {}, "images": {}, "in_use": silent, "elsewhere": elsewhere}
    for engine in engines:
        observed = engine.observe()
        result["volumes"][engine.name] = leftovers.volumes_of(wanted["host"], observed)
        result["images"][engine.name] = leftovers.made_images(observed)
        result["in_use"] += leftovers.ours_still_there(observed)
        if remove:
            leftovers.remove(engine, result["volumes"][engine.name], result["images"][engine.name])
    units = systemd_here()
    if not elsewhere and units.has_groups():
        # What they run at boot lies in one of the directories.
        result["in_use"].append(f"units of groups in {units.units}: run teardown.yml")
    result["directories"] = {path: leftovers.size(path) for path in wanted["directories"] if os.path.isdir(path)}
    if remove and not result["in_use"]:
        leftovers.remove_directories(wanted["directories"])
    going = {} if result["in_use"] else result["directories"]
    there = [*result["volumes"].values(), *result["images"].values(), going]
    return {**result, "changed": wanted["state"] == "absent" and any(there)}


def _engines(name: str, url: str, tls: Tls | None) -> tuple[list[Engine], list[str]]:
    """The host's engine and the other one as far as they answer, and what is to be said of those that do not.

    Only one that is not installed counts as empty.
    """
    engines, silent = [], []
    for each in (name,) if is_elsewhere(url) else ("podman", "docker"):
        address = url if each == name else ""
        try:
            engines.append(open_engine(each, address, tls if address else None))
        except EngineError as error:
            if address or is_installed(each) or leftovers.keeps_ours(each):
                silent.append(f"{each}, which does not answer and may have containers: {error}")
    return engines, silent


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "directories": {"type": "list", "elements": "path", "default": []},
            "state": {"type": "str", "choices": ["listed", "absent"], "default": "listed"},
            **ENGINE,
            **ENGINE_TLS,
        },
        supports_check_mode=True,
    )
    run_module(module, look)


if __name__ == "__main__":
    main()
