"""Objects of custom kinds against their structural schema: unknown fields out, defaults in, and what is wrong.

The keywords that real definitions use are checked; rules in CEL (`x-kubernetes-validations`) are not.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from reconciler.demo.api.shapes import Body
from reconciler.demo.api.status import cause

_META = frozenset({"apiVersion", "kind", "metadata"})


def unknown(schema: Body, value: Any, path: str = "") -> Iterator[str]:
    """Paths of fields that the schema does not know and does not preserve."""
    if _opaque(schema):
        return
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from unknown(schema.get("items") or {}, item, f"{path}[{number}]")
    elif isinstance(value, dict):
        for name, part in value.items():
            place = f"{path}.{name}" if path else name
            below = _below(schema, name, root=not path)
            if below is None:
                yield place
            else:
                yield from unknown(below, part, place)


def _opaque(schema: Body) -> bool:
    """Whatever is in here is kept, however deep."""
    return bool(schema.get("x-kubernetes-preserve-unknown-fields")) and not schema.keys() & _PARTS


_PARTS = frozenset({"properties", "items", "additionalProperties"})
_PRESERVED: Body = {"x-kubernetes-preserve-unknown-fields": True}


def _below(schema: Body, name: str, *, root: bool) -> Body | None:
    """The schema of one field, or None when it is pruned."""
    declared = schema.get("properties", {}).get(name)
    if declared is not None:
        found: Body = declared
        return found
    if (root or schema.get("x-kubernetes-embedded-resource")) and name in _META:
        return _PRESERVED
    extra = schema.get("additionalProperties")
    if extra:
        return extra if isinstance(extra, dict) else _PRESERVED
    return _PRESERVED if schema.get("x-kubernetes-preserve-unknown-fields") else None


def read(schema: Body, value: Any, *, root: bool = True) -> Any:
    """A fresh copy without unknown fields and with defaults."""
    if _opaque(schema):
        return value
    if isinstance(value, list):
        return [read(schema.get("items") or {}, item, root=False) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    properties = schema.get("properties", {})
    for name, part in value.items():
        below = _below(schema, name, root=root)
        if below is None:
            continue
        if part is None and "default" in below and not below.get("nullable"):
            continue
        result[name] = read(below, part, root=False)
    for name, below in properties.items():
        if name not in result and "default" in below:
            result[name] = orjson.loads(orjson.dumps(below["default"]))
            result[name] = read(below, result[name], root=False)
    return result


def problems(schema: Body, value: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Causes, as `details.causes` has them, in the order of the object."""
    if value is None and schema.get("nullable"):
        return
    wrong = _wrong_type(schema, value)
    if wrong:
        told = f'Invalid value: "{wrong}": {path} in body must be of type {schema["type"]}: "{wrong}"'
        yield cause("FieldValueTypeInvalid", told, path)
        return
    for keyword, check in _CHECKS.items():
        if keyword in schema:
            for reason, message in check(schema[keyword], value, path):
                yield cause(reason, message, path)
    if isinstance(value, dict):
        yield from _field_problems(schema, value, path)
    elif isinstance(value, list):
        yield from _duplicates(schema, value, path)
        for number, item in enumerate(value):
            yield from problems(schema.get("items") or {}, item, f"{path}[{number}]")


def _duplicates(schema: Body, items: list[Any], path: str) -> Iterator[dict[str, str]]:
    """Items of a set or a keyed list that are there twice."""
    kind = schema.get("x-kubernetes-list-type", "atomic")
    if kind == "atomic":
        return
    seen: list[Any] = []
    for number, item in enumerate(items):
        keys = schema.get("x-kubernetes-list-map-keys", ())
        what = {key: item.get(key) for key in keys} if kind == "map" and isinstance(item, dict) else item
        if what in seen:
            yield cause("FieldValueDuplicate", f"Duplicate value: {orjson.dumps(what).decode()}", f"{path}[{number}]")
        seen.append(what)


def _field_problems(schema: Body, value: Body, path: str) -> Iterator[dict[str, str]]:
    for name in schema.get("required", ()):
        if name not in value:
            yield cause("FieldValueRequired", "Required value", f"{path}.{name}" if path else name)
    for name, part in value.items():
        below = _below(schema, name, root=not path)
        if below:
            yield from problems(below, part, f"{path}.{name}" if path else name)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()
    ),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}


def _wrong_type(schema: Body, value: Any) -> str:
    """The value's own type when it is not the schema's."""
    fits = _TYPES.get(schema.get("type", ""))
    if fits is None or fits(value):
        return ""
    if value is None:
        return "null"
    return next(name for name, is_one in _TYPES.items() if is_one(value))


_Found = Iterator[tuple[str, str]]


def _enum(allowed: list[Any], value: Any, _path: str) -> _Found:
    if value not in allowed:
        told = ", ".join(orjson.dumps(each).decode() for each in allowed)
        yield "FieldValueNotSupported", f"Unsupported value: {orjson.dumps(value).decode()}: supported values: {told}"


def _invalid(value: Any, sentence: str) -> tuple[str, str]:
    return "FieldValueInvalid", f"Invalid value: {orjson.dumps(value).decode()}: {sentence}"


def _pattern(pattern: str, value: Any, path: str) -> _Found:
    if isinstance(value, str) and not re.search(pattern, value):
        yield _invalid(value, f"{path} in body should match '{pattern}'")


def _minimum(bound: float, value: Any, path: str) -> _Found:
    if isinstance(value, int | float) and value < bound:
        yield _invalid(value, f"{path} in body should be greater than or equal to {bound}")


def _maximum(bound: float, value: Any, path: str) -> _Found:
    if isinstance(value, int | float) and value > bound:
        yield _invalid(value, f"{path} in body should be less than or equal to {bound}")


def _multiple(of: float, value: Any, path: str) -> _Found:
    if isinstance(value, int | float) and of and not math.isclose(value / of, round(value / of)):
        yield _invalid(value, f"{path} in body should be a multiple of {of}")


def _max_length(bound: int, value: Any, _path: str) -> _Found:
    if isinstance(value, str) and len(value) > bound:
        yield "FieldValueTooLong", f"Too long: may not be more than {bound} bytes"


def _min_length(bound: int, value: Any, path: str) -> _Found:
    if isinstance(value, str) and len(value) < bound:
        yield _invalid(value, f"{path} in body should be at least {bound} chars long")


def _max_items(bound: int, value: Any, _path: str) -> _Found:
    if isinstance(value, list) and len(value) > bound:
        yield "FieldValueTooMany", f"Too many: {len(value)}: must have at most {bound} items"


def _min_items(bound: int, value: Any, path: str) -> _Found:
    if isinstance(value, list) and len(value) < bound:
        yield _invalid(len(value), f"{path} in body should have at least {bound} items")


_CHECKS: dict[str, Callable[[Any, Any, str], _Found]] = {
    "maxLength": _max_length,
    "minLength": _min_length,
    "pattern": _pattern,
    "enum": _enum,
    "minimum": _minimum,
    "maximum": _maximum,
    "multipleOf": _multiple,
    "maxItems": _max_items,
    "minItems": _min_items,
}
