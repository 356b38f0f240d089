#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts images of one engine where other hosts can fetch them; a thin shell around `_image/offer.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_offer
short_description: Offer images of this host's engine to other hosts
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Pushes images to a registry, from where M(gpu_fleet.containers.image_pull) fetches what other hosts lack.
  - With O(registry) that is the fleet's own. Without, a registry of this host is started for the transfer, with TLS, a
    certificate of its own and a password, for reading only. It ends with O(state=absent), or by itself after O(time_limit).
    Its key and password are never written to a disk.
  - What was pushed once stays in O(cache_dir), so that a later offer compresses and writes new layers only.
options:
  state:
    description:
      - V(absent) ends the registry that V(present) started, at once. Images in O(registry) stay.
    type: str
    choices: [present, absent]
    default: present
  images:
    description:
      - References to offer, with a tag and without a digest. Each has to be on this engine.
    type: list
    elements: str
    default: []
  registry:
    description:
      - The fleet's registry. Without it, this host serves the images itself.
    type: dict
    suboptions:
      address:
        description: Where it answers, as in image references, for example V(pc2:5000).
        type: str
        required: true
      username:
        description: Who may push. Empty where it asks nobody.
        type: str
        default: ""
      ca:
        description:
          - Certificate of the authority that signed the registry's, as PEM text. Empty means those that the system trusts.
          - Docker reads its own from C(/etc/docker/certs.d), where the role C(registry) puts it.
        type: str
        default: ""
  password:
    description:
      - Of the user of O(registry), or for the registry that is started. That takes 16 to 72 characters, best random ones.
    type: str
  address:
    description:
      - IP address of this host that other hosts reach it at. Needed without O(registry).
    type: str
    default: ""
  port:
    description:
      - Port to serve at. V(0) is one that is free.
    type: int
    default: 0
  time_limit:
    description:
      - Seconds after which a registry that was started ends by itself.
    type: int
    default: 14400
  offer:
    description:
      - With O(state=absent), what V(present) returned in RV(offer); only that registry ends. Without it, all that serve O(cache_dir).
    type: dict
  cache_dir:
    description:
      - Pushed layers are kept in its folder C(registry).
      - For the default, a user other than root who cannot write there gets C($XDG_CACHE_HOME/gpu-fleet) or
        C(~/.cache/gpu-fleet).
    type: path
    default: /var/cache/gpu-fleet
  events:
    description:
      - File to which progress is appended while it works, one JSON object on a line.
    type: path
requirements:
  - C(docker-registry) and C(openssl) without O(registry)
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.engine
  - gpu_fleet.containers.engine_tls
attributes:
  check_mode:
    support: full
    details:
      - Starts and pushes nothing. RV(offer) then names the images without a digest, which is enough for
        M(gpu_fleet.containers.image_pull) in check mode.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - An image whose tag is made of its content is pushed once. Without O(registry), each call starts a registry.
  platform:
    support: full
    platforms: linux
seealso:
  - module: gpu_fleet.containers.image_pull
  - module: gpu_fleet.containers.image_build
"""

EXAMPLES = r"""
- name: Offer what was built here to the other hosts
  gpu_fleet.containers.image_offer:
    engine: podman
    images: [localhost/ai-system/agent:0f3c5d1e9a77]
    address: 192.168.1.10
    password: "{{ transfer_password }}"
  register: offered

- name: Push to the fleet's registry
  gpu_fleet.containers.image_offer:
    engine: docker
    images: [localhost/ai-system/agent:0f3c5d1e9a77]
    registry:
      address: pc2:5000
      username: fleet
      ca: "{{ lookup('ansible.builtin.file', 'registry-ca.pem') }}"
    password: "{{ container_registry_password }}"

- name: End the transfer
  gpu_fleet.containers.image_offer:
    state: absent
    offer: "{{ offered.offer }}"
"""

RETURN = r"""
offer:
  description: What M(gpu_fleet.containers.image_pull) takes. Nothing in it is secret.
  type: dict
  returned: success, with O(state=present)
  contains:
    address:
      description: Where the registry answers; empty in check mode without O(registry).
      type: str
    ca:
      description: Certificate to trust, as PEM text; empty for those that the system trusts.
      type: str
    username:
      description: Goes with the password.
      type: str
    images:
      description: C(repository), C(digest) and C(size) (compressed bytes of all layers) by reference.
      type: dict
  sample:
    address: "192.168.1.10:43215"
    ca: "-----BEGIN CERTIFICATE-----\n..."
    username: fleet
    images:
      localhost/ai-system/agent:0f3c5d1e9a77:
        repository: ai-system/agent
        digest: sha256:731e954ed880396fd751a08825c949a6460756176ddb1a75a189d490c7c5eb41
        size: 64004259
