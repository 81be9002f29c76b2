"""What the ledger of a world must tell: read from the origin as anybody could, and verified as an auditor would."""

import itertools
from collections.abc import Iterator
from typing import Any

import orjson
from world_rules import Key
from world_stage import Stage

from reconciler.cli.audit import _problems
from reconciler.cli.trust import trusted
from reconciler.loop.chain import verify_chain
from reconciler.model.record import Record
from reconciler.model.state import ReleaseStatus

LEDGER = "refs/heads/reconciler/ledger"


class Told:
    """The ledger's records. They are read again when the ledger moved; signatures are verified by `audit` only."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._head: str | None = None
        self._records: list[Record] = []
        self._parsed: dict[bytes, Record] = {}
        self._read: dict[str, bytes] = {}

    def _files(self) -> dict[str, bytes]:
        origin = self._stage.people.origin
        files = origin.files(origin.ref(LEDGER) or "")
        for blob in files.values():
            if blob not in self._read:
                self._read[blob] = origin.read(blob)
        return {path: self._read[blob] for path, blob in files.items()}

    def records(self) -> list[Record]:
        head = self._stage.people.origin.ref(LEDGER)
        if head != self._head:
            files = self._files()
            rows = sorted(path for path in files if path.startswith("records/") and path.endswith(".json"))
            self._records = [self._one(files[path]) for path in rows]
            self._head = head
        return self._records

    def _one(self, data: bytes) -> Record:
        if data not in self._parsed:
            self._parsed[data] = Record.from_data(orjson.loads(data))
        return self._parsed[data]

    def promoted(self) -> dict[Key, set[str]]:
        """Manifests that were ever promoted, by release."""
        found: dict[Key, set[str]] = {}
        for record in self.records():
            if record.kind in ("Promoted", "RolledBack"):
                found.setdefault((record.environment, record.name), set()).add(record.detail["promotion"]["manifest"])
        return found

    def audit(self) -> list[str]:
        """What an auditor finds wrong."""
        files, trust = self._files(), trusted(self._stage.organisation.folder / "trust.yaml")
        return _problems(verify_chain(files, trust), files, trust)

    def problems(self, statuses: dict[Key, ReleaseStatus]) -> Iterator[str]:
        """Promotions that ledger and state tell differently."""
        rows: dict[Key, list[tuple[Any, Any]]] = {}
        for record in self.records():
            key = (record.environment, record.name)
            if record.kind == "Removed" and record.detail.get("removal") == "*":
                rows.pop(key, None)  # what comes after an end is told anew
            elif record.kind in ("Promoted", "RolledBack"):
                rows.setdefault(key, []).append((record.version, record.detail["promotion"]["manifest"]))
        for key, status in statuses.items():
            told = rows.get(key, [])
            kept = [(row.version, row.manifest) for row in reversed(status.history)]
            if kept and told[-len(kept) :] != kept:
                shown = [[(a[7:13], b[7:13]) for a, b in found] for found in (told, kept)]
                yield f"{key}: the ledger tells promotions {shown[0]}, the state {shown[1]}"
            doubles = [one for one, two in itertools.pairwise(told) if one == two]
            if doubles:
                yield f"{key}: promoted twice in a row: {doubles}"
            ready = any(row.type == "Ready" and row.status == "True" for row in status.conditions)
            # A change in place is promoted once what it changed is healthy.
            if status.stable and ready and kept and kept[-1] != (status.stable.version, status.stable.manifest):
                yield f"{key}: {status.stable.model_version} is stable, the last promotion is another"
