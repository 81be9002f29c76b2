"""What a release's text is worth: each row breaks one thing and says which gate closes, with which sentence."""

import pytest
from loop_acme import FRAUD, NOW, PROD, Published, Repo, key_of, later, snapshot, trust

from reconciler.loop.standing import questions, runtimes, stand
from reconciler.model.state import Promotion
from reconciler.trust.known_good import Known, Unknown

ENVIRONMENT = "environments/prod.yaml"
CHAT = "releases/prod/support-chat.yaml"


def standing(repo, key=FRAUD, *, history=(), first_seen=NOW, now=NOW, **more):
    return stand(key, snapshot(repo, **more), history, first_seen=first_seen, now=now)


def closed(found):
    return [(gate.kind, gate.reason) for gate in found.gates if not gate.open]


def test_signed_by_somebody_who_may_and_everything_it_names_is_there():
    found = standing(Repo())
    assert closed(found) == []
    assert [gate.kind for gate in found.gates] == ["Signature", "Reference"]
    assert found.vouched
    assert found.verification.people == {"bo"}
    assert found.resolved.clusters == ("eu-1", "us-1")
    assert found.resolved.effective.spec.model.version == "1.3.0"
    assert found.environment.name == "prod"
    assert found.closure.startswith("sha256:")
    assert found.notes == ()


def copied_from(other):
    """Another release's signature, and the text to go with it."""

    def change(repo):
        repo.files[f"{PROD}.sig"] = repo.files[f"{other}.sig"]

    return change


def duplicate(repo):
    repo.write("copy.yaml", repo.text(PROD).encode())


def unsign(path):
    return lambda repo: repo.files.pop(f"{path}.sig")


ROWS = {
    "its signature is missing": (unsign(PROD), "Signature", "NotVerified", "is not signed"),
    "it was edited after it was signed": (
        lambda repo: repo.edit(PROD, "version: 1.3.0", "version: 1.4.0", by=""),
        "Signature",
        "NotVerified",
        "but not as it is now",
    ),
    "signed by somebody who may only release in staging": (
        lambda repo: repo.sign(PROD, "ada"),
        "Signature",
        "NotVerified",
        "whose role science may not release in prod",
    ),
    "signed by a key that nobody has": (
        lambda repo: repo.sign(PROD, "stranger"),
        "Signature",
        "NotVerified",
        "belongs to nobody in the trust file",
    ),
    "signed by the daemon": (
        lambda repo: repo.sign(PROD, "daemon"),
        "Signature",
        "NotVerified",
        "can release nothing",
    ),
    "with the signature of another environment": (
        copied_from("releases/staging/fraud-detector.yaml"),
        "Signature",
        "NotVerified",
        "is of another file",
    ),
    "with the signature of another release": (copied_from(CHAT), "Signature", "NotVerified", "is of another file"),
    "with the signature of an environment": (copied_from(ENVIRONMENT), "Signature", "NotVerified", "for another use"),
    "it does not parse": (
        lambda repo: repo.write(PROD, (repo.text(PROD) + "\n  : [").encode()),
        "Document",
        "Invalid",
        f"{PROD}:",
    ),
    "two files are it": (duplicate, "Document", "DuplicateRelease", f"declared by copy.yaml and by {PROD}"),
    "it is gone": (lambda repo: repo.remove(PROD), "Removal", "RemovalNotSigned", "keeps being served"),
    "it names a runtime that nobody knows": (
        lambda repo: repo.edit(PROD, "runtime: onnx-http", "runtime: onnx-grpc"),
        "Reference",
        "Invalid",
        "onnx-grpc",
    ),
    "it selects no cluster": (
        lambda repo: repo.edit(PROD, "tier: prod}}", "tier: edge}}"),
        "Reference",
        "Invalid",
        "no cluster",
    ),
    "its environment was never accepted": (
        unsign(ENVIRONMENT),
        "Config",
        "ConfigNotTrusted",
        f"{ENVIRONMENT}: ",
    ),
    "its runtime was never accepted": (
        unsign("runtimes/onnx-http.yaml"),
        "Config",
        "ConfigNotTrusted",
        "runtimes/onnx-http.yaml: ",
    ),
    "its environment is not there": (
        lambda repo: repo.remove(ENVIRONMENT),
        "Reference",
        "Invalid",
        "prod",
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_closed_gate(row):
    change, kind, reason, sentence = ROWS[row]
    repo = Repo()
    change(repo)
    found = standing(repo)
    assert closed(found) == [(kind, reason)]
    (message,) = [gate.message for gate in found.gates if not gate.open]
    assert sentence in message
    assert found.vouched is (kind == "Reference")  # people vouched for it; it only does not resolve today
    others = standing(repo, key_of("staging", "support-chat"))
    assert others.vouched  # one bad file stops nobody else


def test_a_runtime_of_the_repository_that_is_not_trusted_does_not_fall_back_to_the_shipped_one_of_its_name():
    repo = Repo()
    text = repo.text("runtimes/onnx-http.yaml").replace("name: onnx-http}", "name: vllm}")
    repo.write("runtimes/vllm.yaml", text.encode())
    found = standing(repo, key_of("prod", "support-chat"))
    assert ("Config", "ConfigNotTrusted") in closed(found)


def test_a_shipped_runtime_is_in_the_closure_by_its_content():
    repo = Repo()
    found = standing(repo, key_of("prod", "support-chat"))
    assert found.resolved.effective.runtime.id.startswith("builtin:vllm/")
    assert found.closure != standing(repo).closure


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        pytest.param(lambda repo: repo.edit(PROD, "max: 6", "max: 5"), True, id="the manifest"),
        pytest.param(lambda repo: repo.edit(ENVIRONMENT, "depth: 3", "depth: 2"), True, id="its environment"),
        pytest.param(lambda repo: repo.edit("runtimes/onnx-http.yaml", "8080", "8081"), True, id="its runtime"),
        pytest.param(
            lambda repo: repo.edit("clusters/us-1.yaml", "context: us-1", "context: us"), True, id="a cluster"
        ),
        pytest.param(lambda repo: repo.edit("environments/dev.yaml", "oci", "s3"), False, id="another environment"),
        pytest.param(lambda repo: repo.edit(CHAT, '"32768"', '"16384"'), False, id="another release"),
        pytest.param(lambda repo: repo.sign(PROD), False, id="who signed it"),
        pytest.param(lambda repo: repo.edit(ENVIRONMENT, "depth: 3", "depth: 2", by=""), None, id="an unsigned change"),
    ],
)
def test_the_closure_is_of_what_decides_what_runs(change, moves):
    world = Published(Repo())
    before = stand(FRAUD, world.publish(), (), first_seen=NOW, now=NOW)
    change(world.repo)
    after = stand(FRAUD, world.publish(), (), first_seen=NOW, now=NOW)
    assert (before.closure != after.closure) is bool(moves)
    assert bool(after.notes) is (moves is None)
    assert after.vouched


