"""How one version follows another on one cluster: a table of pure functions, one file each.

A row's function is level-triggered: it gets the sizes that were told and the pods that were seen, and answers the sizes
to tell next. It may be called any number of times with the same step. The guards that hold for every row (a cluster
that has not acted yet, a failed candidate, a closed gate) are the machine's, so that no row can forget them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.errors import Misused
from reconciler.rollout.strategies import at_once, recreate, rolling
from reconciler.rollout.strategies.step import Step, StepSizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One row. `waits`: a step is taken only on a cluster that acted on the last one, and not after a failure.

    `back` are the sizes with which a known-good version returns at once to a release of this strategy.
    """

    sizes: Callable[[Step], StepSizes]
    waits: bool = True
    back: Callable[[Step], StepSizes] = at_once.sizes

    @property
    def returning(self) -> "Strategy":
        """The row that a known-good version returns by."""
        return Strategy(sizes=self.back, waits=False, back=self.back)


STRATEGIES = {
    "rolling": Strategy(sizes=rolling.sizes),
    "recreate": Strategy(sizes=recreate.sizes, back=at_once.instead),
}
"""What `spec.rollout.strategy` may name."""

AT_ONCE = Strategy(sizes=at_once.sizes, waits=False)
"""Not for a manifest to choose: the first release, and abort."""


def strategy_named(name: str) -> Strategy:
    """The row of that name; raises Misused when there is none."""
    try:
        return STRATEGIES[name]
    except KeyError:
        raise Misused(f"There is no strategy '{name}'; it is one of {', '.join(sorted(STRATEGIES))}.") from None
