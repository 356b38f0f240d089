# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What detection has to say: findings with stable codes.

A code never changes its meaning; users may match on it. The mend is the command or
edit that helps, with {placeholders} filled by whoever makes the finding.
"""

from __future__ import annotations

from dataclasses import dataclass

INFO, WARNING, ERROR = "info", "warning", "error"


@dataclass(frozen=True)
class Finding:
    level: str
    """info, warning or error."""
    code: str
    message: str
    probe: str = ""
    """The file, command or library the finding comes from."""
    mend: str = ""
    evidence: str = ""
    """What the probe showed: the line, value or name that the finding rests on."""


CODES: dict[str, tuple[str, str]] = {
    # code: (level, mend)
    "driver-missing": (ERROR, "Install the NVIDIA driver of this distribution and reboot."),
    "driver-not-loaded": (
        ERROR,
        "Load it with `modprobe nvidia`; if that fails, reinstall the driver for this kernel.",
    ),
    "driver-library-mismatch": (ERROR, "Reboot, so that the kernel module of the new driver is loaded."),
    "library-missing": (ERROR, "Install the driver's user-space libraries (libnvidia-ml1 and libcuda1 on Debian)."),
    "wsl-driver-silent": (
        ERROR,
        "Run /usr/lib/wsl/lib/nvidia-smi by hand; update the Windows driver, then `wsl --shutdown`. Install no Linux driver.",
    ),
    "gpu-lost": (
        ERROR,
        "Reboot; if it happens again, look for «Xid» in dmesg and check power and seating of the card.",
    ),
    "nouveau-in-use": (ERROR, "Install the NVIDIA driver, blacklist nouveau and reboot."),
    "no-permission": (ERROR, "Run as root or add the user to the group {group}."),
    "nodes-missing": (
        ERROR,
        "Run `nvidia-modprobe -c 0 -u` or `nvidia-ctk system create-device-nodes --control-devices`.",
    ),
    "nodes-lazy": (WARNING, "Run `nvidia-modprobe -u -c 0`, or let the first CUDA program make them."),
    "nvidia-no-devices": (ERROR, "Check `dmesg | grep NVRM`: the driver runs but gave up on every card."),
    "gpu-not-in-container": (
        INFO,
        "Give it to this container when it is started: `--device nvidia.com/gpu=all`; "
        "for AMD `--device /dev/kfd --device /dev/dri`, for others `--device /dev/dri`.",
    ),
    "gpu-not-driven": (
        WARNING,
        "Look at `dmesg | grep -e NVRM -e nouveau`: open kernel modules drive Turing "
        "(RTX 20, GTX 16) and newer only, current drivers no card older than Maxwell.",
    ),
    "nvidia-smi-failed": (ERROR, "Run `nvidia-smi` by hand."),
    "nvidia-smi-crashed": (
        WARNING,
        "Update the driver (under WSL2 the one in Windows, then `wsl --update`). Programs that use CUDA alone may work all the same.",
    ),
    "gpu-unproven": (ERROR, "Run a CUDA program by hand; under WSL2 run `wsl --shutdown` in Windows first."),
    "gpu-blocked": (
        ERROR,
        "In a container that had the GPU: start it again, with CDI (`--device nvidia.com/gpu=all`), whose devices survive "
        "`systemctl daemon-reload`. Under WSL2 run `wsl --shutdown` in Windows. Else look at the cgroup's device rules.",
    ),
    "driver-silent": (
        ERROR,
        "Look for «Xid» and «hung task» in dmesg, and reboot: a GPU that hangs keeps everybody waiting who asks its driver.",
    ),
    "gpu-excluded": (
        INFO,
        "Take it out of NVreg_ExcludedGpus (below /etc/modprobe.d) and reboot, if it is to be used.",
    ),
    "mig-nodes-missing": (
        WARNING,
        "Run `nvidia-smi -L` as root: it makes them, and they are needed before a container can get a slice.",
    ),
    "cuda-shadowed": (
        WARNING,
        "Take {path} out of LD_LIBRARY_PATH: the driver's own libcuda is the one that matches the kernel module.",
    ),
    "toolkit-too-old": (
        WARNING,
        "Upgrade nvidia-container-toolkit to {version} or newer, then write the CDI spec again.",
    ),
    "cdi-refresh-missing": (
        INFO,
        "Upgrade nvidia-container-toolkit to {version} or newer and enable "
        "nvidia-cdi-refresh.path, or write the CDI spec again after each update of the driver.",
    ),
    "oci-hook-conflict": (WARNING, "Remove {path}: with CDI the hook acts a second time and containers fail to start."),
    "nvml-failed": (ERROR, "Run `nvidia-smi` by hand and compare the driver's and the library's version."),
    "memory-unknown": (
        WARNING,
        "Install what asks the driver: nvidia-smi, or rocminfo (then run gpu_facts with `thorough: true`).",
    ),
    "mig-without-instances": (
        ERROR,
        "Make instances (`nvidia-smi mig -cgi … -C`) or switch MIG off (`nvidia-smi -mig 0`).",
    ),
    "amdgpu-not-bound": (
        ERROR,
        "Load it with `modprobe amdgpu` and look at `dmesg | grep amdgpu`: firmware missing, or a kernel older than the card.",
    ),
    "radeon-in-use": (
        WARNING,
        "If the chip is GCN 1 or 2, boot with `radeon.si_support=0 radeon.cik_support=0 amdgpu.si_support=1 amdgpu.cik_support=1`: "
        "Vulkan then works; ROCm needs a newer card.",
    ),
    "kfd-missing": (
        ERROR,
        "Boot a kernel with CONFIG_HSA_AMD=y (distributions' kernels have it) and look at `dmesg | grep kfd`; "
        "a container needs `--device /dev/kfd`.",
    ),
    "kfd-without-gpu": (
        WARNING,
        "Look at `dmesg | grep kfd` for «unsupported» or «PCIe atomics»; a GPU that ROCm does not support can be used through vulkan.",
    ),
    "render-node-missing": (
        ERROR,
        "Run `udevadm trigger --subsystem-match=drm`; a container needs `--device` with the node's path.",
    ),
    "gpu-driver-missing": (
        ERROR,
        "Load the kernel's driver (`modprobe {driver}`); where that fails, look at "
        "`dmesg | grep -e {driver} -e drm`: firmware missing, or a kernel older than the GPU.",
    ),
    "gpu-too-old": (INFO, "Its containers get the CPU: neither Vulkan nor compute was ever made for it."),
    "vulkan-driver-missing": (
        INFO,
        "If programs on the host itself are to use Vulkan, install Mesa's drivers (Debian, Ubuntu and Fedora: mesa-vulkan-drivers; Arch: vulkan-{driver}).",
    ),
    "vulkan-unsupported": (INFO, "OpenGL works; for Vulkan another GPU is needed."),
    "render-node-unknown": (
        WARNING,
        "Install vulkan-tools and run gpu_facts with `thorough: true`: vulkaninfo tells what the node is.",
    ),
    "vulkan-falls-back": (
        ERROR,
        "Run `VK_LOADER_DEBUG=error,driver vulkaninfo --summary` as the same user; most often Mesa is older than the GPU, or kernel firmware is missing.",
    ),
    "vulkan-software": (
        INFO,
        "A rasteriser is no GPU. If this host has one, install its kernel driver; else nothing is to be done.",
    ),
    "vulkan-wsl": (
        INFO,
        "Use the vendor's own stack (nvidia-wsl, rocm-wsl); dzn, Vulkan over Direct3D 12, is not conformant.",
    ),
    "npu-found": (INFO, "A container gets it with `capabilities: [gpu, npu]`; it counts as no GPU."),
    "videocore-legacy-driver": (
        ERROR,
        "Put `dtoverlay=vc4-kms-v3d` into /boot/firmware/config.txt (before Debian 12: /boot/config.txt) and reboot.",
    ),
    "venus-not-offered": (
        INFO,
        "Start the virtual machine with Venus (QEMU 9.2 or newer: `-device virtio-gpu-gl,hostmem=4G,blob=true,venus=true`; "
        "on a Mac: krunkit), and install Mesa's virtio Vulkan driver in it.",
    ),
    "podman-machine-no-gpu": (
        WARNING,
        "Make one that shares the GPU, on Apple silicon: `CONTAINERS_MACHINE_PROVIDER=libkrun podman machine init`, "
        'or set `provider = "libkrun"` below [machine] in containers.conf first.',
    ),
    "podman-machine-stopped": (INFO, "Run `podman machine start {machine}`."),
    "desktop-no-nvidia": (
        WARNING,
        "Install NVIDIA's driver in Windows, update Docker Desktop (versions before 4.34 give GPUs without saying so) and run "
        "`wsl --update`. If its containers have the GPU all the same: container_gpu_stacks: [nvidia-wsl].",
    ),
    "desktop-hyper-v": (WARNING, "Switch on «Use the WSL 2 based engine» in Docker Desktop's settings (General)."),
    "desktop-no-gpu": (
        INFO,
        "On a Mac, use a Podman machine with libkrun for Vulkan (stack venus), or let containers reach a program on the Mac "
        "that uses Metal (stack metal, container_metal_service).",
    ),
    "gpu-not-told": (
        INFO,
        "If its containers can use a GPU, say by which stack: container_gpu_stacks: [vulkan]. They are asked for it in any case.",
    ),
    "metal-not-in-containers": (
        INFO,
        "Run the program on the Mac itself, or use a Podman machine of the provider libkrun for Vulkan (stack venus).",
    ),
    "metal-unknown": (WARNING, "Run `system_profiler SPDisplaysDataType -json` by hand."),
    "tegra-nodes-missing": (
        ERROR,
        "Look at `dmesg | grep -e nvgpu -e nvmap -e NVRM`: kernel and modules must be of one release (`apt-cache policy nvidia-l4t-kernel`).",
    ),
    "tegra-library-missing": (ERROR, "Install it: `apt-get install --reinstall nvidia-l4t-cuda nvidia-l4t-core`."),
    "tegra-lists-missing": (
        WARNING,
        "Install them with the toolkit of JetPack: `apt-get install nvidia-container`.",
    ),
    "rocm-wsl-library-missing": (
        INFO,
        "Install ROCm for WSL (`amdgpu-install --usecase=wsl,rocm --no-dkms`) and, from ROCm 7.1, the package rocdxg-roct of github.com/ROCm/librocdxg.",
    ),
    "rocm-wsl-without-gpu": (
        ERROR,
        "Set HSA_ENABLE_DXG_DETECTION=1 (ROCm 7.1 to 7.12), update the Windows driver, and see whether this GPU is supported under WSL.",
    ),
    "gpu-passed-through": (INFO, "It belongs to a virtual machine; bind it to its own driver to use it here."),
    "gpu-not-used": (INFO, "Its containers get the CPU: this release has no stack for it."),
    "wsl1": (WARNING, "Run `wsl --set-version <distribution> 2` in Windows: WSL1 has no GPU."),
    "wsl-no-dxg": (
        ERROR,
        "Run `wsl --update`, install the vendor's Windows driver, check gpuSupport in .wslconfig, then `wsl --shutdown`.",
    ),
    "wsl-no-nvidia": (INFO, "If this PC has an NVIDIA GPU, install its Windows driver and run `wsl --shutdown`."),
    "wsl-linux-driver": (WARNING, "Remove the Linux driver inside WSL; it hides the one Windows provides: {remove}"),
    "wsl-loader-path": (
        WARNING,
        "Put /usr/lib/wsl/lib into /etc/ld.so.conf.d/ld.wsl.conf and run `ldconfig`, or set [automount] ldconfig=true.",
    ),
    "toolkit-missing": (
        WARNING,
        "Install nvidia-container-toolkit and write a CDI spec with it: `nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml`.",
    ),
    "cdi-off": (
        WARNING,
        'Set `"features": {{"cdi": true}}` in {config} and restart Docker.',
    ),
    "cdi-not-seen-by-desktop": (
        INFO,
        "Under WSL2 nothing is to be done for NVIDIA GPUs: Docker Desktop gives them by --gpus. For others, and elsewhere, use an engine of this host's own.",
    ),
    "docker-warns-of-cdi": (WARNING, "Mend the file that Docker names; `docker info` shows the warning until then."),
    "nvidia-runtime-missing": (
        WARNING,
        "Register it: `nvidia-ctk runtime configure --runtime=docker` and `systemctl restart docker`.",
    ),
    "docker-is-podman": (
        WARNING,
        "Set `container_engine: podman` for this host: the collection then talks to Podman itself.",
    ),
    "gpu-not-for-containers": (WARNING, "{mend}"),
    "cdi-missing": (WARNING, "Write one: `nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml`."),
    "cdi-ignored": (INFO, "Rename it to {new}, or remove it."),
    "cdi-unreadable": (WARNING, "{rewrite}"),
    "cdi-too-new": (ERROR, "{rewrite}"),
    "cdi-stale": (ERROR, "{rewrite}"),
    "cdi-shadowed": (WARNING, "Remove the older file {path}."),
    "cdi-conflict": (ERROR, "Two specs of one directory define the same name, so neither works; remove one of {path}."),
    "display-missing": (
        ERROR,
        "Log in on this host's desktop (or start its display server) and run again, or write `optional: true` below x-display.",
    ),
    "x11-no-cookie": (
        INFO,
        "Log in to the desktop session, or link ~/.Xauthority to the cookie's file; start a server of your own with -auth FILE.",
    ),
    "snapshot-damaged": (WARNING, "Record the snapshot again with the `record` option of gpu_facts."),
    "engine-not-running": (INFO, "Start it if this host is to use it, for example `systemctl enable --now {engine}`."),
    "engine-no-permission": (
        WARNING,
        "Run as root (`become: true`), or add the user to the group that owns the engine's socket (docker).",
    ),
    "engine-failed": (WARNING, "Run the command by hand."),
    # Seen, or not, from inside a container that was given a GPU (`_group/gpu_check.py`).
    "gpu-not-seen": (
        ERROR,
        "Run doctor.yml for this host and mend what it finds; if the driver or the cards changed, restart the container.",
    ),
    "gpu-software-only": (
        ERROR,
        "Put the GPU's Vulkan driver into the image (mesa-vulkan-drivers on Debian), and let its user open the render node.",
    ),
    "gpu-node-missing": (ERROR, "Look whether {path} is on the host, then remove the container and deploy again."),
    "gpu-node-unopenable": (ERROR, "Let its user in: {way}."),
    "gpu-node-refused": (
        ERROR,
        "Give it the node as a device, not as a mount; in a rootless engine, open it by hand first.",
    ),
    "gpu-node-dead": (
        ERROR,
        "Look at `dmesg` on the host: the driver behind the node does not answer. A reboot may help.",
    ),
    "gpu-fewer": (
        ERROR,
        "Run doctor.yml for this host: if a card is lost, mend that; if it left, ask for fewer. Then make the container anew.",
    ),
    "gpu-other": (ERROR, "Remove the container and deploy again, so that it is given the GPUs that the host has now."),
    "gpu-hidden": (ERROR, "Take {variable} out of the service's environment, or name a GPU there that it was given."),
    "gpu-driver-mismatch": (
        ERROR,
        "Make the container anew, so that it gets the libraries of the driver that runs; if the host says the same, reboot it.",
    ),
    "gpu-compat-unsupported": (
        ERROR,
        "Take an image with an older CUDA or update the host's driver; /usr/local/cuda/compat is for data-centre cards only.",
    ),
    "gpu-library-missing": (ERROR, "{way}."),
    "gpu-library-failed": (ERROR, "Run it by hand in the container, and `dmesg` on the host."),
    "gpu-probe-hung": (ERROR, "Look at `dmesg` on the host: a driver that hangs is reset by a reboot only, as a rule."),
    "gpu-not-verified": (WARNING, "Put python3 or sh into the image to have it verified."),
    "gpu-torch-cpu": (WARNING, "Install the build of torch for {wanted}; this one computes on the CPU."),
}


def finding(code: str, message: str, probe: str = "", evidence: str = "", **values: str) -> Finding:
    """A finding of the table. values fill the mend's placeholders. KeyError for a code that is not in the table."""
    level, mend = CODES[code]
    return Finding(level, code, message, probe, mend.format(**values) if values else mend, evidence)
