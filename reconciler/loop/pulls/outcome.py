"""What merging a pull request would come to: the trunk after it, whom that concerns, and what it asks of whom.

Facts for a plan, made from Git alone; nothing is accepted, and nothing written but commits of the mirror on no branch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.edges.git import Conflicting, fork_point, merge
from reconciler.errors import ReconcilerError, Retry
from reconciler.loop.snapshot import Publication, ReleaseFile, Snapshot
from reconciler.loop.sources import Source
from reconciler.model.ids import ReleaseKey, Revision
from reconciler.model.pull import PullRequest
from reconciler.plan.following import Asked

Asks = Mapping[ReleaseKey, Asked]
"""By release what a pull request puts in place of what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The trunk at `base` with `head` merged into it. `publication` is None where they conflict.

    `tree` is the result's id, and `trunk` that of the tree at `base`.
    `affected` are the releases that may decide differently; `asks` those whose own file changes; `conflicts` the paths
    that both changed, `refused` why there is no result at all.
    """

    base: Revision
    head: Revision
    publication: Publication | None = None
    tree: str = ""
    trunk: str = ""
    asks: Asks
    conflicts: tuple[str, ...] = ()
    refused: str = ""

    @property
    def nothing(self) -> bool:
        """True when the trunk has all of it already: it was merged, and the forge may not say so yet."""
        return bool(self.tree) and self.tree == self.trunk

    @property
    def snapshot(self) -> Snapshot:
        """The trunk after the merge; there is one only where there is a publication."""
        assert self.publication is not None  # noqa: S101  # callers look
        return self.publication.snapshot

    @property
    def affected(self) -> frozenset[ReleaseKey]:
        """The releases that may decide differently."""
        return self.publication.affected if self.publication else frozenset()


def outcome(pull: PullRequest, source: Source, trunk: Snapshot) -> Outcome:
    """What merging it into the accepted trunk would come to. Raises Retry when its head cannot be fetched."""
    base, head = trunk.revision, pull.head
    source.mirror.fetch_head(pull.ref, head)
    try:
        joined = merge(source.mirror, base, head)
        if isinstance(joined, Conflicting):
            return Outcome(base=base, head=head, asks={}, conflicts=joined.paths)
        return _outcome(base, head, joined.revision, source, trunk)
    except ReconcilerError as error:
        return _refused(base, head, error)


def of_commit(revision: Revision, source: Source, trunk: Snapshot) -> Outcome:
    """The same of a commit that is a merge result itself: what a merge queue tries."""
    try:
        return _outcome(trunk.revision, revision, revision, source, trunk)
    except ReconcilerError as error:
        return _refused(trunk.revision, revision, error)


def _refused(base: Revision, head: Revision, error: ReconcilerError) -> Outcome:
    """A result that there cannot be, with the sentence on it; raises what may be another time."""
    if isinstance(error, Retry) and error.reason != "PathMissing":
        raise error
    return Outcome(base=base, head=head, asks={}, refused=error.message)


def _outcome(base: Revision, head: Revision, result: Revision, source: Source, trunk: Snapshot) -> Outcome:
    publication = source.as_if(result)
    asks = asked(publication.affected, trunk, publication.snapshot)
    tree, old = (source.mirror.trees.commit(row).tree for row in (result, base))
    return Outcome(base=base, head=head, publication=publication, tree=tree, trunk=old, asks=asks)


def asked(affected: Iterable[ReleaseKey], before: Snapshot, after: Snapshot) -> dict[ReleaseKey, Asked]:
    """What a step of the trunk asks of these releases, if it changes their own files or who signed them."""
    found = {}
    for key in affected:
        old, new = before.releases.get(key), after.releases.get(key)
        if _text(old) != _text(new):
            manifest = new.sha256 if new else ""
            found[key] = Asked(key=key, manifest=manifest, before=_model(old), after=_model(new))
    return found


def _text(file: ReleaseFile | None) -> tuple[str, bytes] | None:
    return (file.sha256, file.signature) if file else None


def _model(file: ReleaseFile | None) -> str:
    """The model version that a file names; empty where there is none."""
    document = file.document if file else None
    model = document.spec.data.get("model", {}) if document else {}
    return str(model.get("version", ""))


def merged_asks(pull: PullRequest, source: Source) -> dict[ReleaseKey, Asked]:
    """What a merged pull request asked for, found again in Git: merge commit, squash and rebase alike.

    Empty when it began nowhere that is known.
    """
    mirror, merged = source.mirror, pull.merged
    if merged is None:
        return {}
    parents = mirror.trees.commit(merged).parents
    mirror.fetch_head(pull.ref, pull.head)
    began = fork_point(mirror, parents[0], pull.head) if parents else None
    if began is None:
        return {}
    before, after = source.as_if(began), source.as_if(pull.head)
    return asked(before.affected | after.affected, before.snapshot, after.snapshot)
