"""What people said of what a pull request asks: judged, handed to the releases, and written down at first sight.

The judgement is `pull_votes`; here are the facts for it and what becomes of it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from reconciler.loop.ledger import Ledger
from reconciler.loop.pull_votes import Asked, PullVotes, asked_of, judge_pull
from reconciler.loop.pulls.tracked import Tracked
from reconciler.loop.release import gather, judge, verify
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.sources import Source
from reconciler.loop.vote_refs import asked as asking_environments
from reconciler.loop.votes import Bound, bound_reviews
from reconciler.loop.world import World
from reconciler.model.environment import Environment
from reconciler.model.ids import ReleaseKey


class Voting:
    """The votes of one repository's pull requests. One thread uses it."""

    def __init__(self, source: Source, ledger: Ledger, forge: str) -> None:
        self._source = source
        self._ledger = ledger
        self._forge = forge
        self._bound: Bound | None = None

    def by_review(self, trunk: Snapshot) -> bool:
        """Whether a review may count anywhere: else nobody needs to read them."""
        rows = (row.loaded.as_(Environment).spec.approvals for row in trunk.documents("Environment").values())
        return any(row is not None and row.by_review for row in rows)

    def take(
        self, tracked: Tracked, keys: Iterable[ReleaseKey], shown: World, trunk: Snapshot, now: datetime
    ) -> tuple[str, ...]:
        """Hand over what counts of all that was said there, and write down what is new; sentences on what does not."""
        asked, found = self._look(tracked, keys, shown, trunk, now)
        known = [fact for one in asked for fact in one.known]
        if entries := found.entries(known, trunk.documents("Environment"), now):
            for block in found.blocks:
                self._source.mirror.write_blob(block)
            self._source.write_down(*entries)
        return found.notes

    def notes(
        self, tracked: Tracked, keys: Iterable[ReleaseKey], shown: World, trunk: Snapshot, now: datetime
    ) -> tuple[str, ...]:
        """The same as `take`, and nothing is written down."""
        return self._look(tracked, keys, shown, trunk, now)[1].notes

    def _look(
        self, tracked: Tracked, keys: Iterable[ReleaseKey], shown: World, trunk: Snapshot, now: datetime
    ) -> tuple[Sequence[Asked], PullVotes]:
        """Hand over what counts: what is asked, and the judgement."""
        asked = self._asked(keys, shown, trunk)
        found = self._judged(tracked, asked, trunk, now)
        self._bound = found.bound
        shown.wake_releases(self._source.votes.take_pull(tracked.pull.number, found.given))
        return asked, found

    def _judged(self, tracked: Tracked, asked: Sequence[Asked], trunk: Snapshot, now: datetime) -> PullVotes:
        if self._bound is None:
            self._bound = bound_reviews(link.record for link in self._ledger.chain.links)
        return judge_pull(
            tracked.pull,
            asked,
            forge=self._forge,
            comments=tracked.others,
            reviews=tracked.reviews,
            refs={one.matter.key: self._source.votes.of(one.matter.key) for one in asked},
            bound=self._bound,
            trust=trunk.trust,
            now=now,
        )

    def _asked(self, keys: Iterable[ReleaseKey], shown: World, trunk: Snapshot) -> list[Asked]:
        """Everything that people are asked about by a merge; `shown` has the trunk after it."""
        after = shown.snapshot(self._source.repository) or trunk
        where = asking_environments(after)
        found: list[Asked] = []
        for key in keys:
            facts = gather(key, shown) if key.environment in where else None
            if facts is not None:
                judged = judge(facts, verify(facts), shown)
                in_force = trunk.documents("Environment").get(key.environment)
                found += asked_of(facts, judged, in_force)
        return found

    def drop(self, number: int) -> frozenset[ReleaseKey]:
        """Nothing is given by a pull request any more; whom that concerns."""
        return self._source.votes.drop_pull(number)
