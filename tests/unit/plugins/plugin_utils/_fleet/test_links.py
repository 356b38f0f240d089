from __future__ import annotations

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    ContainerConfig,
    Group,
    Link,
    Service,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.links import links_to_ask


def test_links_to_ask_are_all_links_of_a_host():
    links = (
        Link("A", "tcp://x:1", "b/x:1", "pc2", published=True, check=("ping",)),
        Link("B", "y", "b/y:1", "pc2"),
    )
    with_links = Service("twin", ContainerConfig("twin", "redis:7"), links=links)
    without = Service("none", ContainerConfig("none", "redis:7"))
    assert links_to_ask([Group("core", "core", (with_links, without))]) == [
        {"group": "core", "service": "twin", "variable": "A", "url": "tcp://x:1", "published": True, "check": ["ping"]},
        {"group": "core", "service": "twin", "variable": "B", "url": "y", "published": False, "check": []},
    ]
