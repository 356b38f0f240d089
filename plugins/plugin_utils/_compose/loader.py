# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A group file's text to plain data, with the line and column of every key.

The parser is PyYAML's; what its plain scalars mean is ours (`scalars.py`), because
PyYAML speaks YAML 1.1: ``22:22`` is 1342 there, ``no`` is false.
"""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator

import yaml
from yaml.composer import Composer
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from ...module_utils._errors import InputError
from .scalars import plain_scalar
from .spec import Path, dotted

Marks = dict[Path, tuple[int, int]]

MOST_NODES = 100_000
"""Keys and values after anchors are expanded; far above any real file, far below what hurts."""

_TAG = "tag:yaml.org,2002:"
_PLAIN = "plain"
_MERGE = "<<"
_SCALAR_TAGS = (_PLAIN, *(_TAG + name for name in ("int", "float", "bool", "null")))


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML up to the node graph; plain scalars are left for `plain_scalar`."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)

    def resolve(self, kind: type, value: t.Any, implicit: t.Any) -> str:
        if kind is ScalarNode:
            return _PLAIN if implicit[0] else _TAG + "str"
        return _TAG + ("seq" if kind is SequenceNode else "map")

    def compose_node(self, parent: Node | None, index: t.Any) -> Node | None:
        # YAML lets an anchor be set anew; PyYAML refuses it.
        if not self.check_event(AliasEvent):
            self.anchors.pop(self.peek_event().anchor, None)
        return Composer.compose_node(self, parent, index)


def parse(text: str, file: str) -> tuple[t.Any, Marks]:
    """The data of one YAML document, and where each of its keys and entries stands (from 1).

    Raises InputError for anything that is not one well-formed document.
    """
    try:
        node = _Loader(text).get_single_node()
        if node is None:
            raise InputError("the file is empty", path=file, mend="A group file has at least `services:`.")
        builder = _Builder(file)
        return builder.build(node, ()), builder.marks
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        words = [word for word in (error.context, error.problem) if word]
        raise InputError(f"this is not valid YAML: {', '.join(words)}", path=place, mend=_hint(error)) from error
    except yaml.YAMLError as error:
        raise InputError(f"this is not valid YAML: {' '.join(str(error).split())}", path=file) from error
    except RecursionError as error:
        raise InputError("the file is nested too deeply", path=file) from error


def _hint(error: yaml.MarkedYAMLError) -> str:
    if "'\\t'" in (error.problem or ""):
        return "Indent with spaces; YAML does not allow tabs."
    if "single document" in (error.context or ""):
        return "Keep one group in a file; remove the `---`."
    if "mapping values are not allowed" in (error.problem or ""):
        return "Check the indentation, or quote the value that contains a colon."
    if "<block end>" in (error.problem or ""):
        return "Check the indentation of this line against the lines above."
    return ""


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.marks: Marks = {}
        self._open: set[int] = set()
        self._count = 0

    def fail(self, node: Node, path: Path, message: str, mend: str = "") -> t.NoReturn:
        place = f"{self.file}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
        raise InputError(message, path=f"{place}: {dotted(path)}" if path else place, mend=mend)

    def build(self, node: Node, path: Path) -> t.Any:
        with self.inside(node, path):
            if isinstance(node, ScalarNode):
                return self.scalar(node, path)
            if isinstance(node, SequenceNode):
                return self.sequence(node, path)
            return self.mapping(node, path)

    @contextlib.contextmanager
    def inside(self, node: Node, path: Path) -> Iterator[None]:
        """Guards against anchors that contain themselves or expand without end."""
        self._count += 1
        if self._count > MOST_NODES:
            self.fail(node, path, f"the file has more than {MOST_NODES} values once its anchors are expanded")
        if id(node) in self._open:
            self.fail(node, path, "this anchor contains itself")
        self._open.add(id(node))
        try:
            yield
        finally:
            self._open.discard(id(node))

    def scalar(self, node: ScalarNode, path: Path) -> t.Any:
        if node.tag == _TAG + "str":
            return node.value
        if node.tag not in _SCALAR_TAGS:
            self.fail(node, path, f"the tag {_short(node.tag)} is not supported", "Remove the tag.")
        return plain_scalar(node.value)

    def sequence(self, node: SequenceNode, path: Path) -> list[t.Any]:
        if node.tag != _TAG + "seq":
            self.fail(node, path, f"the tag {_short(node.tag)} is not supported", "Remove the tag.")
        result = []
        for index, item in enumerate(node.value):
            place = (*path, index)
            self.mark(place, item)
            result.append(self.build(item, place))
        return result

    def mapping(self, node: MappingNode, path: Path) -> dict[str, t.Any]:
        if node.tag != _TAG + "map":
            self.fail(node, path, f"the tag {_short(node.tag)} is not supported", "Remove the tag.")
        own: dict[str, Node] = {}
        entries: list[tuple[Node, Node]] = []
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                if merged:
                    self.fail(key_node, (*path, _MERGE), "the key << stands twice", "Write one: <<: [*one, *other].")
                merged.append(value_node)
                continue
            key = self.key(key_node, path)
            if key in own:
                first = own[key].start_mark.line + 1
                here = key_node.start_mark.line + 1
                self.fail(key_node, (*path, key), f"the key {key} stands twice, in line {first} and in line {here}")
            own[key] = key_node
            entries.append((key_node, value_node))
        result: dict[str, t.Any] = {}
        for value_node in merged:
            self.merge(value_node, path, result, own)
        for key_node, value_node in entries:
            place = (*path, key_node.value)
            self.mark(place, key_node)
            result[key_node.value] = self.build(value_node, place)
        return result

    def key(self, node: Node, path: Path) -> str:
        if not isinstance(node, ScalarNode):
            self.fail(node, path, "a key must be a text")
        if not isinstance(self.scalar(node, path), str):
            self.fail(node, path, f"the key {node.value or 'null'} is not a text", "Put it in quotes.")
        return node.value

    def merge(self, node: Node, path: Path, result: dict[str, t.Any], own: dict[str, Node]) -> None:
        """``<<``: keys of the mapping, or of each mapping of a list, that nobody before has set."""
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            if not isinstance(source, MappingNode):
                self.fail(node, (*path, _MERGE), "<< wants a mapping, or a list of mappings")
            with self.inside(source, path):
                merged = []
                for key_node, value_node in source.value:
                    if _is_merge(key_node):
                        merged.append(value_node)
                        continue
                    key = self.key(key_node, path)
                    if key not in result and key not in own:
                        self.mark((*path, key), key_node)
                        result[key] = self.build(value_node, (*path, key))
                for value_node in merged:
                    self.merge(value_node, path, result, own)

    def mark(self, path: Path, node: Node) -> None:
        self.marks[path] = (node.start_mark.line + 1, node.start_mark.column + 1)


def _is_merge(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == _PLAIN and node.value == _MERGE


def _short(tag: str) -> str:
    return tag.replace(_TAG, "!!")


def read(path: str) -> str:
    """The text of a file of the user's. Raises InputError when it cannot be read."""
    try:
        with open(path, encoding="utf-8-sig") as stream:
            return stream.read()
    except FileNotFoundError as error:
        raise InputError("there is no such file", path=path) from error
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", path=path) from error
    except UnicodeDecodeError as error:
        raise InputError(f"the file is not UTF-8 text (byte {error.start + 1})", path=path) from error
    except ValueError as error:
        raise InputError(f"this cannot be a file's name: {error}", path=repr(path)) from error
