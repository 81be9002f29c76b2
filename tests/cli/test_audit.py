"""`audit verify`: a ledger as the daemon writes it holds; one byte, one file or one record less, and it does not."""

import json
import shutil
from datetime import UTC, datetime

import pytest
from cli_world import ADA, CLUSTER, RELEASE, REPOSITORY

from reconciler.cli.evidence import unproven
from reconciler.cli.trust import trust_texts
from reconciler.digest import blob_id, sha256_of
from reconciler.edges.git.checkout import Checkout
from reconciler.loop.chain import record_bytes, record_path, statement
from reconciler.model.record import GENESIS, Record
from reconciler.trust.keys import load_private_key
from reconciler.trust.sshsig import sign
from reconciler.trust.statement import (
    ApprovalStatement,
    ConfigRemovalStatement,
    RemovalStatement,
    TrunkStatement,
    TrustStatement,
)

NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
BRANCH = "reconciler/ledger"
MANIFEST = f"manifests/{sha256_of(RELEASE.encode()).removeprefix('sha256:')}.yaml"
ACCEPTED = "accepted/clusters/eu-1.yaml"


class LedgerFolder:
    """A clone of the watched repository on the ledger's branch; `write` makes what the daemon makes."""

    def __init__(self, world, reconciler):
        self.world = world
        self.root = world.folder / "ledger"
        self.checkout = Checkout.init(self.root, BRANCH)
        self.key = load_private_key(world.key("daemon").read_bytes())
        reconciler("sign", "clusters/eu-1.yaml", "releases/prod/fraud.yaml", "--key", world.key("ada"), at=world.root)

    def put(self, path, data):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def copy(self, source, path):
        for suffix in ("", ".sig"):
            self.put(path + suffix, (self.world.root / f"{source}{suffix}").read_bytes())

    def write(self, *signers, more=()):
        records = [
            {"kind": "Accepted", "detail": {"path": "clusters/eu-1.yaml", "accepted": self.accepted()}},
            {"kind": "Started", "environment": "prod", "name": "fraud"},
            {"kind": "Promoted", "environment": "prod", "name": "fraud", "manifest": self.manifest(),
             "signatures": [{"person": who, "key": "SHA256:x", "use": "release"} for who in signers]},
            *more,
        ]  # fmt: skip
        previous = GENESIS
        for sequence, fields in enumerate(records, start=1):
            common = {"sequence": sequence, "previous": previous, "time": "2026-11-01T09:00:00Z"}
            record = Record.from_data({**common, "repository": REPOSITORY, **fields})
            data = record_bytes(record)
            said = statement(record, data)
            self.put(record_path(record), data)
            self.put(f"{record_path(record)}.sig", sign(self.key, said.text(), said.namespace).encode())
            previous = sha256_of(data)
        self.copy("clusters/eu-1.yaml", ACCEPTED)
        self.copy("releases/prod/fraud.yaml", MANIFEST)
        self.put("README.md", b"# Ledger\n")

    def accepted(self):
        return {"kind": "Cluster", "name": "eu-1", "blob": "0" * 40, "sha256": sha256_of(CLUSTER.encode())}

    def manifest(self):
        return {"path": "releases/prod/fraud.yaml", "sha256": sha256_of(RELEASE.encode()),
                "firstSeen": "2026-11-01T08:00:00Z"}  # fmt: skip


@pytest.fixture
def ledger(world, reconciler):
    made = LedgerFolder(world, reconciler)
    made.write("ada")
    return made


@pytest.fixture
def audit(ledger, reconciler):
    """audit(): commit what lies there and verify it."""

    def call(*arguments):
        if ledger.checkout.changed() or not (ledger.root / ".git/refs/heads/reconciler").exists():
            ledger.checkout.commit("records", ADA, when=NOW)
        trust = ledger.world.trust(ada="platform", bo="science")
        return reconciler("audit", "verify", "--trust", trust, "--repository-dir", ledger.root, *arguments)

    return call


