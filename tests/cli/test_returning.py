"""`rollback`: which text comes back, byte for byte with its old signature, and a sentence for every mistake."""

from datetime import UTC, datetime, timedelta

import pytest
from cli_world import ADA, ENVIRONMENT, RELEASE, REPOSITORY
from proposing_world import PROD, clone_of

from reconciler.cli.returning import _before
from reconciler.digest import sha256_of
from reconciler.edges.git.checkout import Checkout
from reconciler.errors import NotFound
from reconciler.loop.chain import record_bytes, record_path, statement
from reconciler.model.record import GENESIS, Record
from reconciler.model.state import Promotion
from reconciler.trust.keys import load_private_key
from reconciler.trust.sshsig import sign

NOW = datetime.now(UTC).replace(microsecond=0)
VERSIONS = ("1.1.0", "1.2.0", "1.3.0", "1.4.0")


def text_of(version):
    return RELEASE.replace("1.4.0", version)


def promotion(version, *, at, text="", retired=None):
    manifest = sha256_of((text or text_of(version)).encode())
    return Promotion(
        version=sha256_of(version.encode()), model_version=version, manifest=manifest,
        closure=sha256_of(b"closure"), revision="1" * 40, at=at, keys=("SHA256:x",), retired=retired,
    )  # fmt: skip


@pytest.fixture
def clone(world, monkeypatch, reconciler):
    """prod had four versions, a day apart; the ledger has them all and the branch asks for the last one."""
    made = clone_of(world, monkeypatch)
    made.signatures = {}
    for version in VERSIONS:
        world.write(PROD, text_of(version))
        assert reconciler("sign", PROD, "--key", world.key("ada"), at=world.root).code == 0
        made.signatures[version] = (world.root / f"{PROD}.sig").read_bytes()
        made.publish(version)
    write_ledger(made, [promotion(version, at=NOW - timedelta(days=4 - at)) for at, version in enumerate(VERSIONS)])
    return made


def write_ledger(clone, promotions, *, files=True):
    """The ledger's branch of origin as the daemon writes it, fetched into the clone."""
    folder = clone.world.folder / f"ledger{len(list(clone.world.folder.glob('ledger*')))}"
    ledger, key = Checkout.init(folder, "reconciler/ledger"), load_private_key(clone.world.key("daemon").read_bytes())
    previous, put = GENESIS, {}
    for sequence, row in enumerate(promotions, start=1):
        manifest = {"path": PROD, "sha256": row.manifest, "firstSeen": row.at.isoformat().replace("+00:00", "Z")}
        record = Record.from_data(
            {
                "sequence": sequence, "previous": previous, "time": row.at.isoformat().replace("+00:00", "Z"),
                "repository": REPOSITORY, "kind": "Promoted", "environment": "prod", "name": "fraud",
                "manifest": manifest, "detail": {"promotion": row.to_data(), "effective": ""},
            }
        )  # fmt: skip
        data = record_bytes(record)
        said = statement(record, data)
        put[record_path(record)] = data
        put[f"{record_path(record)}.sig"] = sign(key, said.text(), said.namespace).encode()
        previous = sha256_of(data)
    for version in VERSIONS if files else ():
        stored = f"manifests/{sha256_of(text_of(version).encode()).removeprefix('sha256:')}.yaml"
        put |= {stored: text_of(version).encode(), f"{stored}.sig": clone.signatures[version]}
    for path, data in put.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    ledger.commit("records", ADA)
    clone.git("push", "-q", "-f", str(clone.origin), "reconciler/ledger", at=folder)
    clone.fetch()


@pytest.fixture
def rollback(clone, reconciler):
    return lambda *options: reconciler("rollback", "fraud", "--env", "prod", *options, at=clone.world.root)


def test_the_text_before_the_present_one_returns_with_the_signature_that_it_had(clone, rollback):
    said = rollback()
    assert (said.code, said.err) == (0, "")
    assert said.out == "Roll fraud back to 1.3.0 in prod: #7 https://forge.example/pulls/7\n"
    (branch,) = clone.branches()
    assert branch == f"reconciler/rollback/prod/fraud/{sha256_of(text_of('1.3.0').encode())[7:17]}"
    files = clone.read(branch)
    assert files[PROD] == text_of("1.3.0").encode()
    assert files[f"{PROD}.sig"] == clone.signatures["1.3.0"]
    assert clone.changed(branch) == [f"M\t{PROD}", f"M\t{PROD}.sig"]
    assert "fraud in prod: `1.4.0` → `1.3.0`" in clone.forge.bodies[7]
    assert "no canary and no approvals" in clone.forge.bodies[7]


@pytest.mark.parametrize(
    "to", ["1.2.0", sha256_of(b"1.2.0"), sha256_of(b"1.2.0")[7:17], sha256_of(text_of("1.2.0").encode())]
)
def test_a_version_is_named_by_its_number_or_a_digest(clone, rollback, to):
    assert rollback("--to", to).code == 0
    assert clone.read(clone.branches()[0])[PROD] == text_of("1.2.0").encode()


