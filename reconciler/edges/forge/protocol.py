"""What we ask of a forge, and all of it: some twelve calls, behind which every forge is the same.

Not a client (one file per forge is) and nothing that decides. Every call blocks for a bounded time and raises `Retry`
(ForgeUnreachable; ForgeLimited with `after` seconds) when it may be asked again, `NotFound`, or `Refused` when the
forge says no. No message of an error holds a token. After a `Retry` of a call that writes nobody knows whether it was
carried out: callers look first and write again only what is not there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from reconciler.model.pull import Comment, CommitStatus, PullRequest, Review


class Forge(Protocol):
    """One repository on one forge, as one login."""

    kind: str
    """`github`, `gitlab` or `gitea`: what the trust file's `logins` call it."""
    comment_limit: int
    """Characters that one comment may have."""
    description_limit: int
    """Characters that a status' description may have."""
    queue_prefix: str
    """How the branches of a merge queue begin (`gh-readonly-queue/`); empty where there is none."""

    def login(self) -> str:
        """Who we are there; empty when it does not say."""
        ...

    def pulls(self) -> Sequence[PullRequest]:
        """All open pull requests to the watched branch, by number. Cheap when nothing moved."""
        ...

    def merged_since(self, moment: datetime) -> Sequence[PullRequest]:
        """Pull requests to the watched branch that were merged at or after this moment (aware), by number."""
        ...

    def pull(self, number: int) -> PullRequest:
        """One of them, whatever its state; raises NotFound."""
        ...

    def comments(self, number: int) -> Sequence[Comment]:
        """All comments of people and programs, oldest first."""
        ...

    def comment(self, number: int, body: str) -> Comment:
        """Write a new one."""
        ...

    def edit(self, number: int, comment: int, body: str) -> None:
        """Replace the text of one of ours; raises NotFound when it is gone."""
        ...

    def reviews(self, number: int) -> Sequence[Review]:
        """The latest review of every person who gave one."""
        ...

    def statuses(self, commit: str) -> Sequence[CommitStatus]:
        """The newest status of every context of a commit."""
        ...

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Add one; the cap on their number counts as done."""
        ...

    def open_pull(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """The open pull request from branch `head` to `base`: the one that is there, or a new one."""
        ...

    def close_pull(self, number: int) -> None:
        """Close it without a merge."""
        ...

    def close(self) -> None:
        """Give its connections back."""
        ...