def record(ledger, sequence):
    (path,) = ledger.root.glob(f"records/*/*/{sequence:010d}.json")
    return path


def test_a_ledger_as_the_daemon_writes_it_holds(audit):
    said = audit()
    assert (said.code, said.err) == (0, "")
    assert "holds: 3 records from 2026-11-01 to 2026-11-01, 1 signed manifests, 1 accepted documents" in said.out
    data = json.loads(audit("-o", "json").out)
    assert (data["ok"], data["records"], data["problems"]) == (True, 3, [])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def forge(ledger):
    """Another Promoted record of the same sequence, signed with a person's key."""
    path = record(ledger, 3)
    forged = Record.from_data(json.loads(path.read_bytes()) | {"message": "all is well"})
    said = statement(forged, record_bytes(forged))
    path.write_bytes(record_bytes(forged))
    key = load_private_key(ledger.world.key("ada").read_bytes())
    path.with_name(f"{path.name}.sig").write_bytes(sign(key, said.text(), said.namespace).encode())


def other_signature(ledger):
    """The manifest is signed, by somebody who may, but not by whom the record names."""
    (ledger.root / f"{MANIFEST}.sig").write_bytes(b"")
    ledger.write("bo")


DAMAGE = {
    "a record with another byte": (lambda ledger: flip(record(ledger, 2)), "0000000002.json"),
    "a record that is gone": (lambda ledger: record(ledger, 2).unlink(), "record 2 is missing"),
    "a signature that is gone": (
        lambda ledger: record(ledger, 1).with_name("0000000001.json.sig").unlink(), "0000000001.json",
    ),
    "a record signed by a person": (forge, "only the daemon signs its records"),
    "a record of the same number in another month": (
        lambda ledger: ledger.put("records/2026/12/0000000002.json", b"{}"), "0000000002.json",
    ),
    "a file among the records that is none": (
        lambda ledger: ledger.put("records/2026/11/x.json", b"{}"), "records/2026/11/x.json is not a record",
    ),
    "a manifest that is gone": (lambda ledger: (ledger.root / MANIFEST).unlink(), f"{MANIFEST} is not in the ledger"),
    "a manifest with another byte": (
        lambda ledger: flip(ledger.root / MANIFEST), f"{MANIFEST} holds other bytes than its name says",
    ),
    "a manifest without its signature": (
        lambda ledger: (ledger.root / f"{MANIFEST}.sig").unlink(), "record 3: " + MANIFEST + ": release fraud in prod",
    ),
    "a manifest signed by somebody else": (other_signature, "is not signed by bo, as the record says"),
    "a manifest of which no record speaks": (
        lambda ledger: ledger.put(f"manifests/{sha256_of(b'x')[7:]}.yaml", b"x"), "no record speaks of it",
    ),
    "a manifest under another name": (
        lambda ledger: ledger.put("manifests/fraud.yaml", RELEASE.encode()), "is not named by a digest",
    ),
    "an accepted document that is gone": (
        lambda ledger: (ledger.root / ACCEPTED).unlink(), f"record 1: {ACCEPTED} is not in the ledger",
    ),
    "an accepted document with another byte": (
        lambda ledger: flip(ledger.root / ACCEPTED), f"record 1: {ACCEPTED} holds other bytes than were accepted",
    ),
    "an accepted document without its signature": (
        lambda ledger: (ledger.root / f"{ACCEPTED}.sig").unlink(), f"record 1: {ACCEPTED}: Cluster",
    ),
    "an accepted document of which no record speaks": (
        lambda ledger: ledger.put("accepted/clusters/us-1.yaml", b"x"), "no record speaks of it",
    ),
    "a link": (lambda ledger: (ledger.root / "records/link").symlink_to("/etc"), "is a symbolic link"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_it_does_not_hold_with(case, ledger, audit):
    damage, words = DAMAGE[case]
    damage(ledger)
    said = audit()
    assert (said.code, said.err) == (1, "")
    assert len(said.out.splitlines()) == 1
    problems = json.loads(audit("-o", "json").out)["problems"]
    assert any(words in problem for problem in problems), problems


def test_the_first_bad_record_is_the_sentence(ledger, audit):
    flip(record(ledger, 2))
    (ledger.root / MANIFEST).unlink()
    said = audit()
    assert "does not hold: records/2026/11/0000000002.json" in said.out


def test_an_empty_ledger_is_not_a_yes(ledger, audit):
    for path in [*ledger.root.glob("records/*/*/*"), *ledger.root.glob("*/**/*.yaml*")]:
        path.unlink()
    assert "the ledger holds no record" in audit().out


def test_a_clone_that_only_knows_the_remotes_branch_is_enough(ledger, audit, reconciler):
    audit()
    clone = Checkout.clone(str(ledger.root), ledger.world.folder / "clone")
    clone._run(["checkout", "--quiet", "--detach"])
    clone._run(["branch", "--quiet", "-D", BRANCH])
    said = reconciler("audit", "verify", "--trust", ledger.world.trust(), "--repository-dir", clone.top)
    assert said.code == 0


def test_a_trust_file_of_another_repository_proves_nothing(ledger, audit, reconciler):
    audit()
    trust = ledger.world.trust()
    trust.write_text(trust.read_text().replace(REPOSITORY, "github.com/acme/other"))
    said = reconciler("audit", "verify", "--trust", trust, "--repository-dir", ledger.root)
    assert said.code == 1
    assert f"is of {REPOSITORY}" in said.out


def test_a_repository_without_a_ledger_says_how_to_get_it(world, reconciler):
    said = reconciler("audit", "verify", "--trust", world.trust(), at=world.root)
    assert said.code == 1
    assert said.err.endswith("fetch it first: git fetch origin reconciler/ledger\n")


# --- trust files and rewritten trunks


def put_signed(ledger, path, said, who):
    block = sign(load_private_key(ledger.world.key(who).read_bytes()), said.text(), said.namespace)
    ledger.put(path, block.encode())


@pytest.fixture
def judged(ledger, reconciler):
    """judged(): commit and verify with a trust file whose platform may do the rest, too."""

    def call():
        ledger.checkout.commit("records", ADA, when=NOW)
        return reconciler("audit", "verify", "--trust", owners(ledger.world), "--repository-dir", ledger.root)

    return call


def owners(world, version=1, **roles):
    file = world.trust(**(roles or {"ada": "platform", "bo": "science"}))
    text = file.read_text() + '    - {role: platform, may: [trust, trunk], environments: ["*"]}\n'
    file.write_text(text.replace("version: 1", f"version: {version}"))
    return file


@pytest.mark.parametrize(
    ("who", "words"), [("ada", "holds: 4 records"), ("bo", "may not accept"), ("", "there is no signature beside it")]
)
def test_a_rewritten_trunk_is_proved_by_the_signature_that_was_copied(ledger, judged, who, words):
    said = TrunkStatement(repository=REPOSITORY, branch="main", old="1" * 40, new="2" * 40)
    detail = {"branch": "main", "from": "1" * 40, "to": "2" * 40}
    ledger.write("ada", more=[{"kind": "TrunkAccepted", "detail": detail}])
    if who:
        put_signed(ledger, f"trunk/{'1' * 40}-{'2' * 40}.sig", said, who)
    done = judged()
    assert done.code == (0 if who == "ada" else 1)
    assert words in done.out


def test_a_signature_of_a_trunk_that_no_record_speaks_of_is_named(ledger, judged):
    ledger.put("trunk/x.sig", b"x")
    assert "trunk/x.sig is in the ledger, and no record speaks of it" in judged().out


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("ada", "holds: 4 records"),
        ("bo", "record 4: trust/2.yaml: signed by bo"),
        ("", "record 4: trust/2.yaml is not the trust file that was accepted"),
    ],
)
def test_a_trust_file_that_was_accepted_follows_the_one_given_and_judges_the_rest(ledger, judged, who, words):
    data = owners(ledger.world, 2, ada="platform", bo="science", cy="risk").read_bytes()
    accepted = {"kind": "Trust", "name": "", "blob": "0" * 40, "sha256": sha256_of(data)}
    detail = {"path": "trust.yaml", "accepted": accepted, "version": 2}
    ledger.write("ada", more=[{"kind": "Accepted", "detail": detail}])
    ledger.put("accepted/trust.yaml", data)
    if who:
        said = TrustStatement(repository=REPOSITORY, version=2, sha256=sha256_of(data).removeprefix("sha256:"))
        ledger.put("trust/2.yaml", data)
        put_signed(ledger, "trust/2.yaml.sig", said, who)
    done = judged()
    assert done.code == (0 if who == "ada" else 1)
    assert words in done.out


