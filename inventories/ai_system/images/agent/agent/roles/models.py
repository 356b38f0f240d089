"""Models and GPU memory. Every agent here reports the device that it really sees."""

from __future__ import annotations

import struct
from pathlib import Path

from ..device import device
from ..message import Refused, Request, Result, need
from ..role import Role

GGUF_HEADER = struct.Struct("<4sIQQ")
"""Magic, version, number of tensors, number of metadata entries (ggml docs/gguf.md)."""


class DeviceRole(Role):
    def describe(self) -> Result:
        return device()

    def op_device(self, request: Request) -> Result:
        return device()


class GGUFModelManager(DeviceRole):
    """Lists the GGUF files of a folder with what their headers say."""

    def op_models(self, request: Request) -> Result:
        folder = self.setting.path("MODELS_DIR", "/models")
        return {"models": [read_header(path) for path in sorted(folder.glob("*.gguf"))]}


def read_header(path: Path) -> Result:
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(GGUF_HEADER.size)
    if len(header) < GGUF_HEADER.size or header[:4] != b"GGUF":
        return {"name": path.name, "bytes": size, "error": "not a GGUF file"}
    _magic, version, tensors, entries = GGUF_HEADER.unpack(header)
    return {"name": path.name, "bytes": size, "version": version, "tensors": tensors, "metadata": entries}


class ModelManagerAgent(DeviceRole):
    """A register of models by name, beside those that the GGUF manager has files of."""

    def prepare(self) -> None:
        self.files = self.setting.peer("GGUF_MODEL_MANAGER_URL")
        self.models: dict[str, Result] = {}

    def op_register(self, request: Request) -> Result:
        name, source = need(request, "name", str), need(request, "source", str)
        self.models[name] = {"name": name, "source": source}
        return {"models": len(self.models)}

    def op_models(self, request: Request) -> Result:
        return {"registered": list(self.models.values()), "files": self.files.call(request, "models")["models"]}


class VRAMOptimizerAgent(DeviceRole):
    """Says which of the wanted models fit into the GPU memory that is really there."""

    def op_fit(self, request: Request) -> Result:
        """``{"models": {"name": bytes}}`` → the smallest first, as many as fit on one device."""
        seen = device()
        memory = max((entry.get("memory_bytes", 0) for entry in seen["devices"]), default=0)
        if not memory:
            raise Refused("no_gpu", f"no GPU memory is visible: {seen['reason']}")
        return fit(need(request, "models", dict), memory)


def fit(models: dict[str, int], memory: int) -> Result:
    chosen, left = [], memory
    for name, size in sorted(models.items(), key=lambda entry: (entry[1], entry[0])):
        if size <= left:
            chosen.append(name)
            left -= size
    return {"fits": chosen, "left_out": sorted(set(models) - set(chosen)), "left_bytes": left}
