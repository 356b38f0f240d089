# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the labels that say whose an object is, and Compose's own labels."""

from __future__ import annotations

SCHEMA = "org.gpu-fleet.schema"
HOST = "org.gpu-fleet.host"
GROUP = "org.gpu-fleet.group"
SERVICE = "org.gpu-fleet.service"
REVISION = "org.gpu-fleet.revision"
CONFIG = "org.gpu-fleet.config"
SPEC = "org.gpu-fleet.spec"
SERVICES = "org.gpu-fleet.services"
"""On revision markers and containers: the services of the revision, sorted, comma-separated."""
VRAM = "org.gpu-fleet.vram"
"""``uuid=bytes`` pairs, comma-separated: GPU memory this container declares."""
PROMISE = "org.gpu-fleet.gpu-promise"
"""JSON of the `GpuPromise` that the container was made with, to ask it again later. No part of the configuration."""
IMAGE_INPUTS = "org.gpu-fleet.image.inputs"
"""On images: digest of the build's inputs."""
IMAGE_BASE = "org.gpu-fleet.image.base"
"""On images: identity of the base it was built from."""
BOOTSTRAP = "org.gpu-fleet.image.bootstrap"
"""On bootstrapped bases: digest of the recipe."""

COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_ONEOFF = "com.docker.compose.oneoff"
COMPOSE_NUMBER = "com.docker.compose.container-number"
COMPOSE_CONFIG_HASH = "com.docker.compose.config-hash"
COMPOSE_WORKING_DIR = "com.docker.compose.project.working_dir"
COMPOSE_CONFIG_FILES = "com.docker.compose.project.config_files"
COMPOSE_DEPENDS_ON = "com.docker.compose.depends_on"
COMPOSE_NETWORK = "com.docker.compose.network"
COMPOSE_VOLUME = "com.docker.compose.volume"

SCHEMA_VERSION = "1"
