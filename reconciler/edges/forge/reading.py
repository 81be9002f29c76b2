"""What the three forges' answers have in common when they are read into our values. It asks no forge itself."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from reconciler.errors import NotFound
from reconciler.model.pull import Comment, CommitStatus, PullRequest, PullState, Review, StatusState

GHOST = "ghost"  # whose account is gone


def moment(text: str | None) -> datetime | None:
    """An aware time of an answer; None where there is none."""
    return datetime.fromisoformat(text) if text else None


def whole_seconds(moment: datetime) -> datetime:
    """Forges tell times in seconds, cut off: what happened in this second may have this time."""
    return moment.replace(microsecond=0)


def login_of(user: dict[str, Any] | None, field: str = "login") -> str:
    """Who somebody is there."""
    return str((user or {}).get(field) or GHOST)


def moved(data: dict[str, Any], head: str) -> str:
    """Another text after a push, a comment or a review."""
    return f"{data.get('updated_at') or ''} {head}"


def state_of(data: dict[str, Any]) -> PullState:
    """The state of a pull request, as GitHub and Gitea tell it."""
    if data.get("merged_at"):
        return PullState.MERGED
    return PullState.OPEN if data["state"] == "open" else PullState.CLOSED


def comment_of(data: dict[str, Any], user: str = "user", field: str = "login") -> Comment:
    """A comment; `user` holds who wrote it, `field` in there is their login."""
    return Comment(
        id=int(data["id"]),
        author=login_of(data.get(user), field),
        body=str(data.get("body") or ""),
        url=str(data.get("html_url") or ""),
    )


def status_of(data: dict[str, Any], state: StatusState, context: str = "context") -> CommitStatus:
    """A commit status, whose state is a word of each forge's own; `context` names the field that tells them apart."""
    return CommitStatus(
        context=str(data[context]),
        state=state,
        description=str(data.get("description") or ""),
        url=str(data.get("target_url") or ""),
    )


def cut(text: str, limit: int) -> str:
    """At most so many characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def latest(reviews: Iterable[tuple[Review, bool]]) -> tuple[Review, ...]:
    """The latest review of every person, of (review, it is a vote) oldest first. A remark replaces no vote."""
    newest: dict[str, tuple[Review, bool]] = {}
    for review, vote in reviews:
        before = newest.get(review.login)
        if vote or before is None or not before[1]:
            newest[review.login] = (review, vote)
    return tuple(review for review, _ in newest.values())


def newest(statuses: Iterable[tuple[int, CommitStatus]]) -> tuple[CommitStatus, ...]:
    """The newest status of every context, of (id, status) in any order; sorted by context."""
    found: dict[str, tuple[int, CommitStatus]] = {}
    for number, status in statuses:
        before = found.get(status.context)
        if before is None or number > before[0]:
            found[status.context] = (number, status)
    return tuple(status for _, (_, status) in sorted(found.items()))


class Standing:
    """Which pull requests were open when the list was last read.

    One that is closed moves all that follow it by a place, so one at the border of two pages can be in neither of them:
    whatever left the list is asked for by itself before it counts as gone.
    """

    def __init__(self, branch: str, pull: Callable[[int], PullRequest]) -> None:
        self._branch, self._pull = branch, pull
        self._numbers: frozenset[int] = frozenset()

    def settle(self, pulls: Iterable[PullRequest]) -> tuple[PullRequest, ...]:
        """The open ones, by number; raises what asking raises, and then the list counts as not read."""
        found = {pull.number: pull for pull in pulls}
        for number in sorted(self._numbers - found.keys()):
            pull = self._still(number)
            if pull:
                found[number] = pull
        self._numbers = frozenset(found)
        return tuple(pull for _, pull in sorted(found.items()))

    def _still(self, number: int) -> PullRequest | None:
        try:
            pull = self._pull(number)
        except NotFound:
            return None
        return pull if pull.state is PullState.OPEN and pull.base_branch == self._branch else None
