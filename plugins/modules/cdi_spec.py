#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes, removes and validates CDI specs; a thin shell around `_cdi/plan.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cdi_spec
short_description: Write and validate CDI specs, by which engines give GPUs to containers
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Has a spec of the Container Device Interface (CDI) for a GPU stack of the host, so that a container gets its devices by
    a name such as V(nvidia.com/gpu=all).
  - The spec comes from the vendor's program where that is installed (C(nvidia-ctk), C(amd-ctk),
    C(intel-cdi-specs-generator)). For V(nvidia-wsl), V(rocm), V(intel), V(intel-npu), V(vulkan) and V(videocore) the
    module describes the devices itself where there is no such program.
  - It is written at the lowest version of CDI that carries it, because engines drop a file of a version that they do not
    know without saying so. Numbers of device nodes are left out, so that it also holds after a reboot.
  - Files of others are neither removed nor changed, with one exception, see O(refresh). Where one of them provides the
    devices, nothing is written, and an own file of an earlier run is removed, because the names of two files of one
    directory cancel each other out.
  - A spec is checked before it is written; one that engines would drop, that names what is not on the host, or whose names
    another file would cancel or hide is an error, and nothing is changed.
options:
  state:
    description:
      - V(present) has a usable spec for the stack.
      - V(absent) removes files that this module wrote, that of O(stack) or, without it, all of them. Others stay.
      - V(validated) changes nothing and says in RV(problems) what is wrong with the specs that are there, whoever wrote them.
    type: str
    choices: [present, absent, validated]
    default: present
  stack:
    description:
      - The GPU stack to describe; V(intel-npu) is Intel's neural accelerator.
      - The default is the best ready stack of the host, as M(gpu_fleet.containers.gpu_facts) ranks them. Where that is one
        that needs no spec, such as V(cpu), nothing is done.
    type: str
    choices: [nvidia, nvidia-wsl, nvidia-tegra, rocm, intel, intel-npu, vulkan, videocore]
  directory:
    description:
      - Where the spec is written, as V(gpu-fleet-VENDOR-CLASS.json). It is made when it is missing.
      - The default survives a reboot, and what a vendor's service writes to V(/var/run/cdi) at boot goes before it.
    type: path
    default: /etc/cdi
  directories:
    description:
      - All directories that the engines read, in their order; of the same name in two of them the later one counts.
      - Set it to C(cdi-spec-dirs) of Docker or C(cdi_spec_dirs) of Podman where those were changed.
    type: list
    elements: path
    default: [/etc/cdi, /var/run/cdi]
  max_version:
    description:
      - The newest version of CDI to write, for example V(0.6.0).
      - The default is the newest that all engines of this host read, told by C(dockerd --version) and
        C(podman --version). Engines that read no specs at all do not count.
      - Where it is older than 0.7.0, C(additionalGids) are left out of the spec, with a warning.
    type: str
  tool:
    description:
      - V(auto) uses the vendor's program where it is installed, else the module's own description.
      - V(vendor) insists on the program, V(own) on the module's own description.
    type: str
    choices: [auto, vendor, own]
    default: auto
  refresh:
    description:
      - Whether a file that the vendor's program is known to write (such as V(/etc/cdi/nvidia.yaml) or
        V(/var/run/cdi/nvidia.yaml)) is written anew from that program's answer where it cannot be used as it is (it
        names files of an older driver, or has a version that an engine drops) and would stand in the way of ours.
      - The old file is always kept as a backup. With V(false) this is an error that names the command.
    type: bool
    default: true
  backup:
    description:
      - Keep a copy of an own file that is replaced or removed, with a timestamp in its name. Engines do not read such copies.
    type: bool
    default: false
  timeout:
    description:
      - How long the vendor's program may take, in seconds.
    type: float
    default: 60
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
attributes:
  check_mode:
    support: full
    details: The vendor's program is run; what it prints or writes to a temporary directory is compared.
  diff_mode:
    support: full
  idempotent:
    support: full
    details: The order in which a program lists devices and files does not matter.
  platform:
    support: full
    platforms: linux
