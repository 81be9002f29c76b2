"""Votes that people push: `refs/reconciler/approvals/<environment>/<name>/<anything>`, read by the source's poll.

Each points to a commit that holds one file, `approval.sig`, with armoured blocks. Anybody who may push may push, move
and delete such refs, so the name of one says for which release it is looked at and nothing more; it counts by its
signatures alone. Rules: one `ls-remote` per look and one fetch per ref that is new or moved, and only while somebody is
asked; what cannot be listed changes nothing; what cannot be read is told and is tried again when it moves; there are
limits on how much is looked at, those of releases on the trunk first.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

from reconciler.errors import Misused, ReconcilerError, Retry
from reconciler.loop.snapshot import Snapshot
from reconciler.model.environment import Environment
from reconciler.model.ids import BlobId, EnvironmentName, ReleaseKey, ReleaseName, RepositoryName, Revision
from reconciler.model.vote import Given, GivenVotes
from reconciler.model.wire import DNS_LABEL
from reconciler.trust.sshsig import MAX_FILE

APPROVAL_REFS = "refs/reconciler/approvals"
APPROVAL_FILE = "approval.sig"
OF_ONE = 200  # refs of one release that are looked at
IN_ALL = 5_000  # refs of a repository
AT_ONCE = 64  # refs that one look fetches; the rest follow with the next

_LABEL = DNS_LABEL.strip("^$")
_REF = re.compile(rf"{APPROVAL_REFS}/(?P<environment>{_LABEL})/(?P<name>{_LABEL})/[A-Za-z0-9._@+/-]{{1,200}}")
_SHOWN = 3

Found = Given | str
"""What a ref holds, or why it cannot be read."""


class Refs(Protocol):
    """What is asked of a mirror."""

    def refs_under(self, prefix: str) -> dict[str, Revision]:
        """The remote's refs under a prefix, by full name."""
        ...

    def fetch_file(self, ref: str, name: str, limit: int) -> tuple[Revision, BlobId, bytes] | None:
        """What a ref points to, and one file of it."""
        ...


def approval_ref(environment: str, name: str, person: str) -> str:
    """Where somebody's votes on a release are pushed to."""
    return f"{APPROVAL_REFS}/{environment}/{name}/{person}"


def asked(snapshot: Snapshot) -> frozenset[str]:
    """The environments in which somebody is asked: for approvals, or to confirm what is deleted."""
    rows = ((name, row.loaded.as_(Environment).spec) for name, row in snapshot.documents("Environment").items())
    return frozenset(name for name, spec in rows if spec.approvals or (spec.prune and spec.prune.confirm))


class VoteRefs:
    """Remembers what every ref held, so that only what moved is fetched. One thread owns it."""

    def __init__(self, repository: RepositoryName) -> None:
        self._repository = repository
        self._known: dict[str, tuple[Revision, Found]] = {}
        self.notes: tuple[str, ...] = ()
        """What is ignored, in sentences."""
        self._told: tuple[str, ...] = ()

    def news(self) -> str:
        """What is ignored, if that was not told yet; else empty."""
        fresh, self._told = self.notes != self._told, self.notes
        return "; ".join(self.notes) if fresh else ""

    def look(self, mirror: Refs, environments: Collection[str], first: Collection[ReleaseKey]) -> dict[
        ReleaseKey, GivenVotes
    ]:  # fmt: skip
        """What the refs give now, by release; `first` are the releases that are looked at before all others.

        Raises Retry, and remembers everything, when the remote cannot be asked.
        """
        there = mirror.refs_under(APPROVAL_REFS)
        meant = {ref: key for ref in there if (key := self._meant(ref)) and key.environment in environments}
        strange = sorted(ref for ref in there if self._meant(ref) is None)
        chosen, beyond = _within(meant, first)
        self.notes = (*_ignored(strange), *beyond)
        before, self._known = self._known, {}
        fetched = 0
        for ref in chosen:
            known = before.get(ref)
            if known is None or known[0] != there[ref]:
                if fetched == AT_ONCE:
                    continue
                fetched += 1
                known = _fetched(mirror, ref, there[ref])
            if known:
                self._known[ref] = known
        return _by_release((meant[ref], found) for ref, (_, found) in self._known.items())

    def _meant(self, ref: str) -> ReleaseKey | None:
        """The release that a ref is for; None for one that is for none."""
        found = _REF.fullmatch(ref)
        if found is None:
            return None
        environment, name = EnvironmentName(found["environment"]), ReleaseName(found["name"])
        return ReleaseKey(repository=self._repository, environment=environment, name=name)


def _within(meant: Mapping[str, ReleaseKey], first: Collection[ReleaseKey]) -> tuple[list[str], list[str]]:
    """The refs that are looked at, in order, and a sentence for each limit that keeps others out."""
    counts: Counter[ReleaseKey] = Counter()
    chosen: list[str] = []
    for ref in sorted(meant, key=lambda ref: (meant[ref] not in first, ref)):
        counts[meant[ref]] += 1
        if counts[meant[ref]] <= OF_ONE and len(chosen) < IN_ALL:
            chosen.append(ref)
    notes = [
        f"{APPROVAL_REFS}/{key.environment}/{key.name} has {count} refs and only the first {OF_ONE} are read"
        for key, count in sorted(counts.items())
        if count > OF_ONE
    ]
    if len(counts) and sum(min(count, OF_ONE) for count in counts.values()) > IN_ALL:
        notes.append(f"{APPROVAL_REFS} has {len(meant)} refs and only {IN_ALL} of them are read")
    return chosen, notes[:_SHOWN]


def _ignored(refs: list[str]) -> Iterator[str]:
    if refs:
        names = ", ".join("".join(char if char.isprintable() else "?" for char in ref)[:120] for ref in refs[:_SHOWN])
        more = f" and {len(refs) - _SHOWN} more" if len(refs) > _SHOWN else ""
        yield f"{names}{more} under {APPROVAL_REFS} name no release and are ignored: ENVIRONMENT/NAME/PERSON is needed"


def _fetched(mirror: Refs, ref: str, revision: Revision) -> tuple[Revision, Found] | None:
    """What a ref holds; None when that is not known yet."""
    try:
        found = mirror.fetch_file(ref, APPROVAL_FILE, MAX_FILE)
    except Retry as error:
        return None if error.reason != "FetchRefused" else (revision, f"{ref} cannot be read: {error.message}")
    except (ReconcilerError, Misused) as error:
        return revision, f"{ref} cannot be read: {error.message}"
    if found is None:
        return revision, f"{ref} is no commit with a file {APPROVAL_FILE}"
    at, blob, data = found
    return at, Given(origin=ref, source="ref", blob=blob, data=data)


def _by_release(rows: Iterable[tuple[ReleaseKey, Found]]) -> dict[ReleaseKey, GivenVotes]:
    signed: dict[ReleaseKey, list[Given]] = defaultdict(list)
    notes: dict[ReleaseKey, list[str]] = defaultdict(list)
    for key, found in rows:
        if isinstance(found, Given):
            signed[key].append(found)
        else:
            notes[key].append(found)
    keys = signed.keys() | notes.keys()
    return {key: GivenVotes(signed=tuple(signed[key]), notes=tuple(notes[key])) for key in keys}
