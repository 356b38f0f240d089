"""inventories/workstation as a thing to test: a copy that a test may edit, with the groups, profiles and engine it wants."""

from __future__ import annotations

import pathlib
import shutil

import yaml

from ..integration.deploy_system import ROOT, System


class Workstation(System):
    """`groups` of inventories/workstation, unchanged; everything else of the inventory is the repository's, too."""

    def __init__(self, folder: pathlib.Path, engine: str, groups: list[str]) -> None:
        self.folder, self.settled = folder, None
        self.inventory = folder / "inventory"
        shutil.copytree(
            ROOT / "inventories/workstation", self.inventory, ignore=shutil.ignore_patterns(".secrets", "build")
        )
        self._variables = self.inventory / "group_vars/all/main.yml"
        self.use(engine)
        self.set(container_groups=groups)

    def set(self, **variables: object) -> None:
        """Variables of the host, which win over those of the inventory."""
        path = self.inventory / "host_vars/workstation.yml"
        path.parent.mkdir(exist_ok=True)
        known = yaml.safe_load(path.read_text()) if path.exists() else {}
        path.write_text(yaml.safe_dump({**known, **variables}))