def test_a_release_may_lie_where_an_accepted_document_was():
    world = Published(Repo())
    before = stand(FRAUD, world.publish(), (), first_seen=NOW, now=NOW)
    world.repo.write(ENVIRONMENT, world.repo.text(PROD).encode())
    world.repo.sign(ENVIRONMENT)
    world.repo.remove(PROD)
    after = stand(FRAUD, world.publish(), (), first_seen=NOW, now=NOW)
    assert after.vouched
    assert after.closure != before.closure
    assert after.environment == before.environment


def test_an_untrusted_change_is_named_at_the_releases_it_would_concern():
    world = Published(Repo())
    world.publish()
    for path, old, new in ((ENVIRONMENT, "depth: 3", "depth: 2"), ("clusters/us-1.yaml", "region: us", "region: eu")):
        world.repo.edit(path, old, new, by="")
    text = world.repo.text("clusters/eu-1.yaml").replace("name: eu-1", "name: new")
    world.repo.write("clusters/new.yaml", text.encode())
    found = world.publish()
    notes = stand(FRAUD, found, (), first_seen=NOW, now=NOW).notes
    assert [note.partition(":")[0] for note in notes] == [ENVIRONMENT, "clusters/us-1.yaml", "clusters/new.yaml"]
    other = stand(key_of("staging", "fraud-detector"), found, (), first_seen=NOW, now=NOW).notes
    assert [note.partition(":")[0] for note in other] == ["clusters/us-1.yaml", "clusters/new.yaml"]


# --- times


