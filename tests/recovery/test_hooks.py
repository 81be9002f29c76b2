"""Hooks as people meet them: a migration that fails, a smoke test that fails, Jobs that somebody deletes, a kill."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from stage_lab import DEPLOYMENTS, Lab, lab, settle

from reconciler.demo.api.controllers import faults as pod_faults
from reconciler.demo.api.controllers import pods as pod_controller
from reconciler.demo.story import PROD, pods
from reconciler.model.objects import LABEL_HOOK, LABEL_RELEASE
from reconciler.model.state import Phase

JOBS = "/apis/batch/v1/namespaces/fraud/jobs"
CLUSTERS = ("eu-1", "us-1")
IMAGE = f"registry.example.com/tools/hook@sha256:{'a' * 64}"
HOOKS = f"""\
  hooks:
    before: [{{job: {{name: migrate, image: {IMAGE}, args: [--to, $(MODEL_VERSION)]}}}}]
    after: [{{job: {{name: smoke, image: {IMAGE}}}}}]
"""
BROKEN: dict[str, str] = {}
"""By hook, how its pods fail."""


def mode(pod: dict[str, Any]) -> str:
    return BROKEN.get(pod["metadata"]["labels"].get(LABEL_HOOK, ""), "")


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with (
        patch.object(pod_faults, "mode_of", mode),
        patch.object(pod_controller, "mode_of", mode),
        lab(tmp_path_factory.mktemp("hooks") / "acme") as made,
    ):
        file = made.work / PROD
        file.write_text(file.read_text().replace("  targets:\n", f"{HOOKS}  targets:\n"))
        yield made
        assert "Traceback" not in made.log()


@pytest.fixture(autouse=True)
def nothing_is_broken() -> None:
    BROKEN.clear()


def jobs(acme: Lab, cluster: str) -> dict[tuple[str, str], dict[str, Any]]:
    """By model version and hook, the Jobs of production."""
    found = acme.ask(cluster, "GET", JOBS)["items"]
    return {(row["metadata"]["annotations"]["reconciler.dev/model-version"],
             row["metadata"]["labels"][LABEL_HOOK]): row for row in found}  # fmt: skip


def uid(acme: Lab, cluster: str, version: str, hook: str) -> str:
    return jobs(acme, cluster)[version, hook]["metadata"]["uid"]


def serving(acme: Lab) -> set[str]:
    """The model versions of the pods that serve, on both clusters."""
    found = [pod["metadata"] for cluster in CLUSTERS for pod in pods(acme.stage, cluster)]
    return {meta["annotations"]["reconciler.dev/model-version"] for meta in found if LABEL_RELEASE in meta["labels"]}


def runs(acme: Lab, version: str) -> bool:
    """It is promoted, and nothing else serves."""
    status = acme.status()
    promoted = status.phase is Phase.PROMOTED and status.stable is not None
    return promoted and status.stable.model_version == version and serving(acme) == {version}


def held(acme: Lab, reason: str) -> str:
    return next((gate.message for gate in acme.status().gates if gate.reason == reason), "")


def kinds(acme: Lab) -> list[str]:
    return [
        row["kind"] for row in acme.records() if row.get("name") == "fraud-detector" and row["environment"] == "prod"
    ]


@pytest.mark.slow
def test_hooks_run_once_on_every_cluster_around_a_promotion(acme):
    acme.release("1.4.0")
    acme.wait("1.4.0 runs", lambda: runs(acme, "1.4.0"))
    for cluster in CLUSTERS:
        found = jobs(acme, cluster)
        assert set(found) == {("1.4.0", "migrate"), ("1.4.0", "smoke")}
        (container,) = found["1.4.0", "smoke"]["spec"]["template"]["spec"]["containers"]
        assert {"name": "CLUSTER", "value": cluster} in container["env"]
        started = [found["1.4.0", hook]["metadata"]["creationTimestamp"] for hook in ("migrate", "smoke")]
        assert started == sorted(started)


@pytest.mark.slow
def test_a_job_that_is_deleted_after_it_completed_is_not_run_again(acme):
    acme.wait("1.4.0 runs", lambda: runs(acme, "1.4.0"))
    name = jobs(acme, "us-1")["1.4.0", "migrate"]["metadata"]["name"]
    acme.ask("us-1", "DELETE", f"{JOBS}/{name}")
    acme.repairs("us-1")  # the target was looked at since
    acme.restart()
    acme.repairs("us-1")
    assert set(jobs(acme, "us-1")) == {("1.4.0", "smoke")}


@pytest.mark.slow
def test_a_hook_that_fails_before_holds_the_release_and_the_next_version_goes_on(acme):
    acme.wait("1.4.0 runs", lambda: runs(acme, "1.4.0"))
    BROKEN["migrate"] = "crashloop"
    acme.release("1.5.0")
    acme.wait("it is held", lambda: held(acme, "HookFailed"))
    acme.wait("its pod's last words are told", lambda: "cannot load the model" in held(acme, "HookFailed"))
    cluster = acme.status().failed.cluster  # whichever was first
    assert f"hook migrate of 1.5.0 failed on {cluster}: BackoffLimitExceeded" in held(acme, "HookFailed")
    assert (serving(acme), acme.status().stable.model_version) == ({"1.4.0"}, "1.4.0")
    labels = [row["metadata"]["annotations"]["reconciler.dev/model-version"]
              for row in acme.ask("eu-1", "GET", DEPLOYMENTS)["items"]]  # fmt: skip
    assert "1.5.0" not in labels
    acme.repairs("us-1")
    first = uid(acme, "eu-1", "1.5.0", "migrate")
    acme.recorded()
    recorded = kinds(acme)
    acme.restart()
    acme.repairs("eu-1", f"{DEPLOYMENTS}/{acme.ask('eu-1', 'GET', DEPLOYMENTS)['items'][0]['metadata']['name']}")
    acme.recorded()
    assert (uid(acme, "eu-1", "1.5.0", "migrate"), kinds(acme)) == (first, recorded), "nothing ran or was told again"
    BROKEN.clear()
    acme.release("1.6.0")
    acme.wait("1.6.0 runs", lambda: runs(acme, "1.6.0"))
    acme.wait("older Jobs are pruned", lambda: {version for version, _ in jobs(acme, "eu-1")} == {"1.6.0"})
    assert not acme.status().gates


@pytest.mark.slow
def test_a_hook_that_fails_after_gives_the_version_up_for_stable_until_it_is_taken_back(acme):
    acme.wait("1.6.0 runs", lambda: runs(acme, "1.6.0"))
    BROKEN["smoke"] = "crashloop"
    acme.release("1.7.0")
    acme.wait("1.6.0 is back", lambda: held(acme, "HookFailed") and acme.status().phase is Phase.PENDING)
    assert "hook smoke of 1.7.0 failed on" in held(acme, "HookFailed")
    acme.wait("only 1.6.0 serves", lambda: serving(acme) == {"1.6.0"})
    acme.recorded()
    assert kinds(acme)[-3:] == ["Started", "Held", "Aborted"]
    failed = acme.status().failed
    first = uid(acme, failed.cluster, "1.7.0", "smoke")
    BROKEN.clear()
    acme.restart()
    acme.repairs("eu-1")
    settle(1.0)
    assert (serving(acme), uid(acme, failed.cluster, "1.7.0", "smoke")) == ({"1.6.0"}, first)
    acme.revert()
    acme.wait("1.6.0 is promoted", lambda: runs(acme, "1.6.0") and not acme.status().gates)
    acme.wait("its Jobs are pruned", lambda: {version for version, _ in jobs(acme, failed.cluster)} == {"1.6.0"})


@pytest.mark.slow
def test_a_hook_that_does_not_end_is_told_of_and_made_again_when_somebody_deletes_it(acme):
    acme.wait("1.6.0 runs", lambda: runs(acme, "1.6.0"))
    BROKEN["migrate"] = "imagepull"
    acme.release("1.8.0")
    acme.wait("it is told to run", lambda: "migrate" in held(acme, "HookRunning"))
    acme.wait("why it does not is told", lambda: "ImagePullBackOff" in held(acme, "HookRunning"))
    assert (serving(acme), "Held" in kinds(acme)[-1:]) == ({"1.6.0"}, False)
    acme.stage.kill_daemon()
    BROKEN.clear()
    before = {cluster: uid(acme, cluster, "1.8.0", "migrate") for cluster in CLUSTERS}
    for cluster in CLUSTERS:
        acme.ask(cluster, "DELETE", f"{JOBS}/{jobs(acme, cluster)['1.8.0', 'migrate']['metadata']['name']}")
    acme.stage.start_daemon()
    acme.wait("1.8.0 runs", lambda: runs(acme, "1.8.0"))
    assert all(uid(acme, cluster, "1.8.0", "migrate") != before[cluster] for cluster in CLUSTERS)
