"""Strict YAML: bytes become plain data and a map of positions, or every problem with its line and column.

Not a schema: what a field means is decided in `schema`. Rules: UTF-8 without a byte order mark and without invisible
controls; no anchors, aliases, merge keys, tags or directives; keys are text and stand once; a plain scalar that tools
read differently is refused; depth, size and number of nodes are limited. Nothing recurses: libyaml's events are folded
with an explicit stack (the constructor that PyYAML puts on top of it crashes on 25,000 brackets).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from reconciler.documents.scalars import is_plain_key, read_plain
from reconciler.documents.words import FieldPath, field_name, show
from reconciler.errors import Invalid, Problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 64
MAX_NODES = 20_000
MAX_PROBLEMS = 100
_MAX_KEY = 1024  # characters

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is there; only its events are used

_CONTROL = (
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f"
    + "".join(chr(plane + 0xFFFE) + chr(plane + 0xFFFF) for plane in range(0x10000, 0x110000, 0x10000))
)
_FORBIDDEN = re.compile(f"[{_CONTROL}]|\r(?!\n)")
_NAMED_CONTROLS: tuple[tuple[str, str], ...] = (
    ("\ufeff", "a byte order mark"),
    ("\x85\u2028\u2029", "a line break that editors do not show"),
    ("\r", "a carriage return without a line feed"),
    ("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", "a control that reorders text"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Where everything stands, as (line, column) from 1: `values` of all fields, `keys` of those in a mapping.

    `plain` has the plain scalars that are not text as they are written: `1.10`, `true`, `null`.
    """

    values: Mapping[FieldPath, tuple[int, int]]
    keys: Mapping[FieldPath, tuple[int, int]]
    plain: Mapping[FieldPath, str]

    def value(self, path: FieldPath) -> tuple[int, int]:
        """Where the field's value starts, or the value of the nearest field around it."""
        return self.values.get(self._nearest(path), (1, 1))

    def key(self, path: FieldPath) -> tuple[int, int]:
        """Where the key of the field (or of the nearest one around it) starts; its value where it has no key."""
        nearest = self._nearest(path)
        return self.keys[nearest] if nearest in self.keys else self.value(nearest)

    def _nearest(self, path: FieldPath) -> FieldPath:
        while path and path not in self.values:
            path = path[:-1]
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What was read of one file. `roots` has one entry per document in it, `positions` is of the first.

    `poisoned` are fields that already have a problem, so that nothing more needs to be said of them; `complete` is
    False when reading broke off.
    """

    path: str
    roots: tuple[Any, ...]
    positions: Positions = field(repr=False)
    problems: tuple[Problem, ...]
    poisoned: frozenset[FieldPath]
    complete: bool

    @property
    def data(self) -> Any:
        """The document of a file that has exactly one."""
        return self.roots[0]


def load(path: str, data: bytes, *, max_bytes: int = MAX_BYTES) -> Tree:
    """The one document of a file; raises Invalid with every problem. `path` is only for messages."""
    tree = read(path, data, max_bytes=max_bytes)
    if tree.problems:
        raise Invalid(tree.problems)
    if not tree.roots:
        raise Invalid([Problem(path=path, line=1, column=1, field="", message="the file holds no document")])
    return tree


def read(
    path: str, data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_NODES
) -> Tree:
    """Everything that can be read of a file, with its problems; never raises for what stands in `data`."""
    if len(data) > max_bytes:
        sentence = f"the file has {len(data)} bytes and a document at most {max_bytes}: make it smaller"
        return _unread(path, [Problem(path=path, line=1, column=1, field="", message=sentence)])
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return _unread(path, [_not_utf8(path, data, error.start)])
    controls = [_control_problem(path, text, match) for match in _first(_FORBIDDEN.finditer(text))]
    if controls:
        return _unread(path, controls)
    return _Builder(path=path, max_depth=max_depth, max_nodes=max_nodes).build(text)


def _unread(path: str, problems: list[Problem]) -> Tree:
    nowhere = Positions(values={}, keys={}, plain={})
    return Tree(path=path, roots=(), positions=nowhere, problems=tuple(problems), poisoned=frozenset(), complete=False)


def _first(matches: Iterator[re.Match[str]]) -> Iterator[re.Match[str]]:
    for _, match in zip(range(MAX_PROBLEMS), matches, strict=False):
        yield match


def _not_utf8(path: str, data: bytes, start: int) -> Problem:
    line = data.count(b"\n", 0, start) + 1
    column = len(data[data.rfind(b"\n", 0, start) + 1 : start].decode()) + 1
    sentence = f"byte 0x{data[start]:02X} is not UTF-8: save the file as UTF-8"
    return Problem(path=path, line=line, column=column, field="", message=sentence)


def _control_name(char: str) -> str:
    kind = next((kind for chars, kind in _NAMED_CONTROLS if char in chars), "a character that is not shown")
    return f"U+{ord(char):04X} is {kind}"


def _control_problem(path: str, text: str, match: re.Match[str]) -> Problem:
    start = match.start()
    line = text.count("\n", 0, start) + 1
    column = start - text.rfind("\n", 0, start)
    return Problem(path=path, line=line, column=column, field="", message=f"{_control_name(match[0])}: remove it")


_DROPPED = "\0dropped"  # the pending key of an entry whose value is read and thrown away; no file can hold it


@dataclass(slots=True)
class _Frame:
    """One open collection. `path` is None inside what is thrown away; `key` is of an entry that waits for its value."""

    path: FieldPath | None
    items: dict[str, Any] | list[Any]
    is_key: bool = False
    key: str | None = None
    key_at: tuple[int, int] = (1, 1)
    first_lines: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Builder:
    """Folds events into data. One per file; `stopped` ends it early."""

    path: str
    max_depth: int
    max_nodes: int
    nodes: int = 0
    stopped: bool = False
    roots: list[Any] = field(default_factory=list)
    stack: list[_Frame] = field(default_factory=list)
    values: dict[FieldPath, tuple[int, int]] = field(default_factory=dict)
    keys: dict[FieldPath, tuple[int, int]] = field(default_factory=dict)
    plain: dict[FieldPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    poisoned: set[FieldPath] = field(default_factory=set)

    def build(self, text: str) -> Tree:
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._take(event)
                if self.stopped:
                    break
        except yaml.YAMLError as error:
            self._malformed(error)
        return Tree(
            path=self.path,
            roots=tuple(self.roots),
            positions=Positions(values=self.values, keys=self.keys, plain=self.plain),
            problems=tuple(self.problems),
            poisoned=frozenset(self.poisoned),
            complete=not self.stopped,
        )

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._document(event)

    def _problem(self, at: tuple[int, int], path: FieldPath | None, message: str) -> None:
        if len(self.problems) >= MAX_PROBLEMS:
            self.stopped = True
            return
        name = field_name(path) if path is not None else ""
        self.problems.append(Problem(path=self.path, line=at[0], column=at[1], field=name, message=message))
        if path is not None:
            self.poisoned.add(path)

    def _malformed(self, error: yaml.YAMLError) -> None:
        self.stopped = True
        problem = getattr(error, "problem", None) or "it cannot be read"
        context, start = getattr(error, "context", None), getattr(error, "context_mark", None)
        mark = getattr(error, "problem_mark", None) or start
        at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        began = f" ({context} that starts in line {start.line + 1})" if context and start else ""
        sentence = f"this is not valid YAML: {problem}{began}"
        self.problems.append(Problem(path=self.path, line=at[0], column=at[1], field="", message=sentence))

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        if event.version or event.tags:
            self._problem(_at(event), None, "directives (%YAML, %TAG) are not read here: remove the line")
        if self.roots:
            self._problem(_at(event), None, "a file holds exactly one document: put this one into a file of its own")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        at = _at(event)
        if self._in_key_position():
            self._key(event, at)
            return
        path = self._next_path()
        self._count(at)
        self._node_form(event, at, path)
        value: Any = event.value
        if _is_plain(event):
            value, unclear = read_plain(event.value)
            if path is not None and not isinstance(value, str):
                self.plain[path] = event.value or "null"
            if unclear:
                self._problem(at, path, unclear)
        elif (control := _FORBIDDEN.search(value)) is not None:
            self._problem(at, path, f"{_control_name(control[0])}: remove its escape")
        self._put(path, value, at)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        at = _at(event)
        is_key = self._in_key_position()
        path = None if is_key else self._next_path()
        self._count(at)
        if is_key:
            self._problem(at, self.stack[-1].path, "a key is text on one line, not a list or a mapping")
        self._node_form(event, at, path)
        if len(self.stack) >= self.max_depth:
            self._problem(at, None, f"this is nested more than {self.max_depth} levels deep: make it flatter")
            self.stopped = True
            return
        items: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        if not is_key:
            self._put(path, items, at)
        self.stack.append(_Frame(path=path, items=items, is_key=is_key))

    def _close(self) -> None:
        closed = self.stack.pop()
        if closed.is_key:
            self.stack[-1].key = _DROPPED

    def _alias(self, event: yaml.AliasEvent) -> None:
        at = _at(event)
        sentence = "anchors and aliases (&, *) are not read here: write the value again"
        if self._in_key_position():
            self._problem(at, self.stack[-1].path, sentence)
            self.stack[-1].key = _DROPPED
            return
        path = self._next_path()
        self._count(at)
        self._problem(at, path, sentence)
        self._put(path, None, at)

    def _key(self, event: yaml.ScalarEvent, at: tuple[int, int]) -> None:
        frame, key = self.stack[-1], event.value
        items = cast("dict[str, Any]", frame.items)
        inside = None if frame.path is None else (*frame.path, key)
        frame.key, frame.key_at = key, at
        if key in items:
            where = frame.first_lines[key]
            self._problem(at, inside, f"this key stands in line {where} already: keep one of the two")
            frame.key = _DROPPED
            return
        frame.first_lines[key] = at[0]
        wrong = self._key_form(event)
        if key == "<<" and _is_plain(event):
            self._problem(at, frame.path, "merge keys (<<) are not read here: write the fields out")
            frame.key = _DROPPED
        elif wrong:
            self._problem(at, inside if len(key) <= _MAX_KEY else frame.path, wrong)
        else:
            self._node_form(event, at, inside)

    @staticmethod
    def _key_form(event: yaml.ScalarEvent) -> str:
        if len(event.value) > _MAX_KEY:
            return f"a key has at most {_MAX_KEY} characters"
        control = _FORBIDDEN.search(event.value)
        if control is not None:
            return f"{_control_name(control[0])}: remove its escape"
        if not _is_plain(event):
            return ""
        return "" if is_plain_key(event.value) else f"a key is text: put {show(event.value)} in quotes"

    def _node_form(self, event: yaml.NodeEvent, at: tuple[int, int], path: FieldPath | None) -> None:
        if event.anchor is not None:
            self._problem(at, path, "anchors and aliases (&, *) are not read here: write the value again")
        if getattr(event, "tag", None) is not None:
            self._problem(at, path, "tags (!) are not read here: remove it, and put text in quotes")

    def _count(self, at: tuple[int, int]) -> None:
        self.nodes += 1
        if self.nodes > self.max_nodes:
            self._problem(at, None, f"the file has more than {self.max_nodes} values: make it smaller")
            self.stopped = True

    def _in_key_position(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].items, dict) and self.stack[-1].key is None

    def _next_path(self) -> FieldPath | None:
        """Where the next value goes; None when it is thrown away."""
        if not self.stack:
            return None if self.roots else ()
        frame = self.stack[-1]
        if frame.path is None or frame.key == _DROPPED:
            return None
        return (*frame.path, len(frame.items) if frame.key is None else frame.key)

    def _put(self, path: FieldPath | None, value: Any, at: tuple[int, int]) -> None:
        if path is not None:
            self.values[path] = at
        if not self.stack:
            self.roots.append(value)
            return
        frame = self.stack[-1]
        if isinstance(frame.items, list):
            frame.items.append(value)
        elif frame.key is not None and frame.key != _DROPPED:
            frame.items[frame.key] = value
            if path is not None:
                self.keys[path] = frame.key_at
        frame.key = None


def _at(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _is_plain(event: yaml.ScalarEvent) -> bool:
    return bool(event.implicit[0])
