"""What rocminfo prints, from whole answers to cut ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.rocminfo import Agent, agents, ask
from ansible_collections.gpu_fleet.containers.plugins.module_utils._gpu.snapshot import ReplayReader

from .test_fixtures import SNAPSHOTS

TWO = SNAPSHOTS["amd-rocminfo-and-nodes"]["commands"]["rocminfo"]["stdout"]


def test_gpus_are_told_from_processors():
    assert agents(TWO) == (
        Agent(
            "gfx1100",
            "Radeon RX 7900 XTX",
            "GPU-7cf529dea4b33bad",
            1,
            "0000:03:00.0",
            25753026560,
            False,
            "0x744c",
        ),
        Agent("gfx1036", "AMD Radeon Graphics", "", 2, "0000:10:00.0", 16 << 30, True, "0x164e"),
    )


@pytest.mark.parametrize(
    ("line", "instead", "field", "value"),
    [
        ("  Uuid:                    GPU-7cf529dea4b33bad", "  Uuid: GPU-XX", "uuid", ""),
        ("  BDFID:                   768", "  BDFID: 0", "bus_id", ""),
        ("  BDFID:                   768", "  BDFID: much", "bus_id", ""),
        ("  Marketing Name:          Radeon RX 7900 XTX", "  Marketing Name:", "marketing_name", ""),
        ("Size:                    25149440(0x17fc000) KB", "Size: 1024 KB", "memory_bytes", 1 << 20),
        ("Size:                    25149440(0x17fc000) KB", "Size: unknown", "memory_bytes", None),
    ],
)
def test_one_line_of_another_form(line, instead, field, value):
    assert line in TWO
    assert getattr(agents(TWO.replace(line, instead))[0], field) == value


@given(st.integers(0, len(TWO)), st.integers(0, len(TWO)))
def test_a_cut_answer_names_no_gpu_that_was_not_there(start, end):
    names = {agent.name for agent in agents(TWO[start:end])}
    assert all("gfx1100".startswith(name) or "gfx1036".startswith(name) or name in TWO for name in names)


@pytest.mark.parametrize(
    ("command", "asked", "said"),
    [
        (None, False, ""),
        ({"rc": 0, "stdout": TWO.partition("Agent 2")[0]}, True, "exit status 0, no GPU agent"),
        (
            {"rc": 1, "stderr": "ROCk module is NOT loaded, possibly no GPU devices\n"},
            True,
            "ROCk module is NOT loaded",
        ),
        ({"rc": 1, "stdout": "hsa api call failure at: rocminfo.cc:1329\n"}, True, "hsa api call failure"),
        ({"rc": 127}, True, "exit status 127, no GPU agent"),
    ],
)
def test_an_answer_without_a_gpu_shows_the_telling_line(command, asked, said):
    commands = {} if command is None else {"rocminfo": command}
    opinion = ask(ReplayReader({"snapshot": 1, "commands": commands}))
    assert (opinion.agents, opinion.asked) == ((), asked)
    assert opinion.said.startswith(said)
