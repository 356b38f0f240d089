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


def _forget_deadlines() -> None:
    # How long an example takes says nothing on a busy machine; speed is measured in benchmarks/.
    try:
        from hypothesis import settings
    except ImportError:
        return
    settings.register_profile("gpu_fleet", deadline=None)
    settings.load_profile("gpu_fleet")


_install_collection_finder()
_forget_deadlines()
