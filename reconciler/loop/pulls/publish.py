"""Our words on a pull request: the one comment, found or made, and the commit statuses. Only what differs is sent.

Not what they say (plan/comment) and not whether an edit is worth it (`timing`). Rules: before a comment is created all
comments are looked through for ours, by its marker and author, so that one whose answer was lost is found and not made
twice; a comment that a person deleted is made again; statuses are compared with what the forge has first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciler.edges.forge.protocol import Forge
from reconciler.errors import NotFound, Refused
from reconciler.model.ids import Revision
from reconciler.model.pull import Comment, CommitStatus
from reconciler.plan.marker import Stage, find

_KEPT = 500  # commits whose statuses are remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """The comment that is ours: which, what it says, and the stage that its marker names."""

    id: int
    body: str
    stage: Stage


class Publisher:
    """One repository's words on its forge. Owned by one thread."""

    def __init__(self, forge: Forge, repository: str, key: bytes) -> None:
        self._forge = forge
        self._repository = repository
        self._key = key
        self._login: str | None = None
        self._statuses: dict[Revision, dict[str, CommitStatus]] = {}
        self._foreign: set[int] = set()  # comments with our first line that are not ours

    def forget(self) -> None:
        """Ask the forge anew what is there: somebody else wrote to it meanwhile."""
        self._statuses.clear()
        self._login = None

    def ours(self, number: int, comments: Sequence[Comment]) -> Ours | None:
        """Our comment among these: the oldest with our marker and, where the forge says who we are, our name."""
        me = self._me()
        for comment in comments:
            if comment.id in self._foreign or (me and comment.author != me):
                continue
            stage = find(comment.body, self._key, self._repository, number)
            if stage is not None:
                return Ours(id=comment.id, body=comment.body, stage=stage)
        return None

    def _me(self) -> str:
        """Who we are there, asked for once; empty when the forge does not say."""
        if self._login is None:
            self._login = self._forge.login()
        return self._login

    def comment(self, number: int, known: int | None, body: str) -> int:
        """Make the comment say `body`; returns which it is. `known` is the one that was found or made before."""
        if known is not None:
            try:
                self._forge.edit(number, known, body)
            except NotFound:
                pass  # somebody deleted it
            except Refused:
                if self._me():
                    raise
                self._foreign.add(known)  # somebody copied our first line, and the forge does not say who we are
            else:
                return known
        found = self.ours(number, self._forge.comments(number))
        if found is None:
            return self._forge.comment(number, body).id
        if found.body != body:
            self._forge.edit(number, found.id, body)
        return found.id

    def first_statuses(self, commit: Revision, wanted: Iterable[CommitStatus]) -> None:
        """Post the statuses of a commit that has none of these yet."""
        there = self._there(commit)
        self.statuses(commit, [status for status in wanted if status.context not in there])

    def statuses(self, commit: Revision, wanted: Iterable[CommitStatus]) -> None:
        """Post the statuses of a commit that are not there yet."""
        there = self._there(commit)
        for status in wanted:
            before = there.get(status.context)
            if before is None or (before.state, before.description) != (status.state, status.description):
                self._forge.set_status(commit, status)
                there[status.context] = status

    def _there(self, commit: Revision) -> dict[str, CommitStatus]:
        """The newest statuses of a commit by context, asked for once."""
        if commit not in self._statuses:
            while len(self._statuses) >= _KEPT:
                del self._statuses[next(iter(self._statuses))]
            self._statuses[commit] = {row.context: row for row in self._forge.statuses(commit)}
        return self._statuses[commit]
