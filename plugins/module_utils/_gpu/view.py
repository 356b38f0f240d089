# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every stack looks at: the reader, the platform, the user and the graphics cards on the buses."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from dataclasses import dataclass

from .findings import Finding
from .model import DeviceNode, GpuDevice, Stack
from .probe import Node, Reader

NVIDIA, AMD, INTEL, VIRTIO, MICROSOFT = "0x10de", "0x1002", "0x8086", "0x1af4", "0x1414"
VENDORS = {NVIDIA: "NVIDIA", AMD: "AMD", INTEL: "Intel", VIRTIO: "virtio", MICROSOFT: "Microsoft"}

NO_GPU_DRIVERS = (
    "ast", "mgag200", "hibmc-drm", "bochs", "bochs-drm", "cirrus", "cirrus-qemu", "qxl", "vboxvideo",
    "hyperv_drm", "simple-framebuffer", "simpledrm", "ofdrm", "efidrm", "vesadrm", "efifb", "vkms", "vgem",
    "evdi", "udl", "gm12u320", "dxgkrnl",
)  # fmt: skip
"""Display chips of management controllers, frame buffers and screens without a GPU: they show a picture and compute nothing."""

NO_GPU_VENDORS = (
    "0x1a03", "0x102b", "0x1013", "0x1234", "0x80ee", "0x1b36", "0x126f", "0x18ca", "0x19e5", "0x1d0f", MICROSOFT,
)  # fmt: skip
"""Who makes only such chips: ASPEED, Matrox, Cirrus, QEMU, VirtualBox, QXL, Silicon Motion, XGI, Huawei, EC2 (1d0f:1111 on
every Nitro machine), Hyper-V (pci.ids)."""

DISPLAY_DRIVERS = (
    "vc4", "vc4-drm", "apple-drm", "rockchip-drm", "mediatek-drm", "meson-drm", "sun4i-drm", "imx-drm",
    "exynos-drm", "drm-rp1-dsi", "drm-rp1-dpi", "drm-rp1-vec", "tidss",
)  # fmt: skip
"""Drivers of display controllers that leave rendering to another device (Mesa, src/gallium/winsys/kmsro); vc4 renders
where there is no v3d: Raspberry Pi 3 and older."""

RENDERERS = (
    "nvidia", "nouveau", "amdgpu", "radeon", "i915", "xe", "v3d", "panfrost", "panthor", "lima", "etnaviv",
    "msm", "msm_dpu", "msm_mdp", "adreno", "asahi", "powervr", "pvrsrvkm", "virtio_gpu", "virtio-pci", "vmwgfx",
)  # fmt: skip
"""Kernel drivers with a render node."""

ICDS = "/usr/share/vulkan/icd.d"
"""Where distributions install Vulkan's drivers."""

RENDER = re.compile(r"renderD[0-9]{1,9}")

PCI_ADDRESS = r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]"


@dataclass(frozen=True)
class Card:
    """A display or 3D controller as sysfs shows it, whoever drives it."""

    vendor: str
    """PCI vendor id, e.g. ``0x10de``; empty where the GPU is no PCI device (Raspberry Pi)."""
    bus_id: str
    """PCI address in lower case, e.g. ``0000:01:00.0``; the drm name where that is unknown."""
    driver: str
    """Kernel driver, e.g. ``nvidia``; empty when none is bound."""
    kind: str = ""
    """PCI class, e.g. ``0x030000``."""
    device: str = ""
    """PCI device id, e.g. ``0x744c``."""
    name: str = ""
    """Its name below /sys/class/drm: ``card0``, or ``renderD128`` where only that is known; empty without a DRM driver."""
    render: str = ""
    """Path of its render node, e.g. ``/dev/dri/renderD128``; empty where it has none."""

    @property
    def virtual(self) -> bool:
        """A virtual machine's own GPU (virtio-gpu, by PCI, MMIO or anything else)."""
        return self.driver.startswith("virtio") or (self.vendor == VIRTIO and self.driver != "vfio-pci")

    @property
    def base(self) -> str:
        """Its directory in sysfs."""
        return f"/sys/class/drm/{self.name}/device" if self.name else f"/sys/bus/pci/devices/{self.bus_id}"

    @property
    def node(self) -> str:
        """Path of its primary node, e.g. ``/dev/dri/card0``; empty without a DRM driver."""
        return f"/dev/dri/{self.name}" if self.name.startswith("card") else ""


class User(t.NamedTuple):
    uid: int
    gids: tuple[int, ...]

    def may_open(self, node: Node) -> bool:
        """Read and write by owner, group or everybody; root always. Without a mode nothing speaks against it."""
        if not node.mode:
            return True
        try:
            mode = int(node.mode, 8)
        except ValueError:
            return False
        if self.uid == 0:
            return True
        shift = 6 if node.uid == self.uid else 3 if node.gid in self.gids else 0
        return (mode >> shift) & 0o6 == 0o6


