"""Strategic merge patch of built-in kinds: lists merge by the key their type names, and `$` directives steer.

Values are never changed in place.
"""

from typing import Any

from reconciler.demo.api.shapes import ANY, Body, Shape
from reconciler.demo.api.status import bad_request

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic(shape: Shape, target: Body, change: Body) -> Body:
    """The target with the change; raises ApiError 400 for a directive that is not one."""
    directive = change.get(_PATCH)
    if directive == "replace":
        return {name: value for name, value in change.items() if name != _PATCH}
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise bad_request(f"Unknown patch type: {directive}")
    result = dict(target)
    if _RETAIN in change:
        result = {name: value for name, value in result.items() if name in change[_RETAIN]}
    for name, value in change.items():
        if name.startswith("$"):
            _from_list(result, name, value)
        elif value is None:
            result.pop(name, None)
        else:
            order = change.get(_ORDER + name)
            result[name] = _part(shape.child(name), result.get(name), value, order)
    return _reordered(shape, result, change)


def _from_list(result: Body, directive: str, values: Any) -> None:
    if directive.startswith(_DELETE_FROM):
        name = directive.removeprefix(_DELETE_FROM)
        result[name] = [value for value in result.get(name) or [] if value not in values]


def _reordered(shape: Shape, result: Body, change: Body) -> Body:
    """Orders of lists that the change itself does not touch."""
    for directive, order in change.items():
        name = directive.removeprefix(_ORDER)
        if directive.startswith(_ORDER) and name not in change and isinstance(result.get(name), list):
            result[name] = _ordered(shape.child(name), result[name], order)
    return result


def _part(shape: Shape, old: Any, new: Any, order: Any) -> Any:
    if isinstance(new, dict):
        base = old if isinstance(old, dict) else {}
        if shape.kind in {"any", "map"}:
            return _plain(shape, base, new)
        return strategic(shape, base, new)
    if isinstance(new, list):
        return _list(shape, old if isinstance(old, list) else [], new, order)
    return new


def _plain(shape: Shape, old: Body, new: Body) -> Body:
    if new.get(_PATCH) == "replace":
        return {name: value for name, value in new.items() if name != _PATCH}
    result = dict(old)
    for name, value in new.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _part(shape.item or ANY, result.get(name), value, None)
    return result


def _list(shape: Shape, old: list[Any], new: list[Any], order: Any) -> list[Any]:
    directives = [item for item in new if isinstance(item, dict) and _PATCH in item]
    plain = [item for item in new if not (isinstance(item, dict) and _PATCH in item)]
    if shape.merge is None or any(item[_PATCH] == "replace" for item in directives):
        return plain
    if shape.merge == "":
        merged = old + [value for value in plain if value not in old]
        return _ordered(shape, merged, order)
    key, item_shape = shape.merge, shape.item or ANY
    gone = [item.get(key) for item in directives if item[_PATCH] == "delete"]
    result = [item for item in old if item.get(key) not in gone]
    for item in plain:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        place = next((number for number, each in enumerate(result) if each.get(key) == item[key]), None)
        if place is None:
            result.append(strategic(item_shape, {}, item))
        else:
            result[place] = strategic(item_shape, result[place], item)
    return _ordered(shape, result, order)


def _ordered(shape: Shape, items: list[Any], order: Any) -> list[Any]:
    if not isinstance(order, list):
        return items
    key = shape.merge
    wanted = [each.get(key) if isinstance(each, dict) else each for each in order]
    names = [item.get(key) if isinstance(item, dict) else item for item in items]
    placed = [item for want in wanted for item, name in zip(items, names, strict=True) if name == want]
    rest = [item for item, name in zip(items, names, strict=True) if name not in wanted]
    return placed + rest
