"""The governing documents that a pull request changes, and whether they would be in force. Pure."""

from reconciler.loop.governing import Governed, Identity
from reconciler.loop.snapshot import Snapshot
from reconciler.plan.report import GoverningChange


def governing_changes(before: Snapshot, after: Snapshot) -> tuple[GoverningChange, ...]:
    """What of `after` differs from `before`, by path."""
    names = before.governed.keys() | after.governed.keys() | before.refused.keys() | after.refused.keys()
    found = [change for name in sorted(names) if (change := _change(name, before, after))]
    return tuple(sorted(found, key=lambda row: (row.path, row.name)))


def _change(name: Identity, before: Snapshot, after: Snapshot) -> GoverningChange | None:
    old, new = before.governed.get(name), after.governed.get(name)
    refused = after.refused.get(name, "")
    if _told(old) == _told(new) and refused == before.refused.get(name, ""):
        return None
    kind, called = name
    row = new or old
    path = row.path if row else refused.partition(" ")[0].rstrip(":")
    sentence = refused or (new.note if new else "its removal is signed")
    return GoverningChange(
        path=path,
        kind=kind,
        name=called,
        in_force=not refused and not (new and new.note),
        sentence=sentence,
        signers=new.signers if new else (),
        removed=new is None and not refused,
        environment=called if kind == "Environment" else "",
    )


def _told(row: Governed | None) -> tuple[str, str, str] | None:
    return (row.path, row.blob, row.note) if row else None
