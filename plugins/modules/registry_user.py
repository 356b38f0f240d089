#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password file of a registry; a thin shell around `_host/htpasswd.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_user
short_description: Keep a registry's password file
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Writes an htpasswd file with one user and a bcrypt hash, which is all that CNCF's registry reads. It is made for the role
    C(gpu_fleet.containers.registry).
  - A file that knows the user by this password stays as it is, so that a second run changes nothing. Other users in it go.
  - The hash is made by the C library's libcrypt (libxcrypt); nothing has to be installed for it.
options:
  path:
    description:
      - The file. Its directory has to exist.
    type: path
    required: true
  username:
    description:
      - The user.
    type: str
    required: true
  password:
    description:
      - The password, at most 72 bytes.
    type: str
    required: true
  group:
    description:
      - Who may read the file beside root. Empty means nobody.
    type: str
    default: ""
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: The hash is not shown.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
"""

EXAMPLES = r"""
- name: Who may use the registry
  gpu_fleet.containers.registry_user:
    path: /etc/gpu-fleet/registry/htpasswd
    username: fleet
    password: "{{ container_registry_password }}"
    group: gpu-fleet-registry
"""

RETURN = r"""
# Nothing beside what every module returns.
"""

import contextlib
import os
import re
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import htpasswd, own_file
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


def ensure(module: AnsibleModule) -> dict[str, t.Any]:
    path, username, password, group = (module.params[each] for each in ("path", "username", "password", "group"))
    if not username or not username.isprintable() or ":" in username:
        raise InputError("it is empty, has a colon, or characters that cannot be typed", "username")
    if "\0" in password:
        raise InputError("it has a zero byte, at which crypt(3) stops reading", "password")
    if not password or len(password.encode()) > htpasswd.LONGEST:
        raise InputError(
            f"it is empty or longer than {htpasswd.LONGEST} bytes, of which bcrypt reads no more", "password"
        )
    found = own_file.read(path)
    wanted = htpasswd.line(username, password, found)
    there = os.path.exists(path)
    if wanted != found and not module.check_mode:
        _write(module, path, wanted, group)
    changed = wanted != found
    if there and not changed:
        changed = _own(module, path, group)
    return {
        "changed": changed,
        "diff": {"before_header": path, "after_header": path, "before": _told(found), "after": _told(wanted, found)},
    }


def _write(module: AnsibleModule, path: str, text: str, group: str) -> None:
    """It has its owner and mode before it has its name."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        _own(module, temporary, group)
        os.replace(temporary, path)
    finally:
        # A group that does not exist ends the module.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _own(module: AnsibleModule, path: str, group: str) -> bool:
    changed = module.set_owner_if_different(path, "root", False)
    changed = module.set_group_if_different(path, group or "root", changed)
    return bool(module.set_mode_if_different(path, "0640" if group else "0600", changed))


def _told(text: str, before: str = "") -> str:
    """The file without its hashes; one that is not the same says so."""
    hashed = "(another hash)" if before and text != before else "(a hash)"
    return re.sub(r"^([^:\n]*):.*$", rf"\1:{hashed}", text, flags=re.MULTILINE)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "username": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "group": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, ensure)


if __name__ == "__main__":
    main()
