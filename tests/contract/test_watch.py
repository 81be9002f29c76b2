"""Watches: from a version, with bookmarks, by selector, until their time is over or their version is forgotten."""

import pytest
from api_server import MERGE
from contract_samples import configmap, configmaps


@pytest.fixture
def quiet(api_server, namespace):
    """A namespace and the version from which nothing has happened in it that the cases do not do themselves."""
    found = api_server.get(configmaps(namespace), labelSelector="watched")
    return namespace, found["metadata"]["resourceVersion"]


def watched(server, quiet, **params):
    namespace, version = quiet
    given = {"labelSelector": "watched", "resourceVersion": version, **params}
    return server.watch(configmaps(namespace), **given)


def make(server, namespace, name, data=None, **labels):
    body = configmap(name, data or {}, labels={"watched": "yes", **labels})
    return server.ok("POST", configmaps(namespace), body)


def told(event):
    return event["type"], event["object"]["metadata"]["name"]


def test_what_happens_is_told_in_order(api_server, quiet):
    namespace, _ = quiet
    with watched(api_server, quiet) as events:
        made = make(api_server, namespace, "a")
        assert next(events) == {"type": "ADDED", "object": made}
        changed = api_server.ok("PATCH", configmaps(namespace, "a"), {"data": {"x": "1"}}, MERGE)
        assert next(events) == {"type": "MODIFIED", "object": changed}
        api_server.ok("DELETE", configmaps(namespace, "a"))
        gone = next(events)
        assert told(gone) == ("DELETED", "a")
        assert gone["object"]["data"] == {"x": "1"}
        assert int(gone["object"]["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])


def test_what_happened_since_the_version_is_told_first(api_server, quiet):
    namespace, _ = quiet
    make(api_server, namespace, "a")
    make(api_server, namespace, "b")
    api_server.ok("DELETE", configmaps(namespace, "a"))
    with watched(api_server, quiet) as events:
        assert [told(next(events)) for _ in range(3)] == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_without_a_version_what_is_there_comes_first(api_server, quiet):
    namespace, _ = quiet
    make(api_server, namespace, "a")
    with watched(api_server, quiet, resourceVersion="") as events:
        assert told(next(events)) == ("ADDED", "a")
        make(api_server, namespace, "b")
        assert told(next(events)) == ("ADDED", "b")


def test_a_change_into_or_out_of_the_selection_is_a_coming_or_a_going(api_server, quiet):
    namespace, _ = quiet
    make(api_server, namespace, "a", colour="red")
    with watched(api_server, quiet, labelSelector="colour=red") as events:
        assert told(next(events)) == ("ADDED", "a")
        path = configmaps(namespace, "a")
        api_server.ok("PATCH", path, {"metadata": {"labels": {"colour": "blue"}}}, MERGE)
        assert told(next(events)) == ("DELETED", "a")
        api_server.ok("PATCH", path, {"metadata": {"labels": {"colour": "red"}}}, MERGE)
        assert told(next(events)) == ("ADDED", "a")


def test_one_object_can_be_watched_by_its_name(api_server, quiet):
    namespace, _ = quiet
    with watched(api_server, quiet, fieldSelector="metadata.name=b") as events:
        make(api_server, namespace, "a")
        make(api_server, namespace, "b")
        assert told(next(events)) == ("ADDED", "b")


def test_all_namespaces_can_be_watched(api_server, quiet):
    namespace, version = quiet
    with api_server.watch("/api/v1/configmaps", labelSelector="watched", resourceVersion=version) as events:
        make(api_server, namespace, "a")
        assert told(next(events)) == ("ADDED", "a")


def test_a_watch_ends_when_its_time_is_over(api_server, quiet):
    namespace, _ = quiet
    make(api_server, namespace, "a")
    with watched(api_server, quiet, timeoutSeconds=1) as events:
        assert [told(event) for event in events] == [("ADDED", "a")]


def test_a_bookmark_says_how_far_a_watch_is(api_server, quiet):
    namespace, _ = quiet
    made = make(api_server, namespace, "a")
    asked = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    with watched(api_server, quiet, resourceVersion="", **asked) as events:
        assert told(next(events)) == ("ADDED", "a")
        bookmark = next(events)
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["kind"] == "ConfigMap"
    meta = bookmark["object"]["metadata"]
    assert meta["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(meta["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])


def test_a_watch_that_asks_for_bookmarks_hears_how_far_it_is_before_it_ends(api_server, quiet):
    """The real server sends one about two seconds before the end, if anything happened that the watch did not tell."""
    namespace, version = quiet
    with watched(api_server, quiet, timeoutSeconds=3, allowWatchBookmarks="true") as events:
        other = api_server.ok("POST", configmaps(namespace), configmap("unseen"))
        told_of = list(events)
    assert {event["type"] for event in told_of} == {"BOOKMARK"}
    reached = int(told_of[-1]["object"]["metadata"]["resourceVersion"])
    assert reached >= int(other["metadata"]["resourceVersion"]) > int(version)


def test_a_watch_can_be_of_metadata_alone(api_server, quiet):
    namespace, version = quiet
    accept = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
    make(api_server, namespace, "a", {"x": "1"})
    with api_server.watch(configmaps(namespace), accept, labelSelector="watched", resourceVersion=version) as events:
        event = next(events)
    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert "data" not in event["object"]