# --- approvals and removals

CLOSURE = "c" * 64
VOTE = f"approvals/{CLOSURE}/cy.sig"
TEXT = sha256_of(RELEASE.encode())
ENDS = RemovalStatement(
    repository=REPOSITORY, environment="prod", name="fraud", cluster="*", manifest_sha256=TEXT.removeprefix("sha256:")
)
CLUSTER_ENDS = ConfigRemovalStatement(
    repository=REPOSITORY, path="clusters/eu-1.yaml", sha256=sha256_of(CLUSTER.encode()).removeprefix("sha256:")
)


def approval(closure, action="approve"):
    return ApprovalStatement(
        repository=REPOSITORY, environment="prod", name="fraud", closure_sha256=closure, action=action
    )


class Consented:
    """A ledger in which cy approved a promotion, lee ended the release with cy's approval, and ada a cluster."""

    roles = {"ada": "platform", "bo": "science", "cy": "risk", "lee": "lead"}  # noqa: RUF012

    def __init__(self, ledger, reconciler):
        self.ledger, self._reconciler = ledger, reconciler
        ledger.put(VOTE, self.block("cy", approval(CLOSURE)))
        closure = sha256_of(ENDS.text()).removeprefix("sha256:")
        self.removal = self.end("removals/prod/fraud.sig", self.block("lee", ENDS))
        self.consent = self.end("approvals/prod/fraud/cy.sig", self.block("cy", approval(closure)))
        self.cluster = self.end("removals/clusters/eu-1.yaml.sig", self.block("ada", CLUSTER_ENDS))
        self.detail = {"removal": "*", "manifests": [TEXT]}
        self.closure = closure
        self.write()

    def write(self):
        release = {"environment": "prod", "name": "fraud"}
        signed = [{"person": "lee", "key": self.fingerprint("lee"), "use": "remove"}]
        self.ledger.write("ada", more=[
            {"kind": "Started", **release, "approvals": [self.vote(CLOSURE)]},
            {"kind": "Removed", **release, "clusters": ["eu-1"], "signatures": signed, "detail": self.detail,
             "approvals": [self.vote(self.closure)]},
            {"kind": "Removed", "detail": {"path": "clusters/eu-1.yaml", "accepted": self.ledger.accepted()}},
        ])  # fmt: skip

    def block(self, who, said):
        return sign(load_private_key(self.ledger.world.key(who).read_bytes()), said.text(), said.namespace).encode()

    def end(self, path, data):
        stored = f"ended/{blob_id(data)}/{path}"
        self.ledger.put(stored, data)
        return stored

    def fingerprint(self, who):
        return load_private_key(self.ledger.world.key(who).read_bytes()).public.fingerprint

    def vote(self, closure):
        return {"closure": f"sha256:{closure}", "person": "cy", "key": self.fingerprint("cy"), "use": "approve",
                "firstSeen": "2026-11-01T08:30:00Z"}  # fmt: skip

    def file(self, stored):
        return self.ledger.root / stored

    def swap(self, stored, data):
        """Other bytes under the name that belongs to them."""
        self.file(stored).unlink()
        return self.end(stored.split("/", 2)[2], data)

    def problems(self):
        self.ledger.checkout.commit("records", ADA, when=NOW)
        trust = self.ledger.world.trust(**self.roles)
        said = self._reconciler("audit", "verify", "--trust", trust, "--repository-dir", self.ledger.root, "-o", "json")
        problems = json.loads(said.out)["problems"]
        assert said.code == (1 if problems else 0)
        return problems


