"""Escape hatches rendered: the strategic patch, further objects, fields that are left to others, PodMonitors."""

import pytest
from render_cases import HATCHES, SIDE_IMAGE, churn, fraud, key_of, llm, merged, ranker, rendering

from reconciler.model.ids import short
from reconciler.model.objects import LABEL_STATE
from reconciler.render.monitoring import OPTIONAL, POD_MONITOR
from reconciler.render.patch import strategic

PATCHES = [
    ("a field is set", {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    ("a field is replaced", {"a": 1}, {"a": "x"}, {"a": "x"}),
    ("null removes", {"a": 1, "b": 2}, {"a": None}, {"b": 2}),
    ("null of what is not there", {"b": 2}, {"a": None}, {"b": 2}),
    ("mappings merge", {"a": {"x": 1, "y": 2}}, {"a": {"y": None, "z": 3}}, {"a": {"x": 1, "z": 3}}),
    ("a mapping in place of a scalar", {"a": 1}, {"a": {"x": 1}}, {"a": {"x": 1}}),
    ("no null is left in what is new", {}, {"a": {"x": None, "y": [{"z": None}]}}, {"a": {"y": [{}]}}),
    ("a list without a key is replaced", {"args": [1, 2]}, {"args": [3]}, {"args": [3]}),
    ("tolerations have no key", {"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]},
     {"tolerations": [{"key": "b"}]}),
    ("a list merges by its key", {"env": [{"name": "a", "value": "1"}, {"name": "b"}]},
     {"env": [{"name": "a", "value": "2"}, {"name": "c"}]},
     {"env": [{"name": "a", "value": "2"}, {"name": "b"}, {"name": "c"}]}),
    ("ports merge by their number", {"ports": [{"containerPort": 1, "name": "a"}]},
     {"ports": [{"containerPort": 1, "name": "b"}, {"containerPort": 2}]},
     {"ports": [{"containerPort": 1, "name": "b"}, {"containerPort": 2}]}),
    ("mounts merge by their path", {"volumeMounts": [{"mountPath": "/a", "name": "a"}]},
     {"volumeMounts": [{"mountPath": "/a", "readOnly": True}]},
     {"volumeMounts": [{"mountPath": "/a", "name": "a", "readOnly": True}]}),
    ("lists in a list's items merge too", {"containers": [{"name": "m", "env": [{"name": "a"}]}]},
     {"containers": [{"name": "m", "env": [{"name": "b"}]}, {"name": "s"}]},
     {"containers": [{"name": "m", "env": [{"name": "a"}, {"name": "b"}]}, {"name": "s"}]}),
    ("a volume's source is replaced by another", {"volumes": [{"name": "t", "emptyDir": {"medium": "Memory"}}]},
     {"volumes": [{"name": "t", "persistentVolumeClaim": {"claimName": "c"}}]},
     {"volumes": [{"name": "t", "persistentVolumeClaim": {"claimName": "c"}}]}),
    ("a volume's own source merges", {"volumes": [{"name": "t", "emptyDir": {"medium": "Memory"}}]},
     {"volumes": [{"name": "t", "emptyDir": {"sizeLimit": "1Gi"}}]},
     {"volumes": [{"name": "t", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}]}),
]  # fmt: skip


@pytest.mark.parametrize(("base", "patch", "expected"), [row[1:] for row in PATCHES], ids=[row[0] for row in PATCHES])
def test_a_patch_where(base, patch, expected):
    before = repr(base)
    assert strategic(base, patch) == expected
    assert repr(base) == before


def objects(*entries, **more):
    return {(each.ref.kind, each.ref.name): each for each in rendering(*entries, **more).objects}


def of_kind(kind, *entries, **more):
    return [each for each in rendering(*entries, **more).objects if each.ref.kind == kind]


PATCHED = fraud("1.6.0", **HATCHES)


def template(effective=PATCHED):
    (found,) = of_kind("Deployment", (effective, "stable", 2, 10))
    return found.body["spec"]["template"]


def test_sidecars_get_no_more_rights_than_the_model():
    model, proxy = template()["spec"]["containers"]
    assert (model["name"], proxy["name"], proxy["image"]) == ("model", "proxy", SIDE_IMAGE)
    assert model["securityContext"]["readOnlyRootFilesystem"] is True
    assert proxy["securityContext"] == {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsUser": 1337,
    }  # fmt: skip


def test_what_the_patch_does_not_name_stays():
    plain, patched = template(fraud("1.6.0")), template()
    assert patched["metadata"]["annotations"] == plain["metadata"]["annotations"]
    assert patched["metadata"]["labels"].items() > plain["metadata"]["labels"].items()
    for field in ("image", "args", "resources", "ports", "startupProbe"):
        assert patched["spec"]["containers"][0][field] == plain["spec"]["containers"][0][field]
    assert patched["spec"]["securityContext"] == {**plain["spec"]["securityContext"], "fsGroup": 2000}
    assert "topologySpreadConstraints" not in patched["spec"]


def test_a_configmap_that_pods_read_is_a_copy_of_the_version():
    other = fraud("1.7.0", **HATCHES)
    found = objects((PATCHED, "stable", 2, 2), (other, "candidate", 1, 1))
    names = {name for kind, name in found if kind == "ConfigMap"}
    assert names == {f"settings-{short(each.version)}" for each in (PATCHED, other)}
    (volume,) = (row for row in template()["spec"]["volumes"] if row["name"] == "settings")
    assert volume["configMap"]["name"] == f"settings-{short(PATCHED.version)}"


def test_other_objects_are_the_releases_own_with_our_labels_before_the_workload():
    found = objects((PATCHED, "stable", 2, 10))
    claim = found["PersistentVolumeClaim", "cache"]
    assert claim.tier < found["Deployment", f"fraud-detector-{short(PATCHED.version)}"].tier
    assert claim.ref.namespace == "fraud"
    labels = claim.body["metadata"]["labels"]
    assert (labels["team"], labels[LABEL_STATE]) == ("risk", key_of(PATCHED).state_name)


def with_claims(version, *names, size="1Gi"):
    claims = [
        {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
        }
        for name in names
    ]  # fmt: skip
    return fraud(version, serving={"objects": claims})


def test_an_object_stays_while_any_version_names_it_and_follows_the_lead_version():
    old, new = with_claims("1.0.0", "a", "b"), with_claims("1.1.0", "b", "c", size="2Gi")
    found = objects((old, "stable", 2, 2), (new, "candidate", 1, 1))
    sizes = {
        name: each.body["spec"]["resources"]["requests"]["storage"]
        for (kind, name), each in found.items()
        if kind == "PersistentVolumeClaim"
    }
    assert sizes == {"a": "1Gi", "b": "2Gi", "c": "2Gi"}


def test_what_only_a_version_at_zero_uses_is_kept_and_not_made():
    old, new = with_claims("1.0.0", "a", "b"), with_claims("1.1.0", "b", "c")
    found = rendering((old, "stable", 2, 2), (new, "previous", 0, 0))
    assert {each.ref.name for each in found.objects if each.ref.kind == "PersistentVolumeClaim"} == {"a", "b", "c"}
    assert {ref.name for ref in found.kept} == {"c"}
    patched = rendering((old, "stable", 2, 2), (PATCHED, "previous", 0, 0))
    assert {ref.name for ref in patched.kept} == {f"settings-{short(PATCHED.version)}", "cache"}
    assert rendering((old, "stable", 2, 2)).kept == frozenset()


def test_ignored_fields_are_not_sent_and_leave_no_empty_mapping():
    plain = objects((fraud("1.6.0"), "stable", 2, 10))
    rows = [
        {"kind": "HorizontalPodAutoscaler", "path": "/spec/metrics"},
        {"kind": "Deployment", "name": "fraud-detector", "path": "/metadata/annotations/reconciler.dev~1model"},
        {"kind": "Service", "name": "another", "path": "/spec/selector"},
        {"kind": "Deployment", "path": "/spec/template/spec/containers/0/resources/requests/cpu"},
        {"kind": "Deployment", "path": "/spec/template/spec/nodeSelector/zone"},
        {"kind": "Deployment", "path": "/spec/template/spec/containers/7/resources"},
    ]
    left = objects((fraud("1.6.0", serving={"ignore": rows}), "stable", 2, 10))
    changed = {place[0] for place, each in left.items() if each.payload != plain[place].payload}
    assert changed == {"HorizontalPodAutoscaler", "Deployment"}
    (workload,) = (each.body for (kind, _), each in left.items() if kind == "Deployment")
    assert workload["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"] == {"memory": "8Gi"}
    assert "reconciler.dev/model" not in workload["metadata"]["annotations"]
    only = {"kind": "Deployment", "path": "/spec/strategy/rollingUpdate"}
    whole = fraud("1.6.0", serving={"placement": {"nodeSelector": {"a": "b"}}})
    gone = merged(whole.to_data(), {"spec": {"serving": {"ignore": [
        only, {"kind": "Deployment", "path": "/spec/template/spec/nodeSelector/a"}]}}})  # fmt: skip
    (emptied,) = of_kind("Deployment", (type(whole).from_data(gone), "stable", 1, 1))
    assert "nodeSelector" not in emptied.body["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("effective", "endpoint"),
    [
        (churn(), {"port": "metrics", "path": "/metrics"}),
        (ranker(), {"port": "metrics", "path": "/metrics"}),
        (llm(), {"port": "http", "path": "/metrics"}),
        (fraud("1.4.0"), None),
    ],
    ids=["mlserver", "triton", "vllm", "a server that tells no numbers"],
)
def test_a_cluster_that_knows_podmonitors_gets_one_per_running_version(effective, endpoint):
    entry = (effective, "stable", 1, 1)
    assert of_kind("PodMonitor", entry) == []
    assert of_kind("PodMonitor", (effective, "previous", 0, 0), kinds=OPTIONAL) == []
    found = of_kind("PodMonitor", entry, kinds=OPTIONAL)
    assert [each.body["spec"]["podMetricsEndpoints"] for each in found] == ([[endpoint]] if endpoint else [])
    for each in found:
        assert (each.ref.api_version, each.ref.kind) == POD_MONITOR
        assert each.body["spec"]["podTargetLabels"] == ["reconciler.dev/release", "reconciler.dev/version"]


def test_no_pod_changes_for_a_podmonitor():
    entry = (llm(), "stable", 1, 1)
    without = list(rendering(entry).objects)
    assert [each for each in rendering(entry, kinds=OPTIONAL).objects if each.ref.kind != "PodMonitor"] == without
