"""What `docker info` says on several machines, cut to the fields that are read.

Fields and values as in public reports: Docker Desktop on Windows in docker/desktop-feedback#55 (4.58, with NVIDIA's runtime)
and docker/for-win#14487, on a Mac in langchain-ai/langgraph-studio#165 (JSON, 4.34) and docker/for-mac#7402. The label
com.docker.desktop.address is there from 4.34 on.
"""

from __future__ import annotations

import typing as t

_RUNC = {"io.containerd.runc.v2": {"path": "runc"}, "runc": {"path": "runc"}}
_NVIDIA = {**_RUNC, "nvidia": {"path": "nvidia-container-runtime"}}


def _info(**fields: t.Any) -> dict[str, t.Any]:
    return {
        "ID": "b4b4f0d4-0000-4000-8000-000000000000",
        "ServerVersion": "27.3.1",
        "OSType": "linux",
        "Architecture": "x86_64",
        "OperatingSystem": "Debian GNU/Linux 13 (trixie)",
        "KernelVersion": "6.12.48+deb13-amd64",
        "Name": "somewhere",
        "Runtimes": _RUNC,
        "Labels": [],
        "CDISpecDirs": [],
        "SecurityOptions": ["name=seccomp,profile=unconfined"],
        **fields,
    }


def _desktop(address: str, **fields: t.Any) -> dict[str, t.Any]:
    labels = [f"com.docker.desktop.address={address}"] if address else []
    return _info(**{"OperatingSystem": "Docker Desktop", "Name": "docker-desktop", "Labels": labels, **fields})


_WSL = "5.15.167.4-microsoft-standard-WSL2"
_PIPE = "npipe://\\\\.\\pipe\\docker_cli"

WINDOWS_CUDA = _desktop(_PIPE, KernelVersion=_WSL, Runtimes=_NVIDIA)
WINDOWS_PLAIN = _desktop(_PIPE, KernelVersion=_WSL)
WINDOWS_HYPER_V = _desktop(_PIPE, KernelVersion="6.10.14-linuxkit")
MAC = _desktop("unix:///Users/me/Library/Containers/com.docker.docker/Data/docker-cli.sock",
               KernelVersion="6.10.4-linuxkit", Architecture="aarch64")  # fmt: skip
MAC_OLD = _desktop("", KernelVersion="6.10.0-linuxkit", Architecture="aarch64")
LINUX_DESKTOP = _desktop("unix:///home/me/.docker/desktop/docker-cli.sock", KernelVersion="6.10.14-linuxkit")
LINUX = _info()
LINUX_NVIDIA = _info(Runtimes=_NVIDIA)
LINUX_CDI = _info(
    CDISpecDirs=["/etc/cdi", "/var/run/cdi"],
    DiscoveredDevices=[{"Source": "cdi", "ID": f"nvidia.com/gpu={name}"} for name in ("0", "1", "all")],
)
LINUX_AMD = _info(DiscoveredDevices=[{"Source": "cdi", "ID": f"amd.com/gpu={name}"} for name in ("0", "all")])
JETSON = _info(KernelVersion="5.15.136-tegra", Architecture="aarch64", Runtimes=_NVIDIA)
WSL_ENGINE = _info(KernelVersion=_WSL, Runtimes=_NVIDIA)
PODMAN_MACHINE = _info(
    ServerVersion="5.6.2",
    BuildahVersion="1.41.5",
    OperatingSystem="fedora",
    KernelVersion="6.15.10-200.fc42.aarch64",
    Architecture="arm64",
    DefaultRuntime="crun",
    Runtimes={"crun": {"path": "/usr/bin/crun"}},
    DockerRootDir="/var/home/core/.local/share/containers/storage",
)
