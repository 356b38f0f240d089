"""Which of apt's files name a repository, too."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.apt_sources import Rival, rivals

URI = "https://example.org/stable/deb/$(ARCH)"
STANZA = "Types: deb\nURIs: https://example.org/stable/deb/amd64/\nSuites: /\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.list", f"deb [signed-by=/x.gpg] {URI} /\n", True),
        ("a.list", "deb https://example.org/stable/deb/amd64/ /\n", True),
        ("a.list", "  deb-src [arch=amd64] https://example.org/stable/deb/amd64 /\n", True),
        ("a.list", f"# deb {URI} /\n", None),
        ("a.list", "deb https://example.org/stable/deb/arm64 /\n", None),
        ("a.list", "deb https://example.org/stable/deb trixie main\n", None),
        ("a.list", f"deb {URI} /\ndeb http://deb.example.org/debian trixie main\n", False),
        ("a.list", "", None),
        ("a.sources", STANZA, True),
        ("a.sources", STANZA + "\n" + STANZA.replace("stable", "testing"), False),
        (
            "a.sources",
            "Types: deb\nURIs: http://deb.example.org/debian\n https://example.org/stable/deb/amd64\n",
            False,
        ),
        ("a.sources", STANZA + "Enabled: no\n", None),
        ("a.sources", STANZA + "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ==\n", True),
        ("a.sources", "# URIs: https://example.org/stable/deb/amd64\n", None),
    ],
)
def test_rivals(name: str, text: str, expected: bool | None) -> None:
    found = rivals({name: text}, [URI], "amd64")
    assert found == ([] if expected is None else [Rival(name, expected)])
