# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what GPUs a host has, how containers reach them on each engine, and what is in the way."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_facts
short_description: Tell what GPUs a host has and how containers reach them
version_added: 0.1.0
description:
  - Finds the GPUs of a host and the stacks through which they can be used (V(nvidia), V(nvidia-wsl), V(cpu)), says for
    each whether it is ready and why, and explains every «no» with a finding that names the probe and the mend.
  - For each engine, says how a container gets the GPU there.
  - Can write everything it read into a snapshot, and work from a snapshot instead of the host.
  - Needs nothing on the host. NVML is asked through C(nvidia-ml-py) where that is installed, else C(nvidia-smi).
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.attributes.read_only
attributes:
  platform:
    support: full
    platforms: linux
options:
  engines:
    description:
      - The engines to ask. An empty list asks none, which starts no process and takes about as long as a ping.
    type: list
    elements: str
    choices: [docker, podman]
    default: [docker, podman]
  engine_url:
    description:
      - Where Docker answers, V(unix://…) or V(tcp://…). Empty means the socket that
        M(gpu_fleet.containers.container_groups) uses by default. E(DOCKER_HOST) is not consulted.
      - Docker behind other URLs (V(ssh://…), TLS) is left to M(gpu_fleet.containers.container_groups).
    type: str
    default: ""
  record:
    description:
      - Write everything that was read to this file on the host, as a snapshot (JSON). What is there must be a regular file.
      - Environment variables other than a short list and credentials in URLs are left out.
      - Not written in check mode.
    type: path
  replay:
    description:
      - Work from this snapshot on the host instead of the host itself.
    type: path
author:
  - the gpu_fleet.containers developers (@gpu-fleet)
"""

EXAMPLES = r"""
- name: What GPU does this host have?
  gpu_fleet.containers.gpu_facts:
    engines: []
  register: found

- name: Say what is wrong
  ansible.builtin.debug:
    msg: "{{ item.message }}. {{ item.mend }}"
  loop: "{{ found.gpu.findings | selectattr('level', 'eq', 'error') }}"

- name: Record a snapshot for a bug report
  gpu_fleet.containers.gpu_facts:
    record: /tmp/host.json
"""

RETURN = r"""
gpu:
  description: What was found.
  returned: success
  type: dict
  contains:
    platform:
      description: V(linux), V(wsl2), V(wsl1), V(macos), V(raspberry-pi), V(jetson) or V(container).
      type: str
      sample: wsl2
    stack:
      description: The best ready stack, or V(cpu).
      type: str
      sample: nvidia-wsl
    stacks:
      description: All stacks of the host, best first, each with C(name), C(ready), C(reason) and C(devices).
      type: list
      elements: dict
    devices:
      description:
        - All GPUs, each with C(stack), C(vendor), C(name), C(uuid), C(index), C(minor), C(bus_id), C(memory_bytes),
          C(memory_free_bytes), C(nodes), C(driver), C(integrated), C(compute_capability), C(ready), C(mig_enabled) and C(mig).
        - Sizes are bytes; null means that the host did not say.
      type: list
      elements: dict
    engines:
      description:
        - Per engine C(installed), C(ready), C(reason), C(version), C(id), C(rootless), C(flavour), C(url), C(cdi_dirs),
          C(cdi_devices), C(runtimes), C(selinux) and C(declared), the GPU memory in bytes by uuid that running containers declared.
      type: dict
    access:
      description: Per engine and ready stack, how a container gets all GPUs of the stack (mode, CDI names, devices, mounts, environment).
      type: dict
    findings:
      description: What detection has to say, each with C(level), C(code), C(message), C(probe) and C(mend).
      type: list
      elements: dict
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.facts import gather
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.regular import refuse_other_than_file
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module

ARGUMENTS = {
    "engines": {"type": "list", "elements": "str", "choices": ["docker", "podman"], "default": ["docker", "podman"]},
    "engine_url": {"type": "str", "default": ""},
    "record": {"type": "path"},
    "replay": {"type": "path"},
}


def run(module: t.Any) -> dict[str, t.Any]:
    parameters = module.params
    if parameters["replay"] or parameters["record"]:
        return _with_snapshot(module)
    return {"gpu": gather(HostReader(), parameters["engines"], parameters["engine_url"])}


def _with_snapshot(module: t.Any) -> dict[str, t.Any]:
    # Imported here, because most calls need no snapshot and should not wait for its code to be compiled.
    from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import snapshot

    parameters = module.params
    if parameters["replay"]:
        reader = snapshot.ReplayReader(snapshot.load(parameters["replay"]))
        return {"gpu": gather(reader, parameters["engines"], parameters["engine_url"])}
    recording = snapshot.RecordingReader(HostReader())
    gpu = gather(recording, parameters["engines"], parameters["engine_url"])
    if not module.check_mode:
        _write(parameters["record"], recording.snapshot())
    return {"gpu": gpu}


def _write(path: str, snapshot: dict[str, t.Any]) -> None:
    refuse_other_than_file(path)
    try:
        with open(path, "w", encoding="utf-8") as handle:
            json.dump(snapshot, handle, indent=1, sort_keys=True)
    except OSError as error:
        raise FleetError(f"the snapshot cannot be written: {error.strerror}", path) from error


def main() -> None:
    run_module(
        AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, mutually_exclusive=[["record", "replay"]]), run
    )


if __name__ == "__main__":
    main()
