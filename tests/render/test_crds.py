"""The definitions of the state objects: structural, and true to the models."""

import re

import jsonschema
import pytest
from render_cases import REPOSITORY, directive, fraud, sha

from reconciler.model.repository import RepositoryState
from reconciler.model.state import ReleaseState, TargetState, pack
from reconciler.render.crds import KINDS, definition, structural

SINCE = "2026-11-24T09:00:00Z"
REF = {"repository": REPOSITORY, "environment": "prod", "name": "fraud-detector"}
RUNNING = fraud("1.4.0")
DIRECTIVE = directive((RUNNING, "stable", 2, 10)).to_data()
READY = {"type": "Ready", "status": "True", "reason": "Promoted", "message": "", "since": SINCE}
KNOWN = {"version": RUNNING.version, "modelVersion": "1.4.0", "manifest": RUNNING.manifest, "closure": sha("closure")}

STATES = [
    ReleaseState.from_data({"release": REF}),
    ReleaseState.from_data(
        {
            "release": REF,
            "status": {
                "revision": "8d" * 20,
                "modelVersion": "1.5.0",
                "phase": "Stepping",
                "since": SINCE,
                "stable": KNOWN,
                "gates": [{"kind": "Signature", "open": False, "reason": "Unsigned", "message": "nobody signed"}],
                "verdicts": [{"name": "p", "source": "builtin:baseline", "result": "pass", "values": {"a": [1, {}]}}],
                "directives": {"eu-1": DIRECTIVE},
                "effective": {RUNNING.version: pack(RUNNING)},
                "history": [{**KNOWN, "revision": "8d" * 20, "at": SINCE}],
                "conditions": [READY],
            },
        }
    ),
    TargetState.from_data(
        {
            "release": REF,
            "cluster": "eu-1",
            "home": "0b0a",
            "directive": DIRECTIVE,
            "effective": {RUNNING.version: pack(RUNNING)},
            "status": {
                "sequence": 7,
                "inventory": [{"api": "v1", "kind": "Service", "name": "x", "tier": 3, "rendered": sha("x")}],
                "conditions": [READY],
            },
        }
    ),
    RepositoryState.from_data(
        {
            "repository": REPOSITORY,
            "branch": "main",
            "status": {
                "revision": "8d" * 20,
                "accepted": {"a.yaml": {"kind": "Policy", "name": "x", "blob": "ab" * 20, "sha256": sha("a")}},
                "conditions": [READY],
            },
        }
    ),
]


def schema_of(kind):
    (version,) = definition(kind)["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def nodes(schema):
    yield schema
    for child in [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]:
        if child is not None:
            yield from nodes(child)


def on_the_wire(state, data):
    (kind,) = (kind for kind in KINDS if isinstance(state, kind.model))
    spec = {name: value for name, value in data.items() if name != "status"}
    return kind, {"spec": spec, "status": data.get("status", {})}


def without_nulls(value):
    """What the server compares: a null is as good as absent where the schema says nullable."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_a_definition_is_structural(kind):
    for node in nodes(schema_of(kind)):
        assert node["type"] in {"object", "array", "string", "integer", "number", "boolean"}
        assert {"$ref", "anyOf", "oneOf", "allOf", "default", "title", "const", "$defs"}.isdisjoint(node)
        assert not ("properties" in node and "additionalProperties" in node)
        assert node.get("additionalProperties") is not False


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_one_write_carries_spec_and_status(kind):
    (version,) = definition(kind)["spec"]["versions"]
    assert "subresources" not in version
    assert {"spec", "status"} <= set(version["schema"]["openAPIV3Schema"]["properties"])
    assert "resourceVersion" in version["schema"]["openAPIV3Schema"]["description"]


@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
def test_what_a_model_writes_is_what_its_definition_keeps(state):
    for data in (state.to_data(), state.to_full_data()):
        kind, body = on_the_wire(state, without_nulls(data))
        jsonschema.validate(body, closed(schema_of(kind)))


def closed(schema):
    """The schema as a server prunes by it: what it does not name is an error here."""
    out = dict(schema)
    if "properties" in out:
        out["properties"] = {name: closed(each) for name, each in out["properties"].items()}
        out["additionalProperties"] = False
    elif isinstance(out.get("additionalProperties"), dict):
        out["additionalProperties"] = closed(out["additionalProperties"])
    if "items" in out:
        out["items"] = closed(out["items"])
    return out


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_every_column_shows_a_field_that_exists(kind):
    (version,) = definition(kind)["spec"]["versions"]
    for column in version["additionalPrinterColumns"]:
        node = schema_of(kind)
        for step in re.sub(r"\[[^]]*\]", "[]", column["jsonPath"]).lstrip(".").split("."):
            if step == "metadata":
                break
            node = node["properties"][step.removesuffix("[]")]
            node = node["items"] if step.endswith("[]") else node
        else:
            assert node["type"] == column["type"].replace("date", "string"), column["name"]


def test_an_optional_object_is_nullable():
    data = {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}
    definitions = {"A": {"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": False}}
    assert structural(data, definitions) == {
        "type": "object",
        "properties": {"x": {"type": "integer"}},
        "nullable": True,
    }


def test_what_has_no_structural_form_is_an_error():
    with pytest.raises(ValueError, match="too many values"):
        structural({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {})
    with pytest.raises(KeyError):
        structural({}, {})
