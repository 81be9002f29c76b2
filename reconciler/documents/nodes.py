"""A document as it is written: every value with its place in the text, so that text can be put in its place.

Not the strict reading (`load` is; only texts that it took come here) and not a change (`splice`). Rules: places count
characters; a scalar remembers its spelling; nothing recurses while reading.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import yaml

from reconciler.documents.scalars import read_plain

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is there; only its events are used
_PLAIN_STYLES = (None, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value. `start` and `end` are its characters in the text; `line` and `column` count from 1.

    `token` is how a scalar is spelt there, `style` what its quotes are (empty: none). `flow`: a list or mapping in
    brackets. A mapping has `entries`, a list `items`, a scalar neither (both None).
    """

    start: int
    end: int
    line: int
    column: int
    value: Any = None
    token: str = ""
    style: str = ""
    flow: bool = False
    entries: "tuple[tuple[Node, Node], ...] | None" = None
    items: "tuple[Node, ...] | None" = None

    @property
    def scalar(self) -> bool:
        """Neither a list nor a mapping."""
        return self.entries is None and self.items is None

    @property
    def empty(self) -> bool:
        """A list or mapping with nothing in it."""
        return self.entries == () or self.items == ()

    @property
    def data(self) -> Any:
        """The plain value."""
        if self.entries is not None:
            return {key.value: value.data for key, value in self.entries}
        return [item.data for item in self.items] if self.items is not None else self.value

    def get(self, name: str) -> "Node | None":
        """The value of a mapping's key; None where there is none."""
        return next((value for key, value in self.entries or () if key.value == name), None)

    def same(self, other: "Node") -> bool:
        """Whether both are one value: `1` is not `1.0`, and the order of keys does not matter."""
        return packed(self.data) == packed(other.data)


def packed(data: Any) -> bytes:
    """Plain data as bytes that are equal for equal values."""
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


@dataclass(slots=True, kw_only=True)
class _Open:
    """A list or mapping whose end has not come."""

    event: yaml.CollectionStartEvent
    nodes: list[Node] = field(default_factory=list)


def compose(text: str) -> Node:
    """The one document of a text that `load` took."""
    stack: list[_Open] = []
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append(_Open(event=event))
            continue
        node: Node | None = None
        if isinstance(event, yaml.ScalarEvent):
            node = _scalar(event, text)
        elif isinstance(event, yaml.CollectionEndEvent):
            node = _collection(stack.pop(), event)
        if node is None:
            continue
        if not stack:
            return node
        stack[-1].nodes.append(node)
    raise ValueError("a text without a document")


def _scalar(event: yaml.ScalarEvent, text: str) -> Node:
    begin, end = _marks(event, event)
    style = "" if event.style in _PLAIN_STYLES else str(event.style)
    return Node(
        start=begin.index,
        end=end.index,
        line=begin.line + 1,
        column=begin.column + 1,
        value=event.value if style else read_plain(event.value)[0],
        token=text[begin.index : end.index],
        style=style,
    )


def _collection(opened: _Open, event: yaml.CollectionEndEvent) -> Node:
    begin, end = _marks(opened.event, event)
    nodes = tuple(opened.nodes)
    mapping = isinstance(opened.event, yaml.MappingStartEvent)
    pairs = (
        tuple((_as_key(key), value) for key, value in zip(nodes[::2], nodes[1::2], strict=True)) if mapping else None
    )
    return Node(
        start=begin.index,
        end=end.index,
        line=begin.line + 1,
        column=begin.column + 1,
        flow=bool(opened.event.flow_style),
        entries=pairs,
        items=None if mapping else nodes,
    )


def _marks(first: yaml.Event, last: yaml.Event) -> tuple[yaml.Mark, yaml.Mark]:
    """Where the first one begins and the last one ends; the parser always says so."""
    begin, end = first.start_mark, last.end_mark
    assert begin is not None  # noqa: S101  # an event that was parsed has its place
    assert end is not None  # noqa: S101  # the same
    return cast("yaml.Mark", begin), cast("yaml.Mark", end)


def _as_key(node: Node) -> Node:
    """A key is text, whatever it looks like (`on` is one)."""
    if node.style or not node.scalar or isinstance(node.value, str):
        return node
    return Node(
        start=node.start, end=node.end, line=node.line, column=node.column, value=node.token, token=node.token
    )  # fmt: skip


def walk(node: Node) -> Iterator[Node]:
    """A node and every value in it."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += [value for _, value in one.entries or ()] + list(one.items or ())
