"""The two states of the trunk that a pull request is about, read from a clone: before and after its merge.

Not what they ask (`loop/pull_asks`). Rules: what is read are commits and never the work tree; the ledger of origin says
what was accepted and promoted before, by the records that count; of a pull request that is merged already the trunk
itself is what is asked about, and Git tells what it changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from reconciler.errors import NotFound, Refused

if TYPE_CHECKING:
    from reconciler.edges.git.checkout import Checkout, History
    from reconciler.loop.pull_asks import Step, Tree
    from reconciler.model.ids import BlobId, RepositoryName, Revision
    from reconciler.model.pull import PullRequest
    from reconciler.model.record import Record
    from reconciler.model.repository import AcceptedDocument
    from reconciler.model.trustfile import TrustFile

_SUFFIXES = (".yaml", ".yml", ".sig")  # approvals and removals lie apart from what they are about
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """From the trunk to what people are asked about, and from where the pull request began to what it changes.

    Before the merge both are one. `records` are the ledger's, the newest first.
    """

    asked: "Step"
    changed: "Step"
    records: "Sequence[Record]"


def fetched_ledger(checkout: "Checkout") -> "Revision | None":
    """The head of origin's ledger, in the clone; None where there is none, which is told."""
    from reconciler.cli.audit import LEDGER

    try:
        return checkout.fetch(LEDGER)
    except NotFound:
        typer.echo("origin has no ledger, so what was promoted before is not known here", err=True)
        return None


def steps(
    checkout: "Checkout", opened: "History", pull: "PullRequest", base: "Revision", *, folder: str,
    mounted: "TrustFile", ledger: "Revision | None", now: datetime,
) -> Steps:  # fmt: skip
    """Both of them. `base` is the trunk, and it and the head are in the clone; raises Refused for a conflict."""
    reading = _Reading(opened=opened, folder=folder, mounted=mounted, now=now)
    trunk = reading.tree(base)
    if ledger:
        reading.know(ledger, trunk)
    if pull.merged is None:
        step = reading.step(trunk, reading.tree(_joined(checkout, pull, base)))
        return Steps(asked=step, changed=step, records=reading.records)
    began = _began(checkout, opened, pull, base)
    changed = reading.step(reading.tree(began), reading.tree(pull.head))
    return Steps(asked=reading.step(trunk, trunk), changed=changed, records=reading.records)


def _joined(checkout: "Checkout", pull: "PullRequest", base: "Revision") -> "Revision":
    """The merge result, the very commit that the daemon plans."""
    from reconciler.edges.git import Conflicting

    found = checkout.merge(base, pull.head)
    if isinstance(found, Conflicting):
        paths = ", ".join(found.paths[:_SHOWN])
        raise Refused(
            f"#{pull.number} conflicts with {pull.base_branch} in {paths}",
            hint="once its branch is brought up to date, what it asks can be told and signed",
        )
    return found.revision


def _began(checkout: "Checkout", opened: "History", pull: "PullRequest", base: "Revision") -> "Revision":
    """Where a merged one left the trunk, found again after a merge, a squash and a rebase alike."""
    assert pull.merged is not None  # noqa: S101  # the caller looked
    if not opened.contains(base, pull.merged):
        raise Refused(f"#{pull.number} is merged, and origin's {pull.base_branch} does not have {pull.merged[:12]} yet")
    parents = opened.commit(pull.merged).parents
    began = checkout.fork_point(parents[0], pull.head) if parents else None
    if began is None:
        raise Refused(f"#{pull.number} is merged, and where it began is not in the clone")
    return began


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What was read of the clone so far."""

    opened: "History"
    folder: str
    mounted: "TrustFile"
    now: datetime
    records: "Sequence[Record]" = ()
    _contents: "dict[BlobId, bytes]" = field(default_factory=dict, repr=False)
    _ledger: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def tree(self, revision: "Revision") -> "Tree":
        """The watched folder at a revision."""
        from reconciler.digest import blob_id
        from reconciler.loop.pull_asks import Tree

        files, rejected = self.opened.read(revision, self.folder, suffixes=_SUFFIXES)
        blobs = {path: blob_id(data) for path, data in files.items()}
        self._contents |= {blobs[path]: data for path, data in files.items()}
        return Tree(revision=revision, blobs=blobs, rejected=tuple(str(row) for row in rejected))

    def know(self, ledger: "Revision", trunk: "Tree") -> None:
        """Read the ledger, by the keys that the trust file in force on the trunk has for the daemon."""
        from reconciler.cli.trust import trust_texts
        from reconciler.loop.chain import verify_chain
        from reconciler.trust.succession import succeed

        texts = trust_texts({path: self._contents[blob] for path, blob in trunk.blobs.items()})
        self._ledger, _ = self.opened.read(ledger)
        chain = verify_chain(self._ledger, succeed(self.mounted, texts, now=self.now).trust)
        for problem in chain.problems[:1]:
            typer.echo(f"the ledger counts only in part: {problem}", err=True)
        self.records = [link.record for link in reversed(chain.links)]

    def step(self, before: "Tree", after: "Tree") -> "Step":
        """From one of them to another."""
        from reconciler.documents.load import MAX_BYTES
        from reconciler.loop.chain import accepted_in
        from reconciler.loop.pull_asks import step_between

        return step_between(
            self._repository, before, after, read=self._contents.__getitem__, recall=self._recall,
            mounted=self.mounted, accepted=accepted_in(reversed(self.records)), limit=MAX_BYTES, now=self.now,
        )  # fmt: skip

    @property
    def _repository(self) -> "RepositoryName":
        from reconciler.model.ids import RepositoryName

        return RepositoryName(self.mounted.spec.repository)

    def _recall(self, document: "AcceptedDocument") -> bytes | None:
        """A document that was accepted earlier: from the clone while it has it, else from the ledger."""
        from reconciler.digest import sha256_of

        try:
            return self.opened.blob(document.blob)
        except NotFound:
            texts = (data for path, data in self._ledger.items() if path.startswith("accepted/"))
            return next((data for data in texts if sha256_of(data) == document.sha256), None)
