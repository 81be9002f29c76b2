"""Objects: create, read, replace, patch, delete; who may write what was read before; what is refused, and how."""

import pytest
from api_server import MERGE
from contract_samples import configmap, configmaps, deployment, deployments, gadget

STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


def create(server, namespace, body):
    return server.ok("POST", configmaps(namespace), body)


def test_a_created_object_has_an_identity(api_server, namespace):
    made = create(api_server, namespace, configmap("a", {"x": "1"}))
    meta = made["metadata"]
    assert (made["apiVersion"], made["kind"], made["data"]) == ("v1", "ConfigMap", {"x": "1"})
    assert (meta["name"], meta["namespace"]) == ("a", namespace)
    assert meta["uid"]
    assert int(meta["resourceVersion"]) > 0
    assert meta["creationTimestamp"].endswith("Z")
    assert api_server.get(configmaps(namespace, "a")) == made


def test_a_generated_name_starts_as_told_and_is_new_each_time(api_server, namespace):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}
    names = {create(api_server, namespace, body)["metadata"]["name"] for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith("x-") and len(name) == 7 for name in names)


def test_a_name_is_taken_once(api_server, namespace):
    create(api_server, namespace, configmap("a"))
    status, body = api_server.request("POST", configmaps(namespace), configmap("a"))
    assert (status, body["reason"]) == (409, "AlreadyExists")
    assert body["message"] == 'configmaps "a" already exists'


def test_a_namespace_must_be_there(api_server):
    status, body = api_server.request("POST", configmaps("nowhere"), configmap("a"))
    assert (status, body["message"]) == (404, 'namespaces "nowhere" not found')


def test_a_replacement_of_what_was_read_is_stored(api_server, namespace):
    made = create(api_server, namespace, configmap("a", {"x": "1"}))
    changed = api_server.ok("PUT", configmaps(namespace, "a"), {**made, "data": {"y": "2"}})
    assert changed["data"] == {"y": "2"}
    assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]


def test_a_replacement_of_an_older_form_is_a_conflict(api_server, namespace):
    old = create(api_server, namespace, configmap("a", {"x": "1"}))
    api_server.ok("PUT", configmaps(namespace, "a"), {**old, "data": {"x": "2"}})
    status, body = api_server.request("PUT", configmaps(namespace, "a"), {**old, "data": {"x": "3"}})
    assert (status, body["reason"]) == (409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in body["message"]


def test_a_replacement_that_changes_nothing_is_not_a_write(api_server, namespace):
    made = create(api_server, namespace, configmap("a", {"x": "1"}))
    assert api_server.ok("PUT", configmaps(namespace, "a"), made) == made


def test_a_merge_patch_changes_adds_and_removes(api_server, namespace):
    create(api_server, namespace, configmap("a", {"stays": "1", "goes": "1", "moves": "1"}))
    patch = {"data": {"goes": None, "moves": "2", "comes": "3"}}
    changed = api_server.ok("PATCH", configmaps(namespace, "a"), patch, MERGE)
    assert changed["data"] == {"stays": "1", "moves": "2", "comes": "3"}


def test_a_merge_patch_of_an_older_form_is_a_conflict(api_server, namespace):
    old = create(api_server, namespace, configmap("a"))
    api_server.ok("PATCH", configmaps(namespace, "a"), {"data": {"x": "1"}}, MERGE)
    patch = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "data": {"x": "2"}}
    status, body = api_server.request("PATCH", configmaps(namespace, "a"), patch, MERGE)
    assert (status, body["reason"]) == (409, "Conflict")


def test_a_json_patch_tests_before_it_changes(api_server, namespace):
    create(api_server, namespace, configmap("a", {"x": "1"}))
    patch = [{"op": "test", "path": "/data/x", "value": "1"}, {"op": "replace", "path": "/data/x", "value": "2"}]
    assert api_server.ok("PATCH", configmaps(namespace, "a"), patch, JSON_PATCH)["data"] == {"x": "2"}
    status, _ = api_server.request("PATCH", configmaps(namespace, "a"), patch, JSON_PATCH)
    assert status == 422


