"""What an object's summary says, from JSON as the API server sends it (the live cases are in test_apply)."""

import copy

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.edges.kube.observe import Facts, project, summarise

OURS = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"m"}': {
                        ".": {},
                        "f:name": {},
                        "f:image": {},
                        "f:args": {},
                        "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
                    }
                }
            }
        }
    },
}


def entry(fields=None, manager="reconciler", operation="Apply", **more) -> dict:
    row = {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1"}
    return row | {"fieldsV1": OURS if fields is None else fields} | more


def live(*managed: dict) -> dict:
    container = {
        "name": "m", "image": "img:1", "args": ["a", "b"], "imagePullPolicy": "Always",
        "ports": [{"containerPort": 80, "protocol": "TCP"}],
    }  # fmt: skip
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "x", "namespace": "a", "uid": "u", "resourceVersion": "7", "generation": 2,
            "labels": {"app": "x", "reconciler.dev/state": "prod-x-1"},
            "managedFields": list(managed) or [entry()],
        },
        "spec": {"replicas": 3, "template": {"spec": {"containers": [container, {"name": "sidecar"}]}}},
        "status": {"readyReplicas": 2, "observedGeneration": 2, "conditions": [
            {"type": "Available", "status": "True", "reason": "Min", "message": "ok", "lastUpdateTime": "x"}]},
    }  # fmt: skip


def container(obj: dict) -> dict:
    return obj["spec"]["template"]["spec"]["containers"][0]


def test_a_summary_has_what_the_server_says():
    found = summarise(live())
    assert str(found.ref) == "Deployment a/x"
    assert (found.uid, found.resource_version, found.generation) == ("u", "7", 2)
    assert (found.owner, found.others, found.deleting) == ("prod-x-1", (), False)
    assert found.digest.startswith("sha256:")
    assert found.facts == {
        "replicas": 3,
        "status": {
            "readyReplicas": 2,
            "observedGeneration": 2,
            "conditions": [{"type": "Available", "status": "True", "reason": "Min", "message": "ok"}],
        },
    }


