"""Keys that ended under what runs: who is named, and when it is an alarm."""

from datetime import UTC, datetime

import pytest

from reconciler.trust.keys import fingerprint, parse_public_line
from reconciler.trust.people import read_trust
from reconciler.trust.vouching import Signers, Vouching, note

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
BEFORE, AFTER = "2026-11-20T00:00:00Z", "2027-01-01T00:00:00Z"


@pytest.fixture(scope="session")
def key(key_pair):
    return lambda name: fingerprint(parse_public_line(key_pair(name).public.strip()).blob)


@pytest.fixture(scope="session")
def trust(key_pair):
    def make(**times):
        rows = [
            {"name": name, "roles": ["owner"], "keys": [{"key": key_pair(name).public.strip(), **times.get(name, {})}]}
            for name in ("ada", "bo")
        ]
        spec = {"repository": "x", "version": 1, "threshold": {"role": "owner"}, "people": rows}
        return read_trust({"apiVersion": "reconciler.dev/v1alpha1", "kind": "Trust", "spec": spec}, path="trust.yaml")

    return make


CASES = {
    "every key is valid": ({}, ("bo",), None, ""),
    "nothing is recorded": ({}, (), None, ""),
    "a key is revoked": (
        {"bo": {"revokedAt": BEFORE}}, ("bo",), Vouching.REVOKED,
        "1.4.0 was released with bo's key BO, which was revoked at 2026-11-20T00:00:00Z",
    ),
    "a key will be revoked": ({"bo": {"revokedAt": AFTER}}, ("bo",), None, ""),
    "a key expired": (
        {"bo": {"validBefore": BEFORE}}, ("bo",), Vouching.ENDED,
        "1.4.0 was released with bo's key BO, which expired at 2026-11-20T00:00:00Z",
    ),
    "its owner left the file": (
        {}, ("cy",), Vouching.ENDED, "1.4.0 was released with the key CY, which nobody in the trust file has any more",
    ),
    "a key is revoked and another one is valid": (
        {"bo": {"revokedAt": BEFORE}}, ("bo", "ada"), Vouching.OTHERS,
        f"1.4.0 was released with bo's key BO, which was revoked at {BEFORE}; another key that released it is valid",
    ),
    "one is revoked and the other one expired": (
        {"bo": {"revokedAt": BEFORE}, "ada": {"validBefore": BEFORE}}, ("bo", "ada"), Vouching.REVOKED,
        (
            f"1.4.0 was released with bo's key BO, which was revoked at {BEFORE} and ada's key ADA, which expired at "
            f"{BEFORE}"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_said_when(case, trust, key):
    times, keys, outcome, sentence = CASES[case]
    found = note([Signers(model_version="1.4.0", keys=tuple(key(name) for name in keys))], trust(**times), NOW)
    assert (found and found.outcome) == outcome
    for name in ("bo", "ada", "cy"):
        sentence = sentence.replace(f"key {name.upper()},", f"key {key(name)},")
    assert (found.sentence if found else "") == sentence


def test_of_several_versions_each_is_named_and_the_worst_counts(trust, key):
    rows = [Signers(model_version="1.4.0", keys=(key("cy"),)), Signers(model_version="1.5.0", keys=(key("bo"),))]
    found = note(rows, trust(bo={"revokedAt": BEFORE}), NOW)
    assert found
    assert found.outcome is Vouching.REVOKED
    assert [part.split()[0] for part in found.sentence.split("; ")] == ["1.4.0", "1.5.0"]
