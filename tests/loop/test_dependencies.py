"""dependsOn over the passes of two releases: who waits for whom, who is woken, and what is never held."""

import pytest
from loop_acme import FRAUD, Repo, key_of
from loop_world import Town, twin, update

from reconciler.errors import Stalled
from reconciler.model.state import Phase

GATEWAY = key_of("prod", "gateway")
CHAT = key_of("prod", "support-chat")
PATH = "releases/prod/fraud-detector.yaml"


def town(dependency="{name: gateway}", *, run=True):
    """fraud-detector depends on gateway, which is a release like it."""
    repo = Repo()
    twin(repo, "gateway")
    depend(repo, dependency)
    found = Town(repo)
    if run:
        found.run()
    return found


def depend(repo, *dependencies):
    repo.edit(PATH, "  environment: prod\n", f"  environment: prod\n  dependsOn: [{', '.join(dependencies)}]\n")


def promote(found, *keys, version="1.4.0", old="1.3.0"):
    for key in keys:
        update(found.repo, key, f"version: {old}", f"version: {version}")
    found.merge()


def test_the_first_time_it_starts_when_the_other_one_serves():
    found = town(run=False)
    found.turn(FRAUD)
    assert found.closed(FRAUD) == ["DependencyNotReady"]
    assert found.said(FRAUD) == (
        "it waits for prod/gateway (releases/prod/fraud-detector.yaml:9:15), which was merged and not looked at yet"
    )
    found.turn(GATEWAY)
    found.turn(FRAUD)
    assert found.said(FRAUD).endswith("which is Preparing")
    found.run()
    assert found.status(FRAUD).phase is Phase.PROMOTED


def test_merged_together_the_dependency_goes_first_and_wakes_who_waits():
    found = town()
    promote(found, FRAUD, GATEWAY)
    order = []
    found.home.before_write = lambda value: order.append(value.key.name) if value.status.candidate else None
    found.run()
    assert list(dict.fromkeys(order)) == ["gateway", "fraud-detector"]
    assert {found.status(key).stable.model_version for key in (FRAUD, GATEWAY)} == {"1.4.0"}


def test_what_the_other_one_waits_for_is_told_too():
    found = town()
    found.repo.edit("releases/prod/gateway.yaml", "version: 1.3.0", "version: 1.4.0", by="ada")
    promote(found, FRAUD)
    found.run()
    assert found.closed(FRAUD) == ["DependencyNotReady"]
    assert "which is held: releases/prod/gateway.yaml is not verified" in found.said(FRAUD)
    assert found.status(FRAUD).stable.model_version == "1.3.0"


def test_a_dependency_that_is_not_healthy_is_waited_for():
    found = town()
    found.lame.add(GATEWAY)
    found.turn(GATEWAY)
    promote(found, FRAUD)
    found.turn(FRAUD)
    assert "which is not healthy: 1.3.0 is Healthy on 0 of 2 clusters" in found.said(FRAUD)
    found.lame.clear()
    found.run()
    assert found.status(FRAUD).stable.model_version == "1.4.0"


def test_a_rollout_that_began_goes_on():
    found = town()
    promote(found, FRAUD)
    found.turn(FRAUD)
    found.lame.add(GATEWAY)
    promote(found, GATEWAY)
    found.turn(GATEWAY)
    found.turn(FRAUD)
    assert found.closed(FRAUD) == []
    found.run(without=frozenset({GATEWAY}))
    assert found.status(FRAUD).stable.model_version == "1.4.0"


def test_a_return_and_what_runs_as_declared_are_not_held():
    found = town()
    promote(found, FRAUD)
    found.run()
    found.lame.add(GATEWAY)
    promote(found, GATEWAY)
    found.turn(GATEWAY)
    found.turn(FRAUD)
    assert found.closed(FRAUD) == []
    promote(found, FRAUD, version="1.3.0", old="1.4.0")
    found.turn(FRAUD)
    assert (found.status(FRAUD).phase, found.closed(FRAUD)) == (Phase.ROLLING_BACK, [])


def test_one_of_another_environment():
    found = town("{name: churn-scorer, environment: staging}", run=False)
    found.turn(FRAUD)
    assert "it waits for staging/churn-scorer" in found.said(FRAUD)
    found.run()
    assert found.status(FRAUD).phase is Phase.PROMOTED


def test_a_dependency_whose_state_cannot_be_read_holds_and_breaks_nothing():
    found = town()
    promote(found, FRAUD)
    read = found.world.release_state

    def broken(key):
        if key == GATEWAY:
            raise Stalled("state gateway stands twice", reason="StateTwice")
        return read(key)

    found.world.release_state = broken
    found.turn(FRAUD)
    assert "cannot be looked at: state gateway stands twice" in found.said(FRAUD)


@pytest.mark.parametrize("limited", [False, True])
def test_one_that_depends_on_who_waits_for_its_turn_does_not_take_it(limited):
    found = town()
    if limited:
        found.repo.edit("environments/prod.yaml", "concurrentRollouts: 2", "concurrentRollouts: 1")
    promote(found, FRAUD, GATEWAY)
    found.turn(FRAUD)  # looked at first
    found.run()
    assert {found.status(key).stable.model_version for key in (FRAUD, GATEWAY)} == {"1.4.0"}


# --- what leads nowhere

WRONG = {
    "a release that is not there": ("{name: gatewya}", "spec.dependsOn[0].name: there is no release prod/gatewya: did"),
    "itself": ("{name: fraud-detector}", "spec.dependsOn[0].name: a release cannot depend on itself"),
    "itself by its environment": ("{name: fraud-detector, environment: prod}", "cannot depend on itself"),
    "one twice": ("{name: gateway}, {name: gateway, environment: prod}", "prod/gateway stands here twice"),
}


@pytest.mark.parametrize(("dependency", "said"), WRONG.values(), ids=WRONG)
def test_a_release_that_depends_on(dependency, said):
    found = town(dependency)
    assert found.closed(FRAUD) == ["Invalid"]
    assert said in found.said(FRAUD)
    assert found.said(FRAUD).startswith(f"{PATH}:9:")


def test_a_circle_is_told_by_everybody_in_it_and_ends_when_one_of_them_changes():
    found = town()
    update(found.repo, GATEWAY, "  environment: prod\n", "  environment: prod\n  dependsOn: [{name: fraud-detector}]\n")
    found.merge()
    found.run()
    assert found.closed(FRAUD) == found.closed(GATEWAY) == ["Invalid"]
    assert "go in a circle: prod/fraud-detector on prod/gateway on prod/fraud-detector" in found.said(FRAUD)
    assert found.status(FRAUD).phase is Phase.PROMOTED
    update(found.repo, GATEWAY, "  dependsOn: [{name: fraud-detector}]\n", "")
    found.merge()
    found.run()
    assert found.closed(FRAUD) == found.closed(GATEWAY) == []


def test_a_dependency_that_leaves_the_trunk_is_told_and_one_that_comes_opens_the_gate():
    found = town()
    text = found.repo.text("releases/prod/gateway.yaml")
    found.repo.remove("releases/prod/gateway.yaml")
    found.merge()
    found.run()
    assert found.closed(FRAUD) == ["Invalid"]
    found.repo.write("releases/prod/gateway.yaml", text.encode())
    found.repo.sign("releases/prod/gateway.yaml")
    found.merge()
    found.run()
    assert found.closed(FRAUD) == []
