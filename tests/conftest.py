"""Makes the checkout importable as `ansible_collections.gpu_fleet.containers` for every test."""

from __future__ import annotations

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def _install_collection_finder() -> None:
    # ansible-test runs the tests in a real collection tree and has installed its finder already.
    if any(type(finder).__name__ == "_AnsibleCollectionFinder" for finder in sys.meta_path):
        return
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    _AnsibleCollectionFinder(paths=[str(ROOT / ".collections")])._install()


_install_collection_finder()
