"""A whole release, and where each of its fields is from: what `validate --origins` shows.

Not a file to commit: it says what the release and its environment's baseline come to, as they lie in the tree. Rules:
every value stands on a line of its own with its file and line; a list is of one file and stays on one line; what
nobody wrote is there with the word `default`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
import yaml

from reconciler.documents.complete import Completed
from reconciler.documents.words import FieldPath, field_name

_DEFAULT = "default"
_WIDE = 1 << 16  # no value is broken into lines
_COLUMN = 56  # where comments begin, behind values that are not longer

Shown = Callable[[str], str]
"""How a path is shown to the person who asked."""


def as_yaml(completed: Completed, shown: Shown) -> str:
    """The spec as YAML, with `# file:line` behind every value."""
    rows = [(text, _origin(completed, path, shown) if leaf else "") for path, text, leaf in _lines(completed)]
    head = f"# {shown(completed.release.path)}, with all that it leaves to its environment\n"
    return head + "\n".join(f"{text:<{_COLUMN}}  # {origin}" if origin else text for text, origin in rows)


def as_data(completed: Completed, shown: Shown) -> dict[str, Any]:
    """The file, the spec as plain data, and the origin of every value by its field's path."""
    origins = {field_name(path): _origin(completed, path, shown) for path, _, leaf in _lines(completed) if leaf}
    spec = _kept(completed, ("spec",), completed.spec.to_full_data())
    return {"path": shown(completed.release.path), "spec": spec, "origins": origins}


def _origin(completed: Completed, path: FieldPath, shown: Shown) -> str:
    found = completed.origin(path)
    return f"{shown(found[0].path)}:{found[0].positions.value(found[1])[0]}" if found else _DEFAULT


def _lines(completed: Completed) -> Iterator[tuple[FieldPath, str, bool]]:
    """Every line with the path of its field, and whether a value stands on it."""
    spec = _kept(completed, ("spec",), completed.spec.to_full_data())
    waiting: list[tuple[FieldPath, Any]] = [(("spec",), spec)]
    while waiting:
        path, value = waiting.pop()
        key = f"{'  ' * (len(path) - 1)}{_scalar(path[-1])}:"
        inner = value if isinstance(value, Mapping) else {}
        yield path, key if inner else f"{key} {_written(value)}", not inner
        waiting += [((*path, name), nested) for name, nested in reversed(list(inner.items()))]


def _written(value: Any) -> str:
    return orjson.dumps(value).decode() if isinstance(value, (list, Mapping)) else _scalar(value)


def _scalar(value: Any) -> str:
    text: str = yaml.safe_dump(value, width=_WIDE, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _kept(completed: Completed, path: FieldPath, value: Any) -> Any:
    """The value without what is not there: null, and empty maps and lists that nobody wrote."""
    if isinstance(value, list):
        return [_kept(completed, (*path, at), entry) for at, entry in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kept = {name: _kept(completed, (*path, name), inner) for name, inner in value.items()}
    return {
        name: inner
        for name, inner in kept.items()
        if inner not in (None, {}, []) or (inner is not None and completed.origin((*path, name)))
    }
