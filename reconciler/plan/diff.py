"""The diff of one target's objects: what a directive renders now against what another one would, as people read it.

Not the plan (compare, decide): nothing here is carried out, and drift is not in it. Rules: deterministic; secrets are
masked before anything is formatted; an object that is made anew beside the one it follows (another version's
Deployment) is compared with that one, under its new name; long lines and long diffs are cut and say how much.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from reconciler.model.objects import ObjectRef, RenderedObject, Rendering
from reconciler.model.plan import Action
from reconciler.plan.markdown import visible
from reconciler.plan.masking import masked, masked_line

MOST_LINES = 200  # of one object's diff; a certificate bundle in a ConfigMap helps nobody
MOST_COMPARED = 4_000  # lines of one object; comparing costs their square
MOST_SIGNS = 200  # of one line

_CONTEXT = 3
_HUNK = re.compile(r"@@ -(\d+)")
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@-]*(?:[:=][A-Za-z0-9_./@-]+)*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDiff:
    """One object's difference. `lines` begin with `+`, `-`, a space or `@@`; `left_out` is how many more there were.

    `follows` is the object of the version before that a new one was compared with.
    """

    action: Action
    ref: ObjectRef
    lines: tuple[str, ...] = ()
    left_out: int = 0
    follows: ObjectRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterDiff:
    """All differences on one cluster, in the order of the objects' tiers."""

    cluster: str
    objects: tuple[ObjectDiff, ...]


def differences(
    before: Rendering | None, after: Rendering, *, versions: tuple[str, str] | None = None
) -> tuple[ObjectDiff, ...]:
    """What differs between two renderings of one target; `before` is None where nothing runs.

    `versions` are the short digests of the version that is followed and of the new one, where there are both.
    """
    old = {row.ref: row for row in before.objects} if before else {}
    followed = _followed(old, versions) if versions else {}
    rows = [_object(row, old, followed, versions) for row in after.objects]
    wanted = {row.ref for row in after.objects}
    gone = sorted(ref for ref in old if ref not in wanted)
    found = [row for row in rows if row is not None]
    return (*found, *_sizes(before, after), *(ObjectDiff(action=Action.DELETE, ref=ref) for ref in gone))


def _followed(
    old: Mapping[ObjectRef, RenderedObject], versions: tuple[str, str]
) -> dict[tuple[str, str, str], RenderedObject]:
    """Objects of the old version by the kind, namespace and name that they would have as the new one's."""
    gone, new = versions
    return {(ref.kind, ref.namespace, ref.name.replace(gone, new)): row for ref, row in old.items() if gone in ref.name}


def _object(
    row: RenderedObject, old: Mapping[ObjectRef, RenderedObject],
    followed: Mapping[tuple[str, str, str], RenderedObject], versions: tuple[str, str] | None,
) -> ObjectDiff | None:  # fmt: skip
    same = old.get(row.ref)
    if same is not None:
        if same.digest == row.digest:
            return None
        lines, left_out = _compared(same.body, row.body)
        return ObjectDiff(action=Action.UPDATE, ref=row.ref, lines=lines, left_out=left_out)
    model = followed.get((row.ref.kind, row.ref.namespace, row.ref.name))
    if model is None or versions is None:
        lines, left_out = _cut([f"+{line}" for line in _yaml(masked(row.body))])
        return ObjectDiff(action=Action.CREATE, ref=row.ref, lines=lines, left_out=left_out)
    lines, left_out = _compared(_renamed(model.body, *versions), row.body)
    return ObjectDiff(action=Action.CREATE, ref=row.ref, lines=lines, left_out=left_out, follows=model.ref)


def _renamed(body: dict[str, Any], gone: str, new: str) -> dict[str, Any]:
    """The object of one version called as another's: its digest stands in names, labels and selectors."""
    data: dict[str, Any] = orjson.loads(orjson.dumps(body).replace(gone.encode(), new.encode()))
    return data


