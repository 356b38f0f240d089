# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wsl role's variables as settings, as a filter; a thin shell around `module_utils/_desktop/wsl_settings.py`."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping

from ansible.errors import AnsibleError

from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.wsl_settings import wanted
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError, message
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import plain

DOCUMENTATION = r"""
name: wsl_settings
short_description: Make the keys of wsl.conf and .wslconfig from the variables of the role wsl
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Says what the variables of the role C(gpu_fleet.containers.wsl) set in C(/etc/wsl.conf) and in C(.wslconfig). A variable
    that is unset sets nothing.
options:
  _input:
    description:
      - The role's variables without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: What these variables set
  ansible.builtin.debug:
    msg: "{{ {'systemd': true, 'keep_alive': true, 'memory': '16GB'} | gpu_fleet.containers.wsl_settings }}"
"""

RETURN = r"""
_value:
  description:
    - C(wsl_conf) and C(wslconfig), each with sections, keys and values, as the settings of an ini file; C(wsl_conf_unless_set)
      and C(wslconfig_unless_set) name those of them that yield to what the file says.
  type: dict
  sample:
    wsl_conf: {boot: {systemd: true}}
    wslconfig: {general: {instanceIdleTimeout: "-1"}}
    wsl_conf_unless_set: [boot.systemd]
    wslconfig_unless_set: []
"""


def filter_wsl_settings(variables: Mapping[str, t.Any]) -> dict[str, t.Any]:
    try:
        return dataclasses.asdict(wanted(plain(variables)))
    except FleetError as error:
        raise AnsibleError(message(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., t.Any]]:
        return {"wsl_settings": filter_wsl_settings}
