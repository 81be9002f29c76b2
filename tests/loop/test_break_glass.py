"""Break-glass over the passes of a release: what it opens, what it leaves closed, and where it is told."""

from datetime import timedelta

import pytest
from loop_acme import FRAUD, NOW, PROD, Published, Repo, key_of
from loop_exceptions import GLASS, add_hold, break_glass
from loop_world import Town, twin, update

from reconciler.loop.ledger_page import readme, status_file
from reconciler.loop.preview import _preview
from reconciler.loop.release import gather
from reconciler.model.state import Phase
from reconciler.plan.explain import as_data, as_markdown, as_text
from reconciler.plan.why import why

ENVIRONMENT = "environments/prod.yaml"
NOON = NOW + timedelta(hours=3)
FROZEN = '  windows: {timeZone: UTC, deny: [{cron: "0 0 1 12 *", duration: 1d, reason: cutover}]}\n'
APPROVALS = "  approvals: {rules: [{count: 2}]}\n"
ALONE = "  approvals: {rules: [{count: 2}], separate: false}\n"


def town(more="", *, signed=True):
    """1.3.0 is promoted; then `more` comes into force in prod and 1.4.0 is merged."""
    found = Town()
    found.run()
    if more:
        found.repo.edit(ENVIRONMENT, "spec:\n", f"spec:\n{more}")
    found.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0", by="bo" if signed else "")
    if not signed:
        found.repo.files.pop(f"{PROD}.sig")
    found.merge()
    found.run()
    return found


def asked(found):
    """Version and text of what the trunk asks for."""
    facts = gather(FRAUD, found.world)
    shown = _preview(FRAUD, facts, found.world)
    found.world.claims.drop(FRAUD)
    return shown.version, shown.manifest


def smash(found, *gates, **more):
    version, _ = asked(found)
    break_glass(found.repo, *gates, version=more.pop("version", version), **more)
    found.merge()
    found.run()


def served(found):
    return found.status(FRAUD).stable.model_version


GATES = {
    "Approval": (APPROVALS, None),
    "Freeze": (FROZEN, None),
    "Window": ('  windows: {timeZone: UTC, allow: [{cron: "0 0 * * 6", duration: 1h}]}\n', None),
    "Hold": ("", add_hold),
    "Schedule": (
        "",
        lambda repo: repo.edit(PROD, "  links:", "  schedule: {notBefore: 2026-12-24T09:00:00Z}\n  links:"),
    ),
    "Policy": ("", None),
    "Limit": ("", None),
    "Dependency": ("", None),
}


def arrange(kind):
    """A release that waits for one kind of gate and for nothing else."""
    more, change = GATES[kind]
    found = Town()
    other = twin(found.repo, "other")
    found.merge()
    found.run()
    if kind == "Policy":
        found.engine.denying.add("team-named")
    if kind in ("Limit", "Dependency"):
        found.lame.add(other)
        update(found.repo, other, "version: 1.3.0", "version: 1.4.0")
    if kind == "Limit":
        found.repo.edit(ENVIRONMENT, "concurrentRollouts: 2", "concurrentRollouts: 1")
    if kind == "Dependency":
        found.repo.edit(PROD, "  environment: prod\n", "  environment: prod\n  dependsOn: [{name: other}]\n")
    found.merge()
    found.run(without=frozenset({FRAUD}))
    if more:
        found.repo.edit(ENVIRONMENT, "spec:\n", f"spec:\n{more}")
    found.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    if change:
        change(found.repo)
    found.merge()
    found.run()
    return found


@pytest.mark.parametrize("kind", GATES)
def test_each_gate_that_it_names_opens_and_the_release_arrives(kind):
    found = arrange(kind)
    assert {gate.kind for gate in found.status(FRAUD).gates} == {kind}
    assert served(found) == "1.3.0"
    smash(found, kind)
    assert served(found) == "1.4.0"
    (record,) = [entry.record for entry in found.status(FRAUD).outbox if entry.record.kind == "BreakGlass"]
    assert record.detail["opened"][0]["kind"] == kind


def test_an_unsigned_text_runs_when_two_people_vouch_for_exactly_this_text():
    found = town(APPROVALS, signed=False)
    version, manifest = asked(found)
    break_glass(found.repo, "Signature", "Approval", version=version, manifest=manifest, by=("dee",))
    found.merge()
    found.run()
    assert {gate.kind for gate in found.status(FRAUD).gates} == {"Signature", "Approval"}
    break_glass(found.repo, "Signature", "Approval", version=version, manifest=manifest, by=("dee", "bo"))
    found.merge()
    found.run()
    assert served(found) == "1.4.0"
    found.repo.edit(PROD, "replicas: {min: 2, max: 6}", "replicas: {min: 2, max: 7}", by="")
    found.merge()
    found.run()
    assert {gate.kind for gate in found.status(FRAUD).gates} == {"Signature", "Approval"}
    assert found.status(FRAUD).directives["eu-1"].versions[0].high == 6


