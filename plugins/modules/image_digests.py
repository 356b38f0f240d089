#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks registries what tags mean now; a thin shell around `_image/digests.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_digests
short_description: Ask registries what image tags mean now, and write it into a lock file
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Asks the registry of each reference for its digest, and keeps the digests in a file on the controller. Plans take them from
    there, so that every host and every build means the same image until somebody asks again.
  - C(build.yml -e update_lock=true) does it for all images of a plan that have a tag and no digest.
  - The registries are asked from the host by C(skopeo), which reads that host's C(registries.conf), logins and certificates.
    Only manifests are fetched.
  - Every reference has to be answered. Otherwise the error names those that were not, and nothing is written.
options:
  references:
    description:
      - Images with a tag and without a digest.
    type: list
    elements: str
    required: true
  lock:
    description:
      - The lock file on the controller; a relative path starts from the playbook's folder. It is made where there is none.
      - Comments, the order of entries and those of other references stay.
    type: path
    required: true
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.registries
requirements:
  - C(skopeo)
attributes:
  check_mode:
    support: full
    details:
      - The registries are asked all the same. The lock file is not written.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - As long as the registries answer the same.
  platform:
    support: full
    platforms: linux
seealso:
  - module: gpu_fleet.containers.fleet_plan
  - module: gpu_fleet.containers.image_build
"""

EXAMPLES = r"""
- name: Pin what an image is built from
  gpu_fleet.containers.image_digests:
    references:
      - docker.io/nvidia/cuda:12.4.1-runtime-ubuntu22.04
      - docker.io/library/debian:13-slim
    lock: "{{ inventory_dir }}/images.lock.yml"
  run_once: true
"""

RETURN = r"""
digests:
  description: Digest by reference, which is written in full.
  type: dict
  returned: success
  sample:
    docker.io/library/debian:13-slim: sha256:731e954ed880396fd751a08825c949a6460756176ddb1a75a189d490c7c5eb41
summary:
  description: One line for each reference whose digest is another now.
  type: list
  elements: str
  returned: success
  sample: ["docker.io/library/debian:13-slim: new, sha256:731e954ed880"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.login import Login
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.reference import parse_reference
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.digests import digests, run_skopeo
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.arguments import REGISTRIES
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module

ARGUMENTS = {
    **REGISTRIES,
    "references": {"type": "list", "elements": "str", "required": True},
    "lock": {"type": "path", "required": True},
}


def ask(module: AnsibleModule) -> dict:
    program = module.get_bin_path("skopeo")
    if program is None:
        raise FleetError("skopeo is not installed on this host, so no registry can be asked", mend="Install skopeo.")
    logins = [Login(**registry) for registry in module.params["registries"]]
    return {"digests": digests([_full(text) for text in module.params["references"]], logins, program, run_skopeo)}


def _full(text: str) -> str:
    reference = parse_reference(text)
    if reference.digest:
        raise InputError("it has a digest already, so there is nothing to ask", text)
    return str(reference)


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), ask)


if __name__ == "__main__":
    main()
