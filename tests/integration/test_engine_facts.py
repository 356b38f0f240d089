"""What facts say of real engines: Podman's, read from files, are those of `podman info`."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import subprocess
import time
import typing as t

from ansible_collections.gpu_fleet.containers.plugins.module_utils._access.facts import gather
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.engines import probe_engines
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import HostReader


def test_podman_by_its_files_is_podman_by_its_info(podman_engine):
    cheap, found = probe_engines(HostReader(), ["podman"])
    thorough, more = probe_engines(HostReader(thorough=True), ["podman"])
    assert dataclasses.asdict(cheap["podman"]) == dataclasses.asdict(thorough["podman"])
    assert cheap["podman"].version == podman_engine.version
    assert (found, more) == ([], [])


def test_storage_and_runtime_of_ones_own_settings(podman_engine, tmp_path):
    """Settings in the places where Podman looks, below its own; a runtime of another name and path."""
    conf = pathlib.Path("/etc/containers/containers.conf.d")
    storage = pathlib.Path("/etc/containers/storage.conf")
    before = storage.read_text() if storage.exists() else None
    root = pathlib.Path("/var/lib/containers/elsewhere")
    runtime = tmp_path / "own-runc"
    runtime.symlink_to(shutil.which("runc"))
    conf.mkdir(exist_ok=True)
    try:
        (conf / "99-test.conf").write_text(f'[engine]\nruntime = "{runtime}"\n')
        storage.write_text(
            f'[storage]\ndriver = "overlay"\nrunroot = "/run/containers/elsewhere"\ngraphroot = "{root}"\n'
        )
        cheap, _found = probe_engines(HostReader(), ["podman"])
        thorough, _found = probe_engines(HostReader(thorough=True), ["podman"])
    finally:
        (conf / "99-test.conf").unlink(missing_ok=True)
        if before is None:
            storage.unlink()
        else:
            storage.write_text(before)
    assert cheap["podman"].id.endswith(f":{root}")
    assert cheap["podman"] == thorough["podman"]


def test_asking_podman_takes_less_than_half_of_podman_info(podman_engine):
    """The quickest of five each, so that a busy machine does not decide."""
    info = _quickest(lambda: subprocess.run(["podman", "info"], stdout=subprocess.DEVNULL, check=True))
    facts = _quickest(lambda: gather(HostReader(), ["podman"]))
    assert facts < info / 2, (facts, info)


def _quickest(ask: t.Callable[[], object]) -> float:
    times = []
    for number in range(5):
        started = time.perf_counter()
        assert ask(), number
        times.append(time.perf_counter() - started)
    return min(times)
