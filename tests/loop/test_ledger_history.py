"""What the ledger says was promoted here, when the state that knew it is lost."""

from types import SimpleNamespace

from loop_acme import FRAUD, REPOSITORY, REVISION, later

from reconciler.loop.ledger import Ledger
from reconciler.model.record import Record
from reconciler.model.state import Promotion


def sha(letter):
    return "sha256:" + letter * 64


def record(version, manifest, at, kind="Promoted", **more):
    promotion = Promotion(
        version=sha(version), model_version=version, manifest=sha(manifest), closure=sha("c"), revision=REVISION,
        at=later(at), **more,
    )  # fmt: skip
    return Record(
        time=later(at), kind=kind, repository=REPOSITORY, message="", detail={"promotion": promotion.to_data()}
    )


def history(*records):
    """Of records in their order; newest first, as (version, manifest, retired)."""
    ledger = SimpleNamespace(_records=lambda _: list(reversed(records)))
    rows = Ledger.history(ledger, FRAUD)
    return [(row.model_version, row.manifest[-1], row.retired is not None) for row in rows]


def test_two_texts_of_one_version_in_one_second_are_two_promotions():
    found = history(record("1", "a", 0), record("1", "b", 1), record("1", "d", 1))
    assert found == [("1", "d", False), ("1", "b", False), ("1", "a", False)]


def test_what_a_later_record_says_of_a_promotion_counts():
    retired = record("1", "a", 0, kind="Retired", retired=later(5))
    assert history(record("1", "a", 0), retired) == [("1", "a", True)]


def test_what_was_promoted_before_it_ended_does_not_count():
    end = Record(time=later(2), kind="Removed", repository=REPOSITORY, message="", detail={"removal": "*"})
    assert history(record("1", "a", 0), end, record("2", "b", 3)) == [("2", "b", False)]
