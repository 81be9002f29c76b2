"""State objects: what is kept on clusters reads back, and conditions move only when they say something else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.digest import sha256_of
from reconciler.documents.resolve import resolve, runtimes_of
from reconciler.documents.schema import parse
from reconciler.errors import Misused
from reconciler.model.cluster import Cluster
from reconciler.model.plan import Condition, Gate, condition
from reconciler.model.record import OutboxEntry, Record, SignatureFact
from reconciler.model.repository import AcceptedDocument, RepositoryState, RepositoryStatus
from reconciler.model.state import (
    Directive,
    InventoryEntry,
    Phase,
    Promotion,
    PruneMark,
    ReleaseRef,
    ReleaseState,
    ReleaseStatus,
    Role,
    TargetState,
    TargetStatus,
    VersionDirective,
    VersionHealth,
    VersionRef,
    canonical,
    pack,
    unpack,
)
from reconciler.model.verification import Verification

SAMPLE = Path(__file__).parents[2] / "sample-repo"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
REVISION = "1" * 40
REF = ReleaseRef(repository="github.com/acme/models", environment="prod", name="fraud-detector")


def document(path):
    return parse(path, (SAMPLE / path).read_bytes())


def effective(name):
    path = f"releases/prod/{name}.yaml"
    clusters = {name: document(f"clusters/{name}.yaml").as_(Cluster) for name in ("eu-1", "us-1")}
    return resolve(
        document(path),
        {"prod": document("environments/prod.yaml")},
        runtimes_of((), [document("runtimes/onnx-http.yaml")]),
        clusters,
        manifest_sha256=A,
        repository=REF.repository,
        renderer=1,
    ).effective


FRAUD = effective("fraud-detector")
ENTRY = VersionDirective(version=A, role=Role.STABLE, low=2, high=6, effective=B)
TOLD = Directive(sequence=3, revision=REVISION, closure=A, versions=(ENTRY,), self_heal=False)
VERSION = VersionRef(version=A, model_version="1.3.0", manifest=B, closure=A)
RECORD = Record(time=NOW, kind="Held", repository=REF.repository, message="x", detail={"a": [1, None]})
STATES = [
    ReleaseState(release=REF),
    ReleaseState(
        release=REF,
        status=ReleaseStatus(
            revision=REVISION,
            closure=A,
            manifest=B,
            first_seen=NOW,
            model_version="1.3.0",
            phase=Phase.STEPPING,
            since=NOW,
            stable=VERSION,
            candidate=VERSION,
            directives={"eu-1": TOLD},
            effective={A: pack(FRAUD)},
            gates=(Gate(kind="Signature", open=False, reason="NotVerified", message="x", opens_at=NOW),),
            history=(Promotion(**VERSION.model_dump(), revision=REVISION, at=NOW, keys=("k",)),),
            full={"eu-1": 3},
            outbox=(OutboxEntry(record=RECORD, blobs={"p": "b"}),),
            message="m",
            conditions=(Condition(type="Ready", status="True", reason="Promoted", since=NOW),),
        ),
    ),
    TargetState(
        release=REF,
        cluster="eu-1",
        home="uid",
        directive=TOLD,
        effective={A: pack(FRAUD)},
        status=TargetStatus(
            sequence=2,
            serving="1.3.0",
            drifted=("Service n/s",),
            inventory=(
                InventoryEntry(api="v1", kind="Service", namespace="n", name="s", tier=3, rendered=A, live="l"),
            ),
            marks=(PruneMark(group="apps", api="v1", kind="Deployment", namespace="n", name="d", sequence=1),),
            versions={A: VersionHealth(replicas=1, ready=1, wanted=1, healthy=True)},
        ),
    ),
    RepositoryState(
        repository=REF.repository,
        branch="main",
        status=RepositoryStatus(
            revision=REVISION,
            ledger=REVISION,
            sequence=4,
            accepted={"e.yaml": AcceptedDocument(kind="Environment", name="prod", blob=REVISION, sha256=A)},
        ),
    ),
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
def test_a_state_reads_back(state):
    assert type(state).from_data(state.to_data()) == state
    assert type(state).from_data(state.to_full_data()) == state
    assert canonical(state.to_data()) == canonical(type(state).from_data(state.to_data()).to_data())


def test_states_know_whose_they_are():
    assert {str(state.key) for state in STATES[:3]} == {"prod/fraud-detector"}
    assert STATES[2].status.inventory[0].ref.kind == "Service"
    assert STATES[2].status.marks[0].ref.api_version == "apps/v1"


def test_a_directive_is_asked_for_a_version():
    assert TOLD.version(A) == ENTRY
    assert TOLD.version(B) is None


@pytest.mark.parametrize("name", ["fraud-detector"])
def test_a_spec_reads_back_from_its_packed_form(name):
    spec = effective(name)
    assert unpack(pack(spec)) == spec
    assert sha256_of(canonical(unpack(pack(spec)).to_data())) == sha256_of(canonical(spec.to_data()))
    assert len(pack(spec)) < len(canonical(spec.to_data()))
    assert (spec.gpus, spec.memory) == (0, 2 * 2**30)


@pytest.mark.parametrize("text", ["", "x", "!!!!", "eJwDAAAAAAE=", "bm90IHpsaWI="])
def test_what_is_not_packed_is_not_taken_for_a_spec(text):
    with pytest.raises(ValueError, match=r"base64|packed spec|empty document"):
        unpack(text)


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=6))
def test_canonical_json_does_not_depend_on_the_order_of_keys(data):
    small = {key: value for key, value in data.items() if not isinstance(value, int) or abs(value) < 2**53}
    assert canonical(small) == canonical(dict(reversed(small.items())))


# --- conditions


@pytest.mark.parametrize(
    ("status", "reason", "since"),
    [
        pytest.param(True, "Other", NOW, id="the same status: since then, whatever its reason"),
        pytest.param(False, "Healthy", NOW + timedelta(hours=1), id="another status: since now"),
        pytest.param(None, "Healthy", NOW + timedelta(hours=1), id="unknown is another status"),
    ],
)
def test_a_condition_moves_only_with_its_status(status, reason, since):
    before = (
        Condition(type="Healthy", status="False", reason="x", since=NOW - timedelta(hours=9)),
        Condition(type="Ready", status="True", reason="Healthy", since=NOW),
    )
    now = NOW + timedelta(hours=1, microseconds=5)
    row = condition(before, type_="Ready", status=status, reason=reason, message="m", now=now)
    assert (row.since, row.reason, row.message) == (since, reason, "m")
    assert row.status == {True: "True", False: "False", None: "Unknown"}[status]


# --- verdicts over signatures


def signed(*people):
    return tuple(SignatureFact(person=person, key=f"SHA256:{person}", use="approve") for person in people)


@pytest.mark.parametrize(
    ("threshold", "people", "missing", "sentence"),
    [
        (1, ("bo",), 0, "signed by bo (SHA256:bo)"),
        (2, ("bo", "cy"), 0, "signed by bo (SHA256:bo) and cy (SHA256:cy)"),
        (2, ("bo",), 1, "1 of 2 people signed; signed by bo (SHA256:bo); no other"),
        (1, (), 1, "no other"),
        (2, ("bo", "bo"), 1, "1 of 2 people signed; signed by bo (SHA256:bo) and bo (SHA256:bo); no other"),
    ],
    ids=["enough", "two of two", "one of two", "nobody", "one person twice is one"],
)
def test_a_verification(threshold, people, missing, sentence):
    found = Verification(threshold=threshold, signed=signed(*people), unsigned=("no other",))
    assert (found.missing, found.verified, found.sentence) == (missing, missing == 0, sentence)


@pytest.mark.parametrize("threshold", [0, -1])
def test_nothing_is_verified_by_nobody(threshold):
    with pytest.raises(Misused, match="would let anything pass"):
        Verification(threshold=threshold)
