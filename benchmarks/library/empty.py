# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module of gpu_facts' shape that does nothing: what Ansible itself takes for a call."""

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={
            "engines": {"type": "list", "elements": "str", "choices": ["docker", "podman"], "default": []},
            "engine_url": {"type": "str", "default": ""},
            "thorough": {"type": "bool", "default": False},
            "record": {"type": "path"},
            "replay": {"type": "path"},
        },
        supports_check_mode=True,
        mutually_exclusive=[["record", "replay"]],
    )
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
