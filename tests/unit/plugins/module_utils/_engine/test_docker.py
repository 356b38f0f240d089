from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import docker as adapter
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError


def test_daemon_that_does_not_answer(tmp_path):
    url = f"unix://{tmp_path}/docker.sock"
    with pytest.raises(EngineError, match="Docker does not answer at unix:"):
        adapter.DockerEngine(url)
