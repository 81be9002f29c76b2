"""What a change waits for, over the passes of one release, with a clock that moves."""

from datetime import UTC, datetime, timedelta

import pytest
from loop_acme import FRAUD, PROD, Published, Repo
from loop_passes import Release

from reconciler.loop.facts import ReleaseFacts
from reconciler.loop.release import _again, fold, verify
from reconciler.model.state import Phase, ReleaseStatus

ENVIRONMENT = "environments/prod.yaml"
ALLOW = 'allow: [{cron: "0 9 * * 1-4", duration: 8h}]'
DENY = 'deny: [{cron: "0 0 20 12 *", duration: 21d, reason: year end}]'
OFFICE = f"{{timeZone: Europe/Berlin, {ALLOW}}}"
FROZEN = f"{{timeZone: Europe/Berlin, {DENY}}}"
BOTH = f"{{timeZone: Europe/Berlin, {ALLOW}, {DENY}}}"
FINISH = f"{{timeZone: Europe/Berlin, {ALLOW}, overrun: finish}}"
FRIDAY = datetime(2026, 12, 4, 14, tzinfo=UTC)
MONDAY = datetime(2026, 12, 7, 8, tzinfo=UTC)  # nine o'clock in Berlin
EVENING = datetime(2026, 12, 7, 16, tzinfo=UTC)  # five o'clock in Berlin
CHRISTMAS = datetime(2026, 12, 24, 12, tzinfo=UTC)


def set_windows(repo, text):
    repo.edit(ENVIRONMENT, "  rollback:", f"  windows: {text}\n  rollback:")


def release(windows=OFFICE, *, version="1.4.0", now=FRIDAY):
    """1.3.0 is Promoted; then the windows come into force and a change is merged at `now`."""
    found = Release()
    found.settle()
    set_windows(found.repo, windows)
    found.settle()
    if version:
        update(found, version)
    found.now = now
    return found


def update(found, version, old="1.3.0"):
    found.repo.edit(PROD, f"version: {old}", f"version: {version}")


def closed(found):
    return [gate.kind for gate in found.status.gates]


def started(found):
    return found.status.candidate.model_version if found.status.candidate else None


def test_merged_on_friday_it_starts_on_monday_at_nine():
    found = release()
    found.turn()
    assert closed(found) == ["Window"]
    assert found.status.gates[0].opens_at == found.judged.look_at == MONDAY
    assert started(found) is None
    found.now = MONDAY - timedelta(seconds=1)
    found.turn()
    assert started(found) is None
    found.now = MONDAY
    found.turn()
    assert closed(found) == []
    assert started(found) == "1.4.0"
    assert found.settle().stable.model_version == "1.4.0"


def test_what_runs_already_waits_for_nothing_and_is_not_held():
    found = release(version="")
    found.settle()
    assert found.status.conditions[1].status == "False"
    assert (closed(found), found.judged.look_at) == ([], None)


def test_a_window_that_ends_pauses_a_rollout_and_the_next_one_goes_on():
    found = release(now=EVENING - timedelta(seconds=20))
    found.turn()
    assert found.judged.look_at == EVENING
    found.turn()
    before = found.status
    assert started(found) == "1.4.0"
    found.now = EVENING
    for _ in range(3):
        found.turn()
    assert closed(found) == ["Window"]
    assert found.status.directives == before.directives
    assert "every size stays as it is" in found.status.message
    found.now = MONDAY + timedelta(days=1)
    assert found.settle().stable.model_version == "1.4.0"


def test_where_overrun_is_finish_a_rollout_under_way_goes_on_and_another_does_not_start():
    found = release(FINISH, now=EVENING - timedelta(seconds=20))
    found.turn()
    found.now = EVENING + timedelta(minutes=1)
    found.turn()
    assert closed(found) == []
    update(found, "1.5.0", "1.4.0")
    found.turn()
    assert closed(found) == ["Window"]
    update(found, "1.4.0", "1.5.0")
    assert found.settle().stable.model_version == "1.4.0"


def test_a_revert_returns_at_once_in_a_freeze():
    found = release(FROZEN, now=MONDAY)
    found.settle()
    assert found.status.stable.model_version == "1.4.0"
    update(found, "1.3.0", "1.4.0")
    found.now = CHRISTMAS
    found.turn()
    assert found.status.phase is Phase.ROLLING_BACK
    assert closed(found) == []
    assert found.settle().stable.model_version == "1.3.0"


def test_a_freeze_holds_a_candidate_and_a_revert_gives_it_up():
    found = release(FROZEN, now=MONDAY)
    found.turn()
    found.turn()
    assert started(found) == "1.4.0"
    found.now = CHRISTMAS
    found.turn()
    assert (closed(found), started(found)) == (["Freeze"], "1.4.0")
    assert "year end" in found.status.gates[0].message
    assert "environments/prod.yaml:" in found.status.gates[0].message
    update(found, "1.3.0", "1.4.0")
    found.turn()
    assert closed(found) == []
    assert found.settle().stable.model_version == "1.3.0"


@pytest.mark.parametrize("windows", [BOTH, FROZEN])
def test_a_freeze_holds_a_change_in_place(windows):
    found = release(windows, version="", now=CHRISTMAS)
    found.repo.edit(PROD, "min: 2", "min: 3")
    found.turn()
    assert "Freeze" in closed(found)
    assert {row.low for told in found.status.directives.values() for row in told.versions} == {2}


def test_not_before_holds_the_first_release_until_exactly_then():
    found = Release()
    found.repo.edit(PROD, "  targets:", "  schedule: {notBefore: 2026-12-07T08:00:00Z}\n  targets:")
    found.now = FRIDAY
    found.turn()
    assert closed(found) == ["Schedule"]
    assert found.status.gates[0].message.startswith("it starts Mon 7 Dec 2026 08:00 UTC (releases/prod/fraud")
    assert found.judged.look_at == MONDAY
    assert found.status.phase is Phase.PENDING
    found.now = MONDAY
    assert found.settle().stable.model_version == "1.3.0"


def test_the_next_pass_is_due_exactly_when_the_gate_opens():
    repo = Repo()
    set_windows(repo, OFFICE)
    facts = ReleaseFacts(
        key=FRAUD,
        snapshot=Published(repo).publish(),
        status=ReleaseStatus(),
        clusters={},
        stored=None,
        commit=None,
        now=FRIDAY,
    )
    assert _again(facts, fold(facts, verify(facts), ()), None) == (MONDAY - FRIDAY).total_seconds()


def test_an_unsigned_freeze_is_not_in_force_and_an_unsigned_end_of_one_neither():
    found = release(FROZEN, now=CHRISTMAS)
    found.repo.edit(ENVIRONMENT, "duration: 21d", "duration: 1d", by="")
    found.turn()
    assert closed(found) == ["Freeze"]
