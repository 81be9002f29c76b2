"""What controllers make of a Deployment, an autoscaler, a budget, a Job; and how pods that fail are told of.

Pods fail when their template's annotation `fault.test/mode` says so; on the real server kwok plays that, on the
embedded one its own controllers do.
"""

import pytest
from api_server import MERGE
from contract_samples import apps, autoscaler, budget, configmap, configmaps, deployment, deployments, job, pods

AUTOSCALERS = "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers"
BUDGETS = "/apis/policy/v1/namespaces/{}/poddisruptionbudgets"
JOBS = "/apis/batch/v1/namespaces/{}/jobs"


def start(server, namespace, name, **options):
    server.ok("POST", deployments(namespace), deployment(name, **options))
    return deployments(namespace, name)


def settled(replicas):
    """A Deployment whose status says what it asks for."""

    def holds(found):
        status = found.get("status", {})
        counts = [status.get(each, 0) for each in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
        return status.get("observedGeneration") == found["metadata"]["generation"] and counts == [replicas] * 4

    return holds


def scale(server, path, replicas):
    server.ok("PATCH", f"{path}/scale", {"spec": {"replicas": replicas}}, MERGE)


def conditions(found):
    return {each["type"]: (each["status"], each["reason"]) for each in found["status"].get("conditions", ())}


def pods_of(server, namespace, name):
    return server.get(pods(namespace), labelSelector=f"app={name}")["items"]


def test_a_deployment_becomes_ready(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=2)
    found = api_server.eventually(path, settled(2))
    done = api_server.eventually(path, lambda each: conditions(each)["Progressing"][1] == "NewReplicaSetAvailable")
    assert conditions(done) == {
        "Available": ("True", "MinimumReplicasAvailable"), "Progressing": ("True", "NewReplicaSetAvailable"),
    }  # fmt: skip
    assert "unavailableReplicas" not in done["status"]
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    (progress,) = (each for each in done["status"]["conditions"] if each["type"] == "Progressing")
    (replica_set,) = api_server.get(apps(namespace, "replicasets"))["items"]
    assert progress["message"] == f'ReplicaSet "{replica_set["metadata"]["name"]}" has successfully progressed.'


def test_a_replica_set_stands_between_deployment_and_pods(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=2)
    made = api_server.eventually(path, settled(2))
    (replica_set,) = api_server.get(apps(namespace, "replicasets"))["items"]
    meta = replica_set["metadata"]
    name_hash = meta["labels"]["pod-template-hash"]
    assert meta["name"] == f"d-{name_hash}"
    assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "d", "pod-template-hash": name_hash}
    (owner,) = meta["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Deployment", made["metadata"]["uid"], True)
    for pod in pods_of(api_server, namespace, "d"):
        assert pod["metadata"]["name"].startswith(f"{meta['name']}-")
        assert pod["metadata"]["labels"] == {"app": "d", "pod-template-hash": name_hash}
        assert pod["metadata"]["ownerReferences"][0]["uid"] == meta["uid"]


def test_a_ready_pod_has_a_node_an_address_and_running_containers(api_server, namespace):
    api_server.eventually(start(api_server, namespace, "d", replicas=1), settled(1))
    (pod,) = pods_of(api_server, namespace, "d")
    assert pod["spec"]["nodeName"]
    assert api_server.get(f"/api/v1/nodes/{pod['spec']['nodeName']}")["kind"] == "Node"
    status = pod["status"]
    assert status["phase"] == "Running"
    assert status["podIP"] == status["podIPs"][0]["ip"]
    states = {each["type"]: each["status"] for each in status["conditions"]}
    assert states == dict.fromkeys(("PodScheduled", "Initialized", "ContainersReady", "Ready"), "True")
    (container,) = status["containerStatuses"]
    assert (container["name"], container["image"]) == ("model", "img:1")
    assert (container["ready"], container["started"], container["restartCount"]) == (True, True, 0)
    assert "startedAt" in container["state"]["running"]


