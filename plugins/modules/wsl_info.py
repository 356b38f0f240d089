#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what a WSL2 distribution and the Windows around it are; a thin shell around `_desktop/wsl.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wsl_info
short_description: Find a WSL2 distribution's settings files, and whether they are in force
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Tells whether this host is a WSL2 distribution, where C(wsl.conf) and the Windows user's C(.wslconfig) are, and which of
    them was changed after WSL read it, with the command that makes WSL read it again.
  - Works as root, over SSH and with become, where C(WSL_INTEROP) and C(PATH) are stripped.
  - It never stops or restarts anything.
options:
  root:
    description:
      - A folder that stands for C(/), such as the unpacked disk of a distribution. No program is run then.
    type: path
    default: /
  windows_profile:
    description:
      - The Windows user's profile folder, as C(C:\\Users\\NAME) or as a path in this distribution.
      - Empty asks Windows through interop. Where Windows does not answer, it is the one profile that may be read, or the
        one that has a C(.wslconfig).
    type: str
    default: ""
  edited:
    description:
      - Files that this run has changed or, in check mode, would change. They count as newer than what runs.
      - A file that was removed cannot show that it was changed; so it is named here.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.attributes.read_only
attributes:
  platform:
    support: full
    platforms: posix
notes:
  - Never run on a real Windows machine; tested on made-up trees.
"""

EXAMPLES = r"""
- name: Which settings of WSL wait for a restart
  gpu_fleet.containers.wsl_info:
  register: wsl

- name: Say it
  ansible.builtin.debug:
    msg: "{{ wsl.restarts | map(attribute='message') }}"
"""

RETURN = r"""
platform:
  description: What kind of machine this is, as M(gpu_fleet.containers.gpu_facts) says it.
  type: str
  returned: success
  sample: wsl2
wsl2:
  description: Whether this is a WSL2 distribution. Where it is not, everything below is empty.
  type: bool
  returned: success
version:
  description: The version of WSL; empty where it has no C(wslinfo).
  type: str
  returned: success
  sample: 2.5.9.0
distribution:
  description: The distribution's name in Windows; empty where no process here was told it.
  type: str
  returned: success
  sample: Ubuntu-24.04
systemd:
  description: Whether systemd runs.
  type: bool
  returned: success
interop:
  description: Whether there is a session through which programs of Windows can be run.
  type: bool
  returned: success
drives:
  description: Mounted drives of Windows, letter and mount point.
  type: dict
  returned: success
  sample: {c: /mnt/c}
profile:
  description: The Windows user's profile folder; empty when it is not known.
  type: str
  returned: success
  sample: /mnt/c/Users/ann
profile_reason:
  description: Why the profile is not known.
  type: str
  returned: success
wsl_conf:
  description: The distribution's settings file.
  type: str
  returned: success
  sample: /etc/wsl.conf
wslconfig:
  description: The settings file of all distributions; empty when the profile is not known. It need not exist.
  type: str
  returned: success
  sample: /mnt/c/Users/ann/.wslconfig
started:
  description: When the virtual machine of all distributions, and this distribution, started, in seconds since 1970.
  type: dict
  returned: success
  contains:
    machine:
      description: Null where nothing tells.
      type: float
    distribution:
      description: Null where nothing tells.
      type: float
restarts:
  description: Settings files that were changed after WSL read them. Each is a warning as well.
  type: list
  elements: dict
  returned: success
  contains:
    file:
      description: The settings file.
      type: str
    of:
      description: V(machine) or V(distribution), what has to start anew.
      type: str
    command:
      description: The command that ends it, to be typed in Windows.
      type: str
    message:
      description: All of it in words.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.reader import RootedReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.wsl import inspect
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def tell(module: AnsibleModule) -> dict:
    reader = RootedReader(module.params["root"])
    host = inspect(reader, module.params["windows_profile"], module.params["edited"])
    for restart in host.restarts:
        module.warn(restart.message)
    profile = host.windows.profile

    def real(path: str) -> str:
        return reader.real(path) if path else ""

    return {
        "platform": host.platform,
        "wsl2": host.platform == "wsl2",
        "version": host.version,
        "distribution": host.distribution,
        "systemd": host.systemd,
        "interop": host.interop,
        "drives": {letter: real(mount) for letter, mount in host.windows.drives.items()},
        "profile": real(profile.path),
        "profile_reason": profile.reason,
        "wsl_conf": real(host.wsl_conf),
        "wslconfig": real(host.wslconfig),
        "started": {"machine": host.started.machine, "distribution": host.started.distribution},
        "restarts": [
            {"file": each.file, "of": each.of, "command": each.command, "message": each.message}
            for each in host.restarts
        ],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "windows_profile": {"type": "str", "default": ""},
            "edited": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    run_module(module, tell)


if __name__ == "__main__":
    main()
