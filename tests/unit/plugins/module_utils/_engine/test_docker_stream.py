"""Answers in pieces: events of a build or pull, an archive."""

from __future__ import annotations

import contextlib
import io

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import docker_stream
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError


def test_follow_hands_on_lines_and_finds_the_image():
    events = [
        {"stream": "Step 1\n"},
        {"stream": "\n"},
        {"status": "x"},
        {"aux": {"ID": "sha256:1"}},
        {"stream": "done"},
    ]
    lines = []
    assert docker_stream.follow(events, "image a", lines.append) == "sha256:1"
    assert lines == ["Step 1", "done"]


def test_follow_raises_with_the_last_lines():
    events = [{"stream": f"line {number}\n"} for number in range(30)] + [{"error": "it broke"}]
    with pytest.raises(EngineError) as caught:
        docker_stream.follow(events, "image a", None)
    assert caught.value.path == "image a"
    assert "line 29\nit broke" in caught.value.message and "line 9\n" not in caught.value.message


def test_pieces_are_read_as_one_stream():
    stream = docker_stream.Chunks(iter([b"abc", b"", b"defg"]), contextlib.nullcontext)
    assert [stream.read(2), io.BufferedReader(stream).read()] == [b"ab", b"cdefg"]


def test_a_stream_that_breaks_says_so_in_the_engines_words():
    def pieces():
        yield b"abc"
        raise OSError("reset by peer")

    @contextlib.contextmanager
    def asking():
        try:
            yield
        except OSError as error:
            raise EngineError(f"docker: {error}") from error

    stream = docker_stream.Chunks(pieces(), asking)
    with pytest.raises(EngineError, match="docker: reset by peer"):
        stream.readall()
