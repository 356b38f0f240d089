"""podman_config as Ansible calls it: where it refuses to write."""

from __future__ import annotations

import os

import pytest

from ansible_collections.gpu_fleet.containers.plugins.modules import podman_config

from .calling import call


@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_is_not_a_regular_file_is_refused_and_stays(tmp_path, state):
    pipe = tmp_path / "50-gpu-fleet.conf"
    os.mkfifo(pipe)
    result = call(podman_config, path=str(pipe), state=state)
    assert result["rc"] == 1 and "is there and is not a regular file" in result["msg"]
    assert pipe.is_fifo()
