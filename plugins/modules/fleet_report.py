# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; there is no code for targets."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_report
short_description: Print what a playbook of this collection came to
version_added: 0.1.0
description:
  - Puts together what the tasks of C(build), C(deploy), C(doctor), C(prepare), C(status), C(teardown) and C(verify) registered on
    each host, and prints it as text.
  - With O(about=verify) it fails when a service is missing, not healthy or without the GPU it was given, or a link does not answer.
  - Runs once a play, on the controller.
options:
  about:
    description:
      - The playbook. V(build) reads what C(playbooks/tasks/images.yml) registers (C(fleet_jobs), C(fleet_built), C(fleet_moves),
        C(fleet_offered), C(fleet_pulled)); so does V(deploy), which also reads the variables C(fleet_asked) and C(fleet_results), V(doctor)
        C(gpu_fleet_facts), V(status) C(fleet_status), V(teardown) C(fleet_removed) and V(verify) C(fleet_verified).
      - V(prepare) reads C(gpu_fleet_facts), C(prepare_needs), C(prepare_failed), C(prepare_after), and what the roles registered
        of what somebody has to do (C(wsl_after), C(docker_desktop_after), C(docker_taken), C(rocm_users_added), C(intel_users_added)).
    type: str
    required: true
    choices: [build, deploy, doctor, prepare, status, teardown, verify]
  plan:
    description:
      - The result of M(gpu_fleet.containers.fleet_plan); needed for V(build), V(deploy) and V(verify).
    type: dict
    default: {}
  path:
    description:
      - With O(about=doctor), also write the answer to this file on the controller, as JSON. Not in check mode.
      - >-
        The JSON is C({"hosts": {NAME: …}}); of each host C(gpu), what M(gpu_fleet.containers.gpu_facts) returned of it,
        or C(error) with the reason.
    type: path
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
  - gpu_fleet.containers.attributes.controller
seealso:
  - module: gpu_fleet.containers.fleet_plan
  - module: gpu_fleet.containers.container_groups_info
author:
  - The gpu_fleet.containers developers (@gpu-fleet)
"""

EXAMPLES = r"""
- name: Ask the engine and every health check
  gpu_fleet.containers.container_groups_info:
    host: "{{ inventory_hostname }}"
    health: true
  register: fleet_status

- name: Status
  gpu_fleet.containers.fleet_report:
    about: status
"""

RETURN = r"""
text:
  description: What was printed.
  returned: always
  type: str
failures:
  description: With O(about=verify), what is missing, not healthy, without its GPU or does not answer.
  returned: when there are any
  type: list
  elements: str
"""
