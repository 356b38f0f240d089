# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`deploy` and `gpus` in canonical form."""

from __future__ import annotations

from .context import Data, is_empty
from .problems import Problems
from .spec import Path


def move_gpus(service: Data, path: Path, problems: Problems) -> None:
    """`gpus` (Compose ≥ 2.30) is a device request with the capability gpu."""
    wanted = service.pop("gpus", None)
    requests = [{"count": -1}] if wanted == "all" else wanted
    if not requests:
        return
    deploy = dict(service.get("deploy") or {})
    resources = dict(deploy.get("resources") or {})
    reservations = dict(resources.get("reservations") or {})
    if reservations.get("devices"):
        problems.error((*path, "gpus"), "gpus and deploy.resources.reservations.devices exclude each other")
    reservations["devices"] = [
        {**request, "capabilities": list(dict.fromkeys(["gpu", *request.get("capabilities", [])]))}
        for request in requests
    ]
    service["deploy"] = {**deploy, "resources": {**resources, "reservations": reservations}}


def normalize_deploy(deploy: Data, path: Path, problems: Problems) -> Data:
    result = {key: value for key, value in deploy.items() if key == "replicas" or not is_empty(value)}
    mode = result.get("mode", "replicated")
    # `docker compose up` starts one container for global, too: there is one engine.
    if mode not in ("replicated", "global"):
        problems.error((*path, "mode"), f"the mode {mode} is not supported: a service is one container", "Remove mode.")
    resources = {}
    for part, values in deploy.get("resources", {}).items():
        resources[part] = {key: value for key, value in values.items() if not is_empty(value)}
    devices = resources.get("reservations", {}).get("devices", [])
    for index, request in enumerate(devices):
        place = (*path, "resources", "reservations", "devices", index)
        devices[index] = _device_request(request, place, problems)
    result["resources"] = resources
    result.setdefault("placement", {})
    return result


def _device_request(request: Data, path: Path, problems: Problems) -> Data:
    result = {key: value for key, value in request.items() if not is_empty(value)}
    if "count" in result and "device_ids" in result:
        problems.error(path, "count and device_ids exclude each other", "Remove count.")
    if "device_ids" not in result:
        result.setdefault("count", -1)
    return result
