"""One cluster's next step along the course.

Not the sizes (a strategy says them), not the phase (the machine). Rules: a step starts from what was told and what was
reported, never from a step's number. A cluster that finished gets its autoscaler back without waiting for the others.
"""

from dataclasses import dataclass, replace

from reconciler.model.state import Role, VersionDirective, VersionHealth
from reconciler.rollout.aim import Aim
from reconciler.rollout.hooks import Waiting, due, next_hook
from reconciler.rollout.sentence import because, name_of
from reconciler.rollout.situation import Runnable
from reconciler.rollout.strategies.step import Arm, Step, StepSizes, ready_of
from reconciler.rollout.told import Versions, beside, fixed, free, serves_another, steady
from reconciler.rollout.view import View, pinned

_STILL_COMING = frozenset({"", "NotCreated", "PodsNotReady", "SmokePending"})
"""Reasons that say no more than that pods are on their way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What one cluster is told. `ready` counts the goal's pods; `waiting` says what is missing unless it is `done`.

    `before` is the hook that must complete before the goal starts here.
    """

    view: View
    versions: Versions
    full: int
    ready: int
    done: bool
    waiting: str
    before: Waiting | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stand:
    """Where a cluster stands on its way: the goal's and the base's entries, and the step that follows from them.

    `entry` is None until the goal has begun here; `finished` when the goal has its autoscaler and the base is at zero.
    """

    goal: Runnable
    entry: VersionDirective | None
    base: VersionDirective | None
    finished: bool
    full: int
    step: Step


def hold(aim: Aim, view: View) -> Versions:
    """What it was told before. A cluster that joins gets stable, and one emptied for the candidate gets it back."""
    stable = aim.base
    if stable is None or stable.retired or any(entry.high for entry in view.told):
        return view.told
    entry = view.entry(stable, Role.STABLE)
    if entry is None:
        return steady(view, stable, aim.kept, aim.given_up)
    size = view.full_size(entry) or stable.low
    back = entry.model_copy(update={"low": size, "high": size})
    return tuple(back if told is entry else told for told in view.told)


def follow(aim: Aim, view: View, goal: Runnable, *, may_step: bool, held: bool) -> Move:
    """The next step to `goal`; none is taken while `may_step` is False or the cluster has not acted on the last.

    `held`: a hook failed before the goal could start somewhere, so it starts nowhere else either.
    """
    stand = _stand(aim, view, goal)
    waits = aim.strategy.waits and not stand.finished
    if waits and aim.base is not None and stand.entry is None and _joins(view, stand, aim.base):
        return _join(aim, view, aim.base, goal)
    before = unprepared(aim, view, goal)
    if before is not None or (held and not _has_pods(view, goal)):
        return _prepare(aim, view, stand, before, held=held)
    return _step(aim, view, stand) if not waits or (may_step and view.settled) else _stay(aim, view, stand)


def failure(aim: Aim, view: View, goal: Runnable) -> VersionHealth | None:
    """The health of the goal's pods here when they will not get better by waiting."""
    entry, health = view.entry(goal, aim.role), view.health(goal.version)
    begun = entry is not None and entry.high > 0 and not aim.restarted
    return health if begun and health is not None and health.failed else None


def unprepared(aim: Aim, view: View, goal: Runnable) -> Waiting | None:
    """The hook that must complete here before the goal gets its first pod."""
    waits = aim.hooked and not _has_pods(view, goal)
    return next_hook(view, goal, goal.before) if waits else None


def _has_pods(view: View, goal: Runnable) -> bool:
    return any(entry.version == goal.version and entry.high for entry in view.told)


def _stand(aim: Aim, view: View, goal: Runnable) -> _Stand:
    entry = None if aim.restarted else view.entry(goal, aim.role)
    base = view.entry(aim.base, Role.STABLE)
    full = 0 if _gone(aim) else view.full_size(base if aim.role is Role.CANDIDATE else entry)
    base_told = 0 if _gone(aim) else _base_told(base, full, begun=entry is not None)
    finished = (
        entry is not None and base_told == 0 and (not pinned(entry) or (entry.low, entry.high) == (goal.low, goal.high))
    )
    step = Step(
        cluster=view.name,
        size=goal.low if finished else min(goal.high, max(goal.low, full)),
        full=0 if base is None else full,
        leaving=view.pods_beside(goal, aim.base),
        candidate=Arm(
            name=name_of(goal, aim.base),
            told=entry.low if entry is not None else 0,
            pods=view.pods(goal.version),
            ready=min(view.ready(goal.version), entry.high) if entry is not None else 0,
        ),
        stable=_base_arm(aim, view, goal, base_told),
    )
    return _Stand(goal=goal, entry=entry, base=base, finished=finished, full=full, step=step)


def _gone(aim: Aim) -> bool:
    """True when the goal takes over from what was retired: it has no size that could be kept or shared."""
    return aim.base is not None and aim.base.retired


def _base_told(base: VersionDirective | None, full: int, *, begun: bool) -> int:
    """Stable's size before this step: all of it when the goal has not begun here, whatever an older candidate took."""
    if base is None:
        return 0
    return base.low if begun and pinned(base) else full


