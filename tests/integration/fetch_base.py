"""Makes root file systems in the cache, as a deploy with the network there would: by the collection's own code.

Usage: fetch_base.py CACHE. An archive is named by its recipe, so a recipe that changes is fetched anew.
- CACHE/base-DIGEST.tar: the base of the example system's agents
- CACHE/vulkan/base-DIGEST.tar: an image with Vulkan, its tools and a virtual display
"""

from __future__ import annotations

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".collections"))

from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.bootstrap import base_archive  # noqa: E402
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import Bootstrap  # noqa: E402
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.group import load_group  # noqa: E402

VULKAN = Bootstrap("BASE", "bookworm", ("mesa-vulkan-drivers", "python3", "vulkan-tools", "x11-utils", "xauth", "xvfb"))


def agent_bases() -> set[Bootstrap]:
    group = load_group(
        str(ROOT / "inventories/ai_system/groups/pc2-memory.yml"), {}, secret_names=frozenset({"MEMORY_TOKEN"})
    )
    return {build.bootstrap for build in group.builds.values() if build.bootstrap}


def main() -> None:
    cache = pathlib.Path(sys.argv[1])
    (cache / "vulkan").mkdir(exist_ok=True)
    for recipe, folder in [*((recipe, cache) for recipe in agent_bases()), (VULKAN, cache / "vulkan")]:
        path, made = base_archive(recipe, str(folder))
        if made:
            print(f"made {path}")


if __name__ == "__main__":
    main()
