#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sees that Podman's containers come back after a boot; a thin shell around `_host/podman_boot.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: podman_boot
short_description: See that Podman's containers come back after a boot
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Podman has no daemon. After a boot C(podman-restart.service) starts the containers that have a restart policy, if it is
    enabled; this module enables it.
  - The unit of Podman up to at least 5.4 leaves out the policy C(unless-stopped). There the module adds a drop-in that
    starts those of this collection, too, also the ones that were stopped by hand before the boot, which this Podman cannot
    tell apart. Containers of others with that policy stay down, as they did.
  - Where systemd does not run nothing is done.
options:
  user:
    description:
      - Whose containers; empty means root's. An ordinary user must linger (M(gpu_fleet.containers.podman_user)).
    type: str
    default: ""
  state:
    description:
      - V(absent) disables the unit and removes the drop-in.
    type: str
    choices: [present, absent]
    default: present
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
"""

EXAMPLES = r"""
- name: Root's containers come back
  gpu_fleet.containers.podman_boot:

- name: Those of fleet as well
  gpu_fleet.containers.podman_boot:
    user: fleet
"""

RETURN = r"""
enabled:
  description: Whether the unit is enabled now, or would be.
  type: bool
  returned: success
drop_in:
  description: The drop-in that this Podman needs; empty when it needs none.
  type: str
  returned: success
"""

import os
import subprocess

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import own_file, podman_boot, podman_user
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module

DIRECTORIES = ("/etc/systemd", "/usr/lib/systemd", "/lib/systemd")


def ensure(module: AnsibleModule) -> dict:
    if not os.path.isdir("/run/systemd/system"):
        return {"enabled": False, "drop_in": ""}
    who = podman_user.user(module.params["user"]) if module.params["user"] else None
    present = module.params["state"] == "present"
    text = podman_boot.drop_in(_packaged("user" if who else "system"))
    directory = os.path.join(who.config_dir, "systemd/user") if who else "/etc/systemd/system"
    path = os.path.join(directory, podman_boot.DROP_IN)
    # One of an older Podman's time goes.
    wanted, found = (text if present else ""), own_file.read(path)
    switch = _enabled(who) is not present
    if not module.check_mode:
        if who and (switch or wanted != found):
            podman_user.wait_for_manager(who)
        if wanted != found:
            own_file.write(module, path, wanted, who)
            podman_user.run(_systemctl(who, "daemon-reload"))
        if switch:
            podman_user.run(_systemctl(who, "enable" if present else "disable", podman_boot.UNIT))
    return {
        "changed": switch or wanted != found,
        "enabled": present,
        "drop_in": path if text else "",
        "diff": {"before_header": path, "after_header": path, "before": found, "after": wanted},
    }


def _packaged(kind: str) -> str:
    """The unit's text; empty where Podman is not installed yet."""
    for directory in DIRECTORIES:
        text = own_file.read(os.path.join(directory, kind, podman_boot.UNIT))
        if text:
            return text
    return ""


def _systemctl(who: podman_user.User | None, *words: str) -> list[str]:
    return who.argv(["systemctl", "--user", *words]) if who else ["systemctl", *words]


def _enabled(who: podman_user.User | None) -> bool:
    if who and not os.path.exists(f"{who.runtime_dir}/bus"):
        return False
    result = subprocess.run(
        _systemctl(who, "is-enabled", podman_boot.UNIT), capture_output=True, text=True, check=False, cwd="/"
    )
    return result.stdout.strip() == "enabled"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    run_module(module, ensure)


if __name__ == "__main__":
    main()
