"""One pass of the machine with hooks: before the candidate's first pod, after its last, and what a failure means."""

from dataclasses import replace

import pytest
from rollout_world import (
    EU,
    FOUR,
    NOW,
    OLD,
    REST,
    STABLE,
    US,
    V1,
    V3,
    directive,
    health,
    one,
    outcome,
    runnable,
    seen,
    situation,
    sizes,
    told,
)

from reconciler.model.state import FailedHook, Phase
from reconciler.rollout.machine import advance

V2 = runnable("2", before=("a", "b"), after=("x", "y"))
MID = {"phase": Phase.PREPARING, "stable": V1, "candidate": V2}
FULL = {"phase": Phase.STEPPING, "stable": V1, "candidate": V2, "full": {EU: 4}}
PREPARING = directive(told("1", "s", 4, 10), told("2", "c", 0, hooks="a"))
DONE = {"a": "Complete", "b": "Complete"}
FAILED = FailedHook(version=V2.version, hook="x", cluster=EU, message="BackoffLimitExceeded: exit code 1")


def hooks_told(answer, cluster=EU, version=V2):
    return next((entry.hooks for entry in answer.versions[cluster] if entry.version == version.version), None)


def gates(answer):
    return [(gate.kind, gate.open, gate.reason) for gate in answer.gates]


# Before


def test_a_candidate_with_hooks_starts_with_the_first_of_them_and_no_pod():
    answer = one(V2, STABLE, seen(**{"1": health(6, 6)}), **REST)
    assert (answer.phase, answer.candidate, answer.stable) == (Phase.PREPARING, V2, V1)
    assert sizes(answer) == [("1", "s", 4, 10), ("2", "c", 0, 0)], "stable's autoscaler stays free"
    assert hooks_told(answer) == ("a",)
    assert gates(answer) == [("Hook", False, "HookRunning")]
    assert answer.gates[0].message == "hook a of 2 runs on eu-1 before it starts there"
    assert answer.message == "hook a of 2 runs on eu-1; waiting for eu-1."


BEFORE = [
    ("while one runs nothing else is told", {"a": "Running"}, ("a",), 0),
    ("the next follows the one that completed", {"a": "Complete"}, ("a", "b"), 0),
    ("one that was not told yet has to run, whatever those after it did", {"b": "Complete"}, ("a",), 0),
    ("once all completed the first pod comes", DONE, ("a",), 1),
]


@pytest.mark.parametrize(("sentence", "hooks", "expected", "size"), BEFORE)
def test_hooks_before_run_one_after_the_other(sentence, hooks, expected, size):
    answer = one(V2, PREPARING, seen(hooks={"2": hooks}, **{"1": FOUR}), **MID)
    assert (hooks_told(answer), sizes(answer)[1][2]) == (expected, size), sentence


def test_a_hook_is_told_in_the_words_of_its_pod_while_it_does_not_run():
    report = seen(**{"1": FOUR})
    stuck = replace(report, hooks={V2.version: {"a": outcome("Running", "pod a-1: ImagePullBackOff")}})
    answer = one(V2, PREPARING, stuck, **MID)
    assert answer.gates[0].message.endswith("before it starts there: pod a-1: ImagePullBackOff")


def test_a_first_release_runs_its_hooks_too():
    asked = one(V2, None, None)
    assert (sizes(asked), hooks_told(asked)) == ([("2", "c", 0, 0)], ("a",))
    waits = one(V2, directive(told("2", "c", 0, hooks="a")), seen(0), phase=Phase.PREPARING, candidate=V2)
    assert (hooks_told(waits), waits.message) == (("a",), "eu-1 has not begun yet; waiting for eu-1.")
    plan = directive(told("2", "c", 0, hooks="a b"))
    starts = one(V2, plan, seen(hooks={"2": DONE}), phase=Phase.PREPARING, candidate=V2)
    assert (sizes(starts), hooks_told(starts), starts.gates) == ([("2", "c", 4, 4)], ("a", "b"), ())


