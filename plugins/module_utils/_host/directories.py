# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where what we keep on a host lies for an ordinary user, who cannot write below /var (rootless Podman)."""

from __future__ import annotations

import os
import typing as t

_OWN = {
    "/var/lib/gpu-fleet": ("XDG_DATA_HOME", "~/.local/share"),
    "/var/cache/gpu-fleet": ("XDG_CACHE_HOME", "~/.cache"),
}
"""The directories of root, with what stands for their parents by the XDG Base Directory Specification."""


def own_directory(
    path: str,
    uid: int | None = None,
    environment: t.Mapping[str, str] | None = None,
    writable: t.Callable[[str], bool] = lambda path: os.access(path, os.W_OK),
) -> str:
    """The directory to use for `path`: itself, or the user's own where it is one of root's that this user cannot write.

    uid, environment, writable: of this process, where they are not given.
    """
    if path not in _OWN or (os.geteuid() if uid is None else uid) == 0 or writable(path):
        return path
    variable, otherwise = _OWN[path]
    known = os.environ if environment is None else environment
    return os.path.join(known.get(variable) or os.path.expanduser(otherwise), "gpu-fleet")