def test_what_ran_unsigned_is_not_known_good_afterwards():
    found = town(signed=False)
    version, manifest = asked(found)
    break_glass(found.repo, "Signature", version=version, manifest=manifest, by=("dee",))
    found.merge()
    found.run()
    assert served(found) == "1.4.0"
    broken = found.repo.text(PROD)
    found.repo.edit(PROD, "version: 1.4.0", "version: 1.3.1")
    found.merge()
    found.run()
    assert served(found) == "1.3.1"
    found.now = NOON
    found.repo.write(PROD, broken.encode())
    found.repo.files.pop(f"{PROD}.sig")
    found.merge()
    found.run()
    assert (served(found), found.closed(FRAUD)) == ("1.3.1", ["NotVerified"])


REFUSED = {
    "nobody signed it": {"by": ()},
    "somebody signed it who may only approve": {"by": ("cy",)},
    "somebody signed it who may only waive": {"by": ("ada",)},
    "the daemon signed it": {"by": ("daemon",)},
    "a stranger signed it": {"by": ("stranger",)},
    "its signer may not break it in one of its environments": {"environments": "prod, staging"},
    "two signed it, and neither may in all of its environments": {"environments": "prod, staging", "by": ("dee", "cy")},
    "who released it signed it alone": {"by": ("bo",)},
    "it is of another version": {"version": "sha256:" + "0" * 64},
    "it is over": {"expires": "2026-12-01T08:00:00Z"},
}


@pytest.mark.parametrize("more", REFUSED.values(), ids=REFUSED)
def test_it_opens_nothing_when(more):
    found = town(APPROVALS)
    smash(found, "Approval", **more)
    assert served(found) == "1.3.0"
    assert found.closed(FRAUD) == ["ApprovalsMissing"]
    assert "BreakGlass" not in found.records(FRAUD)


def test_it_is_said_why_it_does_not_count():
    found = town(APPROVALS)
    smash(found, "Approval", by=("bo",))
    trusted = next(row for row in found.status(FRAUD).conditions if row.type == "ConfigTrusted")
    assert trusted.message.endswith(
        "waivers/glass.yaml does not count: bo signed the release too, and approvals are separate in prod"
    )


@pytest.mark.parametrize("more", [ALONE, FROZEN], ids=["approvals are not separate", "nobody is asked"])
def test_one_person_may_do_both_where(more):
    found = town(more)
    smash(found, "Approval", "Freeze", by=("bo",))
    assert served(found) == "1.4.0"


def test_a_gate_that_it_does_not_name_stays_closed():
    found = town(APPROVALS + FROZEN)
    smash(found, "Approval")
    assert [gate.kind for gate in found.status(FRAUD).gates] == ["Freeze"]
    assert [row.kind for row in found.status(FRAUD).opened] == ["Approval"]
    assert served(found) == "1.3.0"


def test_nothing_opens_the_gate_of_a_document_a_reference_a_configuration_or_a_removal():
    found = town()
    everything = ("Signature", "Approval", "Policy", "Hold", "Window", "Freeze", "Schedule", "Limit", "Dependency")
    found.repo.edit(PROD, "namespace: fraud", "namespace: llm")
    found.merge()
    found.run()
    version, manifest = asked(found)
    break_glass(found.repo, *everything, version=version, manifest=manifest)
    found.merge()
    found.run()
    assert any(row.type == "BreakGlass" for row in found.status(FRAUD).conditions)
    assert found.closed(FRAUD) == ["NamespaceChanged"]


def test_in_its_last_second_it_starts_a_rollout_and_at_its_end_that_pauses():
    found = town(APPROVALS)
    found.now = NOON - timedelta(seconds=1)
    found.lame.add(FRAUD)
    version, _ = asked(found)
    break_glass(found.repo, "Approval", version=version)
    found.merge()
    found.turn(FRAUD)
    assert found.starting(FRAUD) == "1.4.0"
    told = found.status(FRAUD).directives
    found.now = NOON
    found.lame.clear()
    found.turn(FRAUD)
    assert found.closed(FRAUD) == ["ApprovalsMissing"]
    assert found.status(FRAUD).directives == told
    assert found.status(FRAUD).opened == ()
    update(found.repo, FRAUD, "version: 1.4.0", "version: 1.3.0")
    found.merge()
    found.run()
    assert (found.status(FRAUD).phase, served(found)) == (Phase.PROMOTED, "1.3.0")


