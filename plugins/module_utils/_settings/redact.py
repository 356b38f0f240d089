# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in addresses with a password (proxies in daemon.json and containers.conf) are kept out of what is shown."""

from __future__ import annotations

import re
import typing as t

# Up to the last @ before the path: a password may hold one that nobody escaped.
_USERINFO = re.compile(r"""(?<=//)[^\s/"'\\]*:[^\s/"'\\]*(?=@)""")


def redact(text: str) -> str:
    """``http://user:password@proxy`` becomes ``http://[hidden]@proxy``."""
    return _USERINFO.sub("[hidden]", text)


def secrets(value: t.Any) -> set[str]:
    """What stands between // and @ in any text of nested settings."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return {found for item in value for found in secrets(item)}
    return set(_USERINFO.findall(value)) if isinstance(value, str) else set()
