"""The digests that everything is bound to. A golden value that changes restarts every model or voids every approval."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.digest import closure_of, pruned_of, sha256_of, version_of
from reconciler.errors import Misused
from reconciler.model.release import ReleaseSpec
from reconciler.model.runtime import ResolvedRuntime
from reconciler.model.state import PruneMark

IMAGE = "registry.example.com/mlserver@sha256:" + "cd" * 32
DIGEST = "sha256:" + "ab" * 32

SMALL: dict[str, Any] = {
    "environment": "prod",
    "model": {
        "name": "m",
        "version": "1.4.0",
        "uri": f"oci://r.example.com/m@{DIGEST}",
        "digest": DIGEST,
        "format": "onnx",
    },
    "serving": {
        "runtime": "mlserver",
        "resources": {"cpu": "2", "memory": "8Gi"},
        "replicas": {"min": 2, "max": 4},
    },
    "targets": {"namespace": "fraud", "clusters": {"matchLabels": {"tier": "prod"}}},
}
RUNTIME: dict[str, Any] = {
    "id": "builtin:mlserver/1",
    "name": "mlserver",
    "spec": {"ports": [{"name": "http", "port": 8080}], "probes": {"ready": {"path": "/ready"}}},
}


def edited(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The data with the field at a dotted path set."""
    head, _, rest = path.partition(".")
    return {**data, head: edited(data.get(head, {}), rest, value) if rest else value}


def version(spec=None, runtime=None, image=IMAGE, renderer=1):
    return version_of(
        ReleaseSpec.from_data(spec or SMALL), ResolvedRuntime.from_data(runtime or RUNTIME), image, renderer
    )


FULL = edited(
    edited(
        edited(
            edited(edited(SMALL, "serving.args", ["-v"]), "serving.env", [{"name": "A", "value": "1"}]),
            "serving.placement",
            {"nodeSelector": {"pool": "gpu"}, "tolerations": [{"key": "gpu"}], "topologySpread": "zone"},
        ),
        "serving.access.serviceAccount",
        "fraud",
    ),
    "serving.resources.gpu",
    {"count": 1, "product": "H100"},
)


@pytest.mark.parametrize(
    ("spec", "golden"),
    [
        (SMALL, "sha256:575bd0cb1e93074b6f7bcebdb7788fd207cd21f6144f39d35f0763b27f17bb6b"),
        (FULL, "sha256:83fc77b599766875fb27422480c2b0f78160fdda48215e455e8d8c167df15cc6"),
    ],
    ids=["a small release", "one with all that changes pods"],
)
def test_the_version_is_still(spec, golden):
    assert version(spec) == golden


CHANGES_PODS = [
    ("model.name", "other"),
    ("model.version", "1.4.1"),
    ("model.uri", f"oci://r.example.com/other@{DIGEST}"),
    ("model.digest", "sha256:" + "0" * 64),
    ("model.format", "sklearn"),
    ("serving.args", ["-v"]),
    ("serving.args", ["-q", "-v"]),
    ("serving.args", ["-v", "-q"]),
    ("serving.env", [{"name": "A", "value": "1"}]),
    ("serving.env", [{"name": "A", "secretKeyRef": {"name": "s", "key": "k"}}]),
    ("serving.resources.cpu", "3"),
    ("serving.resources.memory", "9Gi"),
    ("serving.resources.gpu", {"count": 1}),
    ("serving.startup", {"budget": "10m"}),
    ("serving.placement.nodeSelector", {"pool": "gpu"}),
    ("serving.placement.tolerations", [{"key": "gpu"}]),
    ("serving.placement.topologySpread", "node"),
    ("serving.access.serviceAccount", "fraud"),
    ("serving.startup", {"smoke": {"path": "/v1/infer"}}),
    ("serving.check", {"image": "r.example.com/python@sha256:" + "0" * 64}),
    ("serving.podTemplate", {"spec": {"imagePullSecrets": [{"name": "registry"}]}}),
    ("serving.podTemplate", {"spec": {"terminationGracePeriodSeconds": None}}),
    ("serving.ignore", [{"kind": "Deployment", "path": "/spec/template/metadata/annotations/a"}]),
]

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": "fast"}}

