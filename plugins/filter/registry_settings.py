# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry role's variables, checked and worked out, as a filter; a thin shell around `plugin_utils/_registry.py`."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Collection, Mapping

from ansible.errors import AnsibleError

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError, message
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import plain
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._registry import settings

DOCUMENTATION = r"""
name: registry_settings
short_description: Work out what the role registry does on a host
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Checks the variables of the role C(gpu_fleet.containers.registry) and says what they mean for one host, with the
    files of the service where the host serves the registry. The password is checked and no part of the result.
positional: _input, host, hosts
options:
  _input:
    description:
      - The role's variables without their prefix, and C(inventory_dir), C(link_address) and C(builders).
    type: dict
    required: true
  host:
    description:
      - The inventory host.
    type: str
    required: true
  hosts:
    description:
      - All hosts of the inventory.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Whether this host serves the registry
  ansible.builtin.debug:
    msg: >-
      {{ ({'of': container_registry, 'password': container_registry_password, 'storage': '/srv/registry'}
          | gpu_fleet.containers.registry_settings(inventory_hostname, groups.all)).here }}
"""

RETURN = r"""
_value:
  description:
    - C(address), C(name), C(port), C(username), C(ca) and C(host) of the registry, C(here) (this host serves it), C(moves)
      (there is none, and this host builds for others), C(own) (the role's own CA signs), C(names) of its certificate,
      C(files) of its service by path, and C(timetable), C(directory), C(user) and C(unit) of it.
  type: dict
"""


def filter_registry_settings(variables: Mapping[str, t.Any], host: str, hosts: Collection[str]) -> dict[str, t.Any]:
    try:
        return dataclasses.asdict(settings(str(host), plain(variables), plain(hosts)))
    except FleetError as error:
        raise AnsibleError(message(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., t.Any]]:
        return {"registry_settings": filter_registry_settings}