def test_no_hook_begins_on_a_cluster_that_has_not_acted():
    answer = one(V2, STABLE, seen(0), **REST)
    assert (sizes(answer), answer.candidate) == ([("1", "s", 4, 10)], V2)


def test_a_cluster_that_cannot_be_reached_is_not_waited_for_in_the_gate():
    clusters = {EU: (PREPARING, seen(hooks={"2": DONE}, **{"1": FOUR})), US: (STABLE, seen(reachable=False))}
    answer = advance(situation(V2, clusters, **MID), NOW)
    assert (sizes(answer, EU)[1], answer.gates) == (("2", "c", 1, 1), ())


def test_a_cluster_that_joins_gets_stable_before_it_runs_hooks():
    clusters = {EU: (PREPARING, seen(hooks={"2": {"a": "Running"}}, **{"1": FOUR})), US: (None, seen(0))}
    answer = advance(situation(V2, clusters, **MID), NOW)
    assert (sizes(answer, US), hooks_told(answer, US)) == ([("1", "s", 4, 10)], None)
    assert "runs on eu-1 before" in answer.gates[0].message


@pytest.mark.parametrize("strategy", ["rolling", "recreate"])
def test_a_hook_that_fails_before_holds_the_candidate_everywhere(strategy):
    begun = directive(told("1", "s", 4), told("2", "c", 1, hooks="a b"))
    clusters = {
        EU: (PREPARING, seen(hooks={"2": {"a": "Failed"}}, **{"1": FOUR})),
        US: (begun, seen(hooks={"2": DONE}, **{"1": FOUR, "2": health(1, 1)})),
    }
    answer = advance(situation(V2, clusters, strategy=strategy, **MID), NOW)
    assert (answer.phase, answer.candidate, answer.failed.hook) == (Phase.STEPPING, V2, "a")
    assert sizes(answer, EU) == [("1", "s", 4, 10), ("2", "c", 0, 0)]
    assert sizes(answer, US) == [("1", "s", 4, 4), ("2", "c", 1, 1)], "no further step"
    assert gates(answer) == [("Hook", False, "HookFailed")]
    assert answer.message == (
        "hook a of 2 failed on eu-1: BackoffLimitExceeded; it goes no further; "
        "merge another version, or this one with the hook corrected under another name."
    )


def test_a_hook_that_failed_elsewhere_lets_nothing_start_where_hooks_completed_and_no_further_one_begin():
    clusters = {
        EU: (PREPARING, seen(hooks={"2": {"a": "Failed"}}, **{"1": FOUR})),
        US: (directive(told("1", "s", 4, 10), told("2", "c", 0, hooks="a b")), seen(hooks={"2": DONE}, **{"1": FOUR})),
        "ap-1": (STABLE, seen(**{"1": FOUR})),
    }
    answer = advance(situation(V2, clusters, **MID), NOW)
    assert sizes(answer, US) == [("1", "s", 4, 10), ("2", "c", 0, 0)]
    assert sizes(answer, "ap-1") == [("1", "s", 4, 10)]


LOST = FailedHook(version=V2.version, hook="a", cluster=EU, message="BackoffLimitExceeded")
READY = directive(told("1", "s", 4, 10), told("2", "c", 0, hooks="a b"))


@pytest.mark.parametrize(
    ("sentence", "report", "held"),
    [
        ("a daemon that starts has not seen it yet", None, True),
        ("nor one that cannot reach it", seen(reachable=False), True),
        ("it says so again", seen(hooks={"2": {"a": "Failed"}}, **{"1": FOUR}), True),
        ("it ran there after all", seen(hooks={"2": DONE}, **{"1": FOUR}), False),
    ],
)
def test_what_failed_before_is_known_until_its_cluster_says_something_else(sentence, report, held):
    clusters = {EU: (READY, report), US: (READY, seen(hooks={"2": DONE}, **{"1": FOUR}))}
    answer = advance(situation(V2, clusters, **MID, failed=LOST), NOW)
    assert (answer.failed == LOST, sizes(answer, US)[1][2] == 0) == (held, held), sentence
    assert bool(answer.gates) == held, sentence


