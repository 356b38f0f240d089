#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has a host's engines trust a registry's CA; a thin shell around `_host/registry_trust.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_trust
short_description: Have a host's engines trust a registry's CA
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Puts a CA's certificate where Docker and Podman look for those of one registry. No engine has to be restarted, and nothing
    else on the host trusts the CA.
  - A file of this module for another address goes. Certificates of others stay.
options:
  address:
    description:
      - The registry as in image references, such as V(pc2:5000).
    type: str
    required: true
  ca:
    description:
      - The certificate (PEM). Empty for a registry whose CA the host knows already; then what this module put there goes.
    type: str
    default: ""
  directories:
    description:
      - Where the engines look.
    type: list
    elements: path
    default: [/etc/docker/certs.d, /etc/containers/certs.d]
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
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
notes:
  - Engines of ordinary users read V(/etc/containers/certs.d), too (Podman). A rootless Docker reads
    V(~/.config/docker/certs.d), which can be added to O(directories).
"""

EXAMPLES = r"""
- name: Trust the fleet's registry
  gpu_fleet.containers.registry_trust:
    address: pc2:5000
    ca: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"
"""

RETURN = r"""
paths:
  description: The files that were changed, or would be.
  type: list
  elements: str
  returned: success
"""

import contextlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import own_file, registry_trust
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def ensure(module: AnsibleModule) -> dict[str, t.Any]:
    address, ca = module.params["address"], module.params["ca"].strip()
    if not address or "/" in address or address.startswith("."):
        raise InputError(f"{address!r} is no address", "address", "Write name:port, as in pc2:5000.")
    if ca and not (ca.startswith("-----BEGIN") and "CERTIFICATE-----" in ca):
        raise InputError("it is no certificate in PEM form", "ca")
    changes = registry_trust.changes(address, f"{ca}\n" if ca else "", module.params["directories"])
    if not module.check_mode:
        for change in changes:
            own_file.write(module, change.path, change.after)
            if not change.after:
                with contextlib.suppress(OSError):  # somebody else has certificates there
                    os.rmdir(os.path.dirname(change.path))
    return {
        "changed": bool(changes),
        "paths": [change.path for change in changes],
        "diff": [
            {
                "before_header": change.path,
                "after_header": change.path,
                "before": change.before,
                "after": change.after,
            }
            for change in changes
        ],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "ca": {"type": "str", "default": ""},
            "directories": {"type": "list", "elements": "path", "default": list(registry_trust.DIRECTORIES)},
        },
        supports_check_mode=True,
    )
    run_module(module, ensure)


if __name__ == "__main__":
    main()
