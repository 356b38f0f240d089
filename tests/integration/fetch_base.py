"""Makes the base of the example system's agents in the cache, as a deploy with the network there would.

Usage: fetch_base.py CACHE. The archive is named by its recipe, so a recipe that changes is fetched anew.
"""

from __future__ import annotations

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".collections"))

from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.bootstrap import base_archive  # noqa: E402
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.group import load_group  # noqa: E402


def main() -> None:
    group = load_group(
        str(ROOT / "inventories/ai_system/groups/pc2-memory.yml"), {}, secret_names=frozenset({"MEMORY_TOKEN"})
    )
    for recipe in {build.bootstrap for build in group.builds.values() if build.bootstrap}:
        path, made = base_archive(recipe, sys.argv[1])
        if made:
            print(f"made {path}")


if __name__ == "__main__":
    main()
