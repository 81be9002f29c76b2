"""Every small situation with hooks: what was told and reported x how far the hooks are x what is asked x what is known.

The invariants of `test_enumeration` hold here too; those of hooks come on top. `eu-1` takes every shape, `us-1` is an
ordinary cluster in the middle of the same rollout.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rollout_world import EU, NOW, US, digest, directive, health, outcome, runnable, seen, situation, told
from test_enumeration import (
    CHECKS,
    Case,
    a_known_good_version_is_told_at_once,
    a_pass_before_the_clusters_act_changes_nothing_more,
    before,
    finished,
    high,
    settled,
)

from reconciler.model.state import FailedHook, HookState, Phase
from reconciler.rollout.machine import advance
from reconciler.rollout.situation import Advance

V1, V3, OLD = runnable("1"), runnable("3"), runnable("o")
V2 = runnable("2", before=("a", "b"), after=("x", "y"))
CORRECTED = runnable("2", effective="c", before=("a", "c"), after=("z",))
ASKED = {
    "the candidate": (V2, False),
    "the candidate with corrected hooks": (CORRECTED, False),
    "the candidate, known to be good": (V2, True),
    "stable": (V1, False),
    "another version": (V3, False),
}
SHAPES = {
    "none": None,
    "steady": directive(told("1", "s", 4, 10), told("o", "p", 0)),
    "preparing": directive(told("1", "s", 4, 10), told("2", "c", 0, hooks="a b")),
    "begun": directive(told("1", "s", 4), told("2", "c", 1, hooks="a b")),
    "full": directive(told("1", "s", 0), told("2", "c", 4, hooks="a b x")),
    "finished": directive(told("1", "s", 0), told("2", "c", 4, 10, hooks="a b x y")),
    "emptied": directive(told("1", "s", 0), told("2", "c", 0, hooks="a b")),
    "first": directive(told("2", "c", 0, hooks="a")),
    "first and full": directive(told("2", "c", 4, hooks="a b x")),
    "given up": directive(told("1", "s", 4), told("2", "c", 0, hooks="a b x")),
}
DONE = {"a": "Complete", "b": "Complete"}
OUTCOMES = {
    "nothing ran": {},
    "the first runs": {"a": "Running"},
    "the second failed": {"a": "Complete", "b": "Failed"},
    "all before completed": DONE,
    "one after runs": {**DONE, "x": "Running"},
    "one after failed": {**DONE, "x": "Failed"},
    "all completed": {**DONE, "x": "Complete", "y": "Complete", "c": "Complete", "z": "Complete"},
}
PHASES = [(Phase.PENDING, None), (Phase.STEPPING, V2), (Phase.ROLLING_BACK, None)]
FAILED = [None, FailedHook(version=V2.version, hook="x", cluster="us-1", message="Deadline")]
ORDINARY = (SHAPES["begun"], seen(1, hooks={"2": DONE}, **{"1": health(4, 4), "2": health(1, 1)}))


def report(plan, outcomes: str, *, ready: bool, how: str):
    sequence, reachable = {"settled": (1, True), "behind": (0, True), "unreachable": (1, False)}[how]
    entries = plan.versions if plan is not None else ()
    judged = {entry.version: health(entry.low, entry.low if ready else 0, healthy=ready) for entry in entries}
    hooks = {digest("2"): {name: outcome(state) for name, state in OUTCOMES[outcomes].items()}}
    return replace(seen(sequence, reachable=reachable), versions=judged, hooks=hooks)


def cases(asked: str, strategy: str) -> Iterator[Case]:
    wanted, known_good = ASKED[asked]
    for (phase, candidate), stable, gates_open, shape, outcomes, ready, how, failed in itertools.product(
        PHASES, (V1, None), (True, False), SHAPES, OUTCOMES, (True, False), ("settled", "behind", "unreachable"), FAILED
    ):
        plan = SHAPES[shape]
        if stable is None and known_good:
            continue  # what returns, returns from something
        made = situation(
            wanted,
            {EU: (plan, report(plan, outcomes, ready=ready, how=how)), US: ORDINARY},
            gates_open=gates_open,
            known_good=known_good,
            strategy=strategy,
            phase=phase,
            stable=stable,
            candidate=candidate,
            previous=(OLD,),
            full={EU: 4, US: 4},
            failed=failed,
        )
        yield Case(asked=asked, gates_open=gates_open, known_good=known_good, situation=made)


@pytest.mark.parametrize("strategy", ["rolling", "recreate"])
@pytest.mark.parametrize("asked", ASKED)
def test_the_invariants_hold_with_hooks_in_every_small_situation(asked, strategy):
    other = {a_known_good_version_is_told_at_once}  # its own, below
    if asked == "the candidate with corrected hooks":  # a leaving one's text is corrected a pass after it comes back
        other.add(a_pass_before_the_clusters_act_changes_nothing_more)
    checks = [*(check for check in CHECKS if check not in other), *HOOK_CHECKS]
    for case in cases(asked, strategy):
        answer = advance(case.situation, NOW)
        for check in checks:
            assert check(case, answer), (check.__name__, case, answer)


def entry(versions, name: str = "2"):
    return next((each for each in versions if each.version == digest(name)), None)


def state(case: Case, cluster: str, hook: str) -> HookState | None:
    """How far a hook is, by a report that counts."""
    found = case.situation.seen[cluster].hooks.get(digest("2"), {}).get(hook)
    return found.state if found is not None and settled(case, cluster) else None


def ended(case: Case, cluster: str, hook: str) -> bool:
    """By the last report, however old; for all we know while there is none."""
    if not case.situation.seen[cluster].sequence:
        return True
    found = case.situation.seen[cluster].hooks.get(digest("2"), {}).get(hook)
    return found is not None and found.ended


def complete(case: Case, cluster: str, hooks) -> bool:
    return all(state(case, cluster, hook) is HookState.COMPLETE for hook in hooks)


def follows(case: Case, answer: Advance) -> bool:
    """The candidate with hooks is on its way, and not by a return."""
    candidate = answer.candidate
    forward = answer.phase in (Phase.PREPARING, Phase.STEPPING) and case.accepted and not case.known_good
    return forward and candidate is not None and candidate.version == V2.version


def begun(case: Case, cluster: str) -> bool:
    """It has pods there already."""
    return high(before(case, cluster), "2") > 0


def no_pod_of_a_candidate_before_its_hooks_completed_there(case: Case, answer: Advance):
    if not follows(case, answer):
        return True
    goal = case.situation.wanted.runnable
    return all(
        high(answer.versions.get(name, ()), "2") == 0 or begun(case, name) or complete(case, name, goal.before)
        for name in case.situation.clusters
    )


def a_hook_that_failed_before_lets_the_candidate_start_nowhere(case: Case, answer: Advance):
    goal = case.situation.wanted.runnable
    if not follows(case, answer) or begun(case, EU):
        return True
    if not any(state(case, EU, hook) is HookState.FAILED for hook in goal.before):
        return True
    held = [gate.reason for gate in answer.gates] == ["HookFailed"]
    grown = [name for name, row in answer.versions.items() if high(row, "2") > high(before(case, name), "2")]
    return held and all(answer.stable is None and begun(case, name) for name in grown)


def promoted_only_with_every_hook_after_completed(case: Case, answer: Advance):
    old = case.situation.progress.stable
    new = answer.stable is not None and (old is None or old.version != answer.stable.version)
    if not new or case.known_good or answer.stable.version != V2.version:
        return True
    return all(complete(case, name, answer.stable.after) for name in case.situation.clusters)


def a_version_given_up_is_at_zero_while_it_is_asked_for(case: Case, answer: Advance):
    asked, stable = case.situation.wanted.runnable, case.situation.progress.stable
    if answer.failed is None or answer.failed.hook in ("a", "b", "c"):
        return True
    if asked.version != answer.failed.version:
        return not answer.gates
    if stable is None:
        return not case.accepted or [gate.reason for gate in answer.gates] == ["HookFailed"]
    told_hooks = all(
        set(now.hooks) == {hook for hook in was.hooks if ended(case, name, hook)}
        for name, versions in answer.versions.items()
        if (was := entry(before(case, name))) is not None and (now := entry(versions)) is not None
    )
    back = all(high(versions, "2") == 0 and high(versions, "1") >= 4 for versions in answer.versions.values())
    gates = [(gate.kind, gate.open, gate.reason) for gate in answer.gates]
    return back and told_hooks and answer.candidate is None and gates == [("Hook", False, "HookFailed")]


def a_hook_that_failed_after_it_ran_gives_it_up(case: Case, answer: Advance):
    wanted, progress = case.situation.wanted, case.situation.progress
    if progress.stable is None or case.known_good or not case.accepted or wanted.runnable.version != V2.version:
        return True
    lost = any(state(case, EU, hook) is HookState.FAILED for hook in wanted.runnable.after)
    return not lost or (answer.failed is not None and answer.stable == progress.stable)


def a_known_good_version_with_hooks_is_told_at_once(case: Case, answer: Advance):
    stable = case.situation.progress.stable
    return not case.known_good or stable is None or all(high(row, "2") >= 4 for row in answer.versions.values())


def what_was_given_up_is_forgotten_only_for_something_else(case: Case, answer: Advance):
    known, wanted = case.situation.progress.failed, case.situation.wanted.runnable
    if known is None or case.known_good or case.situation.progress.stable is None:
        return True
    still = wanted.version == known.version and known.hook in wanted.after
    if not case.accepted:  # a candidate in flight is looked at for itself
        return case.situation.progress.candidate is not None or answer.failed == known
    return (answer.failed == known) == still


def hooks_are_told_one_by_one_and_only_in_their_time(case: Case, answer: Advance):
    goal = case.situation.wanted.runnable
    for name, versions in answer.versions.items():
        now, was = entry(versions), entry(before(case, name))
        fresh = set(now.hooks if now else ()) - set(was.hooks if was else ())
        if not fresh:
            continue
        if len(fresh) > 1 or not follows(case, answer):
            return False
        (hook,) = fresh
        if hook in goal.before:
            earlier = goal.before[: goal.before.index(hook)]
            right = not begun(case, name) and now.high == 0
        else:
            earlier = goal.after[: goal.after.index(hook)]
            healthy = case.situation.seen[name].versions.get(V2.version)
            right = settled(case, name) and healthy.healthy and healthy.ready >= goal.low
        if not right or not complete(case, name, earlier):
            return False
    return True


def a_return_and_an_abort_run_no_hooks(case: Case, answer: Advance):
    """None is told, and what leaves keeps at most the Jobs of those that ended."""
    if answer.phase is not Phase.ROLLING_BACK:
        return True
    left = {name: entry(versions) for name, versions in answer.versions.items()}
    return all(
        each is None or answer.candidate is not None or all(ended(case, name, hook) for hook in each.hooks)
        for name, each in left.items()
    ) and all(
        set(each.hooks) <= set(was.hooks if (was := entry(before(case, name))) else ())
        for name, versions in answer.versions.items()
        for each in versions
    )


def a_gate_is_closed_exactly_while_hooks_are_waited_for(case: Case, answer: Advance):
    if not follows(case, answer) or finished(case, "2"):
        return True
    goal = case.situation.wanted.runnable
    waits = any(
        not begun(case, name) and not complete(case, name, goal.before) and case.situation.seen[name].reachable
        for name in case.situation.clusters
        if answer.stable is None or entry(before(case, name), "1") is not None
    )
    return not waits or answer.gates[0].reason in ("HookRunning", "HookFailed")


HOOK_CHECKS = [
    a_known_good_version_with_hooks_is_told_at_once,
    no_pod_of_a_candidate_before_its_hooks_completed_there,
    a_hook_that_failed_before_lets_the_candidate_start_nowhere,
    promoted_only_with_every_hook_after_completed,
    a_version_given_up_is_at_zero_while_it_is_asked_for,
    a_hook_that_failed_after_it_ran_gives_it_up,
    what_was_given_up_is_forgotten_only_for_something_else,
    hooks_are_told_one_by_one_and_only_in_their_time,
    a_return_and_an_abort_run_no_hooks,
    a_gate_is_closed_exactly_while_hooks_are_waited_for,
]
