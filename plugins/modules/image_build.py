#!/usr/bin/python
# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gets images onto one engine; a thin shell around `_image/make.py`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
short_description: Build or pull the images that an engine does not have yet
version_added: 0.1.0
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
description:
  - Builds an image when what it is made of has changed, and only then. It is known by the content of its
    Containerfile, of its context under C(.dockerignore) or C(.containerignore), its arguments, target, platform and
    labels, and by the identity of its base. Their digest is its tag and stands in its labels; times, owners and the order
    of files do not count.
  - The context is read on the controller and sent only when the host has to build.
  - A base that can be neither found nor pulled is made from the distribution's mirror, if there is a recipe for it. This
    takes C(mmdebstrap) on the host.
  - Docker builds with BuildKit, by whichever docker program on the host can, Podman with Buildah; their caches are kept, so
    a change builds again only what it must.
  - What was built is looked into before it gets its tags. A library of a GPU driver in a layer above the base is an error,
    and so is the value of one of O(secrets), wherever it stands in the image. Stubs and C(compat) folders of CUDA are no
    drivers.
  - The packages of the image are listed beside it (CycloneDX, JSON), and its labels follow the OCI image specification.
  - It only adds images and never removes one. A failed build leaves no tag behind.
options:
  name:
    description:
      - Name of the image to build, for example V(ai-system/agent). Without a registry it is kept under C(localhost/).
    type: str
  context:
    description:
      - Folder of the build context on the controller; a relative path starts from the playbook's folder.
      - Required with O(name).
    type: path
  containerfile:
    description:
      - The Containerfile, relative to O(context). Empty means C(Dockerfile), or C(Containerfile) where there is none.
    type: str
    default: ""
  template:
    description:
      - Name of a Containerfile of this collection to build from, instead of O(containerfile); V(cpu), V(cuda), V(hybrid),
        V(rocm), V(vulkan) or V(wsl2-cuda). Its arguments stand at its top, in C(plugins/plugin_utils/_images/templates).
    type: str
    default: ""
  arguments:
    description:
      - Build arguments.
    type: dict
    default: {}
  target:
    description:
      - The stage to build. Empty means the last one.
    type: str
    default: ""
  platform:
    description:
      - For example V(linux/arm64). Empty means the engine's own.
    type: str
    default: ""
  labels:
    description:
      - Labels of the image.
    type: dict
    default: {}
  tags:
    description:
      - Further tags, for example V(ai-system/agent:stable), beside the one made of its content.
    type: list
    elements: str
    default: []
  pull:
    description:
      - Ask the registry for a newer base each time.
    type: bool
    default: false
  stack:
    description:
      - GPU stack of the host, which chooses among O(stacks). V(nvidia-wsl) and V(nvidia-tegra) fall back to V(nvidia),
        V(rocm-wsl) to V(rocm).
    type: str
    default: cpu
  stacks:
    description:
      - What differs in the build for a GPU stack, by the stack's name. Each may have C(args), C(target), C(context), and
        C(dockerfile) or C(template).
    type: dict
    default: {}
  bootstrap:
    description:
      - Recipe of a base for where the wanted one cannot be pulled.
    type: dict
    suboptions:
      argument:
        description:
          - The build argument that names the base in C(FROM).
        type: str
        required: true
      suite:
        description:
          - Debian or Ubuntu release, for example V(bookworm).
        type: str
        required: true
      packages:
        description:
          - Packages to install beside the essential ones.
        type: list
        elements: str
        default: []
      mirror:
        description:
          - Address of the mirror. Empty means the one in the host's own apt sources.
        type: str
        default: ""
      variant:
        description:
          - Which packages to start from; see mmdebstrap(1).
        type: str
        default: minbase
      pull:
        description:
          - V(false) does not even try to pull the wanted base, for sites without a registry.
        type: bool
        default: true
  images:
    description:
      - Images of a fleet plan, as M(gpu_fleet.containers.fleet_plan) returns them, instead of O(name).
    type: list
    elements: dict
  secrets:
    description:
      - What the build may read as C(/run/secrets/NAME) in a step with C(RUN --mount=type=secret,id=NAME), by name. Each has
        either C(variable), a name in the variable C(container_secrets), or C(file), a path on the controller.
      - With O(images) the C(secrets) of the plan's host.
      - On the host the values lie on a tmpfs, for this user alone, only while it builds. They do not count for what an image
        is known by, so a changed value builds nothing again.
    type: dict
    default: {}
  secret_values:
    description:
      - Filled by the action plugin, of O(secrets).
    type: dict
    default: {}
  docker_cli:
    description:
      - The docker program to build with. Empty means one that can use BuildKit, looked for on the C(PATH) and beside it.
      - Where there is none, the builder of Docker's API does what needs no BuildKit.
    type: path
  cache_dir:
    description:
      - Where bootstrapped bases and the lists of packages are kept on the host.
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
  - gpu_fleet.containers.registries
