"""Writes against an API server: what is ours, what drifts, who takes over, and what is never touched."""

import copy

import orjson
import pytest
from kube_cases import deployment, rendered, service

from reconciler.edges.kube.apply import Objects, foreign
from reconciler.edges.kube.connect import Connection
from reconciler.edges.kube.resources import Resources
from reconciler.errors import Conflict, NotFound, Refused, Stalled
from reconciler.model.objects import ObjectRef

STATE = "prod-fraud-0a1b2c3d"
MERGE = "application/merge-patch+json"


@pytest.fixture
def objects(cluster: Connection) -> Objects:
    return Objects(cluster)


def edit(cluster: Connection, ref: ObjectRef, patch: dict, manager: str = "kubectl-edit") -> None:
    """What a person does: a merge patch as another manager."""
    path = Resources(cluster).path(ref)
    cluster.request(
        "PATCH", path, query={"fieldManager": manager}, body=orjson.dumps(patch), content_type=MERGE
    )  # fmt: skip


def take_over(cluster: Connection, body: dict, manager: str) -> None:
    """What another controller does: apply with force."""
    query = {"fieldManager": manager, "force": "true"}
    path = Resources(cluster).path(ObjectRef.of(body))
    cluster.request("PATCH", path, query=query, body=orjson.dumps(body), content_type="application/apply-patch+yaml")


def container_patch(**change) -> dict:
    """A merge patch replaces lists whole, so it carries the container as it should be."""
    container = deployment("a", "x")["spec"]["template"]["spec"]["containers"][0]
    return {"spec": {"template": {"spec": {"containers": [container | change]}}}}


def test_an_applied_object_is_ours_and_applying_it_again_changes_nothing(objects, namespace):
    wanted = rendered(deployment(namespace, "fraud"))
    with pytest.raises(NotFound):
        objects.get(wanted.ref)
    first = objects.apply(wanted)
    assert first.digest
    assert first.owner == STATE
    assert first.others == ()
    assert not foreign(first, STATE)
    assert foreign(first, "prod-fraud-ffffffff")
    again = objects.apply(wanted)
    assert (again.digest, again.uid, again.generation) == (first.digest, first.uid, first.generation)
    assert objects.get(wanted.ref).digest == first.digest


def test_what_the_server_adds_is_not_drift(objects, cluster, namespace):
    wanted = rendered(deployment(namespace, "fraud"))
    first = objects.apply(wanted)
    whole = objects.read(wanted.ref)
    assert whole["spec"]["strategy"]["type"] == "RollingUpdate"
    restart = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    edit(cluster, wanted.ref, {"spec": {"template": {"metadata": {"annotations": restart}}}})
    live = objects.get(wanted.ref)
    assert live.digest == first.digest
    assert live.generation > first.generation
    assert live.others == ("kubectl-edit",)


DRIFT = {
    "another image": container_patch(image="img:9"),
    "another value of our variable": container_patch(
        env=[{"name": "MODEL", "value": "other"}, {"name": "LEVEL", "value": "info"}]
    ),
    "one of our variables removed": container_patch(env=[{"name": "MODEL", "value": "fraud"}]),
    "one of our ports removed": container_patch(ports=[{"containerPort": 8080, "name": "http"}]),
    "one argument added": container_patch(args=["--a", "--b", "--c"]),
    "our label changed": {"metadata": {"labels": {"reconciler.dev/state": "other"}}},
    "our label removed": {"metadata": {"labels": {"reconciler.dev/state": None}}},
}


@pytest.mark.parametrize("case", DRIFT)
def test_a_change_of_what_is_ours_is_drift_and_applying_repairs_it(case, objects, cluster, namespace):
    wanted = rendered(deployment(namespace, "fraud"))
    first = objects.apply(wanted)
    edit(cluster, wanted.ref, DRIFT[case])
    assert objects.get(wanted.ref).digest != first.digest
    assert objects.apply(wanted).digest == first.digest


def test_a_variable_that_somebody_adds_beside_ours_is_not_drift(objects, cluster, namespace):
    wanted = rendered(deployment(namespace, "fraud"))
    first = objects.apply(wanted)
    env = [*deployment(namespace, "x")["spec"]["template"]["spec"]["containers"][0]["env"], {"name": "Z", "value": "1"}]
    edit(cluster, wanted.ref, container_patch(env=env))
    assert objects.get(wanted.ref).digest == first.digest


def test_an_edit_that_is_taken_back_leaves_the_field_to_its_editor_until_we_apply(objects, cluster, namespace):
    wanted = rendered(deployment(namespace, "fraud"))
    first = objects.apply(wanted)
    edit(cluster, wanted.ref, container_patch(image="img:9"))
    edit(cluster, wanted.ref, container_patch(image="img:1"))
    live = objects.get(wanted.ref)
    assert live.digest != first.digest
    assert live.others == ("kubectl-edit",)
    assert objects.apply(wanted).digest == first.digest


