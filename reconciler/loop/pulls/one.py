"""ONE PULL REQUEST: read → merge → vote → plan → tell; and once it is merged: follow → tell. Read `watch` next.

Nothing here decides what runs: a plan is what the passes of the releases would come to with the trunk as it would be,
judged by the trust file in force. What people say on a pull request counts by its signature (or as a review, where the
environment says so) and never because somebody said it here. The order of effects is the ledger, then commit statuses,
then the comment.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.edges.forge.answers import UNREACHABLE
from reconciler.edges.forge.pace import LIMITED
from reconciler.edges.forge.protocol import Forge
from reconciler.edges.git.sweeping import sweep
from reconciler.errors import NotFound, ReconcilerError, Retry
from reconciler.loop.ledger import Ledger
from reconciler.loop.preview import previews_of
from reconciler.loop.pulls.governed import governing_changes
from reconciler.loop.pulls.outcome import Outcome, merged_asks, of_commit, outcome
from reconciler.loop.pulls.publish import Publisher
from reconciler.loop.pulls.timing import Posted, Wanted, after, when
from reconciler.loop.pulls.tracked import Barred, Tracked, commands, heard
from reconciler.loop.pulls.trouble import say_trouble
from reconciler.loop.pulls.voting import Voting
from reconciler.loop.recording import Scene, merged_entry, planned_entry, same_news
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.sources import Source
from reconciler.loop.world import World
from reconciler.model.ids import ClusterName, EnvironmentName, ReleaseKey, Revision
from reconciler.model.pull import PullRequest, PullState
from reconciler.model.record import OutboxEntry
from reconciler.plan.comment import render, written
from reconciler.plan.following import Asked, ReleaseProgress, follow, summary
from reconciler.plan.marker import Stage, marker
from reconciler.plan.report import Merge, PullReport
from reconciler.plan.statuses import PREFIX, nothing_changes, planning, statuses

PLANNED = 2_000  # releases of one pull request that are planned; of more the first, and the number of the rest is told
_LONG = 50  # releases; while more are planned, the statuses say so
_SENTENCE = 300  # characters of one environment in a record
_SAME_SECOND = timedelta(seconds=2)
_UNTIL_ACCEPTED = timedelta(seconds=5)  # the trunk has not been read as far as the merge
_UNTIL_WRITTEN = timedelta(seconds=1)  # the ledger comes before the comment
_AGAIN = timedelta(minutes=5)
_BARRED = timedelta(hours=1)  # until a head that was too large is tried again
_NOTHING = timedelta(minutes=1)  # in which the forge says that it was merged, if it was
_FOLLOWED = timedelta(days=1)  # in which the trunk comes to the merge, if it is to
_SETTLED = timedelta(seconds=10)  # after which a list of comments has what we wrote
_ASKED = 100  # pull requests of votes that the ledger tells of, the newest


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
        self.branch = branch
        self._place = place
        self._coalesce = coalesce
        self._publisher = Publisher(forge, source.repository, key)
        self._voting = Voting(source, ledger, forge.kind)
        self._queued: set[Revision] = set()

    @property
    def ready(self) -> bool:
        """Whether there is a trunk to plan on."""
        return self._source.snapshot is not None

    def begin(self, found: Collection[int]) -> None:
        """Once the forge was listed for the first time: what was given by pull requests that were closed is gone."""
        for number in sorted(self._source.votes.pulls() - set(found))[-_ASKED:]:
            try:
                closed = self.forge.pull(number).state is PullState.CLOSED
            except NotFound:
                closed = True
            if closed:
                self._world.wake_releases(self._voting.drop(number))

    def stand_by(self) -> None:
        """Another daemon leads, and writes what it wants."""
        self._publisher.forget()
        self._queued.clear()

    def tidy(self) -> None:
        """Keep the mirror small: heads that were given up and results of merges pile up in it."""
        sweep(self._source.mirror)

    # --- before the merge

    def plan(self, tracked: Tracked, now: datetime) -> datetime | None:
        """Tell what merging it would do; returns when to look again. Raises Retry and what the forge refuses."""
        trunk = self._trunk()
        self._read(tracked, now)
        found = self._outcome(tracked, trunk, now)
        if self._on_trunk(tracked, found, now):
            return now + _UNTIL_ACCEPTED
        tracked.affected = found.affected if found.publication else None
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

    def _outcome(self, tracked: Tracked, trunk: Snapshot, now: datetime) -> Outcome:
        """What merging it would come to; a head that is too much is not fetched again and again."""
        pull, barred = tracked.pull, tracked.barred
        if barred is None or barred.head != pull.head or barred.until <= now:
            try:
                return outcome(pull, self._source, trunk)
            except Retry as error:
                if error.reason != "FetchRefused":
                    raise
                barred = tracked.barred = Barred(head=pull.head, sentence=error.message, until=now + _BARRED)
        return Outcome(base=trunk.revision, head=pull.head, asks={}, refused=barred.sentence)

    @staticmethod
    def _on_trunk(tracked: Tracked, found: Outcome, now: datetime) -> bool:
        """Whether the trunk has all of it and the forge will say so: not when that has been so for long."""
        if not found.nothing or tracked.report is None:
            tracked.nothing = None
            return False
        tracked.nothing = tracked.nothing or now
        return now - tracked.nothing < _NOTHING

    def _read(self, tracked: Tracked, now: datetime) -> bool:
        """What people said, when there may be something new; and our own comment, the first time or when it is gone."""
        if tracked.read_again and tracked.read_again <= now:
            tracked.unread, tracked.read_again = True, None
        elif tracked.unread:
            tracked.read_again = now + _SAME_SECOND
        if not tracked.unread:
            return False
        number = tracked.pull.number
        comments = tuple(self.forge.comments(number))
        tracked.reviews = tuple(self.forge.reviews(number)) if self._voting.by_review(self._trunk()) else ()
        found = self._publisher.ours(number, comments)
        if found and tracked.posted is None:
            tracked.stage, tracked.posted = found.stage, Posted(body=found.body, summary="", at=now)
        elif found is None and tracked.posted and now - tracked.posted.at > _SETTLED:
            tracked.ours = tracked.posted = None  # somebody deleted it
        tracked.ours = found.id if found else tracked.ours
        tracked.others = heard(comments, tracked.ours)
        tracked.unread = False
        return True

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
            self._publisher.first_statuses(found.head, rows)
        take = self._voting.take if writing else self._voting.notes
        notes = take(tracked, keys, shown, trunk, now)
        asked = "approve" in commands(row.body for row in tracked.others)
        return replace(_planned(bare, found, trunk, keys, shown), uncounted=notes, asked=asked)

    def _bare(self, number: int, found: Outcome, trunk: Snapshot, now: datetime) -> PullReport:
        """The report before anything is planned."""
        return PullReport(
            repository=self.repository, number=number, stage=Stage.PLANNED, head=found.head, base=found.base,
            base_branch=self.branch, merge=Merge(conflicts=found.conflicts, unplanned=found.refused), at=now,
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
        told = [row for row in statuses(report, limit=_SENTENCE) if not nothing_changes(row)]
        said = "; ".join(f"{row.context.removeprefix(PREFIX)}: {row.description}" for row in told)
        return planned_entry(
            self._scene(now), tracked.pull, report.base, plan=report.digest, releases=tracked.asks,
            message=f"#{report.number} was planned: {said or 'nothing changes'}", text=text,
        )  # fmt: skip

    def _scene(self, now: datetime) -> Scene:
        return Scene(repository=self.repository, revision=None, files={}, now=now)

    def _keep(self, entry: OutboxEntry) -> None:
        """Write a record down, unless the ledger has it from before a restart, or is about to."""
        waiting = any(same_news(row.record, entry.record) for row in self._ledger.outbox())
        if waiting or any(same_news(link.record, entry.record) for link in reversed(self._ledger.chain.links)):
            return
        self._source.write_down(entry)

    # --- what a merge queue tries

    def queue(self, now: datetime) -> list[str]:
        """Post the statuses of the commits that the forge's merge queue asks for: each is a merge result itself.

        Returns a sentence for each that could not be told; the next one is none the worse for it.
        """
        prefix = self.forge.queue_prefix
        if not prefix:
            return []
        try:
            refs = self._source.mirror.refs_under(f"refs/heads/{prefix}{self.branch}")
        except ReconcilerError as error:
            return [error.message]
        self._queued &= set(refs.values())
        said = []
        for ref, revision in sorted(refs.items()):
            try:
                self._queue(ref, revision, now)
            except ReconcilerError as error:
                if isinstance(error, Retry) and error.reason in (UNREACHABLE, LIMITED):
                    raise
                said.append(f"{ref}: {error.message}")
                if not isinstance(error, Retry):
                    self._queued.add(revision)  # it will be no better the next time
        return said

    def _queue(self, ref: str, revision: Revision, now: datetime) -> None:
        """Tell one of them, unless it was told or moved meanwhile."""
        mirror, trunk = self._source.mirror, self._trunk()
        if revision in self._queued or mirror.fetch_ref(ref) != revision:
            return
        mirror.forget_ref(ref)
        found = of_commit(revision, self._source, trunk)
        report = self._bare(1, found, trunk, now)
        if found.publication is not None:
            report = _planned(report, found, trunk, chosen(found), self._world.showing(found.snapshot))
        self._publisher.statuses(revision, statuses(report, limit=self.forge.description_limit))
        self._queued.add(revision)

    # --- after the merge

    def follow(self, tracked: Tracked, now: datetime) -> datetime | None:
        """Tell what became of what it asked for; returns when to look again, None when there is nothing more to say."""
        trunk, pull = self._trunk(), tracked.pull
        heard_now = self._read(tracked, now)
        if tracked.stage is Stage.ENDED or pull.merged is None:
            return None
        if not self._source.mirror.contains(trunk.revision, pull.merged):
            late = now - (pull.merged_at or now) > _FOLLOWED
            return None if late else now + _UNTIL_ACCEPTED
        asks = tracked.asks = tracked.asks or merged_asks(pull, self._source)
        if heard_now or tracked.judged != trunk.revision:
            self._voting.take(tracked, asks, self._world, trunk, now)  # an approval may come late
            tracked.judged = trunk.revision
        self._note(tracked, now)
        rows = self._progress(asks.values(), trunk, now)
        if not rows:
            return None
        if all(row.ended for row, _ in rows) and not all(written for _, written in rows):
            return now + _UNTIL_WRITTEN
        return self._tell_of(tracked, trunk, tuple(row for row, _ in rows), now)

    def _note(self, tracked: Tracked, now: datetime) -> None:
        """Write down that it was merged, once."""
        if not tracked.noted:
            digest = tracked.report.digest if tracked.report else ""
            self._keep(merged_entry(self._scene(now), tracked.pull, plan=digest, releases=tracked.asks))
            tracked.noted = True

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

    def _progress(self, asks: Iterable[Asked], trunk: Snapshot, now: datetime) -> list[tuple[ReleaseProgress, bool]]:
        """How far each release is, and whether the ledger has all that is to be told of it."""
        handles = self._world.fleet.handles(self.repository)
        found = []
        for asked in asks:
            stored = self._world.release_state(asked.key)
            status = stored.status if stored else None
            file = trunk.releases.get(asked.key)
            names = [ClusterName(name) for name in (status.directives if status else ())]
            row = follow(
                asked, status, trunk=file.sha256 if file else None,
                targets={name: handles[name].target(asked.key) if name in handles else None for name in names},
                now=now,
            )  # fmt: skip
            written = row.ended and all(self._ledger.has(entry) for entry in (status.outbox if status else ()))
            found.append((row, written))
        numbers = self._records({row.key for row, written in found if written})
        return [(replace(row, record=numbers.get(row.key)), written) for row, written in found]

    def _records(self, keys: Collection[ReleaseKey]) -> Mapping[ReleaseKey, int]:
        """The numbers of the last records about these releases: one look through the ledger for all of them."""
        wanted: dict[tuple[str, str], ReleaseKey] = {(key.environment, key.name): key for key in keys}
        found: dict[ReleaseKey, int] = {}
        for link in reversed(self._ledger.chain.links):
            if not wanted:
                break
            key = wanted.pop((link.record.environment, link.record.name), None)
            if key is not None:
                found[key] = link.record.sequence
        return found

    # --- the end

    def say_trouble(self, message: str, reason: str) -> None:
        """Keep what keeps us from the forge; empty: nothing does."""
        say_trouble(self._world.home, self.repository, self.branch, message, reason, self._world.now())

    def forget(self, tracked: Tracked) -> None:
        """It needs to be looked at no more."""
        if not tracked.merged:
            self._world.wake_releases(self._voting.drop(tracked.pull.number))
        self._source.mirror.forget_head(tracked.pull.ref)


def _planned(bare: PullReport, found: Outcome, trunk: Snapshot, keys: Iterable[ReleaseKey], shown: World) -> PullReport:
    """The report with what the releases' passes would come to."""
    previews = tuple(row for row in previews_of(shown, keys) if row.key in found.asks or not row.is_empty)
    unseen = max(0, len(found.asks) - PLANNED)
    return replace(
        bare, merge=Merge(tree=found.tree), previews=previews, governing=governing_changes(trunk, found.snapshot),
        unseen=unseen, beside=max(0, len(found.asks.keys() | found.affected) - PLANNED - unseen),
    )  # fmt: skip


def chosen(found: Outcome) -> list[ReleaseKey]:
    """The releases that are planned: those that it changes first, and of very many the first."""
    rest = found.affected - found.asks.keys()
    return [*sorted(found.asks), *sorted(rest)][:PLANNED]