def test_a_deployment_is_scaled_up_and_down(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=1)
    api_server.eventually(path, settled(1))
    scale(api_server, path, 3)
    api_server.eventually(path, settled(3))
    scale(api_server, path, 0)
    api_server.eventually(path, settled(0))
    api_server.eventually(pods(namespace), lambda found: not found["items"])
    assert len(api_server.get(apps(namespace, "replicasets"))["items"]) == 1


def test_a_deployment_at_zero_is_complete(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=0)
    found = api_server.eventually(path, lambda each: len(each.get("status", {}).get("conditions", ())) == 2)
    assert conditions(found)["Available"] == ("True", "MinimumReplicasAvailable")
    found = api_server.eventually(path, lambda each: conditions(each)["Progressing"][1] == "NewReplicaSetAvailable")
    assert found["status"].get("replicas", 0) == 0


def test_a_deleted_pod_comes_back_under_another_name(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=1)
    api_server.eventually(path, settled(1))
    (pod,) = pods_of(api_server, namespace, "d")
    api_server.ok("DELETE", pods(namespace, pod["metadata"]["name"]))
    api_server.gone(pods(namespace, pod["metadata"]["name"]))
    api_server.eventually(path, settled(1))
    (other,) = api_server.eventually(pods(namespace), lambda found: len(found["items"]) == 1)["items"]
    assert other["metadata"]["uid"] != pod["metadata"]["uid"]


def test_a_new_template_is_rolled_out(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=2)
    api_server.eventually(path, settled(2))
    change = {"spec": {"template": deployment("d", image="img:2")["spec"]["template"]}}
    api_server.ok("PATCH", path, change, MERGE)

    def only_new(found):
        return {each["spec"]["containers"][0]["image"] for each in found["items"]} == {"img:2"} and len(
            found["items"]
        ) == 2

    api_server.eventually(pods(namespace), only_new)
    done = api_server.eventually(path, settled(2))
    assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    sizes = {each["spec"]["replicas"] for each in api_server.get(apps(namespace, "replicasets"))["items"]}
    assert sizes == {0, 2}


def test_a_template_that_comes_back_takes_its_replica_set_again(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=1)
    api_server.eventually(path, settled(1))
    first = api_server.get(path)["spec"]["template"]
    for template in (deployment("d", image="img:2")["spec"]["template"], first):
        api_server.ok("PATCH", path, {"spec": {"template": template}}, MERGE)
        api_server.eventually(path, settled(1))
    assert api_server.get(path)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert len(api_server.get(apps(namespace, "replicasets"))["items"]) == 2


def test_old_replica_sets_beyond_the_limit_are_removed(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=1, revisionHistoryLimit=0)
    api_server.eventually(path, settled(1))
    change = {"spec": {"template": deployment("d", image="img:2")["spec"]["template"]}}
    api_server.ok("PATCH", path, change, MERGE)
    api_server.eventually(apps(namespace, "replicasets"), lambda found: images_of(found) == ["img:2"])


def images_of(found):
    return [each["spec"]["template"]["spec"]["containers"][0]["image"] for each in found["items"]]


def test_what_a_deployment_owns_goes_with_it(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=2)
    api_server.eventually(path, settled(2))
    api_server.ok("DELETE", path)
    api_server.eventually(apps(namespace, "replicasets"), lambda found: not found["items"])
    api_server.eventually(pods(namespace), lambda found: not found["items"])


def test_an_orphaned_replica_set_stays(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=1)
    api_server.eventually(path, settled(1))
    api_server.ok("DELETE", path, params={"propagationPolicy": "Orphan"})
    api_server.gone(path)
    (left,) = api_server.get(apps(namespace, "replicasets"))["items"]
    assert "ownerReferences" not in left["metadata"]


def test_a_foreground_delete_waits_for_what_is_owned(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=1)
    api_server.eventually(path, settled(1))
    answer = api_server.ok("DELETE", path, params={"propagationPolicy": "Foreground"})
    assert answer["metadata"]["finalizers"] == ["foregroundDeletion"]
    api_server.gone(path)
    assert api_server.get(apps(namespace, "replicasets"))["items"] == []


