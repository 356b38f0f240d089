# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the opening of device nodes inside a container says about its GPU: findings with the numbers that mend them."""

from __future__ import annotations

import errno
from dataclasses import replace

from .._gpu.findings import WARNING, Finding, finding
from .config import GpuPromise
from .gpu_answer import NO_DEVICE_NODE, Answer, Node
from .gpu_probe import nodes as asked_for

_NPU = "/dev/accel/"
"""No library that knows GPUs speaks for an NPU, so its node has to open."""

_UNMAPPED = 65534
"""How an id that a user namespace does not have is shown (user_namespaces(7))."""


def judge_nodes(promise: GpuPromise, answer: Answer, enough: bool, seen_otherwise: bool) -> list[Finding]:
    """Nodes that cannot be used.

    enough: all GPUs were seen all the same, so it is a remark. seen_otherwise: a library or torch spoke for the GPU,
    so where nobody promised nodes by name, none is missed.
    """
    there = [node for node in answer.nodes if promise.nodes or node.mode]
    found = [_node(node, answer) for node in there if not node.opened]
    if answer.nodes_hung:
        shown = ", ".join(promise.nodes) or "its device nodes"
        found.append(finding("gpu-probe-hung", f"opening {shown} does not come back", shown, "open did not return"))
    elif not there and not seen_otherwise and answer.asked_by in ("python3", "sh"):
        found += _none_there(promise)
    # A command that is run in a container does not always get the groups that its first process has.
    other_groups = bool(answer.first_user) and answer.groups != answer.first_groups
    return [
        replace(entry, level=WARNING)
        if (enough and not entry.probe.startswith(_NPU)) or (other_groups and entry.code == "gpu-node-unopenable")
        else entry
        for entry in found
    ]


def _none_there(promise: GpuPromise) -> list[Finding]:
    patterns = ", ".join(asked_for(promise))
    return [finding("gpu-not-seen", f"it has no {patterns}", patterns, "no such node")] if patterns else []


def _node(node: Node, answer: Answer) -> Finding:
    shown = f"mode {node.mode}, uid {node.uid}, gid {node.gid}" if node.mode else ""
    evidence = ", ".join(part for part in (f"{node.path}: {node.error}", shown) if part)
    if not node.mode or node.error == NO_DEVICE_NODE:
        return finding(
            "gpu-node-missing",
            f"the container has no device node {node.path}: {node.error}",
            node.path,
            evidence,
            path=node.path,
        )
    if node.number == errno.EACCES:
        who = f"uid {answer.user} with the groups {answer.groups}"
        message = f"{node.path} cannot be opened by {who}: {node.error}; its {shown}"
        return finding("gpu-node-unopenable", message, node.path, evidence, way=_way_in(node))
    if node.number == errno.EPERM:
        return finding(
            "gpu-node-refused", f"{node.path} may not be opened: {node.error} ({shown})", node.path, evidence
        )
    return finding("gpu-node-dead", f"{node.path} cannot be used: {node.error} ({shown})", node.path, evidence)


def _way_in(node: Node) -> str:
    """How the container's user comes to may open a node."""
    if node.gid == _UNMAPPED:
        return "`group_add: [keep-groups]` in the service (rootless Podman with crun), and its user in the node's group"
    if node.gid and int(node.mode or "0", 8) & 0o060 == 0o060:
        return f'`group_add: ["{node.gid}"]` in the service, the numeric group of the node'
    return f'a udev rule on the host that gives the node a group and mode 0660, or `user: "{node.uid}"` in the service'
