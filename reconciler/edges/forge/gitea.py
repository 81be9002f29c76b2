"""Gitea and Forgejo, by REST v1.

Rules: nothing is tagged, so a poll asks for the one that changed last and for how many there are, and reads the list
only when that moved; a filter that a version does not know is ignored by it, so what comes back is looked at; the
combined status' own state is of one page only and is not read; an approval counts when it is official, not dismissed
and not stale, which trails a push by seconds: compare `commit` with the head.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from reconciler.edges.forge.alike import Account, close_once, open_once
from reconciler.edges.forge.answers import answered_at, total_of
from reconciler.edges.forge.http import Answer, Client, listed
from reconciler.edges.forge.reading import (
    Standing,
    comment_of,
    cut,
    latest,
    login_of,
    moment,
    moved,
    newest,
    state_of,
    status_of,
    whole_seconds,
)
from reconciler.errors import Retry
from reconciler.model.ids import Revision
from reconciler.model.pull import (
    Comment,
    CommitStatus,
    Opinion,
    PullRequest,
    PullState,
    Review,
    StatusState,
)

_PAGE = ("limit", 50)
_VOTES = {"APPROVED": Opinion.APPROVE, "REQUEST_CHANGES": Opinion.REJECT}
_REVIEWS = _VOTES.keys() | {"COMMENT"}
_STATES = {
    "success": StatusState.SUCCESS,
    "warning": StatusState.SUCCESS,  # Gitea itself counts these two as success
    "skipped": StatusState.SUCCESS,
    "pending": StatusState.PENDING,
}
_EXISTS = 409
_SETTLED = timedelta(seconds=2)  # changes have whole seconds: a second one in the same second moves nothing


@dataclass(frozen=True, slots=True)
class _Seen:
    mark: tuple[int, int, str]
    pulls: tuple[PullRequest, ...]


class Gitea:
    """One repository on Gitea or Forgejo, as one login."""

    kind = "gitea"
    # Gitea has no limit of its own. All comments of a pull request come in one answer and each is drawn on one page, so
    # ours are no longer than GitHub would have them.
    comment_limit = 65_536
    description_limit = 255
    queue_prefix = ""

    def __init__(self, client: Client, project: str, branch: str) -> None:
        self._client = client
        self._root = f"/repos/{quote(project)}"
        self._branch = branch
        self._account = Account(client)
        self._standing = Standing(branch, self.pull)
        self._seen: _Seen | None = None

    def __repr__(self) -> str:
        return f"Gitea({self._client!r}, {self._root!r})"

    def login(self) -> str:
        """Who we are there; asked once for each token. Empty when the token may not ask (read:user)."""
        return self._account.login()

    def pulls(self) -> Sequence[PullRequest]:
        """All open ones to the watched branch: one small request while nothing moved."""
        mark, settled = self._mark()
        seen = self._seen
        if seen and mark == seen.mark:
            return seen.pulls
        pulls = self._standing.settle(self._pulls("pulls", self._opened("oldest")))
        self._seen = _Seen(mark, pulls) if mark and settled else None
        return pulls

    def _opened(self, sort: str) -> dict[str, str]:
        return {"state": "open", "base_branch": self._branch, "sort": sort}

    def _mark(self) -> tuple[tuple[int, int, str] | None, bool]:
        """(how many are open, which changed last and when; whether that is long enough ago to be all of its second)."""
        query: dict[str, str | int] = {**self._opened("recentupdate"), "page": 1, "limit": 1}
        answer = self._client.get("pulls", f"{self._root}/pulls", query)
        with self._client.understanding("pulls"):
            total, entries = total_of(answer.headers), listed(answer.json())
            if total is None:
                return None, False
            if not entries:
                return (total, 0, ""), True
            newest_one = entries[0]
            moved_at = datetime.fromisoformat(newest_one["updated_at"])
            mark = (total, int(newest_one["number"]), str(newest_one["updated_at"]))
            return mark, answered_at(answer.headers) - moved_at > _SETTLED

    def merged_since(self, moment: datetime) -> Sequence[PullRequest]:
        """Read from the newest change back to this moment."""
        since = whole_seconds(moment)
        query = {"state": "closed", "base_branch": self._branch, "sort": "recentupdate"}
        found = []
        for data in self._client.pages("merged", f"{self._root}/pulls", query, size=_PAGE):
            with self._client.understanding("merged"):
                if datetime.fromisoformat(data["updated_at"]) < since:
                    break
                pull = self._pull(data)
            if pull.base_branch == self._branch and pull.merged_at and pull.merged_at >= since:
                found.append(pull)
        return tuple(sorted(found, key=lambda pull: pull.number))

    def _pulls(self, call: str, query: dict[str, str]) -> Iterator[PullRequest]:
        for data in self._client.pages(call, f"{self._root}/pulls", query, size=_PAGE):
            with self._client.understanding(call):
                pull = self._pull(data)
            if pull.base_branch == query["base_branch"]:
                yield pull

    def pull(self, number: int) -> PullRequest:
        """One, whatever its state."""
        answer = self._client.get("pull", f"{self._root}/pulls/{number}")
        return self._read("pull", answer)

    def _read(self, call: str, answer: Answer) -> PullRequest:
        with self._client.understanding(call):
            return self._pull(answer.json())

    def _pull(self, data: dict[str, Any]) -> PullRequest:
        head, base, state = data["head"], data["base"], state_of(data)
        merged = data.get("merge_commit_sha") if state is PullState.MERGED else None
        return PullRequest(
            number=int(data["number"]),
            title=str(data["title"]),
            author=login_of(data.get("user")),
            state=state,
            head=Revision(head["sha"]),
            head_branch=str(head["ref"]),
            base_branch=str(base["ref"]),
            ref=f"refs/pull/{int(data['number'])}/head",
            url=str(data["html_url"]),
            moved=moved(data, head["sha"]),
            fork=not head.get("repo") or head["repo_id"] != base["repo_id"],
            draft=bool(data.get("draft")),
            merged=Revision(merged) if merged else None,
            merged_at=moment(data.get("merged_at")),
        )

    def comments(self, number: int) -> Sequence[Comment]:
        """Oldest first; Gitea gives all at once."""
        answer = self._client.get("comments", f"{self._root}/issues/{number}/comments")
        with self._client.understanding("comments"):
            return tuple(comment_of(data) for data in listed(answer.json()))

    def comment(self, number: int, body: str) -> Comment:
        """Write a new one."""
        answer = self._client.send("comment", "POST", f"{self._root}/issues/{number}/comments", {"body": body})
        with self._client.understanding("comment"):
            return comment_of(answer.json())

    def edit(self, number: int, comment: int, body: str) -> None:  # noqa: ARG002  # Gitea numbers them per server
        """Replace the text of one of ours."""
        self._client.send("edit", "PATCH", f"{self._root}/issues/comments/{comment}", {"body": body})

    def reviews(self, number: int) -> Sequence[Review]:
        """The latest vote of each person, or their latest remark."""
        found = []
        for data in self._client.pages("reviews", f"{self._root}/pulls/{number}/reviews", {}, size=_PAGE):
            with self._client.understanding("reviews"):
                if data["state"] in _REVIEWS:
                    found.append(_review(data))
        return latest(sorted(found, key=lambda review: review[0].id))

    def statuses(self, commit: str) -> Sequence[CommitStatus]:
        """From all pages of the combined status, which has the newest of every context."""
        path = f"{self._root}/commits/{quote(commit, safe='')}/status"
        pages = self._client.pages("statuses", path, {"page": 1}, size=_PAGE, items=lambda data: data["statuses"] or [])
        found = []
        for data in pages:
            with self._client.understanding("statuses"):
                state = _STATES.get(data["status"], StatusState.FAILURE)
                found.append((int(data["id"]), status_of(data, state)))
        return newest(found)

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Add one. Gitea answers 500 where there is no such commit: that is looked up before anybody retries."""
        body = {
            "state": status.state.value,
            "context": status.context,
            "description": cut(status.description, self.description_limit),
            **({"target_url": status.url} if status.url else {}),
        }
        try:
            self._client.send("status", "POST", f"{self._root}/statuses/{quote(commit, safe='')}", body)
        except Retry:
            self._client.get("commit", f"{self._root}/git/commits/{quote(commit, safe='')}")  # raises NotFound
            raise

    def open_pull(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """The one that is there, or a new one."""
        request = {"head": head, "base": base, "title": title, "body": body}
        return open_once(
            lambda: self._open(head, base),
            lambda: self._client.send("open", "POST", f"{self._root}/pulls", request),
            lambda answer: self._read("open", answer),
            exists=_EXISTS,
        )

    def _open(self, head: str, base: str) -> PullRequest | None:
        """From the open ones: `/pulls/BASE/HEAD` may give one that was closed."""
        found = self._pulls("find", {"state": "open", "base_branch": base, "sort": "recentupdate"})
        return next((pull for pull in found if pull.head_branch == head and not pull.fork), None)

    def close_pull(self, number: int) -> None:
        """Close it without a merge; one that is not open any more is done."""
        path = f"{self._root}/pulls/{number}"
        close_once(lambda: self._client.send("close", "PATCH", path, {"state": "closed"}), lambda: self.pull(number))

    def close(self) -> None:
        """Give its connections back."""
        self._client.close()


def _review(data: dict[str, Any]) -> tuple[Review, bool]:
    review = Review(
        id=int(data["id"]),
        login=login_of(data.get("user")),
        opinion=_VOTES.get(data["state"], Opinion.OTHER),
        commit=str(data.get("commit_id") or ""),
        counts=bool(data.get("official")) and not data.get("dismissed") and not data.get("stale"),
        at=moment(data.get("submitted_at")),
    )
    return review, data["state"] in _VOTES
