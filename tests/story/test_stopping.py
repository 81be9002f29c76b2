"""Ways in which a release stops: retired and back, deletions that wait for people, and a cluster that is given away."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import stage_lab
from stage_lab import DEPLOYMENTS, SERVICE, STATES, Lab

from reconciler.model.state import Phase

PROD = "releases/prod/fraud-detector.yaml"
ENVIRONMENT = "environments/prod.yaml"
US = "clusters/us-1.yaml"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with stage_lab.lab(tmp_path_factory.mktemp("stopping")) as found:
        trust = found.folder / "trust.yaml"
        found.organisation.checkout.set_config("reconciler.trust", str(trust))
        yield found


def edit(lab: Lab, path: str, old: str, new: str, message: str) -> None:
    file = lab.work / path
    assert file.read_text().count(old) == 1
    file.write_text(file.read_text().replace(old, new))
    lab.organisation.sign(path, lab.organisation.person("bo"))
    lab.commit(message)


def command(lab: Lab, *arguments: str, who: str = "bo") -> str:
    key = str(lab.organisation.person(who).key)
    done = stage_lab.run(*arguments, "--key", key, cwd=lab.work)
    assert done.returncode == 0, done.stderr
    return done.stdout


def deployments(lab: Lab, cluster: str = "us-1") -> dict[str, tuple[str, int]]:
    """UID and size of the release's Deployments, by name."""
    rows = lab.ask(cluster, "GET", DEPLOYMENTS)["items"]
    return {
        row["metadata"]["name"]: (row["metadata"]["uid"], row["spec"].get("replicas", 1))
        for row in rows
        if row["metadata"]["name"].startswith("fraud-detector")
    }


def kinds(lab: Lab) -> list[str]:
    rows = [row for row in lab.records() if (row.get("environment"), row.get("name")) == ("prod", "fraud-detector")]
    return [row["kind"] for row in rows]


def test_a_release_is_retired_and_comes_back_in_place(stage):
    before = deployments(stage)
    edit(stage, PROD, "  environment: prod\n", "  environment: prod\n  state: retired\n", "Retire it")
    stage.wait("it is retired", lambda: stage.status().phase is Phase.RETIRED)
    after = deployments(stage)
    assert {name: uid for name, (uid, _) in after.items()} == {name: uid for name, (uid, _) in before.items()}
    assert {size for _, size in after.values()} == {0}
    assert stage.ask("us-1", "GET", SERVICE)["metadata"]["name"] == "fraud-detector"
    scalers = stage.ask("us-1", "GET", "/apis/autoscaling/v2/namespaces/fraud/horizontalpodautoscalers")["items"]
    stage.wait("its autoscaler is gone", lambda: not scalers or not _scalers(stage))
    target = stage.ask("us-1", "GET", f"{STATES}/namespaces/fraud/targetstates")["items"]
    ready = [row for one in target for row in one["status"]["conditions"] if row["type"] == "Ready"]
    assert "Retired" in [row["reason"] for row in ready]
    stage.recorded()
    assert kinds(stage)[-1] == "Retired"
    stage.restart()
    edit(stage, PROD, "  state: retired\n", "", "Serve it again")
    stage.wait("it serves again", lambda: stage.status().phase is Phase.PROMOTED and "Retired" not in stage.reasons())
    assert deployments(stage) == before


def _scalers(lab: Lab) -> list[str]:
    rows = lab.ask("us-1", "GET", "/apis/autoscaling/v2/namespaces/fraud/horizontalpodautoscalers")["items"]
    return [row["metadata"]["name"] for row in rows if row["metadata"]["name"].startswith("fraud-detector")]


def test_what_is_superseded_goes_once_people_have_confirmed_exactly_that(stage):
    old = set(deployments(stage))
    text = (stage.work / ENVIRONMENT).read_text()
    assert "depth: 3" in text
    edit(stage, ENVIRONMENT, "depth: 3", "depth: 0", "Keep no earlier version")
    edit(
        stage,
        ENVIRONMENT,
        "  rollback:",
        "  prune: {confirm: true, budget: {count: 50, percent: 100}}\n  rollback:",
        "Ask before anything is deleted",
    )
    stage.release("1.4.0")
    stage.serves("1.4.0")
    stage.wait("it waits for people", lambda: "PruneNotConfirmed" in [gate.reason for gate in stage.status().gates])
    stage.wait("both clusters say what waits", lambda: set(stage.status().unconfirmed) == {"eu-1", "us-1"})
    stage_lab.settle(1.5)
    assert old < set(deployments(stage)), "nothing was deleted"
    stage.recorded()
    stage.git("fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
    said = command(stage, "approve", "prod/fraud-detector", "--prune")
    assert said.startswith("approved the deletion of ")
    assert f"us-1: Deployment fraud/{next(iter(old))}" in said
    stage.commit("Confirm it")
    stage.wait("it is deleted", lambda: not old & set(deployments(stage)))
    stage.wait("nothing waits any more", lambda: not stage.status().gates)
    stage.recorded()
    assert "Confirmed" in kinds(stage)


def test_a_cluster_that_is_given_away_keeps_what_it_has_and_is_taken_up_again(stage):
    data, signature = (stage.work / US).read_bytes(), (stage.work / f"{US}.sig").read_bytes()
    here = deployments(stage)
    command(stage, "remove", US, "--worktree")
    stage.commit("Give us-1 away")
    stage.wait("it is orphaned", lambda: stage.status().orphaned == ("us-1",))
    assert "ClusterRemoved" in stage.reasons()
    assert stage.status().gates == ()
    stage.release("1.5.0")
    stage.wait("it goes on in eu-1", lambda: stage.status().stable.model_version == "1.5.0")
    assert deployments(stage) == here
    stage.recorded()
    assert "Orphaned" in kinds(stage)
    (stage.work / US).write_bytes(data)
    (stage.work / f"{US}.sig").write_bytes(signature)
    (stage.work / f"removals/{US}.sig").unlink()
    stage.commit("Take us-1 back")
    stage.wait("it is taken up again", lambda: set(stage.status().directives) == {"eu-1", "us-1"})
    stage.wait(
        "1.5.0 serves there, too", lambda: stage.status().phase is Phase.PROMOTED and not stage.status().orphaned
    )
    stage.wait("1.5.0 runs there", lambda: set(deployments(stage)) > set(here))


def test_the_ledger_proves_all_of_it_offline(stage):
    stage.recorded()
    done = stage.audit()
    assert done.returncode == 0, done.stdout + done.stderr