APPLIES_IN_PLACE = [
    ("environment", "staging"),
    ("state", "retired"),
    ("evidence", {"evaluations": [{"dataset": "d", "metric": "auc", "value": 0.9}]}),
    ("evidence.license", "apache-2.0"),
    ("evidence.risk", "high"),
    ("evidence.trainingRun", {"provider": "mlflow", "uri": "https://mlflow.example.com/1"}),
    ("links", {"owner": "team-risk"}),
    ("serving.replicas", {"min": 1, "max": 9}),
    ("serving.disruption", {"maxUnavailable": 2}),
    ("serving.access.allowFrom", [{"namespace": "checkout"}]),
    ("targets.namespace", "llm"),
    ("targets.clusters.matchLabels", {"tier": "dev"}),
    ("rollout.strategy", "recreate"),
    ("serving.objects", [CONFIG]),
    ("serving.ignore", [{"kind": "Deployment", "path": "/metadata/annotations/a"}]),
    ("serving.ignore", [{"kind": "Service", "path": "/spec/template/a"}]),
    ("hooks", {"before": [{"job": {"name": "migrate", "image": IMAGE}}]}),
]

SAYS_THE_DEFAULT = [
    ("serving.args", []),
    ("serving.env", []),
    ("serving.startup", {}),
    ("serving.startup", {"budget": "300s"}),
    ("serving.placement", {}),
    ("serving.placement", {"nodeSelector": {}, "tolerations": []}),
    ("serving.resources.gpu", None),
    ("serving.access", {"allowFrom": []}),
    ("serving.podTemplate", {}),
    ("serving.objects", []),
    ("serving.ignore", []),
    ("serving.startup", {"smoke": None}),
]


@pytest.mark.parametrize(("path", "value"), CHANGES_PODS, ids=[f"{row[0]} {row[1]}" for row in CHANGES_PODS])
def test_another_version_for_another(path, value):
    assert version(edited(SMALL, path, value)) != version()


@pytest.mark.parametrize(("path", "value"), APPLIES_IN_PLACE, ids=[row[0] for row in APPLIES_IN_PLACE])
def test_the_same_version_for_another(path, value):
    assert version(edited(SMALL, path, value)) == version()


@pytest.mark.parametrize(("path", "value"), SAYS_THE_DEFAULT, ids=[f"{row[0]} {row[1]}" for row in SAYS_THE_DEFAULT])
def test_the_same_version_with_a_default_written_down(path, value):
    assert version(edited(SMALL, path, value)) == version()


PATCHED = edited(
    SMALL,
    "serving",
    {
        **SMALL["serving"],
        "podTemplate": {"spec": {"volumes": [{"name": "s", "configMap": {"name": "settings"}}]}},
        "objects": [CONFIG, {**CONFIG, "metadata": {"name": "other"}}],
    },
)


@pytest.mark.parametrize(("index", "another"), [(0, True), (1, False)], ids=["that pods read", "that no pod reads"])
def test_the_content_of_a_configmap(index, another):
    objects = [dict(row) for row in PATCHED["serving"]["objects"]]
    objects[index]["data"] = {"mode": "slow"}
    assert (version(edited(PATCHED, "serving.objects", objects)) != version(PATCHED)) is another


def test_the_order_of_configmaps_does_not_matter():
    assert version(edited(PATCHED, "serving.objects", PATCHED["serving"]["objects"][::-1])) == version(PATCHED)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", "builtin:mlserver/2"),
        ("spec.image", IMAGE),
        ("spec.command", ["serve"]),
        ("spec.args", ["-v"]),
        ("spec.formats", ["onnx"]),
        ("spec.ports", [{"name": "http", "port": 8081}]),
        ("spec.probes", {"ready": {"path": "/ready"}, "live": {"path": "/live"}}),
    ],
)
def test_another_version_for_another_runtime(path, value):
    assert version(runtime=edited(RUNTIME, path, value)) != version()


