# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is run inside a container to see its GPU: command lines, and the program for images that have only a shell.

It runs as the container's own user, in its environment. The program for images with Python is in `gpu_program.py`;
what either prints is read by `gpu_answer.py`.
"""

from __future__ import annotations

import json
import typing as t

from .config import GpuPromise
from .gpu_program import PYTHON_PROGRAM

LIMIT = 20.0
"""Seconds in which a library has to answer; the program itself gives up then and says so."""

TIMEOUT = 35.0
"""Seconds after which the whole probe is given up from outside."""

USUAL_NODES = {
    "nvidia": ("/dev/nvidiactl", "/dev/nvidia[0-9]*"),
    "nvidia-wsl": ("/dev/dxg",),
    "rocm": ("/dev/kfd",),
    "rocm-wsl": ("/dev/dxg",),
    "intel": ("/dev/dri/renderD*",),
    "vulkan": ("/dev/dri/renderD*",),
    "videocore": ("/dev/dri/renderD*",),
    "venus": ("/dev/dri/renderD*",),
}
"""Where no node was promised by name: what a container with this stack has of them."""

_LIBRARIES = {"nvidia": ("cuda",), "rocm": ("hip", "hsa"), "intel": ("level-zero",)}

_TOOLS = {"nvidia": ("nvidia-smi -L",), "rocm": ("rocminfo",)}
"""Programs that say the same where there is no Python. Any stack's GPU may be one for Vulkan too."""

_VULKANINFO = "vulkaninfo --summary"


def family(stack: str) -> str:
    """``nvidia``, ``rocm``, ``intel``, or the name of a stack that is used through Vulkan alone."""
    return stack.partition("-")[0]


def nodes(promise: GpuPromise) -> tuple[str, ...]:
    """Paths, or patterns of the usual ones, to be opened."""
    return promise.nodes or USUAL_NODES.get(promise.stack, ())


def python_command(promise: GpuPromise, with_torch: bool = False) -> list[str]:
    """with_torch: torch, where it is, may be imported, which takes seconds. Else only what it was built for is read."""
    question = {
        "torch": with_torch,
        "nodes": nodes(promise),
        "libraries": (*_LIBRARIES.get(family(promise.stack), ()), "vulkan"),
        "seconds": LIMIT,
    }
    return ["python3", "-c", PYTHON_PROGRAM, json.dumps(question)]


def shell_command(promise: GpuPromise) -> list[str]:
    return ["sh", "-c", SHELL_PROGRAM, f"{LIMIT:.0f}", ";".join(tools(promise)), *nodes(promise)]


def tools(promise: GpuPromise) -> tuple[str, ...]:
    """Command lines of the programs that name the GPUs of a stack."""
    return (*_TOOLS.get(family(promise.stack), ()), _VULKANINFO)


def tool_commands(promise: GpuPromise) -> t.Iterator[tuple[str, list[str]]]:
    """(name, argv), for an image in which nothing but such a program can be run."""
    for name in tools(promise):
        yield name, name.split()


SHELL_PROGRAM = r"""
# POSIX sh and nothing else, but for ls and what is asked. Arguments: the seconds of a tool ($0), tools separated by
# semicolons, then nodes or patterns of them.
LC_ALL=C; export LC_ALL
PATH="$PATH:/usr/lib/wsl/lib:/opt/rocm/bin"
said="$1"; shift
# What CDI adds to the environment reaches the container's first process only; the path to libraries is what counts.
if [ -z "${LD_LIBRARY_PATH-}" ] && [ /proc/1/ns/mnt -ef /proc/self/ns/mnt ] 2>/dev/null; then
  found=$(tr '\000' '\n' 2>/dev/null </proc/1/environ | sed -n 's/^LD_LIBRARY_PATH=//p' 2>/dev/null)
  [ -z "$found" ] || { LD_LIBRARY_PATH=$found; export LD_LIBRARY_PATH; }
fi 2>/dev/null
echo "gpu-probe|1"
for process in self 1; do
  while read -r key value; do
    case "$key" in Uid:|Gid:|Groups:) echo "status|$process|$key|$value" ;; esac
  done 2>/dev/null </proc/$process/status
done
for pattern in "$@"; do
  for node in $pattern; do
    [ -e "$node" ] || { echo "node|absent|$node||"; continue; }
    listed=$(ls -ldnL "$node" 2>/dev/null)
    [ -c "$node" ] || { echo "node|other|$node|$listed|"; continue; }
    # NVIDIA's capability nodes offer no writing to anybody.
    case "$listed" in c?w*|c????w*|c???????w*) way=both ;; *) way=read ;; esac
    case "$node" in
      # Opening one can make the opener DRM master, which a display server of the container may want to be.
      /dev/dri/card*) if [ -r "$node" ] && [ -w "$node" ]; then error=; else error=": Permission denied"; fi ;;
      *) if [ $way = both ]; then error=$( (exec 3<>"$node") 2>&1 ); else error=$( (exec 3<"$node") 2>&1 ); fi ;;
    esac
    [ -n "$error" ] && state=closed || state=opened
    echo "node|$state|$node|$listed|$error"
  done
done
[ -e /usr/bin/ldd ] || for file in /lib/ld-musl-*; do [ -e "$file" ] && echo "musl|1"; done
for name in CUDA_VISIBLE_DEVICES NVIDIA_DRIVER_CAPABILITIES VK_DRIVER_FILES VK_ICD_FILENAMES; do
  eval "value=\${$name-(unset)}"
  [ "$value" = "(unset)" ] || echo "environment|$name|$value"
done
limit=
timeout 1 true 2>/dev/null && limit="timeout $0"
IFS=';'
for tool in $said; do
  IFS=' '
  set -- $tool
  command -v "$1" >/dev/null 2>&1 || continue
  echo "begin|$tool"
  $limit "$@" </dev/null 2>&1
  status=$?
  echo
  echo "end|$tool|$status"
done
"""