def test_an_object_goes_with_its_last_owner(api_server, namespace):
    owners = [api_server.ok("POST", configmaps(namespace), configmap(name)) for name in ("a", "b")]
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": each["metadata"]["name"], "uid": each["metadata"]["uid"]}
        for each in owners
    ]
    api_server.ok("POST", configmaps(namespace), configmap("owned", ownerReferences=references))
    api_server.ok("DELETE", configmaps(namespace, "a"))
    assert api_server.request("GET", configmaps(namespace, "owned"))[0] == 200
    api_server.ok("DELETE", configmaps(namespace, "b"))
    api_server.gone(configmaps(namespace, "owned"))


def state(pod):
    statuses = pod.get("status", {}).get("containerStatuses", ())
    return statuses[0] if statuses else {}


def waiting(reason):
    return lambda found: (
        len(found["items"]) == 1
        and state(found["items"][0]).get("state", {}).get("waiting", {}).get("reason") == reason
    )


CRASHES = {
    "crashloop": {"exitCode": 1, "reason": "Error", "message": "cannot load the model"},
    "oom": {"exitCode": 137, "reason": "OOMKilled"},
}


@pytest.mark.parametrize("mode", CRASHES)
def test_a_crashing_pod_says_how_it_ended_and_how_often(mode, api_server, namespace):
    start(api_server, namespace, "d", replicas=1, mode=mode)
    (pod,) = api_server.eventually(pods(namespace), waiting("CrashLoopBackOff"))["items"]
    container = state(pod)
    ended = container["lastState"]["terminated"]
    assert {key: ended.get(key) for key in CRASHES[mode]} == CRASHES[mode]
    assert (container["ready"], container["restartCount"] >= 1) == (False, True)
    assert pod["status"]["phase"] == "Running"
    assert readiness(pod) == ("False", "ContainersNotReady")
    path = pods(namespace, pod["metadata"]["name"])
    api_server.eventually(path, lambda found: state(found)["restartCount"] > container["restartCount"])


def readiness(pod):
    (ready,) = (each for each in pod["status"]["conditions"] if each["type"] == "Ready")
    return ready["status"], ready["reason"]


def test_a_pod_without_an_image_stays_pending(api_server, namespace):
    start(api_server, namespace, "d", replicas=1, mode="imagepull")
    (pod,) = api_server.eventually(pods(namespace), waiting("ImagePullBackOff"))["items"]
    assert state(pod)["state"]["waiting"]["message"] == 'Back-off pulling image "img:1"'
    assert (pod["status"]["phase"], state(pod)["restartCount"]) == ("Pending", 0)
    assert readiness(pod) == ("False", "ContainersNotReady")


def test_a_pod_can_run_and_not_be_ready(api_server, namespace):
    start(api_server, namespace, "d", replicas=1, mode="notready")
    path, running = pods(namespace), lambda found: [each for each in found["items"] if "running" in str(state(each))]
    (pod,) = api_server.eventually(path, running)["items"]
    assert (state(pod)["ready"], state(pod)["restartCount"]) == (False, 0)
    assert readiness(pod) == ("False", "ContainersNotReady")


@pytest.mark.parametrize("mode", ["crashloop", "oom", "imagepull", "notready"])
def test_a_deployment_whose_pods_fail_is_unavailable_and_gives_up(mode, api_server, namespace):
    path = start(api_server, namespace, "d", replicas=1, mode=mode, progressDeadlineSeconds=1)
    found = api_server.eventually(path, lambda each: conditions(each).get("Progressing", ("", ""))[0] == "False")
    assert conditions(found) == {
        "Available": ("False", "MinimumReplicasUnavailable"), "Progressing": ("False", "ProgressDeadlineExceeded"),
    }  # fmt: skip
    assert found["status"]["unavailableReplicas"] == 1
    assert "readyReplicas" not in found["status"]
    (progress,) = (each for each in found["status"]["conditions"] if each["type"] == "Progressing")
    assert progress["message"].endswith("has timed out progressing.")


