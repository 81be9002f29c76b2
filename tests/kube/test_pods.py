"""Why pods are not ready: what a person would have asked kubectl for."""

import time
from datetime import UTC, datetime

import orjson
import pytest
from kube_cases import deployment, rendered, status

from reconciler.edges.kube.apply import Objects
from reconciler.edges.kube.events import emit
from reconciler.edges.kube.pods import explain
from reconciler.errors import Retry

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def pod(name: str = "p", *containers: dict, phase: str = "Running", conditions: tuple = (), **more) -> dict:
    rows = [{"name": "model", "restartCount": 0, "ready": False} | row for row in containers]
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "namespace": "a"} | more.pop("metadata", {}),
        "status": {"phase": phase, "containerStatuses": rows, "conditions": list(conditions)} | more,
    }


def waiting(reason: str, message: str = "", /, **last) -> dict:
    row = {"state": {"waiting": {"reason": reason, "message": message}}}
    return row | ({"lastState": {"terminated": last}, "restartCount": 3} if last else {})


NOT_READY = {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "containers with unready"}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: no gpu"}
REASONS = {
    "an image that cannot be pulled": (
        pod("p", waiting("ImagePullBackOff", "Back-off pulling image")), "ImagePullBackOff", "Back-off pulling image",
    ),
    "a crash whose reason is known": (
        pod("p", waiting("CrashLoopBackOff", "back-off", reason="OOMKilled", exitCode=137)),
        "OOMKilled", "exit code 137",
    ),
    "a crash that only has an exit code": (
        pod("p", waiting("CrashLoopBackOff", "back-off", reason="Error", exitCode=1, message="no model\nfile")),
        "CrashLoopBackOff", "exit code 1: no model file",
    ),
    "a crash just now": (
        pod("p", {"state": {"terminated": {"reason": "Error", "exitCode": 2}}}), "Error", "exit code 2",
    ),
    "an init container that fails": (
        pod("p", waiting("PodInitializing"), initContainerStatuses=[waiting("ErrImagePull", "x") | {"name": "fetch"}]),
        "ErrImagePull", "x",
    ),
    "no node": (pod("p", phase="Pending", conditions=(UNSCHEDULABLE,)), "Unschedulable", "0/3 nodes: no gpu"),
    "evicted": (pod("p", phase="Failed", reason="Evicted", message="low memory"), "Evicted", "low memory"),
    "on its way out": (pod("p", metadata={"deletionTimestamp": "x"}), "Terminating", ""),
    "running but not ready": (
        pod("p", {"state": {"running": {}}}, conditions=(NOT_READY,)), "ContainersNotReady", "containers with unready",
    ),
    "still starting": (pod("p", waiting("ContainerCreating"), conditions=(NOT_READY,)), "ContainersNotReady",
                       "containers with unready"),
    "nothing known yet": ({"metadata": {"name": "p", "uid": "u"}}, "", ""),
}  # fmt: skip


class Cluster:
    """Answers for pods, events and logs."""

    def __init__(self, scripted, *pods: dict) -> None:
        self.pods = pods
        self.events: list[dict] = []
        self.log: tuple[int, bytes] = (200, b"")
        self.asked = scripted.requests
        scripted.route = self.route

    def route(self, _method: str, path: str, _query: dict[str, str]):
        if path.endswith("/log"):
            return self.log
        items = self.events if path.endswith("/events") else list(self.pods)
        return 200, orjson.dumps({"items": items})


@pytest.mark.parametrize("case", REASONS)
def test_the_reason_is_the_most_telling_one(case, scripted, connect):
    body, reason, message = REASONS[case]
    Cluster(scripted, body)
    (fact,) = explain(connect(scripted.port), "a", {"app": "x"})
    assert (fact.name, fact.reason, fact.message, fact.ready) == ("p", reason, message, False)


def test_a_crashed_container_shows_its_last_words_and_its_last_warning(scripted, connect):
    cluster = Cluster(scripted, pod("p", waiting("CrashLoopBackOff", reason="Error", exitCode=1)))
    cluster.log = (200, b"\x1b[31mline 1\x00\nline 2\r\nTraceback: no model\n")
    cluster.events = [
        {"reason": "BackOff", "message": "restarting", "lastTimestamp": "2026-01-01T00:00:02Z", "metadata": {}},
        {"reason": "Unhealthy", "message": "probe\nfailed", "eventTime": "2026-01-01T00:00:03Z", "metadata": {}},
        {"reason": "Old", "message": "x", "metadata": {"creationTimestamp": "2026-01-01T00:00:01Z"}},
    ]
    (fact,) = explain(connect(scripted.port), "a", {"b": "2", "a": "1"})
    assert fact.last_event == "Unhealthy: probe failed"
    assert fact.log_tail == "[31mline 1\nline 2\nTraceback: no model"
    assert (fact.phase, fact.restarts) == ("Running", 3)
    queries = {path.rsplit("/", 1)[1]: query for _, path, query in cluster.asked}
    assert queries["pods"]["labelSelector"] == "a=1,b=2"
    assert queries["events"]["fieldSelector"] == "involvedObject.uid=uid-p,type=Warning"
    assert queries["log"] == {"previous": "true", "container": "model", "tailLines": "3", "limitBytes": "1024"}


