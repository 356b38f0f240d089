"""Passwords in addresses are not shown."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._settings.redact import redact, secrets

CASES = [
    ('"http-proxy": "http://me:geheim@proxy:3128/"', '"http-proxy": "http://[hidden]@proxy:3128/"', {"me:geheim"}),
    ("env = ['P=https://u:a@b@c/x']", "env = ['P=https://[hidden]@c/x']", {"u:a@b"}),
    ("a http://proxy:3128/@x b", "a http://proxy:3128/@x b", set()),
    ("ssh://user@host", "ssh://user@host", set()),
    ("http://a:1@b http://c:2@d", "http://[hidden]@b http://[hidden]@d", {"a:1", "c:2"}),
]


@pytest.mark.parametrize(("text", "shown", "found"), CASES)
def test_redact(text, shown, found):
    assert redact(text) == shown
    assert secrets({"x": [{"y": text}, 1, None]}) == found
