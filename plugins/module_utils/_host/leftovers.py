# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stays on a host when its groups are gone: volumes, images that were made here, directories.

Containers and networks are `_group/teardown.py`'s.
"""

from __future__ import annotations

import errno
import glob
import os
import shutil
from collections.abc import Sequence

from .._engine.base import Engine, Observed
from .._errors import InputError
from .._group import labels as names


def volumes_of(host: str, observed: Observed) -> list[str]:
    """Names of the volumes that carry this inventory host's label."""
    return sorted(each.name for each in observed.volumes if each.labels.get(names.HOST) == host)


def made_images(observed: Observed) -> list[str]:
    """References (or ids) of images that were made here, built ones before the bases they stand on.

    Images are shared by all inventory hosts of an engine. Those that a container still uses are left out.
    """
    used = {container.image_id for container in observed.containers}
    free = [image for image in observed.images if image.id not in used]
    built = [image for image in free if names.IMAGE_INPUTS in image.labels]
    bases = [image for image in free if names.BOOTSTRAP in image.labels and names.IMAGE_INPUTS not in image.labels]
    return [reference for image in (*built, *bases) for reference in image.tags or (image.id,)]


def ours_still_there(observed: Observed) -> list[str]:
    """Names of containers of ours, of any inventory host: as long as there are some, the directories are in use."""
    return sorted(each.name for each in observed.containers if names.SCHEMA in each.labels)


def keeps_ours(engine: str, data_root: str = "/var/lib/docker") -> bool:
    """Whether an engine that does not answer has containers of ours on disk, as a stopped Docker daemon may.

    moby keeps a container's labels in `containers/ID/config.v2.json` (daemon/container/container.go).
    """
    if engine != "docker":
        return False
    for path in glob.glob(os.path.join(glob.escape(data_root), "containers", "*", "config.v2.json")):
        with open(path, encoding="utf-8", errors="replace") as file:
            if names.SCHEMA in file.read():
                return True
    return False


def size(directory: str) -> int:
    """Bytes of the files below a directory; 0 when it does not exist."""
    total = 0
    for folder, _folders, files in os.walk(directory):
        total += sum(os.lstat(os.path.join(folder, name)).st_size for name in files)
    return total


def check_directories(directories: Sequence[str]) -> None:
    """InputError for a directory that cannot be ours: removing it would take what belongs to the system."""
    for path in directories:
        if not os.path.isabs(path) or len(os.path.normpath(path).strip("/").split("/")) < 2:
            raise InputError(
                f"{path!r} is no directory of our own",
                "container_state_dir, container_cache_dir",
                "Name one below /var.",
            )


def remove(engine: Engine, volumes: Sequence[str], images: Sequence[str]) -> None:
    for name in volumes:
        engine.remove_volume(name)
    for reference in images:
        engine.remove_image(reference)


def remove_directories(directories: Sequence[str]) -> None:
    """Remove them with all they hold. One that is a mount point of its own is emptied and stays."""
    for path in directories:
        if not os.path.isdir(path):
            continue
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)
        try:
            os.rmdir(path)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
