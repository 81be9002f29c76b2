"""Caches against an API server, and against one that misbehaves in every way a watch knows."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import orjson
import pytest
from kube_cases import Scripted, deployment, rendered, service, status
from kube_states import RELEASE, REPOSITORY, TARGET

from reconciler.edges.kube import feed as feeds
from reconciler.edges.kube.apply import Objects
from reconciler.edges.kube.connect import Connection
from reconciler.edges.kube.feed import Feed, Source
from reconciler.edges.kube.observe import summarise
from reconciler.edges.kube.resources import SERVICE, TARGET_STATE
from reconciler.edges.kube.states import States, decode, encode
from reconciler.edges.kube.table import Table
from reconciler.edges.kube.watch import ClusterCache, HomeCache, StateTable
from reconciler.model.objects import ObjectRef
from reconciler.model.repository import RepositoryState
from reconciler.model.state import ReleaseState, TargetState

STATE = "prod-fraud-0a1b2c3d"


def eventually(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for what a thread will bring about; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def cache(cluster: Connection, told: list[tuple[str, str]]) -> Iterator[ClusterCache]:
    found = ClusterCache(cluster, lambda owner, ref: told.append((owner, str(ref))))
    assert not found.synced
    found.start()
    assert found.wait_synced(20), found.problems
    yield found
    found.stop()


def test_a_cache_follows_what_happens_to_our_objects(cache, told, cluster, namespace):
    objects = Objects(cluster)
    wanted = rendered(deployment(namespace, "fraud"))
    first = objects.apply(wanted)
    eventually(lambda: cache.get(wanted.ref) is not None)
    assert cache.get(wanted.ref).digest == first.digest
    assert [live.ref for live in cache.owned_by(STATE) if live.ref.namespace == namespace] == [wanted.ref]
    assert (STATE, f"Deployment {namespace}/fraud") in told
    objects.apply(rendered(deployment(namespace, "fraud", image="img:2")))
    eventually(lambda: cache.get(wanted.ref).digest != first.digest)
    objects.delete(wanted.ref, first.uid)
    eventually(lambda: cache.get(wanted.ref) is None)
    assert [live for live in cache.owned_by(STATE) if live.ref.namespace == namespace] == []
    assert cache.problems == {}


def test_an_object_that_was_there_before_is_listed(cluster, namespace, told):
    objects = Objects(cluster)
    bodies = [service(namespace, "fraud"), deployment(namespace, "fraud")]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**bodies[0]["metadata"], "name": "sa"}}
    refs = {objects.apply(rendered(body)).ref for body in [*bodies, account]}
    cache = ClusterCache(cluster, lambda owner, ref: told.append((owner, str(ref))))
    cache.start()
    try:
        assert cache.wait_synced(20)
        found = cache.owned_by(STATE)
        assert {live.ref for live in found if live.ref.namespace == namespace} == refs
        assert cache.get(next(ref for ref in refs if ref.kind == "ServiceAccount")).digest
    finally:
        cache.stop()


def test_our_own_write_is_known_at_once_and_called_back_to_nobody(cache, told, cluster, namespace):
    objects = Objects(cluster)
    wanted = rendered(service(namespace, "fraud"))
    live = objects.apply(wanted)
    cache.observe(live)
    assert cache.get(wanted.ref).resource_version == live.resource_version
    marker = rendered(service(namespace, "marker"))  # its event comes after ours
    objects.apply(marker)
    eventually(lambda: cache.get(marker.ref) is not None)
    assert [ref for _, ref in told if ref == str(wanted.ref)] in ([], [str(wanted.ref)])  # the event may be the faster
    assert cache.get(wanted.ref).digest == live.digest
    cache.forget(marker.ref)
    assert cache.get(marker.ref) is None


def test_objects_of_others_are_not_kept(cache, cluster, namespace):
    body = service(namespace, "theirs")
    del body["metadata"]["labels"]
    path = f"/api/v1/namespaces/{namespace}/services"
    cluster.request("POST", path, body=orjson.dumps(body))
    objects = Objects(cluster)
    ours = objects.apply(rendered(service(namespace, "ours")))
    eventually(lambda: cache.get(ours.ref) is not None)
    assert cache.get(ObjectRef.of(body)) is None
    assert not cache.holds(ObjectRef(group="", version="v1", kind="ConfigMap", namespace="a", name="x"))
    assert cache.holds(ours.ref)


def test_a_cache_follows_target_states(cache, told, cluster, namespace):
    states = States(cluster, TargetState)
    name = f"prod-fraud-{namespace}"
    created = states.create(namespace, name, TARGET)
    eventually(lambda: name in cache.targets)
    assert cache.targets[name] == created
    assert (name, f"TargetState {namespace}/{name}") in told
    updated = states.update(created, TARGET.model_copy(update={"home": "other"}))
    cache.states.observe(updated)
    assert cache.targets[name] == updated
    assert cache.states.named(name) == (updated,)
    states.delete(updated)
    eventually(lambda: name not in cache.targets)


def test_a_home_cache_follows_releases_and_repositories(cluster, namespace, told):
    home = HomeCache(cluster, namespace, lambda owner, ref: told.append((owner, ref.kind)))
    home.start()
    try:
        assert home.wait_synced(20)
        assert dict(home.releases.by_name) == {}
        release = States(cluster, ReleaseState).create(namespace, "r", RELEASE)
        repository = States(cluster, RepositoryState).create(namespace, "g", REPOSITORY)
        eventually(lambda: "r" in home.releases.by_name and "g" in home.repositories.by_name)
        assert home.releases.by_name["r"] == release
        assert home.repositories.by_name["g"] == repository
        eventually(lambda: set(told) == {("r", "ReleaseState"), ("g", "RepositoryState")})
    finally:
        home.stop()


def test_a_status_that_only_ticks_wakes_nobody(scripted, connect):
    told = []
    cache = ClusterCache(connect(scripted.port), lambda owner, ref: told.append((owner, str(ref))))
    body = deployment("a", "x") | {"status": {"readyReplicas": 1}}
    for version, change in ((1, {}), (2, {}), (3, {"readyReplicas": 2})):
        body["metadata"]["resourceVersion"] = str(version)
        body["status"] |= change
        cache._tables["apps", "Deployment"].event(summarise(body), deleted=False)
    assert told == [(STATE, "Deployment a/x")] * 2


def test_an_object_that_changes_hands_wakes_both(scripted, connect):
    told = []
    cache = ClusterCache(connect(scripted.port), lambda owner, _ref: told.append(owner))
    for version, owner in ((1, "one"), (2, "two")):
        body = deployment("a", "x", state=owner)
        body["metadata"]["resourceVersion"] = str(version)
        cache._tables["apps", "Deployment"].event(summarise(body), deleted=False)
    assert told[0] == "one"
    assert set(told[1:]) == {"one", "two"}
    assert cache.owned_by("one") == ()


def test_a_state_that_does_not_parse_is_there_but_not_readable():
    table = StateTable(TargetState, lambda _owner, _ref: None)
    obj = orjson.loads(encode(TARGET, {"name": "x", "namespace": "a", "resourceVersion": "7"}))
    obj["spec"]["surprise"] = 1
    table._table.event(decode(TargetState, obj), deleted=False)
    assert dict(table.by_name) == {}
    assert [row.name for row in table.unreadable] == ["x"]
    assert table.named("x") == table.unreadable


class Story:
    """A list of services and one stream of events, told line by line; `routes` may be replaced to misbehave."""

    def __init__(self, scripted: Scripted) -> None:
        self.scripted = scripted
        self.items: list[dict] = []
        self.version = "10"
        self.lines: list[bytes] = []
        self.refuse: list[tuple[int, bytes]] = []
        scripted.route = self.route

    def route(self, _method: str, _path: str, query: dict[str, str]):
        if self.refuse:
            return self.refuse.pop(0)
        if "watch" not in query:
            return 200, orjson.dumps({"metadata": {"resourceVersion": self.version}, "items": self.items})
        return 200, self.stream()

    def stream(self) -> Iterator[bytes]:
        sent = 0
        while not self.scripted.ended.wait(0.01):
            while sent < len(self.lines):
                sent += 1
                if self.lines[sent - 1] == b"":
                    self.lines.clear()
                    return  # the server ends the watch
                yield self.lines[sent - 1]

    def say(self, kind: str, obj: dict) -> None:
        self.lines.append(orjson.dumps({"type": kind, "object": obj}) + b"\n")

    def lists(self) -> int:
        return sum("watch" not in query for _, _, query in self.scripted.requests)

    def watches(self) -> list[str]:
        return [query["resourceVersion"] for _, _, query in self.scripted.requests if "watch" in query]


def named(name: str, version: int) -> dict:
    body = service("a", name)
    body["metadata"]["resourceVersion"] = str(version)
    return body


@pytest.fixture
def story(scripted: Scripted) -> Story:
    return Story(scripted)


@pytest.fixture
def table() -> Table:
    return Table(key=lambda live: live.ref.name, group=lambda live: live.owner, changed=lambda _old, _new: None)


@pytest.fixture
def feed(story: Story, table: Table, connect) -> Iterator[Feed]:
    found = Feed(connect(story.scripted.port), Source(kind=SERVICE, selector="a=b"), table, summarise)
    found.start()
    yield found
    found.stop()
    found.join(10)
    assert not found.is_alive()


def known(table: Table) -> dict[str, str]:
    return {name: live.resource_version for name, live in table.rows.items()}


def test_items_of_a_list_come_without_their_kind(story, table, connect):
    item = named("x", 5)
    del item["kind"], item["apiVersion"]
    story.items = [item]
    feed = Feed(connect(story.scripted.port), Source(kind=SERVICE, selector="a=b"), table, summarise)
    feed._list()
    assert known(table) == {"x": "5"}
    assert table.get("x").ref.kind == "Service"
    assert story.scripted.requests[0][2]["labelSelector"] == "a=b"


def test_a_watch_begins_where_the_list_ended_and_goes_on_where_it_was(story, table, feed):
    eventually(lambda: story.watches() == ["10"])
    story.say("ADDED", named("x", 11))
    story.say("BOOKMARK", {"kind": "Service", "apiVersion": "v1", "metadata": {"resourceVersion": "15"}})
    eventually(lambda: feed._version == "15")
    assert known(table) == {"x": "11"}
    story.lines.append(b"")
    eventually(lambda: story.watches() == ["10", "15"])
    story.say("DELETED", named("x", 16))
    eventually(lambda: known(table) == {})
    assert story.lists() == 1


@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize("where", ["in the stream", "as the answer"])
def test_410_lists_again(where, story, table):
    eventually(lambda: story.watches() == ["10"])
    story.say("ADDED", named("x", 11))
    eventually(lambda: known(table) == {"x": "11"})
    story.items, story.version = [named("y", 30)], "31"
    gone = status(410, "too old resource version")
    if where == "as the answer":
        story.refuse = [(410, gone)]
        story.lines.append(b"")
    else:
        story.say("ERROR", orjson.loads(gone))
    eventually(lambda: known(table) == {"y": "30"})
    story.lines.clear()
    eventually(lambda: story.watches()[-1] == "31")


def test_a_server_that_dies_and_comes_back_is_followed_again(story, table, feed):
    eventually(lambda: story.watches() == ["10"])
    story.scripted.stop()
    eventually(lambda: "Cluster eu-1 does not answer" in feed.problem)
    story.scripted.start()
    eventually(lambda: len(story.watches()) >= 2)
    story.say("ADDED", named("x", 12))
    eventually(lambda: known(table) == {"x": "12"})
    assert feed.problem == ""
    assert story.lists() == 2


@pytest.mark.usefixtures("feed")
def test_a_server_restored_from_a_backup_is_listed_again(story, table):
    story.say("ADDED", named("x", 900))
    eventually(lambda: known(table) == {"x": "900"})
    story.items, story.version = [named("x", 3)], "4"
    story.refuse = [(504, status(504, "Too large resource version"))]
    story.lines.append(b"")
    eventually(lambda: known(table) == {"x": "3"})


def test_a_busy_server_is_not_asked_for_a_list_again(story, table, feed):
    eventually(lambda: story.watches() == ["10"])
    story.refuse = [(429, b"")]
    story.lines.append(b"")
    eventually(lambda: story.watches() == ["10"] * 3)
    story.say("ADDED", named("x", 12))
    eventually(lambda: known(table) == {"x": "12"})
    assert story.lists() == 1
    assert feed.problem == ""


def test_a_list_is_taken_again_after_an_hour(story, table, feed):
    eventually(lambda: story.watches() == ["10"])
    feed._listed_at -= 3_600
    story.items, story.version = [named("y", 30)], "31"
    story.lines.append(b"")
    eventually(lambda: known(table) == {"y": "30"})


@pytest.mark.usefixtures("feed")
def test_silence_is_a_broken_watch(story, table, monkeypatch):
    eventually(lambda: len(story.watches()) == 1)
    monkeypatch.setattr(feeds, "_IDLE_SECONDS", 0.2)
    story.lines.append(b"")
    eventually(lambda: len(story.watches()) >= 3)
    story.say("ADDED", named("x", 12))
    eventually(lambda: known(table) == {"x": "12"})


@pytest.mark.parametrize("line", [b"{not json\n", b'{"type":"ADDED","object":{}}\n', b"[]\n"])
def test_nonsense_lists_again_and_the_thread_lives(line, story, table, feed):
    eventually(lambda: len(story.watches()) == 1)
    story.items = [named("y", 30)]
    story.lines.append(line)
    eventually(lambda: known(table) == {"y": "30"})
    assert feed.is_alive()


def test_a_missing_definition_is_told_until_it_is_there(scripted, connect):
    there = threading.Event()

    def route(_method, _path, query):
        if not there.is_set():
            return 404, b"404 page not found"
        if "watch" in query:
            return 200, iter(lambda: scripted.ended.wait(0.05) and None, None)
        return 200, b'{"metadata":{"resourceVersion":"3"},"items":[]}'

    scripted.route = route
    feed = StateTable(TargetState, lambda _owner, _ref: None).feed(connect(scripted.port))
    feed.start()
    eventually(lambda: "no TargetState resource; run `reconciler install" in feed.problem)
    assert not feed.listed.is_set()
    there.set()
    eventually(feed.listed.is_set)
    assert feed.problem == ""
    feed.stop()
    feed.join(10)


def test_kinds_that_are_only_listed_are_listed_again(story, table, connect):
    source = Source(kind=SERVICE, selector="a=b", every=0.05)
    feed = Feed(connect(story.scripted.port), source, table, summarise)
    feed.start()
    story.items = [named("x", 3)]
    eventually(lambda: known(table) == {"x": "3"})
    story.items = []
    eventually(lambda: known(table) == {})
    assert story.watches() == []
    feed.stop()
    feed.join(10)


def test_a_long_list_is_read_in_pages_before_it_counts(scripted, table, connect):
    pages = {"": ("p1", [named("a", 1)]), "p1": ("p2", [named("b", 2)]), "p2": ("", [named("c", 3)])}

    def route(_method, _path, query):
        more, items = pages[query.get("continue", "")]
        return 200, orjson.dumps({"metadata": {"resourceVersion": "9", "continue": more}, "items": items})

    scripted.route = route
    feed = Feed(connect(scripted.port), Source(kind=SERVICE), table, summarise)
    feed._list()
    assert known(table) == {"a": "1", "b": "2", "c": "3"}
    assert feed._version == "9"


def test_a_black_hole_stops_a_cache_within_its_patience(connect):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as hole:
        cache = ClusterCache(connect(hole.getsockname()[1]), lambda _owner, _ref: None)
        cache.start()
        assert not cache.wait_synced(0.2)
        began = time.monotonic()
        cache.stop(0.3)
        assert time.monotonic() - began < 5


def test_the_kind_of_a_state_is_what_its_type_says():
    assert StateTable(TargetState, lambda _owner, _ref: None)._kind is TargetState
    assert TARGET_STATE.api_version == "reconciler.dev/v1alpha1"