def test_without_its_file_it_is_over_and_a_changed_text_leaves_the_signed_one():
    found = town(FROZEN)
    found.lame.add(FRAUD)
    smash(found, "Freeze")
    assert found.starting(FRAUD) == "1.4.0"
    found.repo.edit(GLASS, "12:00:00Z", "23:00:00Z", by="")
    found.merge()
    found.turn(FRAUD)
    assert [row.expires for row in found.status(FRAUD).opened] == [NOON]
    found.repo.remove(GLASS)
    found.merge()
    found.turn(FRAUD)
    assert found.closed(FRAUD) == ["Frozen"]


# --- loud everywhere

SENTENCE = (
    "OPENED BY BREAK-GLASS waivers/glass.yaml, signed by dee, until 2026-12-01T12:00:00Z: incident 4711 "
    "(it said: environment prod is frozen"
)


def smashed():
    """A release that was frozen starts; its targets do not act, so that it stays on its way."""
    found = town(FROZEN)
    found.lame.add(FRAUD)
    smash(found, "Freeze")
    return found


def test_it_is_a_condition_an_event_and_one_record():
    found = smashed()
    status = found.status(FRAUD)
    row = next(row for row in status.conditions if row.type == "BreakGlass")
    assert (row.status, row.reason) == ("True", "GlassBroken")
    assert row.message == (
        "break-glass waivers/glass.yaml, signed by dee, opens Freeze until 2026-12-01T12:00:00Z: incident 4711"
    )
    assert ("fraud-detector", True, "BreakGlass") in found.events
    (record,) = [entry.record for entry in status.outbox if entry.record.kind == "BreakGlass"]
    assert record.message.startswith(f"Freeze: {SENTENCE}")
    assert (record.version, record.name) == (status.candidate.version, "fraud-detector")
    assert record.detail["opened"][0] | {"said": ""} == {
        "kind": "Freeze", "reason": "Frozen", "said": "", "path": GLASS, "why": "incident 4711", "signers": ["dee"],
        "expires": "2026-12-01T12:00:00Z",
    }  # fmt: skip


def test_it_is_in_what_people_ask_and_what_is_written_for_them():
    found = smashed()
    state = found.home.release(FRAUD).value
    assert "; BREAK-GLASS: break-glass waivers/glass.yaml, signed by dee" in why(state, None).sentence
    page = readme("acme", [state], []).decode()
    assert "## Break-glass in force" in page
    assert "| prod/fraud-detector | break-glass waivers/glass.yaml" in page
    assert b'"opened": [\n' in status_file(state, 7)


def test_it_is_in_the_plan():
    found = town(FROZEN)
    version, _ = asked(found)
    break_glass(found.repo, "Freeze", version=version)
    found.source.snapshot = found.published.publish()
    shown = _preview(FRAUD, gather(FRAUD, found.world), found.world)
    assert f"  ! Freeze: {SENTENCE}" in as_text([shown])
    assert "- ! **Freeze** `fraud-detector`: OPENED BY BREAK-GLASS" in as_markdown([shown])
    assert as_data([shown])[0]["version"] == version


def test_a_closed_gate_in_the_plan_comes_with_what_a_break_glass_would_name():
    found = town(FROZEN)
    version, manifest = asked(found)
    shown = _preview(FRAUD, gather(FRAUD, found.world), found.world)
    assert f"  version  {version}\n  manifest {manifest}\n" in as_text([shown])


def test_one_that_is_not_needed_any_more_is_still_told_until_it_ends():
    found = town(FROZEN)
    smash(found, "Freeze")
    assert served(found) == "1.4.0"
    row = next(row for row in found.status(FRAUD).conditions if row.type == "BreakGlass")
    assert (row.reason, "may open Freeze" in row.message) == ("GlassArmed", True)
    found.now = NOON
    found.turn(FRAUD)
    assert not [row for row in found.status(FRAUD).conditions if row.type == "BreakGlass"]
    assert found.records(FRAUD).count("BreakGlass") == 1


def test_who_signed_it_is_remembered_when_the_daemon_starts_again():
    repo = Repo()
    version = "sha256:" + "0" * 64
    break_glass(repo, "Approval", version=version, by=("bo", "dee"))
    world = Published(repo)
    world.publish()
    again = Published(repo, accepted=world.accepted)
    assert again.publish().governed["Waiver", "glass"].signers == ("bo", "dee")
    assert key_of("prod", "fraud-detector") == FRAUD
