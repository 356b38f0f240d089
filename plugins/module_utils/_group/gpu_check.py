# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a container sees the GPU that the plan promised it: a pure function of the promise and of what it answered.

The first library or tool of the stack that the image has decides; where it has none, Vulkan may know a GPU of the
right vendor; where nothing can be asked, the nodes that could be opened are the proof.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._gpu.findings import ERROR, WARNING, Finding, finding
from .config import GpuPromise, to_dict
from .gpu_answer import Answer, Device, Library, bare_uuid
from .gpu_nodes import judge_nodes
from .gpu_probe import family

SEEN, NOT_SEEN, NOT_VERIFIED = "seen", "not seen", "not verified"

NODES = "device nodes"
"""What proved it where nothing in the image could name the GPU."""

_OWN = {"nvidia": ("cuda", "nvidia-smi"), "rocm": ("hip", "hsa", "rocminfo"), "intel": ("level-zero",)}
_VULKAN = ("vulkan", "vulkaninfo")
_VENDORS = {"nvidia": 0x10DE, "rocm": 0x1002, "intel": 0x8086}
_HIDING = (
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "ZE_AFFINITY_MASK",
)

# cuda.h, CUresult; hipErrorNoDevice is the same number (hip_runtime_api.h).
_NO_DEVICE, _DRIVER_MISMATCH, _COMPAT = 100, 803, 804
# vulkan_core.h: VK_ERROR_INCOMPATIBLE_DRIVER; ze_api.h: ZE_RESULT_ERROR_UNINITIALIZED.
_VK_NO_DRIVER, _ZE_NO_DRIVER = -9, 0x78000001
_MEANINGS = {
    34: "that library is the toolkit's stub, not the driver's own",
    100: "no device",
    101: "invalid device",
    304: "the operating system refused a call",
    802: "the system is not initialised yet, on machines with NVSwitch by the fabric manager",
    803: "the driver that runs and its library are of different versions",
    804: "forward compatibility is tried on a GPU that has none",
    999: "unknown error, often because /dev/nvidia-uvm is missing",
}


@dataclass(frozen=True)
class Seen:
    """What one container sees of its GPU."""

    verdict: str
    """seen, not seen, or not verified."""
    by: str = ""
    """The library, tool or nodes that proved it; empty where nothing did."""
    devices: tuple[Device, ...] = ()
    nodes: tuple[str, ...] = ()
    """Paths of the nodes that could be opened."""
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    """Why it is not verified."""
    torch: str = ""
    """What torch in the image says, in words; empty where it was not asked."""

    @property
    def failed(self) -> bool:
        """Not seen, and its group does not allow the CPU."""
        return self.verdict == NOT_SEEN and any(entry.level == ERROR for entry in self.findings)

    @property
    def words(self) -> str:
        """In a few words: ``NVIDIA GeForce RTX 4090 seen``."""
        if self.verdict == NOT_VERIFIED:
            return f"{NOT_VERIFIED}: {self.reason}"
        if self.verdict == NOT_SEEN:
            errors = [entry for entry in self.findings if entry.level == ERROR] or self.findings
            return f"{NOT_SEEN}: " + "; ".join(entry.message for entry in errors)
        return f"{', '.join(counted(self.devices))} seen" if self.devices else f"{', '.join(self.nodes)} opened"

    def as_data(self) -> dict[str, t.Any]:
        """As modules return it."""
        return {
            "verdict": self.verdict,
            "words": self.words,
            "by": self.by,
            "devices": [
                {"name": entry.name, "uuid": entry.full_uuid, "memory_bytes": entry.memory_bytes}
                for entry in self.devices
            ],
            "nodes": list(self.nodes),
            "findings": [to_dict(entry) for entry in self.findings],
            "reason": self.reason,
            "torch": self.torch,
        }


def unverified(reason: str, *findings: Finding) -> Seen:
    return Seen(NOT_VERIFIED, findings=findings, reason=reason)


