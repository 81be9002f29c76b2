"""What only the embedded controllers do: the steps of a pod's life at a pace, events and logs of failing pods, order.

That they do what real ones do is held in tests/contract.
"""

import sys
import time
from itertools import islice
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from api_server import MERGE, ApiServer, Kubeconfig
from contract_samples import apps, autoscaler, budget, deployment, deployments, pods

from reconciler.demo.api import Cluster, serve


@pytest.fixture
def paced(tmp_path):
    """A cluster whose pods take a little time for each step."""
    with serve([Cluster("paced", pace=0.05)]) as clusters:
        clusters.write_kubeconfig(tmp_path / "kubeconfig")
        server = ApiServer("embedded", Kubeconfig.load(tmp_path / "kubeconfig", tmp_path))
        yield server
        server.close()


@pytest.fixture
def namespace(embedded):
    return embedded.namespace()


def start(server, namespace, name, **options):
    server.ok("POST", deployments(namespace), deployment(name, **options))
    return deployments(namespace, name)


def ready(replicas):
    return lambda found: found.get("status", {}).get("readyReplicas", 0) == replicas


def step(pod):
    """Where a pod is in its life, in words."""
    if "deletionTimestamp" in pod["metadata"]:
        return "ending"
    states = pod["status"].get("containerStatuses")
    if not states:
        return "placed" if pod["spec"].get("nodeName") else "new"
    (kind,) = states[0]["state"]
    return states[0]["state"][kind].get("reason") or ("ready" if states[0]["ready"] else kind)


def steps(events):
    """The steps of the one pod until the last, each once."""
    seen = []
    for event in events:
        now = "gone" if event["type"] == "DELETED" else step(event["object"])
        if not seen or seen[-1] != now:
            seen.append(now)
        if now in {"ready", "gone"}:
            return seen
    return seen


def test_a_pod_lives_one_step_after_the_other(paced):
    namespace = paced.namespace()
    with paced.watch(pods(namespace), timeoutSeconds=10) as events:
        start(paced, namespace, "d", replicas=1)
        assert steps(events) == ["new", "placed", "ContainerCreating", "running", "ready"]
        (pod,) = paced.get(pods(namespace))["items"]
        paced.ok("PATCH", deployments(namespace, "d"), {"spec": {"replicas": 0}}, MERGE)
        assert steps(events) == ["ending", "gone"]
    assert pod["status"]["startTime"]


def test_without_a_pace_a_pod_is_ready_at_its_first_step(embedded, namespace):
    with embedded.watch(pods(namespace), timeoutSeconds=10) as events:
        start(embedded, namespace, "d", replicas=1)
        assert steps(events) == ["placed", "ready"]


def test_an_image_that_cannot_be_pulled_is_tried_first(paced):
    namespace = paced.namespace()
    start(paced, namespace, "d", replicas=1, mode="imagepull")
    with paced.watch(pods(namespace), timeoutSeconds=1) as events:
        seen = steps(events)
    assert seen[-2:] == ["ErrImagePull", "ImagePullBackOff"]