seealso:
  - module: gpu_fleet.containers.gpu_facts
notes:
  - Names are V(nvidia.com/gpu) and V(amd.com/gpu) as their programs give them; V(intel.com/gpu=card0) and so on,
    V(intel.com/npu=accel0); V(gpu-fleet.org/dri=renderD128) for V(vulkan) and V(gpu-fleet.org/videocore=renderD128) for
    V(videocore). Each kind also has V(all).
  - To write to V(/etc/cdi) takes root.
"""

EXAMPLES = r"""
- name: Have a CDI spec for the best GPU of each host
  hosts: all
  become: true
  tasks:
    - name: Write it
      gpu_fleet.containers.cdi_spec:

- name: Describe every render node, beside what the vendor's stack has
  hosts: workstations
  become: true
  tasks:
    - name: Write it
      gpu_fleet.containers.cdi_spec:
        stack: vulkan

- name: Fail where a spec is wrong
  hosts: all
  tasks:
    - name: Look at all specs
      gpu_fleet.containers.cdi_spec:
        state: validated
      register: specs
    - name: Nothing may be wrong
      ansible.builtin.assert:
        that: specs.problems | selectattr('level', 'eq', 'error') | length == 0
        fail_msg: "{{ specs.problems | map(attribute='mend') | list }}"

- name: Remove what this module wrote
  hosts: all
  become: true
  tasks:
    - name: Remove it
      gpu_fleet.containers.cdi_spec:
        state: absent
"""

RETURN = r"""
stack:
  description: The stack that was described; empty where none was.
  type: str
  returned: success
  sample: nvidia-wsl
kind:
  description: Vendor and class of its devices.
  type: str
  returned: success
  sample: nvidia.com/gpu
path:
  description: The file that holds the spec; empty where files of others provide the devices, or none is needed.
  type: str
  returned: success
  sample: /etc/cdi/gpu-fleet-nvidia.com-gpu.json
devices:
  description: Names of the devices in the file, as engines take them.
  type: list
  elements: str
  returned: success
  sample: ["nvidia.com/gpu=all"]
cdi_version:
  description: Version of the spec in the file.
  type: str
  returned: success
  sample: 0.3.0
max_version:
  description: The newest version that might be written; empty where no engine limits it.
  type: str
  returned: success
  sample: 0.5.0
engines:
  description: Versions of the engines that were found. Empty where O(max_version) is set.
  type: dict
  returned: success
  sample: {podman: 4.3.1}
made_by:
  description: The program that described the devices, or V(own). Empty where none did.
  type: str
  returned: success
  sample: nvidia-ctk
provided_by:
  description: Files of others that already provide the devices.
  type: list
  elements: str
  returned: success
  sample: [/var/run/cdi/nvidia.yaml]
refreshed:
  description: Whether RV(path) is the vendor's own file, which could not be used and was written anew.
  type: bool
  returned: success
removed:
  description: Files that were removed, all of them written by this module earlier.
  type: list
  elements: str
  returned: success
backup_files:
  description: Copies of what was replaced or removed.
  type: list
  elements: str
  returned: changed
problems:
  description:
    - What is wrong with the specs of O(directories) after the call, whoever wrote them.
  type: list
  elements: dict
  returned: success
  contains:
    level:
      description: V(error), V(warning) or V(info).
      type: str
    code:
      description: V(cdi-unreadable), V(cdi-too-new), V(cdi-stale), V(cdi-conflict), V(cdi-shadowed) or V(cdi-ignored).
      type: str
    message:
      description: What is wrong.
      type: str
    probe:
      description: The file.
      type: str
    evidence:
      description: What in the file, or on the host, says so.
      type: str
    mend:
      description: What mends it.
      type: str
