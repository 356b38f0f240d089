#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA and a server's certificate of its own; a thin shell around `_host/certificates.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_certificate
short_description: Make a CA on a host, and a certificate that it signs
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Keeps a CA (C(ca.key), C(ca.crt)) and a server's certificate (C(server.key), C(server.crt)) in a directory of the host.
    Keys never leave it. It is made for the role C(gpu_fleet.containers.registry).
  - The server's certificate is made anew when it is missing, when other names are asked for, when it ends soon, or when
    the CA did not sign it. The CA's certificate is renewed with the same key, so hosts that trust the older one go on until it ends.
  - Certificates are made by the program openssl.
options:
  directory:
    description:
      - Where they lie. It has to exist.
    type: path
    required: true
  names:
    description:
      - DNS names and IP addresses that the server is reached by, the main one first.
    type: list
    elements: str
    required: true
  owner:
    description:
      - Who may read the server's key; nobody else can. Empty means root.
    type: str
    default: ""
  common_name:
    description:
      - The CA's name, for people.
    type: str
    default: gpu-fleet registry
  days:
    description:
      - How long the server's certificate is valid.
    type: int
    default: 825
  renew_days:
    description:
      - A certificate with fewer days left is renewed.
    type: int
    default: 90
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Names and ends of the certificates, and why one is made.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
"""

EXAMPLES = r"""
- name: A certificate for the registry
  gpu_fleet.containers.registry_certificate:
    directory: /etc/gpu-fleet/registry
    names: [pc2, 192.168.1.12]
    owner: gpu-fleet-registry
"""

RETURN = r"""
ca:
  description: The CA's certificate (PEM). Empty in check mode where there is none yet.
  type: str
  returned: success
made:
  description: What was made, or would be, with the reason.
  type: dict
  returned: success
  sample: {server: it ends in 80 days}
ends:
  description: When the server's certificate ends, in seconds since 1970; 0 where there is none.
  type: float
  returned: success
"""

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import certificates, own_file
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.certificates import Pair
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module

AUTHORITY_DAYS = 3650


def ensure(module: AnsibleModule) -> dict[str, t.Any]:
    wanted, directory, make = module.params, module.params["directory"], not module.check_mode
    if not wanted["names"]:
        raise InputError("it is empty", "names", "Name at least what clients connect to.")
    if make and not os.path.isdir(directory):
        raise InputError("there is no such directory", directory)
    authority = Pair(os.path.join(directory, "ca.key"), os.path.join(directory, "ca.crt"))
    server = Pair(os.path.join(directory, "server.key"), os.path.join(directory, "server.crt"))
    before = _Found(certificates.read_pair(authority), certificates.read_pair(server))
    made = _reasons(before, authority, server, wanted)
    if make and "ca" in made:
        certificates.make_authority(authority, wanted["common_name"], AUTHORITY_DAYS)
    if make and "server" in made:
        certificates.make_server(server, authority, wanted["names"], wanted["days"])
        _own(module, server.key)
    owned = "server" not in made and _own(module, server.key)
    after = before
    if make and made:
        after = _Found(certificates.read_pair(authority), certificates.read_pair(server))
    return {
        "changed": bool(made or owned),
        "ca": own_file.read(authority.certificate),
        "made": made,
        "ends": after.server.ends if after.server else 0.0,
        "diff": {"before": before.told, "after": after.told if make else before.told + _would(made)},
    }


class _Found(t.NamedTuple):
    authority: certificates.Certificate | None
    server: certificates.Certificate | None

    @property
    def told(self) -> str:
        """Both in words, without what changes by itself."""
        lines = []
        for kind, found in zip(("CA", "server"), self):
            if found:
                day = time.strftime("%Y-%m-%d", time.gmtime(found.ends))
                lines.append(f"{kind}: {', '.join(found.names)}{' ' if found.names else ''}until {day}\n")
        return "".join(lines)


def _reasons(found: _Found, authority: Pair, server: Pair, wanted: dict[str, t.Any]) -> dict[str, str]:
    """What has to be made, each with its reason."""
    made = {}
    if found.authority is None:
        made["ca"] = "there is none"
    elif certificates.days_left(found.authority) < wanted["renew_days"]:
        made["ca"] = "it ends soon"
    if found.server is None:
        made["server"] = "there is none"
    elif found.server.names != certificates.plain_names(wanted["names"]):
        made["server"] = f"it is for {', '.join(found.server.names)}"
    elif certificates.days_left(found.server) < wanted["renew_days"]:
        made["server"] = f"it ends in {max(0, int(certificates.days_left(found.server)))} days"
    elif found.authority is None or not certificates.is_signed(server.certificate, authority.certificate):
        made["server"] = "the CA did not sign it"
    return made


def _own(module: AnsibleModule, key: str) -> bool:
    return bool(module.set_owner_if_different(key, module.params["owner"] or None, False))


def _would(made: dict[str, str]) -> str:
    return "".join(f"{kind}: made anew, {reason}\n" for kind, reason in made.items())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "owner": {"type": "str", "default": ""},
            "common_name": {"type": "str", "default": "gpu-fleet registry"},
            "days": {"type": "int", "default": 825},
            "renew_days": {"type": "int", "default": 90},
        },
        supports_check_mode=True,
    )
    run_module(module, ensure)


if __name__ == "__main__":
    main()
