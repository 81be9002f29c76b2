"""Which promotions are to be asked for now: what serves well in one environment and is asked for in the next one.

Pure, and not the promotion: that begins when people have signed and merged it (`proposing` opens the pull request).
Rules: only where the environment says `promotion: auto`; only what is stable upstream, is exactly what the trunk asks
for there, and was healthy for the soak without a break; only into a release that runs already; never a version that
began here before, whatever became of it, and never what people said no to. Every *not* is a sentence.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reconciler.digest import sha256_of
from reconciler.documents.resolve import Resolved
from reconciler.documents.schema import parse
from reconciler.documents.splice import copied, splice
from reconciler.errors import Invalid, Refused
from reconciler.judge.upstream import Upstream, upstream_of
from reconciler.loop.apart import WHOLE
from reconciler.loop.indexing import Read
from reconciler.loop.snapshot import ReleaseFile, Snapshot
from reconciler.loop.standing import resolved_file
from reconciler.model.branches import branch_of
from reconciler.model.environment import Environment
from reconciler.model.ids import EnvironmentName, ReleaseKey, Revision, Version
from reconciler.model.pull import PullState
from reconciler.model.record import Record
from reconciler.model.state import Phase, ReleaseStatus, Unpack

_BEGUN = ("Started", "Promoted", "RolledBack", "Aborted")
_SAME = "it says the same there already"

Statuses = Callable[[ReleaseKey], ReleaseStatus | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """One promotion that is to be asked for: `data` is the text that the release would have.

    `manifest` is the digest of the text that it is copied from, `version` what it would run, `stable` what runs there
    now. `before` and `after` are model version and digest; `since` is when it became stable and healthy upstream.
    """

    key: ReleaseKey
    source: ReleaseKey
    path: str
    data: bytes = field(repr=False)
    manifest: str
    version: Version
    stable: Version
    before: tuple[str, str]
    after: tuple[str, str]
    since: datetime
    soak: timedelta

    @property
    def branch(self) -> str:
        """The branch that brings this text."""
        return branch_of("promote", self.key.environment, self.key.name, sha256_of(self.data))


@dataclass(frozen=True, slots=True, kw_only=True)
class NotNow:
    """Nothing is to be asked for: why not, and when that may be another answer by time alone."""

    reason: str
    again: datetime | None = None


class Texts:
    """What splicing two texts comes to, remembered by what they are: most releases change rarely. One thread's."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._known: dict[ReleaseKey, tuple[tuple[str, ...], bytes | str]] = {}

    def spliced(self, file: ReleaseFile, source: ReleaseFile) -> bytes | str | None:
        """The file's text with the source's values; a sentence where that cannot be had, None when it is the same."""
        of = (file.path, file.blob, source.path, source.blob)
        known = self._known.get(file.key)
        if known is None or known[0] != of:
            known = self._known[file.key] = (of, self._made(file, source))
        return None if known[1] == _SAME else known[1]

    def _made(self, file: ReleaseFile, source: ReleaseFile) -> bytes | str:
        if _copied(file) == _copied(source):
            return _SAME
        text = self._read(file.blob)
        try:
            made = splice(file.path, text, source.path, self._read(source.blob))
        except (Invalid, Refused) as error:
            return error.message
        return _SAME if made == text else made


def automatic(snapshot: Snapshot) -> dict[EnvironmentName, Environment]:
    """The environments that are promoted to by themselves, by name."""
    rows = {name: row.loaded.as_(Environment) for name, row in snapshot.documents("Environment").items()}
    return {EnvironmentName(name): row for name, row in rows.items() if row.spec.promotion == "auto"}


def candidates(snapshot: Snapshot) -> list[tuple[ReleaseKey, Environment]]:
    """The releases that may be promoted to by themselves, with their environments."""
    environments = automatic(snapshot)
    if not environments:
        return []
    keys = sorted(key for key in snapshot.releases if key.environment in environments)
    return [(key, environments[key.environment]) for key in keys]


def promotion_of(
    key: ReleaseKey, environment: Environment, snapshot: Snapshot, statuses: Statuses, texts: Texts, unpack: Unpack,
    begun: Callable[[ReleaseKey], frozenset[str]], now: datetime,
) -> Ready | NotNow:  # fmt: skip
    """Whether this release is to be promoted to now. `begun`: versions that the ledger knows to have begun here."""
    before = ReleaseKey(
        repository=key.repository, environment=EnvironmentName(environment.spec.after or ""), name=key.name
    )
    file, source, status = snapshot.releases.get(key), snapshot.releases.get(before), statuses(key)
    upstream = statuses(before)
    closed = _here(key, file, status, snapshot) or _there(before, source, upstream, snapshot)
    if closed or not (file and source and status and status.stable and upstream):
        return NotNow(reason=closed)
    made = texts.spliced(file, source)
    resolved = _resolved(file, made, snapshot) if isinstance(made, bytes) else made or _SAME
    if not isinstance(made, bytes) or not isinstance(resolved, Resolved):
        return NotNow(reason=str(resolved))
    version, effective = resolved.effective.version, resolved.effective
    said = _soaked(before, upstream_of(environment, upstream, effective, unpack), now)
    if isinstance(said, NotNow):
        return said
    if effective.retired:
        return NotNow(reason=f"{key} is retired")
    if version != status.stable.version and version in _known(status) | begun(key):
        return NotNow(reason=f"this version began in {key.environment} before: whoever wants it back, brings it back")
    return Ready(
        key=key, source=before, path=file.path, data=made, manifest=source.sha256, version=version,
        stable=status.stable.version, before=_model(file), after=_model(source), since=said,
        soak=environment.spec.soak,
    )  # fmt: skip


