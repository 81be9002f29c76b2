"""Break-glass: which gates it opens, for whom, until when, and who may not break it alone."""

from datetime import timedelta
from typing import get_args

import pytest
from policy_samples import DIGEST, NOW
from pydantic import ValidationError

from reconciler.judge.exceptions import InForce
from reconciler.judge.glass import About, break_glass
from reconciler.model.hold import GlassGate, Waiver
from reconciler.model.ids import ReleaseKey
from reconciler.model.plan import Gate

KEY = ReleaseKey(repository="r", environment="prod", name="fraud")
OTHER = "sha256:" + "b" * 64
NOON = NOW + timedelta(hours=3)
NEVER = ("Document", "Reference", "Config", "Removal", "Cluster")


def waiver(**spec):
    data = {
        "selector": {"names": ["fraud"], "environments": ["prod"]}, "reason": "4711",
        "expires": "2026-12-01T12:00:00Z", "breakGlass": ["Approval"], "version": DIGEST, **spec,
    }  # fmt: skip
    return Waiver.from_data({
        "apiVersion": "reconciler.dev/v1alpha1", "kind": "Waiver", "metadata": {"name": "w"},
        "spec": {key: value for key, value in data.items() if value is not None},
    })  # fmt: skip


def gate(kind="Approval", *, opens=False):
    return Gate(kind=kind, open=opens, reason="Closed", message=f"{kind} says no")


def about(**more):
    return About(**{
        "key": KEY, "version": DIGEST, "manifest": DIGEST, "released_by": frozenset({"bo"}), "separate": False, **more
    })  # fmt: skip


def broken(found, *gates, by=("cy",), now=NOW, **more):
    row = (found, InForce(path="waivers/w.yaml", signers=frozenset(by)))
    return break_glass(about(**more), gates or (gate(),), {"w": row}, now)


ROWS = {
    "it names the gate, the version and the release": (waiver(), {}, True),
    "in its last second": (waiver(), {"now": NOON - timedelta(seconds=1)}, True),
    "it has ended": (waiver(), {"now": NOON}, False),
    "another version": (waiver(version=OTHER), {}, False),
    "another release": (waiver(selector={"names": ["chat"], "environments": ["prod"]}), {}, False),
    "another environment": (waiver(selector={"names": ["fraud"], "environments": ["staging"]}), {}, False),
    "another kind of gate": (waiver(breakGlass=["Freeze"]), {}, False),
    "several kinds": (waiver(breakGlass=["Freeze", "Approval"]), {}, True),
    "this text": (waiver(manifest=DIGEST), {}, True),
    "another text": (waiver(manifest=OTHER), {}, False),
    "a waiver of a policy": (waiver(breakGlass=None, policy="approval"), {}, False),
}


@pytest.mark.parametrize(("found", "more", "opens"), ROWS.values(), ids=ROWS)
def test_a_missing_approval_with_a_break_glass(found, more, opens):
    assert [row.open for row in broken(found, **more).gates] == [opens]


WHO = {
    "somebody else": ({"by": ("cy",)}, True),
    "who released it": ({"by": ("bo",)}, False),
    "who released it and somebody else": ({"by": ("bo", "cy")}, True),
    "one person, where nobody's signature counts": ({"by": ("cy",), "released_by": frozenset()}, False),
    "two people, where nobody's signature counts": ({"by": ("cy", "dee"), "released_by": frozenset()}, True),
    "two who both released it": ({"by": ("bo", "cy"), "released_by": frozenset({"bo", "cy"})}, False),
    "nobody": ({"by": ()}, False),
}


@pytest.mark.parametrize(("who", "opens"), WHO.values(), ids=WHO)
def test_where_approvals_are_separate_it_is_signed_by(who, opens):
    found = broken(waiver(), separate=True, **who)
    assert [row.open for row in found.gates] == [opens]
    assert bool(found.notes) != opens


def test_where_they_are_not_one_person_may_do_both():
    assert broken(waiver(), by=("bo",)).gates[0].open


@pytest.mark.parametrize("kind", get_args(GlassGate))
def test_each_kind_that_can_be_named_is_opened_when_it_is_and_stays_closed_when_it_is_not(kind):
    named = waiver(breakGlass=[kind], manifest=DIGEST)
    rows = broken(named, *(gate(each) for each in (*get_args(GlassGate), *NEVER))).gates
    assert [row.kind for row in rows if row.open] == [kind]


@pytest.mark.parametrize("kind", [*NEVER, "Approvals", "*"])
def test_no_other_kind_can_be_named(kind):
    with pytest.raises(ValidationError):
        waiver(breakGlass=[kind])


INCOMPLETE = {
    "neither": ({"breakGlass": None}, "exactly one of policy and breakGlass"),
    "both": ({"policy": "two-replicas"}, "exactly one of policy and breakGlass"),
    "no version": ({"version": None}, "a breakGlass is of one version"),
    "Signature without a text": ({"breakGlass": ["Signature"]}, "name its sha256 in manifest"),
    "a policy with a text": (
        {"breakGlass": None, "policy": "x", "manifest": DIGEST},
        "manifest belongs to a breakGlass",
    ),
    "no kind": ({"breakGlass": []}, "at least 1"),
    "no end": ({"expires": None}, "Field required"),
}


@pytest.mark.parametrize(("spec", "said"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_a_break_glass_that_says_too_little_or_too_much_is_refused(spec, said):
    with pytest.raises(ValidationError, match=said):
        waiver(**spec)


def test_an_opened_gate_says_by_what_why_by_whom_until_when_and_what_it_said():
    found = broken(waiver(), gate(), gate("Policy"), gate("Window", opens=True))
    (opened,) = found.opened
    assert found.gates[0] == Gate(kind="Approval", open=True, reason="BreakGlass", message=opened.sentence)
    assert opened.sentence == (
        "OPENED BY BREAK-GLASS waivers/w.yaml, signed by cy, until 2026-12-01T12:00:00Z: 4711 "
        "(it said: Approval says no)"
    )
    assert [row.kind for row in found.gates if not row.open] == ["Policy"]
    assert found.ends_at == NOON
    assert found.told == ("break-glass waivers/w.yaml, signed by cy, opens Approval until 2026-12-01T12:00:00Z: 4711",)


def test_one_that_opens_nothing_at_the_moment_is_told_as_well():
    found = broken(waiver(breakGlass=["Approval", "Freeze"]), gate("Policy"))
    assert (found.opened, found.ends_at) == ((), NOON)
    assert "may open Approval, Freeze until" in found.told[0]