attributes:
  check_mode:
    support: full
    details:
      - Says «would build» or «would pull» for what is not there. An engine that is not installed yet counts as empty.
  diff_mode:
    support: full
  idempotent:
    support: full
    details: The builder is not called when the image is there.
  platform:
    support: full
    platforms: linux
seealso:
  - module: gpu_fleet.containers.container_groups
"""

EXAMPLES = r"""
- name: Build the agent's image on the CUDA base, or on a plain one where there is no GPU
  gpu_fleet.containers.image_build:
    name: ai-system/agent
    context: images/agent
    stack: "{{ gpu_fleet_facts.gpu.stack }}"  # registered from gpu_fleet.containers.gpu_facts
    stacks:
      nvidia:
        args:
          BASE: nvidia/cuda:12.1.1-cudnn8-runtime-ubuntu22.04

- name: Build where no registry can be reached
  gpu_fleet.containers.image_build:
    engine: docker
    name: ai-system/agent
    context: images/agent
    tags: [ai-system/agent:stable]
    bootstrap:
      argument: BASE
      suite: bookworm
      packages: [python3, python3-zmq]
      pull: false

- name: Build with a password that stays out of the image
  gpu_fleet.containers.image_build:
    name: ai-system/agent
    context: images/agent  # RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf pip install -r requirements.txt
    secrets:
      pip_conf: {variable: pip_conf}  # in container_secrets

- name: Stage the images of a plan
  gpu_fleet.containers.image_build:
    engine: "{{ fleet.hosts[inventory_hostname].engine }}"
    images: "{{ fleet.hosts[inventory_hostname].images.values() }}"
    secrets: "{{ fleet.hosts[inventory_hostname].secrets }}"
"""

RETURN = r"""
images:
  description: What was done, or would be done in check mode, in this order; bases that were needed on the way included.
  type: list
  elements: dict
  returned: success
  contains:
    key:
      description: Name within the plan; empty for a base.
      type: str
    reference:
      description: What to run.
      type: str
    action:
      description: One of C(present), C(built), C(pulled), C(tagged) and C(bootstrapped).
      type: str
    reason:
      description: Why.
      type: str
    seconds:
      description: How long it took.
      type: float
    context_needed:
      description: In check mode, whether building it takes the context.
      type: bool
    sbom:
      description: Path on the host of the list of its packages, where it was built now; else empty.
      type: str
  sample:
    - key: localhost/ai-system/agent
      reference: localhost/ai-system/agent:0f3c5d1e9a77
      action: built
      reason: not built yet
      seconds: 12.5
      context_needed: false
      sbom: /var/cache/gpu-fleet/sbom/ai-system/agent-0f3c5d1e9a77.cdx.json
missing_images:
  description:
    - Keys of the images for which there is something to do, or that ask a registry each time. The name is that of
      M(gpu_fleet.containers.container_groups), so that both can be asked what a host lacks.
  type: list
  elements: str
  returned: success, in check mode
  sample: [localhost/ai-system/agent]
summary:
  description: The same in one line for each image that is not simply there.
  type: list
  elements: str
  returned: success
  sample: ["would build localhost/ai-system/agent:0f3c5d1e9a77: not built yet"]
