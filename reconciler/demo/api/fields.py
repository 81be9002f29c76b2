"""Sets of field paths, in the form `metadata.managedFields` keeps them, and what differs between two values.

A set is a tree of dicts: a key is one step (`f:NAME` a field, `k:{…}` the list item with these keys, `v:…` the item
with this value), and a node that is itself a member carries the key `.`. On the wire a member without children is `{}`.
Which places are members follows structured-merge-diff, so that sets compare equal with a real server's.
"""

from typing import Any

import orjson

from reconciler.demo.api.shapes import ANY, Body, Shape

FieldSet = dict[str, Any]

_HERE: FieldSet = {}
_MISSING: Any = object()


def leaf() -> FieldSet:
    """A node that is a member and has nothing below."""
    return {".": _HERE}


def from_wire(wire: Body) -> FieldSet:
    """A `fieldsV1` tree as a set."""
    if not wire:
        return {}
    return {key: (_HERE if key == "." else from_wire(below) or leaf()) for key, below in wire.items()}


def to_wire(fields: FieldSet) -> Body:
    """A set as a `fieldsV1` tree."""
    return {key: (_HERE if key == "." or (len(below) == 1 and "." in below) else to_wire(below))
            for key, below in fields.items()}  # fmt: skip


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of either."""
    if not left or not right or left is right:
        return left or right
    result = dict(left)
    for key, below in right.items():
        mine = result.get(key)
        result[key] = below if mine is None else union(mine, below)
    return result


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of `left` that are not members of `right`."""
    if not left or not right:
        return left
    result = {}
    for key, below in left.items():
        other = right.get(key)
        if other is None:
            result[key] = below
        elif key != "." and (rest := difference(below, other)):
            result[key] = rest
    return result


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of both."""
    result = {}
    for key, below in left.items():
        other = right.get(key)
        if other is None:
            continue
        if key == ".":
            result[key] = _HERE
        elif common := intersection(below, other):
            result[key] = common
    return result


def paths(fields: FieldSet, prefix: str = "") -> list[str]:
    """Every member as people read it: `.spec.template.spec.containers[name="web"].image`."""
    found = [prefix] if "." in fields and prefix else []
    for key in sorted(fields):
        if key != ".":
            found += paths(fields[key], prefix + _step(key))
    return found


def _step(key: str) -> str:
    kind, _, rest = key.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        told = (f"{name}={orjson.dumps(value).decode()}" for name, value in orjson.loads(rest).items())
        return f"[{','.join(told)}]"
    return f"[={rest}]"


def item_key(shape: Shape, item: Any) -> str:
    """The step to one item of a keyed list or a set."""
    if shape.unique:
        return "v:" + orjson.dumps(item).decode()
    defaults = shape.key_defaults
    keys = {key: item.get(key, defaults.get(key)) for key in sorted(shape.keys)}
    return "k:" + orjson.dumps({key: value for key, value in keys.items() if value is not None}).decode()


def by_key(shape: Shape, items: list[Any]) -> dict[str, Any]:
    """Items of a keyed list or a set by step; of two with one key the later one."""
    return {item_key(shape, item): item for item in items}


def of_value(shape: Shape, value: Any) -> FieldSet:
    """The set that an applied configuration owns; empty for an empty struct or keyed list (its parent decides)."""
    if isinstance(value, dict) and not shape.atomic and not shape.scalar:
        return _of_fields(shape, value)
    if isinstance(value, list) and not shape.atomic and shape.kind == "list":
        item = shape.item or ANY
        return {key: {**of_value(item, part), ".": _HERE} for key, part in by_key(shape, value).items()}
    return leaf()


def _of_fields(shape: Shape, value: Body) -> FieldSet:
    result = {}
    for name, part in value.items():
        declared = shape.fields.get(name)
        below = of_value(declared or shape.item or ANY, part)
        if declared is None or part is None or part == {}:
            below = {**below, ".": _HERE}
        if below:
            result["f:" + name] = below
    return result


class Comparison:
    """Three sets: what `new` has and `old` had not, what is gone, what has another value."""

    __slots__ = ("added", "modified", "removed")

    def __init__(self, shape: Shape, old: Any, new: Any) -> None:
        self.added: FieldSet = {}
        self.removed: FieldSet = {}
        self.modified: FieldSet = {}
        _compare(shape, old, new, (self.added, self.removed, self.modified))

    @property
    def changed(self) -> FieldSet:
        """Added or modified: what whoever wrote now owns."""
        return union(self.added, self.modified)


_Three = tuple[FieldSet, FieldSet, FieldSet]


def _compare(shape: Shape, old: Any, new: Any, into: _Three) -> None:
    if old is new:
        return
    added, removed, modified = into
    if _divisible(shape, old, new):
        if old is _MISSING:
            added["."] = _HERE
        elif new is _MISSING:
            removed["."] = _HERE
        _compare_parts(shape, old, new, into)
    elif old is _MISSING:
        if new is not None:
            added["."] = _HERE
    elif new is _MISSING:
        removed["."] = _HERE
    elif not same(old, new):
        modified["."] = _HERE


def _divisible(shape: Shape, old: Any, new: Any) -> bool:
    """True when the parts are compared: a struct or map, a keyed list or set, and one of the two is not empty."""
    if shape.atomic or shape.scalar or not (old or new):
        return False
    kinds = {type(value) for value in (old, new) if value is not _MISSING and value is not None}
    if (old is _MISSING and not new) or (new is _MISSING and not old):
        return False
    return kinds == {dict} or (kinds == {list} and shape.kind == "list")


def _compare_parts(shape: Shape, old: Any, new: Any, into: _Three) -> None:
    olds: Body = {} if old is _MISSING or not old else old
    news: Body = {} if new is _MISSING or not new else new
    keyed = shape.kind == "list"
    if keyed:
        olds, news = by_key(shape, list(olds)), by_key(shape, list(news))
    for name in (*olds, *(name for name in news if name not in olds)):
        before, after = olds.get(name, _MISSING), news.get(name, _MISSING)
        if before is after:
            continue
        part = (shape.item or ANY) if keyed else shape.child(name)
        below: _Three = ({}, {}, {})
        _compare(part, before, after, below)
        for whole, each in zip(into, below, strict=True):
            if each:
                whole[name if keyed else "f:" + name] = each


def same(left: Any, right: Any) -> bool:
    """Equal as JSON: `true` is not `1`."""
    if left is right:
        return True
    if left != right:
        return False
    if isinstance(left, (bool, int, float)):
        return isinstance(left, bool) == isinstance(right, bool)
    if isinstance(left, dict):
        return all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        return all(same(one, other) for one, other in zip(left, right, strict=True))
    return True
