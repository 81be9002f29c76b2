"""Kinds that only some releases use: followed when asked for, on both servers; and fields that are left to others."""

import time
from collections.abc import Iterator

import orjson
import pytest
from api_server import MERGE, path_of
from kube_cases import Scripted, rendered, status

from reconciler.edges.kube import offered
from reconciler.edges.kube.apply import Objects
from reconciler.edges.kube.offered import Offered
from reconciler.edges.kube.resources import Resources, kind_of
from reconciler.edges.kube.watch import ClusterCache
from reconciler.errors import Retry, Stalled
from reconciler.model.objects import LABEL_MANAGED, LABEL_STATE, MANAGED_BY, ObjectRef

STATE = "prod-fraud-0a1b2c3d"
OURS = {LABEL_MANAGED: MANAGED_BY, LABEL_STATE: STATE}
WIDGETS = ("example.com/v1", "Widget")
FEW = frozenset({WIDGETS, ("example.com/v1", "NobodysKind")})


def definition(plural, kind, scope="Namespaced"):
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": scope,
            "names": {"plural": plural, "kind": kind, "singular": kind.lower()},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}},
            ],
        },
    }


def config(namespace, name="settings", **data):
    meta = {"name": name, "namespace": namespace, "labels": OURS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def widget(namespace, **spec):
    meta = {"name": "w", "namespace": namespace, "labels": OURS}
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": meta, "spec": spec}


@pytest.fixture
def cache(cluster) -> Iterator[ClusterCache]:
    found = ClusterCache(cluster, lambda _owner, _ref: None)
    found.start()
    assert found.wait_synced(20), found.problems
    yield found
    found.stop()


def test_a_kind_that_somebody_asks_for_is_listed_and_its_own_writes_are_known_at_once(cache, cluster, namespace):
    objects = Objects(cluster)
    wanted = rendered(config(namespace, mode="fast"))
    first = objects.apply(wanted)
    assert cache.get(wanted.ref) is None
    assert not cache.holds(wanted.ref)
    feed = cache.follow(kind_of(wanted.ref), objects.resources.of(wanted.ref).plural)
    assert feed.listed.wait(10)
    assert cache.get(wanted.ref).digest == first.digest
    assert cache.follow(kind_of(wanted.ref), "configmaps") is feed
    assert wanted.ref in {live.ref for live in cache.owned_by(STATE)}
    second = objects.apply(rendered(config(namespace, mode="slow")))
    cache.observe(second)
    assert cache.get(wanted.ref).digest == second.digest != first.digest
    objects.delete(wanted.ref, second.uid)
    cache.forget(wanted.ref)
    assert cache.get(wanted.ref) is None


def test_a_custom_kind_is_found_by_discovery_and_followed(cache, cluster, server, namespace):
    server.install_crd(definition("widgets", "Widget"))
    objects = Objects(cluster)
    wanted = rendered(widget(namespace, size=1))
    live = objects.apply(wanted)
    feed = cache.follow(kind_of(wanted.ref), objects.resources.of(wanted.ref).plural)
    assert feed.listed.wait(10)
    assert (cache.get(wanted.ref).digest, cache.get(wanted.ref).owner) == (live.digest, STATE)


def test_a_kind_that_is_not_served_says_so_and_holds_no_other(cache, namespace):
    ref = ObjectRef(group="example.com", version="v1", kind="Nothing", namespace=namespace, name="x")
    feed = cache.follow(kind_of(ref), "nothings")
    assert not feed.listed.wait(1)
    assert "does not serve Nothing of example.com/v1; install its CRD" in feed.problem
    assert cache.synced


def test_an_object_that_would_lie_in_no_namespace_is_refused(cluster, server, namespace):
    server.install_crd(definition("planets", "Planet", scope="Cluster"))
    body = {"apiVersion": "example.com/v1", "kind": "Planet", "metadata": {"name": "x", "namespace": namespace}}
    with pytest.raises(Stalled, match="does not lie in a namespace on cluster eu-1") as caught:
        Objects(cluster).apply(rendered(body))
    assert caught.value.reason == "KindNotNamespaced"
    assert server.request("GET", "/apis/example.com/v1/planets/x")[0] == 404


def test_a_cluster_offers_the_optional_kinds_that_it_serves(cluster, server):
    server.install_crd(definition("widgets", "Widget"))
    assert Resources(cluster).offers(FEW) == {WIDGETS}
    assert Offered(Resources(cluster), FEW).kinds() == {WIDGETS}


# --- fields that are left to others: what is not sent is not owned


def test_a_field_that_is_not_sent_is_no_drift_whoever_writes_it(cluster, server, namespace):
    objects = Objects(cluster)
    live = objects.apply(rendered(config(namespace, ours="1")))
    theirs = config(namespace, theirs="2")
    assert server.apply(path_of(theirs), {**theirs, "metadata": {"name": "settings"}}, manager="scaler")[0] == 200
    assert objects.get(live.ref).digest == live.digest
    server.ok("PATCH", path_of(theirs), {"data": {"theirs": "3"}}, MERGE, {"fieldManager": "scaler"})
    assert objects.get(live.ref).digest == live.digest
    assert objects.apply(rendered(config(namespace, ours="1"))).digest == live.digest
    assert objects.read(live.ref)["data"] == {"ours": "1", "theirs": "3"}


def test_a_field_that_is_sent_no_longer_stays_with_who_took_it_over(cluster, server, namespace):
    objects = Objects(cluster)
    live = objects.apply(rendered(config(namespace, ours="1", shared="1")))
    server.ok("PATCH", path_of(config(namespace)), {"data": {"shared": "2"}}, MERGE, {"fieldManager": "scaler"})
    assert objects.get(live.ref).digest != live.digest  # drift, until it is left to them
    left = objects.apply(rendered(config(namespace, ours="1")))
    assert objects.read(live.ref)["data"] == {"ours": "1", "shared": "2"}
    server.ok("PATCH", path_of(config(namespace)), {"data": {"shared": "3"}}, MERGE, {"fieldManager": "scaler"})
    assert objects.get(live.ref).digest == left.digest


# --- what is asked, and what is made of a no


def asked(scripted: Scripted) -> list[str]:
    return [path for _, path, _ in scripted.requests]


SERVED = orjson.dumps({"resources": [{"name": "widgets", "namespaced": True, "kind": "Widget"}]})


def test_what_is_offered_is_asked_once_and_kept_while_the_cluster_cannot_be_asked(scripted, connect, monkeypatch):
    monkeypatch.setattr(offered, "_AGAIN", 0.05)
    monkeypatch.setattr(offered, "_AFTER_FAILURE", 0.05)
    scripted.route = lambda _method, path, _query: (200, SERVED if path.endswith("/v1") else b"{}")
    found = Offered(Resources(connect(scripted.port)), frozenset({WIDGETS}))
    assert found.kinds() == found.kinds() == {WIDGETS}
    assert asked(scripted) == ["/apis/example.com/v1", "/apis/example.com/v1/widgets"]
    scripted.route = lambda *_: (500, status(500, "etcd is away"))
    time.sleep(0.1)
    assert found.kinds() == {WIDGETS}
    scripted.route = lambda *_: (404, b"404 page not found")
    time.sleep(0.1)
    assert found.kinds() == frozenset()


def test_before_the_first_answer_nothing_is_assumed(scripted, connect):
    scripted.route = lambda *_: (500, status(500, "etcd is away"))
    with pytest.raises(Retry):
        Offered(Resources(connect(scripted.port)), frozenset({WIDGETS})).kinds()


@pytest.mark.parametrize(("code", "expected"), [(403, frozenset()), (500, None)])
def test_a_kind_that_we_may_not_list_is_not_offered(code, expected, scripted, connect):
    scripted.route = lambda _method, path, _query: (200, SERVED) if path.endswith("/v1") else (code, status(code, "no"))
    found = Offered(Resources(connect(scripted.port)), frozenset({WIDGETS}))
    if expected is None:
        with pytest.raises(Retry):
            found.kinds()
    else:
        assert found.kinds() == expected
