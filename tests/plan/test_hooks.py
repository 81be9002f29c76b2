"""Hooks on one target: a Job is made once, never written again, and what became of it is known for good."""

from dataclasses import replace

import pytest
from plan_cluster import HOOKED, NOW, OLD, Crash, Target, actions, told, told_again, with_hooks

from reconciler.errors import Stalled
from reconciler.model.facts import PodFact
from reconciler.model.plan import ChangeSet
from reconciler.model.state import HookState, Role
from reconciler.plan.compare import compare
from reconciler.plan.conclude import conclude
from reconciler.plan.decide import decide
from reconciler.plan.hooks import failed, hook_outcomes, running, unfinished

PREPARING = with_hooks(told((OLD, Role.STABLE, 2, 6), (HOOKED, Role.CANDIDATE, 0, 0), sequence=2), "migrate")
FIRST = with_hooks(told((HOOKED, Role.CANDIDATE, 2, 2), sequence=3), "migrate", "smoke")
ALONE = with_hooks(told((HOOKED, Role.STABLE, 2, 6), sequence=4), "migrate", "smoke")


def preparing() -> Target:
    """A settled target that is told to run a hook before its candidate."""
    target = Target()
    target.settle()
    target.directive = PREPARING
    return target


def outcomes(target: Target) -> dict[str, str]:
    return {name: each.state.value for name, each in target.state.status.hooks.get(HOOKED.version, {}).items()}


def condition(target: Target, kind: str) -> str:
    return next(row.status for row in target.state.status.conditions if row.type == kind)


def test_a_hook_that_is_told_is_made_and_nothing_else_of_its_version():
    target = preparing()
    assert actions(target.turn().plan.changes) == [("create", "Job", "new")]
    assert outcomes(target) == {"migrate": "Running"}
    assert (condition(target, "Ready"), condition(target, "Reconciling")) == ("True", "True")
    assert running(target.state.status.hooks)


def test_the_job_is_in_the_inventory_before_it_exists():
    target = preparing()
    with pytest.raises(Crash):
        target.turn(crash_after=0)
    assert [entry.kind for entry in target.state.status.inventory if entry.kind == "Job"] == ["Job"]
    target.settle()
    assert outcomes(target) == {"migrate": "Running"}


def test_a_job_that_exists_is_never_written_again_whatever_somebody_did_to_it_or_the_release_says_now():
    target = preparing()
    target.turn()
    target.cluster.drift(target.find("Job"))
    assert target.decide().plan.is_empty
    seen = target.seen()
    wanted = target.wanted(seen)
    other = tuple(
        replace(each, digest="sha256:" + "f" * 64) if each.ref.kind == "Job" else each for each in wanted.objects
    )
    assert decide(seen, compare(replace(wanted, objects=other), seen)).plan.is_empty


@pytest.mark.parametrize(("kind", "state"), [("Complete", HookState.COMPLETE), ("Failed", HookState.FAILED)])
def test_one_that_ended_is_known_for_good_and_not_made_again(kind, state):
    target = preparing()
    target.turn()
    target.cluster.end_job("migrate", kind, "BackoffLimitExceeded", "it gave up")
    target.turn()
    known = target.state.status.hooks[HOOKED.version]["migrate"]
    assert (known.state, known.ended, condition(target, "Reconciling")) == (state, True, "False")
    assert known.message == ("it gave up" if kind == "Failed" else "")
    del target.cluster.live[target.find("Job")]
    assert target.turn().plan.is_empty
    assert target.state.status.hooks[HOOKED.version]["migrate"] == known


def test_one_that_is_deleted_before_it_ended_is_made_again_also_where_drift_is_only_reported():
    target = preparing()
    target.directive = PREPARING.model_copy(update={"self_heal": False})
    target.turn()
    del target.cluster.live[target.find("Job")]
    assert actions(target.turn().plan.changes) == [("create", "Job", "was deleted before it ended")]
    assert outcomes(target) == {"migrate": "Running"}


def test_a_job_of_before_our_state_was_lost_is_ours_again_and_ends_with_its_version():
    target = preparing()
    target.turn()
    target.cluster.end_job("migrate")
    job = target.find("Job")
    target.state = None
    target.settle()
    assert job in {entry.ref for entry in target.state.status.inventory}
    assert outcomes(target) == {"migrate": "Complete"}
    target.directive = told_again(PREPARING, versions=told((OLD, Role.STABLE, 2, 6)).versions)
    target.settle()
    assert job not in target.cluster.live


