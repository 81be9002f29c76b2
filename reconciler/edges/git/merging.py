"""What a merge would come to, without merging: the tree of two commits joined, on no branch.

Not a merge of anybody's branch, and nothing is pushed. Rules: the same two commits make the same commit, in the
daemon's mirror and in a person's clone alike, so that what was planned can be told from what was not; no merge driver
and no filter is run, for neither a mirror nor the repository beside a clone configures one, and a bare repository reads
no attributes; a conflict is an answer with paths. What is made here belongs to no ref and goes when objects are swept
(`sweeping`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.edges.git.beside import beside
from reconciler.edges.git.commit import Actor, commit_payload
from reconciler.edges.git.mirror import Mirror
from reconciler.edges.git.names import printable
from reconciler.edges.git.remote import check_revision
from reconciler.edges.git.run import LOCAL, Access, Ending, Git
from reconciler.errors import Refused
from reconciler.model.ids import Revision

_NOBODY = Actor(name="merge result", email="nobody@localhost")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_CONFLICTS = 1  # the exit status of `git merge-tree`


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """They merge: `revision` is a commit of the result with both as parents, on no branch."""

    revision: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflicting:
    """They do not: both changed these paths, printable, in order."""

    paths: tuple[str, ...]


def merge(mirror: Mirror, base: Revision, head: Revision) -> Merged | Conflicting:
    """The result of merging `head` into `base`, both in the mirror; raises `Refused` when they have nothing in common.

    Squashed or rebased, the same change ends in the same tree.
    """
    with mirror.lock:
        mirror.ensure()
        return _merge(mirror.git, LOCAL, base, head, mirror.objects.damage)


def merge_in(clone: Git, base: Revision, head: Revision) -> Merged | Conflicting:
    """The same in a clone: the same commit, whatever the clone's settings say."""
    with beside(clone) as (git, objects):
        return _merge(git, Access(environment=objects), base, head, Refused)


def _merge(
    git: Git, access: Access, base: Revision, head: Revision, broken: Callable[[str], Exception]
) -> Merged | Conflicting:
    words = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z"]
    output = git.run([*words, check_revision(base), check_revision(head)], access=access)
    rows = [row for row in output.stdout.split(b"\0") if row]
    if output.ending is not Ending.EXITED or output.status not in {0, _CONFLICTS} or not rows:
        raise Refused(f"{head[:12]} cannot be merged into {base[:12]}: {output.detail or output.ending.value}")
    if output.status == _CONFLICTS:
        return Conflicting(paths=tuple(sorted({printable(row) for row in rows[1:]})))
    tree = check_revision(rows[0].decode("ascii", "replace"))
    payload = commit_payload(
        tree=tree, parents=(base, head), author=_NOBODY, committer=_NOBODY, when=_EPOCH, message="Merge result"
    )
    made = git.run(["hash-object", "-t", "commit", "-w", "--stdin"], stdin=payload, access=access)
    if not made.ok:
        raise broken(made.detail)
    return Merged(revision=Revision(made.stdout.decode("ascii").strip()))


def fork_point(mirror: Mirror, one: Revision, other: Revision) -> Revision | None:
    """The newest commit that both contain; None when there is none."""
    with mirror.lock:
        mirror.ensure()
        return fork_point_in(mirror.git, one, other)


def fork_point_in(git: Git, one: Revision, other: Revision) -> Revision | None:
    """The same in any repository on this disk."""
    output = git.run(["merge-base", check_revision(one), check_revision(other)])
    return Revision(check_revision(output.stdout.decode("ascii").split()[0])) if output.ok else None
