#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the settings Podman needs on a host; a thin shell around `_host/podman_config.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: podman_config
short_description: Write the settings that Podman needs on this host beyond its defaults
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Looks at the host (hard limits, cgroups, init system) and writes a drop-in for C(containers.conf) with the settings
    without which Podman could not run containers there, each with its reason as a comment.
  - On an ordinary host nothing is needed, and no file is written; one that an earlier run wrote is removed.
options:
  path:
    description:
      - The drop-in file.
      - Default is C(/etc/containers/containers.conf.d/50-gpu-fleet.conf), with O(user) the same name below
        C(~/.config/containers/containers.conf.d) of that user.
    type: path
  user:
    description:
      - The ordinary user who runs rootless Podman; empty means root. What the system's own files say, every user has too,
        so a user's file is needed only where root was left out.
    type: str
    default: ""
  state:
    description:
      - V(present) writes what is needed, V(absent) removes the file.
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
- name: Make Podman work in a container or on a runner
  gpu_fleet.containers.podman_config:

- name: For fleet's own containers
  gpu_fleet.containers.podman_config:
    user: fleet
"""

RETURN = r"""
path:
  description: The drop-in file, whether it is needed or not.
  type: str
  returned: success
runtime:
  description: The OCI runtime that works on this host, which is also the name of its Debian package.
  type: str
  returned: success
  sample: crun
settings:
  description: What this host needs beyond Podman's defaults.
  type: list
  elements: dict
  returned: success
  contains:
    table:
      description: Table of containers.conf.
      type: str
    line:
      description: The line in that table.
      type: str
    reason:
      description: Why it is needed here.
      type: str
"""

import os
from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import own_file, podman_config, podman_user
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.regular import refuse_other_than_file
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def configure(module: AnsibleModule) -> dict:
    who = podman_user.user(module.params["user"]) if module.params["user"] else None
    path = module.params["path"] or os.path.join(who.config_dir if who else "/etc", podman_config.DROP_IN)
    host = podman_config.read_host()
    if who:
        host = replace(host, root=False)
    settings = podman_config.settings_for(host)
    wanted = podman_config.render(settings) if module.params["state"] == "present" else ""
    refuse_other_than_file(path)
    found = own_file.read(path)
    if wanted != found and not module.check_mode:
        own_file.write(module, path, wanted, who)
    return {
        "changed": wanted != found,
        "path": path,
        "runtime": podman_config.runtime_for(host),
        "settings": [setting._asdict() for setting in settings],
        "diff": {"before_header": path, "after_header": path, "before": found, "after": wanted},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path"},
            "user": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    run_module(module, configure)


if __name__ == "__main__":
    main()