SAME = {
    "the image pull policy, which the server chose": lambda o: container(o).update(imagePullPolicy="Never"),
    "replicas": lambda o: o["spec"].update(replicas=9),
    "an item of a list that is not ours": lambda o: o["spec"]["template"]["spec"]["containers"].reverse(),
    "a port that is not ours": lambda o: container(o)["ports"].insert(0, {"containerPort": 81, "protocol": "TCP"}),
    "a label that is not ours": lambda o: o["metadata"]["labels"].update(extra="1"),
    "the status": lambda o: o.update(status={}),
    "name and namespace": lambda o: o["metadata"].update(name="y", namespace="b"),
    "the order of managers": lambda o: o["metadata"]["managedFields"].insert(
        0, entry({"f:spec": {"f:z": {}}}, "other")
    ),
    "our scale manager": lambda o: o["metadata"]["managedFields"].append(entry({"f:spec": {}}, "reconciler-scale")),
}
CHANGED = {
    "the image": lambda o: container(o).update(image="img:2"),
    "one argument of a list that we own as a whole": lambda o: container(o)["args"].append("c"),
    "our port is gone": lambda o: container(o).update(ports=[]),
    "our port has another key": lambda o: container(o)["ports"][0].update(protocol="UDP"),
    "our container is gone": lambda o: o["spec"]["template"]["spec"]["containers"].pop(0),
    "our label is gone": lambda o: o["metadata"]["labels"].pop("app"),
    "our label is null": lambda o: o["metadata"]["labels"].update(app=None),
    "a field was taken over with the same value": lambda o: o["metadata"]["managedFields"][0].update(
        fieldsV1={key: below for key, below in OURS.items() if key != "f:metadata"}
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_what_is_not_ours_does_not_change_the_digest(case):
    obj = copy.deepcopy(live())
    SAME[case](obj)
    assert summarise(obj).digest == summarise(live()).digest


@pytest.mark.parametrize("case", CHANGED)
def test_what_is_ours_changes_the_digest(case):
    obj = copy.deepcopy(live())
    CHANGED[case](obj)
    assert summarise(obj).digest != summarise(live()).digest


@pytest.mark.parametrize(
    "managed",
    [
        entry(manager="kubectl"),
        entry(operation="Update"),
        entry(subresource="status"),
        entry({}),
    ],
)
def test_who_owns_nothing_has_no_digest(managed):
    assert summarise(live(managed)).digest == ""


REVISION = {"f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}}}
OTHERS = {
    "a person": (entry({"f:spec": {"f:paused": {}}}, "kubectl", "Update"), ("kubectl",)),
    "another applier": (entry({"f:metadata": {"f:labels": {"f:x": {}}}}, "helm"), ("helm",)),
    "one who calls itself like us but does not apply": (entry({"f:spec": {}}, operation="Update"), ("reconciler",)),
    "one who owns the list item itself": (
        entry({"f:spec": {"f:ports": {'k:{"a":1}': {".": {}}}}}, "x"),
        ("x",),
    ),
    "the status writer": (entry({"f:status": {}}, "kcm", "Update", subresource="status"), ()),
    "the autoscaler": (entry({"f:spec": {"f:replicas": {}}}, "kcm", "Update", subresource="scale"), ()),
    "our scale manager": (entry({"f:spec": {"f:replicas": {}}}, "reconciler-scale", "Update"), ()),
    "the deployment controller": (entry(REVISION | {"f:status": {"f:x": {}}}, "kcm", "Update"), ()),
    "one who owns the revision and more": (
        entry({"f:metadata": {"f:annotations": {"f:deployment.kubernetes.io/revision": {}, "f:y": {}}}}, "z"),
        ("z",),
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_others_are_who_could_fight_with_us(case):
    managed, expected = OTHERS[case]
    assert summarise(live(entry(), managed)).others == expected


def test_steps_that_are_not_known_are_absent_and_do_not_stop_the_rest():
    fields = {"f:a": {}, "x:what": {"f:b": {}}, 'v:"s"': {}, "i:1": {}, "i:9": {}, 'k:{"n":1}': {"f:m": {}}}
    projected = project(fields, {"a": 1})
    assert projected["f:a"] == 1
    assert {key for key, value in projected.items() if value == {"absent": True}} == set(fields) - {"f:a"}
    assert project({'v:"s"': {}, "i:1": {}, "i:9": {}}, ["r", "s"]) == {
        'v:"s"': "s", "i:1": "s", "i:9": {"absent": True},
    }  # fmt: skip


KINDS = {
    ("v1", "Service"): ({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "1"}]}}},
                        {"type": "LoadBalancer", "status": {"loadBalancer": {"ingress": [{"ip": "1"}]}}}),
    ("autoscaling/v2", "HorizontalPodAutoscaler"): (
        {"spec": {"maxReplicas": 4}, "status": {"currentReplicas": 2, "currentMetrics": []}},
        {"minReplicas": 1, "maxReplicas": 4, "status": {"currentReplicas": 2}}),
    ("policy/v1", "PodDisruptionBudget"): (
        {"status": {"disruptionsAllowed": 1}}, {"status": {"disruptionsAllowed": 1}}),
    ("batch/v1", "Job"): ({"status": {"failed": 1}}, {"status": {"failed": 1}}),
    ("v1", "Pod"): ({"status": {"phase": "Pending", "podIP": "x"}}, {"status": {"phase": "Pending"}}),
    ("v1", "PersistentVolumeClaim"): ({"status": {"phase": "Bound"}}, {"status": {"phase": "Bound"}}),
    ("v1", "ConfigMap"): ({"data": {"a": "b"}}, {}),
    ("x.test/v1", "Thing"): ({"status": {"conditions": [{"type": "Ready", "status": "True", "more": 1}]}},
                             {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
    ("apps/v1", "StatefulSet"): ({"spec": {"paused": True}}, {"replicas": 1, "status": {}, "paused": True}),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_facts_are_what_health_needs_by_kind(kind):
    body, expected = KINDS[kind]
    found = summarise({"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": "x"}} | body)
    assert found.facts == expected
    assert found.ref.namespace == ""


def test_facts_are_a_mapping_that_compares_by_value():
    left, right = Facts({"b": 1, "a": [2]}), Facts({"a": [2], "b": 1})
    assert left == right
    assert hash(left) == hash(right)
    assert dict(left) == {"a": [2], "b": 1}
    assert (len(left), left.get("c"), repr(left)) == (2, None, "Facts({'a': [2], 'b': 1})")


def test_an_object_under_deletion_says_so():
    obj = live()
    obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert summarise(obj).deleting


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), below, max_size=3)
    ),
    max_leaves=10,
)
TREES = st.recursive(
    st.just({}),
    lambda below: st.dictionaries(
        st.sampled_from([".", "f:a", "f:b", "f:c", "i:0", 'v:"a"', 'k:{"a":1}']), below, max_size=3
    ),
    max_leaves=8,
)


@given(TREES, JSON)
def test_projecting_any_tree_on_any_value_is_json_and_never_raises(tree, value):
    projected = project(tree, value)
    assert orjson.loads(orjson.dumps(projected)) == projected
    assert project(tree, value) == projected
