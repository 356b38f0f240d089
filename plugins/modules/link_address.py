#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a machine one more address, so that it can play several hosts; a thin shell around `_host/address.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: link_address
short_description: Give a machine one more address
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Where one machine plays several inventory hosts, each needs an address of its own to publish ports on.
  - An address that the machine has already, on any interface, is left as it is.
  - The address lasts until the next reboot; the next run puts it back.
options:
  address:
    description:
      - The IPv4 or IPv6 address, without a prefix.
    type: str
    required: true
  interface:
    description:
      - The interface that gets it, or loses it.
    type: str
    default: lo
  state:
    description:
      - V(absent) takes the address from O(interface) only.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
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
- name: Publish this host's ports on an address of its own
  gpu_fleet.containers.link_address:
    address: "{{ container_link_address }}"
"""

RETURN = r"""
interface:
  description: The interface that has the address now, or would have it; empty when none.
  type: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import address as addresses
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def ensure(module: AnsibleModule) -> dict:
    wanted, interface = module.params["address"], module.params["interface"]
    prefixed = addresses.with_prefix(wanted)
    found = addresses.interface_of(wanted, _ip(module, ["-oneline", "address", "show"]))
    if module.params["state"] == "present":
        if found:
            return {"changed": False, "interface": found}
        if not module.check_mode:
            _ip(module, ["address", "add", prefixed, "dev", interface])
        return {"changed": True, "interface": interface}
    if found != interface:
        return {"changed": False, "interface": found}
    if not module.check_mode:
        _ip(module, ["address", "delete", prefixed, "dev", interface])
    return {"changed": True, "interface": ""}


def _ip(module: AnsibleModule, words: list[str]) -> str:
    program = module.get_bin_path("ip", opt_dirs=["/sbin", "/usr/sbin"])
    if program is None:
        if module.check_mode:
            return ""
        raise FleetError("this host has no `ip` command", mend="Run 'apt-get install iproute2'.")
    rc, output, errors = module.run_command([program, *words])
    if rc:
        raise FleetError(f"`ip {' '.join(words)}` failed: {errors.strip()}", path=module.params["address"])
    return output


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "interface": {"type": "str", "default": "lo"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    run_module(module, ensure)


if __name__ == "__main__":
    main()
