"""Makes the bases of inventories/workstation in a folder, as a deploy without a registry would: by the collection's own code.

Usage: fetch_bases.py FOLDER. An archive is named by its recipe, so a recipe that changes is fetched anew.
"""

from __future__ import annotations

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".collections"))

from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.bootstrap import base_archive  # noqa: E402
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import Bootstrap  # noqa: E402

BASES = (Bootstrap("BASE", "trixie"),)
"""Every recipe that a group of inventories/workstation or a test here names."""


def main() -> None:
    for recipe in BASES:
        path, made = base_archive(recipe, sys.argv[1])
        if made:
            print(f"made {path}")


if __name__ == "__main__":
    main()