def test_no_key_is_asked_for_and_nothing_is_signed(rollback, monkeypatch):
    monkeypatch.setattr("reconciler.edges.keys.sign", lambda *_: pytest.fail("something was signed"))
    assert rollback().code == 0


def test_a_candidate_that_was_never_promoted_goes_back_to_what_was_promoted_last(clone, rollback):
    clone.world.write(PROD, text_of("1.5.0"))
    clone.publish()
    assert rollback().code == 0
    assert clone.read(clone.branches()[0])[PROD] == text_of("1.4.0").encode()


def test_a_rollback_supersedes_a_promotion_of_the_same_release(clone, rollback):
    clone.forge.open_pull(head="reconciler/promote/prod/fraud/0123456789", base="main", title="on", body="")
    assert rollback().out.splitlines()[1:] == ["closed #7, which it supersedes"]


def test_a_dry_run_shows_the_old_text_and_does_nothing(clone, rollback):
    said = rollback("--dry-run")
    assert said.code == 0
    assert "-    version: 1.4.0\n+    version: 1.3.0\n" in said.out
    assert f"# {PROD}.sig would be replaced" in said.out
    assert clone.branches() == []


def shallow(clone):
    clone.world.write("environments/prod.yaml", f"{ENVIRONMENT}  rollback: {{depth: 1}}\n")
    clone.publish()


def brief(clone):
    clone.world.write("environments/prod.yaml", f"{ENVIRONMENT}  rollback: {{maxAge: 36h}}\n")
    clone.publish()


def signed_by_nobody(clone):
    clone.world.trust(zoe="platform", cy="risk")


def without_ledger(clone):
    clone.git("update-ref", "-d", "refs/remotes/origin/reconciler/ledger")


def without_texts(clone):
    write_ledger(clone, [promotion(version, at=NOW) for version in VERSIONS], files=False)


def forged(clone):
    clone.world.keys["daemon"] = clone.world.key("mallory")
    write_ledger(clone, [promotion("1.3.0", at=NOW)])


def alone(clone):
    write_ledger(clone, [promotion("1.4.0", at=NOW)])


def without_trust(clone):
    clone.git("config", "--unset", "reconciler.trust")


MISTAKES = {
    "it is not known": (None, ("--to", "0.9.0"), 1, ("knows no 0.9.0 of prod/fraud", "1.4.0, 1.3.0, 1.2.0, 1.1.0")),
    "the branch has it": (None, ("--to", "1.4.0"), 1, ("main asks for 1.4.0 already",)),
    "it is too far back": (
        shallow, ("--to", "1.2.0"), 1, ("would not return at once: it is 2 versions back and rollback.depth is 1",
                                        "it would be a new candidate, after its gates"),
    ),
    "it is too old": (brief, ("--to", "1.1.0"), 1, ("rollback.maxAge is 1d12h",)),
    "nothing came before": (alone, (), 1, ("nothing was promoted as prod/fraud before what is there now",)),
    "who signed it is trusted no more": (signed_by_nobody, (), 1, ("its old signature does not count",)),
    "the clone has no ledger": (without_ledger, (), 1, ("there is no ledger", "git fetch origin reconciler/ledger")),
    "the ledger has no texts": (without_texts, (), 1, ("does not hold the text sha256:",)),
    "the ledger is not the daemon's": (forged, (), 1, ("knows nothing that was promoted as prod/fraud (records/",)),
    "there is no trust file": (without_trust, (), 2, ("there is no trust file", "give --trust FILE")),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_sentence_when(case, clone, rollback):
    prepare, options, code, words = MISTAKES[case]
    if prepare:
        prepare(clone)
    said = rollback(*options)
    assert said.code == code, said
    assert said.out == ""
    for word in words:
        assert word in said.err
    assert (clone.branches(), clone.forge.pulls_) == ([], [])


@pytest.mark.parametrize(("env", "words"), [("prd", "no environment prd|knows nothing that was promoted as prd/fraud")])
def test_an_environment_that_is_not_there(clone, reconciler, env, words):
    said = reconciler("rollback", "fraud", "--env", env, at=clone.world.root)
    assert said.code == 1
    assert any(word in said.err for word in words.split("|"))


A, B, C = (promotion(name, at=NOW, text=name) for name in "abc")


@pytest.mark.parametrize(
    ("newest_first", "present", "expected"),
    [
        ((C, B, A), C, B),
        ((C, B, A), B, A),
        ((B, C, B, A), B, A),  # back from c to b: the next one back is a, and not c again
        ((C, B, A), None, C),
        ((C, C, A), C, A),
        ((A,), A, None),
    ],
)
def test_who_goes_back_twice_goes_two_back(newest_first, present, expected):
    text = present.manifest if present else "sha256:" + "0" * 64
    if expected is None:
        with pytest.raises(NotFound):
            _before(newest_first, text, "prod", "fraud")
    else:
        assert _before(newest_first, text, "prod", "fraud") == expected
