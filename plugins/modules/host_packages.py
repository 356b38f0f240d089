#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says which of the packages a host needs are missing; a thin shell around `_host/packages.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_packages
short_description: Say which Debian packages are missing on a host
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Asks the package database once, in a fraction of a second, so that the package manager is called only when
    something is missing.
options:
  names:
    description:
      - Names of packages, as in Debian and Ubuntu.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.attributes.read_only
attributes:
  platform:
    support: full
    platforms: debian
"""

EXAMPLES = r"""
- name: See what Podman still needs
  gpu_fleet.containers.host_packages:
    names:
      - podman
      - netavark
  register: needed

- name: Install it
  ansible.builtin.apt:
    name: "{{ needed.missing }}"
  when: needed.missing
"""

RETURN = r"""
missing:
  description: Those of O(names) that are not installed, in the order given.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import packages
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def look(module: AnsibleModule) -> dict:
    names = module.params["names"]
    if not module.get_bin_path("dpkg-query"):
        raise FleetError(
            "this host has no dpkg, and only Debian and Ubuntu are prepared by these roles",
            mend=f"Install what does the work of {', '.join(names)} by hand, and set container_engine_install: false.",
        )
    _rc, output, _errors = module.run_command(packages.query_argv(names))
    return {"missing": packages.missing(names, output)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"names": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    run_module(module, look)


if __name__ == "__main__":
    main()
