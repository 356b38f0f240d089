# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; there is no code for targets."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_plan
short_description: Plan all container groups of an inventory before anything is changed
version_added: 0.1.0
description:
  - Reads the inventory variables and group files of all hosts, and the facts of the hosts of this play, and works out
    what each host must run, in which order, how containers reach each other and how they get their GPUs.
  - Anything that does not fit stops here, with all errors at once. Names, needs, links, published ports, GPU memory,
    mounts, secrets and images are checked for the whole inventory, whatever the limit is. Nothing is changed anywhere.
  - Runs once a play, on the controller. With C(run_once=true) every host of the play gets the result registered;
    without it only the first one does.
options:
  facts:
    description: Name of the variable in which the result of M(gpu_fleet.containers.gpu_facts) was registered.
    type: str
    default: gpu_fleet_facts
  container_group:
    description:
      - Names of the groups that may be changed. All groups are checked all the same.
      - Without it the variable C(container_group) counts; without that, all groups may be changed.
    type: list
    elements: str
  show:
    description: Whether to print the plan.
    type: bool
    default: true
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
  - gpu_fleet.containers.attributes.controller
notes:
  - The main inventory variables of a host are C(container_groups), the names of the groups it runs; C(container_groups_dir),
    the folder of their files (C(groups) beside the inventory); C(container_engine), V(podman) or V(docker);
    C(container_engine_url); C(container_link_address), where other hosts reach what is published here;
    C(container_environment), values for C(${NAME}); and C(container_secrets), secret values, best from a vault.
  - C(docs/group-files.md) lists all of them.
seealso:
  - module: gpu_fleet.containers.gpu_facts
  - module: gpu_fleet.containers.container_groups
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
"""

EXAMPLES = r"""
- name: Look at each host
  gpu_fleet.containers.gpu_facts:
  register: gpu_fleet_facts

- name: Plan the fleet
  gpu_fleet.containers.fleet_plan:
  register: fleet
  run_once: true

- name: Plan one group only
  gpu_fleet.containers.fleet_plan:
    container_group: [memory-system]
  register: fleet
  run_once: true

- name: What this host would run
  ansible.builtin.debug:
    var: fleet.hosts[inventory_hostname].groups
"""

RETURN = r"""
hosts:
  description:
    - For each host of the play its part of the plan, as M(gpu_fleet.containers.container_groups) takes it in
      O(gpu_fleet.containers.container_groups#module:plan).
    - C(engine), C(engine_url), C(adopt), C(state_dir), C(cache_dir), C(supervisor) and C(boot_wait) are the host's variables.
    - C(groups) is what it must run, C(images) what must be built or pulled, C(files) the controller's content that
      mounts need, by hash, and C(secrets) where each secret's value comes from.
    - C(selected) names the groups that may be changed and C(selected_images) the keys of their images, C(engine_key) is equal on
      hosts that use one engine, C(architecture) is what images must be made for. C(gpu) says what each service gets of the GPU, and C(needs_hosts)
      names the other hosts that a group needs.
  returned: success
  type: dict
waves:
  description: Groups that may start together, in order, each as C(host) and C(group).
  returned: success
  type: list
  elements: list
  sample: [[{host: pc2, group: pc2-memory}], [{host: mainpc, group: memory-system}]]
rounds:
  description: What is called, in order. For each round the groups by host; a round ends where a group needs one of another host.
  returned: success
  type: list
  elements: dict
  sample: [{pc2: [pc2-memory]}, {mainpc: [memory-system, language-processing]}]
image_builders:
  description:
    - Hosts that build images for hosts of the play, with C(engine), C(engine_url), C(cache_dir), C(address) and C(port) (where they serve them),
      C(registry) (what they push to instead) and C(inside) (part of the play).
  returned: success
  type: dict
locks:
  description: For each lock file on the controller (C(container_images_lock)) the C(references) it should have, and the C(host) to ask from.
  returned: success
  type: dict
  sample: {/srv/fleet/images.lock.yml: {host: mainpc, references: ["docker.io/library/debian:13-slim"]}}
plan_warnings:
  description: What is allowed and may not have been meant.
  returned: success
  type: list
  elements: str
text:
  description: The plan in words.
  returned: success
  type: str
msg:
  description: Everything that does not fit, each with where it stands and what mends it.
  returned: failure
  type: str
"""