def _compared(before: dict[str, Any], after: dict[str, Any]) -> tuple[tuple[str, ...], int]:
    old, new = _yaml(masked(before)), _yaml(masked(after, before))
    if len(old) + len(new) > MOST_COMPARED:
        return (), len(old) + len(new)
    return _cut(list(_placed(list(difflib.unified_diff(old, new, n=_CONTEXT, lineterm=""))[2:], old)))


def _placed(lines: Sequence[str], old: Sequence[str]) -> Iterator[str]:
    """The same with `@@ spec › template @@` for every `@@ -1,7 +1,7 @@`: numbers of lines say nothing here."""
    for index, line in enumerate(lines):
        hunk = _HUNK.match(line)
        if hunk is None:
            yield line
            continue
        same = next(count for count, row in enumerate(lines[index + 1 :]) if row[0] != " ")
        names = list(_parents(old[: int(hunk.group(1)) - 1 + same], _indent(lines[index + 1 + same][1:])))
        yield f"@@ {' › '.join(reversed(names))} @@" if names else "@@"


def _parents(lines: Sequence[str], depth: int) -> Iterator[str]:
    """The names of what a line of this depth after these lines stands in, inmost first."""
    for line in reversed(lines):
        at, text = _indent(line), line.strip()
        if at >= depth:
            continue
        depth = at
        if not text.startswith("- "):
            yield text.partition(":")[0]
        elif text.startswith("- name: "):
            yield text.removeprefix("- name: ")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _cut(lines: Sequence[str]) -> tuple[tuple[str, ...], int]:
    kept = lines if len(lines) <= MOST_LINES else lines[: MOST_LINES - 1]
    return tuple(map(_short, kept)), len(lines) - len(kept)


def _short(line: str) -> str:
    line = visible(masked_line(line))
    more = len(line) - MOST_SIGNS
    return line if more <= 0 else f"{line[:MOST_SIGNS]}… ({more:,} more characters)"


def _sizes(before: Rendering | None, after: Rendering) -> Iterator[ObjectDiff]:
    """Workloads that both have and that get another size."""
    old = {size.ref: size for size in before.sizes} if before else {}
    for size in after.sizes:
        was = old.get(size.ref)
        if was and (was.low, was.high) != (size.low, size.high):
            line = f"replicas: {_range(was.low, was.high)} → {_range(size.low, size.high)}"
            yield ObjectDiff(action=Action.SCALE, ref=size.ref, lines=(line,))


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _yaml(data: Any) -> list[str]:
    """Plain data as the lines of YAML. Our own few lines, so that the same data is the same text on every machine."""
    return list(_lines(data, ""))


def _lines(data: Any, pad: str) -> Iterator[str]:
    if isinstance(data, dict) and data:
        for key in _ordered(data):
            yield from _under(f"{pad}{_scalar(key)}:", data[key], f"{pad}  ")
    elif isinstance(data, list) and data:
        for item in data:
            yield from _item(item, pad)
    else:
        yield f"{pad}{_scalar(data)}"


def _under(head: str, value: Any, pad: str) -> Iterator[str]:
    if isinstance(value, (dict, list)) and value:
        yield head
        yield from _lines(value, pad)
    elif isinstance(value, str) and "\n" in value:
        yield f"{head} {'|' if value.endswith(chr(10)) else '|-'}"
        yield from (f"{pad}{line}" for line in value.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {_scalar(value)}"


def _item(item: Any, pad: str) -> Iterator[str]:
    first, *rest = _lines(item, f"{pad}  ") if isinstance(item, (dict, list)) else _under("", item, f"{pad}  ")
    yield f"{pad}- {first.lstrip()}"
    yield from rest


def _ordered(data: Mapping[str, Any]) -> Iterable[str]:
    """What says which object it is comes first; then by name."""
    first = ("apiVersion", "kind", "metadata", "name")
    return sorted(data, key=lambda key: (first.index(key) if key in first else len(first), key))


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return orjson.dumps(value).decode()
