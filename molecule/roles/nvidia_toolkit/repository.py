# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a stand-in for NVIDIA's package repository: repository.py FOLDER

The same layout (`deb/amd64`, `gpgkey`), names and units as NVIDIA's, in three versions, signed by a key that is made on
the spot. What the packages hold is a shell script that answers and writes as nvidia-ctk does.
"""

from __future__ import annotations

import hashlib
import pathlib
import subprocess
import sys
import tempfile

# 1.21.0 is what apt would take if nothing pinned it; 1.17.8 had no service for the spec yet.
VERSIONS = ("1.17.8", "1.20.0", "1.21.0")
DEPENDS = {
    "nvidia-container-toolkit": "nvidia-container-toolkit-base (= {0}), libnvidia-container-tools (= {0})",
    "nvidia-container-toolkit-base": "",
    "libnvidia-container-tools": "libnvidia-container1 (= {0})",
    "libnvidia-container1": "",
}
TOOL = """#!/bin/sh
# Stands in for nvidia-ctk: one made-up GPU, whose node every machine has.
case "$*" in
    --version) echo "NVIDIA Container Toolkit CLI version {0}"; exit ;;
    "cdi generate") ;;
    *) echo "nvidia-ctk: $*?" >&2; exit 1 ;;
esac
version=0.7.0 gids='"additionalGids": [44], '
case $NVIDIA_CTK_CDI_GENERATE_FEATURE_FLAGS in *no-additional-gids-for-device-nodes*) version=0.5.0 gids= ;; esac
mkdir -p "$(dirname "$NVIDIA_CTK_CDI_OUTPUT_FILE_PATH")"
cat >"$NVIDIA_CTK_CDI_OUTPUT_FILE_PATH" <<SPEC
{{"cdiVersion": "$version", "kind": "nvidia.com/gpu", "containerEdits": {{"env": ["NVIDIA_VISIBLE_DEVICES=void"]}},
 "devices": [{{"name": "all", "containerEdits": {{$gids"deviceNodes": [{{"path": "/dev/nvidia-made-up", "hostPath": "/dev/null"}}]}}}}]}}
SPEC
"""
# After deployments/systemd of nvidia-container-toolkit, without the conditions that ask for a driver.
SERVICE = """[Unit]
Description=Refresh NVIDIA CDI specification file
[Service]
Type=oneshot
Environment=NVIDIA_CTK_CDI_OUTPUT_FILE_PATH=/var/run/cdi/nvidia.yaml
EnvironmentFile=-/etc/nvidia-container-toolkit/nvidia-cdi-refresh.env
ExecStart=/usr/bin/nvidia-ctk cdi generate
[Install]
WantedBy=multi-user.target
"""
PATH = """[Unit]
Description=Trigger CDI refresh on NVIDIA driver install / uninstall events
[Path]
PathChanged=/usr/bin/nvidia-ctk
[Install]
WantedBy=multi-user.target
"""


def main(folder: pathlib.Path) -> None:
    packages = folder / "deb" / "amd64"
    packages.mkdir(parents=True)
    for version in VERSIONS:
        for name in DEPENDS:
            build(packages, name, version)
    index = "\n".join(entry(deb) for deb in sorted(packages.glob("*.deb")))
    (packages / "Packages").write_text(index)
    digest = hashlib.sha256(index.encode()).hexdigest()
    (packages / "Release").write_text(
        f"Origin: stand-in\nDate: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n {digest} {len(index.encode())} Packages\n"
    )
    sign(packages / "Release", packages / "InRelease", folder / "gpgkey")


def build(packages: pathlib.Path, name: str, version: str) -> None:
    with tempfile.TemporaryDirectory() as tree:
        root = pathlib.Path(tree)
        depends = DEPENDS[name].format(f"{version}-1")
        write(
            root / "DEBIAN/control",
            f"Package: {name}\nVersion: {version}-1\nArchitecture: amd64\nMaintainer: stand-in <stand-in@example.org>\n"
            + (f"Depends: {depends}\n" if depends else "")
            + "Description: stand-in for the package of this name\n",
        )
        if name == "nvidia-container-toolkit-base":
            write(root / "usr/bin/nvidia-ctk", TOOL.format(version), 0o755)
            write(root / "usr/bin/nvidia-container-runtime", '#!/bin/sh\nexec runc "$@"\n', 0o755)
            if version != VERSIONS[0]:
                write(root / "usr/lib/systemd/system/nvidia-cdi-refresh.service", SERVICE)
                write(root / "usr/lib/systemd/system/nvidia-cdi-refresh.path", PATH)
        root.chmod(0o755)
        run("dpkg-deb", "--root-owner-group", "--build", tree, str(packages / f"{name}_{version}-1_amd64.deb"))


def write(path: pathlib.Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def entry(deb: pathlib.Path) -> str:
    """Its paragraph in the index."""
    content = deb.read_bytes()
    more = f"Filename: ./{deb.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
    return run("dpkg-deb", "--field", str(deb)) + more


def sign(release: pathlib.Path, signed: pathlib.Path, key: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        gpg = ("gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "")
        run(*gpg, "--quick-generate-key", "stand-in <stand-in@example.org>", "ed25519", "sign", "never")
        key.write_text(run(*gpg, "--armor", "--export"))
        run(*gpg, "--output", str(signed), "--clearsign", str(release))
        run("gpgconf", "--homedir", home, "--kill", "all")


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
