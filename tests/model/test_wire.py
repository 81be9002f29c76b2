"""Scalars that documents are written in, and the JSON form of everything that crosses a wire."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from reconciler.model.cluster import Connection
from reconciler.model.document import Selector
from reconciler.model.wire import (
    DnsLabel,
    Duration,
    LabelKey,
    LabelValue,
    Percent,
    Quantity,
    Sha256,
    Time,
    Wire,
    format_duration,
    format_time,
    parse_duration,
    quantity_value,
)

BIG = "9" * 30


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("24h", timedelta(days=1)),
        ("30d", timedelta(days=30)),
        ("1h30m", timedelta(minutes=90)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("0s", timedelta(0)),
    ],
)
def test_durations(text, value):
    assert parse_duration(text) == value


@pytest.mark.parametrize(
    "text", ["", "10", "m", "1.5h", "-1h", "1h ", " 1h", "30m1h", "1w", "1H", "1h1h", BIG + "s", "١h", "1h\n"]
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is not a duration such as 90s, 10m, 24h or 30d"):
        parse_duration(text)


@given(st.integers(0, 10**9))
def test_a_duration_reads_back(seconds):
    value = timedelta(seconds=seconds)
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("500m", Decimal("0.5")),
        ("1.5", Decimal("1.5")),
        ("1k", 1000),
        ("16Gi", 16 * 2**30),
        ("0.5Gi", 2**29),
        ("1P", 10**15),
        ("1Pi", 2**50),
        ("0", 0),
    ],
)
def test_quantities(text, value):
    assert quantity_value(text) == value


@pytest.mark.parametrize("text", ["", "1e3", "Gi", "1.", ".5", "-1", "1 Gi", "1GiB", "1K", "0x10", BIG, "NaN", "1\n"])
def test_what_is_no_quantity(text):
    with pytest.raises(ValueError, match="is not a quantity such as 500m, 2 or 16Gi"):
        quantity_value(text)


def accepts(kind, value):
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Percent, ["1%", "70%", "100%"], ["0%", "101%", "70", "7.5%", "-1%", "999%", "1%\n", 70]),
        (Quantity, ["500m", "16Gi"], ["a lot", "", 2]),
        (Duration, ["10m"], ["10", "", 600, "ten minutes"]),
        (
            Sha256,
            ["sha256:" + "a" * 64],
            ["a" * 64, "sha256:" + "A" * 64, "sha256:" + "a" * 63, "sha256:" + "a" * 64 + "\n"],
        ),
        (DnsLabel, ["a", "a-1", "1a", "a" * 63], ["", "-a", "a-", "A", "a.b", "a" * 64, "a\n", "a_b"]),
        (LabelValue, ["", "a", "A.b_c-1", "a" * 63], ["-a", "a.", "a" * 64, "a b", "a\n"]),
        (
            LabelKey,
            ["team", "acme.com/team", "a" * 63],
            ["", "/team", "acme.com/", "a/b/c", "Acme/team", "a" * 64, "a\n"],
        ),
    ],
    ids=["percentages", "quantities", "durations", "digests", "names", "label values", "label keys"],
)
def test_scalars(kind, good, bad):
    assert [value for value in good if not accepts(kind, value)] == []
    assert [value for value in bad if accepts(kind, value)] == []


def test_times_are_utc_and_have_a_zone():
    adapter = TypeAdapter(Time)
    assert adapter.validate_json(b'"2026-12-01T10:00:00+01:00"') == datetime(2026, 12, 1, 9, tzinfo=UTC)
    with pytest.raises(ValidationError, match="a time needs its zone: write 2026-12-01T09:00:00Z"):
        adapter.validate_json(b'"2026-12-01T09:00:00"')
    east = datetime(2026, 12, 1, 10, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(east) == "2026-12-01T09:00:00Z"


class Sample(Wire):
    first_name: str = "x"
    count: int = 0
    every: Duration = timedelta(seconds=30)


def test_names_are_camel_case_outside_and_defaults_are_left_out():
    assert Sample().to_data() == {}
    assert Sample(first_name="a", every=timedelta(hours=1)).to_data() == {"firstName": "a", "every": "1h"}
    assert Sample().to_full_data() == {"firstName": "x", "count": 0, "every": "30s"}


@given(st.text(), st.integers(-(2**40), 2**40), st.integers(0, 10**6))
def test_a_wire_value_reads_back(text, count, seconds):
    value = Sample(first_name=text.encode("utf-8", "ignore").decode(), count=count, every=timedelta(seconds=seconds))
    assert Sample.from_data(value.to_data()) == value
    assert Sample.from_data(value.to_full_data()) == value


@pytest.mark.parametrize(
    "data", [{"count": "1"}, {"count": True}, {"count": 1.0}, {"count": 10**30}, {"other": 1}, {"firstName": None}, []]
)
def test_nothing_is_coerced_and_nothing_unknown_is_let_in(data):
    with pytest.raises((ValidationError, TypeError)):
        Sample.from_data(data)


def test_a_value_does_not_change():
    with pytest.raises(ValidationError):
        Sample().count = 1


@pytest.mark.parametrize(
    ("wanted", "labels", "matches"),
    [
        ({}, {"tier": "prod"}, False),
        ({"tier": "prod"}, {"tier": "prod", "region": "eu"}, True),
        ({"tier": "prod", "region": "us"}, {"tier": "prod", "region": "eu"}, False),
        ({"tier": "prod"}, {}, False),
        ({"tier": ""}, {"tier": ""}, True),
        ({"tier": ""}, {}, False),
    ],
    ids=[
        "an empty selector selects nothing",
        "one label",
        "one of two differs",
        "not there",
        "empty",
        "empty is not absent",
    ],
)
def test_selectors(wanted, labels, matches):
    assert Selector(match_labels=wanted).matches(labels) is matches


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "exactly one of kubeconfig and inCluster"),
        ({"kubeconfig": "fleet", "inCluster": True}, "exactly one of kubeconfig and inCluster"),
        ({"inCluster": True, "context": "x"}, "context needs a kubeconfig"),
    ],
)
def test_a_connection_is_one_way_or_the_other(data, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Connection.from_data(data)
    assert Connection.from_data({"inCluster": True}).kubeconfig is None
    assert Connection.from_data({"kubeconfig": "fleet", "context": "eu-1"}).context == "eu-1"
