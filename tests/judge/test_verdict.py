"""From an answer to a verdict to a gate: the truth table of actions, failure policies and operations."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_samples import asked, facts

from reconciler.judge.verdict import CLOSING, Answer, Finding, gates, verdict
from reconciler.model.policy import PolicyResult, PolicyVerdict

PATH = "spec.validations[0].expression"
FAILED = Answer(failed=(Finding(rule=1, path=PATH, message="too large"),))
ERROR = Answer(errors=(Finding(rule=1, path=PATH, message="divide by zero"),))
PASSED = Answer(values={"n": 3})
SKIPPED = Answer(skipped="scored")


def judged(answer, *, action="Deny", failure="Fail", operation="Update", **spec):
    spec = {"validationActions": [action], "failurePolicy": failure, **spec}
    return verdict(asked("true", facts(operation=operation), **spec), answer)


@pytest.mark.parametrize(
    ("answer", "action", "failure", "operation", "result"),
    [
        (PASSED, "Deny", "Fail", "Update", "pass"),
        (SKIPPED, "Deny", "Fail", "Update", "skip"),
        (FAILED, "Deny", "Fail", "Create", "fail"),
        (FAILED, "Deny", "Fail", "Update", "fail"),
        (FAILED, "Deny", "Fail", "Rollback", "warn"),
        (FAILED, "Deny", "Ignore", "Update", "fail"),
        (FAILED, "Warn", "Fail", "Update", "warn"),
        (FAILED, "Audit", "Fail", "Update", "warn"),
        (ERROR, "Deny", "Fail", "Update", "error"),
        (ERROR, "Deny", "Fail", "Create", "error"),
        (ERROR, "Deny", "Fail", "Rollback", "warn"),
        (ERROR, "Deny", "Ignore", "Update", "warn"),
        (ERROR, "Warn", "Fail", "Update", "warn"),
        (ERROR, "Audit", "Fail", "Update", "warn"),
    ],
)
def test_what_an_answer_comes_to(answer, action, failure, operation, result):
    assert judged(answer, action=action, failure=failure, operation=operation).result == result


@pytest.mark.parametrize(
    ("answer", "more", "ending"),
    [
        (FAILED, {"operation": "Rollback"}, "too large (a rollback is not denied by policies)"),
        (FAILED, {"action": "Warn"}, "too large (its action is Warn)"),
        (FAILED, {"action": "Audit"}, "too large (its action is Audit)"),
        (ERROR, {"failure": "Ignore"}, f"{PATH}: divide by zero (ignored: its failurePolicy is Ignore)"),
        (ERROR, {}, f"{PATH}: divide by zero"),
        (FAILED, {}, "too large"),
        (SKIPPED, {}, "its match condition 'scored' is false"),
        (PASSED, {}, ""),
    ],
)
def test_a_verdict_says_why_it_does_not_deny(answer, more, ending):
    assert judged(answer, **more).message == ending


def test_a_failure_beside_an_error_is_a_failure_even_where_errors_are_ignored():
    both = Answer(failed=FAILED.failed, errors=ERROR.errors)
    assert judged(both, failure="Ignore").result is PolicyResult.FAIL


@pytest.mark.parametrize(
    ("said", "message", "sentence"),
    [
        ("from the expression", "fixed", "from the expression"),
        ("", "fixed", "fixed"),
        ("  ", "fixed", "fixed"),
        ("", "", "not true: true"),
    ],
)
def test_the_message_is_what_the_expression_says_then_the_fixed_one_then_the_expression(said, message, sentence):
    answer = Answer(failed=(Finding(rule=1, path=PATH, message=said),))
    assert judged(answer, validations=[{"expression": "true", "message": message}]).message == sentence


def test_all_failures_are_told_and_the_first_one_gives_rule_reason_and_place():
    rows = [{"expression": "true"}, {"expression": "true", "reason": "TooLarge"}, {"expression": "true"}]
    found = tuple(
        Finding(rule=rule, path=f"spec.validations[{rule - 1}].expression", message=f"m{rule}") for rule in (2, 3)
    )
    given_ = judged(Answer(failed=found, values={"n": 1}), validations=rows)
    assert (given_.rule, given_.reason, given_.message, given_.values) == (2, "TooLarge", "m2; m3", {"n": 1})
    assert given_.place.startswith("policies/sample.yaml:1:")


def test_a_fault_of_no_expression_stands_where_the_first_validation_does():
    answer = Answer(errors=(Finding(rule=0, path="spec", message="gone"),))
    assert judged(answer).place == judged(FAILED).place


def test_a_message_is_one_line_of_printable_text_that_fits():
    answer = Answer(failed=(Finding(rule=1, path=PATH, message="a\n\x1b[31mb\u202ec" + "x" * 3000),))
    message = judged(answer).message
    assert message.startswith("a [31mb cxxx")
    assert len(message) == 1024
    assert message.endswith("…")


def test_gates_are_closed_for_fail_and_error_and_open_for_a_warning():
    verdicts = [judged(answer) for answer in (PASSED, SKIPPED, FAILED, ERROR)] + [judged(FAILED, action="Warn")]
    place = judged(FAILED).place
    assert [(gate.kind, gate.open, gate.reason, gate.message) for gate in gates(verdicts)] == [
        ("Policy", False, "PolicyDenied", f"policy sample denies: too large ({place})"),
        (
            "Policy",
            False,
            "PolicyDenied",
            f"policy sample could not be judged, so it denies: {PATH}: divide by zero ({place})",
        ),
        ("Policy", True, "PolicyWarned", f"policy sample warns: too large (its action is Warn) ({place})"),
    ]


def test_a_gate_without_a_place_has_no_empty_brackets():
    entry = PolicyVerdict(name="x", source="builtin:baseline", result=PolicyResult.FAIL, message="no")
    assert gates([entry])[0].message == "policy x denies: no"


FINDINGS = st.lists(st.builds(Finding, rule=st.just(1), path=st.just(PATH), message=st.text(max_size=5)), max_size=2)


@given(
    failed=FINDINGS.map(tuple),
    errors=FINDINGS.map(tuple),
    action=st.sampled_from(["Deny", "Warn", "Audit"]),
    failure=st.sampled_from(["Fail", "Ignore"]),
    operation=st.sampled_from(["Create", "Update", "Rollback"]),
)
def test_only_an_answer_without_failure_and_without_error_is_a_pass(failed, errors, action, failure, operation):
    answer = Answer(failed=failed, errors=errors)
    given_ = judged(answer, action=action, failure=failure, operation=operation)
    assert (given_.result is PolicyResult.PASS) == (not failed and not errors)
    denies = action == "Deny" and operation != "Rollback" and (failed or (errors and failure == "Fail"))
    assert (given_.result in CLOSING) == bool(denies)
    expected = [] if given_.result is PolicyResult.PASS else [not denies]
    assert [gate.open for gate in gates([given_])] == expected


def test_no_combination_of_settings_lets_an_update_pass_a_failing_deny():
    for failure, operation in itertools.product(["Fail", "Ignore"], ["Create", "Update"]):
        assert not gates([judged(FAILED, failure=failure, operation=operation)])[0].open
