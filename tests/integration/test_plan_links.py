"""The two ways of a link, as the fleet plan lays them out, on real engines."""

from __future__ import annotations

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import Attachment, NetworkConfig, Port

from .test_engine_networks import LABELS, SERVE, fetch
from .waiting import config, run, until


def test_a_link_network_joins_groups_that_are_isolated_otherwise(engine, name):
    front, back, link = f"{name}-front", f"{name}-back", f"{name}-back_link"
    for network in (front, back, link):
        engine.create_network(NetworkConfig(network, internal=True), LABELS)
    run(
        engine,
        config(f"{name}-web", *SERVE, networks=(Attachment(back, ("web",)), Attachment(link, ("web.back-group",)))),
    )
    run(engine, config(f"{name}-one", networks=(Attachment(front), Attachment(link))))
    run(engine, config(f"{name}-two", networks=(Attachment(front),)))
    until(lambda: fetch(engine, f"{name}-one", "http://web.back-group:8000/") == (0, "hello\n"))
    assert fetch(engine, f"{name}-two", "http://web.back-group:8000/")[0] != 0


def test_a_published_link_leaves_through_the_one_network_that_is_not_internal(engine, name, link_address):
    inner, out, link, other = f"{name}-inner", f"{name}-out", f"{name}-zlink", f"{name}-other"
    for network in (inner, link):
        engine.create_network(NetworkConfig(network, internal=True), LABELS)
    for network in (out, other):
        engine.create_network(NetworkConfig(network), LABELS)
    run(
        engine,
        config(
            f"{name}-web",
            *SERVE,
            networks=(Attachment(other), Attachment(link)),
            ports=(Port(8000, 7140, link_address),),
        ),
    )
    run(engine, config(f"{name}-one", networks=(Attachment(inner), Attachment(out), Attachment(link))))
    until(lambda: fetch(engine, f"{name}-one", f"http://{link_address}:7140/") == (0, "hello\n"))