def test_a_failing_template_leaves_the_good_pods_where_they_are(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=2)
    api_server.eventually(path, settled(2))
    template = deployment("d", mode="crashloop")["spec"]["template"]
    api_server.ok("PATCH", path, {"spec": {"template": template, "progressDeadlineSeconds": 1}}, MERGE)
    found = api_server.eventually(path, lambda each: conditions(each)["Progressing"][0] == "False")
    assert conditions(found)["Available"][0] == "True"
    assert found["status"]["availableReplicas"] == 2


def test_an_autoscaler_brings_its_target_inside_its_bounds(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=1)
    place = AUTOSCALERS.format(namespace)
    api_server.ok("POST", place, autoscaler("d", 2, 3))
    api_server.eventually(path, lambda found: found["spec"]["replicas"] == 2)
    scale(api_server, path, 5)
    api_server.eventually(path, lambda found: found["spec"]["replicas"] == 3)
    api_server.eventually(path, settled(3))
    found = api_server.eventually(f"{place}/d", lambda each: each["status"].get("currentReplicas") == 3)
    assert found["status"]["desiredReplicas"] == 3
    assert found["status"]["lastScaleTime"]


def test_an_autoscaler_without_metrics_says_so(api_server, namespace):
    api_server.eventually(start(api_server, namespace, "d", replicas=2), settled(2))
    place = AUTOSCALERS.format(namespace)
    api_server.ok("POST", place, autoscaler("d", 2, 3))
    found = api_server.eventually(f"{place}/d", lambda each: "ScalingActive" in conditions(each))
    assert conditions(found)["AbleToScale"] == ("True", "SucceededGetScale")
    assert conditions(found)["ScalingActive"] == ("False", "FailedGetResourceMetric")
    assert api_server.get(deployments(namespace, "d"))["spec"]["replicas"] == 2


def test_an_autoscaler_leaves_a_target_at_zero_alone(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=0)
    place = AUTOSCALERS.format(namespace)
    api_server.ok("POST", place, autoscaler("d", 2, 3))
    found = api_server.eventually(f"{place}/d", lambda each: "ScalingActive" in conditions(each))
    assert conditions(found)["ScalingActive"] == ("False", "ScalingDisabled")
    assert api_server.get(path)["spec"]["replicas"] == 0


def test_an_autoscaler_without_a_target_says_so(api_server, namespace):
    place = AUTOSCALERS.format(namespace)
    api_server.ok("POST", place, autoscaler("nobody", 2, 3))
    found = api_server.eventually(f"{place}/nobody", conditions)
    assert conditions(found) == {"AbleToScale": ("False", "FailedGetScale")}


def test_a_budget_counts_how_many_pods_may_go(api_server, namespace):
    path = start(api_server, namespace, "d", replicas=3)
    place = BUDGETS.format(namespace)
    api_server.ok("POST", place, budget("d", maxUnavailable=1))
    api_server.eventually(path, settled(3))
    found = api_server.eventually(f"{place}/d", lambda each: each["status"].get("disruptionsAllowed") == 1)
    counts = {key: found["status"][key] for key in ("currentHealthy", "desiredHealthy", "expectedPods")}
    assert counts == {"currentHealthy": 3, "desiredHealthy": 2, "expectedPods": 3}
    assert conditions(found) == {"DisruptionAllowed": ("True", "SufficientPods")}


def test_a_budget_of_pods_that_are_not_ready_allows_none(api_server, namespace):
    start(api_server, namespace, "d", replicas=2, mode="notready")
    place = BUDGETS.format(namespace)
    api_server.ok("POST", place, budget("d", minAvailable=1))
    found = api_server.eventually(f"{place}/d", lambda each: each["status"].get("expectedPods") == 2)
    assert (found["status"]["disruptionsAllowed"], found["status"]["desiredHealthy"]) == (0, 1)
    assert conditions(found) == {"DisruptionAllowed": ("False", "InsufficientPods")}


