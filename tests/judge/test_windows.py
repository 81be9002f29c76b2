"""Windows as a table of moments: each row is a sentence, a place in time, and which gates are closed until when."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from reconciler.judge.windows import next_change, opening, schedule_gate, window_gates
from reconciler.model.windows import Schedule, Windows

BERLIN = ZoneInfo("Europe/Berlin")
PLACE = "environments/prod.yaml:8:12"
MONDAY = "Mon 11 Jan 2027 09:00 Europe/Berlin"


def at(text, zone="Europe/Berlin", fold=0):
    """A local time; `fold=1` is the second one of a day on which the clock goes back."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def windows(*, allow=(), deny=(), zone="Europe/Berlin"):
    return Windows.from_data(
        {
            "timeZone": zone,
            "allow": [{"cron": cron, "duration": duration} for cron, duration in allow],
            "deny": [{"cron": cron, "duration": duration, "reason": reason} for cron, duration, reason in deny],
        }
    )


OFFICE = [("0 9 * * 1-4", "8h")]
YEAR_END = [("0 0 20 12 *", "21d", "year end")]
NIGHT = [("0 0 * * *", "6h")]

ROWS = {
    "inside a window": (windows(allow=OFFICE), at("2026-12-01T09:00"), [], None),
    "a second before a window": (
        windows(allow=OFFICE), at("2026-12-01T08:59:59"), ["Window"], at("2026-12-01T09:00"),
    ),
    "in the last second of a window": (windows(allow=OFFICE), at("2026-12-01T16:59:59"), [], None),
    "at the end of a window": (windows(allow=OFFICE), at("2026-12-01T17:00"), ["Window"], at("2026-12-02T09:00")),
    "on a Friday, merged for Monday": (
        windows(allow=OFFICE), at("2026-12-04T15:00"), ["Window"], at("2026-12-07T09:00"),
    ),
    "day 1 of a cron expression is Monday": (
        windows(allow=[("0 9 * * 1", "1h")]), at("2026-12-06T12:00"), ["Window"], at("2026-12-07T09:00"),
    ),
    "no windows but freezes, outside of them": (windows(deny=YEAR_END), at("2026-12-19T23:59"), [], None),
    "in a freeze": (windows(deny=YEAR_END), at("2026-12-24T18:00"), ["Freeze"], at("2027-01-10T00:00")),
    "a freeze that began last year": (
        windows(deny=YEAR_END), at("2027-01-09T23:59"), ["Freeze"], at("2027-01-10T00:00"),
    ),
    "a freeze wins over a window": (
        windows(allow=OFFICE, deny=YEAR_END), at("2026-12-22T10:00"), ["Freeze"], at("2027-01-10T00:00"),
    ),
    "outside a window and in a freeze, the next window is the first after the freeze": (
        windows(allow=OFFICE, deny=YEAR_END), at("2026-12-26T10:00"), ["Window", "Freeze"], at("2027-01-11T09:00"),
    ),
    "two windows overlap and the later end counts": (
        windows(allow=[("0 9 * * *", "4h"), ("0 12 * * *", "4h")]), at("2026-12-01T15:59"), [], None,
    ),
    "after both of two windows that overlap": (
        windows(allow=[("0 9 * * *", "4h"), ("0 12 * * *", "4h")]), at("2026-12-01T16:00"), ["Window"],
        at("2026-12-02T09:00"),
    ),
    "a window longer than its own period never ends": (
        windows(allow=[("0 9 * * *", "25h")]), at("2026-12-02T09:30"), [], None,
    ),
    "two freezes touch and are one": (
        windows(deny=[("0 0 1 12 *", "1d", "first"), ("0 0 2 12 *", "1d", "second")]), at("2026-12-01T12:00"),
        ["Freeze"], at("2026-12-03T00:00"),
    ),
    "two freezes at once are both told": (
        windows(deny=[("0 0 1 12 *", "2d", "first"), ("0 0 2 12 *", "2d", "second")]), at("2026-12-02T12:00"),
        ["Freeze", "Freeze"], at("2026-12-04T00:00"),
    ),
    "freezes without an end": (windows(deny=[("* * * * *", "2m", "never")]), at("2026-12-01T12:00"), ["Freeze"], None),
    "a leap day comes round": (
        windows(allow=[("0 9 29 2 *", "1h")]), at("2026-12-01T12:00"), ["Window"], at("2028-02-29T09:00"),
    ),
    "the clock goes forward and a window begins in the hour that is not there": (
        windows(allow=[("30 2 * * *", "1h")]), at("2026-03-29T01:59"), ["Window"], at("2026-03-29T03:00"),
    ),
    "the clock went forward: the window that began then is open": (
        windows(allow=[("30 2 * * *", "1h")]), at("2026-03-29T03:59"), [], None,
    ),
    "the clock went forward: an hour that passed is an hour": (
        windows(allow=[("30 2 * * *", "1h")]), at("2026-03-29T04:00"), ["Window"], at("2026-03-30T02:30"),
    ),
    "the clock goes forward in a window of six hours, which ends at seven by the clock": (
        windows(allow=NIGHT), at("2026-03-29T06:59"), [], None,
    ),
    "six hours after midnight it is seven on that day": (
        windows(allow=NIGHT), at("2026-03-29T07:00"), ["Window"], at("2026-03-30T00:00"),
    ),
    "the clock goes back in a window of six hours, which ends at five by the clock": (
        windows(allow=NIGHT), at("2026-10-25T05:00"), ["Window"], at("2026-10-26T00:00"),
    ),
    "a second before five on that day": (windows(allow=NIGHT), at("2026-10-25T04:59:59"), [], None),
    "of two half past twos the first begins the window": (
        windows(allow=[("30 2 * * *", "15m")]), at("2026-10-25T02:40"), [], None,
    ),
    "of two half past twos the second does not": (
        windows(allow=[("30 2 * * *", "15m")]), at("2026-10-25T02:40", fold=1), ["Window"], at("2026-10-26T02:30"),
    ),
    "a window that began at a quarter to three is open at the second half past two": (
        windows(allow=[("45 2 * * *", "2h")]), at("2026-10-25T02:30", fold=1), [], None,
    ),
    "a freeze over both half past twos": (
        windows(deny=[("0 2 * * *", "2h", "backup")]), at("2026-10-25T02:30", fold=1), ["Freeze"],
        at("2026-10-25T03:00"),
    ),
    "UTC has no such days": (
        windows(allow=NIGHT, zone="UTC"), at("2026-10-25T05:59", "UTC"), [], None,
    ),
    "the zone is the environment's": (
        windows(allow=OFFICE, zone="America/New_York"), at("2026-12-01T09:00"), ["Window"],
        at("2026-12-01T09:00", "America/New_York"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given_windows", "now", "closed", "opens"), ROWS.values(), ids=ROWS)
def test_gates(given_windows, now, closed, opens):
    gates = [gate for gate in window_gates("prod", given_windows, now, place=PLACE) if not gate.open]
    assert [gate.kind for gate in gates] == closed
    times = [gate.opens_at for gate in gates]
    assert times == [] or (times[-1] if "Window" not in closed else times[0]) == opens
    assert all(PLACE in gate.message and "environment prod" in gate.message for gate in gates)
    if closed:
        assert opening(given_windows, now) == (opens if "Window" in closed else opening(given_windows, now))


def test_the_sentences_say_when_in_the_zone_that_people_think_in():
    gates = window_gates("prod", windows(allow=OFFICE, deny=YEAR_END), at("2026-12-26T10:00"), place=PLACE)
    assert [gate.message for gate in gates] == [
        f"environment prod takes changes in its windows only, and the next one opens {MONDAY} ({PLACE})",
        f"environment prod is frozen until Sun 10 Jan 2027 00:00 Europe/Berlin: year end ({PLACE})",
    ]
    (gate,) = window_gates("prod", windows(allow=OFFICE), at("2026-12-01T12:00"), place=PLACE)
    assert gate.open
    assert gate.message == f"a window of environment prod is open until Tue 1 Dec 2026 17:00 Europe/Berlin ({PLACE})"
    (gate,) = window_gates("prod", windows(deny=[("* * * * *", "2m", "never")]), at("2026-12-01T12:00"), place=PLACE)
    assert gate.message == f"environment prod is frozen without a known end: never ({PLACE})"


NOT_BEFORE = Schedule.from_data({"notBefore": "2026-12-01T09:00:00Z"})


def test_a_release_without_a_schedule_has_no_gate():
    assert schedule_gate(Schedule(), at("2026-12-01T09:00"), place="r.yaml:1:1") is None


def test_not_before_is_closed_until_exactly_then():
    gate = schedule_gate(NOT_BEFORE, at("2026-12-01T08:59:59", "UTC"), place="r.yaml:20:24")
    assert (gate.kind, gate.open, gate.opens_at) == ("Schedule", False, at("2026-12-01T09:00", "UTC"))
    assert gate.message == "it starts Tue 1 Dec 2026 09:00 UTC (r.yaml:20:24)"
    assert schedule_gate(NOT_BEFORE, at("2026-12-01T09:00", "UTC"), place="r.yaml:20:24").open


CRONS = st.sampled_from(
    [
        "0 9 * * 1-4",
        "30 2 * * *",
        "*/7 2 * * *",
        "0 0 1 * *",
        "15 */5 * * *",
        "0 0 * * SUN",
        "59 23 31 12 *",
        "0 3 * * *",
    ]
)
LENGTHS = st.sampled_from(["1m", "30m", "1h", "8h", "1d", "3d"])
ALLOW = st.lists(st.tuples(CRONS, LENGTHS), max_size=2)
DENY = st.lists(st.tuples(CRONS, LENGTHS, st.just("no")), max_size=2)
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"])
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001  # made aware


def held(found, now):
    return [gate.kind for gate in window_gates("prod", found, now, place="") if not gate.open]


@settings(max_examples=150, deadline=None)
@given(ALLOW, DENY, ZONES, MOMENTS)
def test_nothing_changes_before_the_next_change_and_the_gate_is_open_when_it_says(allow, deny, zone, now):
    found = windows(allow=allow, deny=deny, zone=zone)
    change = next_change(found, now)
    if change:
        assert change > now
        middle = now + (change - now) / 2
        assert held(found, now) == held(found, middle) == held(found, change - timedelta(microseconds=1))
    opens = opening(found, now)
    if opens:
        assert held(found, opens) == []
        assert (opens == now) == (held(found, now) == [])


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789*/,-#LWMONSU JAN", max_size=40))
def test_every_text_is_a_cron_expression_or_a_sentence(text):
    try:
        found = windows(allow=[(text, "1h")])
    except ValidationError:
        return  # a sentence; any other error fails the test
    assert next_change(found, at("2026-12-01T09:00")) is not None
