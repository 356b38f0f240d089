# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drop-in of ours: written, read back, and gone again."""

from __future__ import annotations

import os
import pathlib

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import own_file


class Module:
    def __init__(self, folder: pathlib.Path) -> None:
        self.tmpdir = str(folder)
        self.modes: list[tuple[str, str]] = []

    def atomic_move(self, source: str, target: str) -> None:
        os.replace(source, target)

    def set_mode_if_different(self, path: str, mode: str, changed: bool) -> bool:
        self.modes.append((path, mode))
        return changed


def test_a_file_comes_with_its_directory_and_goes(tmp_path: pathlib.Path) -> None:
    module, path = Module(tmp_path), str(tmp_path / "some.conf.d" / "50-ours.conf")
    assert own_file.read(path) == ""
    own_file.write(module, path, "[engine]\n")
    assert own_file.read(path) == "[engine]\n"
    assert module.modes == [(path, "0644")]
    own_file.write(module, path, "")
    assert not os.path.exists(path)
