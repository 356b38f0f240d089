# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Docker is asked when no URL is given: the same place for facts and for a deploy.

DOCKER_HOST is not consulted: what a run changes is the inventory's business.
"""

from __future__ import annotations

import os

ROOTFUL = "/var/run/docker.sock"


def default_socket() -> str:
    """The rootful socket if it may be used, else the user's rootless or Desktop socket if there is one."""
    home = os.path.expanduser("~")
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    # Sources: moby rootless documentation; Docker Desktop FAQs (sockets on Linux and Mac).
    others = (f"{runtime}/docker.sock", f"{home}/.docker/run/docker.sock", f"{home}/.docker/desktop/docker.sock")
    candidates = (ROOTFUL, *others) if os.access(ROOTFUL, os.W_OK) else (*others, ROOTFUL)
    return next((path for path in candidates if os.path.exists(path)), ROOTFUL)


def default_url() -> str:
    return f"unix://{default_socket()}"
