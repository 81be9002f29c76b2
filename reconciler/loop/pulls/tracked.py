"""What is remembered of one pull request between two looks. All of it can be lost: the forge and Git tell it again."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.loop.pulls.outcome import Asks
from reconciler.loop.pulls.timing import Posted
from reconciler.loop.snapshot import Publication
from reconciler.model.ids import ReleaseKey, Revision
from reconciler.model.pull import Comment, PullRequest, PullState, Review
from reconciler.plan.marker import Stage
from reconciler.plan.report import PullReport
from reconciler.trust.blocks import MAX_TEXT, blocks_in

_COMMAND = re.compile(r"(?m)^/reconciler (plan|approve)[ \t]*\r?$")
_HEX = re.compile(r"[0-9a-f]{40}")
_LARGEST = 10**9  # the number of a pull request


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """A head that is too much to be fetched: why, and when to try again."""

    head: Revision
    sentence: str
    until: datetime


@dataclass(slots=True, eq=False)
class Tracked:
    """One pull request. `due` is when to look again (None: it is being looked at).

    `unread`: what people said is to be read, and at `read_again` once more: forges tell by whole seconds that something
    moved, and two things may move in one. `others` are the comments that are not ours and may matter. `ours` is which
    one is, once it was found or made, `stage` how far that told, `posted` what it says. `report` is the plan as it was
    told last, `affected` whom that is of (None: of anybody), `asks` what it asks for by its files, `failed` that a
    failure was told, `noted` that the merge is written down, `judged` the trunk that votes were judged with after it.
    `nothing` is since when the trunk has all of it; `failures` counts looks that failed in a row, `trouble` says why.
    """

    pull: PullRequest
    due: datetime | None
    unread: bool = True
    read_again: datetime | None = None
    others: tuple[Comment, ...] = ()
    reviews: tuple[Review, ...] = ()
    ours: int | None = None
    stage: Stage | None = None
    posted: Posted | None = None
    affected: frozenset[ReleaseKey] | None = None
    report: PullReport | None = None
    asks: Asks = field(default_factory=dict)
    failed: bool = False
    noted: bool = False
    judged: Revision | None = None
    nothing: datetime | None = None
    barred: Barred | None = None
    failures: int = 0
    trouble: str = ""

    @property
    def merged(self) -> bool:
        """True once it is on the trunk, or on its way there."""
        return self.pull.state is PullState.MERGED

    def look_at(self, moment: datetime) -> None:
        """Look at it then, or earlier."""
        self.due = min(self.due or moment, moment)

    def concerned_by(self, publication: Publication) -> bool:
        """Whether a step of the trunk may make its plan another one; always while it is being looked at."""
        if self.due is None:
            return True
        if self.merged:
            return not publication.affected.isdisjoint(self.asks)
        return self.affected is None or not publication.affected.isdisjoint(self.affected)


def sound(pull: PullRequest, branch: str) -> bool:
    """Whether it can be a pull request to this branch: a forge is not believed that it has one of another sort."""
    number, ids = pull.number, (pull.head, pull.merged) if pull.merged is not None else (pull.head,)
    return (
        0 < number < _LARGEST
        and all(_HEX.fullmatch(str(row)) for row in ids)
        and pull.ref.endswith(f"/{number}/head")
        and pull.base_branch == branch
    )


def heard(comments: Iterable[Comment], ours: int | None) -> tuple[Comment, ...]:
    """The comments of others that say something to us, as far as they are read: talk is not kept."""
    cut = (replace(row, body=row.body[: MAX_TEXT + 1]) for row in comments if row.id != ours)
    return tuple(row for row in cut if blocks_in(row.body).found or commands([row.body]))


def commands(bodies: Iterable[str]) -> frozenset[str]:
    """What people asked of us in their comments: a command stands on a line of its own."""
    return frozenset(word for body in bodies for word in _COMMAND.findall(body))
