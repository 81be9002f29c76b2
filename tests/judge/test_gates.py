"""The engine's own gates: closed until somebody vouches, each with one sentence for a person."""

import pytest

from reconciler.errors import Problem
from reconciler.judge.gates import invalid_gate, signature_gate
from reconciler.model.record import SignatureFact
from reconciler.model.verification import Verification

PATH = "releases/prod/fraud-detector.yaml"
BO = SignatureFact(person="bo", key="SHA256:Q1", use="release")
SIGNED = Verification(threshold=1, signed=(BO,))
UNSIGNED = Verification(threshold=1, unsigned=(f"{PATH}.sig is missing",))
HALF = Verification(threshold=2, signed=(BO,), unsigned=("the signature of eve is by a key that nobody trusts",))


@pytest.mark.parametrize(
    ("gate", "is_open", "reason", "message"),
    [
        (signature_gate(PATH, SIGNED), True, "Verified", f"{PATH} is signed by bo (SHA256:Q1)"),
        (
            signature_gate(PATH, UNSIGNED),
            False,
            "NotVerified",
            (
                f"{PATH} is not verified: {PATH}.sig is missing; "
                f"somebody who may release it runs: reconciler sign {PATH}"
            ),
        ),
        (
            signature_gate(PATH, HALF),
            False,
            "NotVerified",
            (
                f"{PATH} is not verified: 1 of 2 people signed; signed by bo (SHA256:Q1); "
                "the signature of eve is by a key that nobody trusts; "
                f"somebody who may release it runs: reconciler sign {PATH}"
            ),
        ),
        (
            signature_gate(PATH, Verification(threshold=2)),
            False,
            "NotVerified",
            (f"{PATH} is not verified: 0 of 2 people signed; somebody who may release it runs: reconciler sign {PATH}"),
        ),
    ],
)
def test_a_gate_says_what_is_missing_and_who_opens_it(gate, is_open, reason, message):
    assert (gate.open, gate.reason, gate.message) == (is_open, reason, message)
    assert "\n" not in gate.message


def test_a_reference_gate_has_every_problem_with_its_place_and_stops_at_five():
    problems = [Problem(path="a.yaml", line=n, column=1, field="spec.x", message=f"wrong {n}") for n in (3, 1, 2)]
    assert invalid_gate(problems).message == (
        "a.yaml:1:1: spec.x: wrong 1; a.yaml:2:1: spec.x: wrong 2; a.yaml:3:1: spec.x: wrong 3"
    )
    many = [Problem(path="a.yaml", line=n, column=1, field="", message="w") for n in range(1, 9)]
    assert invalid_gate(many).message.endswith("a.yaml:5:1: w (and 3 more)")
    assert (invalid_gate(many).open, invalid_gate(many).reason) == (False, "Invalid")
    assert invalid_gate([]).open
