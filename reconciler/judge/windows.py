"""Windows, freezes and schedules: which of them hold a change now, and when that changes.

Pure; `now` is aware UTC. Not whether a release wants to move at all (loop/waiting). Rules: a freeze wins over a window;
a period lasts hours that pass, not hours of the clock; a start that the clock leaps over on the day it goes forward is
the first moment after the leap, and one that comes twice on the day it goes back is the first of the two; `opens_at` is
the exact moment, or None when none is known.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from reconciler.model.plan import Gate
from reconciler.model.windows import Allowed, Schedule, Windows

_CLOCK_CHANGE = timedelta(hours=3)
"""More than any clock goes back: cron knows local times, and around that day a later one may have been earlier."""
_MOST_STEPS = 500
"""Of looking for a moment that nothing holds: freezes that follow one another without an end have none."""


def window_gates(environment: str, windows: Windows, now: datetime, *, place: str) -> tuple[Gate, ...]:
    """The window's gate, where there are windows, and one closed gate per freeze that is on.

    `place` is the file:line:column of the windows.
    """
    gates = [_window(environment, windows, now, place)] if windows.allow else []
    zone = ZoneInfo(windows.time_zone)
    frozen = [period for period in windows.deny if _ends(period, zone, now)]
    until = _thaw(windows, now) if frozen else None
    when = f"until {_told(until, zone)}" if until else "without a known end"
    for period in frozen:
        message = f"environment {environment} is frozen {when}: {period.reason} ({place})"
        gates.append(Gate(kind="Freeze", open=False, reason="Frozen", message=message, opens_at=until))
    return tuple(gates)


def schedule_gate(schedule: Schedule, now: datetime, *, place: str) -> Gate | None:
    """The gate of `notBefore`; None for a release that has none. `place` is its file:line:column."""
    start = schedule.not_before
    if start is None:
        return None
    when = _told(start, ZoneInfo("UTC"))
    if now >= start:
        return Gate(kind="Schedule", open=True, reason="Due", message=f"it may start since {when} ({place})")
    return Gate(kind="Schedule", open=False, reason="NotYet", message=f"it starts {when} ({place})", opens_at=start)


def next_change(windows: Windows, now: datetime) -> datetime | None:
    """The next moment at which any period begins or ends; None when none ever does."""
    zone = ZoneInfo(windows.time_zone)
    periods = (*windows.allow, *windows.deny)
    moments = [_starts(period, zone, now) for period in periods] + [_ends(period, zone, now) for period in periods]
    return min((moment for moment in moments if moment), default=None)


def opening(windows: Windows, now: datetime) -> datetime | None:
    """The first moment from `now` on in which a change may start; None when none is found."""
    zone = ZoneInfo(windows.time_zone)
    at = now
    for _ in range(_MOST_STEPS):
        if thaw := _latest_end(windows.deny, zone, at):
            at = thaw
        elif not windows.allow or _latest_end(windows.allow, zone, at):
            return at
        else:
            starts = [start for period in windows.allow if (start := _starts(period, zone, at))]
            if not starts:
                return None
            at = min(starts)
    return None


def _window(environment: str, windows: Windows, now: datetime, place: str) -> Gate:
    zone = ZoneInfo(windows.time_zone)
    if ends := _latest_end(windows.allow, zone, now):
        message = f"a window of environment {environment} is open until {_told(ends, zone)} ({place})"
        return Gate(kind="Window", open=True, reason="InWindow", message=message)
    opens = opening(windows, now)
    when = f"opens {_told(opens, zone)}" if opens else "is not known"
    message = f"environment {environment} takes changes in its windows only, and the next one {when} ({place})"
    return Gate(kind="Window", open=False, reason="OutsideWindow", message=message, opens_at=opens)


def _thaw(windows: Windows, now: datetime) -> datetime | None:
    """When no freeze is on any more; None when they go on as far as we look."""
    zone = ZoneInfo(windows.time_zone)
    at = now
    for _ in range(_MOST_STEPS):
        ends = _latest_end(windows.deny, zone, at)
        if ends is None:
            return at
        at = ends
    return None


def _latest_end(periods: Iterable[Allowed], zone: ZoneInfo, at: datetime) -> datetime | None:
    """When the last of the periods that are on ends; None when none is on."""
    return max((ends for period in periods if (ends := _ends(period, zone, at))), default=None)


def _ends(period: Allowed, zone: ZoneInfo, at: datetime) -> datetime | None:
    """When the period that is on at `at` ends; None when none is. It is on from its start until before its end."""
    for local in CronSim(period.cron, (at + _CLOCK_CHANGE).astimezone(zone), reverse=True):
        start = local.astimezone(UTC)
        if start <= at:
            return start + period.duration if at < start + period.duration else None
    return None


def _starts(period: Allowed, zone: ZoneInfo, at: datetime) -> datetime | None:
    """When the period begins next, after `at`."""
    for local in CronSim(period.cron, at.astimezone(zone)):
        start = local.astimezone(UTC)
        if start > at:
            return start
    return None


def _told(moment: datetime, zone: ZoneInfo) -> str:
    """A moment for people, in the zone they think in."""
    return f"{moment.astimezone(zone):%a %-d %b %Y %H:%M} {zone.key}"
