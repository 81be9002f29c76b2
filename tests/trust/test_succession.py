"""Which trust file is in force when later versions of it lie in the repository that it judges."""

from datetime import UTC, datetime

import pytest

from reconciler.digest import sha256_of
from reconciler.trust.keys import load_private_key
from reconciler.trust.people import read_trust
from reconciler.trust.sshsig import sign
from reconciler.trust.statement import TrustStatement
from reconciler.trust.succession import TrustText, in_force, judge, succeed

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
REPOSITORY = "github.com/acme/models"
NOT_RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQc="


@pytest.fixture(scope="session")
def trust(key_pair):
    """trust(2, count=2, …): a file; bo and di are owners, ada is nobody special."""

    def make(version, *, count=1, repository=REPOSITORY, bo=None, key="", may=("trust",), people=("bo", "di")):
        line = {"key": key or key_pair("bo").public.strip(), **(bo or {})}
        keys = {"bo": line, "di": {"key": key_pair("di").public.strip()}}
        rows = [{"name": name, "roles": ["owner"], "keys": [keys[name]]} for name in people]
        rows.append({"name": "ada", "roles": ["science"], "keys": [{"key": key_pair("ada").public.strip()}]})
        spec = {
            "repository": repository, "version": version, "threshold": {"role": "owner", "count": count},
            "daemon": [{"key": key_pair("daemon").public.strip()}], "people": rows,
            "allow": [{"role": "owner", "may": list(may), "environments": ["*"]},
                      {"role": "science", "may": ["trust"], "environments": ["*"]}],
        }  # fmt: skip
        data = {"apiVersion": "reconciler.dev/v1alpha1", "kind": "Trust", "spec": spec}
        if key:
            from reconciler.model.trustfile import TrustFile

            return TrustFile.from_data(data)
        return read_trust(data, path="trust.yaml")

    return make


@pytest.fixture(scope="session")
def text(key_pair):
    """text(trust(2), "bo"): that file in the repository, signed by these people."""

    def make(file, *by, path="trust.yaml", seal="", over=""):
        sha256 = sha256_of((seal or str(file.spec.version)).encode())
        said = TrustStatement(
            repository=REPOSITORY, version=file.spec.version, sha256=(over or sha256).removeprefix("sha256:")
        )
        blocks = [sign(load_private_key(key_pair(name).private), said.text(), said.namespace) for name in by]
        return TrustText(path=path, file=file, sha256=sha256, signature="".join(blocks).encode())

    return make


def test_the_newer_of_mounted_and_accepted_is_in_force_and_of_equals_the_mounted(trust):
    one, two, also_two = trust(1), trust(2), trust(2, count=2)
    assert in_force(one, None) is one
    assert in_force(one, two) is two
    assert in_force(two, one) is two
    assert in_force(two, also_two) is two


def test_the_next_version_counts_when_the_one_in_force_asks_for_those_who_signed_it(trust, text):
    found = succeed(trust(1), [text(trust(2), "bo")], now=NOW)
    assert found.trust == trust(2)
    assert [one.version for one in found.taken] == [2]
    assert found.refused == {}


def test_a_threshold_of_two_needs_two_people_of_the_version_before(trust, text):
    before = trust(1, count=2)
    lacking = succeed(before, [text(trust(2), "bo")], now=NOW)
    assert lacking.trust is before
    assert lacking.refused["trust.yaml"].startswith("trust.yaml: 1 of 2 people signed; signed by bo")
    assert succeed(before, [text(trust(2), "bo", "di")], now=NOW).trust == trust(2)
    twice = succeed(before, [text(trust(2), "bo", "bo")], now=NOW)
    assert "who counts once" in twice.refused["trust.yaml"]


