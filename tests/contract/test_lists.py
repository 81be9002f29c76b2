"""Lists: all namespaces or one, selected by labels and fields, page by page, as tables and as bare metadata."""

import pytest
from contract_samples import configmap, configmaps, deployment, deployments

TABLE = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
SHAPES = {
    "a": {"team": "red", "size": "1"},
    "b": {"team": "red", "size": "2"},
    "c": {"team": "blue"},
    "d": {},
}


@pytest.fixture(scope="module")
def shapes(api_server):
    """A namespace with four ConfigMaps; every one has the label `test`, so that the server's own are not seen."""
    namespace = api_server.namespace()
    for name, labels in SHAPES.items():
        api_server.ok("POST", configmaps(namespace), configmap(name, labels={**labels, "test": namespace}))
    return namespace


def names(found):
    return [each["metadata"]["name"] for each in found["items"]]


def selected(server, namespace, selector="", **params):
    wanted = f"test={namespace}" + (f",{selector}" if selector else "")
    return server.get(configmaps(namespace), labelSelector=wanted, **params)


def test_a_list_has_its_kind_a_version_and_items_in_order(api_server, shapes):
    found = selected(api_server, shapes)
    assert (found["apiVersion"], found["kind"]) == ("v1", "ConfigMapList")
    assert int(found["metadata"]["resourceVersion"]) > 0
    assert names(found) == ["a", "b", "c", "d"]
    assert "kind" not in found["items"][0]


def test_an_empty_list_has_items(api_server, shapes):
    assert api_server.get(deployments(shapes))["items"] == []


SELECTORS = {
    "team=red": ["a", "b"],
    "team==red": ["a", "b"],
    "team!=red": ["c", "d"],
    "team in (red,blue)": ["a", "b", "c"],
    "team notin (red)": ["c", "d"],
    "team": ["a", "b", "c"],
    "!team": ["d"],
    "team=red,size=2": ["b"],
    "team=red,size!=2": ["a"],
}


@pytest.mark.parametrize("selector", SELECTORS)
def test_labels_select(selector, api_server, shapes):
    assert names(selected(api_server, shapes, selector)) == SELECTORS[selector]


def test_all_namespaces_are_listed_at_once(api_server, shapes):
    found = api_server.get("/api/v1/configmaps", labelSelector=f"test={shapes}")
    assert names(found) == ["a", "b", "c", "d"]


def test_a_field_selects(api_server, shapes):
    assert names(selected(api_server, shapes, fieldSelector="metadata.name=b")) == ["b"]
    assert names(selected(api_server, shapes, fieldSelector="metadata.name!=b")) == ["a", "c", "d"]


def test_a_field_that_is_not_offered_is_refused(api_server, shapes):
    status, body = api_server.request("GET", configmaps(shapes), params={"fieldSelector": "data.x=1"})
    assert (status, body["reason"]) == (400, "BadRequest")


def test_a_selector_that_is_none_is_refused(api_server, shapes):
    status, body = api_server.request("GET", configmaps(shapes), params={"labelSelector": "a in b"})
    assert (status, body["reason"]) == (400, "BadRequest")


def test_pages_add_up_to_the_list_at_one_version(api_server, shapes):
    """The pages after the first are of the same moment: what is created meanwhile is not in them."""
    first = selected(api_server, shapes, limit=3)
    assert names(first) == ["a", "b", "c"]
    assert first["metadata"]["remainingItemCount"] == 1 if "remainingItemCount" in first["metadata"] else True
    api_server.ok("POST", configmaps(shapes), configmap("e", labels={"test": shapes}))
    rest = selected(api_server, shapes, limit=3, **{"continue": first["metadata"]["continue"]})
    api_server.ok("DELETE", configmaps(shapes, "e"))
    assert names(rest) == ["d"]
    assert "continue" not in rest["metadata"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_continue_token_of_nobody_is_refused(api_server, shapes):
    status, body = api_server.request("GET", configmaps(shapes), params={"limit": 1, "continue": "bm9ib2R5"})
    assert (status, body["reason"]) == (400, "BadRequest")


def test_metadata_alone_is_enough_for_some(api_server, shapes):
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    found = api_server.ok("GET", configmaps(shapes), params={"labelSelector": f"test={shapes}"}, headers=accept)
    assert found["kind"] == "PartialObjectMetadataList"
    assert names(found) == ["a", "b", "c", "d"]


def table(server, path, **params):
    return server.ok("GET", path, params=params, headers=TABLE)


def test_a_list_can_be_a_table(api_server, shapes):
    found = table(api_server, configmaps(shapes), labelSelector=f"test={shapes}")
    assert (found["kind"], found["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [each["name"] for each in found["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert [row["cells"][0] for row in found["rows"]] == ["a", "b", "c", "d"]
    assert found["rows"][0]["object"]["metadata"]["name"] == "a"


COLUMNS = {
    "deployments": ["Name", "Ready", "Up-to-date", "Available", "Age", "Containers", "Images", "Selector"],
    "replicasets": ["Name", "Desired", "Current", "Ready", "Age", "Containers", "Images", "Selector"],
}


@pytest.mark.parametrize("plural", COLUMNS)
def test_workloads_have_the_columns_that_people_know(plural, api_server, shapes):
    found = table(api_server, f"/apis/apps/v1/namespaces/{shapes}/{plural}")
    assert [each["name"] for each in found["columnDefinitions"]] == COLUMNS[plural]


def test_pods_have_the_columns_that_people_know(api_server, shapes):
    found = table(api_server, f"/api/v1/namespaces/{shapes}/pods")
    known = ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"]
    assert [each["name"] for each in found["columnDefinitions"]] == known


def test_one_object_can_be_a_table_too(api_server, namespace):
    api_server.ok("POST", deployments(namespace), deployment("d", replicas=0))
    found = table(api_server, deployments(namespace, "d"))
    assert found["rows"][0]["cells"][0] == "d"