@pytest.fixture
def consented(ledger, reconciler):
    return Consented(ledger, reconciler)


def test_a_ledger_with_the_evidence_of_its_approvals_and_removals_holds(consented):
    assert consented.problems() == []


@pytest.mark.parametrize(
    ("of", "number", "lost"),
    [
        ("removal", 5, "ended/<blob>/removals/prod/fraud.sig"),
        ("consent", 5, "ended/<blob>/approvals/prod/fraud/cy.sig"),
        ("cluster", 6, "ended/<blob>/removals/clusters/eu-1.yaml.sig"),
    ],
)
def test_evidence_of_an_end_with_another_byte_or_none_at_all_is_named(consented, of, number, lost):
    stored = getattr(consented, of)
    kept = consented.file(stored).read_bytes()
    flip(consented.file(stored))
    assert consented.problems() == [f"record {number}: {stored} holds other bytes than its path says"]
    consented.file(stored).write_bytes(kept)
    consented.file(stored).unlink()
    (problem,) = consented.problems()
    assert problem.startswith(f"record {number}: {lost}")
    assert problem.endswith("is not in the ledger")


def test_an_approval_with_another_byte_is_named(consented):
    flip(consented.file(VOTE))
    (problem,) = consented.problems()
    assert problem.startswith(f"record 4: {VOTE} does not prove what cy (SHA256:")


