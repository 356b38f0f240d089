#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says where Docker Desktop's settings are and whether it runs; a thin shell around `_desktop/docker_desktop.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_desktop_info
short_description: Find Docker Desktop's settings files, and whether it runs
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Tells where the user's and the administrator's settings of Docker Desktop are. In a WSL2 distribution it is the Docker
    Desktop of the Windows around it, on macOS and Linux the one on this host.
  - Tells whether Docker Desktop runs, and what that rests on. It writes the user's settings anew when it ends, so they
    must not be edited while it runs, nor while that is not known.
  - It never starts or stops anything.
options:
  root:
    description:
      - A folder that stands for C(/), such as an unpacked disk. No program is run then.
    type: path
    default: /
  home:
    description:
      - On macOS and Linux, the home folder of the person whose Docker Desktop it is. Empty finds it, where only one has it.
    type: str
    default: ""
  windows_profile:
    description:
      - In a WSL2 distribution, the Windows user's profile folder, as for M(gpu_fleet.containers.wsl_info).
    type: str
    default: ""
  stopped:
    description:
      - V(true) answers for it that Docker Desktop does not run, where that cannot be seen.
    type: bool
    default: false
  waiting:
    description:
      - Keys of the user's settings that should be set and wait until Docker Desktop is quit. They become a warning.
    type: list
    elements: str
    default: []
  admin_edited:
    description:
      - Whether the administrator's settings were changed in this run, or would be. While Docker Desktop runs, that becomes
        a warning.
    type: bool
    default: false
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.attributes.read_only
attributes:
  platform:
    support: full
    platforms: posix
notes:
  - Never run beside a real Docker Desktop; tested on made-up trees.
"""

EXAMPLES = r"""
- name: Where Docker Desktop keeps its settings
  gpu_fleet.containers.docker_desktop_info:
  register: desktop

- name: Say whether they may be edited now
  ansible.builtin.debug:
    msg: "{{ desktop.settings }}: {{ desktop.state }} ({{ desktop.evidence }})"
"""

RETURN = r"""
platform:
  description: What kind of machine this is, as M(gpu_fleet.containers.gpu_facts) says it.
  type: str
  returned: success
  sample: wsl2
found:
  description: Whether the folder of Docker Desktop's settings was found.
  type: bool
  returned: success
reason:
  description: Why it was not found.
  type: str
  returned: success
settings:
  description: The user's settings file; it need not exist.
  type: str
  returned: success
  sample: /mnt/c/Users/ann/AppData/Roaming/Docker/settings-store.json
older:
  description: Whether that is the file of Docker Desktop before 4.35, whose keys begin with a small letter.
  type: bool
  returned: success
admin:
  description: The administrator's settings file; it need not exist.
  type: str
  returned: success
  sample: /mnt/c/ProgramData/DockerDesktop/admin-settings.json
state:
  description: V(running), V(stopped) or V(unknown).
  type: str
  returned: success
evidence:
  description: What RV(state) rests on, or why it is not known.
  type: str
  returned: success
  sample: "tasklist.exe: com.docker.backend.exe"
distribution:
  description: In a WSL2 distribution, its name in Windows; empty where no process here was told it.
  type: str
  returned: success
messages:
  description: What has to be done by hand. Each is a warning as well.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.docker_desktop import inspect, to_do
from ansible_collections.gpu_fleet.containers.plugins.module_utils._desktop.reader import RootedReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def tell(module: AnsibleModule) -> dict:
    wanted = module.params
    reader = RootedReader(wanted["root"])
    host = inspect(reader, wanted["home"], wanted["windows_profile"], wanted["stopped"])
    messages = to_do(reader, host, wanted["waiting"], wanted["admin_edited"])
    for message in messages:
        module.warn(message)

    def real(path: str) -> str:
        return reader.real(path) if path else ""

    return {
        "platform": host.platform,
        "found": bool(host.place.settings),
        "reason": host.place.reason,
        "settings": real(host.place.settings),
        "older": host.place.older,
        "admin": real(host.place.admin),
        "state": host.state,
        "evidence": host.evidence,
        "distribution": host.distribution,
        "messages": messages,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "home": {"type": "str", "default": ""},
            "windows_profile": {"type": "str", "default": ""},
            "stopped": {"type": "bool", "default": False},
            "waiting": {"type": "list", "elements": "str", "default": []},
            "admin_edited": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    run_module(module, tell)


if __name__ == "__main__":
    main()