def test_a_running_container_shows_the_log_of_this_run(scripted, connect):
    cluster = Cluster(scripted, pod("p", {"state": {"running": {}}}, conditions=(NOT_READY,)))
    cluster.log = (200, b"x" * 5_000)
    (fact,) = explain(connect(scripted.port), "a", {"a": "1"})
    assert len(fact.log_tail) == 1024
    assert cluster.asked[-1][2]["previous"] == "false"


def test_a_container_that_never_ran_is_not_asked_for_a_log(scripted, connect):
    cluster = Cluster(scripted, pod("p", waiting("ImagePullBackOff")))
    explain(connect(scripted.port), "a", {"a": "1"})
    assert not any(path.endswith("/log") for _, path, _ in cluster.asked)


def test_a_log_that_cannot_be_had_hides_nothing(scripted, connect):
    cluster = Cluster(scripted, pod("p", waiting("CrashLoopBackOff", reason="OOMKilled", exitCode=137)))
    cluster.log = (500, status(500, "dial tcp 10.0.0.1:10250: connection refused"))
    (fact,) = explain(connect(scripted.port), "a", {"a": "1"})
    assert (fact.reason, fact.log_tail) == ("OOMKilled", "")


def test_five_pods_at_most_the_worst_first_and_ready_ones_never(scripted, connect):
    ready = pod("ok", conditions=({"type": "Ready", "status": "True"},))
    plain = [pod(f"p{number}", {"state": {"running": {}}}) for number in range(6)]
    worst = pod("worst", waiting("CrashLoopBackOff", reason="Error", exitCode=1))
    telling = pod("telling", waiting("ImagePullBackOff"))
    Cluster(scripted, ready, *plain, telling, worst)
    names = [fact.name for fact in explain(connect(scripted.port), "a", {"a": "1"})]
    assert names == ["worst", "telling", "p0", "p1", "p2"]


def test_a_cluster_that_does_not_say_is_an_error_and_not_an_empty_answer(scripted, connect):
    scripted.route = lambda *_: (403, status(403, "no"))
    with pytest.raises(Retry):
        explain(connect(scripted.port), "a", {"a": "1"})


def test_an_event_is_created_where_describe_shows_it(cluster, namespace):
    objects = Objects(cluster)
    live = objects.apply(rendered(deployment(namespace, "fraud")))
    words = {"kind": "Normal", "reason": "Promoted", "message": "1.4.0 runs\neverywhere"}
    assert emit(cluster, live.ref, live.uid, now=NOW, **words) is True
    _, body = cluster.request("GET", f"/api/v1/namespaces/{namespace}/events")
    found = [row for row in orjson.loads(body)["items"] if row["reason"] == "Promoted"]
    assert [(row["message"], row["type"], row["involvedObject"]["uid"]) for row in found] == [
        ("1.4.0 runs everywhere", "Normal", live.uid)
    ]
    assert found[0]["lastTimestamp"] == "2026-01-02T03:04:05Z"


def test_an_event_that_is_not_taken_stops_nothing(scripted, connect):
    scripted.route = lambda *_: (403, status(403, "no"))
    ref = rendered(deployment("a", "x")).ref
    assert emit(connect(scripted.port), ref, "u", kind="Warning", reason="R", message="m", now=NOW) is False


@pytest.mark.parametrize(
    ("mode", "reasons"),
    [("crashloop", {"CrashLoopBackOff", "Error", "OOMKilled"}), ("imagepull", {"ImagePullBackOff", "ErrImagePull"})],
)
def test_pods_of_a_deployment_say_why_they_fail(mode, reasons, cluster, namespace):
    body = deployment(namespace, "fraud")
    body["spec"]["template"]["metadata"]["annotations"] = {"fault.test/mode": mode}
    objects = Objects(cluster)
    objects.apply(rendered(body))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        facts = explain(cluster, namespace, {"app": "fraud"})
        if facts and facts[0].reason in reasons:
            return
        time.sleep(0.05)
    pytest.fail(f"the pods do not say why: {facts}")
