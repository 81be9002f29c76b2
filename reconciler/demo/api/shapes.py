"""What a field is: scalar, struct, map or list, and how server-side apply and strategic merge patch treat it.

Built-in kinds come from `kinds.json` (tests/contract/kinds_from_openapi.py reads it off a real server), custom kinds
from their CustomResourceDefinition. A shape has no values and does no merging.
"""

from functools import cache
from importlib.resources import files
from typing import Any

import orjson

Body = dict[str, Any]

SCALARS = frozenset({"string", "integer", "number", "boolean", "quantity", "intOrString", "time", "bytes"})


class Shape:
    """One type. `kind` is `any`, `struct`, `map`, `list` or one of SCALARS; what does not fit the kind stays empty.

    `keys` are the keys of a list's items, `unique` marks a list of distinct scalars, `atomic` a value that is replaced
    as a whole. `merge` is the key of strategic merge patch (empty: by value), None where it replaces. `zero` names the
    struct fields that are there even when nobody set them; `open` structs take fields that they do not declare.
    """

    __slots__ = (
        "atomic", "defaults", "enum", "fields", "item", "key_defaults", "keys", "kind", "merge", "open", "unique",
        "zero",
    )  # fmt: skip

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.fields: dict[str, Shape] = {}
        self.item: Shape | None = None
        self.keys: tuple[str, ...] = ()
        self.key_defaults: Body = {}
        self.unique = False
        self.atomic = kind == "list"
        self.merge: str | None = None
        self.enum: tuple[str, ...] = ()
        self.defaults: Body = {}
        self.zero: tuple[str, ...] = ()
        self.open = False

    @property
    def scalar(self) -> bool:
        """Has no parts."""
        return self.kind in SCALARS

    def child(self, name: str) -> "Shape":
        """The shape of one field of a struct, map or `any`."""
        found = self.fields.get(name)
        return found if found is not None else self.item or ANY


ANY = Shape("any")


def _load() -> Body:
    data: Body = orjson.loads(files("reconciler.demo.api").joinpath("kinds.json").read_bytes())
    return data


@cache
def _kinds() -> Body:
    return _load()


@cache
def built_in(api_version: str, kind: str) -> Shape:
    """The shape of a built-in kind; raises KeyError for others."""
    return _type(_kinds()["roots"][f"{api_version} {kind}"])


_TYPES: dict[str, Shape] = {}


def _type(name: str) -> Shape:
    known = _TYPES.get(name)
    if known is not None:
        return known
    entry = _kinds()["types"][name]
    shape = _TYPES[name] = Shape("struct")  # before its fields: types contain themselves
    shape.atomic = entry.get("atomic", False)
    shape.fields = {field: _coded(code) for field, code in entry["fields"].items()}
    shape.defaults = {field: value for field, value in entry.get("defaults", {}).items() if value != {}}
    shape.zero = tuple(field for field, value in entry.get("defaults", {}).items() if value == {})
    for part in shape.fields.values():
        _finish(part)
    return shape


def _finish(shape: Shape) -> None:
    """Keys of list items may have defaults: `protocol` of a port."""
    if shape.keys and shape.item is not None:
        shape.key_defaults = {key: shape.item.defaults[key] for key in shape.keys if key in shape.item.defaults}


def _coded(code: Any) -> Shape:
    if isinstance(code, str):
        return _type(code[1:]) if code.startswith("#") else _scalar(code)
    if "enum" in code:
        shape = Shape("string")
        shape.enum = tuple(code["enum"])
        return shape
    if "map" in code:
        shape = Shape("map")
        shape.item = _coded(code["map"])
        shape.atomic = code.get("atomic", False)
        return shape
    shape = Shape("list")
    shape.item = _coded(code["list"])
    shape.keys = tuple(code.get("keys", ()))
    shape.unique = code.get("set", False)
    shape.atomic = not shape.keys and not shape.unique
    shape.merge = code.get("merge")
    return shape


@cache
def _scalar(kind: str) -> Shape:
    return ANY if kind == "any" else Shape(kind)


_SCHEMA_SCALARS = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean"}


def of_schema(schema: Body) -> Shape:
    """The shape of one part of a structural schema (openAPIV3Schema)."""
    kind = schema.get("type", "")
    if schema.get("x-kubernetes-int-or-string"):
        return Shape("intOrString")
    if kind in _SCHEMA_SCALARS:
        return Shape(_SCHEMA_SCALARS[kind])
    if kind == "array":
        return _schema_list(schema)
    if kind != "object":
        return ANY
    return _schema_object(schema)


def _schema_list(schema: Body) -> Shape:
    shape = Shape("list")
    shape.item = of_schema(schema.get("items") or {})
    how = schema.get("x-kubernetes-list-type", "atomic")
    shape.keys = tuple(schema.get("x-kubernetes-list-map-keys", ())) if how == "map" else ()
    shape.unique = how == "set"
    shape.atomic = not shape.keys and not shape.unique
    properties = (schema.get("items") or {}).get("properties", {})
    shape.key_defaults = {key: properties[key]["default"] for key in shape.keys if "default" in properties.get(key, {})}
    return shape


def _schema_object(schema: Body) -> Shape:
    extra = schema.get("additionalProperties")
    if "properties" not in schema and extra:
        shape = Shape("map")
        shape.item = of_schema(extra) if isinstance(extra, dict) else ANY
    else:
        shape = Shape("struct")
        shape.fields = {name: of_schema(part) for name, part in schema.get("properties", {}).items()}
        shape.open = bool(schema.get("x-kubernetes-preserve-unknown-fields") or extra)
    if schema.get("x-kubernetes-embedded-resource"):
        shape.fields |= {"apiVersion": Shape("string"), "kind": Shape("string"), "metadata": ANY}
    shape.atomic = schema.get("x-kubernetes-map-type") == "atomic"
    return shape


def custom(schema: Body) -> Shape:
    """The shape of a custom kind: its schema with Kubernetes' own metadata."""
    shape = _schema_object(schema | {"type": "object"})
    meta = built_in("v1", "ConfigMap").fields["metadata"]
    shape.fields = shape.fields | {"apiVersion": Shape("string"), "kind": Shape("string"), "metadata": meta}
    return shape


_NEVER_ABSENT: Body = {"containers": None, "reportingComponent": "", "reportingInstance": ""}


def zero(shape: Shape) -> Body:
    """The empty value of a built-in struct, with what is never absent in it: what nobody owns by creating it."""
    structs = {name: zero(shape.fields[name]) for name in shape.zero if shape.fields[name].kind == "struct"}
    return structs | {name: value for name, value in _NEVER_ABSENT.items() if name in shape.fields}
