"""One repository's pull requests: which there are, which has to be looked at, and when. One thread; the poll is truth.

What is looked at and said is in `one`. A pull request is looked at when somebody pushed, commented or reviewed, when
the trunk moved in a way that concerns it, when a gate of its plan opens by time, when a release that it changed moved
on after the merge, and every few minutes; webhooks only say *look now*. Promotions that are due are asked for when
nothing else is to be done. A forge that is down or says "slower" costs
time here and nowhere else.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from reconciler.errors import NotFound, ReconcilerError, Retry
from reconciler.loop.pulls.one import One
from reconciler.loop.pulls.proposing import Promoter
from reconciler.loop.pulls.tracked import Tracked
from reconciler.loop.snapshot import Publication
from reconciler.model.ids import ReleaseKey
from reconciler.model.pull import PullRequest, PullState

LOOK_BACK = timedelta(days=1)  # what was merged before is not followed after a restart
FOLLOWED = 100  # merged pull requests that are followed after a restart, the newest
AGAIN = timedelta(minutes=5)  # a plan is made again this often, and posted when it says something else
HINT_AGAIN = timedelta(seconds=2)  # however many webhooks come, the forge is asked this often at most
PROMOTE_AGAIN = timedelta(seconds=5)  # however many releases move, promotions are looked for this often at most
_SOON = timedelta(seconds=1)  # releases move several times in a moment
_ERROR = timedelta(seconds=30)
_STANDBY = 1.0  # seconds


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
        self._hinted = now()  # when a hint may make us ask at the earliest
        self._begun = False
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
        """A release's state was written: whoever merged it wants to know."""
        with self._lock:
            concerned = [row for row in self._tracked.values() if row.merged and key in row.asks]
            for tracked in concerned:
                tracked.look_at(self._now() + _SOON)
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
                stop.wait(_STANDBY)
                continue
            self._wanted.clear()
            wait = self.turn()
            if wait:
                self._wanted.wait(min(wait, self._poll.total_seconds()))

    def wake(self) -> None:
        """Turn at once: the end, for one."""
        self._wanted.set()

    def turn(self) -> float:
        """One step: a poll, or one pull request; returns the seconds until the next is due."""
        now = self._now()
        if not self._one.ready:
            return _STANDBY
        try:
            if self._poll_at is None or self._poll_at <= now:
                self._poll_at, self._hinted = now + self._poll, now + HINT_AGAIN
                self._list(now)
                return 0.0
            tracked = self._due(now)
            if tracked is not None:
                self._pass(tracked, now)
                return 0.0
            if self._promote_at is not None and self._promote_at <= now:
                self._promote(now)
                return 0.0
        except Retry as error:
            self._failed(error, now + max(timedelta(seconds=error.after), _ERROR))
        except ReconcilerError as error:
            self._failed(error, now + AGAIN)
        except Exception:  # noqa: BLE001  # a fault of ours must not end the thread: nobody would be told anything
            self._log.exception("pull requests not read", repository=self._one.repository)
            self._poll_at = now + AGAIN
        return self._wait(self._now())

    def _failed(self, error: ReconcilerError, again: datetime) -> None:
        """The forge cannot be asked: go on later, all of it."""
        self._poll_at = again
        if self.trouble != error.message:
            self._log.warning("forge not reached", repository=self._one.repository, error=error.message)
        self.trouble = error.message

    def _wait(self, now: datetime) -> float:
        with self._lock:
            moments = [row.due for row in self._tracked.values() if row.due]
            moments += [moment for moment in (self._poll_at, self._promote_at) if moment]
        if self.trouble and self._poll_at:
            moments = [self._poll_at]
        return max(0.0, (min(moments) - now).total_seconds()) if moments else 0.0

    def _due(self, now: datetime) -> Tracked | None:
        """The pull request that waits longest; none while the forge is not to be asked."""
        with self._lock:
            rows = [row for row in self._tracked.values() if row.due and row.due <= now]
        return min(rows, key=lambda row: (row.due, row.pull.number), default=None)

    def _list(self, now: datetime) -> None:
        """Take over what the forge has."""
        found = {pull.number: pull for pull in self._one.forge.pulls() if self._forks or not pull.fork}
        self.trouble = ""
        if not self._begun:
            merged = self._one.forge.merged_since(now - LOOK_BACK)
            found |= {pull.number: pull for pull in merged[-FOLLOWED:] if self._forks or not pull.fork}
            self._begun = True
        for number in sorted(found):
            self._take(found[number], now)
        with self._lock:
            gone = [row for row in self._tracked.values() if row.pull.number not in found and not row.merged]
        for tracked in gone:
            self._ended(tracked, now)
        self._one.queue(now)

    def _take(self, pull: PullRequest, now: datetime) -> None:
        with self._lock:
            tracked = self._tracked.setdefault(pull.number, Tracked(pull=pull, due=now))
            if tracked.pull != pull:
                tracked.pull = pull
                tracked.unread = True
                tracked.look_at(now)

    def _ended(self, tracked: Tracked, now: datetime) -> None:
        """It is not open any more: follow what was merged, forget what was not."""
        with self._lock:
            self._promote_by(now)  # it may have stood in the way of one of ours
        try:
            pull = self._one.forge.pull(tracked.pull.number)
        except NotFound:
            pull = None
        if pull is not None and pull.state is PullState.OPEN:
            return  # opened again meanwhile, or the list was behind
        if pull is not None and pull.state is PullState.MERGED:
            with self._lock:
                tracked.pull = pull
                tracked.unread = True
                tracked.look_at(now)
            return
        self._forget(tracked)

    def _forget(self, tracked: Tracked) -> None:
        with self._lock:
            self._tracked.pop(tracked.pull.number, None)
        self._one.forget(tracked)

    def _pass(self, tracked: Tracked, now: datetime) -> None:
        """Look at one; what is wrong with one keeps nobody else."""
        tracked.due = None
        try:
            again = self._one.follow(tracked, now) if tracked.merged else self._one.plan(tracked, now)
        except Retry as error:
            tracked.look_at(now + max(timedelta(seconds=error.after), _ERROR))
            if error.reason.startswith("Forge"):
                raise
            self._log.debug("pull request not planned", number=tracked.pull.number, error=error.message)
            return
        except ReconcilerError as error:
            tracked.look_at(now + AGAIN)
            self._log.warning("pull request not told", number=tracked.pull.number, error=error.message)
            return
        if again is None and tracked.merged:
            self._forget(tracked)
        else:
            tracked.look_at(min(again or now + AGAIN, now + AGAIN))

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
            if error.reason.startswith("Forge"):
                raise
            self._log.debug("promotions not proposed", repository=self._one.repository, error=error.message)
        finally:
            with self._lock:
                self._promote_by(again)
