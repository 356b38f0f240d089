"""Cards and their render nodes, in the shapes that real machines' /sys and /dev have."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.view import Card, cards, look, user


def host(*parts, **more):
    """A snapshot of several parts, each {"files": …, "links": …, "directories": …}."""
    data = {"snapshot": 1, "files": {}, "links": {}, "directories": {}, "nodes": {}}
    for part in (*parts, more):
        for kind, entries in part.items():
            for path, value in entries.items():
                known = data[kind].get(path)
                data[kind][path] = [*known, *value] if isinstance(known, list) else value
    return data


def pci(bus, vendor, device, driver, kind="0x030000"):
    base = f"/sys/bus/pci/devices/{bus}"
    return {
        "files": {f"{base}/vendor": f"{vendor}\n", f"{base}/device": f"{device}\n", f"{base}/class": f"{kind}\n"},
        "links": {f"{base}/driver": f"../../../bus/pci/drivers/{driver}"} if driver else {},
    }


def drm(number, driver, bus="", device="", ids=("", "")):
    """A card below /sys/class/drm: of a PCI device by its address, of a board by its device tree name."""
    base = f"/sys/class/drm/card{number}/device"
    files = {f"{base}/uevent": f"DRIVER={driver}\n" + (f"PCI_SLOT_NAME={bus}\n" if bus else "")}
    files.update({f"{base}/{name}": f"{each}\n" for name, each in zip(("vendor", "device"), ids, strict=True) if each})
    links = {base: f"../../../{bus or device}"} if bus or device else {}
    return {"files": files, "links": links, "directories": {"/sys/class/drm": [f"card{number}"]}}


def nodes(*numbers):
    return {"directories": {"/sys/class/drm": [f"renderD{number}" for number in numbers]}}


def own(number, *names):
    return {"directories": {f"/sys/class/drm/card{number}/device/drm": list(names)}}


def render_of(number, device):
    return {"links": {f"/sys/class/drm/renderD{number}/device": f"../../../{device}"}}


INTEL_NVIDIA = (
    pci("0000:00:02.0", "0x8086", "0x46a6", "i915"),
    pci("0000:01:00.0", "0x10de", "0x25a0", "nvidia", "0x030200"),
)
APU = (
    pci("0000:03:00.0", "0x1002", "0x744c", "amdgpu"),
    pci("0000:16:00.0", "0x1002", "0x164e", "amdgpu"),
)
VIRTIO = pci("0000:00:01.0", "0x1af4", "0x1050", "virtio-pci")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            host(
                *INTEL_NVIDIA,
                drm(1, "i915", "0000:00:02.0"),
                drm(0, "nvidia", "0000:01:00.0"),
                own(0, "card0", "renderD128"),
                own(1, "card1", "renderD129"),
                nodes(128, 129),
            ),
            [("i915", "card1", "renderD129"), ("nvidia", "card0", "renderD128")],
            id="laptop-each-card-shows-its-node",
        ),
        pytest.param(
            host(*INTEL_NVIDIA, drm(1, "i915", "0000:00:02.0"), drm(0, "nvidia", "0000:01:00.0"), nodes(128, 129)),
            [("i915", "card1", "renderD129"), ("nvidia", "card0", "renderD128")],
            id="laptop-nodes-in-the-order-of-the-cards",
        ),
        pytest.param(
            host(
                *INTEL_NVIDIA,
                drm(1, "i915", "0000:00:02.0"),
                drm(2, "nvidia", "0000:01:00.0"),
                drm(0, "simple-framebuffer", device="simple-framebuffer.0"),
                nodes(128, 129),
            ),
            [("i915", "card1", "renderD128"), ("nvidia", "card2", "renderD129"), ("simple-framebuffer", "card0", "")],
            id="laptop-with-the-firmware-s-frame-buffer",
        ),
        pytest.param(
            host(
                *INTEL_NVIDIA,
                directories={"/dev/dri": ["card1", "renderD128"]},
                links={"/dev/dri/by-path/pci-0000:00:02.0-render": "../renderD128"},
            ),
            [("i915", "", "renderD128"), ("nvidia", "", "")],
            id="laptop-nvidia-without-drm-and-udev-s-links",
        ),
        pytest.param(
            host(*INTEL_NVIDIA, directories={"/sys/bus/pci/devices/0000:00:02.0/drm": ["card1", "renderD128"]}),
            [("i915", "card1", "renderD128"), ("nvidia", "", "")],
            id="laptop-the-pci-device-s-own-directory",
        ),
        pytest.param(
            host(
                *APU,
                drm(0, "amdgpu", "0000:03:00.0"),
                drm(1, "amdgpu", "0000:16:00.0"),
                render_of(128, "0000:16:00.0"),
                render_of(129, "0000:03:00.0"),
                nodes(128, 129),
            ),
            [("amdgpu", "card0", "renderD129"), ("amdgpu", "card1", "renderD128")],
            id="apu-and-card-crossed-by-their-devices",
        ),
        pytest.param(
            host(
                *APU,
                drm(1, "amdgpu", ids=("0x1002", "0x744c")),
                drm(2, "amdgpu", ids=("0x1002", "0x164e")),
                nodes(128, 129),
            ),
            [("amdgpu", "card1", "renderD128"), ("amdgpu", "card2", "renderD129")],
            id="apu-and-card-whose-drm-shows-ids-and-no-address",
        ),
        pytest.param(
            host(drm(0, "v3d", device="fec00000.v3d"), drm(1, "vc4-drm", device="gpu"), nodes(128)),
            [("v3d", "card0", "renderD128"), ("vc4-drm", "card1", "")],
            id="pi-4-renderer-first",
        ),
        pytest.param(
            host(drm(0, "vc4-drm", device="axi:gpu"), drm(1, "v3d", device="1002000000.v3d"), nodes(128)),
            [("vc4-drm", "card0", ""), ("v3d", "card1", "renderD128")],
            id="pi-5-display-first",
        ),
        pytest.param(
            host(
                drm(0, "v3d", device="1002000000.v3d"),
                drm(1, "drm-rp1-dsi", device="1f00118000.dsi"),
                drm(2, "vc4-drm", device="axi:gpu"),
                drm(3, "ili9486", device="spi0.0"),
                nodes(128),
            ),
            [
                ("v3d", "card0", "renderD128"),
                ("drm-rp1-dsi", "card1", ""),
                ("vc4-drm", "card2", ""),
                ("ili9486", "card3", ""),
            ],
            id="pi-5-with-screens",
        ),
        pytest.param(
            host(drm(0, "vc4-drm", device="soc:gpu"), nodes(128)),
            [("vc4-drm", "card0", "renderD128")],
            id="pi-3-vc4-renders-itself",
        ),
        pytest.param(
            host(VIRTIO, drm(0, "virtio-pci", "0000:00:01.0"), nodes(128)),
            [("virtio-pci", "card0", "renderD128")],
            id="virtio-on-pci",
        ),
        pytest.param(
            host(VIRTIO, drm(0, "virtio_gpu", device="virtio0"), nodes(128)),
            [("virtio-pci", "card0", "renderD128")],
            id="virtio-on-pci-below-its-own-bus",
        ),
        pytest.param(
            host(drm(0, "virtio_gpu", device="virtio4", ids=("0x1af4", "0x0010")), nodes(128)),
            [("virtio_gpu", "card0", "renderD128")],
            id="virtio-without-pci",
        ),
        pytest.param(
            host(
                drm(0, "rockchip-drm", device="display-subsystem"), drm(1, "panthor", device="fb000000.gpu"), nodes(128)
            ),
            [("rockchip-drm", "card0", ""), ("panthor", "card1", "renderD128")],
            id="board-with-a-display",
        ),
        pytest.param(
            host(drm(0, "xyz", device="somewhere"), nodes(128)),
            [("xyz", "card0", "renderD128")],
            id="unknown-driver-one-card-one-node",
        ),
        pytest.param(
            host(drm(0, "xyz", device="a"), drm(1, "uvw", device="b"), nodes(128)),
            [("xyz", "card0", ""), ("uvw", "card1", "")],
            id="nobody-knows-which",
        ),
        pytest.param(
            host(
                nodes(128, 129),
                files={
                    "/sys/class/drm/renderD128/device/uevent": "DRIVER=i915\nPCI_SLOT_NAME=0000:00:02.0\n",
                    "/sys/class/drm/renderD129/device/uevent": "DRIVER=xe\nPCI_SLOT_NAME=0000:03:00.0\n",
                },
            ),
            [("i915", "renderD128", "renderD128"), ("xe", "renderD129", "renderD129")],
            id="only-render-nodes-were-recorded",
        ),
        pytest.param(
            host(
                pci("0000:02:00.0", "0x1a03", "0x2000", "ast"),
                pci("0000:4d:00.0", "0x8086", "0x56c0", "i915", "0x038000"),
                drm(0, "ast", "0000:02:00.0"),
                drm(1, "i915", "0000:4d:00.0"),
                nodes(128),
            ),
            [("ast", "card0", ""), ("i915", "card1", "renderD128")],
            id="management-controller-beside-a-gpu",
        ),
    ],
)
def test_each_card_gets_its_own_render_node(data, expected):
    found = cards(ReplayReader(data))
    assert [(card.driver, card.name, card.render.rpartition("/")[2]) for card in found] == expected


def test_the_address_is_on_the_way_to_the_card():
    data = host(
        VIRTIO,
        drm(0, "virtio_gpu", device="virtio0"),
        links={"/sys/class/drm/card0": "../../devices/pci0000:00/0000:00:01.0/virtio0/drm/card0"},
    )
    (card,) = cards(ReplayReader(data))
    assert (card.bus_id, card.name, card.vendor, card.device) == ("0000:00:01.0", "card0", "0x1af4", "0x1050")


def test_ids_from_uevent_where_sysfs_files_are_missing():
    data = host(
        files={"/sys/class/drm/card0/device/uevent": "DRIVER=xe\nPCI_ID=8086:E20B\nPCI_SLOT_NAME=0000:03:00.0\n"}
    )
    (card,) = cards(ReplayReader(data))
    assert (card.vendor, card.device, card.bus_id, card.base) == (
        "0x8086",
        "0xe20b",
        "0000:03:00.0",
        "/sys/class/drm/card0/device",
    )


@given(st.permutations([0, 1, 2]))
def test_card_numbers_of_a_board_change_nothing(numbers):
    drivers = (("v3d", "fec00000.v3d"), ("vc4-drm", "gpu"), ("simpledrm", "simple-framebuffer.0"))
    data = host(
        *(drm(number, driver, device=device) for number, (driver, device) in zip(numbers, drivers, strict=True)),
        nodes(128),
    )
    data["files"]["/etc/machine-id"] = "0123456789abcdef0123456789abcdef\n"
    view = look(ReplayReader(data), "raspberry-pi")
    (renders,) = [card for card in view.cards if card.render]
    assert renders.driver == "v3d"
    assert view.own_uuid(renders) == "0123456789ab-v3d"


def test_own_uuid_needs_a_machine_id_and_keeps_pci_addresses():
    without = look(ReplayReader({"snapshot": 1}), "linux")
    data = {"snapshot": 1, "files": {"/etc/machine-id": "0123456789abcdef0123456789abcdef\n"}}
    card = Card("0x8086", "0000:03:00.0", "xe", name="card1")
    assert without.own_uuid(card) == ""
    assert look(ReplayReader(data), "linux").own_uuid(card) == "0123456789ab-0000:03:00.0"


@pytest.mark.parametrize(
    ("card", "virtual"),
    [
        (Card("", "card0", "virtio_gpu"), True),
        (Card("0x1af4", "0000:00:01.0", "virtio-pci"), True),
        (Card("0x1af4", "0000:00:01.0", ""), True),
        (Card("0x1af4", "0000:00:01.0", "vfio-pci"), False),
        (Card("0x8086", "0000:00:02.0", "i915"), False),
    ],
)
def test_virtual_gpus(card, virtual):
    assert card.virtual is virtual


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0 \n", (0, (0,))),
        ("Uid:\t1000\t1001\t1000\t1000\nGid:\t5\t6\t5\t5\nGroups:\t44 992 44\n", (1001, (6, 44, 992))),
        ("Groups:\t\nUid:\tx\n", (0, ())),
        ("", (0, ())),
    ],
)
def test_user(status, expected):
    found = user(ReplayReader({"snapshot": 1, "files": {"/proc/self/status": status}}))
    assert (found.uid, found.gids) == expected


junk = st.one_of(st.text(max_size=12), st.just("../../../0000:00:02.0"), st.just("card0"), st.just("renderD128"))


@given(data=st.data())
def test_whatever_sysfs_holds_a_node_has_at_most_one_card(data):
    snapshot = copy.deepcopy(
        host(*INTEL_NVIDIA, *APU, drm(0, "i915", "0000:00:02.0"), drm(1, "nvidia"), nodes(128, 129, 130))
    )
    for part in ("files", "links"):
        for path in list(snapshot[part]):
            if data.draw(st.booleans()):
                snapshot[part][path] = data.draw(junk)
    snapshot["directories"]["/dev/dri"] = data.draw(st.lists(junk, max_size=4))
    found = cards(ReplayReader(snapshot))
    given_out = [card.render for card in found if card.render]
    assert len(given_out) == len(set(given_out))
    assert len({card.bus_id for card in found}) == len(found)
