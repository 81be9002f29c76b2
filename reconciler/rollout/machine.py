"""The machine that steers one release over its clusters.

Not the judging of gates, not the writing of directives. It chooses a course from what is asked and what was accepted
(`aim`), moves every cluster along it (`cluster`, `strategies`), and sums up in a phase and a sentence. Rules:

1. Every pass starts from what was told and seen; a pass may be lost or repeated at any time.
2. A closed gate stops the candidate and nothing else; abort and the return to a known-good version are never blocked.
3. A cluster that cannot be reached, or has not acted on its directive, blocks only itself, and is waited for before
   the release is Promoted.
4. A candidate that failed stays where it is, on every cluster: stable keeps what it has.
5. A release is Retired once no pod of it is left anywhere; a cluster that joins it later gets none.
6. Nothing of a candidate starts on a cluster before its hooks completed there, nor anywhere else once one of them
   failed. One whose hook fails after it ran is given up, while there is a stable version to return to.

Note [Sizes while a rollout runs]. Both versions are pinned on a cluster from its first step until it is finished, and
`full` notes the size that stable's autoscaler had chosen before. It is the only thing that cannot be seen afterwards.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.model.ids import ClusterName
from reconciler.model.plan import Gate
from reconciler.model.state import Apply, FailedHook, Phase, VersionHealth
from reconciler.rollout.aim import Aim, Course, choose, kept_after
from reconciler.rollout.cluster import Move, failure, follow, hold, unprepared
from reconciler.rollout.hooks import failed_gate, lost_before, running_gate
from reconciler.rollout.sentence import because, listed, name_of
from reconciler.rollout.situation import Advance, Runnable, Situation
from reconciler.rollout.told import Versions, asleep, steady
from reconciler.rollout.view import View, views

LOOK_AGAIN = timedelta(seconds=15)
"""While something moves; reports wake the release earlier, this only makes up for one that was lost."""


def advance(situation: Situation, now: datetime) -> Advance:
    """The next phase, sizes and sentence. Pure; `now` is aware UTC. Raises Misused for an unknown strategy."""
    aim = choose(situation)
    if aim.course is Course.RETIRE:
        return _retire(situation, now, aim, views(situation))
    if aim.goal is None:
        message = f"{name_of(situation.wanted.runnable, None)} waits for its gates; nothing serves yet."
        return _answer(situation, now, aim, phase=Phase.PENDING, versions={}, message=message)
    seen = views(situation)
    if aim.course is Course.STEADY:
        return _steady(situation, now, aim, aim.goal, seen)
    if aim.course is Course.HOLD:
        return _hold(situation, now, aim, aim.goal, seen)
    return _travel(situation, now, aim, aim.goal, seen)


def _steady(situation: Situation, now: datetime, aim: Aim, stable: Runnable, seen: tuple[View, ...]) -> Advance:
    asked, name = situation.wanted.runnable, name_of(stable, None)
    gates = _given_up(situation, aim, stable)
    if gates:
        message = f"{name_of(asked, stable)} was given up; {name_of(stable, asked)} keeps serving."
    elif asked == stable:
        message = f"{name} is promoted{_unreachable(seen)}."
    elif asked.version == stable.version:
        message = f"A change in place of {name} waits for its gates; what was accepted keeps serving."
    else:
        message = f"{name_of(asked, stable)} waits for its gates; {name_of(stable, asked)} keeps serving."
    versions = {view.name: steady(view, stable, aim.kept, aim.given_up) for view in seen}
    phase = _at_rest(situation, stable)
    return _answer(situation, now, aim, phase=phase, versions=versions, message=message, gates=gates)


def _retire(situation: Situation, now: datetime, aim: Aim, seen: tuple[View, ...]) -> Advance:
    """Everything goes to zero at once; what is Retired stays so, whoever joins."""
    versions = {view.name: asleep(view, aim.goal, aim.kept) for view in seen}
    waiting = [view.name for view in seen if not _rests(view, versions[view.name])]
    done = not waiting or situation.progress.phase is Phase.RETIRED
    name = name_of(aim.goal or situation.wanted.runnable, None)
    message = f"{name} is retired" + (f"; waiting for the pods on {listed(waiting)} to end." if waiting else ".")
    return _answer(
        situation, now, aim, phase=Phase.RETIRED if done else Phase.RETIRING, versions=versions, message=message
    )


def _rests(view: View, versions: Versions) -> bool:
    """True when the cluster acted on a directive to retire and has no pod left, or was never told anything."""
    if view.directive is None:
        return not versions
    told = not versions or (view.directive.apply is Apply.RETIRE and view.told == versions)
    return told and view.settled and view.pods_beside() == 0


def _hold(situation: Situation, now: datetime, aim: Aim, candidate: Runnable, seen: tuple[View, ...]) -> Advance:
    asked = situation.wanted.runnable
    message = f"{name_of(asked, aim.base)} waits for its gates; every size stays as it is."
    if asked.version != candidate.version:
        name = name_of(asked, candidate)
        message = f"{name} waits for its gates; {name_of(candidate, asked)} goes no further, every size stays as it is."
    phase = Phase.STEPPING if situation.progress.phase is Phase.STEPPING else Phase.PREPARING
    versions = {view.name: hold(aim, view) for view in seen}
    full = {**situation.progress.full}
    return _answer(situation, now, aim, phase=phase, versions=versions, message=message, full=full)


def _travel(situation: Situation, now: datetime, aim: Aim, goal: Runnable, seen: tuple[View, ...]) -> Advance:
    stuck = next(((view, health) for view in seen if (health := failure(aim, view, goal))), None)
    waiting = [before for view in seen if (before := unprepared(aim, view, goal))]
    lost = lost_before(situation, goal, waiting) if aim.hooked else None
    held = lost is not None
    moves = tuple(follow(aim, view, goal, may_step=stuck is None and not held, held=held) for view in seen)
    if moves and all(move.done for move in moves):
        return _arrive(situation, now, aim, goal, seen)
    versions = {move.view.name: move.versions for move in moves}
    gates = _given_up(situation, aim, aim.stable) or _before_gates(aim, goal, moves, lost)
    if stuck is not None:
        message = _failed_sentence(aim, goal, *stuck)
    else:
        message = f"{gates[0].message}." if held else _moving_sentence(aim, goal, moves)
    full = {**situation.progress.full, **{move.view.name: move.full for move in moves if move.full}}
    phase = _phase(situation, aim, moves)
    aim = replace(aim, failed=aim.failed or lost)
    return _answer(situation, now, aim, phase=phase, versions=versions, message=message, full=full, gates=gates)


def _given_up(situation: Situation, aim: Aim, stable: Runnable | None) -> tuple[Gate, ...]:
    """The closed gate while the trunk asks for a version that was given up."""
    asked, failed = situation.wanted.runnable, aim.failed
    return (failed_gate(failed, asked, stable),) if failed is not None and failed.version == asked.version else ()


def _before_gates(aim: Aim, goal: Runnable, moves: Sequence[Move], lost: FailedHook | None) -> tuple[Gate, ...]:
    """The closed gate of a candidate whose hooks are waited for before it starts, or failed."""
    if lost is not None:
        return (failed_gate(lost, goal, aim.base, before=True),)
    waiting = [move.before for move in moves if move.before and move.view.reachable]
    return (running_gate(waiting, goal, aim.base),) if waiting else ()


def _arrive(situation: Situation, now: datetime, aim: Aim, goal: Runnable, seen: tuple[View, ...]) -> Advance:
    """The goal is stable, and what the trunk asks for unless it asked for something else meanwhile."""
    was_stable = aim.course in (Course.ABORT, Course.WAKE)
    phase = _at_rest(situation, goal) if was_stable else Phase.PROMOTED
    kept = aim.kept if was_stable else kept_after(situation, goal)
    message = f"{name_of(goal, None)} is ready on {listed([view.name for view in seen])}."
    rest = Aim(course=Course.STEADY, goal=goal, kept=kept, failed=aim.failed)
    versions = {view.name: steady(view, goal, kept, aim.given_up) for view in seen}
    gates = _given_up(situation, aim, goal)
    return _answer(situation, now, rest, phase=phase, versions=versions, message=message, gates=gates)


def _at_rest(situation: Situation, stable: Runnable) -> Phase:
    return Phase.PROMOTED if situation.wanted.runnable.version == stable.version else Phase.PENDING


def _phase(situation: Situation, aim: Aim, moves: tuple[Move, ...]) -> Phase:
    if aim.course in (Course.RETURN, Course.ABORT):
        return Phase.ROLLING_BACK
    stepping = situation.progress.phase is Phase.STEPPING and not aim.restarted
    if aim.course is Course.STEP and (stepping or any(move.ready for move in moves)):
        return Phase.STEPPING
    return Phase.PREPARING


def _answer(
    situation: Situation,
    now: datetime,
    aim: Aim,
    *,
    phase: Phase,
    versions: dict[ClusterName, Versions],
    message: str,
    full: dict[ClusterName, int] | None = None,
    gates: tuple[Gate, ...] = (),
) -> Advance:
    before = situation.progress
    same = phase is before.phase and not aim.restarted
    return Advance(
        phase=phase,
        since=before.since if same and before.since is not None else now.replace(microsecond=0),
        stable=aim.stable,
        candidate=aim.candidate,
        full=full or {},
        versions={cluster: told for cluster, told in versions.items() if told},
        promoted=phase is Phase.PROMOTED and before.phase is not Phase.PROMOTED,
        message=message,
        look_again=LOOK_AGAIN if aim.moves or phase is Phase.RETIRING else None,
        gates=gates,
        failed=aim.failed,
    )


def _moving_sentence(aim: Aim, goal: Runnable, moves: tuple[Move, ...]) -> str:
    name = name_of(goal, aim.base)
    waiting = [move for move in moves if not move.done and move.view.reachable]
    if waiting:
        where = listed([move.view.name for move in waiting])
        return f"{waiting[0].waiting}; waiting for {where}{_unreachable([move.view for move in moves])}."
    if moves:
        return f"{name} is ready wherever it can be seen{_unreachable([move.view for move in moves])}."
    return f"{name} has no cluster to run on."


def _failed_sentence(aim: Aim, goal: Runnable, view: View, health: VersionHealth) -> str:
    ready = view.ready(aim.base.version) if aim.base is not None else 0
    if aim.base is not None and ready:
        rest = f"{name_of(aim.base, goal)} keeps serving there with {ready} ready pod{'' if ready == 1 else 's'}"
    else:
        rest = "nothing else is ready there"
    stays = "; no further step is taken" if aim.strategy.waits else ""
    return f"{name_of(goal, aim.base)} failed on {view.name}: {because(health)}{stays} and {rest}."


def _unreachable(seen: Sequence[View]) -> str:
    names = [view.name for view in seen if not view.reachable]
    return f"; {listed(names)} cannot be reached" if names else ""