def _known(status: ReleaseStatus) -> frozenset[str]:
    """The versions that began here by what its state remembers."""
    waiting = (row.record for row in status.outbox)
    return frozenset(row.version for row in status.history) | {row.version for row in waiting if row.kind in _BEGUN}


def _here(key: ReleaseKey, file: ReleaseFile | None, status: ReleaseStatus | None, snapshot: Snapshot) -> str:
    """Why nothing may be asked for of the release as it is; empty when something may."""
    if file is None or file.document is None or key in snapshot.doubles:
        return f"{key} has no text that can be changed"
    if status is None or status.stable is None:
        return f"{key} runs nothing yet: a first promotion is a person's"
    if any(gate.kind == "Removal" and not gate.open for gate in status.gates) or status.phase in _ENDING:
        return f"{key} ends"
    return ""


_ENDING = (Phase.REMOVING, Phase.REMOVED)


def _there(key: ReleaseKey, file: ReleaseFile | None, status: ReleaseStatus | None, snapshot: Snapshot) -> str:
    """Why what runs upstream is nothing to be promoted; empty when it may be."""
    if file is None or file.document is None or key in snapshot.doubles:
        return f"there is no {key} to promote from"
    if status is None or status.stable is None or status.phase is not Phase.PROMOTED:
        return f"{key} is not Promoted"
    if (status.manifest, status.stable.manifest) != (file.sha256, file.sha256):
        return f"what is stable in {key} is not what the trunk asks for there"
    return ""


def _resolved(file: ReleaseFile, data: bytes, snapshot: Snapshot) -> Resolved | str:
    """What the release would be with this text, or why it would be none."""
    try:
        made = ReleaseFile(
            key=file.key, path=file.path, blob=file.blob, sha256=sha256_of(data), loaded=parse(file.path, data),
            problem="", signature=b"", signature_blob=None,
        )  # fmt: skip
        return resolved_file(made, snapshot)
    except (Invalid, Refused) as error:
        return error.message


def _soaked(key: ReleaseKey, upstream: Upstream | None, now: datetime) -> datetime | NotNow:
    """Since when it is stable and healthy upstream, once that is long enough."""
    if upstream is None or not upstream.served or upstream.until is not None:
        return NotNow(reason=f"another artifact would run than the one that serves in {key.environment}")
    if upstream.since is None or upstream.opens is None:
        return NotNow(reason=f"{key} is not healthy")
    if upstream.opens > now:
        return NotNow(reason=f"the soak in {key.environment} is not over", again=upstream.opens)
    return upstream.since


def _copied(file: ReleaseFile) -> dict[str, Any] | None:
    """What a promotion copies, as data."""
    return copied(file.document.spec.data) if file.document else None


def _model(file: ReleaseFile) -> tuple[str, str]:
    """Model version and digest that a file names."""
    document = file.document
    model = document.spec.data.get("model", {}) if document else {}
    return str(model.get("version", "")), str(model.get("digest", ""))


# --- what was asked for before


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A pull request that we opened, or a commit of ours on one, as the ledger has it."""

    number: int
    head: Revision
    branch: str
    version: str
    manifest: str
    supersedes: tuple[int, ...]

    def same(self, ready: Ready) -> bool:
        """Whether it asked for the same: the same version here, or the very text upstream."""
        return ready.version == self.version or ready.manifest == self.manifest


def proposed(records: Iterable[Record]) -> Mapping[str, tuple[Proposed, ...]]:
    """What we asked for by release (`environment/name`), oldest first."""
    found: dict[str, list[Proposed]] = {}
    for record in records:
        if record.kind != "Proposed":
            continue
        pull, source = record.detail["pull"], record.detail["source"]
        row = Proposed(
            number=int(pull["number"]), head=Revision(pull["head"]), branch=str(pull["branch"]),
            version=str(record.detail["version"]), manifest=str(source["manifest"]),
            supersedes=tuple(record.detail.get("supersedes", ())),
        )  # fmt: skip
        for name in record.detail["releases"]:
            found.setdefault(str(name), []).append(row)
    return {name: tuple(rows) for name, rows in found.items()}


def begun_in(records: Iterable[Record], key: ReleaseKey) -> frozenset[str]:
    """The versions that ever began here, by records oldest first; what was before a removal is another release."""
    found: set[str] = set()
    for record in records:
        if (record.environment, record.name) != (key.environment, key.name):
            continue
        if record.kind == "Removed" and record.detail.get("removal") == WHOLE:
            found.clear()
        elif record.kind in _BEGUN:
            found.add(record.version)
    return frozenset(found)


def declined(ready: Ready, rows: Iterable[Proposed], state: Callable[[int], PullState]) -> str:
    """Why it is not asked for again; empty when it may be asked for.

    Closed without a merge is a no, but for what we closed ourselves in favour of another. Merged, and yet the trunk
    says something else: people took it back, unless it is other evidence of what runs.
    """
    rows = tuple(rows)
    for row in _asked(ready, rows):
        found = state(row.number)
        if found is PullState.CLOSED:
            return f"#{row.number} asked for it and was closed"
        if found is PullState.MERGED and (row.branch == ready.branch or ready.version != ready.stable):
            return f"#{row.number} asked for it and was merged"
        if found is PullState.OPEN:
            return f"#{row.number} asks for it"
    return ""


def _asked(ready: Ready, rows: tuple[Proposed, ...]) -> Iterator[Proposed]:
    """Those that asked for the same and were not superseded by another one of ours, one of each pull request."""
    gone = {number for row in rows for number in row.supersedes}
    found = {row.number: row for row in rows if row.number not in gone and row.same(ready)}
    yield from found.values()
