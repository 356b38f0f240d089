"""Names that the access planner and others rely on."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi import kinds
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.names import is_cdi_name


@pytest.mark.parametrize("kind", sorted(set(kinds.KINDS.values())))
def test_every_kind_is_a_name_for_every_version(kind):
    assert is_cdi_name(kinds.qualified(kind, kinds.ALL))
    # A dot in the class would need version 0.6.0.
    assert "." not in kind.partition("/")[2]
    assert kinds.is_ours(f"/etc/cdi/{kinds.file_name(kind)}")


@pytest.mark.parametrize(
    "path", ["/etc/cdi/nvidia.yaml", "/etc/cdi/gpu-fleet-mine.json", "/etc/cdi/my-gpu-fleet-amd.com-gpu.json"]
)
def test_what_is_not_ours(path):
    assert not kinds.is_ours(path)


@pytest.mark.parametrize(
    ("nodes", "device", "render"),
    [
        (["/dev/dri/renderD129", "/dev/dri/card1"], "card1", "renderD129"),
        (["/dev/dri/renderD128"], "renderD128", "renderD128"),
        (["/dev/accel/accel0"], "accel0", ""),
        (["/dev/kfd"], "", ""),
    ],
)
def test_names_from_nodes(nodes, device, render):
    assert (kinds.node_name(nodes), kinds.render_name(nodes)) == (device, render)


def test_every_stack_can_be_described_by_somebody():
    assert set(kinds.KINDS) == set(kinds.TOOLS) | set(kinds.WITHOUT_TOOL)
