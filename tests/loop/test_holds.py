"""Holds: anybody who merges may add one; taking it out of the files does not open it."""

from datetime import timedelta

import pytest
from loop_acme import NOW, PROD, Published, Repo, key_of
from loop_exceptions import HOLD, add_hold, hold_text
from loop_passes import Release

from reconciler.judge.exceptions import InForce, hold_gates
from reconciler.loop.governing import hold_over
from reconciler.model.hold import Hold
from reconciler.model.state import Phase

NOON = NOW + timedelta(hours=3)
INCIDENT = ("Hold", "incident")


def release(*, version="1.4.0"):
    found = Release()
    found.settle()
    if version:
        found.repo.edit(PROD, "version: 1.3.0", f"version: {version}")
    return found


def closed(found):
    return [gate.kind for gate in found.status.gates]


def test_an_unsigned_hold_stops_what_is_merged_with_it_until_exactly_its_until():
    found = release()
    add_hold(found.repo)
    found.turn()
    assert closed(found) == ["Hold"]
    assert found.status.candidate is None
    assert found.judged.look_at == found.status.gates[0].opens_at == NOON
    assert found.status.gates[0].message == (
        "Hold incident holds it until 2026-12-01T12:00:00Z: incident 4711 (holds/incident.yaml); "
        "to end it earlier, somebody with the role owner runs: reconciler remove holds/incident.yaml"
    )
    found.now = NOON - timedelta(seconds=1)
    found.turn()
    assert closed(found) == ["Hold"]
    found.now = NOON
    assert found.settle().stable.model_version == "1.4.0"


def test_a_hold_pauses_a_rollout_under_way():
    found = release()
    found.turn()
    found.turn()
    before = found.status.directives
    add_hold(found.repo)
    found.turn()
    assert (closed(found), found.status.directives) == (["Hold"], before)
    assert "every size stays as it is" in found.status.message


def test_what_runs_as_declared_is_not_held():
    found = release(version="")
    add_hold(found.repo)
    found.turn()
    assert closed(found) == []


def test_a_revert_returns_at_once_under_a_hold():
    found = release()
    found.settle()
    add_hold(found.repo)
    found.repo.edit(PROD, "version: 1.4.0", "version: 1.3.0")
    found.turn()
    assert (found.status.phase, closed(found)) == (Phase.ROLLING_BACK, [])
    assert found.settle().stable.model_version == "1.3.0"


def removed(repo):
    repo.remove(HOLD)


def renamed(repo):
    add_hold(repo, name="other", until="2026-12-01T09:00:00Z")


def moved(repo):
    repo.remove(HOLD)
    add_hold(repo, path="holds/a.yaml", until="2026-12-01T08:00:00Z")


LOOSENED = {
    "deleted": removed,
    "given an earlier end": lambda repo: add_hold(repo, until="2026-12-01T08:00:00Z"),
    "narrowed to another release": lambda repo: add_hold(repo, "names: [support-chat]"),
    "renamed": renamed,
    "moved to another file with another end": moved,
    "broken": lambda repo: repo.write(HOLD, hold_text() + b"no: [\n"),
    "replaced by other YAML": lambda repo: repo.write(HOLD, b"apiVersion: v1\nkind: ConfigMap\n"),
    "given an earlier end and some signature": lambda repo: (
        add_hold(repo, until="2026-12-01T08:00:00Z"),
        repo.write(f"{HOLD}.sig", repo.read(repo.files[f"{PROD}.sig"])),
    ),
}


@pytest.mark.parametrize("loosen", LOOSENED.values(), ids=LOOSENED)
@pytest.mark.parametrize("again", [False, True], ids=["while the daemon runs", "and the daemon starts again"])
def test_a_hold_stays_in_force_when_its_file_is(loosen, again):
    found = release()
    add_hold(found.repo)
    found.turn()
    loosen(found.repo)
    if again:
        found.world = Published(found.repo, accepted=found.world.accepted)
    found.turn()
    assert closed(found) == ["Hold"]
    assert "stays in force" in found.status.gates[0].message
    found.now = NOON
    assert found.settle().stable.model_version == "1.4.0"
    assert INCIDENT not in Published(found.repo, accepted=found.world.accepted).publish().refused


def test_a_hold_without_an_end_stays_after_its_file_is_gone():
    found = release()
    add_hold(found.repo, until="")
    found.turn()
    removed(found.repo)
    found.now += timedelta(days=400)
    found.turn()
    assert closed(found) == ["Hold"]
    assert "until it is removed" in found.status.gates[0].message


def test_after_its_end_its_name_is_free_again():
    world = Published(Repo())
    add_hold(world.repo)
    world.publish()
    world.now = NOON
    add_hold(world.repo, until="2026-12-03T12:00:00Z")
    row = world.publish().governed[INCIDENT]
    assert (row.note, row.loaded.as_(Hold).spec.until.day) == ("", 3)


def test_an_ended_hold_whose_file_is_gone_is_forgotten():
    world = Published(Repo())
    add_hold(world.repo)
    world.publish()
    assert HOLD in world.accepted
    world.now = NOON
    world.repo.remove(HOLD)
    assert INCIDENT not in world.publish().governed
    assert HOLD not in world.accepted


def test_of_two_new_holds_with_one_name_one_is_in_force():
    world = Published(Repo())
    add_hold(world.repo)
    add_hold(world.repo, path="holds/twin.yaml")
    assert INCIDENT in world.publish().governed


SELECTED = {
    "its environment": ("environments: [prod]", True),
    "another environment": ("environments: [staging]", False),
    "its name": ("names: [fraud-detector]", True),
    "another name": ("names: [support-chat]", False),
    "its label": ("matchLabels: {team: risk}", True),
    "another label": ("matchLabels: {team: web}", False),
    "its environment and another name": ("environments: [prod], names: [support-chat]", False),
    "its environment and label": ("environments: [prod], matchLabels: {team: risk}", True),
}


@pytest.mark.parametrize(("selector", "held"), SELECTED.values(), ids=SELECTED)
def test_a_hold_selects_a_release_by(selector, held):
    repo = Repo()
    add_hold(repo, selector)
    hold = Published(repo).publish().governed[INCIDENT].loaded.as_(Hold)
    gates = hold_gates(key_of("prod", "fraud-detector"), {"team": "risk"}, [(hold, InForce(path=HOLD))], NOW)
    assert bool(gates) == held


def test_an_accepted_hold_may_be_prolonged_and_not_shortened():
    world = Published(Repo())
    add_hold(world.repo)
    world.publish()
    add_hold(world.repo, until="2026-12-05T12:00:00Z", reason="still going on")
    row = world.publish().governed[INCIDENT]
    assert (row.note, row.loaded.as_(Hold).spec.until.day) == ("", 5)
    add_hold(world.repo, until="2026-12-04T12:00:00Z")
    row = world.publish().governed[INCIDENT]
    assert "which has not ended" in row.note
    assert row.loaded.as_(Hold).spec.until.day == 5


def test_when_an_accepted_hold_ends_what_the_trunk_has_in_its_place_counts_again():
    world = Published(Repo())
    add_hold(world.repo)
    world.publish()
    add_hold(world.repo, "names: [support-chat]", until="2026-12-05T12:00:00Z")
    shown = world.publish()
    assert not hold_over(shown.governed.values(), NOON - timedelta(seconds=1))
    assert hold_over(shown.governed.values(), NOON)
    world.now = NOON
    row = world.publish(everything=True).governed[INCIDENT]
    assert (row.note, row.loaded.as_(Hold).spec.selector.names) == ("", ("support-chat",))
