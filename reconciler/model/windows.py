"""When an environment takes changes: periods by cron expression and length, in one time zone.

Not whether one is open now (judge/windows). Rules: a cron expression has five fields and comes round at least once; a
zone is named as in the IANA database, never by an abbreviation or an offset, and never what this machine calls local.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, StringConstraints

from reconciler.model.wire import Duration, Field, Time, Wire

CRON_FORM = "minute, hour, day of month, month and day of week, such as 0 9 * * MON-FRI"
_SOMETIME = datetime(2026, 1, 1, tzinfo=UTC)  # a fixed day to look for a first time from
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(days=366)


def _cron(text: str) -> str:
    try:
        found = next(CronSim(text, _SOMETIME), None)
    except CronSimError as error:
        what = str(error).removeprefix("Bad ")
        raise ValueError(f"the {what} of this cron expression is not right: write {CRON_FORM}") from None
    if found is None:
        raise ValueError("this cron expression names a day that never comes")
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone '{name}': write one such as Europe/Berlin, or UTC") from None
    return name


def _length(value: timedelta) -> timedelta:
    if not _SHORTEST <= value <= _LONGEST:
        raise ValueError("a period lasts from 1m to 366d")
    return value


CronText = Annotated[
    str, StringConstraints(max_length=100, pattern=r"^[0-9A-Za-z*/,#-]+( [0-9A-Za-z*/,#-]+){4}$"),
    AfterValidator(_cron),
]  # fmt: skip
ZoneName = Annotated[
    str, StringConstraints(pattern=r"^(UTC|[A-Z][A-Za-z_]{1,40}(/[A-Z][A-Za-z0-9_+-]{0,40}){1,2})$"),
    AfterValidator(_zone),
]  # fmt: skip
Length = Annotated[Duration, AfterValidator(_length)]


class Allowed(Wire):
    """A period in which changes may start."""

    cron: CronText
    """When it begins, in the environment's time zone: minute, hour, day of month, month, day of week."""
    duration: Length
    """How long it lasts, in hours that really pass: on a day of a clock change it ends by the clock an hour off."""


class Denied(Allowed):
    """A freeze: a period in which no change starts, whatever is allowed."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    """Why; whoever waits is told."""


class Windows(Wire):
    """When changes may start. They never hold a repair, an abort, or the return of a known-good version."""

    time_zone: ZoneName
    """The zone of all cron expressions here, such as Europe/Berlin."""
    allow: Annotated[tuple[Allowed, ...], Field(max_length=50)] = ()
    """Empty: always, but for what `deny` says."""
    deny: Annotated[tuple[Denied, ...], Field(max_length=50)] = ()
    """Freezes; they win over `allow`."""
    overrun: Literal["pause", "finish"] = "pause"
    """A rollout that is under way when its window ends or a freeze begins: every size stays, or it goes on."""


class Schedule(Wire):
    """When one release may start."""

    not_before: Time | None = None
    """It waits for this time, such as 2026-12-01T09:00:00Z, and then for a window."""
