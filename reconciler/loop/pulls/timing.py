"""When a comment is worth an edit, and when it may be made. Pure.

Rules (the budget): a comment is created once; edits of one come at least `coalesce` apart (the settings say how far);
while a rollout goes on only a change of its stage is worth one, and at most three of those per release; an end and a
failure are always told.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

EDITS_PER_RELEASE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What was posted last: the text, what of it is worth an edit, when, and how many edits told of progress."""

    body: str
    summary: str
    at: datetime
    progress: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be posted. `progress`: the pull request is merged; `final`: something ended or failed."""

    body: str
    summary: str
    releases: int = 1
    progress: bool = False
    final: bool = False


def when(posted: Posted | None, wanted: Wanted, now: datetime, coalesce: timedelta) -> datetime | None:
    """When to post it: `now` or earlier means at once; None when it is not worth it."""
    if posted is None:
        return now
    if posted.body == wanted.body or (wanted.progress and posted.summary == wanted.summary):
        return None
    spent = posted.progress >= EDITS_PER_RELEASE * max(1, wanted.releases)
    if wanted.progress and spent and not wanted.final:
        return None
    return posted.at + coalesce


def after(posted: Posted | None, wanted: Wanted, now: datetime) -> Posted:
    """What was posted last, once `wanted` was."""
    told = posted.progress if posted else 0
    return Posted(
        body=wanted.body, summary=wanted.summary, at=now, progress=told + 1 if wanted.progress and posted else told
    )
