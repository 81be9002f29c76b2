"""Custom kinds: their schema, columns, scale, and what becomes of objects when the definition goes."""

import copy

import pytest
from api_server import DEFINITIONS, MERGE, condition
from contract_samples import GADGETS, gadget

TABLE = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}


@pytest.fixture
def place(gadgets, namespace):
    return f"{gadgets}/namespaces/{namespace}/gadgets"


def test_a_definition_says_that_it_is_established(api_server, gadgets):
    found = api_server.get(f"{DEFINITIONS}/gadgets.example.com")
    assert condition(found, "Established") == condition(found, "NamesAccepted") == "True"
    assert found["status"]["acceptedNames"]["kind"] == "Gadget"
    assert found["status"]["storedVersions"] == ["v1"]
    assert f"/apis/{found['spec']['group']}/v1" == gadgets


def test_an_object_gets_the_defaults_of_its_schema(api_server, place):
    made = api_server.ok("POST", place, gadget("g", 3))
    assert made["spec"] == {"size": 3, "mode": "slow"}
    assert made["metadata"]["generation"] == 1


def test_what_the_schema_does_not_know_is_dropped_unless_the_request_is_strict(api_server, place):
    made = api_server.ok("POST", place, gadget("g", colour="red"))
    assert "colour" not in made["spec"]
    status, body = api_server.request("POST", place, gadget("h", colour="red"), params={"fieldValidation": "Strict"})
    assert (status, body["reason"]) == (400, "BadRequest")
    assert 'unknown field "spec.colour"' in body["message"]


REFUSED = {
    "a number out of range": (gadget("g", 10), "spec.size", "should be less than or equal to 9"),
    "a word that is none of these": (gadget("g", mode="idle"), "spec.mode", 'supported values: "slow", "fast"'),
    "a field that is missing": ({**gadget("g"), "spec": {}}, "spec.size", "Required value"),
    "another type": (gadget("g", mode=1), "spec.mode", "must be of type string"),
    "two items with one key": (gadget("g", parts=[{"name": "a"}, {"name": "a"}]), "spec.parts[1]", "Duplicate value"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_schema_refuses(case, api_server, place):
    body, field, sentence = REFUSED[case]
    status, answer = api_server.request("POST", place, body)
    assert (status, answer["reason"]) == (422, "Invalid")
    assert any(each["field"] == field and sentence in each["message"] for each in answer["details"]["causes"])
    assert answer["message"].startswith('Gadget.example.com "g" is invalid: ')


def test_a_custom_object_is_scaled_like_a_workload(api_server, place):
    api_server.ok("POST", place, gadget("g", 3))
    api_server.ok("PATCH", f"{place}/g/status", {"status": {"size": 2, "selector": "app=g"}}, MERGE)
    found = api_server.get(f"{place}/g/scale")
    assert (found["apiVersion"], found["kind"]) == ("autoscaling/v1", "Scale")
    assert (found["spec"], found["status"]) == ({"replicas": 3}, {"replicas": 2, "selector": "app=g"})
    api_server.ok("PATCH", f"{place}/g/scale", {"spec": {"replicas": 5}}, MERGE)
    assert api_server.get(f"{place}/g")["spec"]["size"] == 5


def test_a_table_has_the_columns_of_the_definition(api_server, place):
    api_server.ok("POST", place, gadget("g", 3))
    api_server.ok("PATCH", f"{place}/g/status", {"status": {"phase": "Running"}}, MERGE)
    api_server.ok("POST", place, gadget("h", 4))
    found = api_server.ok("GET", place, headers=TABLE)
    columns = [(each["name"], each["type"], each["priority"]) for each in found["columnDefinitions"]]
    texts = [("Name", "string", 0), ("Size", "integer", 0), ("Phase", "string", 0), ("Mode", "string", 1)]
    assert columns == [*texts, ("Age", "date", 0)]
    cells = [row["cells"] for row in found["rows"]]
    assert [each[:4] for each in cells] == [["g", 3, "Running", "slow"], ["h", 4, None, "slow"]]
    assert found["columnDefinitions"][2]["description"] == "where it is"


def test_a_replacement_says_which_form_it_replaces(api_server, place):
    made = api_server.ok("POST", place, gadget("g"))
    body = copy.deepcopy(made)
    del body["metadata"]["resourceVersion"]
    status, answer = api_server.request("PUT", f"{place}/g", body)
    assert (status, answer["reason"]) == (422, "Invalid")
    assert "metadata.resourceVersion" in answer["message"]


def test_objects_go_with_their_definition(api_server):
    definition = copy.deepcopy(GADGETS)
    definition["metadata"]["name"] = "trinkets.example.com"
    definition["spec"]["names"] = {"plural": "trinkets", "singular": "trinket", "kind": "Trinket"}
    api_server.install_crd(definition)
    place = f"/apis/example.com/v1/namespaces/{api_server.namespace()}/trinkets"
    api_server.ok("POST", place, {**gadget("g"), "kind": "Trinket"})
    api_server.ok("DELETE", f"{DEFINITIONS}/trinkets.example.com")
    api_server.gone(f"{DEFINITIONS}/trinkets.example.com")
    api_server.gone(place)