"""

import contextlib
import dataclasses

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.base import Engine, ObservedImage
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker_url import Tls
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.login import Login
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.open import is_installed, open_engine
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.directories import own_directory
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.make import Done, Stager, plan_images
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import from_dict
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.arguments import (
    ENGINE,
    ENGINE_TLS,
    REGISTRIES,
)
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.events import Events
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module

_WOULD = {"built": "build", "pulled": "pull", "tagged": "tag", "bootstrapped": "bootstrap"}

BOOTSTRAP = {
    "argument": {"type": "str", "required": True},
    "suite": {"type": "str", "required": True},
    "packages": {"type": "list", "elements": "str", "default": []},
    "mirror": {"type": "str", "default": ""},
    "variant": {"type": "str", "default": "minbase"},
    "pull": {"type": "bool", "default": True},
}

ARGUMENTS = {
    **ENGINE,
    **ENGINE_TLS,
    **REGISTRIES,
    "name": {"type": "str"},
    "context": {"type": "path"},
    "containerfile": {"type": "str", "default": ""},
    "template": {"type": "str", "default": ""},
    "arguments": {"type": "dict", "default": {}},
    "target": {"type": "str", "default": ""},
    "platform": {"type": "str", "default": ""},
    "labels": {"type": "dict", "default": {}},
    "tags": {"type": "list", "elements": "str", "default": []},
    "pull": {"type": "bool", "default": False},
    "stack": {"type": "str", "default": "cpu"},
    "stacks": {"type": "dict", "default": {}},
    "bootstrap": {"type": "dict", "options": BOOTSTRAP},
    "images": {"type": "list", "elements": "dict"},
    "secrets": {"type": "dict", "default": {}, "no_log": False},  # where they are
    "secret_values": {"type": "dict", "default": {}, "no_log": True},
    "docker_cli": {"type": "path"},
    "cache_dir": {"type": "path", "default": "/var/cache/gpu-fleet"},
    "events": {"type": "path"},
}


def stage(module: AnsibleModule) -> dict:
    if module.params["images"] is None:
        # The action plugin turns `name` and `context` into `images`: only it sees the controller's files.
        raise InputError(
            "image_build was called without its action plugin", mend="Use it as a task, not by another way."
        )
    entries = [dict(entry) for entry in module.params["images"]]
    archives = {entry["key"]: entry.pop("context_archive") for entry in entries if entry.get("context_archive")}
    specs = [from_dict(entry) for entry in entries]
    if module.check_mode:
        done = plan_images(specs, _images_there(module))
    else:
        engine = _open(module)
        cache_dir, secrets = own_directory(module.params["cache_dir"]), module.params["secret_values"]
        logins = [Login(**registry) for registry in module.params["registries"]]
        with contextlib.closing(Events(module.params["events"] or "")) as events:
            done = Stager(engine, cache_dir, archives, events.write, secrets, logins).stage(specs)
    changes = [entry for entry in done if entry.changed]
    due = {entry.key for entry in changes} | {spec.key for spec in specs if spec.pull_policy == "always"}
    return {
        "changed": bool(changes),
        "images": [dataclasses.asdict(entry) for entry in done],
        **({"missing_images": [spec.key for spec in specs if spec.key in due]} if module.check_mode else {}),
        "summary": [_line(entry, module.check_mode) for entry in changes],
        "diff": {
            "before": "".join(f"{entry.reference}: absent ({entry.reason})\n" for entry in changes),
            "after": "".join(f"{entry.reference}: {entry.action}\n" for entry in changes),
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
    tls = Tls.from_dict(params["engine_tls"])
    return open_engine(params["engine"], params["engine_url"], tls, docker_cli=params["docker_cli"] or "")


def _line(entry: Done, check_mode: bool) -> str:
    verb = f"would {_WOULD[entry.action]}" if check_mode else entry.action
    return f"{verb} {entry.reference}: {entry.reason}"


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        mutually_exclusive=[("name", "images")],
        required_one_of=[("name", "images")],
        required_by={"name": "context"},
        supports_check_mode=True,
    )
    run_module(module, stage)


if __name__ == "__main__":
    main()