def test_what_failed_before_is_known_behind_another_gate_and_not_for_another_version():
    report = {EU: (READY, seen(reachable=False))}
    assert advance(situation(V2, report, gates_open=False, **MID, failed=LOST), NOW).failed == LOST
    assert advance(situation(V3, report, **MID, failed=LOST), NOW).failed is None
    gone = {US: (READY, seen(hooks={"2": DONE}, **{"1": FOUR}))}
    assert advance(situation(V2, gone, **MID, failed=LOST), NOW).failed is None, "its cluster left"


def test_another_name_for_the_hook_that_failed_goes_on():
    corrected = runnable("2", effective="c", before=("a2", "b"))
    report = seen(hooks={"2": {"a": "Failed"}}, **{"1": FOUR})
    answer = one(corrected, PREPARING, report, **MID)
    assert (hooks_told(answer), gates(answer)) == (("a2",), [("Hook", False, "HookRunning")])
    gone = one(runnable("2", effective="c"), PREPARING, report, **MID)
    assert sizes(gone)[1] == ("2", "c", 1, 1)


def test_a_new_version_in_place_of_the_one_whose_hook_failed_goes_on():
    report = seen(hooks={"2": {"a": "Failed"}}, **{"1": FOUR, "2": health(0, 0)})
    answer = one(V3, PREPARING, report, **MID)
    assert sizes(answer) == [("1", "s", 4, 4), ("3", "c", 1, 1)]
    assert answer.gates == ()


def test_asking_for_stable_again_ends_it():
    answer = one(V1, PREPARING, seen(hooks={"2": {"a": "Failed"}}, **{"1": FOUR, "2": health(0, 0)}), **MID)
    assert (answer.phase, sizes(answer), answer.gates) == (Phase.PROMOTED, [("1", "s", 4, 10)], ())


def test_a_gate_of_another_kind_leaves_a_hook_that_runs():
    answer = one(V2, PREPARING, seen(hooks={"2": {"a": "Running"}}, **{"1": FOUR}), gates_open=False, **MID)
    assert (answer.versions[EU], answer.gates) == (PREPARING.versions, ())


def test_a_return_runs_no_hooks():
    good = runnable("o", before=("a",), after=("x",))
    plan = directive(told("1", "s", 4, 10), told("o", "p", 0))
    answer = one(good, plan, seen(**{"1": FOUR}), known_good=True, **{**REST, "previous": (OLD,)})
    assert (sizes(answer), hooks_told(answer, version=good)) == ([("1", "s", 4, 4), ("o", "c", 4, 4)], ())
    plan = directive(told("1", "s", 0), told("o", "c", 4, 10))
    state = {"phase": Phase.ROLLING_BACK, "stable": V1, "candidate": good, "full": {EU: 4}}
    ended = one(good, plan, seen(**{"o": FOUR, "1": health(0, 0)}), known_good=True, **state)
    assert (ended.phase, ended.promoted) == (Phase.PROMOTED, True)


def test_a_hook_that_comes_while_the_candidate_has_pods_is_not_waited_for():
    begun = directive(told("1", "s", 4), told("2", "c", 1))
    answer = one(V2, begun, seen(**{"1": FOUR, "2": health(1, 1)}), **MID)
    assert (sizes(answer), hooks_told(answer)) == ([("1", "s", 3, 3), ("2", "c", 2, 2)], ())


# After

AT_FULL = directive(told("1", "s", 0), told("2", "c", 4, hooks="a b"))
AFTER = [
    ("the first begins when all is ready", FOUR, DONE, ("a", "b", "x"), (4, 4), False),
    ("none begins before that", health(4, 3, healthy=False), DONE, ("a", "b"), (4, 4), False),
    ("the second follows", FOUR, {**DONE, "x": "Complete"}, ("a", "b", "y"), (4, 4), False),
    ("one that runs is waited for", FOUR, {**DONE, "x": "Running"}, ("a", "b", "x"), (4, 4), False),
    ("with the last one it is Promoted", FOUR, {**DONE, "x": "Complete", "y": "Complete"}, ("a", "b"), (4, 10), True),
]


