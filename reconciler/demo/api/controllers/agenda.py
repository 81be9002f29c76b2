"""What the controllers still have to look at, and when: keys now, keys later, and a thread that sleeps in between.

One key is there at most once "now"; "later" keeps only the earliest time. `take` gives all that is due in one round, so
that many changes of one object are looked at once.
"""

import heapq
import threading
import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """One thing to look at. Rounds work in the order of `rank`, lowest first."""

    rank: int
    kind: str
    namespace: str
    name: str


@dataclass(slots=True)
class Agenda:
    """`add` and `later` are for the controllers' own thread; `wake` and `stop` for any."""

    _now: set[Task] = field(default_factory=set)
    _later: list[tuple[float, Task]] = field(default_factory=list)
    _due: dict[Task, float] = field(default_factory=dict)
    _woken: threading.Event = field(default_factory=threading.Event)
    _stopped: bool = False

    def add(self, task: Task) -> None:
        """Look at it in the next round."""
        self._now.add(task)

    def later(self, task: Task, seconds: float) -> None:
        """Look at it after `seconds`, or earlier when that was asked before."""
        due = time.monotonic() + seconds
        if due < self._due.get(task, float("inf")):
            self._due[task] = due
            heapq.heappush(self._later, (due, task))

    def waits(self, task: Task) -> bool:
        """Whether a later look at it is still to come."""
        return task in self._due

    def wake(self) -> None:
        """Something has arrived."""
        self._woken.set()

    def stop(self) -> None:
        """The next `wait` answers False."""
        self._stopped = True
        self._woken.set()

    def wait(self) -> bool:
        """Sleep until something is due or has arrived; False when it is over."""
        if not self._now:
            self._woken.wait(max(0.0, self._later[0][0] - time.monotonic()) if self._later else None)
        self._woken.clear()
        return not self._stopped

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def take(self) -> list[Task]:
        """All that is due, in order; it is off the agenda."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            due, task = heapq.heappop(self._later)
            if self._due.get(task) == due:
                del self._due[task]
                self._now.add(task)
        tasks = sorted(self._now)
        self._now.clear()
        return tasks
