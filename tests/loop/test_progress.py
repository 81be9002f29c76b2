"""Between state and machine: what a pass is given, what becomes of its answer, what two passes make of both."""

from dataclasses import replace

import pytest
from loop_acme import FRAUD, NOW, PROD, fleet, fleeting, specs_of, target_state
from loop_passes import Release

from reconciler.digest import sha256_of
from reconciler.loop import progress
from reconciler.loop.progress import Manner, caught_up, directives, kept, remembered, restored, situation, specs, wanted
from reconciler.model.document import Selector
from reconciler.model.environment import EnvironmentSpec, PruneBudget
from reconciler.model.state import Directive, Phase, ReleaseStatus, Role, VersionDirective, canonical, unpack
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
    return Directive(
        sequence=sequence, revision="1" * 40, closure=A, versions=versions or (entry(),), self_heal=heal, budget=None
    )


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


def manner(self_heal=True):
    rules = EnvironmentSpec(
        namespaces=("fraud",), clusters=Selector(match_labels={"tier": "prod"}), self_heal=self_heal
    )
    return Manner(environment=rules, confirmed={})


@pytest.mark.parametrize(
    ("before", "heal", "sequence"),
    [
        pytest.param(None, True, 1, id="never told anything: the first"),
        pytest.param(told(4), True, 4, id="the same as before: not told again"),
        pytest.param(told(4, entry(1)), True, 5, id="another size: told again"),
        pytest.param(told(4), False, 5, id="selfHeal switched: told again"),
    ],
)
def test_sequence(before, heal, sequence):
    status = ReleaseStatus(directives={"eu-1": before} if before else {})
    after = directives(status, answer(**{"eu-1": (entry(),)}), revision="2" * 40, closure=A, manner=manner(heal))
    assert after["eu-1"].sequence == sequence
    assert after["eu-1"].versions == (entry(),)
    assert after["eu-1"].self_heal is heal
    assert after["eu-1"].revision == ("1" * 40 if before and before.sequence == sequence else "2" * 40)


def test_how_a_target_works_stays_while_no_environment_says():
    careful = told(4, heal=False).model_copy(update={"budget": PruneBudget(count=1), "confirm": True})
    status = ReleaseStatus(directives={"eu-1": careful})
    nothing = Manner(environment=None, confirmed={})
    advance = answer(**{"eu-1": (entry(),), "us-1": (entry(),)})
    after = directives(status, advance, revision="2" * 40, closure=A, manner=nothing)
    assert after["eu-1"] == careful
    assert after["us-1"].self_heal


def on_cluster(directive, spec="packed"):
    return fleeting(target_state(FRAUD, "eu-1", directive, {A: spec}))


@pytest.mark.parametrize(
    ("ours", "theirs", "known"),
    [
        pytest.param(told(4), told(4), told(4), id="the cluster knows just that"),
        pytest.param(told(4), told(3, entry(9)), told(4), id="the cluster has not acted on it yet"),
        pytest.param(told(4), told(9, entry(1)), told(9, entry(1)), id="the cluster was told something later"),
        pytest.param(None, told(9, entry(1)), told(9, entry(1)), id="our state is lost"),
    ],
)
def test_what_a_cluster_was_told_later_than_we_know_is_the_truth(ours, theirs, known):
    status = ReleaseStatus(directives={"eu-1": ours} if ours else {})
    found = caught_up(status, {"eu-1": on_cluster(theirs)})
    assert found.directives == {"eu-1": known}
    assert (A in found.effective) is (known == theirs and known != ours)


def test_a_cluster_that_is_not_spoken_of_keeps_its_directive():
    status = ReleaseStatus(directives={"us-1": told(3)})
    after = directives(status, answer(**{"eu-1": (entry(),)}), revision="2" * 40, closure=A, manner=manner())
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
    assert specs(status, status.directives, answer(), (), 0) == status.effective
    assert specs(status, {}, answer(), status.history, 0) == status.effective
    assert specs(status, {}, answer(), (), 5) == {}


def test_the_spec_of_a_candidate_is_kept_though_no_cluster_was_told_yet():
    release = running()
    stable = kept(release.status, release.status.stable)
    assert specs(release.status, {}, replace(answer(), candidate=stable), (), 0) == release.status.effective


def test_changes_in_place_do_not_crowd_earlier_versions_out_of_the_history():
    release = running()
    edit(release)
    release.settle()
    for size in range(3, 15):
        old, new = (f"min: {least}, max: {max(6, least)}" for least in (size - 1, size))
        release.repo.edit(PROD, old, new, by="bo")
        release.settle()
    versions = [row.model_version for row in release.status.history]
    assert versions == ["1.4.0", "1.4.0", "1.4.0", "1.3.0"]
    assert remembered(release.status.history) == release.status.history
    edit(release, "1.4.0", "1.3.0")
    assert "1.3.0" in specs_of(release.status)


