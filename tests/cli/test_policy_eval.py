"""`policy eval` from files alone; against a running daemon it is told in tests/story."""

import json
import shutil

import pytest

from reconciler.loop.bundle import bundled

PROD = "releases/prod/fraud-detector.yaml"


@pytest.fixture
def acme(tmp_path):
    return shutil.copytree(bundled("sample-repo"), tmp_path / "acme")


def test_a_release_that_nothing_denies(reconciler, acme):
    said = reconciler("policy", "eval", acme / PROD, "--root", acme, "--offline")
    assert said.code == 0
    assert said.out.startswith(f"prod/fraud-detector ({PROD}): Create; nothing runs, 1.3.0 is asked for\n")
    assert "✓ pass digest-pinned (builtin:baseline)" in said.out
    assert "✓ pass team-named (policies/team-named.yaml)" in said.out
    assert "· skip evaluations-not-worse" in said.out
    assert said.out.endswith("\nno policy denies\n")


def test_every_release_of_the_sample_passes_its_policies(reconciler, acme):
    for path in sorted((acme / "releases").rglob("*.yaml")):
        said = reconciler("policy", "eval", path, "--root", acme, "--offline")
        assert (said.code, "denied by" in said.out) == (0, False), said.out


def test_a_waiver_is_named_with_what_the_policy_said_and_its_rules_are_shown(reconciler, acme):
    churn = acme / "releases/staging/churn-scorer.yaml"
    said = reconciler("policy", "eval", churn, "--root", acme, "--offline")
    assert "skip card-and-lineage (builtin:strict): waived by waivers/churn-lineage.yaml until 2036-01-01" in said.out
    assert "(it said: evidence.trainingRun.dataset.digest is not set" in said.out
    assert "✗ rule 4 at policies/card-and-lineage.yaml" in said.out
    (acme / "waivers/churn-lineage.yaml").unlink()
    said = reconciler("policy", "eval", churn, "--root", acme, "--offline")
    assert (said.code, said.out.endswith("denied by card-and-lineage\n")) == (1, True)


def test_a_denial_names_rule_place_and_values(reconciler, acme):
    worse = acme / PROD
    running = acme / "running.txt"
    shutil.copy(worse, running)
    worse.write_text(worse.read_text().replace("value: 0.953", "value: 0.91"))
    said = reconciler("policy", "eval", worse, "--root", acme, "--running", running)
    assert said.code == 1
    assert "Update; 1.3.0 runs, 1.3.0 is asked for" in said.out
    assert "✗ fail evaluations-not-worse (builtin:strict): worse than what runs: auc on holdout-2026-10" in said.out
    assert "✗ rule 2 at policies/evaluations-not-worse.yaml:37:19: size(variables.worse) == 0" in said.out
    assert 'variables.worse = ["auc on holdout-2026-10 is 0.91, was 0.953"]' in said.out
    assert said.out.endswith("denied by evaluations-not-worse\n")


def test_as_json(reconciler, acme):
    said = reconciler("policy", "eval", acme / PROD, "--root", acme, "--offline", "-o", "json")
    data = json.loads(said.out)
    assert (data["release"], data["operation"], data["runs"]) == ("prod/fraud-detector", "Create", None)
    pinned = next(row for row in data["policies"] if row["name"] == "digest-pinned")
    assert [rule["result"] for rule in pinned["rules"]] == ["pass"] * 4
    assert pinned["rules"][0]["values"]["release.image"].startswith("registry.example.com/serving/onnx-http@sha256:")


def test_what_is_switched_off_or_about_something_else_is_told(reconciler, acme):
    environment = acme / "environments/prod.yaml"
    off = "    off: [{name: two-replicas, reason: batch only}]\n"
    environment.write_text(environment.read_text() + off)
    own = acme / "policies/team-named.yaml"
    own.write_text(own.read_text().replace("spec:\n", "spec:\n  match: {environments: [dev]}\n", 1))
    said = reconciler("policy", "eval", acme / PROD, "--root", acme, "--offline")
    assert "· skip two-replicas (builtin:strict): switched off in environment prod: batch only" in said.out
    assert "· skip team-named (policies/team-named.yaml): it is not about environment prod" in said.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing.yaml", "--offline"], "there is no file"),
        (["environments/prod.yaml", "--offline"], "is no ModelRelease"),
        ([PROD, "--running", "environments/prod.yaml"], "is of kind Environment, not ModelRelease"),
        ([PROD, "--running", "nothing.yaml"], "there is no file nothing.yaml"),
        ([PROD, "--offline", "--revision", "HEAD"], "give --revision, or judge offline"),
    ],
)
def test_what_cannot_be_judged(reconciler, acme, monkeypatch, arguments, sentence):
    monkeypatch.chdir(acme)
    said = reconciler("policy", "eval", "--root", ".", *arguments)
    assert said.code != 0
    assert sentence in said.err


def test_what_does_not_resolve_is_told_at_its_place(reconciler, acme):
    (acme / PROD).write_text((acme / PROD).read_text().replace("runtime: onnx-http", "runtime: onnx-htp"))
    said = reconciler("policy", "eval", acme / PROD, "--root", acme, "--offline")
    assert said.code == 1
    assert "did you mean 'onnx-http'?" in said.err
