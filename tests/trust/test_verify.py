"""Whose signatures count, and the sentence that a person reads when one does not."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reconciler.errors import Misused
from reconciler.model.record import SignatureFact
from reconciler.model.verification import Verification
from reconciler.trust.keys import load_private_key
from reconciler.trust.people import read_trust
from reconciler.trust.sshsig import armour, sign
from reconciler.trust.statement import (
    ConfigRemovalStatement,
    ConfigStatement,
    RecordStatement,
    ReleaseStatement,
    TrustStatement,
)
from reconciler.trust.verify import verify, verify_record, verify_role
from reconciler.trust.wire import string, uint32

REPOSITORY = "github.com/acme/models"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
RELEASE = ReleaseStatement(repository=REPOSITORY, environment="prod", name="fraud-detector", manifest_sha256="3f" * 32)


@pytest.fixture(scope="session")
def fleet(key_pair):
    """Keys, a trust file over them, and short ways to sign and to ask."""

    class Fleet:
        def __init__(self):
            self.trust = read_trust(self.data(), path="trust.yaml")

        def line(self, name):
            return key_pair(name).public.strip()

        def private(self, name):
            return load_private_key(key_pair(name).private)

        def fingerprint(self, name):
            return self.private(name).public.fingerprint

        def data(self):
            return {
                "apiVersion": "reconciler.dev/v1alpha1",
                "kind": "Trust",
                "spec": {
                    "repository": REPOSITORY,
                    "version": 1,
                    "threshold": {"role": "owner", "count": 2},
                    "daemon": [{"key": self.line("daemon"), "validBefore": "2027-01-01T00:00:00Z"}],
                    "people": [
                        {"name": "ada", "roles": ["science"], "keys": [{"key": self.line("ada")}]},
                        {
                            "name": "bo",
                            "roles": ["platform", "owner"],
                            "keys": [
                                {"key": self.line("bo")},
                                {"key": self.line("bo-2")},
                                {"key": self.line("bo-old"), "validBefore": "2026-11-20T00:00:00Z"},
                                {"key": self.line("bo-lost"), "revokedAt": "2026-11-20T00:00:00Z"},
                                {"key": self.line("bo-new"), "validAfter": "2026-12-20T00:00:00Z"},
                            ],
                        },
                        {"name": "cy", "roles": ["platform", "owner"], "keys": [{"key": self.line("cy")}]},
                        {"name": "di", "keys": [{"key": self.line("di")}]},
                    ],
                    "allow": [
                        {"role": "science", "may": ["release"], "environments": ["dev"]},
                        {"role": "platform", "may": ["release", "clear"], "environments": ["*"]},
                        {"role": "platform", "may": ["configure"], "paths": ["environments/**"]},
                        {"role": "owner", "may": ["trust", "trunk"], "environments": ["*"]},
                    ],
                },
            }

        def sign(self, *names, statement=RELEASE, namespace=""):
            return "".join(
                sign(self.private(name), statement.text(), namespace or statement.namespace) for name in names
            ).encode()

        def ask(self, blocks, *, statement=RELEASE, first_seen=NOW, now=NOW, threshold=1):
            return verify(
                statement,
                blocks,
                self.trust,
                verb="release",
                environment="prod",
                first_seen=first_seen,
                now=now,
                threshold=threshold,
            )

    return Fleet()


def test_a_release_signed_by_somebody_who_may_is_verified(fleet):
    verdict = fleet.ask(fleet.sign("bo"))
    assert verdict.verified
    assert verdict.missing == 0
    assert verdict.signed == (SignatureFact(person="bo", key=fleet.fingerprint("bo"), use="release"),)
    assert verdict.unsigned == ()
    assert verdict.sentence == f"signed by bo ({fleet.fingerprint('bo')})"
    assert hash(verdict) == hash(fleet.ask(fleet.sign("bo")))


def test_what_ssh_keygen_signed_over_the_statement_is_verified(ssh_keygen, fleet, key_pair, tmp_path):
    key = tmp_path / "bo"
    key.write_bytes(key_pair("bo").private)
    key.chmod(0o600)
    args = ["-q", "-Y", "sign", "-f", str(key), "-n", "reconciler-release-v1@reconciler.dev"]
    assert fleet.ask(ssh_keygen.run(*args, stdin=RELEASE.text()).stdout).verified


CASES = {
    "a file without a signature": (
        lambda _: b"",
        ("release fraud-detector in prod of github.com/acme/models is not signed: there is no signature beside it"),
    ),
    "a file that is not a signature": (
        lambda _: b"looks good to me\n",
        (
            "the signature file cannot be read: line 1 is neither empty nor the start of a signature; "
            "remove it and sign again"
        ),
    ),
    "a damaged block": (
        lambda fleet: fleet.sign("bo").replace(b"U1NI", b"U1NJ"),
        "signature 1 of the file cannot be read: it is not an SSH signature; remove it and sign again",
    ),
    "a key that nobody knows": (
        lambda fleet: fleet.sign("stranger"),
        "signed with the key {stranger}, which belongs to nobody in the trust file",
    ),
    "the daemon's own key": (
        lambda fleet: fleet.sign("daemon"),
        "signed by the daemon's own key ({daemon}), which counts for its records and can release nothing",
    ),
    "a role that may not": (
        lambda fleet: fleet.sign("ada"),
        "signed by ada ({ada}), whose role science may not release in prod",
    ),
    "a person without a role": (
        lambda fleet: fleet.sign("di"),
        "signed by di ({di}), who has no role and may not release in prod",
    ),
    "a git commit signature used as a release": (
        lambda fleet: fleet.sign("bo", namespace="git"),
        "signed by bo ({bo}) for another use: its namespace is git and reconciler-release-v1@reconciler.dev is needed",
    ),
    "an expired key": (
        lambda fleet: fleet.sign("bo-old"),
        (
            "signed by bo ({bo-old}), whose key expired at 2026-11-20T00:00:00Z; "
            "the signature was first seen at 2026-12-01T09:00:00Z"
        ),
    ),
    "a revoked key": (
        lambda fleet: fleet.sign("bo-lost"),
        (
            "signed by bo ({bo-lost}), whose key was revoked at 2026-11-20T00:00:00Z; "
            "the signature was first seen at 2026-12-01T09:00:00Z"
        ),
    ),
    "a key of tomorrow": (
        lambda fleet: fleet.sign("bo-new"),
        (
            "signed by bo ({bo-new}), whose key is not valid before 2026-12-20T00:00:00Z; "
            "the signature was first seen at 2026-12-01T09:00:00Z"
        ),
    ),
}


@pytest.mark.parametrize(("make", "sentence"), CASES.values(), ids=CASES)
def test_why_it_is_not_verified_is_one_sentence(fleet, make, sentence):
    verdict = fleet.ask(make(fleet))
    names = ("ada", "bo", "bo-old", "bo-lost", "bo-new", "di", "daemon", "stranger")
    assert verdict.unsigned == (sentence.format_map({name: fleet.fingerprint(name) for name in names}),)
    assert not verdict.verified
    assert verdict.missing == 1
    assert verdict.signed == ()
    assert verdict.sentence == verdict.unsigned[0]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "other-model"},
        {"environment": "staging"},
        {"repository": "github.com/acme/others"},
        {"manifest_sha256": "40" * 32},
    ],
)
def test_a_signature_copied_to_another_release_environment_repository_or_text_is_refused(fleet, other):
    fields = {
        "repository": REPOSITORY,
        "environment": "prod",
        "name": "fraud-detector",
        "manifest_sha256": "3f" * 32,
    }
    verdict = fleet.ask(fleet.sign("bo", statement=ReleaseStatement(**(fields | other))))
    (why,) = verdict.unsigned
    assert why.startswith(f"signed by bo ({fleet.fingerprint('bo')}), but not as it is now")
    assert not verdict.verified


def test_a_copied_signature_of_the_daemon_is_named_for_what_it_is(fleet):
    record = RecordStatement(repository=REPOSITORY, sequence=1, previous="0" * 64, sha256="1" * 64)
    copied = fleet.sign("daemon", statement=record)
    (sentence,) = fleet.ask(copied).unsigned
    assert sentence.startswith("signed by the daemon's own key")
    assert "for another use" in sentence


def test_an_absent_owner_of_a_token_is_named(fleet):
    secret = ed25519.Ed25519PrivateKey.generate()
    kind = b"sk-ssh-ed25519@openssh.com"
    point = secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    blob = string(kind) + string(point) + string(b"ssh:")
    data = fleet.data()
    data["spec"]["people"][3]["keys"] = [{"key": f"{kind.decode()} {base64.b64encode(blob).decode()}"}]
    inner = string(kind) + string(bytes(64)) + b"\0" + uint32(1)
    fields = (blob, RELEASE.namespace.encode(), b"", b"sha512", inner)
    blocks = armour(b"SSHSIG" + uint32(1) + b"".join(map(string, fields))).encode()
    trust = read_trust(data, path="t")
    verdict = verify(RELEASE, blocks, trust, verb="release", environment="prod", first_seen=NOW, now=NOW)
    assert "with a hardware token that does not say its owner touched it" in verdict.sentence


def test_a_trust_file_of_another_repository_vouches_for_nothing(fleet):
    other = ReleaseStatement(repository="other", environment="prod", name="n", manifest_sha256="3f" * 32)
    verdict = fleet.ask(fleet.sign("bo", statement=other), statement=other)
    assert not verdict.verified
    assert verdict.sentence == "the trust file is about github.com/acme/models and can vouch for nothing in other"


# --- time is when we first saw it


@pytest.mark.parametrize(
    ("name", "first_seen", "verified"),
    [
        ("bo-old", datetime(2026, 11, 19, tzinfo=UTC), True),
        ("bo-old", datetime(2026, 11, 20, tzinfo=UTC), False),
        ("bo-lost", datetime(2026, 11, 19, 23, 59, 59, tzinfo=UTC), True),
        ("bo-lost", datetime(2026, 11, 20, tzinfo=UTC), False),
        ("bo-new", datetime(2026, 12, 21, tzinfo=UTC), False),
    ],
)
def test_a_key_is_judged_for_when_its_signature_was_first_seen_and_never_for_the_future(
    fleet, name, first_seen, verified
):
    assert fleet.ask(fleet.sign(name), first_seen=first_seen).verified is verified


# --- several signatures


def test_one_person_with_two_keys_counts_once(fleet):
    verdict = fleet.ask(fleet.sign("bo", "bo-2"), threshold=2)
    assert not verdict.verified
    assert verdict.missing == 1
    assert verdict.people == {"bo"}
    assert verdict.unsigned == (f"signed by bo again ({fleet.fingerprint('bo-2')}), who counts once",)
    assert verdict.sentence.startswith("1 of 2 people signed; signed by bo (")


def test_one_signature_twice_counts_once(fleet):
    assert fleet.ask(fleet.sign("bo", "bo"), threshold=2).missing == 1


def test_two_people_make_a_threshold_of_two(fleet):
    verdict = fleet.ask(fleet.sign("bo", "cy"), threshold=2)
    assert verdict.verified
    assert [signer.person for signer in verdict.signed] == ["bo", "cy"]


def test_a_good_signature_counts_beside_ones_that_do_not(fleet):
    verdict = fleet.ask(fleet.sign("ada", "stranger", "bo", "daemon"))
    assert verdict.verified
    assert verdict.people == {"bo"}
    assert len(verdict.unsigned) == 3


# --- other statements


def test_a_config_is_judged_by_its_path(fleet):
    def ask(path, names=("bo",)):
        statement = ConfigStatement(repository=REPOSITORY, path=path, document_kind="Environment", sha256="7" * 64)
        return verify(
            statement,
            fleet.sign(*names, statement=statement),
            fleet.trust,
            verb="configure",
            path=path,
            first_seen=NOW,
            now=NOW,
        )

    assert ask("environments/prod.yaml").verified
    assert ask("clusters/eu.yaml").sentence.endswith("whose roles platform, owner may not configure clusters/eu.yaml")
    assert ask("environments/prod.yaml", ("ada",)).sentence.endswith(
        "whose role science may not configure environments/prod.yaml"
    )


def test_the_trust_file_s_own_threshold_is_the_least(fleet):
    statement = TrustStatement(repository=REPOSITORY, version=2, sha256="7" * 64)

    def ask(*names):
        signed = fleet.sign(*names, statement=statement)
        return verify(statement, signed, fleet.trust, verb="trust", first_seen=NOW, now=NOW, threshold=1)

    assert ask("bo").missing == 1
    assert ask("bo", "cy").verified
    assert ask("ada").sentence.endswith("whose role science may not change the trust file")


def test_a_statement_is_never_judged_by_the_roles_of_another_place(fleet):
    with pytest.raises(Misused, match="environment 'prod' was judged for 'dev'"):
        verify(RELEASE, b"", fleet.trust, verb="release", environment="dev", first_seen=NOW, now=NOW)


@pytest.mark.parametrize(
    ("name", "at", "said"),
    [
        ("daemon", NOW, "signed by reconciler"),
        ("daemon", datetime(2027, 1, 1, tzinfo=UTC), "whose key expired at 2027-01-01T00:00:00Z"),
        ("bo", NOW, "which belongs to bo; only the daemon signs its records"),
        ("stranger", NOW, "which the trust file does not name; only the daemon signs its records"),
    ],
)
def test_a_record_is_signed_by_the_daemon_and_nobody_else(fleet, name, at, said):
    statement = RecordStatement(repository=REPOSITORY, sequence=42, previous="0" * 64, sha256="7" * 64)
    verdict = verify_record(statement, fleet.sign(name, statement=statement), fleet.trust, at=at)
    assert said in verdict.sentence
    assert verdict.verified is (said == "signed by reconciler")


def test_a_forged_record_is_refused(fleet):
    statement = RecordStatement(repository=REPOSITORY, sequence=42, previous="0" * 64, sha256="7" * 64)
    other = RecordStatement(repository=REPOSITORY, sequence=43, previous="0" * 64, sha256="7" * 64)
    verdict = verify_record(statement, fleet.sign("daemon", statement=other), fleet.trust, at=NOW)
    assert "but not as it is now" in verdict.sentence
    assert not verdict.verified


@pytest.mark.parametrize("threshold", [0, -1])
def test_a_threshold_that_lets_anything_pass_does_not_exist(threshold):
    with pytest.raises(Misused, match="let anything pass"):
        Verification(threshold=threshold)


HOLD_ENDS = ConfigRemovalStatement(repository=REPOSITORY, path="holds/incident.yaml", sha256="77" * 32)


@pytest.mark.parametrize(
    ("who", "role", "sentence"),
    [
        ("bo", "platform", ""),
        ("ada", "platform", "who has not the role platform"),
        ("bo-old", "platform", "expired"),
        ("stranger", "platform", "belongs to nobody in the trust file"),
    ],
)
def test_the_end_of_a_hold_is_signed_by_the_role_that_it_names(fleet, who, role, sentence):
    found = verify_role(HOLD_ENDS, fleet.sign(who, statement=HOLD_ENDS), fleet.trust, role=role, at=NOW)
    assert found.verified is (not sentence)
    assert sentence in found.sentence
