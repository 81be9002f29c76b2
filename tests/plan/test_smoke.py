"""The smoke request: what an answer is worth, when it is asked for, and what it does to a version's health."""

from dataclasses import replace
from datetime import timedelta

import pytest
from plan_cluster import NOW, SPECS, STABLE, Target, effective, told

from reconciler.model.facts import SmokeAnswer
from reconciler.model.release import Smoke
from reconciler.model.state import Role, SmokeOutcome, VersionHealth
from reconciler.plan.conclude import pods_health, versions_health
from reconciler.plan.smoke import due, outcome, smokes, with_smoke

AT = NOW.replace(microsecond=0)
ASK = Smoke(path="/v1/infer", body="{}")
TOLD = Smoke(path="/v1/infer", contains="fraud", expect=202)


def answer(**more):
    return SmokeAnswer(pod="p", **more)


ANSWERS = [
    ("the status as expected", ASK, answer(status=200, body="x"), True, True, ""),
    ("another status, with its first words", ASK, answer(status=500, body="cannot\n compute \x00 it"), False, True,
     "pod p answered 500 instead of 200 to POST /v1/infer: cannot compute it"),
    ("another status without a word", ASK, answer(status=404), False, True,
     "pod p answered 404 instead of 200 to POST /v1/infer"),
    ("a long answer is cut", ASK, answer(status=500, body="x" * 500), False, True,
     f"pod p answered 500 instead of 200 to POST /v1/infer: {'x' * 120}…"),
    ("a secret in an answer is not repeated", ASK, answer(status=500, body="bad key AKIAABCDEFGHIJKLMNOP"), False, True,
     "pod p answered 500 instead of 200 to POST /v1/infer: (hidden)"),
    ("the status and the text", TOLD, answer(status=202, body="for fraud"), True, True, ""),
    ("the status without the text", TOLD, answer(status=202, body="for churn"), False, True,
     "pod p answered 202 to GET /v1/infer, but without the expected text"),
    ("no answer in time", ASK, answer(), False, False,
     "nothing came back in time for the smoke request POST /v1/infer to pod p"),
    ("it never got to the pod", ASK, answer(problem="no right to pods/proxy"), False, False,
     "the smoke request POST /v1/infer did not get to pod p: no right to pods/proxy"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("smoke", "given", "passed", "answered", "message"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_an_answer_is_worth(smoke, given, passed, answered, message):
    expected = SmokeOutcome(passed=passed, since=AT, answered=answered, message=message)
    assert outcome(smoke, given, None, NOW) == expected


def test_how_long_it_fails_is_counted_from_the_first_answer_of_that_sort():
    first = outcome(ASK, answer(problem="x"), None, NOW)
    again = outcome(ASK, answer(problem="y"), first, NOW + timedelta(minutes=1))
    wrong = outcome(ASK, answer(status=500), again, NOW + timedelta(minutes=2))
    worse = outcome(ASK, answer(status=503), wrong, NOW + timedelta(minutes=3))
    assert [each.since for each in (first, again, wrong, worse)] == [
        AT, AT, AT + timedelta(minutes=2), AT + timedelta(minutes=2),
    ]  # fmt: skip


SPEC = effective("1.6.0", smoke=("    replicas:", "    startup: {smoke: {path: /v1/infer}}\n    replicas:"))
PLAIN = effective("1.3.0")
READY = VersionHealth(replicas=2, ready=2, wanted=2, healthy=True)
COMING = VersionHealth(replicas=2, ready=1, wanted=2, healthy=False, reason="PodsNotReady", message="1 of 2")
NONE = COMING.model_copy(update={"ready": 0, "message": "0 of 2"})
GONE = COMING.model_copy(update={"failed": True, "reason": "ProgressDeadlineExceeded"})
ZERO = VersionHealth(replicas=0, ready=0, wanted=0, healthy=True)
PASSED = SmokeOutcome(passed=True, since=AT)
WRONG = SmokeOutcome(passed=False, since=AT, message="500")
LOST = SmokeOutcome(passed=False, since=AT, answered=False, message="no way")
SOON, LATE = NOW + timedelta(seconds=10), NOW + timedelta(minutes=10)

HEALTH = [
    ("no smoke request is asked for", PLAIN, READY, None, SOON, (2, True, False, "")),
    ("a version at zero is not asked", SPEC, ZERO, None, SOON, (0, True, False, "")),
    ("an answered one", SPEC, READY, PASSED, LATE, (2, True, False, "")),
    ("an answered one whose pods are coming up", SPEC, COMING, PASSED, LATE, (1, False, False, "PodsNotReady")),
    ("ready and not asked yet", SPEC, READY, None, SOON, (0, False, False, "SmokePending")),
    ("one pod is ready and was not asked yet", SPEC, COMING, None, SOON, (0, False, False, "PodsNotReady")),
    ("a wrong answer within the budget", SPEC, READY, WRONG, SOON, (0, False, False, "SmokeFailed")),
    ("a wrong answer while others are coming up", SPEC, COMING, WRONG, SOON, (0, False, False, "SmokeFailed")),
    ("a wrong answer after the budget", SPEC, READY, WRONG, LATE, (0, False, True, "SmokeFailed")),
    ("a request that did not get there fails nothing", SPEC, READY, LOST, LATE, (0, False, False, "SmokeNotAnswered")),
    ("no pod is ready any more", SPEC, NONE, WRONG, LATE, (0, False, False, "PodsNotReady")),
    ("it failed by itself", SPEC, GONE, WRONG, LATE, (0, False, True, "ProgressDeadlineExceeded")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "health", "known", "now", "expected"), [row[1:] for row in HEALTH], ids=[row[0] for row in HEALTH]
)
def test_a_version_whose(spec, health, known, now, expected):
    found = with_smoke(health, spec, known, now)
    assert (found.ready, found.healthy, found.failed, found.reason) == expected


@pytest.fixture
def target(monkeypatch):
    """A target whose only version has a smoke request; its pods are ready."""
    monkeypatch.setitem(SPECS, "smoke", SPEC)
    made = Target(directive=told((SPEC, Role.STABLE, 2, 2)))
    for _ in range(3):
        made.turn()
        made.cluster.start_pods()
    return made


def test_it_is_due_until_it_passed(target):
    seen = target.seen()
    wanted = target.wanted(seen)
    (health,) = pods_health(seen, wanted).values()
    assert due(seen, SPEC.version, health)
    assert not due(seen, SPEC.version, NONE)
    known = target.state.status.model_copy(update={"smokes": {SPEC.version: PASSED}})
    passed = replace(seen, state=target.state.model_copy(update={"status": known}))
    assert not due(passed, SPEC.version, health)
    assert smokes(passed) == {SPEC.version: PASSED}
    failed = known.model_copy(update={"smokes": {SPEC.version: WRONG}})
    assert due(replace(seen, state=target.state.model_copy(update={"status": failed})), SPEC.version, health)


def test_without_a_smoke_request_nothing_is_asked_and_nothing_kept():
    target = Target(directive=STABLE)
    target.settle()
    seen = target.seen()
    version = seen.directive.versions[0].version
    assert not due(seen, version, READY)
    assert smokes(replace(seen, answers={version: answer(status=200)})) == {}


def test_the_answer_of_this_pass_counts_in_its_report_and_is_kept(target):
    seen = target.seen()
    wanted = target.wanted(seen)
    assert versions_health(seen, wanted)[SPEC.version].reason == "SmokePending"
    good = replace(seen, answers={SPEC.version: answer(status=200)})
    assert versions_health(good, wanted)[SPEC.version].healthy
    assert smokes(good)[SPEC.version].passed
