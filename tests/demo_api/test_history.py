"""Watches and pages against a bounded history: what is forgotten is 410, never a gap."""

import json
import threading
import time

import pytest
import urllib3

from reconciler.demo.api.store import Store

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def make(ask):
    def create(name):
        code, made = ask("POST", CONFIGMAPS, {"metadata": {"name": name}})
        assert code == 201
        return made["metadata"]["resourceVersion"]

    return create


@pytest.fixture
def watch(server):
    """watch(**parameters) -> the events until the watch ends."""

    def events(**parameters):
        pool = urllib3.PoolManager(retries=False, timeout=10)
        fields = {"watch": "true", "timeoutSeconds": "1", **parameters}
        answer = pool.request("GET", server.url("eu-1") + CONFIGMAPS, fields=fields)
        pool.clear()
        return [json.loads(line) for line in answer.data.splitlines()]

    return events


def expired(events):
    assert [event["type"] for event in events] == ["ERROR"]
    status = events[0]["object"]
    return (status["code"], status["reason"]) == (410, "Expired")


def test_a_watch_from_before_the_history_is_expired(make, watch):
    first = make("a")
    for number in range(20):
        make(f"b-{number}")
    assert expired(watch(resourceVersion=first))


def test_a_watch_from_within_the_history_misses_nothing(make, watch):
    for number in range(20):
        make(f"a-{number:02}")
    since = make("b")
    for number in range(4):
        make(f"c-{number}")
    told = watch(resourceVersion=since)
    assert [event["object"]["metadata"]["name"] for event in told] == ["c-0", "c-1", "c-2", "c-3"]


def test_a_watch_from_the_future_is_expired_because_the_history_is_another_one(make, watch):
    assert expired(watch(resourceVersion=str(int(make("a")) + 1000)))


def test_versions_of_a_later_process_are_greater():
    earlier = Store(history=5).version
    time.sleep(0.002)
    assert Store(history=5).version > earlier


def test_what_was_compacted_is_expired_for_watches_and_pages(cluster, ask, make, watch):
    since = make("a")
    make("b")
    _, page = ask("GET", f"{CONFIGMAPS}?limit=1")
    make("c")
    cluster.compact()
    assert expired(watch(resourceVersion=since))
    code, body = ask("GET", f"{CONFIGMAPS}?limit=1&continue={page['metadata']['continue']}")
    assert (code, body["reason"]) == (410, "Expired")


def test_a_watch_that_is_too_slow_is_told_so(cluster, make, watch):
    since = make("a")
    found = []
    thread = threading.Thread(target=lambda: found.extend(watch(resourceVersion=since)))
    thread.start()
    make_many(cluster)
    thread.join()
    assert expired(found)


def make_many(cluster):
    """More changes than are remembered, faster than anybody can look."""
    with cluster.store:
        for number in range(40):
            meta = {"name": f"m-{number}", "namespace": "default", "uid": str(number)}
            cluster.store.put(("", "configmaps"), {"metadata": meta})


def test_watches_can_be_cut_and_started_again(cluster, make, watch):
    since = make("a")
    found = []
    thread = threading.Thread(target=lambda: found.append(watch(resourceVersion=since, timeoutSeconds="30")))
    thread.start()
    deadline = time.monotonic() + 5
    while not cluster.requests["watch", "configmaps"] and time.monotonic() < deadline:
        time.sleep(0.01)
    cluster.end_watches()
    thread.join(10)
    make("b")
    assert not thread.is_alive()
    assert [event["type"] for event in watch(resourceVersion=since)] == ["ADDED"]


def test_a_page_shows_what_the_first_page_saw(ask, make):
    for name in "abc":
        make(name)
    _, first = ask("GET", f"{CONFIGMAPS}?limit=1")
    ask("DELETE", f"{CONFIGMAPS}/c")
    make("b-2")
    ask("PATCH", f"{CONFIGMAPS}/b", {"data": {"x": "1"}}, "application/merge-patch+json")
    _, rest = ask("GET", f"{CONFIGMAPS}?limit=9&continue={first['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in rest["items"]] == ["b", "c"]
    assert "data" not in rest["items"][0]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
