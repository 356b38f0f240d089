#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches offered images to one engine; a thin shell around `_image/fetch.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_pull
short_description: Fetch the images that another host offers
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Gets images that M(gpu_fleet.containers.image_offer) offers onto this host's engine, whichever engine they come from.
  - Only layers that this engine lacks are fetched, by digest and each once. They are told by what is in them, not by how they
    were compressed, so a layer that came another way is not fetched again.
  - What was fetched is kept in O(cache_dir) until the image is there, so a transfer that was interrupted, also in the middle
    of a layer, goes on where it was.
  - An image gets its tag when all of it is there, and not before.
options:
  offer:
    description:
      - RV(gpu_fleet.containers.image_offer#module:offer).
    type: dict
    required: true
    suboptions:
      address:
        description: Where the registry answers.
        type: str
        default: ""
      ca:
        description: Certificate to trust, as PEM text. Empty means those that the system trusts.
        type: str
        default: ""
      username:
        description: Goes with O(password). Empty where the registry asks nobody.
        type: str
        default: ""
      images:
        description: C(repository), C(digest) and C(size) by reference.
        type: dict
        required: true
  images:
    description:
      - Which of O(offer.images) this host wants. Without it, all of them.
    type: list
    elements: str
  password:
    description:
      - The password that M(gpu_fleet.containers.image_offer) was called with.
    type: str
  cache_dir:
    description:
      - Layers are kept in its folder C(blobs) while they are fetched.
      - For the default, a user other than root who cannot write there gets C($XDG_CACHE_HOME/gpu-fleet) or
        C(~/.cache/gpu-fleet).
    type: path
    default: /var/cache/gpu-fleet
  events:
    description:
      - File to which progress is appended while it works, one JSON object on a line.
    type: path
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.engine
  - gpu_fleet.containers.engine_tls
attributes:
  check_mode:
    support: full
    details:
      - Asks the engine and not the registry. An engine that is not installed yet counts as empty.
  diff_mode:
    support: full
  idempotent:
    support: full
    details: An image that is there is not asked for.
  platform:
    support: full
    platforms: linux
seealso:
  - module: gpu_fleet.containers.image_offer
"""

EXAMPLES = r"""
- name: Get what the build host offers
  gpu_fleet.containers.image_pull:
    engine: docker
    offer: "{{ hostvars['mainpc'].offered.offer }}"
    password: "{{ transfer_password }}"
"""

RETURN = r"""
images:
  description: What was done for each image, or would be done in check mode.
  type: list
  elements: dict
  returned: success
  contains:
    reference:
      description: Its tag on this engine.
      type: str
    action:
      description: C(present) or C(pulled).
      type: str
    reason:
      description: Why.
      type: str
    received_bytes:
      description: Bytes of layers, manifests and configurations that came over the network for it.
      type: int
    seconds:
      description: How long it took.
      type: float
  sample:
    - reference: localhost/ai-system/agent:0f3c5d1e9a77
      action: pulled
      reason: 1 of 5 layers is not here
      received_bytes: 5001826
      seconds: 1.5
received_bytes:
  description: The sum.
  type: int
  returned: success
  sample: 5001826
summary:
  description: The same in one line for each image that was not there.
  type: list
  elements: str
  returned: success
  sample: ["pulled localhost/ai-system/agent:0f3c5d1e9a77: 1 of 5 layers is not here, 4.8 MiB in 1.5 s"]
"""

import contextlib
import dataclasses

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import Engine, ObservedImage
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker_url import Tls
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.login import Login
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.open import is_installed, open_engine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.directories import own_directory
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.fetch import (
    Fetched,
    Fetcher,
    plan_pulls,
    wanted_images,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.arguments import ENGINE, ENGINE_TLS
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.events import Events
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module
from ansible_collections.gpu_fleet.containers.plugins.module_utils._units import human

OFFER = {
    "address": {"type": "str", "default": ""},
    "ca": {"type": "str", "default": ""},
    "username": {"type": "str", "default": ""},
    "images": {"type": "dict", "required": True},
}

ARGUMENTS = {
    **ENGINE,
    **ENGINE_TLS,
    "offer": {"type": "dict", "required": True, "options": OFFER},
    "images": {"type": "list", "elements": "str"},
    "password": {"type": "str", "no_log": True},
    "cache_dir": {"type": "path", "default": "/var/cache/gpu-fleet"},
    "events": {"type": "path"},
}


def pull(module: AnsibleModule) -> dict:
    params, offer = module.params, module.params["offer"]
    wanted = wanted_images(offer["images"], params["images"])
    if module.check_mode:
        done = plan_pulls(wanted, _images_there(module))
    else:
        login = Login(offer["address"], offer["username"], params["password"] or "", offer["ca"])
        with contextlib.closing(Events(params["events"] or "")) as events:
            done = Fetcher(_open(module), login, own_directory(params["cache_dir"]), events.write).fetch(wanted)
    changes = [entry for entry in done if entry.changed]
    return {
        "changed": bool(changes),
        "images": [dataclasses.asdict(entry) for entry in done],
        "received_bytes": sum(entry.received_bytes for entry in done),
        "summary": [_line(entry, module.check_mode) for entry in changes],
        "diff": {
            "before": "".join(f"{entry.reference}: absent\n" for entry in changes),
            "after": "".join(f"{entry.reference}: pulled\n" for entry in changes),
        },
    }


def _images_there(module: AnsibleModule) -> tuple[ObservedImage, ...]:
    name, url = module.params["engine"], module.params["engine_url"]
    if not url and not is_installed(name):
        # A host that gets its engine during the run: one that is not there is empty.
        return ()
    return _open(module).images()


def _open(module: AnsibleModule) -> Engine:
    params = module.params
    return open_engine(params["engine"], params["engine_url"], Tls.from_dict(params["engine_tls"]))


def _line(entry: Fetched, check_mode: bool) -> str:
    if check_mode:
        return f"would pull {entry.reference}: {entry.reason}"
    return f"pulled {entry.reference}: {entry.reason}, {human(entry.received_bytes)} in {entry.seconds:.1f} s"


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, pull)


if __name__ == "__main__":
    main()
