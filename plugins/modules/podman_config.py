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
    type: path
    default: /etc/containers/containers.conf.d/50-gpu-fleet.conf
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
"""

RETURN = r"""
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

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import podman_config
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.regular import refuse_other_than_file
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def configure(module: AnsibleModule) -> dict:
    path = module.params["path"]
    host = podman_config.read_host()
    settings = podman_config.settings_for(host)
    wanted = podman_config.render(settings) if module.params["state"] == "present" else ""
    refuse_other_than_file(path)
    found = _read(path)
    if wanted != found and not module.check_mode:
        _write(module, path, wanted)
    return {
        "changed": wanted != found,
        "runtime": podman_config.runtime_for(host),
        "settings": [setting._asdict() for setting in settings],
        "diff": {"before_header": path, "after_header": path, "before": found, "after": wanted},
    }


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write(module: AnsibleModule, path: str, text: str) -> None:
    if not text:
        os.remove(path)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = os.path.join(module.tmpdir, "containers.conf")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    module.atomic_move(temporary, path)
    module.set_mode_if_different(path, "0644", False)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/containers/containers.conf.d/50-gpu-fleet.conf"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    run_module(module, configure)


if __name__ == "__main__":
    main()
