"""The shipped policies: every one tested by its own cases, passing and failing, and fit to be read by people."""

import re

import pytest
from policy_samples import ROOT, shipped

from reconciler.documents.schema import Loaded, parse
from reconciler.judge import report, testing
from reconciler.judge.question import BUNDLE_LABEL, expressions
from reconciler.model.policy import PolicyTest
from reconciler.render.runtimes import BUILTIN

FOLDER = ROOT / "policies"
FILES = sorted(FOLDER.glob("*.yaml"))
TESTS = sorted((FOLDER / "tests").glob("*_test.yaml"))
RUNTIMES = {runtime.name: runtime for runtime in BUILTIN.values()}


def loaded_tests() -> list[Loaded]:
    return [parse(str(path.relative_to(ROOT)), path.read_bytes()) for path in TESTS]


def test_the_bundle_is_there():
    assert [path.stem for path in FILES] == [
        "allowed-licences", "allowed-registries", "card-and-lineage", "digest-pinned", "evaluation-thresholds",
        "evaluations-not-worse", "feature-schema", "owner-and-runbook", "promotion-order", "resource-limits",
        "resources-and-probes", "safe-serialisation", "two-replicas",
    ]  # fmt: skip


def test_every_case_answers_as_expected_and_every_validation_was_seen_passing_and_failing(engine):
    run = testing.run(loaded_tests(), shipped(), RUNTIMES, engine.ask)
    assert report.text(run) == f"{len(run.results)} of {len(run.results)} cases answered as expected\n"
    assert run.ok
    assert {row.policy: (row.never_failed, row.passed) for row in run.coverage} == {
        path.stem: ((), True) for path in FILES
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_policy_compiles_and_says_who_gets_it_and_why(path, engine):
    text = path.read_text()
    policy = parse(path.name, path.read_bytes()).document
    assert policy.metadata.name == path.stem
    assert policy.metadata.labels[BUNDLE_LABEL] in {"baseline", "strict"}
    assert set(policy.metadata.annotations) == {"severity", "category"}
    assert text.startswith("# yaml-language-server: $schema=../schemas/Policy.json\n#\n# ")
    assert len(re.findall(r"(?m)^# ", text)) >= 4
    assert policy.spec.failure_policy == "Fail"
    assert policy.spec.validation_actions == ("Deny",)
    assert engine.check(policy) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_validation_says_in_words_what_is_wrong(path):
    policy = parse(path.name, path.read_bytes()).document
    for validation in policy.spec.validations:
        assert validation.message_expression
        assert validation.reason != "Denied"


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_a_shipped_test_is_named_like_its_policy_and_names_its_schema(path):
    document = parse(path.name, path.read_bytes()).as_(PolicyTest)
    assert path.stem == f"{document.spec.policy}_test"
    assert path.read_text().startswith("# yaml-language-server: $schema=../../schemas/PolicyTest.json\n")


def test_every_expression_of_the_bundle_has_a_place_in_its_file():
    for policy in shipped():
        places = policy.places
        assert len(places) == len(list(expressions(policy.policy.spec)))
        for path, place in places.items():
            file, line, column = place.rsplit(":", 2)
            assert file == f"policies/{policy.name}.yaml", path
            assert (ROOT / file).read_text().splitlines()[int(line) - 1][int(column) - 1] != " "


def test_a_message_lists_evaluations_in_the_order_of_the_manifest(engine):
    """Maps have no order in CEL: a message made from one would differ from process to process."""
    by_name = {policy.name: policy for policy in shipped()}
    run = testing.run(loaded_tests(), [by_name["evaluations-not-worse"]], RUNTIMES, engine.ask)
    gone = next(result for result in run.results if result.case == "all evaluations are gone")
    assert gone.verdict.message.endswith("auc on holdout, auc on holdout (new-accounts), rmse on holdout")
    assert gone.verdict.values["dropped"] == ["auc on holdout", "auc on holdout (new-accounts)", "rmse on holdout"]


def test_an_answer_about_a_shipped_policy_names_its_file(engine):
    run = testing.run(loaded_tests(), shipped(), RUNTIMES, engine.ask)
    places = {result.verdict.place for result in run.results if result.verdict and result.verdict.rule}
    assert "policies/digest-pinned.yaml:14:19" in places
