# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which roles a host needs, as a filter; a thin shell around `plugin_utils/_needs.py`."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from ansible.errors import AnsibleError
from ansible.utils.display import Display

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import plain
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.inventory import misspelt
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._needs import READ, needs
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._roles import role_variables

DOCUMENTATION = r"""
name: needs
short_description: Tell which roles of this collection a host needs
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Compares what M(gpu_fleet.containers.gpu_facts) found on a host with what the inventory says of it, and answers which
    roles have something to do there, with the reason of each. C(prepare.yml) runs these roles and no others.
  - A role is needed where something is missing that it brings, where it can mend a finding, or where the inventory
    sets one of its variables (such as C(docker_daemon_settings)), so that the host follows them.
  - A host whose engine is elsewhere (C(container_engine_url) is V(tcp://…) or V(ssh://…)) needs nothing.
positional: _input, variables
options:
  _input:
    description:
      - What M(gpu_fleet.containers.gpu_facts) returned as C(gpu). V(null) for a host that was not asked, which needs nothing.
    type: dict
    required: true
  variables:
    description:
      - The host's variables, such as C(hostvars[inventory_hostname]). Read are C(container_engine), C(container_engine_url),
        C(container_engine_install), C(container_bootstrap), C(container_image_builders), C(container_link_address),
        C(container_registry), C(inventory_hostname), C(link_address_manage), C(prepare_skip), and the names of those that
        begin with the name of a role.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Look at the host
  gpu_fleet.containers.gpu_facts:
  register: found

- name: Say what it needs
  ansible.builtin.debug:
    msg: "{{ found.gpu | gpu_fleet.containers.needs(hostvars[inventory_hostname]) }}"
"""

RETURN = r"""
_value:
  description:
    - The roles in the order in which they run, each with C(role), C(reason) in words, C(skip), which is true where the
      inventory does not want it (C(prepare_skip), or C(container_engine_install) is false), and C(first), which is true
      where other hosts wait for it.
  type: list
  elements: dict
  sample:
    - {role: nvidia_toolkit, reason: "toolkit-missing: The NVIDIA container toolkit is not installed", skip: false, first: false}
"""


def filter_needs(gpu: Mapping[str, t.Any] | None, variables: Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    # Only what is read is templated: another variable may need what is not there, such as a vault's password.
    known = role_variables()
    told = {name: plain(variables[name]) if name in READ else None for name in variables if name in {*READ, *known}}
    for remark in misspelt([str(name) for name in variables], known):
        # Once, however many hosts there are.
        Display().warning(remark)
    try:
        return needs(plain(gpu), told)
    except FleetError as error:
        raise AnsibleError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., t.Any]]:
        return {"needs": filter_needs}
