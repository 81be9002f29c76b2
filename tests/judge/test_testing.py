"""Policy tests: made-up decisions judged by the real engine, their coverage, and the four renderings."""

from xml.etree import ElementTree as ET

import orjson
import pytest
from policy_samples import API, RUNTIME, SPEC, policy

from reconciler.documents.schema import parse
from reconciler.judge.report import RENDERINGS
from reconciler.judge.testing import run
from reconciler.model.part import overlay

BASE = {**SPEC, "serving": {**SPEC["serving"], "env": []}}


def case(name="case", release=None, expect="pass", **more):
    expect = expect if isinstance(expect, dict) else {"result": expect}
    return {"name": name, "release": release or {}, "expect": expect, **more}


def loaded(*cases, of="sample", release=BASE, **spec):
    body = {"policy": of, "release": release, "cases": list(cases), **spec}
    data = {"apiVersion": API, "kind": "PolicyTest", "metadata": {"name": "t"}, "spec": body}
    return parse("tests/t.yaml", orjson.dumps(data))


def ran(engine, test, *policies, runtimes=None):
    return run([test], policies, runtimes or {}, engine.ask)


def only(engine, test, *policies, runtimes=None):
    (result,) = ran(engine, test, *policies, runtimes=runtimes).results
    return result


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({}, {}, {}),
    ],
)
def test_maps_are_laid_over_deep_and_everything_else_replaces(base, over, result):
    assert overlay(base, over) == result


def test_a_case_is_laid_over_the_tests_release(engine):
    own = policy("release.spec.model.version == '2.0.0' && release.spec.model.format == 'onnx'")
    assert only(engine, loaded(case(release={"model": {"version": "2.0.0"}})), own).ok
    assert not only(engine, loaded(case()), own).ok


def test_the_environments_baseline_lies_under_the_release(engine):
    own = policy("release.spec.serving.placement.nodeSelector.pool == 'gpu' && release.spec.serving.replicas.max == 9")
    defaults = {"serving": {"placement": {"nodeSelector": {"pool": "gpu"}}, "replicas": {"min": 1, "max": 9}}}
    bare = {**BASE, "serving": {name: value for name, value in BASE["serving"].items() if name != "replicas"}}
    assert only(engine, loaded(case(), release=bare, environment={"defaults": defaults}), own).ok
    assert only(engine, loaded(case(environment={"defaults": defaults}), release=bare), own).ok
    missing = only(engine, loaded(case(), release=bare), own)
    assert "its release is not a valid release: serving.replicas: Field required" in missing.problem
    unknown = only(engine, loaded(case(environment={"defaults": {"model": {}}})), own)
    assert "its environment is not valid: spec.defaults.model: this cannot have a baseline" in unknown.problem


def test_null_takes_a_field_of_the_tests_release_away(engine):
    base = {**BASE, "links": {"owner": "team-risk"}}
    own = policy("release.spec.links.owner == null")
    assert only(engine, loaded(case(release={"links": {"owner": None}}), release=base), own).ok


def test_a_case_may_be_a_whole_document(engine):
    whole = {"apiVersion": API, "kind": "ModelRelease", "metadata": {"name": "other", "labels": {"a": "b"}}, "spec": {}}
    own = policy("release.metadata.name == 'other' && release.metadata.labels.a == 'b'")
    assert only(engine, loaded(case(release=whole)), own).ok
    assert only(engine, loaded(case(release=whole), release={**whole, "spec": BASE}), own).ok


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        (
            loaded(case(release={"model": {"digest": "latest"}})),
            "it cannot be asked: its release is not a valid release: spec.model.digest: ",
        ),
        (
            loaded(case(release={"sevring": {}})),
            "it cannot be asked: its release is not a valid release: spec.sevring: Extra inputs are not permitted",
        ),
        (
            loaded(case(running={"serving": {"replicas": {"min": 9}}})),
            "it cannot be asked: its running is not a valid release: spec.serving.replicas: max 4 is below min 9",
        ),
        (
            loaded(case(environment={"registries": "all"})),
            "it cannot be asked: its environment is not valid: spec.registries: ",
        ),
        (loaded(case(release={"serving": {"image": None}})), "it cannot be asked: its release has no image"),
        (loaded(case(), of="nothing"), "it cannot be asked: there is no policy 'nothing'"),
    ],
)
def test_a_case_that_is_no_decision_fails_and_says_why(engine, test, problem):
    result = only(engine, test, policy())
    assert not result.ok
    assert result.verdict is None
    assert result.problem.startswith(problem)


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ({"result": "fail"}, ""),
        ({"result": "fail", "rule": 2, "message": "small"}, ""),
        ({"result": "pass"}, "expected pass, got fail (too small)"),
        (
            {"result": "fail", "rule": 1},
            "expected validation 1 to answer, but validation 2 did: fail (too small)",
        ),
        ({"result": "fail", "message": "large"}, "expected a message with 'large', got fail (too small)"),
    ],
)
def test_what_is_expected_is_compared_with_what_was_said(engine, expect, problem):
    rows = [{"expression": "true"}, {"expression": "false", "message": "too small"}]
    assert only(engine, loaded(case(expect=expect)), policy(validations=rows)).problem == problem


