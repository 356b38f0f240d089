"""What a Podman's own unit for the boot leaves out."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.podman_boot import drop_in

OLD = """[Service]
Type=oneshot
Environment=LOGGING="--log-level=info"
ExecStart=/usr/bin/podman $LOGGING start --all --filter restart-policy=always
ExecStop=/usr/bin/podman  $LOGGING stop  --all --filter restart-policy=always
"""
NEW = OLD.replace("restart-policy=always", "should-start-on-boot=true")


def test_an_older_podman_needs_a_second_start() -> None:
    lines = drop_in(OLD).splitlines()
    assert lines[1] == "[Service]"
    ours = "--all --filter restart-policy=unless-stopped --filter label=org.gpu-fleet.schema"
    assert lines[2:] == [f"ExecStart=/usr/bin/podman start {ours}", f"ExecStop=/usr/bin/podman stop {ours}"]


@pytest.mark.parametrize("unit", [NEW, "", "[Unit]\nDescription=something else\n"])
def test_others_need_nothing(unit: str) -> None:
    assert drop_in(unit) == ""
