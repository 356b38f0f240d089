# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; there is no code for targets."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_jobs
short_description: Work out which host builds which image, and what is moved to whom
version_added: 0.1.0
description:
  - Puts together what the hosts of a play lack, and answers what each host has to build, also for others
    (C(container_image_builders)), each image once. With O(jobs) it answers what is then offered and fetched.
  - Reads what the tasks before it registered on each host. C(fleet_asked), which has C(missing_images);
    C(fleet_builders_seen), what M(gpu_fleet.containers.gpu_facts) found on builders that are no part of the play, and
    with O(jobs) C(fleet_built) and C(fleet_built_elsewhere), what M(gpu_fleet.containers.image_build) answered.
  - It fails, before anything is done, when a builder cannot be reached or is of another architecture.
  - It is made for C(playbooks/tasks/images.yml), which shows how it is used. Runs once a play, on the controller.
options:
  plan:
    description:
      - The result of M(gpu_fleet.containers.fleet_plan).
    type: dict
    required: true
  jobs:
    description:
      - What this module answered before the images were built.
    type: dict
  look:
    description:
      - V(true) only answers which builders that are no part of the play have to be looked at before this module is asked who
        builds what.
    type: bool
    default: false
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
  - gpu_fleet.containers.attributes.controller
seealso:
  - module: gpu_fleet.containers.fleet_plan
  - module: gpu_fleet.containers.image_build
  - module: gpu_fleet.containers.image_offer
  - module: gpu_fleet.containers.image_pull
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
"""

EXAMPLES = r"""
- name: Ask what is missing
  gpu_fleet.containers.image_build:
    engine: "{{ fleet.hosts[inventory_hostname].engine }}"
    images: "{{ fleet.hosts[inventory_hostname].images.values() }}"
  check_mode: true
  register: fleet_asked

- name: See which builders outside the play are needed
  gpu_fleet.containers.image_jobs:
    plan: "{{ fleet }}"
    look: true
  register: fleet_look
  run_once: true

- name: Work out what is built where
  gpu_fleet.containers.image_jobs:
    plan: "{{ fleet }}"
  register: fleet_jobs
  run_once: true

- name: Build it
  gpu_fleet.containers.image_build:
    engine: "{{ fleet_jobs.builds[inventory_hostname].engine }}"
    images: "{{ fleet_jobs.builds[inventory_hostname].images }}"
  when: inventory_hostname in fleet_jobs.builds
  register: fleet_built

- name: Work out what is moved
  gpu_fleet.containers.image_jobs:
    plan: "{{ fleet }}"
    jobs: "{{ fleet_jobs }}"
  register: fleet_moves
  run_once: true
"""

RETURN = r"""
look_at:
  description: Builders that are no part of the play and make some of what is missing.
  returned: with O(look)
  type: list
  elements: str
builds:
  description: For each host its call of M(gpu_fleet.containers.image_build), with C(host), C(engine), C(engine_url), C(engine_tls), C(cache_dir) and C(images).
  returned: without O(jobs) and O(look)
  type: dict
elsewhere:
  description: For each host the calls that it makes on builders which are no part of the play.
  returned: without O(jobs) and O(look)
  type: dict
wanted:
  description: For each builder the hosts that get images from it, with the key of each image there and in the builder's call.
  returned: without O(jobs) and O(look)
  type: dict
  sample: {mainpc: {pc2: {localhost/ai-system/agent: localhost/ai-system/agent}}}
offers:
  description:
    - For each host what it offers, with C(builder) (the host that has the images), C(images), C(address), C(registry) and
      the engine's options.
  returned: with O(jobs)
  type: dict
pulls:
  description: For each host what it fetches, with C(builder), C(images), C(by) (whose offer it is) and C(number) (which of them).
  returned: with O(jobs)
  type: dict
  sample: {pc2: [{builder: mainpc, by: mainpc, number: 0, images: ["localhost/ai-system/agent:0f3c5d1e9a77"]}]}
blocked:
  description: Hosts whose builder failed, with its words.
  returned: with O(jobs)
  type: dict
sboms:
  description: For each host the lists of packages that its builds made, with C(host), C(path) and C(name).
  returned: with O(jobs)
  type: dict
"""