def test_versions_follow_one_another_each_judged_by_the_one_before(trust, text):
    two = trust(2, people=("di",))
    texts = [text(trust(3), "di", path="3.yaml"), text(two, "bo", path="2.yaml")]
    assert succeed(trust(1), texts, now=NOW).trust == trust(3)
    wrong = succeed(trust(1), [text(trust(3), "bo", path="3.yaml"), texts[1]], now=NOW)
    assert wrong.trust == two
    assert "belongs to nobody in the trust file" in wrong.refused["3.yaml"]


REFUSED = {
    "nobody signed it": (lambda t, x: x(t(2)), "is not signed: there is no signature beside it"),
    "the daemon signed it": (lambda t, x: x(t(2), "daemon"), "can release nothing"),
    "somebody without the threshold's role signed it": (
        lambda t, x: x(t(2), "ada"),
        "whose role science may not change the trust file",
    ),
    "a stranger signed it": (lambda t, x: x(t(2), "eve"), "belongs to nobody in the trust file"),
    "it was changed after it was signed": (
        lambda t, x: x(t(2), "bo", over="sha256:" + "0" * 64),
        "but not as it is now",
    ),
    "a version is left out": (
        lambda t, x: x(t(3), "bo"),
        "trust.yaml is version 3; version 1 is in force, so version 2 comes first",
    ),
    "it is another text of the version in force": (
        lambda t, x: x(t(1, count=2), "bo"),
        "trust.yaml is not the version 1 that is in force; a change of it is version 2",
    ),
    "it is about another repository": (
        lambda t, x: x(t(2, repository="github.com/acme/other"), "bo"),
        "trust.yaml vouches for github.com/acme/other, not for github.com/acme/models",
    ),
    "a key of it cannot be used": (
        lambda t, x: x(t(2, key=NOT_RSA), "bo"),
        "trust.yaml: spec.people[0].keys[0].key: The public key cannot be used",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_one_in_force_stays_when(case, trust, text):
    make, words = REFUSED[case]
    found = succeed(trust(1), [make(trust, text)], now=NOW)
    assert found.trust == trust(1)
    assert found.taken == ()
    assert words in found.refused["trust.yaml"]
    assert words in judge(trust(1), make(trust, text), now=NOW)


@pytest.mark.parametrize("times", [{"revokedAt": "2026-11-30T00:00:00Z"}, {"validBefore": "2026-11-30T00:00:00Z"}])
def test_a_key_that_ended_in_the_version_before_signs_no_later_one(trust, text, times):
    found = succeed(trust(1, bo=times), [text(trust(2), "bo")], now=NOW)
    assert found.trust.spec.version == 1
    assert "whose key" in found.refused["trust.yaml"]


def test_a_threshold_role_without_the_verb_signs_nothing(trust, text):
    found = succeed(trust(1, may=("release",)), [text(trust(2), "bo")], now=NOW)
    assert "may not change the trust file" in found.refused["trust.yaml"]


def test_the_file_in_force_and_older_ones_are_history_and_nothing_is_said_of_them(trust, text):
    texts = [text(trust(1, count=2), path="1.yaml"), text(trust(2), path="2.yaml")]
    found = succeed(trust(2), texts, now=NOW)
    assert (found.trust, found.refused) == (trust(2), {})
    assert judge(trust(2), texts[1], now=NOW) == "2.yaml is version 2, which is in force already"


def test_of_two_texts_of_the_next_version_the_signed_one_counts_and_of_two_signed_ones_neither(trust, text):
    good, other = text(trust(2), "bo", path="a.yaml"), trust(2, count=2)
    assert succeed(trust(1), [good, text(other, path="b.yaml", seal="b")], now=NOW).trust == trust(2)
    found = succeed(trust(1), [good, text(other, "di", path="b.yaml", seal="b")], now=NOW)
    assert found.trust.spec.version == 1
    assert found.refused["a.yaml"] == "a.yaml and b.yaml are version 2, each signed; keep one of them"
    twins = succeed(trust(1), [good, text(trust(2), "bo", path="b.yaml")], now=NOW)
    assert (twins.trust, twins.refused) == (trust(2), {})
