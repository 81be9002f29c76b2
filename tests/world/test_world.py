"""A simulated world, played with at random: it always comes to rest where people, by Git, said it should be.

Few seeds in the ordinary run; `make seeds ARGS=--seeds=500` plays many, in parallel. Scripts below were found by it,
or say what a random play may never reach, and are kept because they name something.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from world_breaks import lose_repository_state
from world_machine import Machine
from world_oracle import WHOLE
from world_play import play, world
from world_rules import OFFICE, RUNTIME, US, Asks, Hold, Waiver, Windows
from world_steps import policy

PROD = ("prod", "fraud-detector")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first, count = (metafunc.config.getoption(name) for name in ("--first-seed", "--seeds"))
        metafunc.parametrize("seed", range(first, first + count))


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A world at rest: six releases are Promoted."""
    with world() as machine:
        yield machine


def test_whatever_happens_the_world_comes_to_rest(seed: int) -> None:
    play(seed)


@pytest.mark.parametrize("processes", [False, True], ids=["objects by hand", "git itself"])
def test_a_release_arrives_however_git_objects_travel(processes: bool) -> None:
    with world(processes=processes) as machine:
        machine.edit(PROD, version="4.0.0", score=0.95)
        machine.settle()
        assert deployments(machine, "us-1") == {"4.0.0": 2}
        assert machine.oracle.told.audit() == []


def deployments(machine: Machine, cluster: str) -> dict[str, int]:
    """Pods wanted by model version, where any are."""
    rows = machine.stage.rows(cluster, "apps", "deployments", "fraud")
    sizes = {row["metadata"]["annotations"]["reconciler.dev/model-version"]: row["spec"]["replicas"] for row in rows}
    return {version: size for version, size in sizes.items() if size}


def gates(machine: Machine) -> set[str]:
    """The reasons why production waits."""
    return {gate.reason for gate in machine.stage.releases()[PROD].status.gates}


def leave(machine: Machine) -> None:
    text = machine.people.text(US).replace("tier: prod", "tier: none")
    machine.govern(US, text, by="bo", us_in_prod=False)


def come_back(machine: Machine) -> None:
    """The text before is on the trunk again, and the daemon has some time."""
    machine.restore(PROD, 1)
    for _ in range(5):
        machine.stage.round()
        machine.tick(10)


def test_a_revert_reaches_the_cluster_that_left_and_whose_removal_nobody_signed(machine: Machine) -> None:
    machine.edit(PROD, version="4.0.0", score=0.95)
    machine.settle()
    leave(machine)
    machine.settle()
    come_back(machine)
    assert deployments(machine, "eu-1") == deployments(machine, "us-1") == {"1.3.0": 2}


def test_an_abort_reaches_the_cluster_that_left(machine: Machine) -> None:
    machine.stage.broken["4.0.0"] = "notready"
    machine.edit(PROD, version="4.0.0", score=0.95)
    machine.settle()
    assert "4.0.0" in deployments(machine, "us-1")
    leave(machine)
    machine.settle()
    come_back(machine)
    assert deployments(machine, "eu-1") == deployments(machine, "us-1") == {"1.3.0": 2}


def test_what_was_accepted_stays_in_force_when_home_forgets_it(machine: Machine) -> None:
    """The trunk's text is unsigned: the one before is known from the ledger alone."""
    machine.environment("prod", by="")
    machine.settle()
    machine.script.clear()
    lose_repository_state(machine)
    assert machine.script, "nothing was lost"
    machine.edit(PROD, version="4.0.0", score=0.95)
    machine.settle()
    assert deployments(machine, "us-1") == {"4.0.0": 2}


def test_a_signed_runtime_reaches_every_release_that_uses_it(machine: Machine) -> None:
    text = machine.people.text(RUNTIME).replace('args: ["--model"', 'args: ["--extra=1.", "--model"')
    machine.govern(RUNTIME, text, by="bo", args="--extra=1.")
    machine.settle()


def test_texts_that_are_promoted_within_one_second_do_not_take_turns_for_ever(machine: Machine) -> None:
    """The same text with another runtime and back: two promotions of one manifest at one moment."""
    plain = machine.people.text(RUNTIME)
    extra = plain.replace('args: ["--model"', 'args: ["--extra=1.", "--model"')
    machine.govern(RUNTIME, extra, by="bo", args="--extra=1.")
    machine.stage.round()
    machine.govern(RUNTIME, plain, by="bo", args="")
    machine.stage.round()
    machine.settle()


def test_a_change_in_place_that_runs_is_told_although_the_trunk_has_moved_on(machine: Machine) -> None:
    machine.edit(PROD, version="1.3.0", low=3)
    machine.stage.poll()
    machine.stage.turn(2)
    machine.edit(PROD, version="4.0.0", score=0.95, by="")
    machine.settle()
    assert deployments(machine, "us-1") == {"1.3.0": 3}


