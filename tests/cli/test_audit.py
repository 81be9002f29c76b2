"""`audit verify`: a ledger as the daemon writes it holds; one byte, one file or one record less, and it does not."""

import json
from datetime import UTC, datetime

import pytest
from cli_world import ADA, CLUSTER, RELEASE, REPOSITORY

from reconciler.digest import sha256_of
from reconciler.edges.git.checkout import Checkout
from reconciler.loop.chain import record_bytes, record_path, statement
from reconciler.model.record import GENESIS, Record
from reconciler.trust.keys import load_private_key
from reconciler.trust.sshsig import sign
from reconciler.trust.statement import TrunkStatement, TrustStatement

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
