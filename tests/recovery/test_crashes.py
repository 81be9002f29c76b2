"""The daemon is killed at the worst moments, clusters are not there when it starts: all converges and is recorded."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from stage_lab import DEPLOYMENTS, SERVICE, Lab, lab, namespace

from reconciler.demo.story import pods, serves
from reconciler.model.state import Phase

DEPTH = 3  # of rollback in prod: so many versions may be kept at zero


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A stage whose first start meets a cluster without its namespace, and is killed."""
    with lab(tmp_path_factory.mktemp("crashes") / "acme", start=False, pace=0.03) as made:
        yield made
        assert "Traceback" not in made.log()


@pytest.mark.slow
def test_namespace_missing_at_first_then_kill_then_namespace_then_start_serves(acme):
    acme.ask("us-1", "DELETE", "/api/v1/namespaces/fraud")
    acme.stage.start_daemon()
    acme.wait("the missing namespace is named", lambda: "namespace" in acme.reasons().lower())
    acme.stage.kill_daemon()
    namespace(acme.stage, "us-1", "fraud")
    acme.stage.start_daemon()
    acme.serves("1.3.0")


@pytest.mark.slow
def test_a_kubeconfig_that_is_broken_at_the_start_counts_from_when_it_is_repaired(acme):
    acme.serves("1.3.0")
    fleet, home = acme.organisation.kubeconfig, acme.folder / "home-kubeconfig"
    text, settings = fleet.read_text(), acme.organisation.settings.read_text()
    home.write_text(text)
    home.chmod(0o600)
    acme.organisation.settings.write_text(settings.replace("kube/fleet", "home-kubeconfig"))
    acme.stage.stop_daemon()
    fleet.write_text("{")
    acme.stage.start_daemon()
    acme.wait("the broken kubeconfig is named", lambda: "us-1" in acme.reasons() and "Ready=True" not in acme.reasons())
    uid = acme.ask("us-1", "GET", SERVICE)["metadata"]["uid"]
    acme.ask("us-1", "DELETE", SERVICE)
    fleet.write_text(text)
    acme.wait("what went missing is repaired", lambda: acme.ask("us-1", "GET", SERVICE)["metadata"]["uid"] != uid)
    acme.organisation.settings.write_text(settings)
    acme.stage.stop_daemon()
    acme.stage.start_daemon()
    acme.serves("1.3.0")


def told(acme: Lab, version: str) -> bool:
    """A cluster was told to run it."""
    status = acme.status()
    return status.candidate is not None and status.candidate.model_version == version


def exists(acme: Lab, version: str) -> bool:
    """A pod of it exists somewhere."""
    found = [pod for cluster in ("eu-1", "us-1") for pod in pods(acme.stage, cluster)]
    return any(pod["metadata"]["annotations"]["reconciler.dev/model-version"] == version for pod in found)


def promoted(acme: Lab, version: str) -> bool:
    status = acme.status()
    return status.phase is Phase.PROMOTED and status.stable is not None and status.stable.model_version == version


MOMENTS = {"asked": lambda *_: True, "told": told, "a pod exists": exists, "promoted": promoted}


@pytest.mark.slow
def test_kill_at_several_moments_of_update_and_revert_converges_without_leftovers(acme):
    acme.serves("1.3.0")
    for number, moment in enumerate(MOMENTS, start=4):
        version = f"1.{number}.0"
        acme.release(version, auc=0.953 + number / 1000)
        reached = MOMENTS[moment]
        acme.wait(f"{version}: {moment}", lambda r=reached, v=version: r(acme, v) or serves(acme.stage, v))
        acme.restart()  # no wait: the next one is asked for while this one is on its way, as in a busy repository
    acme.serves(version)
    acme.revert()
    acme.wait("the return began", lambda: told(acme, "1.6.0") or promoted(acme, "1.6.0"))
    acme.restart()
    acme.serves("1.6.0")
    acme.recorded()
    assert acme.audit().returncode == 0, acme.audit().stderr
    acme.wait("no leftovers", lambda: tidy(acme))
    kept = [row.version for row in reversed(acme.status().history)]
    mine = [row for row in acme.records() if (row.get("environment"), row.get("name")) == ("prod", "fraud-detector")]
    assert [row["version"] for row in mine if row["kind"] in ("Promoted", "RolledBack")][-len(kept) :] == kept


def tidy(acme: Lab) -> bool:
    """One Deployment has pods; the others are kept at zero, and no more of them than can be returned to."""
    for cluster in ("eu-1", "us-1"):
        sizes = [row["spec"]["replicas"] for row in acme.ask(cluster, "GET", DEPLOYMENTS)["items"]]
        scalers = acme.ask(cluster, "GET", "/apis/autoscaling/v2/namespaces/fraud/horizontalpodautoscalers")["items"]
        if sum(size > 0 for size in sizes) != 1 or len(sizes) > DEPTH + 1 or len(scalers) != 1:
            return False
    return True


@pytest.mark.slow
def test_killed_between_saving_a_release_and_pushing_the_ledger_the_record_arrives(acme):
    acme.recorded()
    before = acme.status().stable.version
    hooks = acme.origin / "hooks" / "pre-receive"
    hooks.parent.mkdir(exist_ok=True)
    hooks.write_text("#!/bin/sh\ngrep -q reconciler/ledger && exit 1 || exit 0\n")
    hooks.chmod(0o755)
    try:
        acme.release("1.9.0", auc=0.97)
        acme.wait("1.9.0 is promoted", lambda: promoted(acme, "1.9.0"))
        acme.stage.kill_daemon()
    finally:
        hooks.unlink()
    version = acme.status().stable.version
    assert version != before
    assert not has(acme, version)
    acme.stage.start_daemon()
    acme.wait("the record arrives", lambda: has(acme, version))
    acme.serves("1.9.0")
    assert acme.audit().returncode == 0


def has(acme: Lab, version: str) -> bool:
    return any(row["kind"] == "Promoted" and row.get("version") == version for row in acme.records())


@pytest.mark.slow
def test_of_two_daemons_on_one_repository_the_second_stands_by_and_takes_over_with_one_ledger(acme):
    acme.recorded()
    before = acme.status().stable.model_version
    second, said = acme.folder / "second.yaml", acme.folder / "second.log"
    second.write_text(acme.organisation.settings.read_text().replace("data: data", "data: data2"))
    command = [sys.executable, "-m", "reconciler", "run", "--config", str(second), "--log-format", "json"]
    with said.open("wb") as log, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as other:
        try:
            acme.wait("both run", lambda: "started" in said.read_text())
            acme.release("1.10.0", auc=0.975)
            acme.serves("1.10.0")
            assert "trunk accepted" not in said.read_text()
            acme.stage.stop_daemon()
            acme.revert()
            acme.serves(before)
            acme.recorded()
            assert "trunk accepted" in said.read_text()
        finally:
            other.terminate()
    assert "Traceback" not in said.read_text()
    assert acme.audit().returncode == 0, acme.audit().stderr
    assert [row["sequence"] for row in acme.records()] == list(range(1, len(acme.records()) + 1))