@pytest.mark.parametrize("lost", [VOTE, "approvals"])
def test_approvals_that_are_gone_are_named(consented, lost):
    path = consented.file(lost)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert consented.problems() == [f"record 4: {VOTE}, with what cy said of it, is not in the ledger"]


def test_without_the_folder_of_what_ended_every_record_that_needs_it_is_named(consented):
    shutil.rmtree(consented.file("ended"))
    assert [problem.split(":")[0] for problem in consented.problems()] == ["record 5", "record 5", "record 6"]


@pytest.mark.parametrize(
    ("who", "said"), [("cy", approval("d" * 64)), ("cy", approval(CLOSURE, "reject")), ("bo", approval(CLOSURE))]
)
def test_an_approval_of_something_else_or_by_somebody_else_proves_nothing(consented, who, said):
    consented.ledger.put(VOTE, consented.block(who, said))
    (problem,) = consented.problems()
    assert problem.startswith(f"record 4: {VOTE} does not prove")


def test_the_name_of_the_file_is_not_what_says_whose_approval_it_is(consented):
    consented.file(VOTE).rename(consented.file(VOTE).with_name("anybody.sig"))
    assert consented.problems() == []


def test_a_removal_of_another_text_or_by_somebody_else_proves_nothing(consented):
    other = RemovalStatement(
        repository=REPOSITORY, environment="prod", name="fraud", cluster="*", manifest_sha256="e" * 64
    )
    stored = consented.swap(consented.removal, consented.block("lee", other))
    (problem,) = consented.problems()
    assert problem.startswith(f"record 5: {stored} does not prove that lee (SHA256:")
    consented.swap(stored, consented.block("bo", ENDS))
    assert len(consented.problems()) == 1


