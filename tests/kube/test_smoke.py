"""One smoke request through the pod proxy: what comes back from the pod, and what the API server says itself."""

import time

import orjson
import pytest
from api_server import placed
from kube_cases import Scripted, deployment, rendered, status

from reconciler.edges.kube import smoke as smokes
from reconciler.edges.kube.apply import Objects
from reconciler.edges.kube.connect import open_kubeconfig
from reconciler.edges.kube.smoke import ask
from reconciler.errors import Retry
from reconciler.model.release import Smoke

READY = {"type": "Ready", "status": "True"}
PODS = orjson.dumps(
    {
        "items": [
            {"metadata": {"name": "b"}, "status": {"conditions": [READY]}},
            {"metadata": {"name": "a"}, "status": {"conditions": [{**READY, "status": "False"}]}},
            {"metadata": {"name": "c"}, "status": {"conditions": [READY]}},
        ]
    }
)
NAMESPACE, LABELS = "fraud", {"app": "fraud"}


def serving(scripted: Scripted, code: int, body: bytes) -> None:
    scripted.route = lambda _method, path, _query: (code, body) if "/proxy/" in path else (200, PODS)


def test_the_first_ready_pod_is_asked_as_the_release_says(scripted, connect):
    serving(scripted, 200, b"fine")
    found = ask(connect(scripted.port), NAMESPACE, LABELS, 8080, Smoke(path="/v1/infer?x=1", body='{"a": 1}'))
    assert (found.pod, found.status, found.body, found.problem) == ("b", 200, "fine", "")
    method, path, query = scripted.requests[-1]
    assert (method, path, query) == ("POST", "/api/v1/namespaces/fraud/pods/b:8080/proxy/v1/infer", {"x": "1"})
    assert scripted.headers[-1]["content-type"] == "application/json"


def test_text_is_sent_as_text_and_no_body_as_a_get(scripted, connect):
    serving(scripted, 200, b"")
    ask(connect(scripted.port), NAMESPACE, LABELS, 8080, Smoke(path="/", body="hello", method="PUT"))
    assert scripted.headers[-1]["content-type"].startswith("text/plain")
    ask(connect(scripted.port), NAMESPACE, LABELS, 8080, Smoke(path="/"))
    assert [method for method, path, _ in scripted.requests if "proxy" in path] == ["PUT", "GET"]


@pytest.mark.parametrize("code", [200, 302, 404, 500, 503])
def test_whatever_the_pod_answers_is_its_answer(code, scripted, connect):
    serving(scripted, code, b"<html>sorry</html>")
    found = ask(connect(scripted.port), NAMESPACE, LABELS, 8080, Smoke(path="/v1"))
    assert (found.status, found.body, found.problem) == (code, "<html>sorry</html>", "")


@pytest.mark.parametrize(
    ("code", "message"),
    [(403, "pods is forbidden: cannot get resource pods/proxy"), (503, "error trying to reach service: dial tcp")],
)
def test_what_the_api_server_says_itself_is_no_answer_of_the_pod(code, message, scripted, connect):
    serving(scripted, code, status(code, message))
    found = ask(connect(scripted.port), NAMESPACE, LABELS, 8080, Smoke(path="/v1"))
    assert (found.status, found.problem) == (0, message)


def test_without_a_ready_pod_nothing_is_asked(scripted, connect):
    scripted.route = lambda *_: (200, b'{"items": []}')
    assert ask(connect(scripted.port), NAMESPACE, LABELS, 8080, Smoke(path="/v1")) is None


def test_a_pod_that_says_nothing_in_time_costs_the_cluster_no_circuit(scripted, connect, monkeypatch):
    monkeypatch.setattr(smokes, "_SECONDS", 0.2)

    def route(_method, path, _query):
        if "/proxy/" in path:
            time.sleep(1)
        return 200, PODS

    scripted.route = route
    connection = connect(scripted.port)
    for _ in range(4):
        found = ask(connection, NAMESPACE, LABELS, 8080, Smoke(path="/v1"))
        assert (found.status, found.problem) == (0, "")
    assert connection.available()[0]


def test_of_a_long_answer_only_the_beginning_is_read(scripted, connect):
    def endless():
        while not scripted.ended.is_set():
            yield b"x" * 4096

    scripted.route = lambda _method, path, _query: (200, endless() if "/proxy/" in path else PODS)
    found = ask(connect(scripted.port), NAMESPACE, LABELS, 8080, Smoke(path="/v1"))
    assert len(found.body) == 64 * 1024


def test_a_dead_api_server_is_told_as_ever(scripted, connect):
    serving(scripted, 200, b"")
    connection = connect(scripted.port)
    assert ask(connection, NAMESPACE, LABELS, 8080, Smoke(path="/v1")).status == 200
    scripted.stop()
    with pytest.raises(Retry) as caught:
        connection.proxied("GET", "/api/v1/namespaces/a/pods/b:1/proxy/")
    assert caught.value.reason == "ClusterUnreachable"


@pytest.mark.parametrize(("mode", "code"), [("", 200), ("badanswer", 500)])
def test_a_simulated_pod_answers(mode, code, embedded):
    namespace = embedded.namespace()
    connection = open_kubeconfig(
        embedded.kubeconfig, embedded.context, name="eu-1", allow=frozenset({"plainLoopback", "fileReferences"})
    )
    body = placed(deployment(namespace, "fraud"), namespace)
    template = body["spec"]["template"]
    template["metadata"]["annotations"] = {"fault.test/mode": mode}
    template["spec"]["containers"][0]["ports"] = [{"containerPort": 8080, "protocol": "TCP"}]
    Objects(connection).apply(rendered(body))
    labels = template["metadata"]["labels"]
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/fraud"
    embedded.eventually(path, lambda it: it.get("status", {}).get("readyReplicas"))
    found = ask(connection, namespace, labels, 8080, Smoke(path="/v1/models/fraud", body="{}"))
    assert (found.status, found.problem) == (code, "")
    if not mode:
        assert orjson.loads(found.body)["path"] == "/v1/models/fraud"
    refused = ask(connection, namespace, labels, 9, Smoke(path="/v1"))
    assert "connection refused" in refused.problem
    connection.close()


@pytest.mark.controlplane
def test_through_a_real_api_server_a_pod_that_does_not_run_answers_nothing(control_plane):
    namespace = control_plane.namespace()
    connection = open_kubeconfig(
        control_plane.kubeconfig, control_plane.context, name="eu-1", allow=frozenset({"fileReferences"})
    )
    body = placed(deployment(namespace, "fraud"), namespace)
    Objects(connection).apply(rendered(body))
    control_plane.eventually(
        f"/apis/apps/v1/namespaces/{namespace}/deployments/fraud", lambda it: it.get("status", {}).get("readyReplicas")
    )
    found = ask(connection, namespace, body["spec"]["template"]["metadata"]["labels"], 8080, Smoke(path="/v1"))
    assert found.pod.startswith("fraud-")
    assert found.status != 200  # nothing runs there; what stands between may answer in its place
    assert connection.available()[0]
    connection.close()
