"""Passes over one release: what a closed gate stops, however many passes there are, and what returns at once.

Not one pass (that is `test_progress` and `test_standing`): what one pass writes, the next one reads.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_acme import PROD, specs_of
from loop_passes import Release

from reconciler.model.state import Phase


def edit(release, old="1.3.0", new="1.4.0", *, by="bo"):
    release.repo.edit(PROD, f"version: {old}", f"version: {new}", by=by)


def running(**more) -> Release:
    release = Release(**more)
    release.settle()
    return release


# --- journeys over passes: the closed gate


def test_a_first_release_is_told_to_every_cluster_and_promoted():
    release = running()
    assert (release.status.phase, release.status.stable.model_version) == (Phase.PROMOTED, "1.3.0")
    assert set(release.status.directives) == {"eu-1", "us-1"}
    assert [row.model_version for row in release.status.history] == ["1.3.0"]
    assert set(specs_of(release.status)) == {"1.3.0"}


def unsigned(release):
    edit(release, by="")


def by_the_wrong_person(release):
    edit(release, by="ada")


def denied(release):
    edit(release)
    release.denied = True


def does_not_resolve(release):
    release.repo.edit(PROD, "runtime: onnx-http", "runtime: nothing")


def does_not_parse(release):
    release.repo.write(PROD, (release.repo.text(PROD) + "\n  : [").encode())


def gone(release):
    release.repo.remove(PROD)


def change_in_place(release):
    release.repo.edit(PROD, "max: 6", "max: 5", by="")


def environment_doubled(release):
    release.repo.write("again.yaml", release.repo.text(PROD).encode())


CLOSED = [
    unsigned,
    by_the_wrong_person,
    denied,
    does_not_resolve,
    does_not_parse,
    gone,
    change_in_place,
    environment_doubled,
]


@pytest.mark.parametrize("close", CLOSED)
def test_while_a_gate_is_closed_the_directives_stay_however_many_passes_there_are(close):
    """What one pass must not act on, the next must not find among what was accepted."""
    release = running()
    before = release.status
    close(release)
    for _ in range(3):
        after = release.turn()
        assert after.directives == before.directives
        assert after.effective == before.effective
        assert after.stable == before.stable
        assert after.candidate is None
        assert after.history == before.history
        assert after.gates
    assert release.settle().directives == before.directives


@pytest.mark.parametrize("close", CLOSED)
def test_a_gate_that_was_closed_before_anything_ran_lets_nothing_run(close):
    release = Release()
    close(release)
    for _ in range(3):
        after = release.turn()
        assert (after.directives, after.effective, after.stable, after.candidate) == ({}, {}, None, None)
    assert after.phase is Phase.PENDING


@pytest.mark.parametrize("close", [unsigned, denied, does_not_resolve, gone])
def test_a_gate_that_closes_on_a_candidate_in_flight_stops_it_where_it_is(close):
    release = running()
    edit(release)
    release.turn()
    release.turn()
    flying = release.status
    assert flying.candidate.model_version == "1.4.0"
    if close is unsigned:
        edit(release, "1.4.0", "1.5.0", by="")
    elif close is denied:
        release.denied = True
    else:
        close(release)
    for _ in range(3):
        after = release.turn()
        assert after.directives == flying.directives
        assert (after.candidate, after.stable) == (flying.candidate, flying.stable)
        assert set(specs_of(after)) == {"1.3.0", "1.4.0"}


def test_when_the_gate_opens_it_goes_on():
    release = running()
    unsigned(release)
    release.turn()
    release.turn()
    release.repo.sign(PROD)
    assert release.settle().stable.model_version == "1.4.0"
    assert release.status.gates == ()


def test_a_revert_returns_the_recorded_version_although_a_policy_says_no():
    release = running()
    edit(release)
    release.settle()
    edit(release, "1.4.0", "1.3.0")
    release.denied = True
    release.turn()
    assert release.status.phase is Phase.ROLLING_BACK
    after = release.settle()
    assert after.stable.model_version == "1.3.0"
    assert release.status.candidate is None


def test_a_revert_whose_signature_is_gone_returns_nothing():
    release = running()
    edit(release)
    release.settle()
    before = release.status.directives
    edit(release, "1.4.0", "1.3.0", by="")
    release.repo.files.pop(f"{PROD}.sig")
    for _ in range(3):
        release.turn()
    assert release.status.directives == before


STEPS = st.one_of(
    st.tuples(st.just("text"), st.sampled_from(["1.3.0", "1.4.0", "1.5.0"]), st.sampled_from(["bo", "ada", ""])),
    st.tuples(st.just("policy"), st.booleans(), st.none()),
    st.tuples(st.just("turn"), st.booleans(), st.none()),
    st.tuples(st.sampled_from(["gone", "broken"]), st.none(), st.none()),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_no_directive_ever_names_a_version_whose_gates_never_opened(steps):
    release, accepted = Release(), set()
    text = release.repo.text(PROD)
    for step, value, by in steps:
        if step == "text":
            release.repo.remove(PROD)
            release.repo.write(PROD, text.replace("version: 1.3.0", f"version: {value}").encode())
            if by:
                release.repo.sign(PROD, by)
        elif step == "policy":
            release.denied = value
        elif step == "gone":
            release.repo.remove(PROD)
        elif step == "broken":
            release.repo.write(PROD, b"apiVersion: reconciler.dev/v1alpha1\nkind: ModelRelease\n")
        release.turn(obey=step != "turn" or value)
        judged = release.judged
        if judged.standing.resolved and judged.open:
            accepted.add(judged.standing.resolved.effective.version)
        assert release.told() <= accepted
        named = {entry.version for told in release.status.directives.values() for entry in told.versions}
        assert named <= set(release.status.effective) <= accepted  # all that is named can be rendered


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_sequences_grow_exactly_when_what_is_told_changes(steps):
    release = running()
    text = release.repo.text(PROD)
    for step, value, by in steps:
        before = release.status.directives
        if step == "text":
            release.repo.write(PROD, text.replace("version: 1.3.0", f"version: {value}").encode())
            if by:
                release.repo.sign(PROD, by)
        elif step == "policy":
            release.denied = value
        release.turn(obey=step != "turn" or value)
        for name, told in release.status.directives.items():
            old = before[name]
            moved = old.versions != told.versions
            assert told.sequence == old.sequence + moved
            assert moved or told == old
