"""One repository's pull requests as they are now: the state, Git beside it, and what has happened.

Both doors, the API and the page, come in here; `pulls` and `talk` are what one can do. Rules: one thing at a time
(`lock`); who asks sees Git as it is at that moment (`refresh`); what happened is told to listeners after it is saved.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType

from reconciler.demo.forge.messages import ForgeError, not_found
from reconciler.demo.forge.people import People
from reconciler.demo.forge.repository import Repository
from reconciler.demo.forge.state import Comment, Pull, Review, Status, Store, stamp
from reconciler.edges.git import Actor

HEADS = "refs/heads/"
_NOTHING = "0" * 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that a webhook tells: GitHub's event and action, and whatever it is about."""

    event: str
    action: str
    sender: str
    pull: Pull | None = None
    comment: Comment | None = None
    review: Review | None = None
    moved: tuple[str, str, str] = ("", _NOTHING, _NOTHING)
    """Of a push: the ref, and the commits before and after (zeros: none)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What the repository is called, and what its trunk asks of a merge."""

    owner: str
    name: str
    trunk: str
    required: tuple[str, ...] = ()
    """Contexts of statuses that must be success before anything is merged."""

    @property
    def full(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"


class Hub:
    """Everything of one repository. `announce` hears what happened and must not block."""

    def __init__(
        self, project: Project, repository: Repository, store: Store, people: People,
        announce: Callable[[Happened], None],
    ) -> None:  # fmt: skip
        self.project = project
        self.repository = repository
        self.people = people
        self.state = store.load()
        self.lock = threading.RLock()
        self._store = store
        self._announce = announce
        self._pending: list[Happened] = []
        self._mergeable: dict[tuple[str, str], bool] = {}

    @contextmanager
    def change(self) -> Iterator[None]:
        """Hold the lock; at the end save what changed, then tell what happened. Nothing is saved after an error."""
        with self.lock:
            self._pending.clear()
            yield
            self._store.save(self.state)
            for happened in self._pending:
                self._announce(happened)

    def happened(
        self, event: str, action: str, sender: str, **about: Pull | Comment | Review | tuple[str, str, str]
    ) -> None:
        """Remember something to tell at the end of the change."""
        self._pending.append(Happened(event=event, action=action, sender=sender, **about))  # type: ignore[arg-type]  # by name

    # --- Git as it is

    @property
    def branches(self) -> Mapping[str, str]:
        """The branches as last looked at, and where they are."""
        return MappingProxyType(self.state.branches or {})

    def refresh(self) -> None:
        """Look at the branches; pull requests follow theirs, and what was pushed is told."""
        with self.lock:
            found = self.repository.refs(HEADS)
            before = self.state.branches
            if found == before:
                return
            with self.change():
                self.state.branches = found
                for pull in [pull for pull in self.state.pulls.values() if pull.open]:
                    self._follow(pull)
                for name in sorted({*found, *(before or {})} if before is not None else ()):
                    was, now = (before or {}).get(name, _NOTHING), found.get(name, _NOTHING)
                    if was != now:
                        self.happened("push", "", self.project.owner, moved=(f"{HEADS}{name}", was, now))

    def _follow(self, pull: Pull) -> None:
        """A pull request after its branches may have moved, by whomever."""
        head, base = self.branches.get(pull.head), self.branches.get(pull.base)
        now = stamp()
        if head is None or base is None:
            self.put(replace(pull, closed=now, updated=now), "closed", self.project.owner)
        elif self.repository.contains(base, head):
            ended = replace(pull, closed=now, updated=now)
            if base != pull.base_sha:  # somebody pushed the merge; otherwise its branch went back
                ended = replace(ended, merged=now, merged_by=self.project.owner, merge_sha=base)
            self.put(ended, "closed", self.project.owner)
        elif head != pull.head_sha:
            self.repository.point(pull.ref, head)
            self.put(replace(pull, head_sha=head, base_sha=base, updated=now), "synchronize", self.project.owner)
        elif base != pull.base_sha:
            self.state.pulls[pull.number] = replace(pull, base_sha=base)

    # --- what there is

    def pull(self, number: int) -> Pull:
        """One of them; raises ForgeError 404."""
        try:
            return self.state.pulls[number]
        except KeyError:
            raise not_found() from None

    def put(self, pull: Pull, action: str, sender: str) -> Pull:
        """Remember a pull request, and what happened to it."""
        self.state.pulls[pull.number] = pull
        self.happened("pull_request", action, sender, pull=pull)
        return pull

    def touch(self, number: int) -> Pull:
        """It was talked about."""
        pull = self.state.pulls[number] = replace(self.pull(number), updated=stamp())
        return pull

    def comments(self, number: int) -> list[Comment]:
        """Oldest first; raises ForgeError 404."""
        self.pull(number)
        return [comment for comment in self.state.comments.values() if comment.pull == number]

    def reviews(self, number: int) -> list[Review]:
        """Oldest first; raises ForgeError 404."""
        self.pull(number)
        return [review for review in self.state.reviews.values() if review.pull == number]

    def statuses(self, sha: str) -> list[Status]:
        """The newest of every context of a commit, by context."""
        newest = {status.context.lower(): status for status in self.state.statuses.get(sha, ())}
        return [newest[context] for context in sorted(newest)]

    def resolve(self, name: str) -> str:
        """The commit that an id, a branch or `heads/BRANCH` means; raises ForgeError 404."""
        if found := self.branches.get(name) or self.branches.get(name.removeprefix("heads/")):
            return found
        if self.repository.has(name):
            return name
        raise ForgeError(404, f"No commit found for SHA: {name}")

    def mergeable(self, pull: Pull) -> bool:
        """Whether both sides go together."""
        key = (pull.base_sha, pull.head_sha)
        if key not in self._mergeable:
            self._mergeable[key] = bool(self.repository.merged_tree(*key))
        return self._mergeable[key]

    def missing(self, pull: Pull) -> Sequence[str]:
        """Required statuses that are not success."""
        good = {status.context.lower() for status in self.statuses(pull.head_sha) if status.state == "success"}
        return [context for context in self.project.required if context.lower() not in good]

    @staticmethod
    def actor(login: str) -> Actor:
        """How a login stands in a commit that the forge makes."""
        return Actor(name=login, email=f"{login}@users.noreply.localhost")