def test_another_manager_that_takes_a_field_over_is_named(objects, cluster, namespace):
    wanted = rendered(deployment(namespace, "fraud"))
    first = objects.apply(wanted)
    theirs = deployment(namespace, "fraud")
    theirs["spec"]["template"]["spec"]["containers"] = [{"name": "model", "image": "theirs:1"}]
    take_over(cluster, theirs, "argocd")
    live = objects.get(wanted.ref)
    assert live.digest != first.digest
    assert live.others == ("argocd",)
    repaired = objects.apply(wanted)
    assert repaired.digest == first.digest
    assert objects.read(wanted.ref)["spec"]["template"]["spec"]["containers"][0]["image"] == "img:1"


def test_a_field_that_we_no_longer_render_goes_away(objects, namespace):
    body = deployment(namespace, "fraud")
    objects.apply(rendered(body))
    body = copy.deepcopy(body)
    body["spec"]["template"]["spec"]["containers"][0]["env"].pop()
    objects.apply(rendered(body))
    live = objects.read(ObjectRef.of(body))
    assert [row["name"] for row in live["spec"]["template"]["spec"]["containers"][0]["env"]] == ["MODEL"]


def test_replicas_are_set_beside_the_object_and_survive_an_apply(objects, namespace):
    wanted = rendered(deployment(namespace, "fraud"))
    first = objects.apply(wanted)
    objects.scale(wanted.ref, 4)
    live = objects.get(wanted.ref)
    assert live.facts["replicas"] == 4
    assert (live.digest, live.others) == (first.digest, ())
    assert objects.apply(wanted).facts["replicas"] == 4
    objects.scale(wanted.ref, 0)
    assert objects.get(wanted.ref).facts["replicas"] == 0


def test_what_we_did_not_make_is_foreign(objects, cluster, namespace):
    plain = deployment(namespace, "plain")
    del plain["metadata"]["labels"]
    take_over(cluster, plain, "helm")
    assert foreign(objects.get(ObjectRef.of(plain)), STATE)
    copied = deployment(namespace, "copied")  # somebody copied our labels
    take_over(cluster, copied, "helm")
    live = objects.get(ObjectRef.of(copied))
    assert live.owner == STATE
    assert foreign(live, STATE)


def test_a_dry_run_shows_the_whole_object_and_changes_nothing(objects, namespace):
    body = deployment(namespace, "fraud")
    shown = objects.dry_run(rendered(body))
    assert shown["spec"]["template"]["spec"]["containers"][0]["image"] == "img:1"
    with pytest.raises(NotFound):
        objects.get(ObjectRef.of(body))
    first = objects.apply(rendered(body))
    other = deployment(namespace, "fraud", image="img:2")
    assert objects.dry_run(rendered(other))["spec"]["template"]["spec"]["containers"][0]["image"] == "img:2"
    assert objects.get(first.ref).digest == first.digest


def test_a_delete_names_the_object_it_was_decided_on(objects, namespace):
    wanted = rendered(service(namespace, "fraud"))
    live = objects.apply(wanted)
    with pytest.raises(Conflict):
        objects.delete(wanted.ref, "00000000-0000-0000-0000-000000000000")
    assert objects.get(wanted.ref).uid == live.uid
    assert objects.delete(wanted.ref, live.uid) is True
    assert objects.delete(wanted.ref, live.uid) is False


def test_an_object_that_the_server_does_not_accept_is_refused_with_its_words(objects, namespace):
    body = service(namespace, "fraud")
    body["spec"]["ports"][0]["port"] = 70_000
    with pytest.raises(Refused, match=r"spec\.ports\[0\]\.port"):
        objects.apply(rendered(body))


def test_a_field_that_does_not_exist_is_refused_and_not_dropped(objects, namespace):
    body = service(namespace, "fraud")
    body["spec"]["portz"] = []
    with pytest.raises(Refused, match="portz"):
        objects.apply(rendered(body))


def test_a_kind_that_is_not_served_is_named(objects, namespace):
    body = {"apiVersion": "serving.test/v1", "kind": "Thing", "metadata": {"name": "x", "namespace": namespace}}
    with pytest.raises(Stalled, match=r"does not serve Thing of serving\.test/v1") as caught:
        objects.apply(rendered(body))
    assert caught.value.reason == "KindMissing"


def test_a_kind_that_is_not_in_the_table_is_discovered(cluster, namespace):
    ref = ObjectRef(group="", version="v1", kind="LimitRange", namespace=namespace, name="x")
    resources = Resources(cluster)
    assert resources.path(ref) == f"/api/v1/namespaces/{namespace}/limitranges/x"
    assert resources.path(ref, "status").endswith("/limitranges/x/status")
