"""Journeys 2 and 5 from a person's clone: promote and roll back by branches that are merged, with a real daemon."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import stage_lab
from stage_lab import Lab

STAGING = "releases/staging/fraud-detector.yaml"
PROD = "releases/prod/fraud-detector.yaml"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with stage_lab.lab(tmp_path_factory.mktemp("pull-requests")) as found:
        checkout = found.organisation.checkout
        checkout.set_config("reconciler.trust", str(found.folder / "trust.yaml"))
        checkout.set_config("user.name", "Bo")
        checkout.set_config("user.email", "bo@example.com")
        yield found


def proposed(stage: Lab, *arguments: str) -> str:
    """What somebody proposes from the clone; the branch that is to be merged."""
    stage.git("fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
    done = stage_lab.run(*arguments, cwd=stage.work)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.partition("pull request from ")[2].partition(" to main")[0]


def merge(stage: Lab, branch: str) -> None:
    """Merge a branch of origin, as a forge does."""
    stage.git("fetch", "--quiet", "origin", f"+refs/heads/{branch}:refs/remotes/origin/{branch}")
    stage.git("merge", "--quiet", "--no-ff", "-m", "Merge", f"refs/remotes/origin/{branch}")
    stage.git("push", "--quiet", "origin", "main")


@pytest.mark.slow
def test_a_promotion_is_merged_and_runs_and_its_rollback_is_merged_and_returns(stage):
    key = str(stage.organisation.person("bo").key)
    before = (stage.work / PROD).read_bytes(), (stage.work / f"{PROD}.sig").read_bytes()
    stage.release("1.4.0", path=STAGING)
    stage.wait("it runs in staging", lambda: stage.status("staging").stable.model_version == "1.4.0")
    branch = proposed(stage, "promote", "fraud-detector", "--from", "staging", "--to", "prod", "--key", key)
    assert branch.startswith("reconciler/promote/prod/fraud-detector/")
    assert (stage.work / PROD).read_bytes() == before[0]
    merge(stage, branch)
    stage.serves("1.4.0")
    stage.recorded()
    branch = proposed(stage, "rollback", "fraud-detector", "--env", "prod")
    assert branch.startswith("reconciler/rollback/prod/fraud-detector/")
    merge(stage, branch)
    assert ((stage.work / PROD).read_bytes(), (stage.work / f"{PROD}.sig").read_bytes()) == before
    stage.serves("1.3.0")
    stage.recorded()
    assert stage.audit().returncode == 0
