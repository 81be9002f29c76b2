"""What comes over the wire broken is answered with a Status, and a server told to fail fails as told."""

import socket
import time

import pytest
import urllib3

from reconciler.demo.api import Cluster, serve

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def configmap(name):
    return {"metadata": {"name": name}, "data": {"a": "1"}}


MALFORMED = {
    "nonsense": (b"hello\r\n\r\n", 400),
    "no version": (b"GET /version\r\n\r\n", 400),
    "no leading slash": (b"GET version HTTP/1.1\r\n\r\n", 400),
    "an unknown method": (b"BREW /version HTTP/1.1\r\n\r\n", 400),
    "a header without a colon": (b"GET /version HTTP/1.1\r\nhello\r\n\r\n", 400),
    "a header with a space before its colon": (b"GET /version HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "too many headers": (b"GET /version HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    "an endless line": (b"GET /" + b"a" * 70000, 431),
    "a length that is no number": (b"POST /api HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
    "a negative length": (b"POST /api HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    "two lengths": (b"POST /api HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "an unknown encoding": (b"POST /api HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    "a chunk without a size": (b"POST /api HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "a path that is not UTF-8": (b"GET /api/%ff HTTP/1.1\r\n\r\n", 400),
    "a query that is not UTF-8": (b"GET /api?a=%ff HTTP/1.1\r\n\r\n", 400),
    "a body that is too big": (b"POST /api HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
    "a chunk that is too big": (b"POST /api HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_request_is_answered_with_a_status(case, speak):
    data, code = MALFORMED[case]
    head, _, body = speak(data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % code)
    assert b'"kind":"Status"' in body
    assert b"Traceback" not in body


def test_half_a_request_is_answered_with_nothing(speak):
    assert speak(b"GET /version HT") == b""
    assert speak(b"POST /api HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc") == b""


def test_one_connection_carries_many_requests(speak):
    answers = speak(b"GET /healthz HTTP/1.1\r\n\r\n" * 3)
    assert answers.count(b"HTTP/1.1 200 OK") == 3


def test_a_body_can_come_in_chunks_and_be_asked_for(speak):
    body = b'{"metadata":{"name":"chunked"}}'
    head = f"POST {CONFIGMAPS} HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n".encode()
    chunks = b"%x\r\n%b\r\n%x;note=1\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (5, body[:5], len(body) - 5, body[5:])
    answer = speak(head + chunks)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created")


def test_a_client_that_sends_too_much_learns_why(ask):
    code, body = ask("POST", CONFIGMAPS, b" " * (4 * 1024 * 1024))
    assert (code, body["reason"]) == (413, "RequestEntityTooLarge")


BODIES = {
    "not JSON": (b"{", "application/json", 400),
    "a list": (b"[]", "application/json", 400),
    "metadata that is a word": (b'{"metadata":"x"}', "application/json", 400),
    "labels that are a list": (b'{"metadata":{"name":"x","labels":[]}}', "application/json", 400),
    "a label that is a number": (b'{"metadata":{"name":"x","labels":{"a":1}}}', "application/json", 400),
    "not UTF-8": (b'{"metadata":{"name":"\xff"}}', "application/json", 400),
    "protobuf": (b"k8s\x00", "application/vnd.kubernetes.protobuf", 415),
    "YAML with an alias": (b"metadata: &a {name: x}\nlabels: *a\n", "application/yaml", 400),
    "YAML that is nested without end": (b"[" * 20000, "application/yaml", 400),
    "YAML with a tag that runs code": (b"!!python/object/apply:os.getcwd []", "application/yaml", 400),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_malformed_body_is_answered_with_a_status(case, ask):
    body, kind, expected = BODIES[case]
    code, answer = ask("POST", CONFIGMAPS, body, kind)
    assert (code, answer["kind"]) == (expected, "Status"), answer


def test_a_date_in_yaml_stays_a_word(ask):
    code, made = ask("POST", CONFIGMAPS, b"metadata: {name: y}\ndata: {since: 2026-11-24}\n", "application/yaml")
    assert (code, made["data"]) == (201, {"since": "2026-11-24"})


def test_it_listens_on_loopback_only(server):
    name = socket.gethostname()
    others = {info[4][0] for info in socket.getaddrinfo(name, None, socket.AF_INET)} - {"127.0.0.1"}
    for address in others:
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((address, server.port("eu-1"))) != 0


def test_requests_are_counted_by_verb_and_resource(cluster, ask):
    before = cluster.requests.copy()
    ask("POST", CONFIGMAPS, configmap("a"))
    ask("GET", f"{CONFIGMAPS}/a")
    ask("GET", CONFIGMAPS)
    ask("GET", CONFIGMAPS)
    assert cluster.requests - before == {
        ("create", "configmaps"): 1, ("get", "configmaps"): 1, ("list", "configmaps"): 2,
    }  # fmt: skip
    _, told = ask("GET", "/__requests")
    assert told["list"]["configmaps"] == 2
    ask("DELETE", "/__requests")
    assert ask("GET", "/__requests") == (200, {})


def test_an_answer_can_be_an_error(cluster, ask):
    cluster.faults.status, cluster.faults.remaining = 503, 2
    assert [ask("GET", CONFIGMAPS)[0] for _ in range(3)] == [503, 503, 200]


def test_only_some_requests_can_be_hit(cluster, ask):
    cluster.faults.status = 500
    cluster.faults.matches = lambda request: request.method == "POST"
    assert ask("GET", CONFIGMAPS)[0] == 200
    assert ask("POST", CONFIGMAPS, configmap("a"))[0] == 500
    cluster.faults.clear()
    assert ask("POST", CONFIGMAPS, configmap("a"))[0] == 201


def test_a_request_can_be_dropped_before_its_work_is_done(cluster, ask):
    cluster.faults.drop, cluster.faults.remaining = True, 1
    with pytest.raises(urllib3.exceptions.ProtocolError):
        ask("POST", CONFIGMAPS, configmap("a"))
    assert ask("GET", f"{CONFIGMAPS}/a")[0] == 404


def test_an_answer_can_be_lost_after_the_work_is_done(cluster, ask):
    cluster.faults.lose, cluster.faults.remaining = True, 1
    with pytest.raises(urllib3.exceptions.ProtocolError):
        ask("POST", CONFIGMAPS, configmap("a"))
    assert ask("GET", f"{CONFIGMAPS}/a")[0] == 200


def test_an_answer_can_be_late(cluster, ask):
    cluster.faults.latency = 0.05
    started = time.monotonic()
    assert ask("GET", CONFIGMAPS)[0] == 200
    assert time.monotonic() - started >= 0.05


def test_a_cluster_can_be_unreachable_and_come_back_with_what_it_had(server, ask):
    ask("POST", CONFIGMAPS, configmap("a"))
    port = server.port("eu-1")
    server.pause("eu-1")
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask("GET", CONFIGMAPS)
    server.resume("eu-1")
    assert server.port("eu-1") == port
    assert ask("GET", f"{CONFIGMAPS}/a")[0] == 200


def test_a_mistake_of_ours_is_a_status_without_details(cluster, ask, monkeypatch, capsys):
    def broken(*_arguments):
        raise RuntimeError("secret")

    monkeypatch.setattr(cluster.store, "items_at", broken)
    code, body = ask("GET", CONFIGMAPS)
    assert (code, body["reason"], "secret" in body["message"]) == (500, "InternalError", False)
    assert "RuntimeError" in capsys.readouterr().out


def test_clusters_do_not_share_anything():
    with serve([Cluster("eu-1"), Cluster("us-1")]) as both:
        pool = urllib3.PoolManager(retries=False, timeout=10)
        made = pool.request("POST", both.url("eu-1") + CONFIGMAPS, json=configmap("a"))
        assert made.status == 201
        assert pool.request("GET", both.url("us-1") + f"{CONFIGMAPS}/a").status == 404
        uids = {
            pool.request("GET", both.url(n) + "/api/v1/namespaces/kube-system").json()["metadata"]["uid"]
            for n in both.clusters
        }
        assert len(uids) == 2
        pool.clear()
