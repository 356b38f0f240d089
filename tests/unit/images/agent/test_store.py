from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from agent.setting import SettingError
from agent.store import Store
from hypothesis import given
from hypothesis import strategies as st

from .conftest import IMAGE


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "memory.sqlite")


def test_store_get_since_search(store: Store) -> None:
    first = store.add("Ana prefers green tea", ["home"])
    second = store.add("The key is under the pot", [])
    assert store.get(first)["text"] == "Ana prefers green tea"
    assert store.get(first)["tags"] == ["home"]
    assert store.get(99) is None
    assert [memory["memory"] for memory in store.since(0, 10)] == [first, second]
    assert [memory["memory"] for memory in store.since(first, 10)] == [second]
    assert [memory["memory"] for memory in store.search("green KEY", 10)] == [first, second]
    assert [memory["memory"] for memory in store.search("home", 10)] == [first]
    assert store.search("nothing", 10) == []
    assert store.count() == 2


def test_survives_a_restart_and_keeps_its_identity(tmp_path: Path) -> None:
    before = Store(tmp_path / "db")
    number, identity = before.add("kept", []), before.identity
    before.close()
    after = Store(tmp_path / "db")
    assert after.get(number)["text"] == "kept"
    assert after.identity == identity
    assert Store(tmp_path / "other").identity != identity


KILLED = """
import sys
sys.path.insert(0, {image!r})
from pathlib import Path
from agent.store import Store
store = Store(Path(sys.argv[1]))
while True:
    print(store.add("text", []), flush=True)
"""


def test_what_was_answered_survives_sigkill(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED.format(image=str(IMAGE)), str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        for _count in range(20):
            last = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        answered = [int(line) for line in child.stdout.read().split("\n")[:-1]]
    store = Store(path)
    assert store.count() >= max([last, *answered])
    assert store.problem() == ""
    assert store.add("after", []) > last


def test_threads(store: Store) -> None:
    threads = [threading.Thread(target=lambda: [store.add("word", []) for _count in range(20)]) for _count in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.count() == 80


@given(st.text())
def test_any_text_can_be_searched_for(text: str) -> None:
    store = Store(Path(":memory:"))
    store.add("something", [])
    assert isinstance(store.search(text, 5), list)


def test_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database at all, only text that is long enough to be looked at" * 20)
    with pytest.raises(SettingError, match="cannot be used as a database"):
        Store(tmp_path / "file")
    with pytest.raises(SettingError):
        Store(tmp_path / "no" / "folder" / "db")


def test_a_closed_database_is_a_problem(store: Store) -> None:
    store.close()
    assert "closed" in store.problem()
