from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._nearest import did_you_mean


@pytest.mark.parametrize(
    ("word", "known", "mend"),
    [
        ("enviroment", ["environment", "env_file"], "Did you mean «environment»?"),
        ("IMAGE", ["image"], "Did you mean «image»?"),
        ("TOKN", ["TOKEN"], "Did you mean «TOKEN»?"),
        ("cor", ["core", "other"], "Did you mean «core»?"),
        ("zzz", ["b", "a", "b"], "Known here: a, b."),
        ("zzz", [f"key{n}" for n in range(20)], ""),
        ("xyz", [], ""),
    ],
)
def test_did_you_mean(word: str, known: list[str], mend: str) -> None:
    assert did_you_mean(word, known) == mend