@pytest.mark.parametrize(("sentence", "how", "hooks", "expected", "size", "promoted"), AFTER)
def test_hooks_after_run_when_the_candidate_is_up_and_before_it_is_promoted(
    sentence, how, hooks, expected, size, promoted
):
    answer = one(V2, AT_FULL, seen(hooks={"2": hooks}, **{"2": how}), **FULL)
    (entry,) = (entry for entry in answer.versions[EU] if entry.version == V2.version)
    assert ((entry.low, entry.high), entry.hooks, answer.promoted) == (size, expected, promoted), sentence
    assert answer.gates == ()


def test_the_hook_that_is_waited_for_is_named():
    answer = one(V2, AT_FULL, seen(hooks={"2": DONE}, **{"2": FOUR}), **FULL)
    assert answer.message == "hook x of 2 runs on eu-1; waiting for eu-1."


def test_a_hook_that_fails_after_gives_the_candidate_up_for_stable():
    plan = directive(told("1", "s", 0), told("2", "c", 4, hooks="a b x"))
    report = seen(hooks={"2": {**DONE, "x": "Failed"}}, **{"2": FOUR})
    answer = one(V2, plan, report, **FULL)
    assert (answer.phase, answer.stable, answer.candidate) == (Phase.ROLLING_BACK, V1, None)
    assert sizes(answer) == [("1", "s", 4, 4), ("2", "c", 0, 0)]
    assert hooks_told(answer) == ("a", "b", "x"), "their Jobs stay for people to look at"
    assert (answer.failed.hook, answer.failed.cluster, gates(answer)) == ("x", EU, [("Hook", False, "HookFailed")])
    assert answer.gates[0].message.startswith(
        "hook x of 2 failed on eu-1: BackoffLimitExceeded; 1 serves; merge another"
    )


def test_what_leaves_runs_no_hooks_any_more_and_keeps_the_jobs_of_those_that_ended():
    running = directive(told("1", "s", 4), told("2", "c", 1, hooks="a b"))
    report = seen(hooks={"2": {"a": "Complete", "b": "Running"}}, **{"1": FOUR, "2": health(1, 1)})
    given = one(V2, running, report, **{**FULL, "failed": FAILED})
    assert hooks_told(given) == ("a",)
    for nothing in (None, seen(0, reachable=False)):  # a daemon that has just started
        assert hooks_told(one(V2, running, nothing, **{**FULL, "failed": FAILED})) == ("a", "b")
    taken_back = one(V1, running, report, **FULL)
    superseded = one(V3, running, report, **FULL)
    assert hooks_told(taken_back) == hooks_told(superseded) == ()


def test_a_gate_that_closed_meanwhile_does_not_keep_a_failed_candidate():
    plan = directive(told("1", "s", 0), told("2", "c", 4, hooks="a b x"))
    report = seen(hooks={"2": {**DONE, "x": "Failed"}}, **{"2": FOUR})
    for asked in (V2, V3):
        answer = one(asked, plan, report, gates_open=False, **FULL)
        assert (answer.phase, sizes(answer)[:2]) == (Phase.ROLLING_BACK, [("1", "s", 4, 4), ("2", "c", 0, 0)])
        assert bool(answer.gates) == (asked is V2)


GIVEN_UP = {"phase": Phase.ROLLING_BACK, "stable": V1, "full": {EU: 4}, "failed": FAILED}
ABORTED = directive(told("1", "s", 4), told("2", "c", 0, hooks="a b x"))


