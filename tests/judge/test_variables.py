"""What policies see: the documented table, full data, and never a pod's environment values."""

from datetime import timedelta

import orjson
from hypothesis import given
from hypothesis import strategies as st
from policy_samples import DIGEST, NOW, effective, environment, facts

from reconciler.judge.upstream import Upstream
from reconciler.judge.variables import VARIABLES, scores, variables
from reconciler.model.cluster import Cluster
from reconciler.model.evidence import Evaluation, Slice
from reconciler.model.facts import CommitFact
from reconciler.model.record import SignatureFact

CLUSTER = Cluster.from_data({
    "apiVersion": "reconciler.dev/v1alpha1",
    "kind": "Cluster",
    "metadata": {"name": "eu", "labels": {"tier": "prod"}},
    "spec": {"connection": {"kubeconfig": "fleet", "context": "eu-admin"}},
})  # fmt: skip
COMMIT = CommitFact(revision="8d1f" * 10, author="Ada", email="ada@example.com", subject="Promote", time=NOW)


def test_every_documented_variable_is_filled_and_none_beside_it():
    assert {*variables(facts()), "params"} == set(VARIABLES)
    assert all(seen.meaning and seen.type for seen in VARIABLES.values())


def test_variables_are_plain_json():
    data = variables(facts(running=effective(), clusters=[CLUSTER], revision=COMMIT))
    assert orjson.loads(orjson.dumps(data)) == data


def test_an_unset_field_is_there_and_null_or_empty():
    spec = variables(facts())["release"]["spec"]
    assert spec["serving"]["probes"] is None
    assert spec["serving"]["placement"] == {"nodeSelector": {}, "tolerations": [], "topologySpread": None}
    assert spec["evidence"]["evaluations"] == []
    assert variables(facts())["environment"]["spec"]["policies"]["bundle"] == "baseline"


def test_values_of_a_pods_environment_are_left_out_of_what_is_asked_and_of_what_runs():
    data = variables(facts(running=effective()))
    assert "canary-token-4711" not in str(data)
    for name in ("release", "running"):
        assert data[name]["spec"]["serving"]["env"] == [
            {"name": "TOKEN", "secretKeyRef": None},
            {"name": "KEY", "secretKeyRef": {"name": "keys", "key": "api"}},
        ]


def test_hooks_are_listed_in_their_order_and_the_values_of_their_environment_left_out():
    job = {"name": "migrate", "image": "r.example.com/migrate:1", "env": [{"name": "URL", "value": "canary-4712"}]}
    smoke = {"name": "smoke", "image": "r.example.com/smoke:1"}
    data = variables(facts(release=effective({"hooks": {"before": [{"job": job}], "after": [{"job": smoke}]}})))
    assert "canary-4712" not in str(data)
    assert data["release"]["spec"]["hooks"]["before"][0]["job"]["env"] == [{"name": "URL", "secretKeyRef": None}]
    assert data["release"]["hooks"] == [
        {"name": "migrate", "when": "before", "image": "r.example.com/migrate:1"},
        {"name": "smoke", "when": "after", "image": "r.example.com/smoke:1"},
    ]


def test_a_release_is_shown_with_what_was_resolved_and_measured_in_numbers():
    evaluations = [{"dataset": "holdout", "metric": "auc", "value": 0.9, "slices": [{"name": "new", "value": 0.8}]}]
    release = variables(facts(release=effective({"evidence": {"evaluations": evaluations}})))["release"]
    assert release["metadata"] == {"name": "fraud-detector", "labels": {"team": "risk"}}
    assert release["image"] == f"registry.example.com/servers/onnx@{DIGEST}"
    assert release["version"].startswith("sha256:")
    assert release["manifest"] == DIGEST
    assert release["pod"] == {"cpu": 0.5, "memory": 2 << 30, "gpus": 2}
    assert release["scoreByName"] == {"auc on holdout": 0.9, "auc on holdout (new)": 0.8}


