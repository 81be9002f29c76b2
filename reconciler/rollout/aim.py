"""Where a pass steers to: the relation between what the trunk asks for and what is accepted, as one course.

Not how it gets there: `cluster` moves each cluster along the course and `strategies` say in which sizes. Rules: a
closed gate never changes what was accepted before; a return to stable or to a known-good version is never blocked, nor
is one that is under way stopped by what the trunk asks for next; what was retired stays so until something else is
accepted. A version whose hook failed after it ran is given up for what is stable.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from reconciler.model.ids import Version
from reconciler.model.state import ASLEEP, ROLLING, FailedHook, Phase, Role
from reconciler.rollout.hooks import given_up
from reconciler.rollout.situation import Progress, Runnable, Situation
from reconciler.rollout.strategies import AT_ONCE, Strategy, strategy_named


class Course(Enum):
    """What this pass does."""

    IDLE = auto()  # nothing was ever accepted
    STEADY = auto()  # stable runs and its autoscaler is free
    HOLD = auto()  # a gate closed on a candidate in flight: every size stays
    FIRST = auto()  # nothing serves yet: straight to ready
    STEP = auto()  # the candidate follows stable by the strategy
    RETURN = auto()  # a known-good version follows stable at once
    ABORT = auto()  # stable gets its full size back, the candidate goes
    WAKE = auto()  # what was retired gets its size again, in place
    RETIRE = auto()  # nothing is to serve: everything goes to zero and stays known


_SETTLING = (Course.STEADY, Course.ABORT, Course.WAKE, Course.RETIRE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """`goal` is the version this pass brings up, `base` the one it takes over from (None: from nothing).

    `kept` are the previous versions that stay, scaled to zero. `restarted`: the goal was not the last pass's candidate.
    `failed` is the hook for which a version was given up: its Jobs stay for people to look at. A first release has
    nothing to be given up for.
    """

    course: Course
    strategy: Strategy = AT_ONCE
    goal: Runnable | None = None
    base: Runnable | None = None
    kept: tuple[Runnable, ...] = ()
    restarted: bool = False
    failed: FailedHook | None = None

    @property
    def hooked(self) -> bool:
        """True when the goal's hooks run on the way."""
        return self.course in (Course.FIRST, Course.STEP)

    @property
    def given_up(self) -> Version | None:
        """The version that was given up."""
        return self.failed.version if self.failed else None

    @property
    def stable(self) -> Runnable | None:
        """What is stable while this pass's course lasts."""
        return self.goal if self.course in _SETTLING else self.base

    @property
    def candidate(self) -> Runnable | None:
        """What is on its way to become stable."""
        return None if self.course in _SETTLING else self.goal

    @property
    def moves(self) -> bool:
        """True while sizes change by themselves, so that there is something to look for."""
        return self.course in (Course.FIRST, Course.STEP, Course.RETURN, Course.ABORT, Course.WAKE)

    @property
    def role(self) -> Role:
        """What the goal is while it comes up."""
        return Role.STABLE if self.course in _SETTLING else Role.CANDIDATE


def choose(situation: Situation) -> Aim:
    """The course of this pass. Raises Misused for a strategy that the table does not have."""
    wanted, progress = situation.wanted, situation.progress
    stable, asked = progress.stable, wanted.runnable
    if asked.retired if wanted.accepted else progress.phase in ASLEEP:
        return _retire(situation)
    if stable is not None and asked.version == stable.version:
        aim = _settle(situation, asked if wanted.accepted else stable)
        return aim if wanted.accepted else replace(aim, failed=progress.failed)
    failed = given_up(situation)
    if stable is not None and failed is not None:
        return replace(_settle(situation, stable), failed=failed)
    if wanted.accepted:
        return replace(_follow(situation, asked, at_once=wanted.known_good), failed=failed)
    return _go_on(situation)


def _go_on(situation: Situation) -> Aim:
    """What was accepted before, while what the trunk asks for is not."""
    progress, stable = situation.progress, situation.progress.stable
    if progress.candidate is None:
        return Aim(course=Course.IDLE) if stable is None else _settle(situation, stable)
    if progress.phase is Phase.ROLLING_BACK and stable is not None:
        return _follow(situation, progress.candidate, at_once=True)
    kept = _kept(situation, stable)
    return Aim(course=Course.HOLD, goal=progress.candidate, base=stable, kept=kept, failed=progress.failed)


def kept_after(situation: Situation, goal: Runnable) -> tuple[Runnable, ...]:
    """The previous versions that stay once `goal` is stable: the newest distinct ones, the old stable first."""
    stable = situation.progress.stable
    return _newest(((stable,) if stable else ()) + situation.progress.previous, situation.depth, goal)


def _retire(situation: Situation) -> Aim:
    """What is stable stays known, with the spec that retired it; what was never promoted goes altogether."""
    wanted, stable = situation.wanted, situation.progress.stable
    if stable is not None and wanted.accepted and wanted.runnable.version == stable.version:
        stable = wanted.runnable
    return Aim(course=Course.RETIRE, goal=stable, kept=_kept(situation, stable))


def _settle(situation: Situation, stable: Runnable) -> Aim:
    if stable.retired:
        return _retire(situation)
    if _waking(situation.progress):
        course = Course.WAKE
    else:
        course = Course.ABORT if _in_flight(situation.progress) else Course.STEADY
    return Aim(course=course, goal=stable, kept=_kept(situation, stable))


def _follow(situation: Situation, goal: Runnable, *, at_once: bool) -> Aim:
    progress = situation.progress
    before, base = progress.candidate, progress.stable
    if base is None:
        course, strategy = Course.FIRST, AT_ONCE
    elif at_once:
        course, strategy = Course.RETURN, strategy_named(situation.strategy).returning
    else:
        course, strategy = Course.STEP, strategy_named(situation.strategy)
    return Aim(
        course=course,
        strategy=strategy,
        goal=goal,
        base=base,
        kept=_kept(situation, base, goal),
        restarted=before is None or before.version != goal.version,
    )


def _waking(progress: Progress) -> bool:
    """True from the pass in which a retired release is active again until it is ready: no candidate prepares then."""
    return progress.candidate is None and progress.phase in (*ASLEEP, Phase.PREPARING)


def _in_flight(progress: Progress) -> bool:
    return progress.candidate is not None or progress.phase in ROLLING


def _kept(situation: Situation, *running: Runnable | None) -> tuple[Runnable, ...]:
    return _newest(situation.progress.previous, situation.depth, *running)


def _newest(versions: tuple[Runnable, ...], depth: int, *without: Runnable | None) -> tuple[Runnable, ...]:
    running = {runnable.version for runnable in without if runnable is not None}
    distinct: dict[str, Runnable] = {}
    for runnable in versions:
        if runnable.version not in running:
            distinct.setdefault(runnable.version, runnable)
    return tuple(distinct.values())[:depth]
