"""ONE PULL REQUEST: read → merge → vote → plan → tell; and once it is merged: follow → tell. Read `watch` next.

Nothing here decides what runs: a plan is what the passes of the releases would come to with the trunk as it would be,
judged by the trust file in force. What people say on a pull request counts by its signature (or as a review, where the
environment says so) and never because somebody said it here. The order of effects is the ledger, then commit statuses,
then the comment.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.edges.forge.protocol import Forge
from reconciler.errors import Retry
from reconciler.loop.ledger import Ledger
from reconciler.loop.preview import previews_of
from reconciler.loop.pulls.governed import governing_changes
from reconciler.loop.pulls.outcome import Outcome, merged_asks, of_commit, outcome
from reconciler.loop.pulls.publish import Publisher
from reconciler.loop.pulls.timing import Posted, Wanted, after, when
from reconciler.loop.pulls.tracked import Tracked
from reconciler.loop.pulls.voting import Voting
from reconciler.loop.recording import Scene, merged_entry, planned_entry
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.sources import Source
from reconciler.loop.world import World
from reconciler.model.ids import ClusterName, EnvironmentName, ReleaseKey, Revision
from reconciler.model.pull import PullRequest
from reconciler.model.record import OutboxEntry, Record
from reconciler.plan.comment import render, written
from reconciler.plan.following import Asked, ReleaseProgress, follow, summary
from reconciler.plan.marker import Stage, marker
from reconciler.plan.report import Merge, PullReport
from reconciler.plan.statuses import PREFIX, planning, statuses

PLANNED = 2_000  # releases of one pull request that are planned; of more the first, and the number of the rest is told
_LONG = 50  # releases; while more are planned, the statuses say so
_SENTENCE = 300  # characters of one environment in a record
_SAME_SECOND = timedelta(seconds=2)
_UNTIL_ACCEPTED = timedelta(seconds=5)  # the trunk has not been read as far as the merge
_UNTIL_WRITTEN = timedelta(seconds=1)  # the ledger comes before the comment
_AGAIN = timedelta(minutes=5)
_COMMAND = re.compile(r"(?m)^/reconciler (plan|approve)[ \t]*\r?$")


class One:
    """What one pull request is looked at with: the world, its repository, and its forge. One thread uses it."""

    def __init__(
        self, world: World, source: Source, ledger: Ledger, forge: Forge, *, key: bytes, branch: str, place: str,
        coalesce: timedelta,
    ) -> None:  # fmt: skip
        self.repository = source.repository
        self.forge = forge
        self._world = world
        self._source = source
        self._ledger = ledger
        self._key = key
        self._branch = branch
        self._place = place
        self._coalesce = coalesce
        self._publisher = Publisher(forge, source.repository, key)
        self._voting = Voting(source, ledger, forge.kind)
        self._queued: set[Revision] = set()

    @property
    def ready(self) -> bool:
        """Whether there is a trunk to plan on."""
        return self._source.snapshot is not None

    # --- before the merge

    def plan(self, tracked: Tracked, now: datetime) -> datetime | None:
        """Tell what merging it would do; returns when to look again. Raises Retry and what the forge refuses."""
        trunk = self._trunk()
        self._read(tracked, now)
        found = outcome(tracked.pull, self._source, trunk)
        if found.nothing and tracked.report:
            return now + _UNTIL_ACCEPTED  # the trunk has it, and the forge will say so
        tracked.outcome = found
        tracked.asks = found.asks
        report, body, full = self._worded(tracked, self._report(tracked, found, trunk, now))
        if tracked.report != report:
            self._keep(self._planned(tracked, report, b"" if full == body else full.encode(), now))
            tracked.report = report
        self._publisher.statuses(tracked.pull.head, statuses(report, limit=self.forge.description_limit))
        again = self._tell(tracked, Wanted(body=body, summary=body), now)
        opens = [gate.opens_at for row in report.previews for gate in row.gates if gate.opens_at and not gate.open]
        return min((moment for moment in (again, tracked.read_again, *opens) if moment and moment > now), default=None)

    def _trunk(self) -> Snapshot:
        trunk = self._source.snapshot
        if trunk is None:
            raise Retry(f"{self.repository} has not been read yet", reason="NotReadYet")
        return trunk

    def _read(self, tracked: Tracked, now: datetime) -> None:
        """What people said, when there may be something new; and our own comment, the first time."""
        if tracked.read_again and tracked.read_again <= now:
            tracked.unread, tracked.read_again = True, None
        elif tracked.unread:
            tracked.read_again = now + _SAME_SECOND
        if not tracked.unread:
            return
        number = tracked.pull.number
        comments = tuple(self.forge.comments(number))
        tracked.reviews = tuple(self.forge.reviews(number)) if self._voting.by_review(self._trunk()) else ()
        found = self._publisher.ours(number, comments)
        if found and tracked.posted is None:
            tracked.stage, tracked.posted = found.stage, Posted(body=found.body, summary="", at=now)
        tracked.ours = found.id if found else tracked.ours
        tracked.others = tuple(row for row in comments if row.id != tracked.ours)
        tracked.unread = False

    def told(self, pull: PullRequest, now: datetime) -> tuple[PullReport, str]:
        """All that the comment would tell now, and its text without our mark. Nothing is written anywhere."""
        trunk, tracked = self._trunk(), Tracked(pull=pull, due=None)
        self._read(tracked, now)
        report = self._report(tracked, outcome(pull, self._source, trunk), trunk, now, writing=False)
        return report, render(report, self.forge.comment_limit, marker="").body.lstrip("\n")

    def _report(
        self, tracked: Tracked, found: Outcome, trunk: Snapshot, now: datetime, *, writing: bool = True
    ) -> PullReport:
        """All that the comment tells; not `writing`: what people said is looked at and not written down."""
        bare = self._bare(tracked.pull.number, found, trunk, now)
        if found.publication is None:
            return bare
        keys = chosen(found)
        shown = self._world.showing(found.publication.snapshot, pull=tracked.pull.number)
        if writing and len(keys) > _LONG:
            rows = (planning(name, limit=self.forge.description_limit) for name in bare.environments)
            self._publisher.statuses(found.head, rows)
        take = self._voting.take if writing else self._voting.notes
        notes = take(tracked, keys, shown, trunk, now)
        asked = "approve" in commands(row.body for row in tracked.others)
        return replace(_planned(bare, found, trunk, keys, shown), uncounted=notes, asked=asked)

    def _bare(self, number: int, found: Outcome, trunk: Snapshot, now: datetime) -> PullReport:
        """The report before anything is planned."""
        return PullReport(
            repository=self.repository, number=number, stage=Stage.PLANNED, head=found.head, base=found.base,
            base_branch=self._branch, merge=Merge(conflicts=found.conflicts, unplanned=found.refused), at=now,
            environments=tuple(map(EnvironmentName, sorted(trunk.documents("Environment")))),
            ledger=f"{self._place}, pulls/{number}",
        )  # fmt: skip

    def _worded(self, tracked: Tracked, report: PullReport) -> tuple[PullReport, str, str]:
        """The report and its words; the one that was told already, where only the base and the time are others."""
        before = tracked.report or (written(tracked.posted.body, report) if tracked.posted else None)
        if before is not None and before.head == report.head:
            same = replace(report, base=before.base, at=before.at, merge=replace(report.merge, tree=before.merge.tree))
            body, full = self._words(same)
            if tracked.posted and body == tracked.posted.body:
                return same, body, full
        return report, *self._words(report)

    def _words(self, report: PullReport) -> tuple[str, str]:
        """The comment, and all of it: a forge has a limit."""
        line = marker(self._key, self.repository, report.number, report.stage)
        rendered = render(report, self.forge.comment_limit, marker=line)
        return rendered.body, rendered.full

    def _tell(self, tracked: Tracked, wanted: Wanted, now: datetime) -> datetime | None:
        """Post the comment, if it is worth it and time for it; returns when it is."""
        moment = when(tracked.posted, wanted, now, self._coalesce)
        if moment is None or moment > now:
            return moment
        tracked.ours = self._publisher.comment(tracked.pull.number, tracked.ours, wanted.body)
        tracked.posted = after(tracked.posted, wanted, now)
        return None

    def _planned(self, tracked: Tracked, report: PullReport, text: bytes, now: datetime) -> OutboxEntry:
        """The record of what was shown; `text` is all of it where the comment has only a part."""
        if text:
            self._source.mirror.write_blob(text)
        told = statuses(report, limit=_SENTENCE)
        said = "; ".join(f"{row.context.removeprefix(PREFIX)}: {row.description}" for row in told)
        return planned_entry(
            self._scene(now), tracked.pull, report.base, plan=report.digest, releases=tracked.asks,
            message=f"#{report.number} was planned: {said}", text=text,
        )  # fmt: skip

    def _scene(self, now: datetime) -> Scene:
        return Scene(repository=self.repository, revision=None, files={}, now=now)

    def _keep(self, entry: OutboxEntry) -> None:
        """Write a record down, unless the ledger has it from before a restart."""
        if not any(same_news(link.record, entry.record) for link in reversed(self._ledger.chain.links)):
            self._source.write_down(entry)

    # --- what a merge queue tries

    def queue(self, now: datetime) -> None:
        """Post the statuses of the commits that the forge's merge queue asks for: each is a merge result itself."""
        prefix = self.forge.queue_prefix
        if not prefix:
            return
        mirror, trunk = self._source.mirror, self._trunk()
        refs = mirror.refs_under(f"refs/heads/{prefix}{self._branch}")
        for ref, revision in sorted(refs.items()):
            if revision in self._queued or mirror.fetch_ref(ref) != revision:
                continue  # told already, or it moved meanwhile
            found = of_commit(revision, self._source, trunk)
            shown = self._world.showing(found.snapshot)
            report = _planned(self._bare(1, found, trunk, now), found, trunk, chosen(found), shown)
            self._publisher.statuses(revision, statuses(report, limit=self.forge.description_limit))
            self._queued.add(revision)
        self._queued &= set(refs.values())

    # --- after the merge

    def follow(self, tracked: Tracked, now: datetime) -> datetime | None:
        """Tell what became of what it asked for; returns when to look again, None when there is nothing more to say."""
        trunk, pull = self._trunk(), tracked.pull
        self._read(tracked, now)
        if tracked.stage is Stage.ENDED or pull.merged is None:
            return None
        if not self._source.mirror.contains(trunk.revision, pull.merged):
            return now + _UNTIL_ACCEPTED
        asks = tracked.asks = tracked.asks or merged_asks(pull, self._source)
        self._voting.take(tracked, asks, self._world, trunk, now)  # an approval may come late
        digest = tracked.report.digest if tracked.report else ""
        self._keep(merged_entry(self._scene(now), pull, plan=digest, releases=asks))
        rows = [self._progress(one, trunk, now) for one in asks.values()]
        if not rows:
            return None
        if all(row.ended for row, _ in rows) and not all(written for _, written in rows):
            return now + _UNTIL_WRITTEN
        return self._tell_of(tracked, trunk, tuple(row for row, _ in rows), now)

    def _tell_of(
        self, tracked: Tracked, trunk: Snapshot, rows: tuple[ReleaseProgress, ...], now: datetime
    ) -> datetime | None:
        """Post how far the releases are; None once that is their end."""
        ended, failed = all(row.ended for row in rows), any(row.failed for row in rows)
        stage = Stage.ENDED if ended else Stage.MERGED
        plan = tracked.report or self._unplanned(tracked, trunk, now)
        body, _ = self._words(replace(plan, stage=stage, progress=rows))
        final = ended or (failed and not tracked.failed)
        wanted = Wanted(body=body, summary=summary(rows), releases=len(rows), progress=True, final=final)
        again = self._tell(tracked, wanted, now)
        if again is not None:
            return again
        tracked.failed = failed
        return None if ended else tracked.read_again or now + _AGAIN

    def _unplanned(self, tracked: Tracked, trunk: Snapshot, now: datetime) -> PullReport:
        """The report of a pull request that was planned before a restart: its plan is in the ledger alone."""
        pull = tracked.pull
        found = Outcome(base=trunk.revision, head=pull.head, asks={})
        return self._bare(pull.number, found, trunk, pull.merged_at or now)

    def _progress(self, asked: Asked, trunk: Snapshot, now: datetime) -> tuple[ReleaseProgress, bool]:
        """How far one release is, and whether the ledger has all that is to be told of it."""
        key = asked.key
        stored = self._world.release_state(key)
        status = stored.status if stored else None
        seen = self._world.clusters_of(key)
        names = status.directives if status else ()
        file = trunk.releases.get(key)
        row = follow(
            asked,
            status,
            trunk=file.sha256 if file else None,
            targets={name: seen[ClusterName(name)].state if ClusterName(name) in seen else None for name in names},
            now=now,
        )
        written = all(self._ledger.has(entry) for entry in (status.outbox if status else ()))
        return (replace(row, record=self._record(key)) if row.ended and written else row), written

    def _record(self, key: ReleaseKey) -> int | None:
        """The number of the last record about a release."""
        rows = (link.record for link in reversed(self._ledger.chain.links))
        return next((row.sequence for row in rows if (row.environment, row.name) == (key.environment, key.name)), None)

    # --- the end

    def forget(self, tracked: Tracked) -> None:
        """It needs to be looked at no more."""
        if not tracked.merged:
            self._world.wake_releases(self._voting.drop(tracked.pull.number))
        self._source.mirror.forget_head(tracked.pull.ref)


def _planned(bare: PullReport, found: Outcome, trunk: Snapshot, keys: Iterable[ReleaseKey], shown: World) -> PullReport:
    """The report with what the releases' passes would come to."""
    previews = tuple(row for row in previews_of(shown, keys) if row.key in found.asks or not row.is_empty)
    governing = governing_changes(trunk, found.snapshot)
    return replace(bare, merge=Merge(tree=found.tree), previews=previews, governing=governing)


def chosen(found: Outcome) -> list[ReleaseKey]:
    """The releases that are planned: those that it changes first, and of very many the first."""
    rest = found.affected - found.asks.keys()
    return [*sorted(found.asks), *sorted(rest)][:PLANNED]


def commands(bodies: Iterable[str]) -> frozenset[str]:
    """What people asked of us in their comments: a command stands on a line of its own."""
    return frozenset(word for body in bodies for word in _COMMAND.findall(body))


def same_news(one: Record, other: Record) -> bool:
    """Whether two records tell the same of a pull request, at whatever time."""
    return (
        one.kind == other.kind
        and one.detail.get("pull") == other.detail.get("pull")
        and one.detail.get("plan") == other.detail.get("plan")
    )