def test_the_probes_in_force_are_the_releases_own_or_the_runtimes():
    assert variables(facts())["release"]["probes"]["ready"] == {"path": "/ready"}
    own = effective({"serving": {"probes": {"ready": {"path": "/r"}, "live": {"path": "/l"}}}})
    assert variables(facts(release=own))["release"]["probes"] == {
        "ready": {"path": "/r"}, "live": {"path": "/l"}, "startup": None,
    }  # fmt: skip


def test_the_plan_sums_over_all_clusters():
    decision = facts(clusters=[CLUSTER, CLUSTER, CLUSTER], objects={"Deployment": 3, "Service": 6})
    assert variables(decision)["plan"] == {
        "clusters": 3,
        "objects": {"Deployment": 3, "Service": 6},
        "replicas": {"min": 6, "max": 12},
        "gpus": 24,
    }


def test_clusters_signatures_and_the_revision_are_shown_without_how_to_reach_anything():
    signature = SignatureFact(person="bo", key="SHA256:Q1", use="release")
    data = variables(facts(clusters=[CLUSTER], signatures=[signature], revision=COMMIT))
    assert data["clusters"] == [{"name": "eu", "labels": {"tier": "prod"}, "suspend": False}]
    assert data["signatures"] == [{"person": "bo", "key": "SHA256:Q1", "use": "release"}]
    assert data["revision"] == {
        "commit": "8d1f" * 10,
        "author": "Ada",
        "email": "ada@example.com",
        "subject": "Promote",
        "time": "2026-12-01T09:00:00Z",
    }
    assert variables(facts())["revision"] is None
    assert data["environment"]["metadata"] == {"name": environment().name, "labels": {"stage": "last"}}


def test_the_environment_before_is_shown_with_what_is_stable_there_and_how_long():
    assert variables(facts())["upstream"] is None
    nothing = variables(facts(upstream=Upstream(environment="staging", soak=timedelta(hours=24))))["upstream"]
    assert nothing == {
        "environment": "staging", "soak": "1d", "release": None, "served": False, "healthy": False, "soaked": False,
        "since": None, "until": None, "opens": None,
    }  # fmt: skip
    seen = Upstream(
        environment="staging",
        soak=timedelta(hours=24),
        stable=effective({"model": {"version": "1.3.0"}}),
        served=True,
        since=NOW - timedelta(hours=1),
    )
    shown = variables(facts(upstream=seen))["upstream"]
    assert shown["release"]["spec"]["model"]["version"] == "1.3.0"
    assert "canary-token-4711" not in str(shown)
    assert (shown["since"], shown["opens"], shown["soaked"]) == ("2026-12-01T08:00:00Z", "2026-12-02T08:00:00Z", False)


def test_no_value_of_a_sidecars_variable_is_shown():
    env = [
        {"name": "LOG", "value": "canary-token-4712"},
        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
        1,
    ]
    patch = {"spec": {"containers": [{"name": "side", "env": env}, {"name": "other", "env": None}]}}
    shown = variables(facts(release=effective({"serving": {"podTemplate": patch}})))["release"]["spec"]["serving"]
    assert "canary-token-4712" not in str(shown)
    names = shown["podTemplate"]["spec"]["containers"][0]["env"]
    assert names == [{"name": "LOG"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}, 1]


TEXT = st.text("ab", min_size=1, max_size=2)
VALUE = st.floats(allow_nan=False, allow_infinity=False)
EVALUATIONS = st.lists(
    st.builds(
        Evaluation,
        dataset=TEXT,
        metric=TEXT,
        value=VALUE,
        slices=st.lists(st.builds(Slice, name=TEXT, value=VALUE), max_size=3).map(tuple),
    ),
    max_size=6,
)


@given(EVALUATIONS)
def test_no_measured_value_is_hidden_by_another_of_its_name(evaluations):
    rows = scores(evaluations)
    values = [value for entry in evaluations for value in (entry.value, *(part.value for part in entry.slices))]
    assert [row["value"] for row in rows] == values
    assert len({row["name"] for row in rows}) == len(rows)
