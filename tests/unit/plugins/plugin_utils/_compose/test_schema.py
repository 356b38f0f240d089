# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys of Compose are supported, and that the others say why not."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.kinds import Unsupported
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.schema import GROUP_FILE, NETWORK
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.schema_parts import BUILD
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.schema_service import SERVICE

# The keys of the Compose specification, as of the schema in Compose 2.26 and of the later versions' documentation.
SERVICE_KEYS = """
annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name cpu_count
cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on deploy
develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file environment expose extends
external_links extra_hosts gpus group_add healthcheck hostname image init ipc isolation label_file labels links logging
mac_address mem_limit mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable
oom_score_adj pid pids_limit platform ports post_start pre_stop privileged profiles provider pull_policy read_only
restart runtime scale secrets security_opt shm_size stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs
tty ulimits use_api_socket user userns_mode uts volumes volumes_from working_dir
"""

UNSUPPORTED = """
blkio_config cpu_count cpu_percent cpu_rt_period cpu_rt_runtime credential_spec develop external_links isolation models
post_start pre_stop provider storage_opt use_api_socket
"""


def test_every_service_key_of_compose_is_known() -> None:
    assert sorted(SERVICE.keys) == SERVICE_KEYS.split()


def test_what_is_not_supported() -> None:
    assert [key for key in SERVICE_KEYS.split() if isinstance(SERVICE.keys[key], Unsupported)] == UNSUPPORTED.split()


@pytest.mark.parametrize("kind", [SERVICE, GROUP_FILE, NETWORK, BUILD.kinds[1]])
def test_reasons_read_as_sentences(kind) -> None:
    reasons = [item for item in kind.keys.values() if isinstance(item, Unsupported)]
    assert reasons
    for item in reasons:
        assert item.reason
        assert not item.reason.endswith(".")
        assert not item.mend or item.mend.endswith(".")
