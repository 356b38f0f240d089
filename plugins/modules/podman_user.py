#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives an ordinary user what rootless Podman needs; a thin shell around `_host/subids.py` and `podman_user.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: podman_user
short_description: Give an ordinary user what rootless Podman needs
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Sees that the user has subordinate ids in C(/etc/subuid) and C(/etc/subgid), in a range that is nobody else's.
  - Sees that the user's services run without a login (lingering), so that containers outlive a session and come back
    after a boot.
  - When ids were added and the user's Podman has a storage already, C(podman system migrate) makes it use them. That stops
    the user's containers.
options:
  name:
    description:
      - The user, who must exist and not be root.
    type: str
    required: true
  linger:
    description:
      - Whether the user's services run without a login. V(false) leaves it as it is.
    type: bool
    default: true
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
- name: Let fleet run containers
  gpu_fleet.containers.podman_user:
    name: fleet
"""

RETURN = r"""
uid:
  description: The user's number.
  type: int
  returned: success
home:
  description: The user's home.
  type: str
  returned: success
done:
  description: What was done, or would be.
  type: list
  elements: str
  returned: success
  sample: ["subuid 165536-231071", "subgid 165536-231071", "linger", "podman system migrate"]
"""

import os
import shutil

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import podman_user, subids
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def prepare(module: AnsibleModule) -> dict:
    who = podman_user.user(module.params["name"])
    steps = []
    for kind in ("uid", "gid"):
        wanted = _wanted(who, kind)
        if wanted:
            first, last = wanted
            # As useradd and usermod write them, under shadow's own lock.
            steps.append((f"sub{kind} {first}-{last}", ["usermod", f"--add-sub{kind}s", f"{first}-{last}", who.name]))
    more_ids = bool(steps)
    if module.params["linger"] and os.path.isdir("/run/systemd/system") and not podman_user.lingers(who.name):
        steps.append(("linger", ["loginctl", "enable-linger", who.name]))
    if more_ids and podman_user.uses_podman(who) and shutil.which("podman"):
        steps.append(("podman system migrate", who.argv(["podman", "system", "migrate"])))
    for name, argv in steps if not module.check_mode else ():
        podman_user.run(argv)
        if name == "linger":
            podman_user.wait_for_manager(who)
    done = [name for name, _argv in steps]
    return {
        "changed": bool(done),
        "uid": who.uid,
        "home": who.home,
        "done": done,
        "diff": {"before": "", "after": "".join(f"{name}\n" for name in done)},
    }


def _wanted(who: podman_user.User, kind: str) -> tuple[int, int] | None:
    ranges = subids.parse(_read(f"/etc/sub{kind}"))
    if subids.has_enough(ranges, who.name, who.uid):
        return None
    return subids.free_range(ranges, subids.limits(_read("/etc/login.defs"), kind.upper()))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "linger": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    run_module(module, prepare)


if __name__ == "__main__":
    main()