def test_the_way_back_ends_with_the_last_pod_and_the_version_stays_held():
    going = one(V2, ABORTED, seen(**{"1": FOUR, "2": health(1, 1)}), **GIVEN_UP)
    assert (going.phase, gates(going)) == (Phase.ROLLING_BACK, [("Hook", False, "HookFailed")])
    ended = one(V2, ABORTED, seen(**{"1": FOUR, "2": health(0, 0)}), **GIVEN_UP)
    assert (ended.phase, sizes(ended)) == (Phase.PENDING, [("1", "s", 4, 10), ("2", "c", 0, 0)])
    rest = one(V2, directive(*ended.versions[EU]), seen(**{"1": FOUR, "2": health(0, 0)}), **{
        **GIVEN_UP, "phase": Phase.PENDING,
    })  # fmt: skip
    assert (rest.versions, rest.failed, rest.look_again) == (ended.versions, FAILED, None)
    assert rest.message == "2 was given up; 1 keeps serving."


STILL = {"phase": Phase.PENDING, "stable": V1, "failed": FAILED}
RESTING = directive(told("1", "s", 4, 10), told("2", "c", 0, hooks="a b x"))
CORRECTED = runnable("2", effective="c", before=("a", "b"), after=("x2",))


@pytest.mark.parametrize(
    ("sentence", "asked", "gates_open", "failed", "candidate"),
    [
        ("the same version stays given up", V2, True, True, None),
        ("also behind another gate", V2, False, True, None),
        ("another version is followed", V3, True, False, V3),
        ("another one that is held makes nobody forget", V3, False, True, None),
        ("nor does stable, when it is not accepted", V1, False, True, None),
        ("stable ends it", V1, True, False, None),
        ("a corrected hook under another name is a new try", CORRECTED, True, False, CORRECTED),
    ],
)
def test_what_was_given_up_stays_so_until_something_else_is_accepted(sentence, asked, gates_open, failed, candidate):
    report = seen(hooks={"2": {**DONE, "x": "Failed"}}, **{"1": FOUR, "2": health(0, 0)})
    answer = one(asked, RESTING, report, gates_open=gates_open, **STILL)
    assert (answer.failed is not None, answer.candidate) == (failed, candidate), sentence
    assert bool(answer.gates) == (failed and asked is V2), sentence


def test_what_every_report_has_forgotten_is_still_known():
    answer = one(V2, directive(told("1", "s", 4, 10)), seen(reachable=False), **STILL)
    assert (answer.failed, answer.candidate) == (FAILED, None)


def test_a_first_release_whose_hook_fails_has_nothing_to_return_to():
    plan = directive(told("2", "c", 4, hooks="a b x"))
    report = seen(hooks={"2": {**DONE, "x": "Failed"}}, **{"2": FOUR})
    answer = one(V2, plan, report, phase=Phase.PREPARING, candidate=V2)
    assert (answer.phase, answer.promoted, sizes(answer)) == (Phase.PREPARING, False, [("2", "c", 4, 4)])
    assert gates(answer) == [("Hook", False, "HookFailed")]
    assert "it is not promoted" in answer.gates[0].message
    again = one(V2, plan, None, phase=Phase.PREPARING, candidate=V2, failed=answer.failed)
    assert (again.failed, gates(again)) == (answer.failed, [("Hook", False, "HookFailed")])
    corrected = runnable("2", effective="c", after=("z",))
    retried = one(corrected, plan, report, phase=Phase.PREPARING, candidate=V2, failed=answer.failed)
    assert (retried.failed, hooks_told(retried)) == (None, ("z",))
    assert answer.message == "hook x of 2 failed: BackoffLimitExceeded on eu-1; waiting for eu-1."


def test_stable_keeps_the_jobs_of_its_hooks_and_loses_them_to_the_next_version():
    plan = directive(told("2", "s", 4, 10, hooks="a b x y"))
    steady = one(V2, plan, seen(**{"2": FOUR}), phase=Phase.PROMOTED, stable=V2)
    assert hooks_told(steady) == ("a", "b", "x", "y")
    plan = directive(told("2", "s", 0, hooks="a b x y"), told("3", "c", 4, 10))
    report = seen(**{"3": FOUR, "2": health(0, 0)})
    after = one(V3, plan, report, phase=Phase.STEPPING, stable=V2, candidate=V3, full={EU: 4})
    assert (after.promoted, sizes(after), hooks_told(after)) == (True, [("3", "s", 4, 10), ("2", "p", 0, 0)], ())