def test_quiet_is_quiet(embedded, namespace):
    """Nothing is written when there is nothing to do, also about pods that run and are not ready."""
    embedded.eventually(start(embedded, namespace, "good", replicas=2), ready(2))
    path = start(embedded, namespace, "bad", replicas=1, mode="notready")
    embedded.ok("POST", f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets", budget("bad", minAvailable=1))
    embedded.eventually(path, lambda found: found.get("status", {}).get("unavailableReplicas") == 1)
    time.sleep(0.3)  # what is under way ends
    version = embedded.get(pods(namespace))["metadata"]["resourceVersion"]
    with embedded.watch(pods(namespace), resourceVersion=version, timeoutSeconds=1) as events:
        assert list(events) == []


WARNINGS = {
    "crashloop": ("BackOff", "Back-off restarting failed container model in pod "),
    "oom": ("BackOff", "Back-off restarting failed container model in pod "),
    "imagepull": ("Failed", 'Failed to pull image "img:1": failed to resolve reference "img:1": not found'),
    "notready": ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"),
}


@pytest.mark.parametrize("mode", WARNINGS)
def test_a_failing_pod_has_a_warning_event_that_says_why(mode, embedded, namespace):
    start(embedded, namespace, "d", replicas=1, mode=mode)
    found = embedded.eventually(f"/api/v1/namespaces/{namespace}/events", lambda events: events["items"])
    (event,) = found["items"]
    (pod,) = embedded.get(pods(namespace))["items"]
    assert (event["type"], event["reason"]) == ("Warning", WARNINGS[mode][0])
    assert event["message"].startswith(WARNINGS[mode][1])
    assert event["involvedObject"]["uid"] == pod["metadata"]["uid"]


def test_a_warning_that_is_repeated_is_counted(embedded, namespace):
    start(embedded, namespace, "d", replicas=1, mode="crashloop")
    path = f"/api/v1/namespaces/{namespace}/events"
    (event,) = embedded.eventually(path, lambda found: found["items"] and found["items"][0]["count"] > 1)["items"]
    assert event["lastTimestamp"] >= event["firstTimestamp"]


LOGS = {
    "": "INFO ready",
    "crashloop": "ERROR cannot load the model",
    "oom": "INFO allocating memory for weights",
    "notready": "WARNING still loading, not ready",
}


@pytest.mark.parametrize("mode", LOGS)
def test_a_container_has_logged_what_became_of_it(mode, embedded, namespace):
    start(embedded, namespace, "d", replicas=1, mode=mode)
    found = embedded.eventually(
        pods(namespace), lambda each: step(each["items"][0]) != "placed" if each["items"] else 0
    )
    name = found["items"][0]["metadata"]["name"]
    previous = {"previous": "true"} if mode in {"crashloop", "oom"} else {}
    status, text = embedded.request("GET", f"{pods(namespace, name)}/log", params=previous)
    assert (status, text.splitlines()[-1]) == (200, LOGS[mode])


def test_recreate_ends_the_old_pods_before_it_makes_new_ones(paced):
    namespace = paced.namespace()
    path = start(paced, namespace, "d", replicas=2, strategy={"type": "Recreate"})
    paced.eventually(path, ready(2))
    version = paced.get(pods(namespace))["metadata"]["resourceVersion"]
    template = deployment("d", image="img:2")["spec"]["template"]
    paced.ok("PATCH", path, {"spec": {"template": template}}, MERGE)
    with paced.watch(pods(namespace), resourceVersion=version, timeoutSeconds=10) as events:
        kinds = list(islice((event["type"] for event in events if event["type"] != "MODIFIED"), 4))
    assert kinds == ["DELETED", "DELETED", "ADDED", "ADDED"]


def test_a_rolling_update_keeps_to_its_bounds(paced):
    namespace = paced.namespace()
    bounds = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    path = start(paced, namespace, "d", replicas=3, strategy=bounds)
    paced.eventually(path, ready(3))
    version = paced.get(path)["metadata"]["resourceVersion"]
    template = deployment("d", image="img:2")["spec"]["template"]
    paced.ok("PATCH", path, {"spec": {"template": template}}, MERGE)
    with paced.watch(deployments(namespace), resourceVersion=version, timeoutSeconds=20) as events:
        for event in events:
            status = event["object"]["status"]
            assert status["availableReplicas"] >= 3
            assert status["replicas"] <= 4
            if status.get("updatedReplicas") == status["replicas"] == 3:
                break
        else:
            pytest.fail("the update did not end")


def test_a_paused_deployment_is_scaled_and_not_rolled_out(embedded, namespace):
    path = start(embedded, namespace, "d", replicas=1)
    embedded.eventually(path, ready(1))
    template = deployment("d", image="img:2")["spec"]["template"]
    embedded.ok("PATCH", path, {"spec": {"paused": True, "replicas": 2, "template": template}}, MERGE)
    found = embedded.eventually(path, ready(2))
    reasons = {row["type"]: row["reason"] for row in found["status"]["conditions"]}
    assert reasons["Progressing"] == "DeploymentPaused"
    images = {each["spec"]["containers"][0]["image"] for each in embedded.get(pods(namespace))["items"]}
    assert images == {"img:1"}
    embedded.ok("PATCH", path, {"spec": {"paused": None}}, MERGE)
    embedded.eventually(path, lambda each: each["status"].get("updatedReplicas") == 2 and ready(2)(each))


def test_a_pod_is_available_after_it_was_ready_long_enough(embedded, namespace):
    path = start(embedded, namespace, "d", replicas=1, minReadySeconds=1)
    found = embedded.eventually(path, ready(1))
    assert found["status"].get("availableReplicas", 0) == 0
    embedded.eventually(path, lambda each: each["status"].get("availableReplicas") == 1)


def test_without_a_node_a_pod_waits_and_says_why(paced):
    for node in paced.get("/api/v1/nodes")["items"]:
        paced.ok("DELETE", f"/api/v1/nodes/{node['metadata']['name']}")
    namespace = paced.namespace()
    start(paced, namespace, "d", replicas=1)
    found = paced.eventually(
        pods(namespace), lambda each: each["items"] and each["items"][0]["status"].get("conditions")
    )
    (row,) = found["items"][0]["status"]["conditions"]
    assert (row["type"], row["status"], row["reason"]) == ("PodScheduled", "False", "Unschedulable")
    meta = {"name": "new", "labels": {"kubernetes.io/hostname": "new"}}
    paced.ok("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": meta})
    paced.eventually(deployments(namespace, "d"), ready(1))


def test_many_deployments_become_ready_together(embedded, namespace):
    """Two hundred with two pods, a budget and an autoscaler each; how long that takes is not asserted here."""
    for number in range(200):
        name = f"d{number}"
        start(embedded, namespace, name, replicas=1)
        embedded.ok(
            "POST", f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets", budget(name, minAvailable=1)
        )
        autoscalers = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
        embedded.ok("POST", autoscalers, autoscaler(name, 2, 3))

    def all_ready(found):
        return sum(each.get("status", {}).get("readyReplicas", 0) for each in found["items"]) == 400

    embedded.eventually(deployments(namespace), all_ready, seconds=60)
    assert len(embedded.get(apps(namespace, "replicasets"))["items"]) == 200
