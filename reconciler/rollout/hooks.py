"""Hooks in a rollout: which are due on a cluster, what is waited for, and what one that failed means.

Not how a hook runs (a target does that). Rules: they run one after the other, in the order of the release; those
`before` until the candidate gets its first pod on a cluster, those `after` once it is healthy there at full size. A
failed `before` holds the candidate wherever it is; for a failed `after` it is given up everywhere. Neither ever stops
an abort or the return of a known-good version, which run no hooks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciler.model.ids import Version
from reconciler.model.plan import Gate
from reconciler.model.state import FailedHook, HookOutcome, HookState, Phase
from reconciler.rollout.sentence import because, listed, name_of
from reconciler.rollout.situation import Runnable, Situation
from reconciler.rollout.view import View, views

HOOK_RUNNING = "HookRunning"
_CORRECT = "merge another version, or this one with the hook corrected under another name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A hook that one cluster waits for."""

    view: View
    hook: str
    outcome: HookOutcome | None

    @property
    def failed(self) -> bool:
        """True when it will not complete any more."""
        return self.outcome is not None and self.outcome.state is HookState.FAILED


def told_hooks(view: View, version: Version) -> tuple[str, ...]:
    """The hooks of a version that the cluster was told of."""
    return next((entry.hooks for entry in view.told if entry.version == version), ())


def next_hook(view: View, goal: Runnable, names: Iterable[str]) -> Waiting | None:
    """The first of these hooks that is not known to have completed on the cluster."""
    for name in names:
        outcome = view.outcome(goal.version, name)
        if outcome is None or outcome.state is not HookState.COMPLETE:
            return Waiting(view=view, hook=name, outcome=outcome)
    return None


def due(view: View, goal: Runnable, *waiting: Waiting | None) -> tuple[str, ...]:
    """What the cluster is to be told: the hooks it was told before that the release still has, and the waiting ones."""
    names = {*told_hooks(view, goal.version), *(each.hook for each in waiting if each is not None)}
    return tuple(name for name in (*goal.before, *goal.after) if name in names)


def given_up(situation: Situation) -> FailedHook | None:
    """The hook for which the version that would be followed now is given up: known from before, or just seen.

    What is known is forgotten only when something else is accepted, and that something is looked at anew.
    """
    wanted, progress = situation.wanted, situation.progress
    if wanted.known_good or (progress.phase is Phase.ROLLING_BACK and progress.candidate is not None):
        return None
    goal, known = wanted.runnable if wanted.accepted else progress.candidate, progress.failed
    if goal is None or (known is not None and known.version == goal.version and known.hook in goal.after):
        return known
    return _failed_after(situation, goal)


def lost_before(situation: Situation, goal: Runnable, waiting: Iterable[Waiting]) -> FailedHook | None:
    """The hook for which the candidate starts nowhere: known from before, or just seen.

    What is known stays while the cluster that told it does not report: a daemon that starts has seen nothing yet.
    """
    failed = [_failed(each, goal, each.outcome) for each in waiting if each.failed and each.outcome is not None]
    known = situation.progress.failed
    if known is not None and known.version == goal.version and known.hook in goal.before:
        unseen = any(view.name == known.cluster and not view.settled for view in views(situation))
        if unseen or any((each.cluster, each.hook) == (known.cluster, known.hook) for each in failed):
            return known
    return failed[0] if failed else None


def _failed_after(situation: Situation, goal: Runnable) -> FailedHook | None:
    for view in views(situation):
        waiting = next_hook(view, goal, goal.after)
        if waiting is not None and waiting.failed and waiting.outcome is not None:
            return _failed(waiting, goal, waiting.outcome)
    return None


def _failed(waiting: Waiting, goal: Runnable, outcome: HookOutcome) -> FailedHook:
    return FailedHook(version=goal.version, hook=waiting.hook, cluster=waiting.view.name, message=because(outcome))


def failed_gate(failed: FailedHook, goal: Runnable, stable: Runnable | None, *, before: bool = False) -> Gate:
    """The closed gate of a version that was given up, or of one that goes no further for a hook `before` it starts."""
    name = name_of(goal, stable)
    serves = f"{name_of(stable, goal)} serves" if stable is not None else "it is not promoted"
    then = "it goes no further" if before else serves
    message = f"hook {failed.hook} of {name} failed on {failed.cluster}: {failed.message}; {then}; {_CORRECT}"
    return Gate(kind="Hook", open=False, reason="HookFailed", message=message)


def running_gate(waiting: Sequence[Waiting], goal: Runnable, stable: Runnable | None) -> Gate:
    """The closed gate of hooks that the candidate waits for before it starts."""
    first = waiting[0]
    where = listed([each.view.name for each in waiting if each.hook == first.hook])
    words = f": {because(first.outcome)}" if first.outcome is not None and first.outcome.message else ""
    message = f"hook {first.hook} of {name_of(goal, stable)} runs on {where} before it starts there{words}"
    return Gate(kind="Hook", open=False, reason=HOOK_RUNNING, message=message)