def test_somebody_elses_job_of_that_name_is_not_touched():
    target = preparing()
    target.turn()
    job = target.find("Job")
    target.cluster.live[job] = replace(target.cluster.live[job], owner="prod-other-00000000")
    with pytest.raises(Stalled, match="belongs to release state 'prod-other-00000000'"):
        target.decide()


def test_jobs_stay_while_their_version_runs_and_go_in_two_passes_when_the_next_one_does():
    target = Target(directive=FIRST)
    target.turn()
    target.cluster.end_job("migrate")
    target.cluster.end_job("smoke")
    target.settle()
    target.directive = ALONE
    target.settle()
    assert len([ref for ref in target.cluster.live if ref.kind == "Job"]) == 2
    assert outcomes(target) == {"migrate": "Complete", "smoke": "Complete"}
    kept = with_hooks(told((OLD, Role.STABLE, 2, 6), (HOOKED, Role.PREVIOUS, 0, 0), sequence=5))
    target.directive = kept
    assert {ref.kind for ref in target.turn().marked} >= {"Job"}
    target.settle()
    assert [ref for ref in target.cluster.live if ref.kind == "Job"] == []
    assert outcomes(target) == {"migrate": "Complete", "smoke": "Complete"}, "it does not run them again"
    target.directive = with_hooks(told((HOOKED, Role.CANDIDATE, 2, 2), sequence=6), "migrate", "smoke")
    target.settle()
    assert [ref for ref in target.cluster.live if ref.kind == "Job"] == []
    target.directive = told((OLD, Role.STABLE, 2, 6), sequence=7)
    target.settle()
    assert outcomes(target) == {}


def test_what_is_stable_makes_no_job_again_even_when_all_that_was_known_of_it_is_lost():
    target = Target(directive=ALONE)
    target.settle()
    assert [ref for ref in target.cluster.live if ref.kind == "Job"] == []
    assert (outcomes(target), condition(target, "Reconciling")) == ({}, "False")


def test_a_hook_that_the_release_no_longer_has_is_none():
    target = Target(directive=with_hooks(FIRST, "migrate", "gone"))
    target.turn()
    assert outcomes(target) == {"migrate": "Running"}


POD = PodFact(
    name="migrate-x", phase="Failed", ready=False, reason="Error", message="exit code 1: no such table", restarts=0,
    last_event="", log_tail="ERROR no such table",
)  # fmt: skip
SAID = "pod migrate-x: Error; exit code 1: no such table; log: ERROR no such table"


def test_what_its_pod_said_is_told_while_it_runs_and_kept_when_the_pod_is_gone():
    target = preparing()
    target.turn()
    seen, job = target.seen(), target.find("Job")
    wanted, decision = target.wanted(seen), target.decide()
    assert unfinished(seen, wanted) == wanted.hooks
    assert not failed(seen.live[job])
    asked = replace(seen, hook_pods={job: (POD,)}, now=NOW)
    (told_of,) = hook_outcomes(asked, wanted)[HOOKED.version].values()
    assert (told_of.state, told_of.reason, told_of.message) == (HookState.RUNNING, "Error", SAID)
    target.state = conclude(asked, decision, ChangeSet(results=()), wanted)
    target.cluster.end_job("migrate", "Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    assert failed(target.cluster.live[job])
    target.turn()
    known = target.state.status.hooks[HOOKED.version]["migrate"]
    assert known.reason == "DeadlineExceeded"
    assert known.message == f"Job was active longer than specified deadline; {SAID}"
    assert unfinished(target.seen(), wanted) == ()


def test_a_job_that_could_not_be_made_yet_is_waited_for():
    target = preparing()
    target.cluster.failing = {"Job"}
    target.turn()
    known = target.state.status.hooks[HOOKED.version]["migrate"]
    assert (known.state, known.reason) == (HookState.RUNNING, "NotCreated")
    assert target.state.status.sequence == 1, "the directive was not carried out"
    target.cluster.failing = set()
    target.turn()
    assert target.state.status.hooks[HOOKED.version]["migrate"].reason == ""
