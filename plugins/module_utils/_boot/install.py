# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot script as it is installed on a host: its files, below a name that changes with them, and its Python."""

from __future__ import annotations

import hashlib
import os
import sys
import types

from .._group import links
from . import engines, script

SYSTEM_PYTHON = "/usr/bin/python3"


def script_texts() -> dict[str, str]:
    """File name → source. From the loader, as a module of Ansible's runs from a zip archive."""
    return {
        f"{name}.py": _source(module) for name, module in (("boot", script), ("engines", engines), ("links", links))
    }


def _source(module: types.ModuleType) -> str:
    text = module.__spec__.loader.get_source(module.__name__)  # type: ignore[union-attr]
    # Ansible's loader of collections, which has it on a controller, gives bytes.
    return text.decode() if isinstance(text, bytes) else text


def script_files(folder: str) -> tuple[str, dict[str, str]]:
    """Path of the script, and path → text of all its files. folder: that of the groups' files."""
    texts = script_texts()
    digest = hashlib.sha256("\0".join(texts[name] for name in sorted(texts)).encode()).hexdigest()[:12]
    return f"{folder}/{digest}/boot.py", {f"{folder}/{digest}/{name}": text for name, text in texts.items()}


def lasting_python() -> str:
    """A Python that will be there at the next boot: never that of a virtual environment, which somebody may remove.

    The system's own where this process runs it: an upgrade of the distribution keeps its name. Else the one that a
    virtual environment was made from.
    """
    base = os.path.join(sys.base_exec_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    if not os.path.exists(base):
        base = os.path.realpath(sys.executable)
    same = os.path.realpath(SYSTEM_PYTHON) == os.path.realpath(base)
    return SYSTEM_PYTHON if same else base