def test_another_version_for_another_image_or_renderer():
    assert len({version(), version(image=IMAGE.replace("cd", "ef")), version(renderer=2)}) == 3


def test_every_difference_is_a_difference_of_its_own():
    versions = [version(edited(SMALL, path, value)) for path, value in CHANGES_PODS]
    assert len({version(), *versions}) == len(versions) + 1


def shuffled(data: Any, draw: Any) -> Any:
    if isinstance(data, dict):
        return {key: shuffled(data[key], draw) for key in draw(st.permutations(list(data)))}
    return [shuffled(item, draw) for item in data] if isinstance(data, list) else data


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_order_of_fields_does_not_matter_and_what_applies_in_place_never_does(data):
    spec = FULL
    for path, value in data.draw(st.lists(st.sampled_from(APPLIES_IN_PLACE))):
        spec = edited(spec, path, value)
    assert version(shuffled(spec, data.draw), shuffled(RUNTIME, data.draw)) == version(FULL)


PAIRS = [("releases/prod/a.yaml", "1" * 40), ("environments/prod.yaml", "2" * 40), ("builtin:vllm/1", "3" * 40)]


def test_the_closure_is_still():
    assert closure_of(PAIRS) == "sha256:363b9068af7fe1a5d33204cf63495a948288ea1a5bb07eca576e305a87926e46"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PAIRS)), st.permutations(PAIRS))
def test_the_order_and_repetition_of_documents_do_not_matter(more, pairs):
    assert closure_of([*more, *pairs]) == closure_of(PAIRS)


@settings(max_examples=100, deadline=None)
@given(*[st.dictionaries(st.text(min_size=1, max_size=3), st.text(min_size=1, max_size=3), min_size=1, max_size=3)] * 2)
def test_two_closures_are_equal_only_when_their_documents_are(one, other):
    assert (closure_of(one.items()) == closure_of(other.items())) is (one == other)


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ([], "would approve anything"),
        ([("a.yaml", "1"), ("a.yaml", "2")], "a.yaml is in it with two blobs"),
        ([("", "1")], "needs the path and the blob"),
        ([("a.yaml", "")], "needs the path and the blob"),
    ],
)
def test_a_closure_that_binds_to_nothing_clear_is_refused(pairs, sentence):
    with pytest.raises(Misused, match=sentence):
        closure_of(pairs)


def test_sha256_is_written_with_its_name():
    """The test vector `abc` of FIPS 180-2."""
    assert sha256_of(b"abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def mark(name="a", **more):
    return PruneMark(**{"api": "v1", "kind": "Service", "namespace": "fraud", "name": name, "sequence": 3, **more})


def test_a_confirmation_is_of_exactly_these_marks_in_any_order():
    whole = pruned_of({"eu-1": [mark(), mark("b")], "us-1": [mark()]})
    assert whole == pruned_of({"us-1": [mark()], "eu-1": [mark("b"), mark()]})
    assert whole == pruned_of({"us-1": [mark(confirm=True)], "eu-1": [mark("b"), mark()]})
    others = [
        {"eu-1": [mark(), mark("b")]},
        {"eu-1": [mark(), mark("b")], "ap-1": [mark()]},
        {"eu-1": [mark(), mark("b")], "us-1": [mark(sequence=4)]},
        {"eu-1": [mark(), mark("b")], "us-1": [mark(uid="u")]},
        {"eu-1": [mark(), mark("b")], "us-1": [mark(kind="Secret")]},
    ]
    assert len({whole, *map(pruned_of, others)}) == 1 + len(others)


def test_a_confirmation_of_nothing_is_refused():
    with pytest.raises(Misused, match="would say nothing"):
        pruned_of({"eu-1": []})
