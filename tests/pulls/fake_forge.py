"""A forge in memory that does what a real one does, and on request what a bad one does.

Not HTTP (the clients have tests of their own). Rules: every call is written down in `calls`; a fault is a function that
gets a call's words before it is answered (`before`) or after it was carried out (`after`, an answer that gets lost) and
raises what the client would.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.errors import NotFound
from reconciler.model.ids import Revision
from reconciler.model.pull import Comment, CommitStatus, PullRequest, PullState, Review

BOT = "reconciler-bot"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
Fault = Callable[..., None]


def a_pull(number: int = 7, **more: object) -> PullRequest:
    """An open pull request of somebody's."""
    given = {
        "number": number, "title": f"Try {number}", "author": "bo", "state": PullState.OPEN,
        "head": Revision(f"{abs(number):040x}"), "head_branch": f"try-{number}", "base_branch": "main",
        "ref": f"refs/pull/{number}/head", "url": f"https://forge.example/{number}", "moved": "1",
    }  # fmt: skip
    return PullRequest(**(given | more))  # type: ignore[arg-type]


class FakeForge:
    """One repository. What is in `rows` is what it has; `listed` is what it lists, where that is something else."""

    kind = "github"
    comment_limit = 65_536
    description_limit = 140
    queue_prefix = ""

    def __init__(self, *pulls: PullRequest, me: str = BOT) -> None:
        self.rows = {pull.number: pull for pull in pulls}
        self.listed: list[PullRequest] | None = None
        self.me = me
        self.talk: dict[int, list[Comment]] = {}
        self.told: list[tuple[str, CommitStatus]] = []
        self.given: dict[int, list[Review]] = {}
        self.calls: list[tuple[object, ...]] = []
        self.before: Fault = lambda *_: None
        self.after: Fault = lambda *_: None
        self._ids = 100

    # --- people

    def move(self, number: int, **more: object) -> PullRequest:
        """Something of a pull request is another; a person did it."""
        row = self.rows[number]
        self.rows[number] = replace(row, moved=f"{row.moved}+", **more)  # type: ignore[arg-type]
        return self.rows[number]

    def say(self, number: int, body: str, author: str = "eve") -> int:
        """Somebody comments."""
        self._ids += 1
        self.talk.setdefault(number, []).append(Comment(id=self._ids, author=author, body=body))
        self.move(number)
        return self._ids

    def delete(self, number: int, comment: int) -> None:
        """Somebody deletes a comment."""
        self.talk[number] = [row for row in self.talk[number] if row.id != comment]
        self.move(number)

    def writes(self, *kinds: str) -> list[tuple[object, ...]]:
        """What we wrote, without what it says."""
        return [call[:3] for call in self.calls if call[0] in (kinds or ("comment", "edit", "set_status"))]

    def ours(self, number: int) -> list[str]:
        """The texts of our comments."""
        return [row.body for row in self.talk.get(number, ()) if row.author == self.me]

    def status(self, commit: str, context: str) -> tuple[str, str]:
        """The newest of a context."""
        return next(
            ((row.state, row.description) for at, row in reversed(self.told) if (at, row.context) == (commit, context)),
            ("", ""),
        )

    # --- the protocol

    def _call(self, *words: object) -> None:
        self.calls.append(words)
        self.before(*words)

    def login(self) -> str:
        return self.me

    def pulls(self) -> list[PullRequest]:
        self._call("pulls")
        return self.listed if self.listed is not None else [
            row for _, row in sorted(self.rows.items()) if row.state is PullState.OPEN
        ]  # fmt: skip

    def merged_since(self, moment: datetime) -> list[PullRequest]:
        self._call("merged_since", moment)
        merged = [row for row in self.rows.values() if row.state is PullState.MERGED]
        return sorted((row for row in merged if row.merged_at and row.merged_at >= moment), key=lambda row: row.number)

    def pull(self, number: int) -> PullRequest:
        self._call("pull", number)
        if number not in self.rows:
            raise NotFound(f"#{number} is not there")
        return self.rows[number]

    def comments(self, number: int) -> list[Comment]:
        self._call("comments", number)
        return list(self.talk.get(number, ()))

    def comment(self, number: int, body: str) -> Comment:
        self._call("comment", number, body)
        self._ids += 1
        made = Comment(id=self._ids, author=self.me, body=body)
        self.talk.setdefault(number, []).append(made)
        self.after("comment", number, body)
        return made

    def edit(self, number: int, comment: int, body: str) -> None:
        self._call("edit", number, comment, body)
        rows = self.talk.get(number, [])
        at = next((at for at, row in enumerate(rows) if row.id == comment), None)
        if at is None:
            raise NotFound("it is gone")
        rows[at] = replace(rows[at], body=body)
        self.after("edit", number, comment, body)

    def reviews(self, number: int) -> list[Review]:
        self._call("reviews", number)
        return self.given.get(number, [])

    def statuses(self, commit: str) -> list[CommitStatus]:
        self._call("statuses", commit)
        return list({row.context: row for at, row in self.told if at == commit}.values())

    def set_status(self, commit: str, status: CommitStatus) -> None:
        self._call("set_status", commit, status.context, status.state)
        self.told.append((commit, status))
        self.after("set_status", commit, status)

    def close(self) -> None:
        """Nothing is open."""


def fails_on(*names: str, error: Exception, times: int = 1_000_000) -> Fault:
    """A fault of the calls of these names, so many times."""
    left = [times]

    def fault(name: str, *_: object) -> None:
        if name in names and left[0] > 0:
            left[0] -= 1
            raise error

    return fault


class NoPromoter:
    """Promotes nothing by itself."""

    def follows(self, _key: object) -> bool:
        return False

    def turn(self, _tracked: object, _now: object) -> None:
        return None