def _base_arm(aim: Aim, view: View, goal: Runnable, told: int) -> Arm:
    if aim.base is None:
        return Arm(name="", told=0, pods=0, ready=0)
    version = aim.base.version
    return Arm(name=name_of(aim.base, goal), told=told, pods=view.pods(version), ready=view.ready(version))


def _joins(view: View, stand: _Stand, stable: Runnable) -> bool:
    """True for a cluster that is to serve from stable first; what was retired serves nowhere."""
    return not stable.retired and (stand.base is None or serves_another(view, stable))


def _join(aim: Aim, view: View, stable: Runnable, goal: Runnable) -> Move:
    return Move(
        view=view,
        versions=steady(view, stable, aim.kept, aim.given_up),
        full=0,
        ready=0,
        done=False,
        waiting=f"{name_of(stable, goal)} to start on {view.name}, which joined",
    )


def _prepare(aim: Aim, view: View, stand: _Stand, before: Waiting | None, *, held: bool) -> Move:
    """Hooks run before the goal starts: no pod of it, and stable as it is.

    None begins while the goal is held, nor on a cluster that has not acted on its directive.
    """
    begins = not held and (view.settled or view.directive is None)
    hooks = due(view, stand.goal, before if begins else None)
    entry = fixed(stand.goal, aim.role, 0).model_copy(update={"hooks": hooks}) if hooks else None
    name = name_of(stand.goal, aim.base)
    told = f"hook {before.hook} of {name} runs on {view.name}" if before else f"{name} does not start on {view.name}"
    return replace(_stay(aim, view, stand, entry), waiting=told if view.settled else _not_settled(view), before=before)


def _stay(aim: Aim, view: View, stand: _Stand, entry: VersionDirective | None = None) -> Move:
    """No step: pinned sizes stay, or stable gets its full size back; an autoscaler not pinned yet stays free.

    The goal keeps its size; `entry` is what it is told in its place.
    """
    running: Versions = ()
    untouched = stand.base is not None and not pinned(stand.base) and not _gone(aim)
    if aim.base is not None and stand.base is not None:
        stable = Role.STABLE
        running = (free(aim.base, stable) if untouched else fixed(aim.base, stable, stand.step.stable.told),)
    if entry is not None:
        running += (entry,)
    elif stand.entry is not None:
        running += (fixed(stand.goal, aim.role, stand.entry.low),)
    elif view.entry(stand.goal, Role.PREVIOUS) is not None:
        running += (fixed(stand.goal, Role.PREVIOUS, 0),)
    return Move(
        view=view,
        versions=beside(view, running, aim.kept, aim.given_up),
        full=0 if untouched else stand.full,
        ready=stand.step.candidate.ready,
        done=False,
        waiting=ready_of(stand.step) if view.settled else _not_settled(view),
    )


def _step(aim: Aim, view: View, stand: _Stand) -> Move:
    sizes = _sizes(aim, stand)
    health = view.health(stand.goal.version)
    up = sizes.done and health is not None and health.healthy
    after = next_hook(view, stand.goal, stand.goal.after) if aim.hooked else None
    free_now = (up and after is None) or stand.finished
    goal = free(stand.goal, aim.role) if free_now else fixed(stand.goal, aim.role, sizes.candidate)
    if aim.hooked:
        goal = goal.model_copy(update={"hooks": due(view, stand.goal, after if up else None)})
    running: Versions = (goal,)
    if aim.base is not None and stand.base is not None:
        running = (fixed(aim.base, Role.STABLE, sizes.stable), goal)
    versions = beside(view, running, aim.kept, aim.given_up)
    gone = all(_at_rest(aim, view, entry) for entry in versions[len(running) :])
    return Move(
        view=view,
        versions=versions,
        full=stand.full,
        ready=stand.step.candidate.ready,
        done=up and gone and after is None,
        waiting=_waiting(aim, view, stand, sizes, after if up else None, up=up),
    )


def _at_rest(aim: Aim, view: View, entry: VersionDirective) -> bool:
    """Nothing is to be waited for of a version that is kept at zero, or was given up and has no pods any more."""
    ended = entry.version == aim.given_up and view.settled and view.pods(entry.version) == 0
    return entry.role is Role.PREVIOUS or ended


def _sizes(aim: Aim, stand: _Stand) -> StepSizes:
    step = stand.step
    if stand.finished:
        done = step.candidate.ready >= step.size
        return StepSizes(candidate=step.size, stable=0, done=done, waiting=ready_of(step))
    return aim.strategy.sizes(step)


def _waiting(aim: Aim, view: View, stand: _Stand, sizes: StepSizes, after: Waiting | None, *, up: bool) -> str:
    if not view.settled:
        return _not_settled(view)
    if after is not None:
        how = f"failed: {because(after.outcome)}" if after.failed and after.outcome else "runs"
        return f"hook {after.hook} of {name_of(stand.goal, aim.base)} {how} on {view.name}"
    if up:
        return f"pods of an earlier version are still to end on {view.name}"
    health = view.health(stand.goal.version)
    if sizes.done and health is not None:
        return f"{stand.step.candidate.name} is ready on {view.name} but not healthy: {because(health)}"
    if health is not None and not health.healthy and health.reason not in _STILL_COMING:
        return f"{sizes.waiting} ({because(health)})"
    return sizes.waiting


def _not_settled(view: View) -> str:
    return f"{view.name} has not begun yet"
