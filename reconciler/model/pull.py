"""A pull request as every forge has it: what we ask about it, and what we say on it.

Facts of a forge, so nothing here is trusted: a login, a title, a review and a comment are what somebody typed. A
merge request of GitLab is a pull request here.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reconciler.model.ids import Revision


class PullState(StrEnum):
    """Whether it is still to be decided."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"  # without a merge


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """One pull request. `ref` is the full name of the base repository's ref that has the head's commits.

    `moved` is opaque and differs when a person pushed, commented or reviewed since. `fork`: the head's branch is not in
    the base repository. `merged` is the commit on the base branch that a merge ended in, None before.
    """

    number: int
    title: str
    author: str
    state: PullState
    head: Revision
    head_branch: str
    base_branch: str
    ref: str
    url: str
    moved: str = ""
    fork: bool = False
    draft: bool = False
    merged: Revision | None = None
    merged_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment on a pull request."""

    id: int
    author: str
    body: str
    url: str = ""


class Opinion(StrEnum):
    """What a review says."""

    APPROVE = "approve"
    REJECT = "reject"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Somebody's latest review. `commit` is the head that they looked at; empty where the forge does not say.

    `counts` is what the forge says: given by somebody who may, not dismissed and not out of date.
    """

    id: int
    login: str
    opinion: Opinion
    commit: str
    counts: bool
    at: datetime | None = None


class StatusState(StrEnum):
    """The states that a commit status may have on every forge."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitStatus:
    """One status of a commit; `context` is its name, and the newest of a name counts."""

    context: str
    state: StatusState
    description: str
    url: str = ""
