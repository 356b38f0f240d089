"""Names of packages by distribution, and which are missing, from what dpkg-query and rpm print."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.packages import (
    System,
    install_argument,
    missing,
    names_for,
    query_argv,
    system_of,
)

TRIXIE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nVERSION_CODENAME=trixie\nID=debian\n'
MINT = 'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n'
FEDORA = 'ID=fedora\nVERSION_ID=42\nVERSION_CODENAME=""\n'
ROCKY = 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.5"\n'
LEAP = 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\n'
ARCH = "ID=arch\n# ID_LIKE=debian\n"


@pytest.mark.parametrize(
    ("text", "machine", "expected", "manager"),
    [
        (TRIXIE, "x86_64", System("debian", "debian", "debian", "13", "trixie", "amd64"), "apt-get"),
        (TRIXIE, "aarch64", System("debian", "debian", "debian", "13", "trixie", "arm64"), "apt-get"),
        (MINT, "x86_64", System("linuxmint", "debian", "ubuntu", "22", "noble", "amd64"), "apt-get"),
        (FEDORA, "x86_64", System("fedora", "redhat", "fedora", "42", "", "x86_64"), "dnf"),
        (ROCKY, "aarch64", System("rocky", "redhat", "rhel", "9.5", "", "aarch64"), "dnf"),
        (LEAP, "x86_64", System("opensuse-leap", "suse", "opensuse", "15.6", "", "x86_64"), "zypper"),
        (ARCH, "x86_64", System("arch", "", "", "", "", "x86_64"), ""),
        ("", "riscv64", System("", "", "", "", "", "riscv64"), ""),
    ],
)
def test_system(text: str, machine: str, expected: System, manager: str) -> None:
    found = system_of(text, machine)
    assert found == expected
    assert found.manager == manager


@pytest.mark.parametrize(
    ("text", "entries", "expected"),
    [
        (TRIXIE, ["podman", "crun"], ["podman", "crun"]),
        (TRIXIE, ["podman", {"debian": ["uidmap", "podman"], "redhat": ["shadow-utils"]}], ["podman", "uidmap"]),
        (FEDORA, [{"redhat": ["docker"], "fedora": ["moby-engine"]}], ["moby-engine"]),
        (ROCKY, [{"rhel": ["a"], "redhat": ["b"]}], ["a"]),
        (LEAP, [{"debian": ["a"], "suse": []}], []),
        (MINT, [{"ubuntu": ["a"], "debian": ["b"]}], ["a"]),
    ],
)
def test_names(text: str, entries: list[t.Any], expected: list[str]) -> None:
    assert names_for(system_of(text, "x86_64"), entries) == expected


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["podman", {"redhat": ["x"]}], r"names\[1\]: no packages are named for debian. Add a list under 'debian'"),
        ([{"debian": "uidmap"}], r"names\[0\]: no packages are named"),
        ([7], r"names\[0\]: 7 is neither"),
    ],
)
def test_names_refused(entries: list[t.Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        names_for(system_of(TRIXIE, "x86_64"), entries)


@pytest.mark.parametrize(
    ("names", "output", "expected"),
    [
        (["podman", "crun"], "podman 5.4.2+ds1-1 installed\ncrun 1.21-1 installed\n", []),
        (["podman", "crun"], "podman 5.4.2+ds1-1 installed\n", ["crun"]),
        (["podman"], "podman 5.4.2+ds1-1 config-files\n", ["podman"]),
        (["podman"], "podman  not-installed\n", ["podman"]),
        (["podman"], "package podman is not installed\n", ["podman"]),
        (["b", "a"], "", ["b", "a"]),
        ([], "", []),
        (["docker-ce=5:29.1.*"], "docker-ce 5:29.1.3-1~debian.13~trixie installed\n", []),
        (["docker-ce=5:29.1.*"], "docker-ce 5:28.5.2-1~debian.13~trixie installed\n", ["docker-ce=5:29.1.*"]),
        (["docker-ce=29.1.*"], "docker-ce 5:29.1.3-1~debian.13~trixie installed\n", []),
        (["docker-ce=3:29.1.*"], "docker-ce 5:29.1.3-1~debian.13~trixie installed\n", ["docker-ce=3:29.1.*"]),
        (["toolkit=1.20.0-1"], "toolkit 1.20.0-1 installed\n", []),
        (["toolkit=1.20.0"], "toolkit (none):1.20.0-1 installed\n", []),
        (["toolkit=1.20.0"], "toolkit (none):1.19.1-1 installed\n", ["toolkit=1.20.0"]),
    ],
)
def test_missing(names: list[str], output: str, expected: list[str]) -> None:
    assert missing(names, output) == expected


def test_query_is_one_command_for_all() -> None:
    assert query_argv(system_of(TRIXIE, "x86_64"), ["a", "b=1.*"]) == [
        "dpkg-query",
        "--show",
        "--showformat",
        "${Package} ${Version} ${db:Status-Status}\n",
        "a",
        "b",
    ]
    assert query_argv(system_of(FEDORA, "x86_64"), ["a", "b=1.*"]) == [
        "rpm",
        "--query",
        "--queryformat",
        "%{NAME} %{EPOCH}:%{VERSION}-%{RELEASE} installed\n",
        "a",
        "b",
    ]


@pytest.mark.parametrize(("text", "expected"), [(TRIXIE, "a=1.*"), (FEDORA, "a-1.*"), (LEAP, "a=1.*")])
def test_install_argument(text: str, expected: str) -> None:
    assert install_argument(system_of(text, "x86_64"), "a=1.*") == expected
