"""GitLab, by REST v4: a merge request is a pull request here.

Rules: `iid` is the number; notes that GitLab writes itself are no comments; an approval names no commit; a status that
is there already ("Cannot transition") counts as done, and is sent with the ref on which the merge request shows it.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from reconciler.edges.forge.alike import Account, close_once, open_once
from reconciler.edges.forge.answers import UNREACHABLE, Rejected
from reconciler.edges.forge.http import Answer, Client, listed
from reconciler.edges.forge.reading import (
    Standing,
    comment_of,
    cut,
    login_of,
    moment,
    moved,
    newest,
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

_PAGE = ("per_page", 100)
_STATES = {"opened": PullState.OPEN, "locked": PullState.OPEN, "merged": PullState.MERGED, "closed": PullState.CLOSED}
_SENT = {StatusState.PENDING: "pending", StatusState.SUCCESS: "success", StatusState.FAILURE: "failed"}
_READ = {
    "success": StatusState.SUCCESS,
    "skipped": StatusState.SUCCESS,
    "failed": StatusState.FAILURE,
    "canceled": StatusState.FAILURE,
    "canceling": StatusState.FAILURE,
}
_BAD_REQUEST = 400
_CONFLICT = 409
_SAME = "cannot transition status"
_REMEMBERED = 1_000


class GitLab:
    """One project on GitLab, as one login."""

    kind = "gitlab"
    comment_limit = 1_000_000
    description_limit = 255
    queue_prefix = ""

    def __init__(self, client: Client, project: str, branch: str) -> None:
        self._client = client
        self._root = f"/projects/{quote(project, safe='')}"
        self._branch = branch
        self._account = Account(client, field="username")
        self._standing = Standing(branch, self.pull)
        self._refs: OrderedDict[str, str] = OrderedDict()

    def __repr__(self) -> str:
        return f"GitLab({self._client!r}, {self._root!r})"

    def login(self) -> str:
        """Who we are there; asked once for each token."""
        return self._account.login()

    def pulls(self) -> Sequence[PullRequest]:
        """All open ones to the watched branch: one conditional request for every hundred."""
        query = {"state": "opened", "target_branch": self._branch, "order_by": "created_at", "sort": "asc"}
        return self._standing.settle(self._pulls("pulls", query))

    def merged_since(self, moment: datetime) -> Sequence[PullRequest]:
        """Those that changed since, and of them those that were merged."""
        since = whole_seconds(moment)
        query = {
            "state": "merged",
            "target_branch": self._branch,
            "updated_after": since.isoformat(),
            "order_by": "updated_at",
            "sort": "desc",
        }
        found = (pull for pull in self._pulls("merged", query) if pull.merged_at and pull.merged_at >= since)
        return tuple(sorted(found, key=lambda pull: pull.number))

    def _pulls(self, call: str, query: dict[str, str]) -> Iterator[PullRequest]:
        for data in self._client.pages(call, f"{self._root}/merge_requests", query, size=_PAGE):
            with self._client.understanding(call):
                if data["sha"]:  # a new one gets its commits a moment later
                    yield self._pull(data)

    def pull(self, number: int) -> PullRequest:
        """One, whatever its state; raises Retry while GitLab still prepares it."""
        answer = self._client.get("pull", f"{self._root}/merge_requests/{number}")
        return self._read("pull", answer)

    def _read(self, call: str, answer: Answer) -> PullRequest:
        with self._client.understanding(call):
            data = answer.json()
            if data["sha"]:
                return self._pull(data)
        raise Retry(f"GitLab still prepares merge request {data['iid']}.", reason=UNREACHABLE)

    def _pull(self, data: dict[str, Any]) -> PullRequest:
        number, state = int(data["iid"]), _STATES[data["state"]]
        fork = data.get("source_project_id") != data["target_project_id"]
        ref = f"refs/merge-requests/{number}/head"
        self._remember(data["sha"], ref if fork else data["source_branch"])
        # A merge commit if there is one; a squashed commit on a branch that is only moved forward; else the head.
        merged = data.get("merge_commit_sha") or data.get("squash_commit_sha") or data["sha"]
        return PullRequest(
            number=number,
            title=str(data["title"]),
            author=login_of(data.get("author"), "username"),
            state=state,
            head=Revision(data["sha"]),
            head_branch=str(data["source_branch"]),
            base_branch=str(data["target_branch"]),
            ref=ref,
            url=str(data["web_url"]),
            moved=f"{moved(data, data['sha'])} {data.get('user_notes_count') or 0}",
            fork=fork,
            draft=bool(data.get("draft") or data.get("work_in_progress")),
            merged=Revision(merged) if state is PullState.MERGED else None,
            merged_at=moment(data.get("merged_at")) if state is PullState.MERGED else None,
        )

    def _remember(self, commit: str, ref: str) -> None:
        """On which ref a merge request shows the statuses of its head."""
        self._refs[commit] = ref
        self._refs.move_to_end(commit)
        while len(self._refs) > _REMEMBERED:
            self._refs.popitem(last=False)

    def comments(self, number: int) -> Sequence[Comment]:
        """Oldest first, without what GitLab notes itself."""
        query = {"sort": "asc", "order_by": "created_at", "activity_filter": "only_comments"}
        found = []
        for data in self._client.pages("comments", self._notes(number), query, size=_PAGE):
            with self._client.understanding("comments"):
                if not data.get("system"):
                    found.append(comment_of(data, "author", "username"))
        return tuple(found)

    def _notes(self, number: int) -> str:
        return f"{self._root}/merge_requests/{number}/notes"

    def comment(self, number: int, body: str) -> Comment:
        """Write a new one."""
        answer = self._client.send("comment", "POST", self._notes(number), {"body": body})
        with self._client.understanding("comment"):
            return comment_of(answer.json(), "author", "username")

    def edit(self, number: int, comment: int, body: str) -> None:
        """Replace the text of one of ours."""
        self._client.send("edit", "PUT", f"{self._notes(number)}/{comment}", {"body": body})

    def reviews(self, number: int) -> Sequence[Review]:
        """Who approves now; there are no other opinions, and none names a commit."""
        answer = self._client.get("reviews", f"{self._root}/merge_requests/{number}/approvals")
        with self._client.understanding("reviews"):
            given = listed(answer.json()["approved_by"])
            return tuple(
                Review(
                    id=int(one["user"]["id"]),
                    login=login_of(one["user"], "username"),
                    opinion=Opinion.APPROVE,
                    commit="",
                    counts=True,
                    at=moment(one.get("approved_at")),
                )
                for one in given
            )

    def statuses(self, commit: str) -> Sequence[CommitStatus]:
        """The newest of every name, whatever pipeline it is in."""
        path = f"{self._root}/repository/commits/{quote(commit, safe='')}/statuses"
        found = []
        for data in self._client.pages("statuses", path, {}, size=_PAGE):
            with self._client.understanding("statuses"):
                state = _READ.get(data["status"], StatusState.PENDING)
                found.append((int(data["id"]), status_of(data, state, "name")))
        return newest(found)

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Add one, on the ref of the merge request that has this head where we know it."""
        ref = self._refs.get(commit)
        body = {
            "state": _SENT[status.state],
            "name": status.context,
            "description": cut(status.description, self.description_limit),
            **({"target_url": status.url} if status.url else {}),
            **({"ref": ref} if ref else {}),
        }
        try:
            self._client.send("status", "POST", f"{self._root}/statuses/{quote(commit, safe='')}", body)
        except Rejected as error:
            if error.status == _CONFLICT:  # another update of it is in progress
                raise Retry(error.message, reason=UNREACHABLE) from error
            if error.status != _BAD_REQUEST or _SAME not in error.said.lower():
                raise

    def open_pull(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """The one that is there, or a new one."""
        request = {"source_branch": head, "target_branch": base, "title": title, "description": body}
        return open_once(
            lambda: self._open(head, base),
            lambda: self._client.send("open", "POST", f"{self._root}/merge_requests", request),
            lambda answer: self._read("open", answer),
            exists=_CONFLICT,
        )

    def _open(self, head: str, base: str) -> PullRequest | None:
        query = {"state": "opened", "source_branch": head, "target_branch": base}
        found = (pull for pull in self._pulls("find", query) if (pull.head_branch, pull.base_branch) == (head, base))
        return next((pull for pull in found if not pull.fork), None)

    def close_pull(self, number: int) -> None:
        """Close it without a merge; one that is not open any more is done."""
        path = f"{self._root}/merge_requests/{number}"
        close_once(lambda: self._client.send("close", "PUT", path, {"state_event": "close"}), lambda: self.pull(number))

    def close(self) -> None:
        """Give its connections back."""
        self._client.close()
