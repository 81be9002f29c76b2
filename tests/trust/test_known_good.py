"""Which manifest of the past may return at once."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.state import Promotion
from reconciler.trust.known_good import Known, Unknown, known_good

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def sha(letter):
    return "sha256:" + letter * 64


def promotion(manifest, version, days_ago, keys=("SHA256:bo",)):
    return Promotion(
        version=sha(version),
        model_version="1.0.0",
        manifest=sha(manifest),
        closure=sha("c"),
        revision="a" * 40,
        at=NOW - timedelta(days=days_ago),
        keys=keys,
    )


def ask(manifest, *history, depth=3, max_age=30, revoked=frozenset()):
    return known_good(sha(manifest), history, depth=depth, max_age=timedelta(days=max_age), revoked=revoked, now=NOW)


FOUR = [promotion("4", "d", 1), promotion("3", "c", 2), promotion("2", "b", 3), promotion("1", "a", 4)]


@pytest.mark.parametrize(
    ("manifest", "history", "settings", "expected"),
    [
        ("9", [], {}, "this manifest was never promoted here"),
        ("9", FOUR, {}, "this manifest was never promoted here"),
        ("4", FOUR, {}, 0),
        ("3", FOUR, {}, 1),
        ("1", FOUR, {}, 3),
        ("1", FOUR, {"depth": 2}, "it is 3 versions back and rollback.depth is 2"),
        ("3", FOUR, {"depth": 0}, "it is 1 version back and rollback.depth is 0"),
        ("4", FOUR, {"depth": 0}, 0),
        ("1", FOUR, {"max_age": 2}, "it last served 3d ago and rollback.maxAge is 2d"),
        ("1", FOUR, {"max_age": 3}, 3),
        ("1", FOUR, {"revoked": {"SHA256:bo"}}, "every key that signed it is revoked"),
        ("1", FOUR, {"revoked": {"SHA256:ada"}}, 3),
        ("1", [promotion("1", "a", 1, keys=())], {}, "no key is recorded that signed it"),
        ("1", [promotion("1", "a", 1, keys=("x", "y"))], {"revoked": {"x"}}, 0),
        (
            "1",
            [promotion("1", "a", 1, keys=("x", "y"))],
            {"revoked": {"x", "y"}},
            "every key that signed it is revoked",
        ),
    ],
)
def test_a_manifest_is_known_good_when_it_was_promoted_near_enough(manifest, history, settings, expected):
    verdict = ask(manifest, *history, **settings)
    if isinstance(expected, str):
        assert verdict == Unknown(reason=expected)
    else:
        assert isinstance(verdict, Known)
        assert verdict.back == expected
        assert verdict.promotion.manifest == sha(manifest)


def test_the_order_of_the_history_does_not_matter():
    assert ask("2", *FOUR) == ask("2", *reversed(FOUR))


def test_what_served_for_months_until_an_hour_ago_is_near():
    bad = promotion("2", "b", 1 / 24)
    assert isinstance(ask("1", promotion("1", "a", 90), bad), Known)


def test_depth_counts_versions_and_not_manifests():
    history = [promotion("1", "a", 9), *(promotion(manifest, "b", 8) for manifest in "2345")]
    verdict = ask("1", *history, depth=1)
    assert isinstance(verdict, Known)
    assert verdict.back == 1


def test_a_version_that_came_back_counts_from_when_it_last_served():
    verdict = ask("1", promotion("1", "a", 50), promotion("2", "b", 45), promotion("3", "a", 2), promotion("4", "b", 1))
    assert isinstance(verdict, Known)
    assert verdict.back == 1
    assert verdict.promotion.at == NOW - timedelta(days=50)


def test_the_latest_promotion_of_a_manifest_is_the_one_that_returns():
    verdict = ask("1", promotion("1", "a", 5), promotion("2", "b", 4), promotion("1", "d", 3), promotion("3", "c", 1))
    assert isinstance(verdict, Known)
    assert verdict.promotion.version == sha("d")


def test_of_two_promotions_in_one_second_the_newer_one_stands_first():
    history = [promotion("1", "a", 1), promotion("2", "b", 1), promotion("1", "a", 5)]
    assert ask("2", *history, depth=0) == Unknown(reason="it is 1 version back and rollback.depth is 0")


def gone(row, days_ago):
    return row.model_copy(update={"retired": NOW - timedelta(days=days_ago)})


@pytest.mark.parametrize(
    ("sentence", "history", "expected"),
    [
        ("retired lately it is near, however long ago it was promoted", [gone(promotion("1", "a", 90), 2)], True),
        ("retired for longer than the age it is not", [gone(promotion("1", "a", 90), 31)], False),
        ("retired long before another version followed", [gone(promotion("1", "a", 90), 60), promotion("2", "b", 1)],
         False),
        ("retired once, and active again since", [gone(promotion("1", "a", 90), 60), promotion("1", "a", 40)], True),
    ],
)  # fmt: skip
def test_what_was_retired_served_until_then(sentence, history, expected):
    assert isinstance(ask("1", *history), Known) is expected, sentence
