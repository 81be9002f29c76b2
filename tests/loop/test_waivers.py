"""Waivers: whose no becomes a skip, for whom and until when; and that nothing but a policy is waived."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from loop_acme import FRAUD, NOW, PROD, Published, Repo
from loop_exceptions import WAIVER, add_waiver

from reconciler.edges.cel.engine import CelEngine
from reconciler.loop.bundle import shipped_policies
from reconciler.loop.facts import ReleaseFacts
from reconciler.loop.release import judge, verify
from reconciler.loop.standing import stand
from reconciler.loop.waiting import waived
from reconciler.model.policy import PolicyResult, PolicyVerdict
from reconciler.model.state import ReleaseStatus
from reconciler.render.target import render

NOON = NOW + timedelta(hours=3)
DENIES = PolicyVerdict(name="two-replicas", source="builtin:strict", result=PolicyResult.FAIL, message="only one")
ERROR = DENIES.model_copy(update={"result": PolicyResult.ERROR})
OTHER = DENIES.model_copy(update={"name": "owner-named"})
WARNS = DENIES.model_copy(update={"result": PolicyResult.WARN})


def judged(repo, *verdicts, now=NOW, world=None):
    snapshot = (world or Published(repo)).publish()
    standing = stand(FRAUD, snapshot, (), first_seen=NOW, now=now)
    return waived(standing, snapshot, verdicts or (DENIES,), now), standing, snapshot


def results(found):
    return [row.result for row in found.verdicts]


def version():
    standing = stand(FRAUD, Published(Repo()).publish(), (), first_seen=NOW, now=NOW)
    return standing.resolved.effective.version


def nothing(_repo):
    pass


ROWS = {
    "nobody waived anything": (nothing, NOW, "fail"),
    "signed by somebody who may waive there": (add_waiver, NOW, "skip"),
    "in its last second": (add_waiver, NOON - timedelta(seconds=1), "skip"),
    "it has ended": (add_waiver, NOON, "fail"),
    "not signed": (lambda repo: add_waiver(repo, by=""), NOW, "fail"),
    "signed by the daemon": (lambda repo: add_waiver(repo, by="daemon"), NOW, "fail"),
    "signed by a stranger": (lambda repo: add_waiver(repo, by="stranger"), NOW, "fail"),
    "its signer may not waive in one of its environments": (
        lambda repo: add_waiver(repo, environments="prod, staging"), NOW, "fail",
    ),
    "for another environment": (lambda repo: add_waiver(repo, environments="staging", by="bo"), NOW, "fail"),
    "for another policy": (lambda repo: add_waiver(repo, policy="owner-named"), NOW, "fail"),
    "for this version": (lambda repo: add_waiver(repo, version=version()), NOW, "skip"),
    "for another version": (lambda repo: add_waiver(repo, version="sha256:" + "0" * 64), NOW, "fail"),
    "signed by the signer of the release": (lambda repo: add_waiver(repo, by="bo"), NOW, "fail"),
}  # fmt: skip


@pytest.mark.parametrize(("arrange", "now", "result"), ROWS.values(), ids=ROWS)
def test_a_denied_release_with_a_waiver(arrange, now, result):
    repo = Repo()
    arrange(repo)
    assert results(judged(repo, now=now)[0]) == [result]


def test_the_skip_names_the_waiver_its_reason_its_end_and_what_the_policy_said():
    repo = Repo()
    add_waiver(repo)
    found, _, _ = judged(repo)
    (row,) = found.verdicts
    assert row.reason == "Waived"
    assert row.message == (
        "waived by waivers/two.yaml until 2026-12-01T12:00:00Z: one pod is enough this week (it said: only one)"
    )
    assert found.ends_at == NOON


def test_an_error_is_waived_too_and_a_warning_and_another_policy_are_left_alone():
    repo = Repo()
    add_waiver(repo)
    found, _, _ = judged(repo, ERROR, OTHER, WARNS)
    assert results(found) == ["skip", "fail", "warn"]


def test_it_is_said_why_a_waiver_of_the_releases_own_signer_does_not_count():
    repo = Repo()
    add_waiver(repo, by="bo")
    found, _, _ = judged(repo)
    assert found.notes == ("waivers/two.yaml does not count: bo signed both the waiver and the release",)


def test_a_waiver_opens_no_gate_of_the_engine():
    repo = Repo()
    add_waiver(repo)
    repo.files.pop(f"{PROD}.sig")
    _, standing, _ = judged(repo)
    assert [gate.kind for gate in standing.gates if not gate.open] == ["Signature"]


def test_an_unsigned_waiver_is_named_where_it_matters():
    repo = Repo()
    add_waiver(repo, by="")
    _, standing, snapshot = judged(repo)
    assert ("Waiver", "two") in snapshot.refused
    assert any("waivers/two.yaml" in note for note in standing.notes)


def test_deleting_a_waiver_needs_no_signature():
    repo = Repo()
    add_waiver(repo)
    world = Published(repo)
    assert results(judged(repo, world=world)[0]) == ["skip"]
    repo.remove(WAIVER)
    assert results(judged(repo, world=world)[0]) == ["fail"]
    assert WAIVER not in world.accepted


def test_an_unsigned_change_of_a_waiver_leaves_the_accepted_one_in_force():
    repo = Repo()
    add_waiver(repo)
    world = Published(repo)
    world.publish()
    repo.edit(WAIVER, "2026-12-01T12:00:00Z", "2027-12-01T12:00:00Z", by="")
    found, _, snapshot = judged(repo, world=world)
    assert found.ends_at == NOON
    assert "stays in force" in snapshot.governed[("Waiver", "two")].note
    assert snapshot.governed[("Waiver", "two")].signers == ("ada",)


def test_its_signer_is_remembered_when_the_release_comes_later():
    repo = Repo()
    add_waiver(repo, by="bo")
    world = Published(repo)
    world.publish()
    repo.remove(f"{WAIVER}.sig")  # the text was accepted; who signed it is still known
    again = Published(repo, accepted=world.accepted)
    assert results(judged(repo, world=again)[0]) == ["fail"]


@dataclass
class Bench:
    """All that judging needs of a world: the shipped policies, and the engine that evaluates them."""

    engine: CelEngine
    bundle: tuple = field(default_factory=shipped_policies)

    def verdicts(self, questions):
        return tuple(self.engine.ask(questions))

    def rendering(self, key, directive, effective):
        return render(directive, effective, key=key)


@pytest.fixture(scope="module")
def bench():
    with CelEngine() as engine:
        yield Bench(engine)


NEVER = b"""\
apiVersion: reconciler.dev/v1alpha1
kind: Policy
metadata: {name: never}
spec: {validations: [{expression: "false", message: never}]}
"""


@pytest.mark.parametrize(("by", "closed"), [("ada", []), ("bo", ["PolicyDenied"]), ("", ["PolicyDenied"])])
def test_a_pass_that_asks_the_engine_counts_the_waiver(by, closed, bench):
    repo = Repo()
    repo.write("policies/never.yaml", NEVER)
    repo.sign("policies/never.yaml")
    add_waiver(repo, policy="never", by=by)
    facts = ReleaseFacts(
        key=FRAUD, snapshot=Published(repo).publish(), status=ReleaseStatus(), clusters={}, stored=None, commit=None,
        now=NOW,
    )  # fmt: skip
    found = judge(facts, verify(facts), bench)
    assert [gate.reason for gate in found.gates if not gate.open] == closed
    assert found.look_at == (None if closed else NOON)
    assert [row.result for row in found.verdicts if row.name == "never"] == ["fail" if closed else "skip"]
