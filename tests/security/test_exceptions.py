"""Rows of the security test plan about Holds, Waivers, windows and time."""

from datetime import UTC, datetime

import pytest
from loop_acme import PROD, Published, Repo
from loop_exceptions import HOLD, WAIVER, add_hold, add_waiver
from loop_passes import Release

ENVIRONMENT = "environments/prod.yaml"


def test_a_hold_removed_without_its_roles_signature_stays_in_force():
    release = Release()
    release.settle()
    add_hold(release.repo, until="")
    release.turn()
    release.repo.remove(HOLD)
    release.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    release.turn()
    assert [gate.reason for gate in release.status.gates] == ["OnHold"]
    assert release.status.candidate is None


def test_an_unsigned_change_of_a_waiver_merged_leaves_the_last_accepted_in_force():
    repo = Repo()
    add_waiver(repo)
    world = Published(repo)
    before = world.publish().governed[("Waiver", "two")]
    repo.edit(WAIVER, "policy: two-replicas", "policy: digest-pinned", by="")
    after = world.publish().governed[("Waiver", "two")]
    assert after.blob == before.blob
    assert "stays in force" in after.note


@pytest.mark.parametrize("signer", ["", "daemon", "stranger"])
def test_a_waiver_that_nobody_who_may_waive_signed_is_not_in_force(signer):
    repo = Repo()
    add_waiver(repo, by=signer)
    found = Published(repo).publish()
    assert ("Waiver", "two") in found.refused
    assert ("Waiver", "two") not in found.governed


def test_a_config_signature_of_an_environment_is_no_waiver():
    repo = Repo()
    add_waiver(repo, by="")
    repo.files[f"{WAIVER}.sig"] = repo.files[f"{ENVIRONMENT}.sig"]
    assert ("Waiver", "two") in Published(repo).publish().refused


def test_an_unsigned_end_of_a_freeze_merged_with_a_release_that_profits_from_it_is_not_in_force():
    release = Release()
    freeze = '{timeZone: UTC, deny: [{cron: "0 0 20 12 *", duration: 21d, reason: year end}]}'
    release.repo.edit(ENVIRONMENT, "  rollback:", f"  windows: {freeze}\n  rollback:")
    release.settle()
    release.repo.edit(ENVIRONMENT, f"  windows: {freeze}\n", "", by="")
    release.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    release.now = datetime(2026, 12, 24, tzinfo=UTC)
    release.turn()
    assert [gate.kind for gate in release.status.gates] == ["Freeze"]
