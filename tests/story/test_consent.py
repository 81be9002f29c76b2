"""People say yes, and a release ends: on embedded clusters, through Git, with a daemon that is killed on the way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.demo.stage import Stage, staged
from reconciler.errors import NotFound
from reconciler.model.state import Phase

PROJECT = Path(__file__).parents[2]
RELEASE = "releases/prod/fraud-detector.yaml"
ENVIRONMENT = "environments/prod.yaml"
ASKING = "  approvals: {rules: [{role: risk, count: 1}]}\n  prune: {budget: {count: 50, percent: 100}}\n"


def edit(stage: Stage, path: str, old: str, new: str) -> None:
    file = stage.organisation.checkout.top / path
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    stage.organisation.sign(path, stage.organisation.person("bo"))


def command(stage: Stage, who: str, *arguments: str) -> str:
    """What somebody types in the clone."""
    organisation = stage.organisation
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments, "--key", str(organisation.person(who).key)],
        cwd=organisation.checkout.top,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit(stage: Stage, message: str) -> None:
    stage.organisation.commit(message, stage.organisation.person("bo"))


def promoted(stage: Stage, version: str) -> bool:
    status = stage.status("prod", "fraud-detector")
    return status.phase is Phase.PROMOTED and status.stable is not None and status.stable.model_version == version


def held(stage: Stage, reason: str) -> bool:
    return reason in [gate.reason for gate in stage.status("prod", "fraud-detector").gates]


def gone(stage: Stage) -> bool:
    for cluster in ("eu-1", "us-1"):
        try:
            stage.target(cluster, "prod", "fraud-detector", "fraud")
        except NotFound:
            continue
        return False
    return ("prod", "fraud-detector") not in stage.statuses()


def live(stage: Stage) -> list[str]:
    found = []
    for cluster in ("eu-1", "us-1"):
        for path in ("/apis/apps/v1/namespaces/fraud/deployments", "/api/v1/namespaces/fraud/services"):
            items = stage.ask(cluster, "GET", path)["items"]
            found += [row["metadata"]["name"] for row in items if row["metadata"]["name"].startswith("fraud-detector")]
    return found


def play(stage: Stage) -> None:
    organisation = stage.organisation
    organisation.checkout.set_config("reconciler.trust", str(organisation.folder / "trust.yaml"))
    stage.start_daemon()
    stage.wait("1.3.0 runs in prod", lambda: promoted(stage, "1.3.0"))
    edit(stage, ENVIRONMENT, "  modelSources: [oci]\n", f"  modelSources: [oci]\n{ASKING}")
    edit(stage, RELEASE, "version: 1.3.0", "version: 1.3.1")
    commit(stage, "Ask risk before prod; promote 1.3.1")
    stage.wait("it is held for approvals", lambda: held(stage, "ApprovalsMissing"))
    assert "cy" in command(stage, "cy", "approve", RELEASE)
    commit(stage, "Approve fraud-detector 1.3.1")
    stage.wait("1.3.1 runs in prod", lambda: promoted(stage, "1.3.1"))
    assert live(stage)
    command(stage, "bo", "remove", "fraud-detector", "--env", "prod", "--worktree")
    commit(stage, "End fraud-detector in prod")
    stage.wait("its end is held for approvals", lambda: held(stage, "ApprovalsStale"))
    assert live(stage)
    stage.kill_daemon()
    assert "removal" in command(stage, "cy", "approve", "removals/prod/fraud-detector.sig")
    commit(stage, "Approve the end of fraud-detector")
    stage.start_daemon()
    stage.wait("nothing of it is left", lambda: gone(stage))
    assert live(stage) == []
    assert ("prod", "support-chat") in stage.statuses()
    stage.stop_daemon()
    trust = organisation.folder / "trust.yaml"
    audit = ("audit", "verify", "--repository-dir", str(organisation.folder / "models.git"), "--trust", str(trust))
    assert "holds" in stage.command(*audit)
    told = subprocess.run(
        ["git", "-C", str(organisation.folder / "models.git"), "log", "--format=%B", "reconciler/ledger"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "fraud-detector was removed from" in told
    assert "and has ended" in told


@pytest.mark.slow
def test_a_promotion_and_a_removal_wait_for_approvals_and_then_happen(tmp_path: Path) -> None:
    with staged(tmp_path / "acme", kubeconfig=None, pace=0.0, progress=lambda _: None) as stage:
        try:
            play(stage)
        finally:
            log = (tmp_path / "acme" / "demo.log").read_text()
            stage.close()
    assert "Traceback" not in log, log
