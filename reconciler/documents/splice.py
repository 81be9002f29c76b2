"""What `promote` does to a text: values of one release are put into another one's, and every other line stays.

Pure: bytes in, bytes out. Not a check of what it means (`schema`, `resolve`). Rules: `COPIED` says what goes over, all
else is the environment's; a value that is there already in other words stays as it is written; a comment stays unless
it stands inside of what goes away; the result reads as exactly what was wanted, or the answer is a sentence that says
where it cannot be done. A `file:line:col` is of the text that is changed.

How: the wanted document is made as a tree of nodes, and the places where it differs become `edits` of the text.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.documents.edits import changed
from reconciler.documents.load import load
from reconciler.documents.nodes import Node, compose
from reconciler.errors import Refused

Shape = Mapping[str, Any]
COPIED: Shape = {
    "model": None,
    "evidence": None,
    "serving": {"runtime": None, "image": None, "args": None, "env": None, "startup": None},
}
"""The fields of `spec` that a promotion copies."""


def splice(path: str, target: bytes, source_path: str, source: bytes) -> bytes:
    """The target's text with the source's values of `COPIED`.

    Raises Invalid for a text that cannot be read, Refused for one that cannot be changed safely.
    """
    old, given = _root(path, target), _root(source_path, source)
    spec = _with(_spec(path, old), _spec(source_path, given), COPIED)
    return changed(path, target, old, _set(old, "spec", spec))


def first(path: str, source: bytes, environment: str) -> bytes:
    """The source's text as a first one of another environment: what is not copied is left to that one's defaults."""
    old = _root(path, source)
    spec = _spec(path, old)
    kept = [("environment", _text(environment)), *_only(spec, COPIED)]
    entries = [(key, value) for key, value in old.entries or () if key.value in ("apiVersion", "kind", "metadata")]
    wanted = replace(old, entries=tuple(entries))
    ordered = [(key, dict(kept)[key.value]) for key, _ in spec.entries or () if key.value in dict(kept)]
    return changed(path, source, old, _set(wanted, "spec", replace(spec, entries=tuple(ordered))), comments=True)


def not_copied(path: str, source: bytes) -> tuple[str, ...]:
    """The fields of a release that a first promotion leaves out, in order: `serving.port`, `links`."""
    spec = _spec(path, _root(path, source))
    return tuple(_others(spec, {**COPIED, "environment": None}, ""))


def copied(spec: Mapping[str, Any], shape: Shape = COPIED) -> dict[str, Any]:
    """The part of a spec's plain data that is copied."""
    found: dict[str, Any] = {}
    for name, inner in shape.items():
        if name not in spec:
            continue
        value = copied(spec[name], inner) if inner else spec[name]
        if value or not inner:
            found[name] = value
    return found


def _root(path: str, data: bytes) -> Node:
    if not isinstance(load(path, data).data, dict):
        raise Refused(f"{path}:1:1: this is no mapping of fields")
    return compose(data.decode())


def _spec(path: str, root: Node) -> Node:
    spec = root.get("spec")
    if spec is None or spec.entries is None:
        raise Refused(f"{path}:{root.line}:{root.column}: there is no spec to copy to or from")
    return spec


def _text(text: str) -> Node:
    """A name that we write ourselves; it has no place."""
    return Node(start=0, end=0, line=1, column=1, value=text, token=f'"{text}"', style='"')


def _set(node: Node, name: str, value: Node) -> Node:
    """A mapping with another value; in its place, or at the end."""
    entries = [(key, value if key.value == name else old) for key, old in node.entries or ()]
    if all(key.value != name for key, _ in entries):
        entries.append((Node(start=0, end=0, line=1, column=1, value=name, token=name), value))
    return replace(node, entries=tuple(entries))


def _with(old: Node | None, source: Node | None, shape: Shape) -> Node:
    """A mapping with the source's values of a shape, at the places that they have there among what both have."""
    around = old or source
    assert around is not None  # noqa: S101  # one of the two is there
    entries = list(old.entries or ()) if old else []
    order = [key.value for key, _ in (source.entries or ())] if source else []
    keys = {key.value: key for key, _ in (*(source.entries or () if source else ()), *entries)}
    for name, inner in shape.items():
        was, value = (old.get(name) if old else None), source.get(name) if source else None
        if inner and (was or value):
            value = _with(was, value, inner)
            if was is None and not value.entries:
                value = None
        entries = _put(entries, keys.get(name), value, order) if name in keys else entries
    return replace(around, entries=tuple(entries))


def _put(
    entries: list[tuple[Node, Node]], key: Node | None, value: Node | None, order: list[Any]
) -> list[tuple[Node, Node]]:
    """Entries with one changed, taken out (None), or put in behind the nearest that the source has before it."""
    assert key is not None  # noqa: S101  # the caller looked
    names = [one.value for one, _ in entries]
    if key.value in names or value is None:
        kept = [(one, value if one.value == key.value else old) for one, old in entries]
        return [(one, new) for one, new in kept if new is not None]
    at = order.index(key.value) if key.value in order else len(order)
    before = next((names.index(name) + 1 for name in reversed(order[:at]) if name in names), None)
    after = next((names.index(name) for name in order[at + 1 :] if name in names), len(names))
    place = after if before is None else before
    return [*entries[:place], (key, value), *entries[place:]]


def _only(spec: Node, shape: Shape) -> Iterator[tuple[str, Node]]:
    """The entries of a mapping that a shape has, with nothing else in them."""
    for key, value in spec.entries or ():
        inner = shape.get(key.value)
        if key.value not in shape:
            continue
        if not inner:
            yield key.value, value
        elif kept := dict(_only(value, inner)):
            left = tuple((name, kept[name.value]) for name, _ in value.entries or () if name.value in kept)
            yield key.value, replace(value, entries=left)


def _others(spec: Node, shape: Shape, before: str) -> Iterator[str]:
    for key, value in spec.entries or ():
        inner = shape.get(key.value)
        if key.value not in shape:
            yield f"{before}{key.value}"
        elif inner:
            yield from _others(value, inner, f"{key.value}.")