def test_the_clock_stands_still_where_the_case_says(engine):
    own = policy("now == timestamp('2026-01-01T00:00:00Z') || now == timestamp('2030-05-01T12:00:00Z')")
    cases = [
        case("default"),
        case("own", now="2030-05-01T12:00:00Z"),
        case("other", expect="fail", now="2031-01-01T00:00:00Z"),
    ]
    assert ran(engine, loaded(*cases), own).ok


def test_params_environment_running_and_operation_reach_the_policy(engine):
    own = policy(
        "params.a == 1 && params.b == 5 && environment.spec.registries == ['r.example'] && "
        "environment.metadata.name == 'prod' && running.spec.model.version == '1.3.0' && operation == 'Create' && "
        "clusters[0].labels.tier == 'prod' && signatures == [] && revision == null",
        params={"a": 1, "b": 2},
    )
    given = case(
        params={"b": 5}, environment={"registries": ["r.example"]}, running={"model": {"version": "1.3.0"}},
        operation="Create",
    )  # fmt: skip
    assert only(engine, loaded(given, environment={"selfHeal": False}), own).ok
    assert only(engine, loaded(case(), environment={"registries": ["x"]}), policy("running == null")).ok


def test_a_case_makes_up_what_the_environment_before_has(engine):
    before = {"after": "staging", "soak": "24h"}
    own = policy("upstream.served && upstream.soaked && upstream.release.spec.model.version == '1.3.0'")
    made = {"release": {"model": {"version": "1.3.0"}}, "since": "2025-12-31T00:00:00Z"}
    assert only(engine, loaded(case(upstream=made), environment=before), own).ok
    late = {**made, "since": "2025-12-31T00:00:01Z"}
    assert only(engine, loaded(case(upstream=late, expect="fail"), environment=before), own).ok
    assert only(engine, loaded(case(), environment=before), policy("!upstream.served && upstream.release == null")).ok
    assert only(engine, loaded(case()), policy("upstream == null")).ok
    assert "its environment sets no after" in only(engine, loaded(case(upstream=made)), own).problem


def test_a_policy_that_is_not_about_the_case_is_a_skip(engine):
    result = only(engine, loaded(case(expect="skip")), policy("false", match={"environments": ["dev"]}))
    assert result.ok
    assert result.verdict.message == "it is not about environment prod"


def test_known_runtimes_are_used_and_unknown_ones_are_made_up(engine):
    assert only(engine, loaded(case()), policy("release.probes.live == null"), runtimes={"generic": RUNTIME}).ok
    assert only(engine, loaded(case()), policy("release.probes.live.path == '/live'")).ok


def test_of_two_policies_with_one_name_the_last_counts(engine):
    assert only(engine, loaded(case()), policy("false"), policy("true")).ok


def test_coverage_names_validations_that_were_never_seen_failing(engine):
    rows = [{"expression": "params.n < 1"}, {"expression": "params.n < 2"}]
    own, unseen = policy(validations=rows, params={"n": 0}), policy(name="unseen")
    report = ran(engine, loaded(case("fails", expect="fail", params={"n": 1})), own, unseen)
    assert [(row.policy, row.validations, row.never_failed, row.passed) for row in report.coverage] == [
        ("sample", 2, (2,), False), ("unseen", 1, (1,), False),
    ]  # fmt: skip
    assert report.ok


def test_a_run_without_cases_is_not_ok(engine):
    report = run([], [policy()], {}, engine.ask)
    assert not report.ok
    assert RENDERINGS["text"](report).endswith("there are no cases\n")


@pytest.fixture
def report(engine):
    cases = [case("good"), case("bad <&\"'>\n%,::", expect="fail"), case("broken", release={"model": None})]
    return ran(engine, loaded(*cases), policy())


def test_as_text(report):
    lines = RENDERINGS["text"](report).splitlines()
    assert lines[0].startswith("FAIL sample: bad")
    assert lines[-2] == "note sample: validation 1 was never seen failing"
    assert lines[-1] == "1 of 3 cases answered as expected"
    assert "(tests/t.yaml:1:" in lines[1] + lines[2]


def test_as_json(report):
    data = orjson.loads(RENDERINGS["json"](report))
    assert data["ok"] is False
    assert [entry["ok"] for entry in data["cases"]] == [True, False, False]
    assert data["cases"][0]["verdict"]["result"] == "pass"
    assert data["cases"][2]["verdict"] is None
    assert data["coverage"] == [
        {"policy": "sample", "source": "policies/sample.yaml", "validations": 1, "neverFailed": [1], "passed": True}
    ]


def test_as_junit_is_well_formed_whatever_a_case_is_called(report):
    suite = ET.fromstring(RENDERINGS["junit"](report))  # noqa: S314  # our own text
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    names = [entry.get("name") for entry in suite]
    assert names[0] == "good"
    assert [len(entry) for entry in suite] == [0, 1, 1]
    assert suite[1].get("classname") == "sample"
    assert suite[1].get("file") == "tests/t.yaml"


def test_as_github_a_name_cannot_begin_another_command(report):
    lines = RENDERINGS["github"](report).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("::error file=tests/t.yaml,line=1,col=")
    assert "title=sample%3A bad" in lines[0]
    assert "%0A%25%2C%3A%3A::expected fail, got pass" in lines[0]
    assert lines[2] == "::notice ::sample: validation 1 was never seen failing"