def test_a_job_completes(api_server, namespace):
    place = JOBS.format(namespace)
    api_server.ok("POST", place, job("j"))
    found = api_server.eventually(f"{place}/j", lambda each: "Complete" in conditions(each))
    assert conditions(found)["Complete"] == ("True", "CompletionsReached")
    assert (found["status"]["succeeded"], found["status"].get("failed", 0)) == (1, 0)
    assert found["status"]["completionTime"]
    (pod,) = api_server.get(pods(namespace))["items"]
    assert pod["status"]["phase"] == "Succeeded"
    assert state(pod)["state"]["terminated"]["reason"] == "Completed"


def test_a_job_fails_when_its_pod_does(api_server, namespace):
    place = JOBS.format(namespace)
    api_server.ok("POST", place, job("j", "crashloop"))
    found = api_server.eventually(f"{place}/j", lambda each: "Failed" in conditions(each))
    assert conditions(found)["Failed"] == ("True", "BackoffLimitExceeded")
    assert found["status"]["failed"] == 1


def test_a_job_that_takes_too_long_fails_and_takes_its_pod_with_it(api_server, namespace):
    place, late = JOBS.format(namespace), job("j", "imagepull")
    late["spec"]["activeDeadlineSeconds"] = 1
    api_server.ok("POST", place, late)
    found = api_server.eventually(f"{place}/j", lambda each: "Failed" in conditions(each))
    assert conditions(found)["Failed"] == ("True", "DeadlineExceeded")
    assert not found["status"].get("active")
    assert "specified deadline" in next(row["message"] for row in found["status"]["conditions"])
    api_server.eventually(pods(namespace), lambda each: not each["items"])


def test_a_job_is_tried_again_as_often_as_it_says(api_server, namespace):
    place, stubborn = JOBS.format(namespace), job("j", "crashloop")
    stubborn["spec"]["backoffLimit"] = 1
    api_server.ok("POST", place, stubborn)
    found = api_server.eventually(f"{place}/j", lambda each: "Failed" in conditions(each), seconds=60)
    assert conditions(found)["Failed"] == ("True", "BackoffLimitExceeded")
    assert found["status"]["failed"] == 2
    assert len(api_server.get(pods(namespace))["items"]) == 2


def test_the_template_of_a_job_cannot_change_and_an_equal_apply_changes_nothing(api_server, namespace):
    place = JOBS.format(namespace)
    status, first = api_server.apply(f"{place}/j", job("j"))
    assert status in {200, 201}
    found = api_server.eventually(f"{place}/j", lambda each: "Complete" in conditions(each))
    status, again = api_server.apply(f"{place}/j", job("j"))
    assert (status, again["metadata"]["resourceVersion"]) == (200, found["metadata"]["resourceVersion"])
    other = job("j")
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "img:2"
    status, refused = api_server.apply(f"{place}/j", other)
    assert (status, "field is immutable" in refused["message"]) == (422, True)
    assert first["metadata"]["uid"] == found["metadata"]["uid"]


def test_a_jobs_pods_go_with_it_when_it_is_deleted_in_the_background(api_server, namespace):
    place = JOBS.format(namespace)
    api_server.ok("POST", place, job("j"))
    api_server.eventually(f"{place}/j", lambda each: "Complete" in conditions(each))
    (pod,) = api_server.get(pods(namespace))["items"]
    assert pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "j"
    api_server.ok("DELETE", f"{place}/j", {"propagationPolicy": "Background"})
    api_server.gone(f"{place}/j")
    api_server.eventually(pods(namespace), lambda each: not each["items"])


def test_a_namespace_takes_everything_in_it_with_it(api_server):
    """The real server needs some seconds: only configuration is in this one, no pods."""
    namespace = api_server.namespace()
    api_server.ok("POST", configmaps(namespace), configmap("a"))
    api_server.ok("DELETE", f"/api/v1/namespaces/{namespace}")
    status, body = api_server.request("POST", configmaps(namespace), configmap("b"))
    assert status in {403, 404}, body
    api_server.gone(f"/api/v1/namespaces/{namespace}")
    assert api_server.get(configmaps(namespace))["items"] == []