images:
  description: What was done for each image.
  type: list
  elements: dict
  returned: success, with O(state=present)
  contains:
    reference:
      description: As in O(images).
      type: str
    action:
      description: C(present) or C(pushed).
      type: str
    seconds:
      description: How long it took.
      type: float
  sample:
    - reference: localhost/ai-system/agent:0f3c5d1e9a77
      action: pushed
      seconds: 3.5
summary:
  description: The same in one line for each image that was pushed, or would be.
  type: list
  elements: str
  returned: success
  sample: ["pushed localhost/ai-system/agent:0f3c5d1e9a77"]
"""

import contextlib
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker_url import Tls, is_elsewhere
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.login import Login
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.open import open_engine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.directories import own_directory
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image import serve
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.offer import (
    Events as OnEvent,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.offer import (
    Offered,
    plan_offers,
    push_images,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._lock import locked
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.arguments import ENGINE, ENGINE_TLS
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.events import Events
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module

REGISTRY = {
    "address": {"type": "str", "required": True},
    "username": {"type": "str", "default": ""},
    "ca": {"type": "str", "default": ""},
}

ARGUMENTS = {
    **ENGINE,
    **ENGINE_TLS,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "images": {"type": "list", "elements": "str", "default": []},
    "registry": {"type": "dict", "options": REGISTRY},
    "password": {"type": "str", "no_log": True},
    "address": {"type": "str", "default": ""},
    "port": {"type": "int", "default": 0},
    "time_limit": {"type": "int", "default": 14400},
    "offer": {"type": "dict"},
    "cache_dir": {"type": "path", "default": "/var/cache/gpu-fleet"},
    "events": {"type": "path"},
}


def run(module: AnsibleModule) -> dict:
    params = module.params
    folder = os.path.join(own_directory(params["cache_dir"]), "registry")
    if params["state"] == "absent":
        return _end(folder, (params["offer"] or {}).get("ca") or "", module.check_mode)
    _refuse_incomplete(params)
    if module.check_mode:
        registry = params["registry"] or {"address": "", "ca": "", "username": serve.USERNAME}
        login = Login(registry["address"], registry["username"], "", registry["ca"])
        return _answer(plan_offers(params["images"]), login, True)
    with contextlib.closing(Events(params["events"] or "")) as events:
        return _answer(*_offer(params, folder, events.write), False)


def _refuse_incomplete(params: dict) -> None:
    if params["registry"]:
        if params["registry"]["username"] and not params["password"]:
            raise InputError("it is empty", "password", "Set container_registry_password.")
        return
    if not params["address"]:
        raise InputError(
            "neither `registry` nor `address` is given", mend="Name the IP address that other hosts reach."
        )
    if len(params["password"] or "") < 16 or len(params["password"].encode()) > 72:
        raise InputError(
            "a transfer takes one of 16 to 72 characters", "password", "Make a random one for each transfer."
        )
    if is_elsewhere(params["engine_url"]):
        raise EngineError(
            f"an engine at {params['engine_url']} cannot push to a registry of this machine",
            "container_engine_url",
            "Build on a host with an engine of its own, or name a registry (container_registry).",
        )


def _offer(params: dict, folder: str, events: OnEvent) -> tuple[list[Offered], Login]:
    engine = open_engine(params["engine"], params["engine_url"], Tls.from_dict(params["engine_tls"]))
    if params["registry"]:
        registry = params["registry"]
        login = Login(registry["address"], registry["username"], params["password"] or "", registry["ca"])
        return push_images(engine, params["images"], login, events), login
    serve.find_program()
    with locked(os.path.join(folder, "lock")), serve.taking(folder, params["password"]) as login:
        offered = push_images(engine, params["images"], login, events)
    return offered, serve.serve(folder, params["address"], params["port"], params["password"], params["time_limit"])


def _end(folder: str, ca: str, check_mode: bool) -> dict:
    count = len(serve.serving(folder, ca)) if check_mode else serve.end(folder, ca)
    return {
        "changed": count > 0,
        "summary": ["would end the transfer" if check_mode else "ended the transfer"] * bool(count),
    }


def _answer(offered: list[Offered], login: Login, check_mode: bool) -> dict:
    changes = [entry for entry in offered if entry.action != "present"]
    return {
        "changed": bool(changes),
        "offer": {
            "address": login.address,
            "ca": login.ca,
            "username": login.username,
            "images": {
                entry.reference: {"repository": entry.repository, "digest": entry.digest, "size": entry.size}
                for entry in offered
            },
        },
        "images": [
            {"reference": entry.reference, "action": entry.action, "seconds": entry.seconds} for entry in offered
        ],
        "summary": [f"{'would push' if check_mode else 'pushed'} {entry.reference}" for entry in changes],
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
