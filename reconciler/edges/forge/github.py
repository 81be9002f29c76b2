"""GitHub and GitHub Enterprise Server, by REST.

Rules: reads are conditional, so a poll that finds nothing new costs no quota; a pull request's own comments are the
comments of its issue; an open pull request is looked for before one is created; the cap on statuses counts as done.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from reconciler.edges.forge.alike import Account, close_once, open_once
from reconciler.edges.forge.answers import Rejected
from reconciler.edges.forge.github_app import Installation
from reconciler.edges.forge.http import Answer, Client
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
from reconciler.errors import NotFound
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

HEADERS = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
_PAGE = ("per_page", 100)
_VOTES = {"APPROVED": Opinion.APPROVE, "CHANGES_REQUESTED": Opinion.REJECT, "DISMISSED": Opinion.OTHER}
_WRITERS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_STATES = {"success": StatusState.SUCCESS, "pending": StatusState.PENDING}
_UNPROCESSABLE = 422
_CAP = "maximum number of statuses"
_NO_COMMIT = "no commit found"


class GitHub:
    """One repository on GitHub, as one login."""

    kind = "github"
    comment_limit = 65_536
    description_limit = 140
    queue_prefix = "gh-readonly-queue/"

    def __init__(self, client: Client, project: str, branch: str, *, app: Installation | None = None) -> None:
        """`app` is whose tokens the client has, where it is an App: such a token may not ask who it is."""
        self._client = client
        self._owner = project.partition("/")[0]
        self._root = f"/repos/{quote(project)}"
        self._branch = branch
        self._app = app
        self._account = Account(client, hidden=True)
        self._standing = Standing(branch, self.pull)

    def __repr__(self) -> str:
        return f"GitHub({self._client!r}, {self._root!r})"

    def login(self) -> str:
        """Who we are there; asked once for each token."""
        if self._app:
            return self._app.login()
        return self._account.login()

    def pulls(self) -> Sequence[PullRequest]:
        """All open ones to the watched branch: one conditional request for every hundred."""
        query = {"state": "open", "base": self._branch, "sort": "created", "direction": "asc"}
        return self._standing.settle(self._pulls("pulls", query))

    def merged_since(self, moment: datetime) -> Sequence[PullRequest]:
        """Read from the newest change back to this moment."""
        since = whole_seconds(moment)
        query = {"state": "closed", "base": self._branch, "sort": "updated", "direction": "desc"}
        found = []
        for data in self._client.pages("merged", f"{self._root}/pulls", query, size=_PAGE):
            with self._client.understanding("merged"):
                if datetime.fromisoformat(data["updated_at"]) < since:
                    break
                pull = self._pull(data)
            if pull.merged_at and pull.merged_at >= since:
                found.append(pull)
        return tuple(sorted(found, key=lambda pull: pull.number))

    def _pulls(self, call: str, query: dict[str, str]) -> Iterator[PullRequest]:
        for data in self._client.pages(call, f"{self._root}/pulls", query, size=_PAGE):
            with self._client.understanding(call):
                yield self._pull(data)

    def pull(self, number: int) -> PullRequest:
        """One, whatever its state."""
        answer = self._client.get("pull", f"{self._root}/pulls/{number}")
        return self._read("pull", answer)

    def _read(self, call: str, answer: Answer) -> PullRequest:
        with self._client.understanding(call):
            return self._pull(answer.json())

    def _pull(self, data: dict[str, Any]) -> PullRequest:
        head, base, state = data["head"], data["base"], state_of(data)
        merged = data.get("merge_commit_sha") if state is PullState.MERGED else None  # of an open one it is a trial
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
            fork=not head.get("repo") or head["repo"]["id"] != base["repo"]["id"],
            draft=bool(data.get("draft")),
            merged=Revision(merged) if merged else None,
            merged_at=moment(data.get("merged_at")),
        )

    def comments(self, number: int) -> Sequence[Comment]:
        """Oldest first."""
        found = []
        for data in self._client.pages("comments", f"{self._root}/issues/{number}/comments", {}, size=_PAGE):
            with self._client.understanding("comments"):
                found.append(comment_of(data))
        return tuple(found)

    def comment(self, number: int, body: str) -> Comment:
        """Write a new one."""
        answer = self._client.send("comment", "POST", f"{self._root}/issues/{number}/comments", {"body": body})
        with self._client.understanding("comment"):
            return comment_of(answer.json())

    def edit(self, number: int, comment: int, body: str) -> None:  # noqa: ARG002  # GitHub numbers them per repository
        """Replace the text of one of ours."""
        self._client.send("edit", "PATCH", f"{self._root}/issues/comments/{comment}", {"body": body})

    def reviews(self, number: int) -> Sequence[Review]:
        """The latest vote of each person, or their latest remark; `commit` is what they looked at."""
        found = []
        for data in self._client.pages("reviews", f"{self._root}/pulls/{number}/reviews", {}, size=_PAGE):
            with self._client.understanding("reviews"):
                if data["state"] != "PENDING":  # ours, and not sent
                    found.append(_review(data))
        return latest(found)

    def statuses(self, commit: str) -> Sequence[CommitStatus]:
        """From the combined status, which has the newest of every context."""
        path = f"{self._root}/commits/{quote(commit, safe='')}/status"
        pages = self._client.pages("statuses", path, {}, size=_PAGE, items=lambda data: data["statuses"])
        found = []
        for data in pages:
            with self._client.understanding("statuses"):
                state = _STATES.get(data["state"], StatusState.FAILURE)
                found.append((int(data["id"]), status_of(data, state)))
        return newest(found)

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Add one."""
        body = {
            "state": status.state.value,
            "context": status.context,
            "description": cut(status.description, self.description_limit),
            **({"target_url": status.url} if status.url else {}),
        }
        try:
            self._client.send("status", "POST", f"{self._root}/statuses/{quote(commit, safe='')}", body)
        except Rejected as error:
            if error.status != _UNPROCESSABLE:
                raise
            if _NO_COMMIT in error.said.lower():
                raise NotFound(error.message) from error
            if _CAP not in error.said.lower():
                raise

    def open_pull(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """The one that is there, or a new one."""
        request = {"head": head, "base": base, "title": title, "body": body}
        return open_once(
            lambda: self._open(head, base),
            lambda: self._client.send("open", "POST", f"{self._root}/pulls", request),
            lambda answer: self._read("open", answer),
            exists=_UNPROCESSABLE,
        )

    def _open(self, head: str, base: str) -> PullRequest | None:
        query = {"state": "open", "head": f"{self._owner}:{head}", "base": base}
        # A filter that the forge did not understand is ignored by it, so what comes back is looked at.
        found = (pull for pull in self._pulls("find", query) if (pull.head_branch, pull.base_branch) == (head, base))
        return next((pull for pull in found if not pull.fork), None)

    def close_pull(self, number: int) -> None:
        """Close it without a merge; one that is not open any more is done."""
        path = f"{self._root}/pulls/{number}"
        close_once(lambda: self._client.send("close", "PATCH", path, {"state": "closed"}), lambda: self.pull(number))

    def close(self) -> None:
        """Give its connections back."""
        self._client.close()
        if self._app:
            self._app.close()


def _review(data: dict[str, Any]) -> tuple[Review, bool]:
    state = data["state"]
    review = Review(
        id=int(data["id"]),
        login=login_of(data.get("user")),
        opinion=_VOTES.get(state, Opinion.OTHER),
        commit=str(data.get("commit_id") or ""),
        counts=state != "DISMISSED" and data.get("author_association") in _WRITERS,
        at=moment(data.get("submitted_at")),
    )
    return review, state in _VOTES
