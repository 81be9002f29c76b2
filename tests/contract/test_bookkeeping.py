"""Generations and managers: what counts as a change of what is asked for, and who is said to have made it."""

import pytest
from api_server import APPLY, MERGE
from contract_samples import configmap, configmaps, deployment, deployments

NONE = {"metadata": {"managedFields": [{}]}}


def generation(api_server, path):
    return api_server.get(path)["metadata"]["generation"]


def managers(body):
    return [(each["manager"], each["operation"]) for each in body["metadata"].get("managedFields", [])]


@pytest.fixture
def ready(api_server, namespace):
    """The path of a Deployment that its controller has finished with."""
    path = deployments(namespace, "d")
    api_server.apply(path, deployment("d"))
    api_server.eventually(path, lambda body: body.get("status", {}).get("availableReplicas") == 1)
    return path


CHANGES = {
    "an image": ({"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}, 1),
    "a size": ({"spec": {"replicas": 2}}, 1),
    "a label": ({"metadata": {"labels": {"a": "b"}}}, 0),
    "an annotation of a Deployment": ({"metadata": {"annotations": {"a": "b"}}}, 1),
    "nothing": ({"spec": {"replicas": 1}}, 0),
    "a status, which is not written here": ({"status": {"replicas": 7}}, 0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_generation_counts(change, api_server, ready):
    patch, steps = CHANGES[change]
    before = generation(api_server, ready)
    changed = api_server.ok("PATCH", ready, patch, MERGE)
    assert changed["metadata"]["generation"] == before + steps


def test_what_its_controller_notes_is_no_change_of_a_deployment(api_server, ready):
    found = api_server.get(ready)
    assert found["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "1"}
    assert found["metadata"]["generation"] == found["status"]["observedGeneration"] == 1


def test_managers_can_be_forgotten_and_then_what_is_there_belongs_to_whoever_came_before(api_server, namespace):
    path = configmaps(namespace, "a")
    api_server.ok("POST", configmaps(namespace), configmap("a", {"x": "1"}))
    assert managers(api_server.ok("PATCH", path, NONE, MERGE)) == []
    changed = api_server.ok("PATCH", path, {"data": {"y": "2"}}, MERGE)
    assert managers(changed) == []
    _, applied = api_server.apply(path, configmap("a", {"z": "3"}))
    assert managers(applied) == [("reconciler", "Apply"), ("before-first-apply", "Update")]
    assert applied["data"] == {"x": "1", "y": "2", "z": "3"}


def test_a_write_without_a_manager_belongs_to_the_program_that_made_it(api_server, namespace):
    headers = {"User-Agent": "some-tool/1.2 (linux)"}
    made = api_server.ok("POST", configmaps(namespace), configmap("a", {"x": "1"}), headers=headers)
    assert managers(made) == [("some-tool", "Update")]


CONTAINER = {"name": "model", "image": "img:1"}
ITEMS = {
    "two of one key": ([CONTAINER, CONTAINER], 500, "duplicate entries for key"),
    "one without its key": ([{"image": "img:1"}], 422, "containers[0].name: Required value"),
}


@pytest.mark.parametrize("case", ITEMS)
def test_an_apply_of_items_that_cannot_be_told_apart_is_refused(case, api_server, namespace):
    containers, code, sentence = ITEMS[case]
    body = deployment("d")
    body["spec"]["template"]["spec"]["containers"] = containers
    status, answer = api_server.apply(deployments(namespace, "d"), body)
    assert status == code
    assert sentence in answer["message"]


def test_yaml_is_applied_like_json(api_server, namespace):
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {since: 2026-11-24, many: '10'}\n"
    status, made = api_server.request("PATCH", configmaps(namespace, "a"), text, APPLY, {"fieldManager": "reconciler"})
    assert (status, made["data"]) == (201, {"since": "2026-11-24", "many": "10"})
