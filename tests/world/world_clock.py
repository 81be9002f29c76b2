"""The time of a simulated world, which moves only when somebody moves it, and chance that can be played again.

Rules: whatever in the product or in the embedded clusters asks for a time, sleeps, or throws dice asks this clock and
these dice, so that a seed always plays the same world and no test waits; git and the policy worker are processes of
their own and keep the real time for their timeouts.
"""

import contextlib
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from unittest.mock import patch

from reconciler.demo.api import admission, store, watch
from reconciler.demo.api.controllers import agenda, pods, replicaset
from reconciler.demo.api.controllers import world as controllers_world
from reconciler.edges.kube import circuit, connect, feed, lease, resources
from reconciler.edges.kube import watch as kube_watch
from reconciler.loop import backoff, daemon, fleet, leader, worker

BEGIN = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)  # a Tuesday, inside office hours
_TIMES = (
    store,
    watch,
    agenda,
    pods,
    circuit,
    connect,
    feed,
    lease,
    resources,
    kube_watch,
    daemon,
    fleet,
    leader,
    worker,
)
_DATES = (admission, controllers_world)
_DICE = (circuit, feed, backoff)


class Clock:
    """Simulated time."""

    def __init__(self) -> None:
        self.passed = 0.0  # seconds since the world began

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.passed)

    # --- what the module `time` has

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def time(self) -> float:
        return self.now().timestamp()

    def time_ns(self) -> int:
        return int(self.time() * 1e9)

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"somebody wants to sleep for {seconds} s")


class Dice:
    """What the modules `random`, `secrets` and `uuid` give, from one seed."""

    def __init__(self) -> None:
        self.source = random.Random(0)  # noqa: S311  # a play, not a secret

    def uniform(self, low: float, high: float) -> float:
        return self.source.uniform(low, high)

    def randint(self, low: int, high: int) -> int:
        return self.source.randint(low, high)

    def choice(self, rows: Any) -> Any:
        return self.source.choice(rows)

    def token_hex(self, size: int) -> str:
        return self.source.randbytes(size).hex()

    def uuid4(self) -> uuid.UUID:
        return uuid.UUID(bytes=self.source.randbytes(16), version=4)


@contextlib.contextmanager
def simulated(clock: Clock, dice: Dice) -> Iterator[None]:
    """Everything asks this clock and throws these dice."""

    class Now(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return clock.now().astimezone(tz)

    swaps: list[tuple[ModuleType, str, Any]] = [(module, "time", clock) for module in _TIMES]
    swaps += [(module, "datetime", Now) for module in _DATES]
    swaps += [(module, "random", dice) for module in _DICE]
    swaps += [(admission, "uuid", dice), (admission, "secrets", dice), (replicaset, "secrets", dice)]
    with contextlib.ExitStack() as undo:
        for module, name, value in swaps:
            undo.enter_context(patch.object(module, name, value))
        yield
