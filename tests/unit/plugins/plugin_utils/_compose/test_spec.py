# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key paths in messages."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.problems import Problems
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.spec import Path, dotted, locate


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("services", "web", "ports", 1), "services.web.ports[1]"),
        (("services", "a.b", "tty"), "services['a.b'].tty"),
        (("labels", "two words"), "labels['two words']"),
        ((0, "a"), "[0].a"),
    ],
)
def test_dotted(path: Path, text: str) -> None:
    assert dotted(path) == text


def test_locate_falls_back_to_the_nearest_parent() -> None:
    marks = {("a",): (1, 1), ("a", "b"): (2, 3)}
    assert locate("f.yml", marks, ("a", "b", 0, "c")) == "f.yml:2:3: a.b[0].c"
    assert locate("f.yml", marks, ("z",)) == "f.yml: z"
    assert locate("f.yml", marks, ()) == "f.yml"


def test_entries_that_became_several_stand_where_they_were_written() -> None:
    problems = Problems("f.yml", {("p", 0): (1, 1), ("p", 1): (2, 1)})
    problems.moved(("p",), [0, 0, 1])
    assert [problems.marks[("p", index)] for index in range(3)] == [(1, 1), (1, 1), (2, 1)]
    problems.named(("p",), ["a", "b"])
    assert problems.marks[("p", "b")] == (1, 1)


def test_a_warning_is_given_once() -> None:
    problems = Problems("f.yml", {})
    problems.warn(("a",), "careful")
    problems.warn(("a",), "careful")
    assert problems.warnings == ["f.yml: a: careful"]
