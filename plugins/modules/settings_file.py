#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges keys into a settings file that belongs to somebody else; a thin shell around `_settings/apply.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: settings_file
short_description: Merge keys into a settings file that belongs to somebody else, and take them out again
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Sets keys in a file such as Docker's C(daemon.json), Podman's C(containers.conf), C(/etc/wsl.conf), C(.wslconfig) or
    Docker Desktop's C(settings-store.json).
  - Only the text of these keys is touched. Other keys, comments, order, indentation, line ends, byte order mark and
    encoding stay as they are.
  - A record beside the file notes which keys were set for whom, and what was there before. By it a later run takes back
    what is not wanted any more, and O(state=absent) takes back all of it.
  - The file is replaced in one step or not at all. A file that cannot be read, or not be edited without a guess, is an
    error with its line and column, and nothing is changed.
options:
  path:
    description:
      - The settings file. A link is followed, and stays. Its directory has to exist.
    type: path
    required: true
  format:
    description:
      - V(json) is strict JSON with an object at the top.
      - V(ini) is the format of C(wsl.conf) and C(.wslconfig), as WSL reads it. Names of sections and keys are the same in
        upper and lower case, and of two equal keys the first counts.
      - V(toml) is TOML 1.0.
    type: str
    choices: [json, ini, toml]
    required: true
  settings:
    description:
      - The keys and their values, nested as in the file. For V(ini) these are sections with keys, for V(toml) tables with
        keys.
      - Objects are merged key by key, everything else is replaced; for lists see O(lists). An empty object means that
        there is one.
      - These are all keys that O(by) wants in the file. One that it set in an earlier run and that is not here any more
        goes back to what it was.
      - Required with O(state=present), not used with O(state=absent).
    type: dict
  lists:
    description:
      - V(replace) sets a list as a whole.
      - V(add) sees that our entries are in the list, at its end where they are new; entries of others stay.
    type: str
    choices: [replace, add]
    default: replace
  unless_set:
    description:
      - Keys of O(settings), with dots between their parts, that are set only where the file says nothing of them. What
        somebody else has set there, or sets later, stays.
    type: list
    elements: str
    default: []
  by:
    description:
      - Who sets these keys. Several owners may have keys in one file, each by tasks of its own.
      - Two owners that want different values for one key are an error.
    type: str
    default: gpu-fleet
  state:
    description:
      - V(present) has exactly O(settings) set for O(by).
      - V(absent) takes out all keys of O(by). If nobody else changed the file meanwhile and no other owner has keys in it,
        it is again the file that was found, byte for byte, or gone where there was none. Otherwise each key goes back to
        what it was, or away; one that somebody else changed meanwhile stays, with a warning.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description:
      - Permissions of a file that is made, as in M(ansible.builtin.file); C(0644) when it is not set. A file that is there
        keeps its own.
    type: raw
  owner:
    description:
      - Owner of a file that is made.
    type: str
  group:
    description:
      - Group of a file that is made.
    type: str
  validate:
    description:
      - A command that judges what the file would say, as a list of words; C(%s) stands for the path of a copy. When it fails
        nothing is changed, and what it said is the error. It runs in check mode as well.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Names and passwords in addresses such as C(http://user:password@proxy) are not shown.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
notes:
  - The record is V(PATH.gpu-fleet-record), readable for its owner only. Copies of the file are V(PATH.gpu-fleet-backup-)
    and eight digits of their content's hash; one is made before the first change, and before a change to a file that
    somebody else worked on since. No engine reads such names.
  - A key that has the wanted value already is not taken into possession, and stays when O(by) goes.
  - Programs that write their settings file when they end (Docker Desktop does) have to be stopped before.
  - An array of tables and a missing key of an inline table in TOML are not edited; that is an error.
"""

EXAMPLES = r"""
- name: Let Docker resolve CDI devices
  gpu_fleet.containers.settings_file:
    path: /etc/docker/daemon.json
    format: json
    settings:
      features:
        cdi: true
      runtimes:
        nvidia:
          path: nvidia-container-runtime
          args: []

- name: Add a registry beside those of others
  gpu_fleet.containers.settings_file:
    path: /etc/docker/daemon.json
    format: json
    by: registry
    lists: add
    settings:
      insecure-registries: ["10.0.0.5:5000"]

- name: Limit the virtual machine of WSL
  gpu_fleet.containers.settings_file:
    path: /mnt/c/Users/me/.wslconfig
    format: ini
    settings:
      wsl2:
        memory: 48GB
        guiApplications: true

- name: Choose Podman's runtime
  gpu_fleet.containers.settings_file:
    path: /etc/containers/containers.conf
    format: toml
    settings:
      engine:
        runtime: crun

- name: Undo all of it
  gpu_fleet.containers.settings_file:
    path: /etc/docker/daemon.json
    format: json
    state: absent
"""

RETURN = r"""
keys:
  description:
    - Keys whose values were changed, set or taken back, with dots between their parts; for V(ini) in lower case.
  type: list
  elements: str
  returned: success
  sample: [features.cdi]
kept:
  description: Keys that were to be taken back and stay, because somebody else changed them meanwhile.
  type: list
  elements: str
  returned: success
  sample: []
backup:
  description:
    - The copy of the file as it was before the first change. Empty where there was no file, where nothing of ours is in
      it, and in check mode before the first change.
  type: str
  returned: success
  sample: /etc/docker/daemon.json.gpu-fleet-backup-1a2b3c4d
"""

import contextlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings import files
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.apply import Done, Steps, apply, look
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.plan import Request, text_of
from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.redact import redact, secrets

ARGUMENTS: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "format": {"type": "str", "choices": ["json", "ini", "toml"], "required": True},
    "settings": {"type": "dict"},
    "lists": {"type": "str", "choices": ["replace", "add"], "default": "replace"},
    "unless_set": {"type": "list", "elements": "str", "default": []},
    "by": {"type": "str", "default": "gpu-fleet"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "mode": {"type": "raw"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "validate": {"type": "list", "elements": "str", "default": []},
}


def ensure(module: AnsibleModule) -> dict[str, t.Any]:
    wanted = module.params
    for name in ("path", "by"):
        if not wanted[name]:
            raise InputError("it is empty", name, "Nothing was changed.")
    settings = wanted["settings"] if wanted["state"] == "present" else {}
    # With -v the arguments are shown as well.
    module.no_log_values.update(secrets(wanted["settings"]))
    real = files.resolve(wanted["path"])
    yielding = tuple(wanted["unless_set"]) if settings else ()
    request = Request(wanted["path"], wanted["format"], wanted["by"], settings, wanted["lists"] == "add", yielding)
    steps = Steps(judge=lambda after: _validate(module, after), own=lambda path: _own(module, path, real))
    done = (look if module.check_mode else apply)(request, real, steps)
    for key in done.plan.kept:
        module.warn(f"{wanted['path']}: {key} was changed by somebody else since; it stays as it is.")
    return _result(done, wanted["path"])


def _validate(module: AnsibleModule, after: bytes) -> None:
    """Have the program that reads the file judge what it would say; InputError with its words when it refuses."""
    if not module.params["validate"]:
        return
    path = module.params["path"]
    copy = os.path.join(module.tmpdir, os.path.basename(path))
    with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(after)
    argv = [word.replace("%s", copy) for word in module.params["validate"]]
    try:
        status, output, errors = module.run_command(argv, handle_exceptions=False)
    except OSError as error:
        raise InputError(f"{argv[0]} cannot be run: {error.strerror}", "validate", "Nothing was changed.") from None
    if status != 0:
        said = redact((errors or output).strip().replace(copy, path)) or f"exit status {status}, and no words"
        raise InputError(f"{argv[0]} refuses what it would be: {said}", path, "Nothing was changed.")


def _own(module: AnsibleModule, path: str, real: str) -> None:
    """Mode, owner and SELinux label of a file that is made; it will be `real`."""
    module.set_context_if_different(path, module.selinux_default_context(real), False)
    if module.params["mode"] is None:
        with contextlib.suppress(OSError):  # Windows' drives have no modes
            os.chmod(path, 0o644)
    else:
        module.set_mode_if_different(path, module.params["mode"], False)
    module.set_owner_if_different(path, module.params["owner"], False)
    module.set_group_if_different(path, module.params["group"], False)


def _result(done: Done, path: str) -> dict[str, t.Any]:
    return {
        "changed": done.changed,
        "keys": list(done.plan.changed),
        "kept": list(done.plan.kept),
        "backup": done.backup,
        "diff": {
            "before_header": path,
            "after_header": path,
            "before": redact(text_of(done.plan.found)),
            "after": redact(text_of(done.plan.after)),
        },
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS, required_if=[("state", "present", ["settings"])], supports_check_mode=True
    )
    run_module(module, ensure)


if __name__ == "__main__":
    main()