def test_the_end_of_a_document_signed_by_somebody_who_may_not_is_named(consented):
    stored = consented.swap(consented.cluster, consented.block("bo", CLUSTER_ENDS))
    assert consented.problems() == [
        f"record 6: {stored} does not prove that somebody who may signed the end of clusters/eu-1.yaml"
    ]


HOLD = """\
apiVersion: reconciler.dev/v1alpha1
kind: Hold
metadata: {name: freeze}
spec: {selector: {environments: [prod]}, reason: audit, releasedBy: risk}
"""


@pytest.mark.parametrize(("who", "kept", "proved"), [("cy", True, True), ("bo", True, False), ("bo", False, True)])
def test_a_hold_is_ended_by_the_role_that_its_text_names(consented, who, kept, proved):
    path, digest = "holds/freeze.yaml", sha256_of(HOLD.encode())
    said = ConfigRemovalStatement(repository=REPOSITORY, path=path, sha256=digest.removeprefix("sha256:"))
    accepted = {"kind": "Hold", "name": "freeze", "blob": "0" * 40, "sha256": digest}
    stored = consented.end(f"removals/{path}.sig", consented.block(who, said))
    files = {f"accepted/{path}": HOLD.encode()} if kept else {}
    record = Record.from_data(
        {"sequence": 1, "time": "2026-11-01T09:00:00Z", "kind": "Removed", "repository": REPOSITORY,
         "detail": {"path": path, "accepted": accepted}}
    )  # fmt: skip
    trust = next(iter(trust_texts({"trust.yaml": consented.ledger.world.trust(**consented.roles).read_bytes()}))).file
    found = list(unproven([record], {**files, stored: consented.file(stored).read_bytes()}, trust))
    assert found == (
        [] if proved else [f"record 1: {stored} does not prove that somebody who may signed the end of {path}"]
    )


@pytest.mark.parametrize(
    ("sentence", "kind", "until", "kept", "missing"),
    [
        ("a waiver ends with its file", "Waiver", "", True, False),
        ("a Hold that had ended by itself", "Hold", "2026-11-01T08:59:59Z", True, False),
        ("a Hold that had not", "Hold", "2026-11-01T09:00:01Z", True, True),
        ("a Hold without an end of its own", "Hold", "", True, True),
        ("a Hold whose text the ledger has not kept", "Hold", "", False, False),
    ],
)
def test_what_ends_without_a_signature_is_asked_for_none(consented, sentence, kind, until, kept, missing):
    path = "holds/freeze.yaml"
    text = HOLD.replace("audit,", f"audit, until: {until},") if until else HOLD
    accepted = {"kind": kind, "name": "freeze", "blob": "0" * 40, "sha256": sha256_of(text.encode())}
    record = Record.from_data(
        {"sequence": 1, "time": "2026-11-01T09:00:00Z", "kind": "Removed", "repository": REPOSITORY,
         "detail": {"path": path, "accepted": accepted}}
    )  # fmt: skip
    trust = next(iter(trust_texts({"trust.yaml": consented.ledger.world.trust(**consented.roles).read_bytes()}))).file
    found = list(unproven([record], {f"accepted/{path}": text.encode()} if kept else {}, trust))
    said = f"record 1: ended/<blob>/removals/{path}.sig, the signed end of {path}, is not in the ledger"
    assert found == ([said] if missing else []), sentence


def test_a_record_that_does_not_name_its_texts_is_asked_for_a_removal_by_the_key_it_names(consented):
    consented.detail = {"removal": "*"}
    consented.write()
    assert consented.problems() == []
    consented.swap(consented.removal, consented.block("bo", ENDS))
    (problem,) = consented.problems()
    assert "does not prove that lee" in problem


@pytest.mark.parametrize("path", ["approvals/" + "d" * 64 + "/cy.sig", "ended/x/removals/prod/churn.sig"])
def test_evidence_of_which_no_record_speaks_is_named(consented, path):
    consented.ledger.put(path, b"x")
    assert consented.problems() == [f"{path} is in the ledger, and no record speaks of it"]
