"""Known-good: whether a manifest that came back to the trunk is one that was already good here, near enough to return.

Not the rollback and not a signature check: a manifest that is known-good still needs its old human signature. Rules:
only recorded promotions count; what was promoted is identified by the manifest's sha256; depth counts versions, not
commits; age counts from when a version last served, so the one that served for months until an hour ago is near, and
one that was retired for months is not.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.model.ids import Version
from reconciler.model.state import Promotion
from reconciler.model.wire import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """It was good here: the recorded promotion whose version may return at once."""

    promotion: Promotion
    back: int
    """How many other versions were promoted since: 0 is the one promoted last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """It is an ordinary candidate; `reason` is a sentence without a stop."""

    reason: str


def known_good(
    manifest: str,
    history: Sequence[Promotion],
    *,
    depth: int,
    max_age: timedelta,
    revoked: Collection[str],
    now: datetime,
) -> Known | Unknown:
    """Judges `manifest` (`sha256:…`) by the promotions recorded for its release, the newest first.

    Times are kept to the second, so the order tells which of two in one second came later.

    `depth` and `max_age` are the environment's rollback settings; `revoked` holds the fingerprints of revoked keys
    (`people.revoked_keys`).
    """
    ordered = sorted(history, key=lambda promotion: promotion.at, reverse=True)[::-1]
    found = [promotion for promotion in ordered if promotion.manifest == manifest]
    if not found:
        return Unknown(reason="this manifest was never promoted here")
    promotion = found[-1]
    after = _after_last(ordered, promotion.version)
    back = len({later.version for later in after})
    if back > depth:
        return Unknown(reason=f"it is {back} version{'s' if back > 1 else ''} back and rollback.depth is {depth}")
    ended = _retired_at(ordered, promotion.version) or (after[0].at if after else now)
    age = now - ended
    if age > max_age:
        return Unknown(
            reason=f"it last served {format_duration(age)} ago and rollback.maxAge is {format_duration(max_age)}"
        )
    if all(key in revoked for key in promotion.keys):
        whose = "every key that signed it is revoked" if promotion.keys else "no key is recorded that signed it"
        return Unknown(reason=whose)
    return Known(promotion=promotion, back=back)


def _retired_at(ordered: Sequence[Promotion], version: Version) -> datetime | None:
    """When `version` was retired after it was promoted for the last time."""
    return next(row.retired for row in reversed(ordered) if row.version == version)


def _after_last(ordered: Sequence[Promotion], version: Version) -> list[Promotion]:
    """What was promoted after `version` was for the last time; the first of it ended its service."""
    last = max(index for index, promotion in enumerate(ordered) if promotion.version == version)
    return list(ordered[last + 1 :])
