"""What a plan says of GPUs that are given with something missing, or in place of something."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.plan import AccessPlan
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import GpuRequest
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet import gpu, warnings

WHERE = "mainpc: groups/core.yml: services.web"
WSL = AccessPlan(GpuRequest("nvidia-wsl", "explicit"), environment={"LD_LIBRARY_PATH": "/usr/lib/wsl/lib"})


@pytest.mark.parametrize(
    ("environment", "replaced", "lacks"),
    [
        (None, "/usr/lib/wsl/lib", False),
        ({"A": "1"}, "/usr/lib/wsl/lib", False),
        ({"LD_LIBRARY_PATH": "/opt/lib:/usr/lib/wsl/lib"}, "", False),
        ({"LD_LIBRARY_PATH": "/opt/lib"}, "", True),
        ({"LD_LIBRARY_PATH": ""}, "", True),
        # As in Compose: a variable without a value is not set, so the plan's is.
        ({"LD_LIBRARY_PATH": None}, "/usr/lib/wsl/lib", False),
    ],
)
def test_whose_library_path_counts(environment, replaced, lacks):
    content = {"environment": environment}
    assert gpu.replaced_library_path(WSL, content) == replaced
    expected = [f"{WHERE}.environment.LD_LIBRARY_PATH lacks /usr/lib/wsl/lib, where its GPU's libraries are. Add it."]
    assert list(warnings.access_warnings(WHERE, WSL, content)) == (expected if lacks else [])


def test_a_plan_that_sets_none():
    plan = AccessPlan(GpuRequest("rocm", "explicit"))
    assert gpu.replaced_library_path(plan, {}) == ""
    assert list(warnings.access_warnings(WHERE, plan, {"environment": {"LD_LIBRARY_PATH": "/x"}})) == []


def test_services_whose_images_lose_their_path_stand_in_one_warning():
    (text,) = warnings.library_warnings("mainpc", {"/usr/lib/wsl/lib": ["core/a", "core/b"]})
    assert text.startswith("mainpc: LD_LIBRARY_PATH is /usr/lib/wsl/lib in core/a, core/b, for the GPU's libraries")


def test_what_a_spec_would_have_given_is_named():
    plan = AccessPlan(GpuRequest("nvidia", "explicit"), missed=("the tmpfs on /x", "the link /y"))
    assert list(warnings.access_warnings(WHERE, plan, {})) == [
        f"{WHERE}: its CDI spec is carried out without the tmpfs on /x, the link /y."
    ]