@pytest.mark.parametrize(
    ("times", "first_seen", "verified"),
    [
        ({"validBefore": "2026-12-01T08:00:00Z"}, later(-120), True),
        ({"validBefore": "2026-12-01T08:00:00Z"}, NOW, False),
        ({"validAfter": "2026-12-01T08:00:00Z"}, later(-120), False),
        ({"revokedAt": "2026-12-01T08:00:00Z"}, NOW, False),
    ],
    ids=["seen before its key expired", "seen after it", "seen before the key was valid", "seen after a revocation"],
)
def test_keys_are_judged_for_when_the_manifest_was_first_seen(times, first_seen, verified):
    world = Published(Repo())
    world.publish()  # what governs was accepted while the key was good
    world.trust = trust(bo=times)
    found = stand(FRAUD, world.publish(everything=True), (), first_seen=first_seen, now=NOW)
    assert found.verification.verified is verified


# --- known-good


def promotion(repo, minutes, *, manifest="", version="sha256:" + "a" * 64):
    return Promotion(
        version=version,
        model_version="1",
        manifest=manifest or standing(repo).file.sha256,
        closure="sha256:" + "c" * 64,
        revision="1" * 40,
        at=later(-minutes),
        keys=("SHA256:x",),
    )


def test_a_manifest_that_was_promoted_here_is_known():
    repo = Repo()
    row = promotion(repo, 60)
    assert standing(repo, history=(row,)).known == Known(promotion=row, back=0)
    assert isinstance(standing(repo, history=()).known, Unknown)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda repo: repo.edit(ENVIRONMENT, "depth: 3", "depth: 0"), "rollback.depth", id="too far back"),
        pytest.param(
            lambda repo: repo.edit(ENVIRONMENT, "maxAge: 30d", "maxAge: 30m"), "rollback.maxAge", id="too old"
        ),
        pytest.param(unsign(ENVIRONMENT), "its environment is not in force", id="nobody knows the depth"),
        pytest.param(duplicate, "declared by", id="two files are it"),
    ],
)
def test_what_is_not_near_enough_is_an_ordinary_candidate(change, reason):
    repo = Repo()
    history = (promotion(repo, 60, manifest="sha256:" + "f" * 64, version="sha256:" + "b" * 64), promotion(repo, 120))
    change(repo)
    found = standing(repo, history=history)
    assert isinstance(found.known, Unknown)
    assert reason in found.known.reason


# --- what policies are asked


def asked(repo, running=None, **more):
    found = snapshot(repo)
    row = stand(FRAUD, found, more.pop("history", ()), first_seen=NOW, now=NOW)
    rollback = more.pop("rollback", False)
    objects = {"Deployment": 2}
    return row, questions(
        row, found, (), running=running, commit=None, objects=objects, rollback=rollback, upstream=None, now=NOW
    )


POLICY = b"""\
apiVersion: reconciler.dev/v1alpha1
kind: Policy
metadata: {name: NAME}
spec:
  validations: [{expression: "size(clusters) > 0", message: name a cluster}]
"""


def test_the_repositorys_own_policies_in_force_are_asked():
    repo = Repo()
    for name, by in (("trusted", "bo"), ("not-trusted", "ada")):
        repo.write(f"policies/{name}.yaml", POLICY.replace(b"NAME", name.encode()))
        repo.sign(f"policies/{name}.yaml", by)
    row, found = asked(repo)
    assert [(question.name, question.source) for question in found.questions] == [
        ("team-named", "policies/team-named.yaml"),  # the sample's own
        ("trusted", "policies/trusted.yaml"),
    ]
    assert len(found.questions[1].variables["clusters"]) == 2
    assert any(note.startswith("policies/not-trusted.yaml") for note in row.notes)


def test_what_does_not_resolve_is_not_asked_about():
    repo = Repo()
    repo.edit(PROD, "runtime: onnx-http", "runtime: nothing")
    _, found = asked(repo)
    assert (found.questions, found.skipped) == ((), ())


@pytest.mark.parametrize(
    ("runs", "rollback", "operation"),
    [(False, False, "Create"), (True, False, "Update"), (True, True, "Rollback")],
)
def test_operations(runs, rollback, operation):
    repo = Repo()
    repo.write("policies/clusters.yaml", POLICY.replace(b"NAME", b"clusters"))
    repo.sign("policies/clusters.yaml")
    row, _ = asked(repo)
    _, found = asked(repo, running=row.resolved.effective if runs else None, rollback=rollback)
    assert {question.operation for question in found.questions} == {operation}


def test_runtimes_in_force():
    assert [row.name for row in runtimes(snapshot(Repo()))] == ["onnx-http"]
