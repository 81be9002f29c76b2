"""The engine's own gates: closed until somebody vouches, each with one sentence for a person."""

import pytest

from reconciler.errors import Problem
from reconciler.judge.gates import closed, config_gate, invalid_gate, removal_gate, signature_gate
from reconciler.model.ids import EnvironmentName, ReleaseKey, ReleaseName, RepositoryName
from reconciler.model.record import SignatureFact
from reconciler.model.verification import Verification

PATH = "releases/prod/fraud-detector.yaml"
BO = SignatureFact(person="bo", key="SHA256:Q1", use="release")
SIGNED = Verification(threshold=1, signed=(BO,))
UNSIGNED = Verification(threshold=1, unsigned=(f"{PATH}.sig is missing",))
HALF = Verification(threshold=2, signed=(BO,), unsigned=("the signature of eve is by a key that nobody trusts",))
KEY = ReleaseKey(
    repository=RepositoryName("github.com/acme/models"),
    environment=EnvironmentName("prod"),
    name=ReleaseName("fraud-detector"),
)
REMOVAL = "removals/prod/fraud-detector.sig"


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
            (
                f"{PATH} is not verified: 0 of 2 people signed; "
                f"somebody who may release it runs: reconciler sign {PATH}"
            ),
        ),
        (
            config_gate("Environment", "prod", "environments/prod.yaml", SIGNED, accepted=False),
            True,
            "Verified",
            "environments/prod.yaml is signed by bo (SHA256:Q1)",
        ),
        (
            config_gate("Environment", "prod", "environments/prod.yaml", Verification(threshold=1), accepted=True),
            True,
            "ConfigNotTrusted",
            (
                "the change of Environment prod in environments/prod.yaml is not trusted, so its last accepted text "
                "stays in force; somebody who may configure it runs: reconciler sign environments/prod.yaml"
            ),
        ),
        (
            config_gate("Policy", "p", "policies/p.yaml", UNSIGNED, accepted=False),
            False,
            "ConfigNotTrusted",
            (
                f"Policy p in policies/p.yaml is not trusted ({PATH}.sig is missing) and never was, so what refers to "
                "it is held; somebody who may configure it runs: reconciler sign policies/p.yaml"
            ),
        ),
        (
            removal_gate(KEY, SIGNED, signature=REMOVAL),
            True,
            "Verified",
            "the removal is signed by bo (SHA256:Q1)",
        ),
        (
            removal_gate(KEY, Verification(threshold=1), signature=REMOVAL, last_path=PATH),
            False,
            "RemovalNotSigned",
            (
                f"{PATH} of prod/fraud-detector is gone from the trunk without a removal, so it is still served; "
                f"somebody who may remove it signs {REMOVAL}"
            ),
        ),
        (
            removal_gate(KEY, UNSIGNED, signature="removals/prod/fraud-detector@eu.sig", cluster="eu"),
            False,
            "RemovalNotSigned",
            (
                f"prod/fraud-detector no longer selects cluster eu without a removal ({PATH}.sig is missing), so it is "
                "still served; somebody who may remove it signs removals/prod/fraud-detector@eu.sig"
            ),
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


def test_only_closed_gates_hold():
    shut, ajar = signature_gate(PATH, UNSIGNED), signature_gate(PATH, SIGNED)
    assert closed([ajar, shut, ajar]) == (shut,)
