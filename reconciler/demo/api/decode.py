"""A built-in kind's body as the server's decoder sees it: what does not fit its type, and what is kept of what does.

Reading drops what Go's encoder would not write again: nulls, unknown fields, empty lists, maps and strings.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from reconciler.demo.api.quantity import canonical
from reconciler.demo.api.shapes import Body, Shape


class Misfit(NamedTuple):
    """One thing wrong.

    `kind`: `type` (cannot be read), `unknown` (no such field), `enum` (not one of these), `key` (of a list's item).
    """

    kind: str
    path: str
    message: str


_NUMBERS = (int, float)
_ZERO_OMITTED = frozenset({
    "hostIPC", "hostNetwork", "hostPID", "hostPort", "initialDelaySeconds", "minReadySeconds", "nodePort", "paused",
    "publishNotReadyAddresses", "readOnly", "stdin", "stdinOnce", "tty", "timeoutSeconds", "periodSeconds",
    "successThreshold", "failureThreshold",
})  # fmt: skip
_EMPTY_KEPT = frozenset({"storageClassName", "type", "service"})  # pointers: empty is not absent


def misfits(shape: Shape, value: Any, path: str = "") -> Iterator[Misfit]:
    """Everything in `value` that the type does not allow; paths are like `spec.ports[0].port`."""
    if value is None or shape.kind == "any":
        return
    wrong = _wrong_type(shape, value)
    if wrong:
        yield Misfit("type", path, wrong)
    elif shape.kind == "list":
        yield from _key_misfits(shape, value, path)
        for number, item in enumerate(value):
            yield from misfits(shape.item or shape, item, f"{path}[{number}]")
    elif shape.kind in {"struct", "map"}:
        for name, part in value.items():
            place = f"{path}.{name}" if path else name
            if shape.kind == "struct" and name not in shape.fields:
                if not shape.open:
                    yield Misfit("unknown", place, "field not declared in schema")
                continue
            yield from misfits(shape.child(name), part, place)
    elif shape.enum and value and value not in shape.enum:
        supported = ", ".join(f'"{each}"' for each in shape.enum)
        yield Misfit("enum", path, f'Unsupported value: "{value}": supported values: {supported}')


def _key_misfits(shape: Shape, items: list[Any], path: str) -> Iterator[Misfit]:
    """Items of a keyed list that leave a key out, or have another item's."""
    if not shape.keys or not all(isinstance(item, dict) for item in items):
        return
    seen = set()
    for item in items:
        missing = next((key for key in shape.keys if key not in item and key not in shape.key_defaults), None)
        if missing is not None:
            why = f'element 0: associative list with keys has an element that omits key field "{missing}"'
            yield Misfit("key", path, f"{why} (and doesn't have default value)")
            continue
        key = tuple(item.get(name, shape.key_defaults.get(name)) for name in shape.keys)
        if key in seen:
            told = ",".join(f'{name}="{value}"' for name, value in zip(shape.keys, key, strict=True))
            yield Misfit("key", path, f"duplicate entries for key [{told}]")
        seen.add(key)


def _told(value: Any) -> str:
    for kind, name in ((bool, "bool"), (str, "string"), (dict, "map"), (list, "list"), (int, "int"), (float, "float")):
        if isinstance(value, kind):
            return name
    return "null"


def _wrong_type(shape: Shape, value: Any) -> str:
    """Why the value cannot be of this type, or nothing."""
    kind = shape.kind
    if kind in {"struct", "map"}:
        return "" if isinstance(value, dict) else f"expected map, got {_told(value)}"
    if kind == "list":
        return "" if isinstance(value, list) else f"expected list, got {_told(value)}"
    if kind == "boolean":
        return "" if isinstance(value, bool) else f"expected boolean, got {_told(value)}"
    if kind in {"integer", "number"}:
        fits = isinstance(value, _NUMBERS) and not isinstance(value, bool)
        return "" if fits else f"expected numeric (int or float), got {_told(value)}"
    if kind == "quantity":
        return _wrong_quantity(value)
    allowed: tuple[type, ...] = (str, int) if kind == "intOrString" else (str,)
    fits = isinstance(value, allowed) and not isinstance(value, bool)
    return "" if fits else f"expected string, got {_told(value)}"


def _wrong_quantity(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, *_NUMBERS)):
        return f"expected string, got {_told(value)}"
    try:
        canonical(value)
    except ValueError:
        return "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    return ""


def read(shape: Shape, value: Any) -> Any:
    """A fresh copy in the server's spelling; `value` has no misfits of kind `type`."""
    kind = shape.kind
    if kind == "struct":
        return _read_struct(shape, value)
    if kind == "list":
        item = shape.item or shape
        return [read(item, part) for part in value if part is not None]
    if kind == "map":
        item = shape.item or shape
        if item.kind == "string":
            return {name: "" if part is None else part for name, part in value.items()}
        return {name: read(item, part) for name, part in value.items() if part is not None}
    if kind == "quantity":
        return canonical(value)
    return value


def _read_struct(shape: Shape, value: Body) -> Body:
    result = {}
    fields = shape.fields
    for name, part in value.items():
        declared = fields.get(name)
        if part is None or declared is None:
            continue
        if declared.scalar:
            if declared.kind == "quantity":
                result[name] = canonical(part)
            elif part or _kept(name, part):
                result[name] = part
        elif part or declared.kind not in {"list", "map"}:
            result[name] = read(declared, part)
    return result


def _kept(name: str, empty: Any) -> bool:
    if empty == "":
        return name in _EMPTY_KEPT
    return name not in _ZERO_OMITTED
