"""What is remembered of one pull request between two looks. All of it can be lost: the forge and Git tell it again."""

from dataclasses import dataclass, field
from datetime import datetime

from reconciler.loop.pulls.outcome import Asks, Outcome
from reconciler.loop.pulls.timing import Posted
from reconciler.loop.snapshot import Publication
from reconciler.model.pull import Comment, PullRequest, PullState, Review
from reconciler.plan.marker import Stage
from reconciler.plan.report import PullReport


@dataclass(slots=True, eq=False)
class Tracked:
    """One pull request. `due` is when to look again (None: it is being looked at).

    `unread`: what people said is to be read, and at `read_again` once more: forges tell by whole seconds that something
    moved, and two things may move in one. `others` are the comments that are not ours. `ours` is which one is, once
    it was found or made, `stage` how far that told, `posted` what it says. `report` is the plan as it was told last,
    `asks` what it asks for by its files, `failed` that a failure was told.
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
    outcome: Outcome | None = None
    report: PullReport | None = None
    asks: Asks = field(default_factory=dict)
    failed: bool = False

    @property
    def merged(self) -> bool:
        """True once it is on the trunk, or on its way there."""
        return self.pull.state is PullState.MERGED

    def look_at(self, moment: datetime) -> None:
        """Look at it then, or earlier."""
        self.due = min(self.due or moment, moment)

    def concerned_by(self, publication: Publication) -> bool:
        """Whether a step of the trunk may make its plan another one."""
        if self.merged:
            return not publication.affected.isdisjoint(self.asks)
        plan = self.outcome
        return plan is None or plan.publication is None or not publication.affected.isdisjoint(plan.affected)
