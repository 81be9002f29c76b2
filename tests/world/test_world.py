"""A simulated world, played with at random: it always comes to rest where people, by Git, said it should be.

Few seeds in the ordinary run; `make seeds ARGS=--seeds=500` plays many (`--first-seed` says where to begin). Scripts
below were found by it and are kept because they name something that was once wrong.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from world_machine import RUNTIME, US, Machine
from world_stage import staged
from world_steps import ENVIRONMENTS, STEPS, lose_repository_state

BURSTS = 3
PROD = ("prod", "fraud-detector")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first, count = (metafunc.config.getoption(name) for name in ("--first-seed", "--seeds"))
        metafunc.parametrize("seed", range(first, first + count))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A world at rest: six releases are Promoted."""
    with staged(tmp_path) as stage:
        machine = Machine(stage, random.Random(0))  # noqa: S311  # a play, not a secret
        machine.settle()
        yield machine


@pytest.mark.slow
def test_whatever_happens_the_world_comes_to_rest(seed: int, machine: Machine) -> None:
    machine.rng = random.Random(seed)  # noqa: S311  # a play, not a secret
    try:
        for _ in range(BURSTS):
            machine.burst(STEPS)
    except BaseException as error:
        error.add_note("\n".join(["the script:", *machine.script, "the log:", *machine.stage.log.lines[-20:]]))
        raise


def deployments(machine: Machine, cluster: str) -> dict[str, int]:
    """Pods wanted by model version, where any are."""
    rows = machine.stage.items(cluster, "/apis/apps/v1/namespaces/fraud/deployments")
    sizes = {row["metadata"]["annotations"]["reconciler.dev/model-version"]: row["spec"]["replicas"] for row in rows}
    return {version: size for version, size in sizes.items() if size}


def leave(machine: Machine) -> None:
    text = (machine.top / US).read_text().replace("tier: prod", "tier: none")
    machine.govern(US, text, by="bo", us_in_prod=False)


def come_back(machine: Machine) -> None:
    """The text before is on the trunk again, and the daemon has some time."""
    machine.restore(PROD, 1)
    for _ in range(5):
        machine.stage.round()
        machine.stage.tick(10)


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
    path = ENVIRONMENTS["prod"]
    machine.govern(path, (machine.top / path).read_text() + "# unsigned\n", by="")
    machine.settle()
    machine.script.clear()
    lose_repository_state(machine)
    assert machine.script, "nothing was lost"
    machine.edit(PROD, version="4.0.0", score=0.95)
    machine.settle()
    assert deployments(machine, "us-1") == {"4.0.0": 2}


def test_a_signed_runtime_reaches_every_release_that_uses_it(machine: Machine) -> None:
    text = (machine.top / RUNTIME).read_text().replace('args: ["--model"', 'args: ["--extra=1.", "--model"')
    machine.govern(RUNTIME, text, by="bo", args="--extra=1.")
    machine.settle()
