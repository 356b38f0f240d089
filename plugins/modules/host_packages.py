#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says which of the packages a host needs are missing; a thin shell around `_host/packages.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_packages
short_description: Say which packages are missing on a host
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Asks the package database (dpkg's or rpm's) once, in a fraction of a second, so that the package manager is called
    only when something is missing.
  - Tried on Debian; the families of Red Hat and SUSE are covered by unit tests only.
options:
  names:
    description:
      - What is needed. An entry is a name that is the same everywhere, or a mapping from distributions (C(ID) of
        os-release) or families (V(debian), V(redhat), V(suse)) to lists of names; the nearest one is taken.
      - A name may ask for a version, as in C(docker-ce=5:29.1.*). Another installed version counts as missing.
    type: list
    elements: raw
    required: true
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.attributes.read_only
attributes:
  platform:
    support: full
    platforms: linux
"""

EXAMPLES = r"""
- name: See what Podman still needs
  gpu_fleet.containers.host_packages:
    names:
      - podman
      - debian: [uidmap]
        redhat: [shadow-utils]
        suse: [shadow]
  register: needed

- name: Install it
  ansible.builtin.package:
    name: "{{ needed.missing }}"
  when: needed.missing
"""

RETURN = r"""
missing:
  description: Those of O(names) that are not installed, in the order given and as the package manager takes them.
  type: list
  elements: str
  returned: success
system:
  description: The host as its package manager sees it.
  type: dict
  returned: success
  contains:
    id:
      description: C(ID) of os-release.
      type: str
    base:
      description: The distribution it is made from; often the same.
      type: str
    family:
      description: V(debian), V(redhat) or V(suse).
      type: str
    manager:
      description: V(apt-get), V(dnf) or V(zypper).
      type: str
    version:
      description: C(VERSION_ID) of os-release; empty where there is none.
      type: str
    codename:
      description: The suite that apt repositories have for it; empty elsewhere.
      type: str
    architecture:
      description: Dpkg's name in the family debian, the kernel's elsewhere.
      type: str
"""

import os
from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import packages
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def look(module: AnsibleModule) -> dict:
    system = packages.read_system()
    if not system.family:
        raise FleetError(
            f"packages of {system.id or os.uname().sysname} are not known to these roles, only those of the families "
            + ", ".join(packages.FAMILIES),
            mend="Install what is needed by hand, and set container_engine_install: false.",
        )
    names = packages.names_for(system, module.params["names"])
    output = ""
    if names:
        argv = packages.query_argv(system, names)
        if not module.get_bin_path(argv[0]):
            raise FleetError(f"there is no {argv[0]}", mend=f"Install it: {system.id} cannot be asked without it.")
        _rc, output, _errors = module.run_command(argv)
    return {
        "missing": [packages.install_argument(system, name) for name in packages.missing(names, output)],
        "system": {**asdict(system), "manager": system.manager},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={"names": {"type": "list", "elements": "raw", "required": True}},
        supports_check_mode=True,
    )
    run_module(module, look)


if __name__ == "__main__":
    main()
