"""A registry as somebody else serves it: CNCF's program, with TLS and a password or with neither; and images to put there."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import pathlib
import subprocess
import tarfile
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.gpu_fleet.containers.plugins.module_utils._host import htpasswd
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.certificates import (
    Pair,
    make_authority,
    make_server,
)

USERNAME, PASSWORD = "fleet", "a password of tests only"
_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Registry:
    address: str
    folder: pathlib.Path
    open: bool = False
    """Neither TLS nor a password."""
    process: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def ca(self) -> pathlib.Path:
        return self.folder / "ca.pem"

    def start(self) -> None:
        configuration: dict[str, t.Any] = {
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "storage")}},
            "http": {"addr": self.address, "secret": "of tests"},
        }
        if not self.open:
            authority = Pair(str(self.folder / "ca.key"), str(self.ca))
            server = Pair(str(self.folder / "server.key"), str(self.folder / "server.pem"))
            if not self.ca.exists():
                make_authority(authority, "a CA of tests", 2)
                make_server(server, authority, [self.address.partition(":")[0]], 1)
                (self.folder / "users").write_text(htpasswd.line(USERNAME, PASSWORD, ""))
            configuration["http"]["tls"] = {"certificate": server.certificate, "key": server.key}
            configuration["auth"] = {"htpasswd": {"realm": "test", "path": str(self.folder / "users")}}
        path = self.folder / "registry.yml"
        path.write_text(json.dumps(configuration))
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(path)], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while b"listening on" not in (self.folder / "log").read_bytes():
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        assert self.process
        self.process.terminate()
        self.process.wait()
        (self.folder / "log").unlink()

    def put(self, name: str, content: str, architectures: t.Sequence[str] = ("amd64", "arm64")) -> str:
        """An image of one file for each architecture, under ``app:1``; the digest that its tag means then."""
        layout = self.folder / "layout"
        manifests = [_manifest(layout, f"{content} for {name}", architecture) for architecture in architectures]
        top = manifests[0]
        if len(manifests) > 1:
            top = _blob(layout, {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}, _INDEX)
        named = {**top, "annotations": {"org.opencontainers.image.ref.name": "it"}}
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        login = ["--dest-tls-verify=false"] if self.open else ["--dest-creds", f"{USERNAME}:{PASSWORD}"]
        trust = [] if self.open else ["--dest-cert-dir", str(self._trust())]
        words = ["skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests", *login, *trust]
        subprocess.run([*words, f"oci:{layout}:it", f"docker://{self.address}/{name}"], check=True)
        return top["digest"]

    def _trust(self) -> pathlib.Path:
        folder = self.folder / "trust"
        folder.mkdir(exist_ok=True)
        (folder / "ca.crt").write_text(self.ca.read_text())
        return folder


@contextlib.contextmanager
def registry(folder: pathlib.Path, address: str, open: bool = False) -> t.Iterator[Registry]:
    made = Registry(address, folder, open)
    made.start()
    try:
        yield made
    finally:
        if made.process and made.process.poll() is None:
            made.stop()


def _manifest(layout: pathlib.Path, content: str, architecture: str) -> dict[str, t.Any]:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        member = tarfile.TarInfo("content")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content.encode()))
    data = layer.getvalue()
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "history": [{"created_by": "tests"}],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(data).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _blob(layout, config, "application/vnd.oci.image.config.v1+json"),
        "layers": [_blob(layout, data, "application/vnd.oci.image.layer.v1.tar")],
    }
    made = _blob(layout, manifest, _MANIFEST)
    return {**made, "platform": {"architecture": architecture, "os": "linux"}}


def _blob(layout: pathlib.Path, content: t.Any, media_type: str) -> dict[str, t.Any]:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    digest = hashlib.sha256(data).hexdigest()
    folder = layout / "blobs/sha256"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}
