"""Between state and machine: what a pass is given, what becomes of its answer, what two passes make of both."""

import pytest
from loop_acme import FRAUD, NOW, PROD, fleet, fleeting, specs_of, target_state
from loop_passes import Release

from reconciler.digest import sha256_of
from reconciler.loop import progress
from reconciler.loop.progress import directives, kept, restored, situation, specs, wanted
from reconciler.model.state import Directive, Phase, ReleaseStatus, Role, VersionDirective, canonical, pack, unpack
from reconciler.rollout.situation import Advance


def edit(release, old="1.3.0", new="1.4.0", *, by="bo"):
    release.repo.edit(PROD, f"version: {old}", f"version: {new}", by=by)


def running(**more) -> Release:
    release = Release(**more)
    release.settle()
    return release


# --- directives

A = "sha256:" + "a" * 64


def entry(size=2, version=A):
    return VersionDirective(version=version, role=Role.STABLE, low=size, high=size, effective=A)


def told(sequence, *versions, heal=True):
    return Directive(sequence=sequence, revision="1" * 40, closure=A, versions=versions or (entry(),), self_heal=heal)


def answer(**versions):
    return Advance(
        phase=Phase.PROMOTED,
        since=NOW,
        stable=None,
        candidate=None,
        full={},
        versions=versions,
        promoted=False,
        message="",
        look_again=None,
    )


def on_cluster(sequence):
    spec = pack(unpack(running().status.effective[next(iter(running().status.effective))]))
    return fleeting(target_state(FRAUD, "eu-1", told(sequence), {A: spec}))


@pytest.mark.parametrize(
    ("before", "seen", "heal", "sequence"),
    [
        pytest.param(None, None, True, 1, id="never told anything: the first"),
        pytest.param(told(4), None, True, 4, id="the same as before: not told again"),
        pytest.param(told(4, entry(1)), None, True, 5, id="another size: told again"),
        pytest.param(told(4), None, False, 5, id="selfHeal switched: told again"),
        pytest.param(told(4), 4, True, 4, id="the cluster knows just that"),
        pytest.param(told(4), 3, True, 4, id="the cluster has not acted on it yet"),
        pytest.param(told(4), 9, True, 10, id="the cluster knows a later one: told again above it"),
        pytest.param(None, 9, True, 10, id="our state is lost: above what the cluster knows"),
        pytest.param(told(4, entry(1)), 9, True, 10, id="changed, and the cluster knows a later one"),
    ],
)
def test_sequence(before, seen, heal, sequence):
    status = ReleaseStatus(directives={"eu-1": before} if before else {})
    clusters = {"eu-1": on_cluster(seen) if seen else fleeting(None)}
    after = directives(
        status, answer(**{"eu-1": (entry(),)}), revision="2" * 40, closure=A, self_heal=heal, seen=clusters
    )
    assert after["eu-1"].sequence == sequence
    assert after["eu-1"].versions == (entry(),)
    assert after["eu-1"].self_heal is heal
    assert after["eu-1"].revision == ("1" * 40 if before and before.sequence == sequence else "2" * 40)


def test_a_cluster_that_is_not_spoken_of_keeps_its_directive():
    status = ReleaseStatus(directives={"us-1": told(3)})
    after = directives(status, answer(**{"eu-1": (entry(),)}), revision="2" * 40, closure=A, self_heal=True, seen={})
    assert after["us-1"] == told(3)
    assert set(after) == {"eu-1", "us-1"}


# --- specs that are kept


def test_specs_are_kept_while_they_run_or_a_revert_may_ask_for_them():
    release = running()
    for number in range(4, 10):
        edit(release, f"1.{number - 1}.0", f"1.{number}.0")
        release.settle()
    assert [row.model_version for row in release.status.history] == [f"1.{number}.0" for number in range(9, 2, -1)]
    assert set(specs_of(release.status)) == {"1.9.0", "1.8.0", "1.7.0", "1.6.0"}  # rollback.depth: 3


def test_what_a_directive_names_is_kept_whatever_the_depth():
    release = running()
    status = release.status
    assert specs(status, status.directives, (), 0) == status.effective
    assert specs(status, {}, status.history, 0) == status.effective
    assert specs(status, {}, (), 5) == {}


# --- what the machine is given


def test_a_version_whose_spec_is_not_kept_is_not_runnable():
    status = running().status
    found = kept(status, status.stable)
    assert (found.version, found.low, found.high) == (status.stable.version, 2, 6)
    assert found.effective == status.directives["eu-1"].versions[0].effective
    assert kept(status.model_copy(update={"effective": {}}), status.stable) is None
    assert kept(status, None) is None


def test_a_situation_is_read_from_the_state_and_the_clusters():
    release = running()
    status = release.status
    asked, _ = wanted(status, release.judged.standing, gates_open=True)
    seen = {**fleet(FRAUD, status, ("eu-1",)), "us-1": fleeting(None, reachable=False)}
    found = situation(status, asked, strategy="rolling", clusters=("eu-1", "us-1"), seen=seen, depth=3)
    assert found.progress.stable == asked.runnable
    assert (found.progress.phase, found.progress.candidate) == (Phase.PROMOTED, None)
    assert [row.version for row in found.progress.previous] == [status.stable.version]
    assert (found.seen["eu-1"].sequence, found.seen["us-1"].sequence) == (status.directives["eu-1"].sequence, 0)
    assert found.seen["us-1"].versions == {}
    assert not found.seen["us-1"].reachable
    assert found.directives == status.directives


