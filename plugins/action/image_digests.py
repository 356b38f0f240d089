# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_digests on the controller: the host asks the registries, the lock file is kept here."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings import files
from ansible_collections.gpu_fleet.containers.plugins.modules.image_digests import ARGUMENTS
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import host_variables, plain, run
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._handover import REGISTRY_VARIABLES, registry_logins
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.lock import (
    changes,
    parse_lock,
    read_text,
    with_digests,
)

MODULE = "gpu_fleet.containers.image_digests"


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(ARGUMENTS)
        result.update(run(lambda: self._refresh(plain(options), task_vars or {})))
        return result

    def _refresh(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        path = files.resolve(os.path.join(self._loader.get_basedir(), options["lock"]))
        before = read_text(path)
        known = parse_lock(before, path)  # a file that cannot be kept is told before anybody is asked
        if not options["references"]:
            return {"changed": False, "digests": {}, "summary": []}
        host = plain(task_vars["inventory_hostname"])
        own = registry_logins(host, host_variables(task_vars["hostvars"], host, REGISTRY_VARIABLES))
        arguments = {**options, "lock": path, "registries": [*options["registries"], *own]}
        asked = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        if asked.get("failed") or "digests" not in asked:
            return asked
        digests = plain(asked["digests"])
        after = with_digests(before, digests, path)
        if after != before and not self._task.check_mode:
            files.write(path, after.encode(), before.encode() if os.path.exists(path) else None, _readable)
        return {
            "changed": after != before,
            "digests": digests,
            "summary": changes(known, digests),
            "diff": {"before_header": path, "after_header": path, "before": before, "after": after},
        }


def _readable(temporary: str) -> None:
    """Of a new file: as the user's others are, though the temporary one was for its owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o666 & ~mask)
