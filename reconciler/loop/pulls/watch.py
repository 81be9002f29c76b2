"""One repository's pull requests: which there are, which has to be looked at, and when. One thread; the poll is truth.

What is looked at and said is in `one`. A pull request is looked at when somebody pushed, commented or reviewed, when
the trunk moved in a way that concerns it, when a gate of its plan opens by time, when a release that it changed moved
on after the merge, and every few minutes; webhooks only say *look now*. Promotions that are due are asked for when
nothing else is to be done. A forge that is down or says "slower" costs time here and nowhere else, and what is wrong
with one pull request keeps no other.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from reconciler.edges.forge.answers import UNREACHABLE
from reconciler.edges.forge.pace import LIMITED
from reconciler.errors import NotFound, ReconcilerError, Retry
from reconciler.loop.pulls.one import One
from reconciler.loop.pulls.proposing import Promoter
from reconciler.loop.pulls.tracked import Tracked, sound
from reconciler.loop.snapshot import Publication
from reconciler.model.ids import ReleaseKey
from reconciler.model.pull import PullRequest, PullState

WATCHED = 1_000  # open pull requests of one repository, the newest
LOOK_BACK = timedelta(days=1)  # what was merged before is not followed after a restart
FOLLOWED = 100  # merged pull requests that are followed after a restart, the newest
AGAIN = timedelta(minutes=5)  # a plan is made again this often, and posted when it says something else
HINT_AGAIN = timedelta(seconds=2)  # however many webhooks come, the forge is asked this often at most
PROMOTE_AGAIN = timedelta(seconds=5)  # however many releases move, promotions are looked for this often at most
_SOON = timedelta(seconds=1)  # releases move several times in a moment
_AT_ONCE = 50  # releases of one merge that are looked at in a second; of more later
_ERROR = timedelta(seconds=30)
_LONGEST = timedelta(hours=1)  # between two looks at one that fails
_STANDBY = 1.0  # seconds
_REFUSED = "ForgeRefused"


class PullRequests:
    """Watches the pull requests of one repository. `run` and `turn` are one thread's; everything else is anybody's."""

    def __init__(
        self, one: One, promoter: Promoter, *, poll: timedelta, forks: bool, leading: Callable[[], bool],
        now: Callable[[], datetime], log: Any,
    ) -> None:  # fmt: skip
        self._one = one
        self._promoter = promoter
        self._promote_at: datetime | None = now()
        self._poll = poll
        self._forks = forks
        self._leading = leading
        self._now = now
        self._log = log
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._tracked: dict[int, Tracked] = {}
        self._poll_at: datetime | None = None
        self._pause: datetime | None = None  # nothing is asked of the forge before
        self._hinted = now()  # when a hint may make us ask at the earliest
        self._begun = False
        self._telling = False  # whether the trouble is one of telling; else it is one of asking
        self._odd = ""
        self.trouble = ""
        """What keeps us from the forge; empty when nothing does."""

    # --- hints

    def look(self) -> None:
        """Ask the forge now: somebody says that something moved."""
        with self._lock:
            self._poll_at = min(self._poll_at, self._hinted) if self._poll_at else None
        self._wanted.set()

    def trunk_moved(self, publication: Publication) -> None:
        """The trunk was published: look again at what it concerns."""
        now = self._now()
        with self._lock:
            for tracked in self._tracked.values():
                if tracked.concerned_by(publication):
                    tracked.look_at(now)
            self._promote_by(now + _SOON)
        self._wanted.set()

    def release_moved(self, key: ReleaseKey) -> None:
        """A release's state was written: whoever merged it wants to know; of very many releases not each at once."""
        with self._lock:
            concerned = [row for row in self._tracked.values() if row.merged and key in row.asks]
            for tracked in concerned:
                tracked.look_at(self._now() + min(_SOON * (1 + len(tracked.asks) // _AT_ONCE), _ERROR))
            promotes = self._promoter.follows(key)
            if promotes:
                self._promote_by(self._now() + PROMOTE_AGAIN)
        if concerned or promotes:
            self._wanted.set()

    def _promote_by(self, moment: datetime) -> None:
        """Look for promotions then, or earlier. Under the lock."""
        self._promote_at = min(self._promote_at or moment, moment)

    # --- turning

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop`."""
        while not stop.is_set():
            if not self._leading():
                self.stand_by()
                stop.wait(_STANDBY)
                continue
            self._wanted.clear()
            wait = self.turn()
            if wait:
                self._wanted.wait(min(wait, self._poll.total_seconds()))

    def stand_by(self) -> None:
        """Another daemon leads: what we know of the forge is what it makes of it, so it is read anew later."""
        if not self._begun:
            return
        with self._lock:
            self._tracked.clear()
            self._poll_at = self._pause = None
        self._begun, self.trouble = False, ""
        self._one.stand_by()

    def wake(self) -> None:
        """Turn at once: the end, for one."""
        self._wanted.set()

    def turn(self) -> float:
        """One step: a poll, or one pull request; returns the seconds until the next is due."""
        now = self._now()
        if not self._one.ready:
            return _STANDBY
        if self._pause is not None and now < self._pause:
            return (self._pause - now).total_seconds()
        tracked = None
        try:
            if self._poll_due(now):
                self._list(now)
                self._answered(telling=False)
                return 0.0
            tracked = self._due(now)
            if tracked is not None:
                self._pass(tracked, now)
                return 0.0
            if self._promote_at is not None and self._promote_at <= now:
                self._promote(now)
                return 0.0
        except Retry as error:
            self._failed(error, now + max(timedelta(seconds=error.after), _ERROR), telling=tracked is not None)
        except ReconcilerError as error:
            self._failed(error, now + AGAIN, telling=tracked is not None)
        except Exception:  # noqa: BLE001  # a fault of ours must not end the thread: nobody would be told anything
            self._log.exception("pull requests not read", repository=self._one.repository)
            self._poll_at = now + AGAIN
        return self._wait(self._now())

    def _poll_due(self, now: datetime) -> bool:
        """Whether to ask for the list now; then the next time is set."""
        with self._lock:
            if self._poll_at is not None and self._poll_at > now:
                return False
            self._poll_at, self._hinted = now + self._poll, now + HINT_AGAIN
            return True

    def _failed(self, error: ReconcilerError, again: datetime, *, telling: bool) -> None:
        """The forge cannot be asked: go on later, all of it."""
        with self._lock:
            self._poll_at = self._pause = again
        self._tell(error, telling=telling)

    def _tell(self, error: ReconcilerError, *, telling: bool) -> None:
        """Say what keeps us from the forge, once."""
        if self.trouble != error.message:
            self._log.warning("forge not reached", repository=self._one.repository, error=error.message)
            self._say(error.message, error.reason if isinstance(error, Retry) else _REFUSED)
        self.trouble, self._telling = error.message, telling

    def _answered(self, *, telling: bool) -> None:
        """It answers again; that it lists what there is does not say that it takes what we tell it."""
        if self.trouble and (telling or not self._telling or not self._tracked):
            self._say("", "")
            self.trouble = ""

    def _say(self, message: str, reason: str) -> None:
        """Keep the trouble where people see it; who cannot be told now is told with the next one."""
        try:
            self._one.say_trouble(message, reason)
        except ReconcilerError as error:
            self._log.debug("trouble not kept", repository=self._one.repository, error=error.message)

    def _wait(self, now: datetime) -> float:
        with self._lock:
            moments = [row.due for row in self._tracked.values() if row.due]
            moments += [moment for moment in (self._poll_at, self._promote_at) if moment]
            first = min(moments, default=now)
            if self._pause:
                first = max(first, self._pause)
        return max(0.0, (first - now).total_seconds())

    def _due(self, now: datetime) -> Tracked | None:
        """The pull request that waits longest."""
        with self._lock:
            rows = [row for row in self._tracked.values() if row.due and row.due <= now]
        return min(rows, key=lambda row: (row.due, row.pull.number), default=None)

    # --- what the forge has

    def _list(self, now: datetime) -> None:
        """Take over what the forge has."""
        found = self._sound(self._one.forge.pulls())
        if not self._begun:
            merged = self._sound(self._one.forge.merged_since(now - LOOK_BACK))
            found = dict(sorted(merged.items())[-FOLLOWED:]) | found
            self._one.begin(found)
            self._begun = True
        for number in sorted(found):
            self._take(found[number], now)
        with self._lock:
            gone = [row for row in self._tracked.values() if row.pull.number not in found and not row.merged]
        for tracked in gone:
            self._ended(tracked, now)
        for sentence in self._one.queue(now):
            self._log.debug("merge queue not told", repository=self._one.repository, error=sentence)
        self._one.tidy()

    def _sound(self, pulls: Iterable[PullRequest]) -> dict[int, PullRequest]:
        """Those that are looked at, by number: of very many the newest, and nothing that cannot be."""
        rows = [pull for pull in pulls if self._forks or not pull.fork]
        found = {pull.number: pull for pull in rows if sound(pull, self._one.branch)}
        odd = f"{len(rows) - len(found)} are none that can be" if len(found) < len(rows) else ""
        if len(found) > WATCHED:
            odd = f"of {len(found)} open ones only the newest {WATCHED} are looked at"
            found = dict(sorted(found.items())[-WATCHED:])
        if odd and odd != self._odd:
            self._log.warning("pull requests left out", repository=self._one.repository, sentence=odd)
        self._odd = odd or self._odd
        return found

    def _take(self, pull: PullRequest, now: datetime) -> None:
        with self._lock:
            tracked = self._tracked.setdefault(pull.number, Tracked(pull=pull, due=now))
            if tracked.pull != pull and not (tracked.merged and pull.state is PullState.OPEN):  # a list may be behind
                self._moved(tracked, pull, now)

    def _moved(self, tracked: Tracked, pull: PullRequest, now: datetime) -> None:
        """Somebody pushed, commented, reviewed or merged."""
        tracked.pull, tracked.unread = pull, True
        tracked.failures, tracked.nothing = 0, None
        tracked.look_at(now)

    def _ended(self, tracked: Tracked, now: datetime) -> None:
        """It is not open any more: follow what was merged, forget what was not."""
        with self._lock:
            self._promote_by(now)  # it may have stood in the way of one of ours
        try:
            pull = self._one.forge.pull(tracked.pull.number)
        except NotFound:
            pull = None
        if pull is None or not sound(pull, self._one.branch) or pull.state is PullState.CLOSED:
            self._forget(tracked)
        elif pull.state is PullState.MERGED:
            with self._lock:
                self._moved(tracked, pull, now)
        elif len(self._tracked) > WATCHED:
            self._forget(tracked)  # else it was opened again meanwhile, or the list was behind

    def _forget(self, tracked: Tracked) -> None:
        with self._lock:
            self._tracked.pop(tracked.pull.number, None)
        self._one.forget(tracked)

    # --- one of them

    def _pass(self, tracked: Tracked, now: datetime) -> None:
        """Look at one; what is wrong with one keeps nobody else, unless the forge does not answer at all."""
        with self._lock:
            tracked.due = None
        again, trouble = now + AGAIN, ""
        try:
            moment = self._one.follow(tracked, now) if tracked.merged else self._one.plan(tracked, now)
            if moment is None and tracked.merged:
                self._forget(tracked)
            again, tracked.failures = min(moment or again, again), 0
            self._answered(telling=True)
        except Retry as error:
            again, trouble = now + self._patience(tracked, error), error.message
            if error.reason == LIMITED:  # of writes, it may be: what people say goes on being read
                self._tell(error, telling=True)
            if error.reason == UNREACHABLE:
                raise
        except ReconcilerError as error:
            trouble = error.message
        except Exception:  # noqa: BLE001  # a fault of ours that one pull request brings out
            self._log.exception("pull request not told", repository=self._one.repository, number=tracked.pull.number)
        finally:
            with self._lock:
                tracked.look_at(again)
        if trouble and trouble != tracked.trouble:
            self._log.warning("pull request not told", number=tracked.pull.number, error=trouble)
        tracked.trouble = trouble

    @staticmethod
    def _patience(tracked: Tracked, error: Retry) -> timedelta:
        """How long to wait after a look that failed: longer each time, unless somebody says how long."""
        if error.after:
            return timedelta(seconds=error.after)
        if error.reason == UNREACHABLE:
            return _ERROR
        tracked.failures += 1
        return min(_ERROR * (1 << min(tracked.failures - 1, 10)), _LONGEST)

    # --- promotions

    def _promote(self, now: datetime) -> None:
        """Ask for what is to be promoted by itself; every other matter of pull requests went first."""
        with self._lock:
            self._promote_at = None
            tracked = list(self._tracked.values())
        again = now + AGAIN
        try:
            again = min(self._promoter.turn(tracked, now) or again, again)
        except Retry as error:
            again = now + max(timedelta(seconds=error.after), _ERROR)
            if error.reason in (LIMITED, UNREACHABLE):
                raise
            self._log.debug("promotions not proposed", repository=self._one.repository, error=error.message)
        finally:
            with self._lock:
                self._promote_by(again)
