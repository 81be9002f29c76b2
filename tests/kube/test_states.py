"""State objects: what is written is what is read, and nothing newer is ever overwritten."""

from datetime import UTC, datetime

import orjson
import pytest
from kube_states import RELEASE, REPOSITORY, TARGET

from reconciler.edges.kube.states import States, Stored, Unreadable, decode, encode
from reconciler.errors import Conflict, NotFound, ReconcilerError, Stalled
from reconciler.model.state import TargetState

VALUES = pytest.mark.parametrize("value", [TARGET, RELEASE, REPOSITORY], ids=lambda value: type(value).__name__)


@VALUES
def test_a_state_survives_the_wire(value):
    obj = orjson.loads(encode(value, {"name": "x", "namespace": "a", "resourceVersion": "7", "uid": "u"}))
    assert decode(type(value), obj) == Stored(value=value, namespace="a", name="x", resource_version="7", uid="u")
    assert set(obj) == {"apiVersion", "kind", "metadata", "spec", "status"}
    assert "status" not in obj["spec"]


def test_labels_say_whose_state_it_is():
    meta = orjson.loads(encode(TARGET, {"name": "x"}))["metadata"]
    assert meta["labels"] == {
        "app.kubernetes.io/managed-by": "reconciler",
        "reconciler.dev/environment": "prod",
        "reconciler.dev/release": "fraud",
    }
    assert list(orjson.loads(encode(REPOSITORY, {"name": "x"}))["metadata"]["labels"]) == [
        "app.kubernetes.io/managed-by"
    ]


def test_what_does_not_parse_is_told_and_not_taken_for_missing():
    obj = orjson.loads(encode(TARGET, {"name": "x", "namespace": "a", "resourceVersion": "7"}))
    obj["spec"]["directive"]["surprise"] = "canary"
    found = decode(TargetState, obj)
    assert isinstance(found, Unreadable)
    assert "TargetState a/x cannot be read: directive.surprise" in found.sentence
    assert "canary" not in found.sentence


@VALUES
def test_a_state_is_created_read_updated_and_deleted(value, cluster, namespace):
    states = States(cluster, type(value))
    with pytest.raises(NotFound):
        states.get(namespace, "x")
    created = states.create(namespace, "x", value)
    assert created.value == value
    assert states.get(namespace, "x") == created
    assert [row for row in states.list(namespace).stored if row.name == "x"] == [created]
    with pytest.raises(Conflict):
        states.create(namespace, "x", value)
    updated = states.update(created, value.model_copy(update={"status": type(value.status)()}))
    assert updated.value.status == type(value.status)()
    assert updated.uid == created.uid
    with pytest.raises(Conflict, match="Cluster eu-1 answered 409 to PUT"):
        states.update(created, value)
    with pytest.raises(Conflict):
        states.delete(created)
    assert states.get(namespace, "x") == updated
    states.delete(updated)
    with pytest.raises(NotFound):
        states.update(updated, value)


def test_an_update_does_not_touch_the_next_object_of_the_same_name(cluster, namespace):
    states = States(cluster, TargetState)
    first = states.create(namespace, "x", TARGET)
    states.delete(first)
    states.create(namespace, "x", TARGET)
    with pytest.raises(Conflict):
        states.update(first, TARGET)


def test_one_state_that_does_not_parse_does_not_hide_the_others(scripted, connect):
    good, bad = (orjson.loads(encode(TARGET, {"name": name, "namespace": "a"})) for name in ("good", "bad"))
    bad["spec"]["home"] = None
    scripted.route = lambda _method, path, _query: (
        200,
        orjson.dumps({"items": [bad, good]} if path.endswith("s") else bad),
    )
    states = States(connect(scripted.port), TargetState)
    found = states.list("a")
    assert [row.name for row in found.stored] == ["good"]
    assert [row.name for row in found.unreadable] == ["bad"]
    with pytest.raises(Stalled, match="TargetState a/bad cannot be read: home") as caught:
        states.get("a", "bad")
    assert caught.value.reason == "StateUnreadable"


def test_a_cluster_without_our_definitions_is_named_with_what_to_do(scripted, connect):
    scripted.route = lambda *_: (404, b"404 page not found\n")
    states = States(connect(scripted.port), TargetState)
    for act in (states.list, lambda: states.get("a", "x"), lambda: states.create("a", "x", TARGET)):
        with pytest.raises(
            Stalled, match="Cluster eu-1 has no TargetState resource; run `reconciler install"
        ) as caught:
            act()
        assert caught.value.reason == "CrdMissing"


def test_a_namespace_that_is_missing_is_named(cluster):
    with pytest.raises(Stalled) as caught:
        States(cluster, TargetState).create("no-such-namespace", "x", TARGET)
    assert caught.value.reason == "NamespaceMissing"


def test_a_long_list_comes_in_pages(scripted, connect):
    obj = orjson.loads(encode(TARGET, {"name": "x", "namespace": "a", "resourceVersion": "7"}))

    def route(_method, _path, query):
        if query.get("continue") == "more":
            return 200, orjson.dumps({"metadata": {}, "items": [obj]})
        return 200, orjson.dumps({"metadata": {"continue": "more"}, "items": [obj, obj]})

    scripted.route = route
    assert len(States(connect(scripted.port), TargetState).list().stored) == 3
    assert [query.get("continue", "") for _, _, query in scripted.requests] == ["", "more"]


def test_whoever_asks_for_a_look_changes_nothing_else_and_our_next_write_takes_the_question_away(cluster, namespace):
    states = States(cluster, TargetState)
    created = states.create(namespace, "x", TARGET)
    assert created.asked == ""
    states.ask_to_look(created, datetime(2026, 12, 1, 9, tzinfo=UTC))
    asked = states.get(namespace, "x")
    assert (asked.value, asked.asked) == (TARGET, "2026-12-01T09:00:00+00:00")
    with pytest.raises(Conflict):  # what was decided before the question is decided again
        states.update(created, TARGET)
    assert states.update(asked, TARGET).asked == ""


def test_a_field_that_an_older_definition_lacks_is_refused_and_not_lost(cluster, namespace, monkeypatch):
    states = States(cluster, TargetState)

    def newer(value, metadata):
        body = orjson.loads(encode(value, metadata))
        body["spec"]["directive"]["surprise"] = True
        return orjson.dumps(body)

    monkeypatch.setattr("reconciler.edges.kube.states.encode", newer)
    with pytest.raises(ReconcilerError, match="surprise"):
        states.create(namespace, "older", TARGET)
    with pytest.raises(NotFound):
        states.get(namespace, "older")
