# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The docker_desktop role's variables as settings, as a filter; a thin shell around `_desktop/docker_desktop_settings.py`."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping

from ansible.errors import AnsibleError

from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.docker_desktop_settings import wanted
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError, message
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import plain

DOCUMENTATION = r"""
name: docker_desktop_settings
short_description: Make the keys of Docker Desktop's settings files from the variables of the role docker_desktop
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Says what the variables of the role C(gpu_fleet.containers.docker_desktop) set in the user's and in the administrator's
    settings of Docker Desktop. A variable that is unset sets nothing.
positional: _input, host
options:
  _input:
    description:
      - The role's variables without their prefix.
    type: dict
    required: true
  host:
    description:
      - What M(gpu_fleet.containers.docker_desktop_info) returned.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Where Docker Desktop is
  gpu_fleet.containers.docker_desktop_info:
  register: desktop

- name: What these variables set there
  ansible.builtin.debug:
    msg: "{{ {'wsl_integration': true} | gpu_fleet.containers.docker_desktop_settings(desktop) }}"
"""

RETURN = r"""
_value:
  description:
    - C(user), the keys of settings-store.json (or settings.json before 4.35), and C(admin), those of admin-settings.json.
  type: dict
  sample: {user: {IntegratedWslDistros: [Ubuntu-24.04]}, admin: {}}
"""


def filter_docker_desktop_settings(variables: Mapping[str, t.Any], host: Mapping[str, t.Any]) -> dict[str, t.Any]:
    try:
        return dataclasses.asdict(wanted(plain(variables), plain(host)))
    except FleetError as error:
        raise AnsibleError(message(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., t.Any]]:
        return {"docker_desktop_settings": filter_docker_desktop_settings}