def counted(devices: t.Iterable[Device]) -> list[str]:
    """Names, equal ones once: ``2 × NVIDIA A100``."""
    names = [entry.name or "a GPU without a name" for entry in devices]
    return [f"{names.count(name)} × {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]


def judge(promise: GpuPromise, answer: Answer) -> Seen:
    """The verdict on one answer. Where the group allows the CPU, what would be an error is a warning."""
    deciding = _deciding(promise, answer)
    devices = _hardware(deciding)
    opened = tuple(node.path for node in answer.nodes if node.opened)
    findings = _refusals(promise, answer, deciding) if not devices else _fewer(promise, answer, deciding, devices)
    # All of a known number were seen; where nobody promised nodes by name, none is needed then either.
    enough = bool(devices) and not findings and (promise.count > 0 or not promise.nodes)
    findings += judge_nodes(promise, answer, enough, seen_otherwise=deciding is not None or _torch_sees(answer))
    if not deciding:
        findings += _missing(promise, answer, bool(opened))
    findings += _torch(promise, answer)
    torch = _torch_words(answer)
    by_torch = not devices and _torch_sees(answer)
    if any(entry.level == ERROR for entry in findings):
        return _allowed(promise, Seen(NOT_SEEN, devices=devices, nodes=opened, findings=tuple(findings), torch=torch))
    if devices or opened or by_torch:
        by = deciding.probe if deciding and devices else "torch" if by_torch else NODES
        return Seen(SEEN, by, devices, opened, tuple(findings), torch=torch)
    reason = (
        findings[0].message if findings else "nothing in it can be asked for a GPU, and it was promised no device node"
    )
    return replace(unverified(reason, *(findings or (not_verified(reason, answer.asked_by),))), torch=torch)


def hung(promise: GpuPromise, probe: str, seconds: float) -> Seen:
    """The probe itself did not come back."""
    found = finding(
        "gpu-probe-hung",
        f"asking for the GPU inside the container did not end within {seconds:g} s",
        probe,
        f"no answer within {seconds:g} s",
    )
    return _allowed(promise, Seen(NOT_SEEN, findings=(found,)))


def not_verified(reason: str, probe: str, evidence: str = "") -> Finding:
    return finding("gpu-not-verified", f"whether it sees its GPU is not verified: {reason}", probe, evidence or reason)


def _allowed(promise: GpuPromise, seen: Seen) -> Seen:
    if not promise.allows_cpu:
        return seen
    return replace(
        seen, findings=tuple(replace(each, level=WARNING) if each.level == ERROR else each for each in seen.findings)
    )


def _deciding(promise: GpuPromise, answer: Answer) -> Library | None:
    """The library or tool whose word counts; None where the image has none that could know this GPU."""
    there = {entry.api: entry for entry in answer.libraries if entry.there and not _lacks_driver(entry)}
    own = _OWN.get(family(promise.stack), ())
    for api in own or _VULKAN:
        if api in there:
            return there[api]
    vendor = _VENDORS.get(family(promise.stack))
    for api in _VULKAN if own else ():
        entry = there.get(api)
        mine = tuple(each for each in _hardware(entry) if each.vendor == vendor)
        if entry and mine:
            return replace(entry, devices=mine)
    return None


def _lacks_driver(library: Library) -> bool:
    """A Level Zero loader alone: other packages bring it along, and OpenCL programs do without."""
    return library.api == "level-zero" and library.code == _ZE_NO_DRIVER


def _hardware(library: Library | None) -> tuple[Device, ...]:
    return tuple(entry for entry in library.devices if not entry.software) if library else ()


def _refusals(promise: GpuPromise, answer: Answer, deciding: Library | None) -> list[Finding]:
    """Why the deciding library shows no GPU."""
    if deciding is None:
        return []
    said, probe = _said(deciding), deciding.probe
    if deciding.hung:
        return [finding("gpu-probe-hung", f"{probe} did not answer inside the container", probe, said)]
    if deciding.devices:
        names = ", ".join(counted(deciding.devices))
        return [finding("gpu-software-only", f"it sees no GPU but only {names}, which is software", probe, said)]
    if (deciding.api == "cuda" and deciding.code == _DRIVER_MISMATCH) or "version mismatch" in deciding.error:
        return [finding("gpu-driver-mismatch", f"{probe}: {_MEANINGS[_DRIVER_MISMATCH]}", probe, said)]
    if deciding.api == "vulkan" and deciding.code == _VK_NO_DRIVER:
        message = f"{probe} finds no Vulkan driver in the image"
        way = "Put the GPU's Vulkan driver into the image (mesa-vulkan-drivers on Debian)"
        return [finding("gpu-library-missing", message, probe, said, way=way)]
    if deciding.api == "cuda" and deciding.code == _COMPAT:
        return [finding("gpu-compat-unsupported", f"{probe}: {_MEANINGS[deciding.code]}", probe, said)]
    hiding = _hiding(answer)
    if hiding and deciding.code in (0, _NO_DEVICE):
        message = f"{probe} shows no GPU: {_words(hiding)} hides it"
        return [finding("gpu-hidden", message, probe, f"{_words(hiding)}; {said}", variable=next(iter(hiding)))]
    if deciding.code in (0, _NO_DEVICE) and not deciding.error:
        return [finding("gpu-not-seen", f"{probe} shows no GPU inside the container", probe, said)]
    meaning = _MEANINGS.get(deciding.code, "") if deciding.api == "cuda" else ""
    message = f"{probe} fails inside the container: {said}" + (f" ({meaning})" if meaning else "")
    return [finding("gpu-library-failed", message, probe, said)]


def _said(library: Library) -> str:
    if library.call:
        return f"{library.call} answered {library.code}" + (
            f", for CUDA {library.version // 1000}.{library.version % 1000 // 10}" if library.version else ""
        )
    shown = ", ".join(entry.name for entry in library.devices)
    return library.error or (f"devices: {shown}" if shown else "0 devices")


def _hiding(answer: Answer) -> dict[str, str]:
    return {name: answer.environment[name] for name in _HIDING if name in answer.environment}


def _words(variables: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in variables.items())


def _fewer(promise: GpuPromise, answer: Answer, deciding: Library | None, devices: tuple[Device, ...]) -> list[Finding]:
    """GPUs that were promised and are not among those seen. What the service's own environment hides is its own affair."""
    promised = {bare_uuid(uuid): uuid for uuid in promise.uuids if bare_uuid(uuid)}
    seen = {uuid for each in devices for uuid in (each.uuid, each.parent) if uuid}
    missing = [uuid for bare, uuid in promised.items() if seen and bare not in seen]
    # CUDA shows a process one MIG slice, however many it was given (NVIDIA MIG user guide, «CUDA Device Enumeration»).
    sliced = any(each.sliced for each in devices) or any(uuid.startswith("MIG-") for uuid in promise.uuids)
    chosen = [len(value.split(",")) for value in _hiding(answer).values()]
    if any(number < promise.count for number in chosen) or (sliced and len(missing) < len(promised)):
        return []
    probe = deciding.probe if deciding else ""
    shown = f"{len(devices)} seen: {', '.join(_named(each) for each in devices)}"
    wanted = f"{promise.count or len(promised)} promised: {', '.join(promise.uuids or promise.names)}".rstrip(": ")
    if len(devices) < promise.count and not sliced:
        return [finding("gpu-fewer", f"it sees {len(devices)} of {promise.count} GPUs", probe, f"{shown}; {wanted}")]
    if missing:
        return [finding("gpu-other", f"it does not see {', '.join(missing)}", probe, f"{shown}; {wanted}")]
    return []


def _named(device: Device) -> str:
    return f"{device.name} ({device.full_uuid})" if device.uuid else device.name


def _missing(promise: GpuPromise, answer: Answer, opened: bool) -> list[Finding]:
    """The image has no library of the stack. NVIDIA's comes from the host, so there it is an error."""
    if answer.asked_by != "python3":
        return []
    own = _OWN.get(family(promise.stack), ()) or _VULKAN
    library = next((entry for entry in answer.libraries if entry.api == own[0]), None)
    if library is None:
        return []
    if family(promise.stack) != "nvidia":
        if _torch_sees(answer):
            return []
        what = f"driver for {library.probe}" if library.there else library.probe
        way = f"If it is to use the GPU by it, put {what} into the image"
        message = f"the image has no {what}: nothing in it could name the GPU"
        return [replace(finding("gpu-library-missing", message, library.probe, _said(library), way=way), level=WARNING)]
    capabilities = answer.environment.get("NVIDIA_DRIVER_CAPABILITIES", "")
    graphics_only = capabilities and not {"all", "compute"} & set(capabilities.split(","))
    if library.lies_at:
        folder = library.lies_at.rpartition("/")[0]
        message = f"{library.probe} lies at {library.lies_at}, but the loader does not find it there"
        way = f"Put {folder} into LD_LIBRARY_PATH of the service, or run ldconfig in the image's entrypoint"
    else:
        message = f"the driver's {library.probe} is not in the container"
        way = "Write the CDI spec again (nvidia-ctk cdi generate), or register the nvidia runtime, then make the container anew"
    found = finding("gpu-library-missing", message, library.probe, _said(library), way=way)
    # musl loads nothing that was made for the other C library, so there the nodes have to do.
    return [replace(found, level=WARNING) if (answer.musl or graphics_only) and opened else found]


def _torch(promise: GpuPromise, answer: Answer) -> list[Finding]:
    torch, wanted = answer.torch, {"nvidia": "CUDA", "rocm": "ROCm"}.get(family(promise.stack), "")
    if torch is None or not wanted:
        return []
    if torch.built_for.startswith(wanted) and torch.available is not False:
        return []
    what = "it was built for the CPU" if not torch.built_for else f"it was built for {torch.built_for}"
    message = f"torch {torch.version} in the image does not use this GPU: {what}"
    return [finding("gpu-torch-cpu", message, "torch", _torch_words(answer), wanted=wanted)]


def _torch_sees(answer: Answer) -> bool:
    return answer.torch is not None and answer.torch.available is True


def _torch_words(answer: Answer) -> str:
    if answer.torch is None:
        return ""
    available = {True: "sees a GPU", False: "sees no GPU", None: "no answer"}[answer.torch.available]
    return f"torch {answer.torch.version} for {answer.torch.built_for or 'the CPU'}: {available}"
