# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drop-in file that is ours alone: read and written as a whole. Files of others are `_settings/`'s."""

from __future__ import annotations

import os
import typing as t

from . import podman_user


def read(path: str) -> str:
    """Its text; empty where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def write(module: t.Any, path: str, text: str, who: podman_user.User | None = None) -> None:
    """Put `text` in its place, atomically; without a text the file goes. who: whose it is; None is root's."""
    if not text:
        os.remove(path)
        return
    podman_user.make_directories(os.path.dirname(path), who)
    temporary = os.path.join(module.tmpdir, "own-file")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    module.atomic_move(temporary, path)
    module.set_mode_if_different(path, "0644", False)
    if who:
        os.chown(path, who.uid, who.gid)
