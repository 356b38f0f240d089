"""Plans among other people's files: whatever lies in the directories, a carried out plan settles it or says why not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi import kinds, plan
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.check import owners, read_files
from ansible_collections.gpu_fleet.containers.plugins.module_utils._cdi.plan import Wish, plan_absent, plan_present
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.probe import CommandResult
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

from .hosts import gpu, host

ETC, RUN = "/etc/cdi", "/var/run/cdi"
KIND = "nvidia.com/gpu"
OWN = f"{ETC}/{kinds.file_name(KIND)}"
NODE = {"kind": "char", "major": 195, "minor": 0, "mode": "0666", "uid": 0, "gid": 0}
HOST = host(gpu("nvidia", "/dev/nvidia0", index=0), gpu("nvidia", "/dev/nvidia0", index=1))


def spec(*names, version="0.5.0", node="/dev/nvidia0", kind=KIND):
    devices = [{"name": name, "containerEdits": {"deviceNodes": [{"path": node}]}} for name in names]
    return json.dumps({"cdiVersion": version, "kind": kind, "devices": devices})


ANSWER = CommandResult(0, spec("0", "1", "all"))


@pytest.fixture(autouse=True, scope="module")
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "program_of", lambda _stack: "/usr/bin/nvidia-ctk")
        yield


def reader(files):
    return ReplayReader(
        {"snapshot": 1, "files": files, "nodes": {"/dev/nvidia0": NODE}, "directories": {"/dev": ["nvidia0"]}}
    )


def planned(files, **values):
    wish = Wish("nvidia", ETC, (ETC, RUN), values.pop("limit", "0.6.0"), **values)
    return plan_present(reader(files), HOST, wish, lambda _argv, _timeout: ANSWER, "")


def carried_out(files, made):
    after = {**files, **made.changes}
    return {path: text for path, text in after.items() if text is not None}


contents = st.builds(
    lambda names, version, node, kind: spec(*names, version=version, node=node, kind=kind),
    st.lists(st.sampled_from(["0", "1", "all", "x"]), min_size=1, max_size=3, unique=True),
    st.sampled_from(["0.5.0", "0.6.0", "0.8.0", "9.0.0"]),
    st.sampled_from(["/dev/nvidia0", "/dev/gone"]),
    st.sampled_from([KIND, "other.example/gpu"]),
) | st.sampled_from(["", "{", f"kind: {KIND}\na: &x 1\n"])
names = st.sampled_from(["nvidia.yaml", "nvidia.json", "mine.json", "mine.yaml", kinds.file_name(KIND)])
machines = st.dictionaries(
    st.builds(lambda place, name: f"{place}/{name}", st.sampled_from([ETC, RUN]), names), contents, max_size=4
)


@given(machines, st.booleans())
def test_a_plan_settles_it_or_touches_nothing(files, refresh):
    try:
        made = planned(files, refresh=refresh)
    except FleetError as error:
        assert error.path and error.mend
        return
    for path, text in made.changes.items():
        ours, tools = kinds.is_ours(path), path.rpartition("/")[2] in kinds.NVIDIA_CTK.files
        assert ours or (tools and refresh and made.refreshes and text is not None)
    after = carried_out(files, made)
    if made.path:
        given_by = owners(read_files(reader(after), (ETC, RUN), "0.6.0"))
        old_engine = owners([file for file in read_files(reader(after), (ETC, RUN), "0.6.0") if not file.too_new])
        for name in made.names:
            assert old_engine[name].path == made.path
            assert given_by[name].path == made.path or given_by[name].too_new
    else:
        assert made.provided_by and not any(kinds.is_ours(path) for path in after)
    again = planned(after, refresh=refresh)
    assert again.changes == {}
    assert again.names == made.names or (made.refreshes and again.provided_by == (made.path,))


@given(machines)
def test_removing_ours_leaves_the_others(files):
    made = plan_absent(reader(files), Wish("", ETC, (ETC, RUN), None))
    assert carried_out(files, made) == {path: text for path, text in files.items() if not kinds.is_ours(path)}


@pytest.mark.parametrize(
    ("files", "provided"),
    [
        ({f"{RUN}/nvidia.yaml": spec("all")}, [f"{RUN}/nvidia.yaml"]),
        ({f"{RUN}/nvidia.yaml": spec("0", "1")}, [f"{RUN}/nvidia.yaml"]),
        ({f"{ETC}/a.json": spec("0"), f"{RUN}/b.json": spec("1")}, [f"{ETC}/a.json", f"{RUN}/b.json"]),
        ({f"{ETC}/nvidia.yaml": spec("all"), OWN: spec("all")}, [f"{ETC}/nvidia.yaml"]),
    ],
)
def test_provided_by(files, provided):
    assert list(planned(files).provided_by) == provided


@pytest.mark.parametrize(
    ("files", "path", "effect"),
    [
        # One of two GPUs only, and its name would be ours, too.
        ({f"{ETC}/mine.json": spec("0")}, f"{ETC}/mine.json", "the names of both would be lost"),
        ({f"{RUN}/mine.json": spec("0")}, f"{RUN}/mine.json", "ours would be hidden"),
        # Two files of others that cancel each other out take our name with them, even in another directory.
        ({f"{RUN}/a.json": spec("0"), f"{RUN}/b.json": spec("0")}, f"{RUN}/a.json", "ours would be hidden"),
    ],
)
def test_in_the_way(files, path, effect):
    with pytest.raises(FleetError, match=effect) as failure:
        planned(files)
    assert failure.value.path == path and failure.value.mend


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({f"{RUN}/nvidia.yaml": spec("all", node="/dev/gone")}, f"{RUN}/nvidia.yaml"),
        # After a driver update both are stale; the later one counts.
        (
            dict.fromkeys((f"{ETC}/nvidia.yaml", f"{RUN}/nvidia.yaml"), spec("all", node="/dev/gone")),
            f"{RUN}/nvidia.yaml",
        ),
        ({f"{ETC}/nvidia.yaml": spec("all", node="/dev/gone"), OWN: spec("all")}, f"{ETC}/nvidia.yaml"),
        # A stale file hides the good one.
        (
            {f"{ETC}/nvidia.yaml": spec("all"), f"{RUN}/nvidia.yaml": spec("all", node="/dev/gone")},
            f"{RUN}/nvidia.yaml",
        ),
    ],
)
def test_refreshed(files, path):
    made = planned(files)
    assert (made.path, made.refreshes) == (path, True)
    assert made.changes.get(OWN, "") is None or OWN not in files
    assert planned(carried_out(files, made)).provided_by == (path,)


def test_after_a_refresh_another_may_still_be_in_the_way():
    files = {f"{ETC}/nvidia.yaml": spec("all", node="/dev/gone"), f"{RUN}/mine.json": spec("0", node="/dev/gone")}
    with pytest.raises(FleetError, match="/var/run/cdi/mine.json|/etc/cdi/nvidia.yaml"):
        planned(files)
