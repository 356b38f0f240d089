#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switches off older files that name a repository, too; a thin shell around `_host/apt_sources.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_sources
short_description: Switch off older files of apt's sources that name a repository, too
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Two files that name one repository with different C(Signed-By) stop apt altogether. This module looks for others
    beside O(keep).
  - A file that names only this repository is renamed to end in C(.disabled), which apt leaves out without a word. A file
    that names other repositories as well is not touched, and the module fails saying which it is.
options:
  uris:
    description:
      - The repository's URIs. C($(ARCH)) stands for the host's architecture, as in apt's own files.
    type: list
    elements: str
    required: true
  keep:
    description:
      - The file that names the repository from now on.
    type: path
    required: true
  directory:
    description:
      - Where apt's sources lie.
    type: path
    default: /etc/apt
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
    platforms: debian
"""

EXAMPLES = r"""
- name: No other file may name Docker's repository
  gpu_fleet.containers.apt_sources:
    uris: [https://download.docker.com/linux/debian]
    keep: /etc/apt/sources.list.d/docker.sources
"""

RETURN = r"""
disabled:
  description: Files that were switched off, under their old names.
  type: list
  elements: str
  returned: success
"""

import glob
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import apt_sources, packages
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def disable(module: AnsibleModule) -> dict:
    wanted = module.params
    found = apt_sources.rivals(
        _read(wanted["directory"], wanted["keep"]), wanted["uris"], packages.read_system().architecture
    )
    for rival in found:
        if not rival.alone:
            raise FleetError(
                f"it names {' and '.join(wanted['uris'])}, which {wanted['keep']} is to name, beside other repositories",
                rival.path,
                "Take that entry out: apt refuses one repository with two Signed-By.",
            )
    for rival in found if not module.check_mode else ():
        os.replace(rival.path, f"{rival.path}.disabled")
    names = [rival.path for rival in found]
    return {
        "changed": bool(names),
        "disabled": names,
        "diff": {
            "before": "".join(f"{name}\n" for name in names),
            "after": "".join(f"{name}.disabled\n" for name in names),
        },
    }


def _read(directory: str, keep: str) -> dict[str, str]:
    parts = os.path.join(glob.escape(directory), "sources.list.d")
    paths = [os.path.join(directory, "sources.list"), *glob.glob(f"{parts}/*.list"), *glob.glob(f"{parts}/*.sources")]
    texts = {}
    for path in paths:
        if os.path.isfile(path) and os.path.realpath(path) != os.path.realpath(keep):
            with open(path, encoding="utf-8", errors="replace") as file:
                texts[path] = file.read()
    return texts


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "uris": {"type": "list", "elements": "str", "required": True},
            "keep": {"type": "path", "required": True},
            "directory": {"type": "path", "default": "/etc/apt"},
        },
        supports_check_mode=True,
    )
    run_module(module, disable)


if __name__ == "__main__":
    main()
