#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what is to be done for NVIDIA's container toolkit on a host; a thin shell around `_host/nvidia_toolkit.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_toolkit_info
short_description: Say what is to be done for NVIDIA's container toolkit on a host
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Looks at the host and works out what the role C(nvidia_toolkit) has to do there, so that the role only does it.
  - Fails where the version that is asked for cannot give GPUs to containers by CDI (before 1.12, under WSL2 before 1.13),
    and on a Jetson, which has the toolkit from JetPack.
options:
  version:
    description:
      - The version that all packages shall have, as the repository writes it. Empty means whatever the repository has.
    type: str
    default: ""
  packages:
    description:
      - The packages. C(nvidia-container-toolkit-base) is enough for CDI.
    type: list
    elements: str
    default: [nvidia-container-toolkit, nvidia-container-toolkit-base, libnvidia-container-tools, libnvidia-container1]
  allow_downgrade:
    description:
      - Whether a newer toolkit that is installed is replaced; otherwise it stays, with a warning.
    type: bool
    default: false
  docker:
    description:
      - Whether Docker on this host shall know NVIDIA's runtime and read CDI specs.
    type: bool
    default: false
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.attributes.read_only
attributes:
  platform:
    support: full
    platforms: linux
seealso:
  - module: gpu_fleet.containers.gpu_facts
  - module: gpu_fleet.containers.cdi_spec
"""

EXAMPLES = r"""
- name: What does this host need of NVIDIA's toolkit?
  gpu_fleet.containers.nvidia_toolkit_info:
    version: 1.20.0-1
  register: needed
"""

RETURN = r"""
platform:
  description: V(linux), V(wsl2) and so on, as M(gpu_fleet.containers.gpu_facts) has them.
  type: str
  returned: success
stack:
  description: The stack of NVIDIA's GPUs that is ready on this host, V(nvidia) or V(nvidia-wsl); empty where there is none.
  type: str
  returned: success
packages:
  description: Names with versions of what the host shall have; empty where it has newer ones, which stay.
  type: list
  elements: str
  returned: success
  sample: [nvidia-container-toolkit-base=1.20.0-1]
refresh:
  description: The toolkit's service that writes the CDI spec at boot and after an update of the driver.
  type: dict
  returned: success
  contains:
    use:
      description: Whether it is there and works here (from 1.18 on, under WSL2 from 1.19.1 on).
      type: bool
    reason:
      description: Why, in words.
      type: str
    environment:
      description: The file with its variables.
      type: str
    variable:
      description: The variable of that file which holds feature flags.
      type: str
    line:
      description:
        - The line that the file has to have and has not, for engines that drop a spec of version 0.7.0 (Podman before 5.1,
          Docker before 26.1). Empty where there is nothing to change.
      type: str
    renew:
      description: Whether the service has to run now.
      type: bool
aside:
  description: Files of others that stand in the way of the service's spec, such as V(/etc/cdi/nvidia.yaml) and the old OCI hook.
  type: list
  elements: str
  returned: success
docker:
  description:
    - C(settings) are keys for C(daemon.json), empty where Docker is not to be told anything; C(reason) says why.
    - C(looks_for) are files that a Docker without CDI (before 25) looks for at its start only.
  type: dict
  returned: success
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.host import describe
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import nvidia_toolkit
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def look(module: AnsibleModule) -> dict:
    wanted = module.params
    reader = HostReader()
    host = describe(reader)
    work = nvidia_toolkit.plan(
        reader, host.platform, wanted["packages"], wanted["version"], wanted["allow_downgrade"], wanted["docker"]
    )
    for text in work.warnings:
        module.warn(text)
    ready = [stack.name for stack in host.stacks if stack.ready and stack.name in ("nvidia", "nvidia-wsl")]
    return {
        "platform": host.platform,
        "stack": ready[0] if ready else "",
        "packages": list(work.packages),
        "refresh": {
            **asdict(work.refresh),
            "environment": nvidia_toolkit.ENVIRONMENT,
            "variable": nvidia_toolkit.FLAGS,
        },
        "aside": list(work.aside),
        "docker": asdict(work.docker),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "default": ""},
            "packages": {"type": "list", "elements": "str", "default": list(nvidia_toolkit.ALL)},
            "allow_downgrade": {"type": "bool", "default": False},
            "docker": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    run_module(module, look)


if __name__ == "__main__":
    main()
