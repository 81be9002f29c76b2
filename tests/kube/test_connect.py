"""What a request comes back as, and that a cluster which does not answer costs nobody else anything."""

import socket
import threading
import time
from contextlib import closing

import pytest
import urllib3
from kube_cases import status

from reconciler.edges.kube.answers import Asked, Gone, Unserved, clean
from reconciler.edges.kube.connect import IN_FLIGHT, cluster_uid, open_kubeconfig, segment
from reconciler.errors import Conflict, NotFound, Refused, Retry, Stalled

CANARY = "canary-token-123"
DEPLOYMENT = "/apis/apps/v1/namespaces/team-a/deployments/fraud"
TERMINATING = {"causes": [{"reason": "NamespaceTerminating", "message": "x", "field": "metadata.namespace"}]}
ANSWERS = {
    "no such object": (404, status(404, "x", name="fraud", kind="deployments"), NotFound, "", "404 to GET"),
    "no such resource": (404, b"404 page not found\n", Unserved, "", "404 page not found"),
    "no such kind in the group": (404, status(404, "the server could not find it"), Unserved, "", "could not find"),
    "no such namespace": (
        404, status(404, "x", name="team-a", kind="namespaces"), Stalled, "NamespaceMissing", "Create namespace team-a",
    ),
    "a conflict, with what the server says": (
        409, status(409, "the object has been modified"), Conflict, "", "the object has been modified",
    ),
    "too old": (410, status(410, "too old resource version"), Gone, "Gone", "too old"),
    "not logged in": (401, status(401, "Unauthorized"), Retry, "Forbidden", "Unauthorized"),
    "not allowed": (403, status(403, "cannot patch"), Retry, "Forbidden", "cannot patch"),
    "a namespace that goes away": (
        403, status(403, "being terminated", **TERMINATING), Stalled, "NamespaceMissing", "is being deleted",
    ),
    "invalid": (422, status(422, "spec.replicas: must be positive"), Refused, "", "must be positive"),
    "malformed": (400, status(400, "unknown field"), Refused, "", "unknown field"),
    "a redirect, which is not followed": (302, b"", Refused, "", "302"),
    "busy": (429, status(429, "slow down"), Retry, "TooManyRequests", "slow down"),
    "an apply with a field that does not exist": (
        500, status(500, "failed to create typed patch object (a/x): .spec.b: field not declared in schema"),
        Refused, "", ".spec.b: field not declared",
    ),
    "broken": (500, status(500, "etcd"), Retry, "ClusterUnreachable", "etcd"),
    "behind a proxy without a server": (503, b"<html>\x1b[31m\nno\x00</html>", Retry, "ClusterUnreachable", "<html>"),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_is_one_error_with_one_sentence(case, scripted, connect):
    code, body, error, reason, words = ANSWERS[case]
    scripted.route = lambda *_: (code, body)
    with pytest.raises(error) as caught:
        connect(scripted.port).request("GET", DEPLOYMENT)
    assert type(caught.value) is error
    assert getattr(caught.value, "reason", "") == reason
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"Cluster eu-1 answered {code} to GET deployments fraud in namespace team-a: ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("header", "after"), [("7", 7.0), ("999999", 300.0), ("-5", 0.1), ("soon", 1.0), ("", 1.0)]
)  # fmt: skip
def test_429_comes_again_when_the_server_says(header, after, scripted, connect):
    scripted.route = lambda *_: (429, b"")
    scripted.extra = {"Retry-After": header}
    with pytest.raises(Retry) as caught:
        connect(scripted.port).request("GET", DEPLOYMENT)
    assert caught.value.after == after


def test_the_token_is_sent_and_is_masked_when_the_server_repeats_it(scripted, connect):
    scripted.route = lambda *_: (403, status(403, f"Bearer {CANARY} may not"))
    with pytest.raises(Retry, match=r"Bearer \*\*\* may not") as caught:
        connect(scripted.port).request("GET", DEPLOYMENT)
    assert scripted.headers[0]["authorization"] == f"Bearer {CANARY}"
    assert CANARY not in f"{caught.value!r}"


