"""Opens the pull requests of automatic promotions: a branch with one unsigned change, and who has to sign it.

What is to be asked for is decided in `promoting`. Rules: the commit is signed with our key, which says who made it and
releases nothing; only branches of ours are written, by compare-and-swap, and none that somebody else pushed to; before
anything is made it is looked for, so a crash between commit, push, opening and record makes no second one; of one
release and environment one is open: a later version takes the place of an earlier one, and none is opened beside what
people opened.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from reconciler.digest import blob_id
from reconciler.edges.forge.protocol import Forge
from reconciler.edges.git import Actor, Writer
from reconciler.errors import NotFound, ReconcilerError, Refused, Retry
from reconciler.loop.ledger import Ledger
from reconciler.loop.pulls.promoting import (
    NotNow,
    Proposed,
    Ready,
    Texts,
    automatic,
    begun_in,
    candidates,
    declined,
    promotion_of,
    proposed,
)
from reconciler.loop.pulls.tracked import Tracked
from reconciler.loop.recording import Scene, proposed_entry
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.sources import Source
from reconciler.loop.world import World
from reconciler.model.branches import supersedes
from reconciler.model.ids import ReleaseKey, Revision
from reconciler.model.pull import PullRequest, PullState
from reconciler.model.record import OutboxEntry, Record
from reconciler.model.state import ReleaseStatus
from reconciler.model.wire import format_duration, format_time
from reconciler.plan.markdown import code
from reconciler.trust.keys import PrivateKey
from reconciler.trust.sshsig import GIT_NAMESPACE, sign

_AGAIN = timedelta(minutes=5)
_OF_ALL = ("Forge", "Push", "Fetch")  # why a thing is to be tried again that the next one would meet, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """With what we write: our key and name, where the pull requests go to, and the watched folder."""

    key: PrivateKey
    actor: Actor
    branch: str
    folder: str

    def path(self, path: str) -> str:
        """A path of the watched folder as the repository has it."""
        return path if self.folder in ("", ".") else f"{self.folder.strip('/')}/{path}"

    def sign(self, payload: bytes) -> str:
        """Our signature of a commit."""
        return sign(self.key, payload, GIT_NAMESPACE)


class Promoter:
    """One repository's automatic promotions. One thread uses it, but for `follows`."""

    def __init__(self, world: World, source: Source, ledger: Ledger, forge: Forge, hand: Hand, log: Any) -> None:
        self._world = world
        self._source = source
        self._ledger = ledger
        self._forge = forge
        self._hand = hand
        self._log = log
        self._writer = Writer(source.mirror)
        self._texts = Texts(source.mirror.trees.read)
        self._said: list[OutboxEntry] = []  # what we wrote down: the home cluster's cache may not have it yet
        self._ended: dict[int, PullState] = {}
        self._blobs: dict[tuple[Revision, str], str] = {}
        self._failed: dict[str, datetime] = {}  # by branch, when to try again

    def follows(self, key: ReleaseKey) -> bool:
        """Whether what moved may be promoted by itself, or be promoted to."""
        trunk = self._source.snapshot
        rows = automatic(trunk) if trunk else {}
        return any(key.environment in (name, row.spec.after) for name, row in rows.items())

    def turn(self, tracked: Sequence[Tracked], now: datetime) -> datetime | None:
        """Open at most one, and keep those that are open in order; returns when to look again by time alone.

        Raises Retry, and what the forge refuses to list.
        """
        trunk = self._source.snapshot
        found = self._found(trunk, now) if trunk else []
        moments = [row.again for row in found if isinstance(row, NotNow) and row.again]
        self._failed = {branch: moment for branch, moment in self._failed.items() if moment > now}
        ready = [row for row in found if isinstance(row, Ready) and row.branch not in self._failed]
        if trunk is None or not ready:
            return min([*moments, *self._failed.values()], default=None)
        turn = _Turn(
            trunk=trunk, now=now, tracked={row.pull.number: row for row in tracked},
            pulls=[pull for pull in self._forge.pulls() if not pull.fork],
            told=proposed([*self._ledger.records(), *(row.record for row in self._said)]),
        )  # fmt: skip
        for pull in turn.pulls:
            self._ended.pop(pull.number, None)  # opened again
        for row in ready:
            try:
                opened = self._bring(row, turn)
            except ReconcilerError as error:
                if isinstance(error, Retry) and error.reason.startswith(_OF_ALL):
                    raise
                self._failed[row.branch] = now + _AGAIN
                self._log.warning("promotion not proposed", release=str(row.key), error=error.message)
                continue
            if opened:
                return now  # the next one in the next turn
        return min([*moments, *self._failed.values()], default=None)

    def _found(self, trunk: Snapshot, now: datetime) -> list[Ready | NotNow]:
        records: list[Record] = []

        def begun(key: ReleaseKey) -> frozenset[str]:
            records[:] = records or self._ledger.records()
            return begun_in(records, key)

        def status(key: ReleaseKey) -> ReleaseStatus | None:
            state = self._world.release_state(key)
            return state.status if state else None

        return [
            promotion_of(key, environment, trunk, status, self._texts, self._world.unpack, begun, now)
            for key, environment in candidates(trunk)
        ]

    # --- one of them

    def _bring(self, ready: Ready, turn: "_Turn") -> bool:
        """See to it that one is asked for; True when a pull request was opened."""
        rows = turn.told.get(str(ready.key), ())
        latest = {row.number: row for row in rows}
        mine = [pull for pull in turn.pulls if pull.number in latest]
        current = next((pull for pull in mine if latest[pull.number].version == ready.version), None)
        if current is None:
            if turn.others(ready, latest, self._is_ours) or declined(ready, rows, self._state):
                return False
            current = self._open(ready, mine, turn)
            self._close(ready, current, mine, latest)
            return True
        self._refresh(ready, current, latest[current.number], turn)
        self._close(ready, current, mine, latest)
        return False

    def _open(self, ready: Ready, older: Sequence[PullRequest], turn: "_Turn") -> PullRequest:
        """Commit, push, open and write down; what is there already is gone on from."""
        ref = f"refs/heads/{ready.branch}"
        head = self._source.mirror.fetch_ref(ref)
        if head is None:
            head = self._commit(ready, turn)
            self._writer.push(ref, head, None)
        elif not self._is_ours(head) or self._blob(head, ready.path) != blob_id(ready.data):
            raise Refused(f"{ready.branch} is there already, and is somebody else's")
        title, body = title_of(ready), body_of(ready)
        pull = self._forge.open_pull(head=ready.branch, base=self._hand.branch, title=title, body=body)
        self._tell(ready, pull, head, [row.number for row in older], turn)
        self._log.info("promotion proposed", release=str(ready.key), number=pull.number)
        return pull

    def _commit(self, ready: Ready, turn: "_Turn") -> Revision:
        return self._writer.commit_files(
            {self._hand.path(ready.path): ready.data}, base=turn.trunk.revision,
            message=f"{title_of(ready)}\n\n{body_of(ready)}", author=self._hand.actor, committer=self._hand.actor,
            when=turn.now, sign=self._hand.sign,
        )  # fmt: skip

    def _tell(self, ready: Ready, pull: PullRequest, head: Revision, older: Iterable[int], turn: "_Turn") -> None:
        """Write down what was asked for, before anything else is done about it."""
        scene = Scene(repository=self._source.repository, revision=None, files={}, now=turn.now)
        said = f"#{pull.number} asks to promote {ready.key.name} {ready.after[0]} to {ready.key.environment}: "
        said += f"healthy in {ready.source.environment} since {format_time(ready.since)}"
        entry = proposed_entry(
            scene, replace(pull, head=head), turn.trunk.revision, of=ready.key,
            source=ready.source, manifest=ready.manifest, version=ready.version, supersedes=older, message=said,
        )  # fmt: skip
        self._source.write_down(entry)
        self._said = [row for row in self._said if not self._ledger.has(row)] + [entry]

    def _refresh(self, ready: Ready, pull: PullRequest, last: Proposed, turn: "_Turn") -> None:
        """Make the commit anew where the trunk moved below it, while nobody else pushed to the branch."""
        if not self._untouched(pull, last):
            return
        self._source.mirror.fetch_head(pull.ref, pull.head)
        if self._blob(pull.head, ready.path) == blob_id(ready.data) and not turn.conflicts(pull):
            return
        head = self._commit(ready, turn)
        self._writer.restore(f"refs/heads/{pull.head_branch}", head, pull.head)
        self._tell(ready, pull, head, (), turn)

    def _close(
        self, ready: Ready, current: PullRequest, mine: Iterable[PullRequest], latest: Mapping[int, Proposed]
    ) -> None:
        """Close what it takes the place of, with a word; its branch goes while it is as we made it."""
        for older in mine:
            if older.number == current.number or not supersedes(current.head_branch, older.head_branch):
                continue
            word = f"Superseded by #{current.number}."
            if all(row.body != word for row in self._forge.comments(older.number)):
                self._forge.comment(older.number, word)
            self._forge.close_pull(older.number)
            if self._untouched(older, latest[older.number]):
                self._delete(older)
            self._log.info("promotion superseded", release=str(ready.key), number=older.number, by=current.number)

    def _delete(self, pull: PullRequest) -> None:
        """Take its branch away; one that stays is in nobody's way."""
        try:
            self._writer.delete(f"refs/heads/{pull.head_branch}", pull.head)
        except ReconcilerError as error:
            self._log.info("branch not deleted", branch=pull.head_branch, error=error.message)

    # --- looking

    def _untouched(self, pull: PullRequest, last: Proposed) -> bool:
        """Whether its branch ends where we left it; a commit of ours may not have been written down."""
        if pull.head != last.head:
            self._source.mirror.fetch_head(pull.ref, pull.head)
        return pull.head == last.head or self._is_ours(pull.head)

    def _is_ours(self, head: Revision) -> bool:
        """Whether a commit of the mirror says that we made it; that is believed of branches of ours only."""
        try:
            commit = self._source.mirror.trees.commit(head)
        except NotFound:
            return False
        return commit.author == commit.committer == self._hand.actor  # whoever amends it is its committer

    def _blob(self, head: Revision, path: str) -> str:
        """The id of a file of the watched folder at a commit; empty where there is none."""
        if (head, path) not in self._blobs:
            self._blobs[head, path] = self._source.mirror.trees.walk(head, self._hand.folder).files.get(path, "")
        return self._blobs[head, path]

    def _state(self, number: int) -> PullState:
        """What became of a pull request that is not among the open ones; one that is gone was closed."""
        if number not in self._ended:
            try:
                state = self._forge.pull(number).state
            except NotFound:
                state = PullState.CLOSED
            if state is PullState.OPEN:
                return state  # the list was behind
            self._ended[number] = state
        return self._ended[number]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """What one turn looks at: the trunk, the open pull requests and their plans, and what we asked for before."""

    trunk: Snapshot
    now: datetime
    pulls: Sequence[PullRequest]
    tracked: Mapping[int, Tracked]
    told: Mapping[str, tuple[Proposed, ...]]

    def others(
        self, ready: Ready, ours: Mapping[int, Proposed], is_ours: Callable[[Revision], bool]
    ) -> PullRequest | None:
        """A pull request of people that promotes this release, by its branch or by what it would change."""
        for pull in self.pulls:
            left_behind = pull.head_branch == ready.branch and is_ours(pull.head)  # opened, and not written down
            if pull.number not in ours and not left_behind and self._promotes(ready, pull):
                return pull
        return None

    def _promotes(self, ready: Ready, pull: PullRequest) -> bool:
        if pull.head_branch == ready.branch or supersedes(ready.branch, pull.head_branch):
            return True
        plan = self.tracked.get(pull.number)
        asked = plan.asks.get(ready.key) if plan else None
        return asked is not None and asked.before != asked.after

    def conflicts(self, pull: PullRequest) -> bool:
        """Whether its plan says that it cannot be merged as it is."""
        plan = self.tracked.get(pull.number)
        return bool(plan and plan.report and plan.report.head == pull.head and plan.report.merge.conflicts)


def title_of(ready: Ready) -> str:
    """The pull request's title."""
    return f"Promote {ready.key.name} {ready.after[0]} from {ready.source.environment} to {ready.key.environment}"


def body_of(ready: Ready) -> str:
    """What it says of itself: from what to what, what speaks for it, and who has to sign."""
    name, source, target = ready.key.name, ready.source.environment, ready.key.environment
    healthy = f"healthy without a break since {format_time(ready.since)}"
    signs = (
        f"Somebody who may release in {code(target)} signs it with `reconciler sign --pr` and the number of this pull"
    )
    rows = [
        f"{name}: {source} → {target}, because environment {code(target)} says `promotion: auto`.",
        "",
        f"- model version {code(ready.before[0])} → {code(ready.after[0])}",
        f"- model digest {code(ready.before[1])} → {code(ready.after[1])}",
        f"- stable in {code(source)}, and {healthy}: for its soak of {format_duration(ready.soak)}",
        f"- {code(ready.path)} has no signature that counts: whoever opens this by itself can release nothing",
        "",
        f"{signs} request; then it is merged like any other. Closing it says no: the same is not asked for again.",
    ]
    return "\n".join(rows) + "\n"