class HostView(t.NamedTuple):
    reader: Reader
    platform: str
    user: User
    cards: tuple[Card, ...]

    def cards_of(self, vendor: str) -> tuple[Card, ...]:
        """Cards of a vendor that are not given to a virtual machine."""
        return tuple(card for card in self.cards if card.vendor == vendor and card.driver != "vfio-pci")

    def own_uuid(self, card: Card) -> str:
        """A name for a GPU whose vendor gives none: the same on every run, another one on every machine."""
        machine = (self.reader.file("/etc/machine-id") or "").strip()
        # cardN is numbered anew at each boot: outside the PCI bus the driver tells the GPU.
        place = card.bus_id if ":" in card.bus_id else card.driver or card.bus_id
        return f"{machine[:12]}-{place}" if machine else ""


@dataclass(frozen=True)
class Detected:
    """What one stack's file found: nothing at all (stack None, no findings) where it has no business."""

    stack: Stack | None = None
    findings: tuple[Finding, ...] = ()
    npus: tuple[GpuDevice, ...] = ()


def look(reader: Reader, platform: str) -> HostView:
    return HostView(reader, platform, user(reader), cards(reader))


def user(reader: Reader) -> User:
    """Effective uid and all gids of this process, from /proc/self/status."""
    text = reader.file("/proc/self/status") or ""
    uids = re.search(r"^Uid:\s+\d+\s+([0-9]{1,10})\b", text, re.M)
    gids = re.search(r"^Gid:\s+\d+\s+([0-9]{1,10})\b", text, re.M)
    groups = re.search(r"^Groups:[ \t]*([\d \t]*)", text, re.M)
    numbers = [int(gids.group(1))] if gids else []
    numbers += [int(number) for number in (groups.group(1).split() if groups else []) if len(number) <= 10]
    return User(int(uids.group(1)) if uids else 0, tuple(dict.fromkeys(numbers)))


def cards(reader: Reader) -> tuple[Card, ...]:
    """Display (0x0300, 0x0302, 0x0380) controllers in bus order, from the PCI bus and from /sys/class/drm."""
    drm = reader.directory("/sys/class/drm") or ()
    names = [name for name in drm if _is_card(reader, name)] or [name for name in drm if RENDER.fullmatch(name)]
    drawn = {card.bus_id: card for card in (_drm_card(reader, name) for name in names)}
    found: dict[str, Card] = {}
    for address in reader.directory("/sys/bus/pci/devices") or ():
        kind = _line(reader, f"/sys/bus/pci/devices/{address}/class")
        # AMD's MI300 is a processing accelerator (pci.ids); so are other vendors' NPUs, which are no GPUs.
        accelerator = kind[:6] == "0x1200" and _line(reader, f"/sys/bus/pci/devices/{address}/vendor") == AMD
        if kind[:6] in ("0x0300", "0x0302", "0x0380") or accelerator:
            own = _pci_card(reader, address, kind)
            twin = drawn.pop(own.bus_id, None) or _twin(own, drawn)
            if twin is not None:
                drawn.pop(twin.bus_id, None)
                own = dataclasses.replace(
                    own,
                    vendor=own.vendor or twin.vendor,
                    driver=own.driver or twin.driver,
                    device=own.device or twin.device,
                    name=twin.name,
                    render=own.render or twin.render,
                )
            found[own.bus_id] = own
    return _with_render_nodes(reader, [card for _bus, card in sorted({**drawn, **found}.items())])


def _is_card(reader: Reader, name: str) -> bool:
    """Not a partition of an AMD card, which has DRM nodes of its own and belongs to its card (drivers/gpu/drm/amd/amdxcp)."""
    partition = _name(reader.link(f"/sys/class/drm/{name}/device")).startswith("amdgpu_xcp")
    return bool(re.fullmatch(r"card[0-9]{1,9}", name)) and not partition


def _pci_card(reader: Reader, address: str, kind: str) -> Card:
    base = f"/sys/bus/pci/devices/{address}"
    vendor, device = _line(reader, f"{base}/vendor"), _line(reader, f"{base}/device")
    drm = reader.directory(f"{base}/drm") or ()
    name = next((each for each in drm if re.fullmatch(r"card[0-9]{1,9}", each)), "")
    # udev's link: systemd rules.d/60-drm.rules.
    by_path = _name(reader.link(f"/dev/dri/by-path/pci-{address}-render"))
    render = next((each for each in (*drm, by_path) if RENDER.fullmatch(each)), "")
    driver = _name(reader.link(f"{base}/driver")) or _events(reader, base).get("DRIVER", "")
    return Card(vendor, address.lower(), driver, kind, device, name, f"/dev/dri/{render}" if render else "")