def test_a_budget_of_one_deletes_one_object_and_waits(machine: Machine) -> None:
    """Its own deletions wake a target at once; the next one comes ten seconds later all the same."""
    machine.environment("prod", by="bo", budget=1)
    machine.settle()
    machine.remove(PROD, WHOLE, by="bo")
    machine.settle()
    assert PROD not in machine.stage.releases()


def test_a_promotion_waits_for_its_quorum_and_one_byte_asks_anew(machine: Machine) -> None:
    machine.environment("prod", by="bo", approvals=Asks((("risk", 1), ("", 2))))
    machine.edit(PROD, version="4.0.0", score=0.95)
    machine.approve(PROD, "bo", "cy")
    machine.settle()
    assert gates(machine) == {"ApprovalsMissing"}, "the author is no approver"
    machine.environment("prod", by="bo")
    machine.settle()
    assert gates(machine) == {"ApprovalsStale"}
    machine.approve(PROD, "cy")
    machine.settle()
    machine.passes(15 * DAY)
    machine.approve(PROD, "eve")
    machine.settle()
    assert gates(machine) == {"ApprovalsExpired"}
    machine.environment("prod", by="bo")
    machine.approve(PROD, "dee", "eve")
    machine.settle()
    assert deployments(machine, "us-1") == {"4.0.0": 2}


def test_a_release_that_ended_comes_back_as_a_first_one(machine: Machine) -> None:
    machine.environment("prod", by="bo", approvals=Asks((("", 1),)))
    machine.remove(PROD, WHOLE, by="bo")
    machine.settle()
    assert gates(machine) == {"RemovalNotSigned", "ApprovalsMissing"}
    machine.approve(PROD, "cy")
    machine.settle()
    assert PROD not in machine.stage.releases()
    machine.restore(PROD, 0)
    machine.settle()
    assert gates(machine) == {"ApprovalsStale"}
    machine.approve(PROD, "dee")
    machine.settle()
    assert deployments(machine, "us-1") == {"1.3.0": 2}


def test_one_cluster_ends_and_joins_again_without_anybody(machine: Machine) -> None:
    leave(machine)
    machine.remove(PROD, "us-1", by="bo")
    machine.settle()
    assert deployments(machine, "us-1") == {}
    machine.environment("prod", by="bo", approvals=Asks((("", 2),)))
    machine.govern(US, machine.people.text(US).replace("tier: none", "tier: prod"), by="bo", us_in_prod=True)
    machine.settle()
    assert deployments(machine, "us-1") == {"1.3.0": 2}


def test_a_hold_holds_until_its_end_whoever_takes_it_away_unsigned(machine: Machine) -> None:
    now = machine.stage.clock.now().replace(microsecond=0)
    machine.hold("holds/one.yaml", Hold("prod", "", now + 3 * DAY))
    machine.edit(PROD, version="4.0.0", score=0.95)
    machine.end_hold("holds/one.yaml", by="cy")
    machine.settle()
    assert gates(machine) == {"OnHold"}
    machine.passes(3 * DAY)
    machine.settle()
    assert deployments(machine, "us-1") == {"4.0.0": 2}


def test_a_waiver_lets_pass_what_a_policy_denies_until_it_ends(machine: Machine) -> None:
    machine.rng.seed(1)
    while not machine.oracle.governs.no_nines:
        policy(machine)
    now = machine.stage.clock.now().replace(microsecond=0)
    machine.waive("waivers/one.yaml", Waiver("no-nines", *PROD, expires=now + HOUR, signer="cy"))
    machine.edit(PROD, version="9.1.0", score=0.95)
    machine.settle()
    assert deployments(machine, "us-1") == {"9.1.0": 2}
    machine.passes(2 * HOUR)
    machine.edit(PROD, version="9.2.0", score=0.95)
    machine.settle()
    assert gates(machine) == {"PolicyDenied"}


def test_a_window_and_a_schedule_are_waited_for_and_a_return_waits_for_nothing(machine: Machine) -> None:
    machine.edit(PROD, version="4.0.0", score=0.95)
    machine.settle()
    machine.environment("prod", by="bo", windows=Windows(allow=(OFFICE,)))
    machine.passes(12 * HOUR)
    machine.restore(PROD, 1)
    machine.settle()
    assert deployments(machine, "us-1") == {"1.3.0": 2}
    machine.edit(PROD, version="5.0.0", score=0.95, not_before=HOUR)
    machine.settle()
    assert gates(machine) == {"OutsideWindow", "NotYet"}
    machine.passes(12 * HOUR)
    machine.settle()
    assert deployments(machine, "us-1") == {"5.0.0": 2}


def test_production_takes_what_staging_has_served_long_enough(machine: Machine) -> None:
    machine.environment("prod", by="bo", after="staging", soak=2 * HOUR)
    machine.edit(PROD, version="4.0.0", score=0.95)
    machine.settle()
    assert gates(machine) == {"PolicyDenied"}
    machine.edit(("staging", "fraud-detector"), version="4.0.0", score=0.95)
    machine.settle()
    assert gates(machine) == {"PolicyDenied"}
    machine.passes(2 * HOUR)
    machine.settle()
    assert deployments(machine, "us-1") == {"4.0.0": 2}
