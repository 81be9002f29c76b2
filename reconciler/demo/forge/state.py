"""What the forge remembers beside Git: pull requests and what was said on them, in one JSON file.

Not a database: everything is in memory, and every change replaces the file at once. Records are frozen; times are
GitHub's spelling (`2026-11-24T18:00:00Z`), empty where something has not happened.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from reconciler.demo.api.serve import write
from reconciler.errors import Misused


def stamp() -> str:
    """The present second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """One pull request. `head` and `base` are branches, `head_sha` and `base_sha` where they were last seen."""

    number: int
    title: str
    body: str
    author: str
    head: str
    base: str
    head_sha: str
    base_sha: str
    created: str
    updated: str
    draft: bool = False
    closed: str = ""
    merged: str = ""
    merged_by: str = ""
    merge_sha: str = ""

    @property
    def open(self) -> bool:
        """Whether it is still to be decided."""
        return not self.closed

    @property
    def ref(self) -> str:
        """The ref of the bare repository that has its head."""
        return f"refs/pull/{self.number}/head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment on a pull request."""

    id: int
    pull: int
    author: str
    body: str
    created: str
    updated: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One review. `state` is APPROVED, CHANGES_REQUESTED or COMMENTED; `commit` the head that was looked at."""

    id: int
    pull: int
    author: str
    state: str
    body: str
    commit: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One status of a commit. `state` is error, failure, pending or success."""

    id: int
    context: str
    state: str
    description: str
    url: str
    author: str
    at: str


@dataclass(slots=True, kw_only=True)
class State:
    """Everything. `statuses` by commit, oldest first; `branches` as they were when last looked at."""

    pulls: dict[int, Pull] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    reviews: dict[int, Review] = field(default_factory=dict)
    statuses: dict[str, list[Status]] = field(default_factory=dict)
    branches: dict[str, str] | None = None
    last_id: int = 0

    def next_id(self) -> int:
        """A number that nothing has yet."""
        self.last_id += 1
        return self.last_id


class Store:
    """The file `forge.json` in a folder, which is made when it does not exist."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "forge.json"

    def load(self) -> State:
        """What was saved, or nothing yet; raises Misused when the file is not one of ours."""
        try:
            return _read(orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return State()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Misused(f"{self._path} is not a forge's state: {error}") from None

    def save(self, state: State) -> None:
        """Replace the file."""
        rows = {
            "pulls": list(state.pulls.values()),
            "comments": list(state.comments.values()),
            "reviews": list(state.reviews.values()),
            "statuses": state.statuses,
            "branches": state.branches,
            "lastId": state.last_id,
        }
        write(self._path, orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())


def _read(data: dict[str, Any]) -> State:
    return State(
        pulls={row["number"]: Pull(**row) for row in data["pulls"]},
        comments={row["id"]: Comment(**row) for row in data["comments"]},
        reviews={row["id"]: Review(**row) for row in data["reviews"]},
        statuses={sha: [Status(**row) for row in rows] for sha, rows in data["statuses"].items()},
        branches=data["branches"],
        last_id=data["lastId"],
    )