def _twin(card: Card, drawn: dict[str, Card]) -> Card | None:
    """The DRM card of a PCI device, where nothing shows its address: the same ids, or virtio's, which has its own bus."""
    for other in drawn.values():
        same = other.vendor == card.vendor and other.device in ("", card.device)
        virtual = card.driver == "virtio-pci" and other.driver == "virtio_gpu"
        if ":" not in other.bus_id and ((card.vendor and same) or virtual):
            return other
    return None


def _drm_card(reader: Reader, name: str) -> Card:
    base = f"/sys/class/drm/{name}/device"
    events = _events(reader, base)
    # The last PCI address on the way to it; below a virtual GPU's comes its virtio device.
    way = re.findall(rf"(?:^|/)({PCI_ADDRESS})(?=/|$)", reader.link(f"/sys/class/drm/{name}") or "")
    candidates = (events.get("PCI_SLOT_NAME", ""), _name(reader.link(base)), *way[-1:])
    bus = next((each for each in candidates if re.fullmatch(PCI_ADDRESS, each)), name)
    driver = events.get("DRIVER") or _name(reader.link(f"{base}/driver"))
    vendor, device = (_line(reader, f"{base}/{entry}") for entry in ("vendor", "device"))
    told = re.fullmatch(r"([0-9A-Fa-f]{4}):([0-9A-Fa-f]{4})", events.get("PCI_ID", ""))
    if told:
        vendor, device = vendor or f"0x{told.group(1).lower()}", device or f"0x{told.group(2).lower()}"
    inside = (name, *(reader.directory(f"{base}/drm") or ()))
    render = next((f"/dev/dri/{node}" for node in inside if RENDER.fullmatch(node)), "")
    return Card(vendor, bus.lower(), driver, _line(reader, f"{base}/class"), device, name, render)


def _with_render_nodes(reader: Reader, cards: list[Card]) -> tuple[Card, ...]:
    """Render nodes that a card's own directory does not show: by their device, else in the order of both.

    Nodes are numbered as drivers register them, cards without one (displays) left out; on a host with one
    card and one node nothing is in doubt.
    """
    names = {*(reader.directory("/sys/class/drm") or ()), *(reader.directory("/dev/dri") or ())}
    nodes = sorted((name for name in names if RENDER.fullmatch(name)), key=lambda name: int(name[7:]))
    left = [f"/dev/dri/{name}" for name in nodes if f"/dev/dri/{name}" not in {card.render for card in cards}]
    result = []
    for card in cards:
        if not card.render:
            same = (node for node in left if _same_device(reader, card, node.rpartition("/")[2]))
            card = dataclasses.replace(card, render=next(same, ""))
        result.append(card)
    left = [node for node in left if node not in {card.render for card in result}]
    # Numbered cards in the order of their numbers, then those of which only the PCI bus tells.
    bare = sorted((card for card in result if not card.render), key=lambda card: int(card.name[4:] or 1 << 20))
    # Drivers of which we know that they render come first: a host may have displays of any kind besides.
    for renders in (_known_to_render, _may_render):
        lacking = [card.bus_id for card in bare if renders(card, result)]
        if left and len(left) == len(lacking):
            nodes_of = dict(zip(lacking, left))
            result = [dataclasses.replace(card, render=card.render or nodes_of.get(card.bus_id, "")) for card in result]
            break
    return tuple(result)


def _known_to_render(card: Card, cards: list[Card]) -> bool:
    return card.driver in RENDERERS or (card.driver in ("vc4", "vc4-drm") and _may_render(card, cards))


def _may_render(card: Card, cards: list[Card]) -> bool:
    if card.driver in ("vc4", "vc4-drm"):
        return all(each.driver != "v3d" for each in cards)
    return card.driver not in (*NO_GPU_DRIVERS, *DISPLAY_DRIVERS)


def _same_device(reader: Reader, card: Card, node: str) -> bool:
    base = f"/sys/class/drm/{node}/device"
    target = reader.link(base)
    if target is not None and _name(target) in (_name(reader.link(card.base)), card.bus_id):
        return True
    return bool(card.bus_id) and _events(reader, base).get("PCI_SLOT_NAME", "").lower() == card.bus_id


def _events(reader: Reader, base: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in (reader.file(f"{base}/uevent") or "").splitlines())


def _line(reader: Reader, path: str) -> str:
    """A number of sysfs, which the kernel writes in lower case and people in any."""
    return (reader.file(path) or "").strip().lower()


def device_node(reader: Reader, path: str) -> DeviceNode | None:
    node = reader.node(path)
    return None if node is None else DeviceNode(path, node.major, node.minor, node.mode, node.uid, node.gid)


def _name(target: str | None) -> str:
    return (target or "").rstrip("/").rpartition("/")[2]