def test_nothing_is_asked_for_when_nothing_runs_and_nothing_resolves():
    release = Release()
    release.repo.remove(PROD)
    release.turn()
    assert wanted(release.status, release.judged.standing, gates_open=False) == (None, None)


def test_a_return_needs_the_recorded_spec():
    """Without it the manifest is an ordinary candidate, and goes through every gate."""
    release = running()
    edit(release)
    release.settle()
    edit(release, "1.4.0", "1.3.0")
    release.turn()
    standing = release.judged.standing
    asked, new = wanted(release.status, standing, gates_open=False)
    assert (asked.known_good, asked.accepted, new.spec.model.version) == (True, True, "1.3.0")
    lost = release.status.model_copy(update={"effective": {}})
    asked, _ = wanted(lost, standing, gates_open=False)
    assert (asked.known_good, asked.accepted) == (False, False)


def test_a_return_is_of_the_recorded_version_when_todays_runtime_would_make_another():
    release = running()
    old = release.status.stable.version
    edit(release)
    release.settle()
    release.repo.edit("runtimes/onnx-http.yaml", "port: 8080", "port: 8081")
    edit(release, "1.4.0", "1.3.0")
    release.turn()
    assert release.status.candidate.version == old
    asked, new = wanted(release.status, release.judged.standing, gates_open=False)
    assert (asked.runnable.version, asked.known_good, new) == (old, True, None)


# --- a lost state


def lost(release, *, ledger=True, clusters=("eu-1", "us-1")):
    states = [row.state for name, row in fleet(FRAUD, release.status).items() if name in clusters and row.state]
    history = release.status.history if ledger else ()
    return restored(states, history, release.status.effective if ledger else {})


def test_a_lost_state_is_what_the_targets_run_and_the_ledger_knows():
    release = running()
    edit(release)
    release.settle()
    found = lost(release)
    before = release.status
    assert (found.stable, found.directives, found.history) == (before.stable, before.directives, before.history)
    assert (found.phase, found.effective) == (Phase.PROMOTED, before.effective)


@pytest.mark.parametrize("ledger", [True, False], ids=["with the ledger", "with the targets alone"])
def test_a_pass_after_the_loss_tells_nobody_anything_new(ledger):
    release = running()
    before = release.status
    release.status = lost(release, ledger=ledger)
    release.turn(fleet(FRAUD, before))
    assert release.status.directives == before.directives
    assert release.settle().stable.version == before.stable.version


def test_nothing_runs_and_nothing_is_known():
    assert restored((), (), {}) == ReleaseStatus()


def test_what_only_the_ledger_knows_can_still_return():
    release = running()
    found = restored((), release.status.history, release.status.effective)
    assert (found.stable, found.directives) == (None, {})
    assert found.history == release.status.history
    assert set(specs_of(found)) == {"1.3.0"}


def test_a_candidate_that_was_in_flight_is_asked_for_again_by_the_trunk():
    release = running()
    edit(release)
    release.turn()
    assert release.turn().candidate.model_version == "1.4.0"
    found = lost(release)
    assert found.stable.model_version == "1.3.0"
    assert found.candidate is None
    assert found.directives == release.status.directives
    release.status = found
    assert release.settle().stable.model_version == "1.4.0"


def test_where_directives_differ_the_newest_names_what_is_stable():
    release = running()
    old = release.status
    edit(release)
    release.settle()
    new = release.status
    states = [
        target_state(FRAUD, "eu-1", old.directives["eu-1"], old.effective),
        target_state(FRAUD, "us-1", new.directives["us-1"], new.effective),
    ]
    for order in (states, states[::-1]):
        found = restored(order, (), {})
        assert found.stable.model_version == "1.4.0"
        assert set(specs_of(found)) == {"1.3.0", "1.4.0"}
    assert found.stable.closure == states[1].directive.closure


def test_a_first_release_that_never_became_stable_begins_again_above_what_was_told():
    release = Release()
    release.turn()
    release.turn(obey=False)
    seen = {
        name: fleeting(target_state(FRAUD, name, told, release.status.effective))
        for name, told in release.status.directives.items()
    }
    before = {name: told.sequence for name, told in release.status.directives.items()}
    release.status = restored([row.state for row in seen.values()], (), {})
    assert release.status.directives == {}
    release.turn(seen)
    assert all(told.sequence > before[name] for name, told in release.status.directives.items())


def test_only_ten_promotions_are_kept():
    row = running().status.history[0]
    rows = tuple(row.model_copy(update={"model_version": str(number)}) for number in range(14))
    assert restored((), rows, {}).history == rows[: progress.HISTORY]


def test_the_name_of_a_spec_is_the_digest_of_its_canonical_json():
    spec = unpack(next(iter(running().status.effective.values())))
    assert progress.effective_digest(spec) == sha256_of(canonical(spec.to_data()))
