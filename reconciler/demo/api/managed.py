"""Who owns which field: `metadata.managedFields`, server-side apply and the bookkeeping of every other write.

The rules are structured-merge-diff's: an apply owns exactly what it says, conflicts where it changes what another
manager owns, and takes back what it said before and no longer does; any other write owns what it changed.
"""

from dataclasses import dataclass, field

import orjson

from reconciler.demo.api.fields import (
    Comparison,
    FieldSet,
    difference,
    from_wire,
    intersection,
    of_value,
    paths,
    to_wire,
    union,
)
from reconciler.demo.api.merge import merged, pruned
from reconciler.demo.api.shapes import Body, Shape
from reconciler.demo.api.status import ApiError, cause

_UNOWNED = frozenset({
    ".", "f:name", "f:namespace", "f:creationTimestamp", "f:selfLink", "f:uid", "f:generation", "f:managedFields",
    "f:resourceVersion",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes, and how: the identity of one entry of managedFields."""

    manager: str
    operation: str  # Apply or Update
    api_version: str
    subresource: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Appliers are one whatever version they speak."""
        version = "" if self.operation == "Apply" else self.api_version
        return self.manager, self.operation, version, self.subresource


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One manager and what it owns since when (RFC 3339)."""

    writer: Writer
    fields: FieldSet
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """All entries of one object, by identity."""

    entries: dict[tuple[str, str, str, str], Entry] = field(default_factory=dict)

    def others(self, writer: Writer) -> list[Entry]:
        """Everybody else."""
        return [entry for key, entry in self.entries.items() if key != writer.identity]

    def fields_of(self, writer: Writer) -> FieldSet:
        """What this one owns."""
        entry = self.entries.get(writer.identity)
        return entry.fields if entry else {}


def read(managed: list[Body] | None) -> Owners:
    """The entries of `metadata.managedFields`."""
    owners = Owners()
    for entry in managed or []:
        writer = Writer(
            manager=entry.get("manager", ""), operation=entry.get("operation", ""),
            api_version=entry.get("apiVersion", ""), subresource=entry.get("subresource", ""),
        )  # fmt: skip
        owners.entries[writer.identity] = Entry(
            writer=writer, fields=from_wire(entry.get("fieldsV1") or {}), time=entry.get("time", "")
        )
    return owners


def wire(owners: Owners) -> list[Body]:
    """`metadata.managedFields`: appliers first, then by time, as the real server orders them."""
    ordered = sorted(owners.entries.values(), key=lambda entry: (entry.writer.operation != "Apply", entry.time))
    return [_wire_entry(entry) for entry in ordered]


def _wire_entry(entry: Entry) -> Body:
    writer = entry.writer
    body = {
        "manager": writer.manager, "operation": writer.operation, "apiVersion": writer.api_version,
        "time": entry.time, "fieldsType": "FieldsV1", "fieldsV1": to_wire(entry.fields),
    }  # fmt: skip
    return body | ({"subresource": writer.subresource} if writer.subresource else {})


def ownable(fields: FieldSet) -> FieldSet:
    """The set without what nobody owns: type, identity and bookkeeping."""
    result = {key: below for key, below in fields.items() if key not in {"f:apiVersion", "f:kind", "f:metadata"}}
    meta = {key: below for key, below in fields.get("f:metadata", {}).items() if key not in _UNOWNED}
    return {"f:metadata": meta, **result} if meta else result


def owned(owners: Owners, fields: FieldSet) -> bool:
    """Whether anybody owns one of these fields."""
    return any(intersection(entry.fields, fields) for entry in owners.entries.values())


def updated(shape: Shape, old: Body, new: Body, owners: Owners, writer: Writer, now: str) -> Owners:
    """Owners after a write that is not an apply: the writer owns what it changed, nobody what is gone."""
    comparison = Comparison(shape, old, new)
    changed, removed = ownable(comparison.changed), comparison.removed
    if not changed and not removed:
        return owners
    entries = {}
    for key, entry in owners.entries.items():
        rest = difference(entry.fields, removed)
        rest = rest if key == writer.identity else difference(rest, changed)
        if rest:
            entries[key] = entry if rest is entry.fields else Entry(writer=entry.writer, fields=rest, time=entry.time)
    if changed:
        mine = union(entries[writer.identity].fields, changed) if writer.identity in entries else changed
        entries[writer.identity] = Entry(writer=writer, fields=mine, time=now)
    return Owners(entries=entries)


def applied(
    shape: Shape, live: Body, config: Body, owners: Owners, writer: Writer, *, now: str, force: bool
) -> tuple[Body, Owners]:
    """The object after a server-side apply of `config`, and its owners; raises ApiError 409 naming every conflict.

    Owners are the same object when nothing moved. `live` and `config` are without managedFields.
    """
    fields = ownable(of_value(shape, config))
    last = owners.fields_of(writer)
    others = owners.others(writer)
    new = merged(shape, live, config)
    owned = fields
    for entry in others:
        owned = union(owned, entry.fields)
    new = pruned(shape, new, last, owned)
    comparison = Comparison(shape, live, new)
    changed = comparison.changed
    conflicts = [(entry.writer, both) for entry in others if (both := intersection(entry.fields, changed))]
    if conflicts and not force:
        raise _conflict(conflicts)
    return new, _owners_after(owners, writer, fields, changed, comparison.removed, now)


def _owners_after(
    owners: Owners, writer: Writer, fields: FieldSet, changed: FieldSet, removed: FieldSet, now: str
) -> Owners:
    entries = {}
    for key, entry in owners.entries.items():
        if key == writer.identity:
            continue
        rest = difference(difference(entry.fields, changed), removed)
        if rest:
            entries[key] = Entry(writer=entry.writer, fields=rest, time=entry.time)
    if fields:
        before = owners.entries.get(writer.identity)
        kept = before is not None and before.fields == fields and before.writer == writer
        entries[writer.identity] = before if before is not None and kept else Entry(
            writer=writer, fields=fields, time=now
        )  # fmt: skip
    return owners if entries == owners.entries else Owners(entries=entries)


def _conflict(conflicts: list[tuple[Writer, FieldSet]]) -> ApiError:
    told = sorted((_who(writer), path) for writer, both in conflicts for path in paths(both))
    by_path = sorted(told, key=lambda each: each[1])
    causes = [cause("FieldManagerConflict", f"conflict with {who}", path) for who, path in by_path]
    if len(told) == 1:
        message = f"Apply failed with 1 conflict: conflict with {told[0][0]}: {told[0][1]}"
    else:
        groups: dict[str, list[str]] = {}
        for who, path in told:
            groups.setdefault(who, []).append(path)
        lines = (f"conflicts with {who}:" + "".join(f"\n- {path}" for path in held) for who, held in groups.items())
        message = f"Apply failed with {len(told)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", message, {"causes": causes})


def _who(writer: Writer) -> str:
    subresource = f" with subresource {_quoted(writer.subresource)}" if writer.subresource else ""
    using = f" using {writer.api_version}" if writer.operation == "Update" else ""
    return f"{_quoted(writer.manager)}{subresource}{using}"


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
