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
  - Finds the GPUs of a host and the stacks through which they can be used (V(nvidia), V(nvidia-wsl), V(nvidia-tegra),
    V(rocm), V(rocm-wsl), V(intel), V(vulkan), V(videocore), V(venus), V(metal), V(cpu)), says for each whether it is
    ready and why, and explains every «no» with a finding that names the probe, its evidence and the mend.
  - For each engine, says how a container gets the GPU there.
  - Can write everything it read into a snapshot, and work from a snapshot instead of the host.
  - Needs nothing on the host. NVIDIA's driver is asked through its own library NVML, with C(nvidia-ml-py) where that is
    installed; C(nvidia-smi) is started only where that library cannot be loaded.
  - A library of a driver that does not answer within 30 seconds is a finding. Where the kernel itself waits for a broken
    GPU, no process that asked can end before the kernel lets go; give the task a C(timeout), as C(deploy.yml) does.
extends_documentation_fragment:
  - gpu_fleet.containers.attributes
  - gpu_fleet.containers.engine_tls
  - gpu_fleet.containers.attributes.read_only
attributes:
  platform:
    support: full
    platforms: linux
options:
  engines:
    description:
      - The engines to ask. An empty list asks none, which starts no process on usual hosts and takes little longer
        than a module that does nothing.
    type: list
    elements: str
    choices: [docker, podman]
    default: [docker, podman]
  engine_url:
    description:
      - Where Docker answers, V(unix://…), V(tcp://…) or V(ssh://…). Empty means the socket that
        M(gpu_fleet.containers.container_groups) uses by default. E(DOCKER_HOST) is not consulted.
      - With V(tcp://…) and V(ssh://…) the host is known by its engine's words alone, and nothing of the machine that the
        module runs on is looked at. That takes the Docker SDK for Python.
    type: str
    default: ""
  thorough:
    description:
      - Also start tools that would only confirm what files, libraries and sockets tell already, such as C(nvidia-smi),
        C(rocminfo) and C(vulkaninfo), for a second opinion. Each is a process and takes up to some seconds.
      - O(record) implies it, because a snapshot for a bug report should hold every tool's answer.
    type: bool
    default: false
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
    architecture:
      description: What images must be made for here, in OCI's words; empty where nobody said.
      type: str
      sample: amd64
    stack:
      description: The best ready stack, or V(cpu).
      type: str
      sample: nvidia-wsl
    stacks:
      description: All stacks of the host, best first.
      type: list
      elements: dict
      contains:
        name:
          description: The stack.
          type: str
          sample: nvidia
        ready:
          description: Whether a program on this host could use a GPU through it now.
          type: bool
        reason:
          description: Why it is ready or not.
          type: str
        rank:
          description: Why it stands where it does among the stacks.
          type: str
          sample: ready, the vendor's own stack, discrete, 24.0 GiB
        library:
          description: For V(rocm-wsl) the path of ROCm's library for WSL, which containers get from the host; empty otherwise.
          type: str
        devices:
          description: Its GPUs, in the form of RV(gpu.devices).
          type: list
          elements: dict
    devices:
      description: All GPUs. Sizes are bytes; null means that the host did not say.
      type: list
      elements: dict
      contains:
        stack:
          description: The stack it is used through.
          type: str
        vendor:
          description: Its maker, V(nvidia), V(amd), V(intel) and so on.
          type: str
        name:
          description: The name that its maker sells it under.
          type: str
        uuid:
          description: A name that stays the same on every run; the vendor's own where it gives one.
          type: str
        index:
          description: Number by which the vendor's tools and CDI names count.
          type: int
        minor:
          description: N of C(/dev/nvidiaN), which is not the index.
          type: int
        bus_id:
          description: PCI address.
          type: str
          sample: "0000:01:00.0"
        memory_bytes:
          description: Its memory. For a GPU that shares the machine's memory, all of that.
          type: int
        memory_free_bytes:
          description: What of it is free.
          type: int
        nodes:
          description: Device nodes that a program needs, each with C(path), C(major), C(minor), C(mode), C(uid) and C(gid).
          type: list
          elements: dict
        driver:
          description: Version of the driver; under WSL2 of the driver in Windows.
          type: str
        integrated:
          description: Whether it shares the machine's memory.
          type: bool
        compute_capability:
          description: NVIDIA's generation number.
          type: str
          sample: "8.9"
        architecture:
          description: The vendor's name for the chip where images are built for it.
          type: str
          sample: gfx1100
        ready:
          description: Whether this GPU can be used.
          type: bool
        mig_enabled:
          description: Whether it is divided. Containers get its slices then, never the whole.
          type: bool
        mig:
          description: Its slices, each with C(name), C(uuid), C(gpu_instance), C(compute_instance), C(memory_bytes), C(index) and C(nodes).
          type: list
          elements: dict
    npus:
      description: Neural accelerators, which are no GPUs, in the form of RV(gpu.devices).
      type: list
      elements: dict
    engines:
      description:
        - Per engine C(installed), C(ready), C(reason), C(version), C(id), C(rootless), C(flavour), C(url), C(cdi_dirs),
          C(cdi_devices), C(cdi_nodes), C(cdi_groups), C(runtimes), C(selinux) and C(declared), the GPU memory in bytes by uuid
          that running containers declared.
        - C(flavour) is V(engine), V(desktop) for Docker Desktop, or V(podman) for a Podman that answers at Docker's socket.
      type: dict
    cdi:
      description:
        - What CDI specs of this host say, for engines that cannot read them. By kind, C(edits) for every device and
          C(devices), which are edits by name.
      type: dict
    access:
      description: Per engine and ready stack, how a container gets all GPUs of the stack (mode, CDI names, devices, mounts, environment, promise).
      type: dict
    displays:
      description:
        - Display servers that containers could draw on by C(x-display), the likeliest first.
        - No cookie is among it; C(authority) is the file that has it.
      type: list
      elements: dict
      contains:
        kind:
          description: V(x11), V(wayland) or V(wslg).
          type: str
        name:
          description: V(:0) or V(wayland-0).
          type: str
        socket:
          description: Path of its socket.
          type: str
        uid:
          description: Whose session it is; null where that is not known.
          type: int
        authority:
          description: For V(x11) the likeliest file with its cookie, or nothing.
          type: str
        more:
          description: For V(wslg) its other sockets.
          type: list
          elements: str
    reported:
      description: URL of the engine from whose words alone this is known; empty where the host itself was looked at.
      type: str
      sample: ssh://winbox
    findings:
      description: What detection has to say.
      type: list
      elements: dict
      contains:
        level:
          description: V(error), V(warning) or V(info).
          type: str
        code:
          description: A name for this kind of finding, which never changes its meaning.
          type: str
          sample: driver-library-mismatch
        message:
          description: What was found.
          type: str
        probe:
          description: The file, command or library that it comes from.
          type: str
        evidence:
          description: What the probe showed; the line, value or name that the finding rests on.
          type: str
        mend:
          description: The command or edit that helps.
          type: str
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.facts import gather, gather_elsewhere
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker_url import Tls, is_elsewhere
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.arguments import ENGINE_TLS
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.regular import refuse_other_than_file
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module

ARGUMENTS = {
    "engines": {"type": "list", "elements": "str", "choices": ["docker", "podman"], "default": ["docker", "podman"]},
    "engine_url": {"type": "str", "default": ""},
    **ENGINE_TLS,
    "thorough": {"type": "bool", "default": False},
    "record": {"type": "path"},
    "replay": {"type": "path"},
}


def run(module: t.Any) -> dict[str, t.Any]:
    parameters = module.params
    if is_elsewhere(parameters["engine_url"]):
        return _of_its_engine(parameters)
    if parameters["replay"] or parameters["record"]:
        return _with_snapshot(module)
    return {"gpu": gather(HostReader(thorough=parameters["thorough"]), parameters["engines"], parameters["engine_url"])}


def _of_its_engine(parameters: dict[str, t.Any]) -> dict[str, t.Any]:
    """A host that is reached by its engine alone: what this machine has is not that host's."""
    for name in ("record", "replay"):
        if parameters[name]:
            raise InputError(
                "there is no snapshot of a host of which only the engine is reached", name, "Leave engine_url empty."
            )
    return {"gpu": gather_elsewhere(parameters["engine_url"], Tls.from_dict(parameters["engine_tls"]))}


def _with_snapshot(module: t.Any) -> dict[str, t.Any]:
    # Imported here, because most calls need no snapshot and should not wait for its code to be compiled.
    from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu import snapshot

    parameters = module.params
    if parameters["replay"]:
        reader = snapshot.ReplayReader(snapshot.load(parameters["replay"]))
        return {"gpu": gather(reader, parameters["engines"], parameters["engine_url"])}
    recording = snapshot.RecordingReader(HostReader(thorough=True))
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