def test_a_change_in_place_that_runs_is_promoted_although_the_trunk_asks_for_something_else_by_now():
    release = running()
    release.repo.edit(PROD, "min: 2", "min: 3")
    release.turn()
    assert release.status.stable.manifest != release.status.history[0].manifest
    edit(release, by="")
    release.settle()
    status = release.status
    assert (status.phase, [gate.kind for gate in status.gates]) == (Phase.PENDING, ["Signature"])
    assert status.history[0].manifest == status.stable.manifest
    assert [row.record.kind for row in status.outbox].count("Promoted") == 2


def test_promotions_within_one_second_keep_their_order():
    release = running()
    for low in (1, 3):
        release.repo.edit(PROD, f"min: {2 if low == 1 else 1}", f"min: {low}")
        release.settle()
    edit(release)
    release.settle()
    row = release.status.history[0]
    same = tuple(one.model_copy(update={"at": row.at}) for one in release.status.history)
    assert len({one.version for one in same}) == 2
    mixed = (same[-1], same[0], *same[1:-1])
    assert remembered(mixed) == mixed


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


def test_a_return_needs_no_text_that_resolves_today():
    release = running()
    old = release.status.stable
    edit(release)
    release.settle()
    edit(release, "1.4.0", "1.3.0")
    release.repo.edit("runtimes/onnx-http.yaml", "formats: [onnx]", "formats: [other]", by="bo")
    assert release.settle().stable == old
    assert [gate.kind for gate in release.status.gates] == ["Reference"]


def test_going_back_to_what_is_stable_gives_a_candidate_in_flight_up_whatever_its_text_makes_today():
    release = running()
    old = release.status.stable
    edit(release)
    release.turn()
    release.turn()
    assert release.status.candidate
    edit(release, "1.4.0", "1.3.0")
    release.repo.edit("runtimes/onnx-http.yaml", "port: 8080", "port: 8081", by="bo")
    release.denied = True
    settled = release.settle()
    assert (settled.stable.version, settled.candidate) == (old.version, None)
    assert release.told() == {old.version}


def test_another_runtime_rolls_out_though_the_text_was_promoted_before():
    release = running()
    old = release.status.stable
    release.repo.edit("runtimes/onnx-http.yaml", "port: 8080", "port: 8081", by="bo")
    settled = release.settle()
    assert (settled.phase, settled.stable.manifest, settled.candidate) == (Phase.PROMOTED, old.manifest, None)
    assert settled.stable.version != old.version
    assert release.told() == {settled.stable.version}


def test_a_runtime_that_comes_back_gives_up_what_the_other_made_of_the_same_text():
    release = running()
    old = release.status.stable
    release.repo.edit("runtimes/onnx-http.yaml", "port: 8080", "port: 8081", by="bo")
    release.turn()
    release.turn()
    assert release.status.candidate
    release.repo.edit("runtimes/onnx-http.yaml", "port: 8081", "port: 8080", by="bo")
    release.denied = True
    settled = release.settle()
    assert (settled.stable.version, settled.candidate) == (old.version, None)


# --- a lost state


def lost(release, *, ledger=True, clusters=("eu-1", "us-1")):
    states = [row.state for name, row in fleet(FRAUD, release.status).items() if name in clusters and row.state]
    history = release.status.history if ledger else ()
    return restored(states, history, release.status.effective if ledger else {}, ())


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
    assert restored((), (), {}, ()) == ReleaseStatus()


def test_what_only_the_ledger_knows_can_still_return():
    release = running()
    found = restored((), release.status.history, release.status.effective, ())
    assert (found.stable, found.directives) == (release.status.stable, {})
    assert found.history == release.status.history
    assert set(specs_of(found)) == {"1.3.0"}


def test_a_candidate_that_was_in_flight_is_known_from_what_its_targets_were_told():
    release = running()
    edit(release)
    release.turn()
    assert release.turn().candidate.model_version == "1.4.0"
    found = lost(release)
    assert found.stable.model_version == "1.3.0"
    assert found.candidate == release.status.candidate
    assert found.phase is Phase.STEPPING
    assert found.full == {"eu-1": 2, "us-1": 2}
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
        found = restored(order, (), {}, ())
        assert found.stable.model_version == "1.4.0"
        assert set(specs_of(found)) == {"1.3.0", "1.4.0"}
    assert found.stable.closure == states[1].directive.closure


def test_a_first_release_that_never_became_stable_goes_on_where_its_targets_are():
    release = Release()
    release.turn()
    release.turn(obey=False)
    seen = {
        name: fleeting(target_state(FRAUD, name, told, release.status.effective))
        for name, told in release.status.directives.items()
    }
    before = release.status
    release.status = restored([row.state for row in seen.values()], (), {}, ())
    assert (release.status.candidate, release.status.directives) == (before.candidate, before.directives)
    assert release.settle().stable.version == before.candidate.version


def test_only_ten_versions_are_kept():
    row = running().status.history[0]
    rows = tuple(row.model_copy(update={"version": f"sha256:{number:064d}"}) for number in range(14))
    assert restored((), rows, {}, ()).history == rows[: progress.HISTORY]


def test_the_name_of_a_spec_is_the_digest_of_its_canonical_json():
    spec = unpack(next(iter(running().status.effective.values())))
    assert progress.effective_digest(spec) == sha256_of(canonical(spec.to_data()))
