"""Who is asked what: truth tables of match, bundle, off and params, and what a question's digest covers."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_samples import NOW, asked, document, effective, environment, facts, policy, shipped

from reconciler.judge.question import BUNDLE_LABEL, ask, mismatch, misnamed, own_policy, question, shipped_policy
from reconciler.judge.variables import variables
from reconciler.model.policy import PolicyResult, PolicySpec

EVALUATION = [{"dataset": "holdout", "metric": "auc", "value": 0.9}]


def bundled(name, bundle):
    labels = {BUNDLE_LABEL: bundle} if bundle else {}
    return shipped_policy(document({"validations": [{"expression": "true"}]}, name=name, labels=labels))


BUNDLE = [bundled("base", "baseline"), bundled("hard", "strict"), bundled("unlabelled", "")]


def names(asked_of):
    return [entry.name for entry in asked_of.questions]


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        ({}, True),
        ({"environments": []}, True),
        ({"environments": ["prod"]}, True),
        ({"environments": ["dev", "prod"]}, True),
        ({"environments": ["dev"]}, False),
        ({"operations": []}, True),
        ({"operations": ["Update"]}, True),
        ({"operations": ["Create", "Rollback"]}, False),
        ({"operations": ["Retire"]}, False),
        ({"selector": {}}, True),
        ({"selector": {"matchLabels": {}}}, True),
        ({"selector": {"matchLabels": {"team": "risk"}}}, True),
        ({"selector": {"matchLabels": {"team": "search"}}}, False),
        ({"selector": {"matchLabels": {"team": "risk", "tier": "1"}}}, False),
        ({"environments": ["prod"], "operations": ["Update"], "selector": {"matchLabels": {"team": "risk"}}}, True),
        ({"environments": ["dev"], "operations": ["Update"], "selector": {"matchLabels": {"team": "risk"}}}, False),
    ],
)
def test_a_policy_is_asked_when_every_part_of_its_match_agrees(match, matches):
    spec = PolicySpec.from_data({"match": match, "validations": [{"expression": "true"}]})
    assert (mismatch(spec, facts()) == "") is matches
    asked_of = ask(facts(), [], [policy(match=match)])
    assert names(asked_of) == (["sample"] if matches else [])


@pytest.mark.parametrize(
    ("operations", "asks"), [([], False), (["Update"], False), (["Retire"], True), (["Update", "Retire"], True)]
)
def test_only_a_policy_that_names_it_is_asked_whether_something_may_stop(operations, asks):
    stopping = facts(operation="Retire")
    asked_of = ask(stopping, BUNDLE, [policy(match={"operations": operations})])
    assert names(asked_of) == (["sample"] if asks else [])
    assert "base" in {entry.name for entry in asked_of.unmatched}


@pytest.mark.parametrize(
    ("bundle", "asks"),
    [("baseline", ["base", "unlabelled", "own"]), ("strict", ["base", "hard", "unlabelled", "own"])],
)
def test_strict_contains_baseline_and_the_organisations_own_always_add(bundle, asks):
    decision = facts(environment=environment({"policies": {"bundle": bundle}}))
    assert names(ask(decision, BUNDLE, [policy(name="own")])) == asks


def test_a_shipped_policy_is_switched_off_with_its_reason():
    off = {"off": [{"name": "base", "reason": "batch only"}, {"name": "hard", "reason": "not in this bundle"}]}
    asked_of = ask(facts(environment=environment({"policies": off})), BUNDLE, [])
    assert names(asked_of) == ["unlabelled"]
    assert [(entry.name, entry.result.value, entry.message) for entry in asked_of.skipped] == [
        ("base", "skip", "switched off in environment prod: batch only")
    ]


def test_an_own_policy_cannot_be_switched_off_even_with_a_shipped_ones_name():
    off = {"off": [{"name": "base", "reason": "x"}, {"name": "own", "reason": "x"}]}
    asked_of = ask(
        facts(environment=environment({"policies": off})), BUNDLE[:1], [policy(name="own"), policy(name="base")]
    )
    assert [(entry.name, entry.source) for entry in asked_of.questions] == [
        ("own", "policies/own.yaml"), ("base", "policies/base.yaml"),
    ]  # fmt: skip


def test_the_environments_params_replace_the_policys_own_one_by_one():
    decision = facts(environment=environment({"policies": {"params": {"sample": {"b": 9, "c": [1]}}}}))
    own = policy("size(params) > 0", params={"a": 1, "b": 2, "c": [2, 3]})
    other = policy("size(params) > 0", name="other", params={"b": 2})
    assert [entry.variables["params"] for entry in ask(decision, [], [own, other]).questions] == [
        {"a": 1, "b": 9, "c": [1]}, {"b": 2},
    ]  # fmt: skip


def test_a_name_that_is_not_there_is_told():
    chosen = {
        "off": [{"name": "bsae", "reason": "x"}, {"name": "own", "reason": "x"}, {"name": "base", "reason": "x"}],
        "params": {"nothing": {"a": 1}, "own": {"a": 1, "margni": 2}},
    }
    assert misnamed(environment({"policies": chosen}), BUNDLE, [policy(name="own", params={"a": 0})]) == [
        "policies.off names 'bsae', which is no shipped policy",
        "policies.off names 'own', which is no shipped policy",
        "policies.params names 'nothing', which is no policy",
        "policies.params.own sets 'margni', which that policy has not",
    ]
    assert misnamed(environment(), BUNDLE, []) == []


def test_a_question_carries_only_what_its_expressions_name():
    assert set(asked("release.image != ''").variables) == {"release"}
    assert set(asked("operation == 'Update'", variables=[{"name": "n", "expression": "now"}]).variables) == {
        "operation", "now",
    }  # fmt: skip
    assert set(asked("true").variables) == set()


def test_the_digest_covers_what_the_policy_reads_and_nothing_else():
    later = facts(now=NOW + timedelta(hours=1))
    relabelled = facts(release=effective(labels={"team": "other"}))
    reads_release, reads_now = "release.image != ''", "now > timestamp('2026-01-01T00:00:00Z')"
    assert asked(reads_release).digest == asked(reads_release, later).digest
    assert asked(reads_now).digest != asked(reads_now, later).digest
    assert asked(reads_release).digest != asked(reads_release, relabelled).digest
    assert asked(reads_now).digest == asked(reads_now, relabelled).digest
    assert asked(reads_release).digest != asked(reads_release + " ").digest
    assert asked("true").digest != asked("true", facts(operation="Rollback")).digest
    assert asked("true").digest != asked("true", failurePolicy="Ignore").digest


def test_the_digest_is_the_same_in_every_process():
    assert asked("operation != params.b", params={"b": 1, "a": 2}).digest == (
        "sha256:badf8bb3efc91cecd76dbc53f460bc6087211a809575b485c4557a946047b8d7"
    )


@given(st.permutations(["release", "now", "params", "plan", "operation"]))
def test_the_order_of_variables_does_not_change_the_digest(order):
    decision = facts()
    seen = {name: variables(decision).get(name) for name in order if name != "params"}
    text = "release == release && now == now && params == params && plan == plan && operation == operation"
    own = policy(text)
    assert question(own, decision, seen).digest == question(own, decision, dict(sorted(seen.items()))).digest


def test_every_expression_has_its_place_in_the_file():
    own = own_policy(document({
        "matchConditions": [{"name": "a", "expression": "true"}],
        "variables": [{"name": "b", "expression": "1"}],
        "validations": [{"expression": "true"}, {"expression": "true", "messageExpression": "'x'"}],
    }))  # fmt: skip
    assert set(own.places) == {
        "spec.matchConditions[0].expression",
        "spec.variables[0].expression",
        "spec.validations[0].expression",
        "spec.validations[1].expression",
        "spec.validations[1].messageExpression",
    }
    assert own.places["spec.validations[1].messageExpression"].startswith("policies/sample.yaml:1:")


def test_who_is_shipped_is_known_by_the_source():
    assert all(entry.shipped for entry in shipped())
    assert not policy().shipped


def test_a_real_decision_is_asked_of_the_whole_bundle(engine):
    running = effective({"evidence": {"evaluations": EVALUATION}})
    decision = facts(
        release=effective({"evidence": {"evaluations": EVALUATION}}),
        running=running,
        environment=environment({"registries": ["registry.example.com"], "policies": {"bundle": "strict"}}),
    )
    verdicts = engine.ask(ask(decision, shipped(), []).questions)
    assert [(entry.name, entry.source, entry.result.value) for entry in verdicts] == [
        ("allowed-licences", "builtin:strict", "fail"),
        ("allowed-registries", "builtin:baseline", "pass"),
        ("card-and-lineage", "builtin:strict", "fail"),
        ("digest-pinned", "builtin:baseline", "pass"),
        ("evaluation-thresholds", "builtin:strict", "fail"),
        ("evaluations-not-worse", "builtin:strict", "pass"),
        ("feature-schema", "builtin:strict", "skip"),
        ("owner-and-runbook", "builtin:strict", "fail"),
        ("promotion-order", "builtin:baseline", "skip"),
        ("resource-limits", "builtin:baseline", "pass"),
        ("resources-and-probes", "builtin:strict", "fail"),
        ("safe-serialisation", "builtin:baseline", "pass"),
        ("two-replicas", "builtin:strict", "pass"),
    ]
    assert [entry.reason for entry in verdicts if entry.result is PolicyResult.FAIL] == [
        "LicenceMissing", "CardMissing", "RiskNotStated", "OwnerMissing", "ProbeMissing",
    ]  # fmt: skip
