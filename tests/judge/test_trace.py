"""A decision explained: every rule's result beside the verdict, and the values that a rule looked at."""

import pytest
from policy_samples import asked, effective, facts

from reconciler.judge.trace import looked_at, trace
from reconciler.judge.verdict import Answer, verdict

RULES = [
    {"expression": "release.spec.model.format == 'onnx'", "reason": "NotOnnx"},
    {"expression": "variables.replicas >= params.min", "messageExpression": "'only ' + string(variables.replicas)"},
    {"expression": "params.nothing == 1"},
]
SPEC = {
    "validations": RULES,
    "variables": [{"name": "replicas", "expression": "release.spec.serving.replicas.min"}],
    "params": {"min": 3},
}


def traced(engine, question):
    (answer,) = engine.answers([question])
    row = trace(question, answer)
    assert row.verdict == verdict(question, answer) == engine.ask([question])[0]
    return row


def test_every_rule_is_told_with_its_place_and_what_it_saw(engine):
    row = traced(engine, asked(**SPEC))
    assert [rule.result.value for rule in row.rules] == ["pass", "fail", "error"]
    assert row.rules[0].values == {"release.spec.model.format": "onnx"}
    assert row.rules[1].values == {"variables.replicas": 2, "params.min": 3}
    assert (row.rules[1].message, row.rules[1].reason) == ("only 2", "Denied")
    assert "nothing" in row.rules[2].message
    assert all(rule.place.startswith("policies/sample.yaml:1:") for rule in row.rules)
    assert [rule["result"] for rule in row.to_data()["rules"]] == ["pass", "fail", "error"]


@pytest.mark.parametrize("condition", ["false", "params.nothing == 1"])
def test_rules_that_were_not_reached_are_skipped(engine, condition):
    row = traced(engine, asked(**SPEC, matchConditions=[{"name": "c", "expression": condition}]))
    assert {rule.result.value for rule in row.rules} == {"skip"}


def test_a_policy_that_does_not_compile_reaches_no_rule(engine):
    assert [rule.result.value for rule in traced(engine, asked("nobody == 1")).rules] == ["skip"]


def test_a_policys_own_message_is_told_where_no_expression_says_one():
    question = asked(validations=[{"expression": "false", "message": "never"}])
    finding = {"rule": 1, "path": "spec.validations[0].expression", "message": ""}
    assert trace(question, Answer(failed=(_finding(**finding),))).rules[0].message == "never"


def _finding(**values):
    from reconciler.judge.verdict import Finding

    return Finding(**values)


DATA = {"release": {"spec": {"a": None, "b": [1], "c": {"d": "x"}}, "name": "n"}, "params": {"min": 3}, "now": "t"}


@pytest.mark.parametrize(
    ("expression", "seen"),
    [
        ("release.name == 'release.spec.b'", {"release.name": "n"}),
        ("release.spec.a == null", {"release.spec.a": None}),
        ("release.spec.a.deeper != 1", {"release.spec.a": None}),
        ("size(release.spec.b) > params.min", {"release.spec.b": [1], "params.min": 3}),
        ('release.name.startsWith("params.min")', {"release.name": "n"}),
        ("release.spec.b.exists(x, x.name == 1)", {"release.spec.b": [1]}),
        ("has(release.spec.c) && release.spec.c.d == 'x'", {"release.spec.c": {"d": "x"}, "release.spec.c.d": "x"}),
        ("release != null && now > 1", {"now": "t"}),
        ("other.release.name == 1", {}),
        ("release.nobody == 1", {}),
    ],
)  # fmt: skip
def test_what_an_expression_looks_at(expression, seen):
    found = looked_at(expression, DATA)
    assert found == seen


def test_nothing_of_a_pods_environment_is_shown(engine):
    question = asked("size(release.spec.serving.env) == 0", facts(release=effective()))
    assert "canary-token-4711" not in str(traced(engine, question).to_data())
