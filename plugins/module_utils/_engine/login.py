# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a registry is reached, told from an impostor, and who asks: for engines that push and for our own asking."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Login:
    address: str
    """As in image references: ``pc2:5000``."""
    username: str = ""
    """Empty: it asks nobody."""
    password: str = ""
    ca: str = ""
    """PEM text of the certificate to trust; empty: those that the system trusts."""
    plain: bool = False
    """Without TLS: only for one of our own on 127.0.0.1."""

    @property
    def basic(self) -> str:
        """Name and password as HTTP's basic authentication and engines' files have them."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    @property
    def auth_config(self) -> dict[str, str] | None:
        """As the Docker SDK takes it; None: what its user is logged in with."""
        if not self.username:
            return None
        return {"username": self.username, "password": self.password, "serveraddress": self.address}

    @property
    def authfile(self) -> str:
        """As containers-auth.json(5) has it."""
        return json.dumps({"auths": {self.address: {"auth": self.basic}} if self.username else {}})
