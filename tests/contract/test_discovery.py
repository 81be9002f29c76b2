"""What a server says it has, and how it answers to what it does not have."""

import pytest
from contract_samples import GADGETS

KINDS = {
    "/api/v1": ["configmaps", "events", "namespaces", "nodes", "pods", "pods/log", "secrets", "services"],
    "/apis/apps/v1": ["deployments", "deployments/scale", "deployments/status", "replicasets", "statefulsets"],
    "/apis/autoscaling/v2": ["horizontalpodautoscalers"],
    "/apis/batch/v1": ["jobs"],
    "/apis/coordination.k8s.io/v1": ["leases"],
    "/apis/networking.k8s.io/v1": ["networkpolicies"],
    "/apis/policy/v1": ["poddisruptionbudgets"],
    "/apis/rbac.authorization.k8s.io/v1": ["clusterroles", "rolebindings"],
    "/apis/apiextensions.k8s.io/v1": ["customresourcedefinitions"],
}  # fmt: skip


def test_the_core_group_has_one_version(api_server):
    assert api_server.get("/api")["versions"] == ["v1"]


def test_every_group_is_listed_with_its_preferred_version(api_server):
    groups = {each["name"]: each["preferredVersion"]["groupVersion"] for each in api_server.get("/apis")["groups"]}
    wanted = {path.split("/")[2]: path.removeprefix("/apis/") for path in KINDS if path.startswith("/apis/")}
    assert wanted.items() <= groups.items()


@pytest.mark.parametrize("path", KINDS)
def test_a_group_lists_the_kinds_that_we_use(path, api_server):
    found = api_server.get(path)
    assert found["kind"] == "APIResourceList"
    names = {each["name"] for each in found["resources"]}
    assert set(KINDS[path]) <= names


def test_a_kind_says_how_it_is_spelt_and_what_can_be_done_with_it(api_server):
    (found,) = (each for each in api_server.get("/apis/apps/v1")["resources"] if each["name"] == "deployments")
    assert (found["kind"], found["singularName"], found["namespaced"]) == ("Deployment", "deployment", True)
    assert found["shortNames"] == ["deploy"]
    assert found["categories"] == ["all"]
    assert {"create", "delete", "get", "list", "patch", "update", "watch"} <= set(found["verbs"])


def test_a_definition_adds_its_kind_to_discovery(api_server, gadgets):
    found = {each["name"]: each for each in api_server.get(gadgets)["resources"]}
    assert found["gadgets"]["kind"] == GADGETS["spec"]["names"]["kind"]
    assert found["gadgets"]["shortNames"] == ["gd"]
    assert {"gadgets/scale", "gadgets/status"} <= set(found)


def test_a_server_says_which_version_it_is(api_server):
    """The embedded one names the Kubernetes version whose behaviour it has."""
    version = api_server.get("/version")
    assert version["major"] == "1"
    assert int(version["minor"].rstrip("+")) >= 33


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez"])
def test_a_server_is_well(path, api_server):
    assert api_server.request("GET", path) == (200, "ok")


@pytest.mark.parametrize(
    "path", ["/apis/none.example.com/v1", "/apis/apps/v0", "/apis/apps/v1/namespaces/default/unicorns", "/nowhere"]
)
def test_what_is_not_there_is_404(path, api_server):
    status, _ = api_server.request("GET", path)
    assert status == 404


def test_an_object_that_is_not_there_is_named(api_server):
    status, body = api_server.request("GET", "/apis/apps/v1/namespaces/default/deployments/nobody")
    assert status == 404
    assert body["reason"] == "NotFound"
    assert body["message"] == 'deployments.apps "nobody" not found'
    assert body["details"] == {"name": "nobody", "group": "apps", "kind": "deployments"}


def test_there_is_no_verb_for_a_collection_update(api_server):
    status, body = api_server.request("PUT", "/api/v1/namespaces/default/configmaps", {})
    assert (status, body["reason"]) == (405, "MethodNotAllowed")