"""

import os
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi import files
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.engines import engine_versions, newest_for
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.kinds import KINDS, is_ours
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.plan import (
    Plan,
    Wish,
    plan_absent,
    plan_present,
    plan_validated,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.tools import run_program
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.versions import full
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.model import plain
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader, Reader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.regular import refuse_other_than_file
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent", "validated"], "default": "present"},
    "stack": {"type": "str", "choices": list(KINDS)},
    "directory": {"type": "path", "default": "/etc/cdi"},
    "directories": {"type": "list", "elements": "path", "default": ["/etc/cdi", "/var/run/cdi"]},
    "max_version": {"type": "str"},
    "tool": {"type": "str", "choices": ["auto", "vendor", "own"], "default": "auto"},
    "refresh": {"type": "bool", "default": True},
    "backup": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 60},
}


def ensure(module: AnsibleModule) -> dict[str, t.Any]:
    reader = HostReader()
    asked = module.params["max_version"]
    versions = {} if asked else engine_versions(reader)
    wish = _wish(module.params, full(asked) if asked else newest_for(versions))
    plan = _plan(module.params["state"], reader, wish)
    for path in plan.changes:
        refuse_other_than_file(path)
    for warning in plan.warnings:
        module.warn(warning)
    wrong_mode = bool(plan.path) and plan.path not in plan.changes and files.mode_of(plan.path) != files.MODE
    result = _result(plan, wish, versions, reader)
    result["changed"] = bool(plan.changes) or wrong_mode
    if wrong_mode:
        before, after = (f"mode: {mode:04o}\n" for mode in (files.mode_of(plan.path), files.MODE))
        result["diff"].append({"before_header": plan.path, "after_header": plan.path, "before": before, "after": after})
    if not module.check_mode:
        result["backup_files"] = _carry_out(module, plan)
        if wrong_mode:
            files.set_mode(plan.path)
    return result


def _wish(parameters: dict[str, t.Any], limit: str | None) -> Wish:
    # /var/run is a link to /run nearly everywhere: one directory by two names would be read twice.
    by_place = {os.path.realpath(path): path.rstrip("/") for path in reversed(parameters["directories"])}
    directory = parameters["directory"].rstrip("/")
    return Wish(
        stack=parameters["stack"] or "",
        directory=by_place.get(os.path.realpath(directory), directory),
        directories=tuple(reversed(by_place.values())),
        limit=limit,
        tool=parameters["tool"],
        refresh=parameters["refresh"],
        timeout=parameters["timeout"],
    )


def _plan(state: str, reader: Reader, wish: Wish) -> Plan:
    if state == "validated":
        return plan_validated(reader, wish)
    if state == "absent":
        return plan_absent(reader, wish)
    with tempfile.TemporaryDirectory(prefix="gpu-fleet-cdi-") as scratch:
        return plan_present(reader, describe(reader), wish, run_program, scratch)


def _result(plan: Plan, wish: Wish, versions: dict[str, str], reader: Reader) -> dict[str, t.Any]:
    return {
        "msg": plan.message,
        "stack": plan.stack,
        "kind": plan.kind,
        "path": plan.path,
        "devices": list(plan.names),
        "cdi_version": plan.version,
        "max_version": wish.limit or "",
        "engines": versions,
        "made_by": plan.tool,
        "provided_by": list(plan.provided_by),
        "refreshed": plan.refreshes,
        "removed": [path for path, text in plan.changes.items() if text is None],
        "problems": plain(plan.problems),
        "diff": [
            {
                "before_header": path,
                "after_header": path,
                "before": reader.file(path) or "",
                "after": text or "",
            }
            for path, text in plan.changes.items()
        ],
    }


def _carry_out(module: AnsibleModule, plan: Plan) -> list[str]:
    """Removals first: beside the new file an old one would cancel its names. Returns the backups."""
    backups = []
    for path, text in sorted(plan.changes.items(), key=lambda item: item[1] is not None):
        if module.params["backup"] or not is_ours(path):
            # backup_local appends «~», so that engines do not take the copy for a spec.
            backups.append(module.backup_local(path))
        if text is None:
            files.remove(path)
        else:
            files.write(path, text)
    return [path for path in backups if path]


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), ensure)


if __name__ == "__main__":
    main()