def test_a_long_reason_is_cut(scripted, connect):
    scripted.route = lambda *_: (422, status(422, "x" * 100_000))
    with pytest.raises(Refused) as caught:
        connect(scripted.port).request("GET", DEPLOYMENT)
    assert len(str(caught.value)) < 1_200


def test_a_body_and_its_query_are_sent_once_as_they_are(scripted, connect):
    scripted.route = lambda *_: (201, b'{"a":1}')
    told = []
    connection = connect(scripted.port, on_request=lambda *row: told.append(row[:3]))
    path = "/api/v1/namespaces/team-a/services/x"
    answer = connection.request("PATCH", path, query={"force": "true"}, body=b"{}", content_type="application/x")
    assert answer == (201, b'{"a":1}')
    assert scripted.requests == [("PATCH", path, {"force": "true"})]
    assert scripted.headers[0]["content-type"] == "application/x"
    assert told == [("patch", "services", 201)]


@pytest.mark.parametrize(
    ("path", "resource", "namespace", "name"),
    [
        ("/apis/apps/v1/namespaces/a/deployments/x/scale", "deployments/scale", "a", "x"),
        ("/apis/apps/v1/deployments?watch=true", "deployments", "", ""),
        ("/api/v1/namespaces/kube-system", "namespaces", "", "kube-system"),
        ("/api/v1/namespaces/a/pods", "pods", "a", ""),
        ("/api/v1/namespaces", "namespaces", "", ""),
        ("/version", "version", "", ""),
        ("/apis/apps/v1", "apis", "", ""),
    ],
)
def test_a_path_says_what_it_asks_for(path, resource, namespace, name):
    asked = Asked.of(path)
    assert (asked.resource, asked.namespace, asked.name) == (resource, namespace, name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb"])
def test_a_name_that_would_leave_its_place_in_the_path_is_refused(name):
    with pytest.raises(Refused, match="cannot be the name"):
        segment(name)


def test_text_from_outside_becomes_one_printable_line():
    assert clean("a\x1b[31m\r\n\tb\u202e\x00 c", 100) == "a [31m b c"
    assert clean("x" * 20, 5) == "xxxx…"


def test_a_cluster_is_known_by_its_kube_system(scripted, connect):
    scripted.route = lambda _method, path, _query: (
        (200, b'{"metadata":{"uid":"u-1"}}') if "kube-system" in path else (404, b"")
    )
    assert cluster_uid(connect(scripted.port)) == "u-1"


def black_hole() -> socket.socket:
    """It accepts connections (in the backlog) and never says a word."""
    return socket.create_server(("127.0.0.1", 0), backlog=64)


def fail(connection, times: int, timeout: float = 0.2) -> list[str]:
    sentences = []
    for _ in range(times):
        with pytest.raises(Retry) as caught:
            connection.request("GET", DEPLOYMENT, timeout=timeout)
        assert caught.value.reason == "ClusterUnreachable"
        sentences.append(str(caught.value))
    return sentences


def test_a_black_hole_opens_the_circuit_and_then_nothing_is_sent(connect):
    with closing(black_hole()) as hole:
        told = []
        connection = connect(hole.getsockname()[1], on_request=lambda *row: told.append(row))
        assert connection.available() == (True, 0.0, "")
        assert set(fail(connection, 3)) == {"Cluster eu-1 does not answer: no answer in time."}
        free, after, sentence = connection.available()
        assert not free
        assert after >= 1.0
        assert sentence == "Cluster eu-1 does not answer: no answer in time."
        fail(connection, 5)
        assert len(told) == 3


def test_a_cluster_that_comes_back_is_found_by_one_probe(scripted, connect):
    connection = connect(scripted.port)
    scripted.stop()
    fail(connection, 3)
    assert not connection.available()[0]
    scripted.start()
    deadline = time.monotonic() + 10
    while not connection.available()[0] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert connection.request("GET", DEPLOYMENT) == (200, b"{}")
    assert connection.available() == (True, 0.0, "")


def test_while_the_probe_is_under_way_nobody_else_is_let_through(connect):
    with closing(black_hole()) as hole:
        connection = connect(hole.getsockname()[1])
        fail(connection, 3)
        while not connection.available()[0]:
            time.sleep(0.05)
        probe = threading.Thread(target=fail, args=(connection, 1, 1.0))
        probe.start()
        while connection.available()[0] and probe.is_alive():
            time.sleep(0.01)
        fail(connection, 1)
        probe.join()
        assert not connection.available()[0]


def test_a_server_that_says_no_is_alive(scripted, connect):
    scripted.route = lambda *_: (503, b"")
    connection = connect(scripted.port)
    for _ in range(5):
        with pytest.raises(Retry):
            connection.request("GET", DEPLOYMENT)
    assert connection.available()[0]
    assert len(scripted.requests) == 5


def test_at_most_sixteen_requests_are_in_flight(scripted, connect):
    inside, most, changed = 0, 0, threading.Condition()

    def route(*_):
        nonlocal inside, most
        with changed:
            inside += 1
            most = max(most, inside)
            changed.notify_all()
            changed.wait_for(lambda: most >= IN_FLIGHT, timeout=5)  # all stay until the house is full
            inside -= 1
        return 200, b"{}"

    scripted.route = route
    connection = connect(scripted.port)
    threads = [threading.Thread(target=connection.request, args=("GET", DEPLOYMENT)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(scripted.requests) == 40
    assert most == IN_FLIGHT


def test_a_request_that_finds_no_free_slot_comes_again_later(scripted, connect):
    scripted.route = lambda *_: (scripted.ended.wait(20), (200, b"{}"))[1]
    connection = connect(scripted.port)
    threads = [threading.Thread(target=connection.request, args=("GET", DEPLOYMENT)) for _ in range(IN_FLIGHT)]
    for thread in threads:
        thread.start()
    while len(scripted.requests) < IN_FLIGHT:
        time.sleep(0.01)
    assert fail(connection, 1) == ["Cluster eu-1: 16 requests are in flight and none ended within 0.2 s."]
    scripted.ended.set()
    for thread in threads:
        thread.join()


def test_an_answer_that_trickles_ends_at_its_deadline(scripted, connect):
    def trickle():
        while not scripted.ended.wait(0.05):
            yield b" "

    scripted.route = lambda *_: (200, trickle())
    assert fail(connect(scripted.port), 1, timeout=0.3) == [
        "Cluster eu-1 does not answer: the connection broke (ProtocolError)."
    ]


def test_a_server_that_speaks_no_tls_is_not_talked_to(scripted, tmp_path):
    path = tmp_path / "eu-1"
    path.write_text(
        f'{{"clusters": [{{"name": "c", "cluster": {{"server": "https://127.0.0.1:{scripted.port}"}}}}],'
        '"contexts": [{"name": "x", "context": {"cluster": "c"}}]}'
    )
    with closing(open_kubeconfig(path, "x", name="eu-1")) as connection, pytest.raises(Retry, match="TLS certificate"):
        connection.request("GET", "/version")


def test_stopping_a_stream_wakes_its_reader(scripted, connect):
    def silent():
        yield b'{"a":1}\n'
        scripted.ended.wait(20)

    scripted.route = lambda *_: (200, silent())
    stream = connect(scripted.port).stream("/api/v1/pods", query={"watch": "true"}, idle=60)
    lines = []

    def read() -> None:
        try:
            lines.extend(stream)
        except urllib3.exceptions.HTTPError:
            lines.append(b"broken")

    reader = threading.Thread(target=read)
    reader.start()
    while not lines:
        time.sleep(0.01)
    stream.stop()
    reader.join(5)
    assert not reader.is_alive()
    assert lines[0] == b'{"a":1}'
    stream.close()
    stream.stop()
