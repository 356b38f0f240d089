# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place in modules that turns a FleetError into a failed result."""

from __future__ import annotations

import typing as t

from .._errors import FleetError, message


def run_module(module: t.Any, function: t.Callable[[t.Any], dict[str, t.Any]]) -> None:
    """Call ``function(module)`` and exit with what it returns; does not return.

    module: an AnsibleModule. function returns the result (``changed`` defaults to
    False); a result with ``failed: True`` and ``msg`` fails with everything it holds.
    A FleetError fails with ``msg``, which says all of it.
    """
    try:
        result = function(module)
    except FleetError as error:
        module.fail_json(msg=message(error))
    else:
        result.setdefault("changed", False)
        if result.pop("failed", False):
            module.fail_json(**result)
        module.exit_json(**result)
