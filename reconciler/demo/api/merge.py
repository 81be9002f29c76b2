"""Merging an applied configuration into an object, and taking out what its manager no longer applies.

Values are never changed in place: what stays the same is the same object, which is also what makes comparing cheap.
"""

from typing import Any

from reconciler.demo.api.fields import FieldSet, by_key, item_key, same
from reconciler.demo.api.shapes import ANY, Body, Shape


def merged(shape: Shape, old: Any, new: Any) -> Any:
    """`old` with everything that `new` says; lists keep the order of `new` (see `_order`)."""
    if not (shape.atomic or shape.scalar):
        if isinstance(new, dict) and isinstance(old, dict):
            return _merged_fields(shape, old, new)
        if isinstance(new, list) and isinstance(old, list) and shape.kind == "list":
            return _merged_items(shape, old, new)
    return old if same(old, new) else new


def _merged_fields(shape: Shape, old: Body, new: Body) -> Body:
    result = old
    for name, value in new.items():
        after = merged(shape.child(name), old[name], value) if name in old else value
        if name in old and after is old[name]:
            continue
        if result is old:
            result = dict(old)
        result[name] = after
    return result


def _merged_items(shape: Shape, old: list[Any], new: list[Any]) -> list[Any]:
    olds, news = by_key(shape, old), by_key(shape, new)
    item = shape.item or ANY
    result = [
        olds[key] if key not in news else merged(item, olds[key], news[key]) if key in olds else news[key]
        for key in _order(list(olds), news)
    ]
    return old if _identical(old, result) else result


def _order(old: list[str], news: dict[str, Any]) -> list[str]:
    """New items in their order; old ones that are not new stay before the next old item that is."""
    shared = [key for key in news if key in set(old)]
    result: list[str] = []
    place = 0
    for key in news:
        while place < len(old) and old[place] != key and (old[place] not in news or old[place] not in shared[:1]):
            if old[place] not in news:
                result.append(old[place])
            place += 1
        result.append(key)
        if key in shared[:1]:
            del shared[0]
        if place < len(old) and old[place] == key:
            place += 1
    return result + [key for key in old[place:] if key not in news]


def pruned(shape: Shape, value: Any, last: FieldSet, owned: FieldSet) -> Any:
    """`value` without the places in `last` that nobody has in `owned`, nor anything below them."""
    if shape.atomic or shape.scalar:
        return value
    if isinstance(value, dict):
        return _pruned_fields(shape, value, last, owned)
    if isinstance(value, list) and shape.kind == "list":
        return _pruned_items(shape, value, last, owned)
    return value


def _pruned_fields(shape: Shape, value: Body, last: FieldSet, owned: FieldSet) -> Body:
    result = value
    for key, below in last.items():
        name = key[2:]
        if key == "." or name not in value:
            continue
        kept = owned.get(key)
        after = None if kept is None else pruned(shape.child(name), value[name], below, kept)
        if kept is not None and after is value[name]:
            continue
        if result is value:
            result = dict(value)
        if kept is None:
            del result[name]
        else:
            result[name] = after
    return result


def _pruned_items(shape: Shape, value: list[Any], last: FieldSet, owned: FieldSet) -> list[Any]:
    result = []
    for item in value:
        key = item_key(shape, item)
        if key not in last:
            result.append(item)
        elif key in owned:
            result.append(pruned(shape.item or ANY, item, last[key], owned[key]))
    return value if _identical(value, result) else result


def _identical(old: list[Any], new: list[Any]) -> bool:
    return len(old) == len(new) and all(before is after for before, after in zip(old, new, strict=True))
