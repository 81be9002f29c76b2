"""A rewritten trunk: what people accepted of it, and what is said while they have not.

Not the moving of the accepted revision (`edges/git/mirror` and the source do that). Shape: `refs/reconciler/trunk/TO`
points to a commit without parents that holds one file, `trunk.sig`, with armoured signatures over the trunk statement.
Rules: the name of the ref only says which commit is meant; `from` is what we accepted and nothing that anybody wrote;
a pair of commits is accepted once, so that an old signature never brings a later rewrite in; what cannot be read is
told and accepts nothing.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from reconciler.edges.git import Mirror, NotFromStart, Rewritten
from reconciler.errors import NotFound, ReconcilerError
from reconciler.model.ids import BlobId, RepositoryName, Revision
from reconciler.model.record import ACCEPTED, SEEN, Record
from reconciler.model.trustfile import TrustFile
from reconciler.model.verification import Verification
from reconciler.trust.statement import TrunkStatement
from reconciler.trust.verify import verify

TRUNK_REFS = "refs/reconciler/trunk"
TRUNK_FILE = "trunk.sig"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ASKED = 256  # refs per poll that git is asked about: whoever may push refs must not keep us busy …
_LOOKED_AT = 16  # … nor with acceptances


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a branch that is not a fast-forward."""

    repository: RepositoryName
    branch: str
    old: Revision
    new: Revision

    @property
    def statement(self) -> TrunkStatement:
        """What is signed by who accepts it."""
        return TrunkStatement(repository=self.repository, branch=self.branch, old=self.old, new=self.new)

    @property
    def detail(self) -> dict[str, str]:
        """What a record says of it."""
        return {"branch": self.branch, "from": self.old, "to": self.new}

    def is_in(self, record: Record) -> bool:
        """True when the record is about this step."""
        return record.detail == self.detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A step that somebody who may signed, and the blob with the signatures."""

    step: Step
    verification: Verification
    blob: BlobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What people said: the acceptance that counts, or one sentence for each that does not."""

    acceptance: Acceptance | None = None
    notes: tuple[str, ...] = ()


def step_of(repository: RepositoryName, branch: str, found: Rewritten | NotFromStart) -> Step:
    """From what we accepted (or must start with) to what the branch is now."""
    old = found.accepted if isinstance(found, Rewritten) else found.start
    return Step(repository=repository, branch=branch, old=old, new=found.advertised)


def ask_people(mirror: Mirror, step: Step, trust: TrustFile, records: Iterable[Record], *, now: datetime) -> Answer:
    """Look for an acceptance of this step, or of one to a commit that the branch contains.

    `records` are those of the ledger and those that wait for it.
    """
    used = [record for record in records if record.kind == ACCEPTED]
    notes: list[str] = []
    try:
        refs = mirror.refs_under(TRUNK_REFS)
    except ReconcilerError as error:
        return Answer(notes=(f"{TRUNK_REFS} cannot be read: {error.message}",))
    for meant in _meant(mirror, step, refs):
        ref = f"{TRUNK_REFS}/{meant.new}"
        found = _judged(mirror, meant, refs[ref], ref, trust, now)
        if isinstance(found, str):
            # One that was used up for an earlier step stays where it was pushed, and nothing is wrong with it.
            notes += [] if any(record.detail.get("to") == meant.new for record in used) else [found]
        elif any(meant.is_in(record) for record in used):
            notes.append(f"{meant.new[:12]} was accepted after {meant.old[:12]} once already; push another commit")
        else:
            return Answer(acceptance=found)
    return Answer(notes=tuple(notes))


def _meant(mirror: Mirror, step: Step, refs: Iterable[str]) -> Iterator[Step]:
    """The steps that refs name: to the branch's head first, then to commits that it contains."""
    names = (ref.removeprefix(f"{TRUNK_REFS}/") for ref in refs)
    head_first = sorted((name for name in names if _COMMIT.fullmatch(name)), key=lambda name: (name != step.new, name))
    found = 0
    for name in head_first[:_ASKED]:
        if mirror.contains(step.new, Revision(name)):
            found += 1
            if found > _LOOKED_AT:
                return
            yield Step(repository=step.repository, branch=step.branch, old=step.old, new=Revision(name))


def _judged(
    mirror: Mirror, step: Step, revision: Revision, ref: str, trust: TrustFile, now: datetime
) -> Acceptance | str:
    """The acceptance that a ref points to, or why it does not count."""
    try:
        here = _brought(mirror, ref, revision)
        blob = mirror.trees.walk(here).files.get(TRUNK_FILE)
        signature = mirror.trees.read(blob) if blob else b""
    except ReconcilerError as error:
        return f"{ref} cannot be read: {error.message}"
    found = verify(step.statement, signature, trust, verb="trunk", first_seen=now, now=now)
    if blob is None or not found.verified:
        return f"{ref}: {found.sentence}"
    return Acceptance(step=step, verification=found, blob=blob)


def _brought(mirror: Mirror, ref: str, revision: Revision) -> Revision:
    """The commit that the ref points to, fetched where it is not here yet."""
    try:
        return mirror.trees.commit(revision).revision
    except NotFound:
        fetched = mirror.fetch_ref(ref)
    if fetched is None:
        raise NotFound(f"{ref} is gone")
    return fetched


def refusal(step: Step, found: Rewritten | NotFromStart, notes: Iterable[str]) -> tuple[str, str]:
    """Reason and sentence of the condition while nobody accepted it."""
    how = f"whoever may accept it runs: reconciler trunk accept {step.new}"
    if isinstance(found, Rewritten):
        said = f"{step.branch} was rewritten: {step.new[:12]} does not contain {step.old[:12]}, which stays in force"
        reason = SEEN
    else:
        said, reason = f"{step.new[:12]} does not contain the configured start {step.old[:12]}", "NotFromStart"
    return reason, "; ".join((said, how, *notes))


def accepted_sentence(one: Acceptance) -> str:
    """What a record and an Event say of it."""
    step = one.step
    return f"{step.branch} goes on from {step.new[:12]} in place of {step.old[:12]}, {one.verification.sentence}"
