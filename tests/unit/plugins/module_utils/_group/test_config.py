from __future__ import annotations

import json

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._group import config


def test_round_trip_through_json():
    group = config.Group(
        "core",
        "mainpc-core",
        services=(
            config.Service(
                "web",
                config.ContainerConfig(
                    "mainpc-core-web-1",
                    "redis:7",
                    ports=(config.Port(80, 8080, "10.77.1.1"),),
                    healthcheck=config.Healthcheck(("CMD", "true")),
                    gpu=config.GpuRequest("nvidia", "cdi", cdi_devices=("nvidia.com/gpu=all",)),
                ),
            ),
        ),
    )
    assert config.from_dict(config.Group, json.loads(json.dumps(config.to_dict(group)))) == group


def test_defaults_are_left_out_so_that_new_fields_keep_old_hashes():
    assert config.to_dict(config.ContainerConfig("a", "b")) == {"name": "a", "image": "b"}


def test_none_and_empty_command_are_different():
    without = config.ContainerConfig("a", "b")
    empty = config.ContainerConfig("a", "b", command=())
    assert config.digest(without) != config.digest(empty)


def test_unknown_field_is_refused():
    with pytest.raises(TypeError):
        config.from_dict(config.Port, {"container": 1, "hots": 2})