def test_a_strategic_patch_merges_containers_by_name(api_server, namespace):
    api_server.ok("POST", deployments(namespace), deployment("d", replicas=0))
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "model", "image": "img:2"}]}}}}
    changed = api_server.ok("PATCH", deployments(namespace, "d"), patch, STRATEGIC)
    (container,) = changed["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "img:2"
    assert container["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]


def test_a_generation_counts_changes_of_the_spec_and_not_of_labels(api_server, namespace):
    made = api_server.ok("POST", deployments(namespace), deployment("d", replicas=0, paused=True))
    assert made["metadata"]["generation"] == 1
    path = deployments(namespace, "d")
    labelled = api_server.ok("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    assert labelled["metadata"]["generation"] == 1
    changed = api_server.ok("PATCH", path, {"spec": {"minReadySeconds": 1}}, MERGE)
    assert changed["metadata"]["generation"] == 2


def test_a_status_is_written_apart_from_the_rest(api_server, namespace, gadgets):
    path = f"{gadgets}/namespaces/{namespace}/gadgets"
    made = api_server.ok("POST", path, {**gadget("g", 3), "status": {"phase": "New"}})
    assert "status" not in made
    body = {**made, "spec": {"size": 9}, "status": {"phase": "Running"}}
    changed = api_server.ok("PUT", f"{path}/g/status", body)
    assert (changed["spec"]["size"], changed["status"]) == (3, {"phase": "Running"})
    again = api_server.ok("PUT", f"{path}/g", {**changed, "spec": {"size": 4}, "status": {"phase": "Lost"}})
    assert (again["spec"]["size"], again["status"]) == (4, {"phase": "Running"})
    assert (changed["metadata"]["generation"], again["metadata"]["generation"]) == (1, 2)


def test_a_deleted_object_is_gone(api_server, namespace):
    create(api_server, namespace, configmap("a"))
    answer = api_server.ok("DELETE", configmaps(namespace, "a"))
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert api_server.request("GET", configmaps(namespace, "a"))[0] == 404
    assert api_server.request("DELETE", configmaps(namespace, "a"))[0] == 404


def test_a_delete_of_another_object_of_that_name_is_a_conflict(api_server, namespace):
    create(api_server, namespace, configmap("a"))
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "1-2-3"}}
    status, body = api_server.request("DELETE", configmaps(namespace, "a"), options)
    assert (status, body["reason"]) == (409, "Conflict")


def test_a_collection_is_deleted_by_label(api_server, namespace):
    for name, team in (("a", "x"), ("b", "x"), ("c", "y")):
        create(api_server, namespace, configmap(name, labels={"team": team}))
    api_server.ok("DELETE", configmaps(namespace), params={"labelSelector": "team=x"})
    left = {each["metadata"]["name"] for each in api_server.get(configmaps(namespace))["items"]}
    assert left - {"kube-root-ca.crt"} == {"c"}


def test_a_finalizer_holds_an_object_until_it_is_taken_off(api_server, namespace):
    create(api_server, namespace, configmap("a", finalizers=["example.com/hold"]))
    path = configmaps(namespace, "a")
    answer = api_server.ok("DELETE", path)
    assert answer["metadata"]["deletionTimestamp"]
    assert api_server.get(path)["metadata"]["finalizers"] == ["example.com/hold"]
    status, body = api_server.request("PATCH", path, {"metadata": {"finalizers": ["example.com/more"]}}, MERGE)
    assert status == 422, body
    api_server.ok("PATCH", path, {"metadata": {"finalizers": None}}, MERGE)
    assert api_server.request("GET", path)[0] == 404


def test_a_dry_run_says_what_would_be_and_changes_nothing(api_server, namespace):
    made = api_server.ok("POST", configmaps(namespace), configmap("a", {"x": "1"}), params={"dryRun": "All"})
    assert made["metadata"]["uid"]
    assert api_server.request("GET", configmaps(namespace, "a"))[0] == 404
    kept = create(api_server, namespace, configmap("a", {"x": "1"}))
    path = configmaps(namespace, "a")
    assert api_server.ok("PATCH", path, {"data": {"x": "2"}}, MERGE, {"dryRun": "All"})["data"] == {"x": "2"}
    api_server.ok("DELETE", path, params={"dryRun": "All"})
    assert api_server.get(path) == kept


REFUSED = {
    "an unknown field, where the request is strict": (
        {**configmap("a"), "dta": {}}, {"fieldValidation": "Strict"}, 400, "BadRequest", 'unknown field "dta"'),
    "a value of the wrong type": (configmap("a", {"x": 1}), {}, 400, "BadRequest", "cannot unmarshal"),
    "a name that is no name": (configmap("A_b"), {}, 422, "Invalid", 'Invalid value: "A_b"'),
    "another kind": (
        {**configmap("a"), "kind": "Secret"}, {}, 400, "BadRequest", "Secret"),
    "another namespace": (
        configmap("a", namespace="elsewhere"), {}, 400, "BadRequest", "does not match the namespace"),
    "no JSON": (b"{", {}, 400, "BadRequest", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_create_refuses(case, api_server, namespace):
    body, params, code, reason, sentence = REFUSED[case]
    status, answer = api_server.request("POST", configmaps(namespace), body, params=params)
    assert (status, answer["code"], answer["reason"]) == (code, code, reason)
    assert sentence in answer["message"]


def test_a_deployment_without_what_it_needs_names_every_field(api_server, namespace):
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {}}
    status, answer = api_server.request("POST", deployments(namespace), body)
    assert (status, answer["reason"]) == (422, "Invalid")
    fields = {each["field"] for each in answer["details"]["causes"]}
    assert {"spec.selector", "spec.template.spec.containers"} <= fields


def test_a_selector_of_a_deployment_never_changes(api_server, namespace):
    made = api_server.ok("POST", deployments(namespace), deployment("d", replicas=0))
    other = {**made["spec"], "selector": {"matchLabels": {"app": "d", "x": "y"}}}
    other["template"] = {**other["template"], "metadata": {"labels": {"app": "d", "x": "y"}}}
    status, answer = api_server.request("PATCH", deployments(namespace, "d"), {"spec": other}, MERGE)
    assert status == 422
    assert "field is immutable" in answer["message"]


def test_a_body_of_an_unknown_type_is_refused(api_server, namespace):
    create(api_server, namespace, configmap("a"))
    status, answer = api_server.request("PATCH", configmaps(namespace, "a"), {}, "application/json")
    assert (status, answer["reason"]) == (415, "UnsupportedMediaType")


def test_a_body_of_more_than_three_mebibytes_is_refused(api_server, namespace):
    body = configmap("a", {"x": "y" * (3 * 1024 * 1024 + 1)})
    status, answer = api_server.request("POST", configmaps(namespace), body)
    assert (status, answer["reason"]) == (413, "RequestEntityTooLarge")
