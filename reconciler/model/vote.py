"""Votes that reach us from elsewhere than the trunk's files, as they were found: nothing in them is judged yet.

A comment, a pushed ref and a review are what somebody sent us. A signed one counts by its signature alone; a review has
none, and counts only where the environment lets reviews count.
"""

from dataclasses import dataclass, field
from typing import Literal, Self

from reconciler.model.ids import BlobId

_SHOWN = 200  # characters of what somebody typed that a sentence or a record repeats


def plain(text: str) -> str:
    """What somebody typed (a login, a title) on one line, without anything that moves a cursor, and not too long."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:_SHOWN]


VoteSource = Literal["file", "comment", "ref", "review"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Armoured blocks, and where they were found: a file of the trunk, a comment or a ref."""

    origin: str
    """For people: the file's path, the ref, or `comment by ada-l on #12`."""
    source: VoteSource
    blob: BlobId
    data: bytes = field(repr=False)
    url: str = ""
    pull: int = 0
    """Of a comment: the pull request that it stands on."""
    closure: str = ""
    """Of a comment: what it was found to be a vote on (`sha256:…`). Empty: to be tried on what is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeVote:
    """A review on a forge, and the closure of one release that it was first seen with: it is of no other."""

    forge: str
    """As the trust file's `logins` call it."""
    login: str
    review: int
    commit: str
    """The head that was reviewed."""
    use: Literal["approve", "reject"]
    closure: str
    pull: int
    url: str = ""

    @property
    def origin(self) -> str:
        """Where it is, for people."""
        return f"review by {plain(self.login)} on #{self.pull}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenVotes:
    """What was given for one release outside of the trunk's files. `notes` say what of it cannot be read."""

    signed: tuple[Given, ...] = ()
    reviews: tuple[ForgeVote, ...] = ()
    notes: tuple[str, ...] = ()

    def on(self, digest: str) -> Self:
        """Those that may be votes on a digest (`sha256:…`)."""
        return type(self)(
            signed=tuple(row for row in self.signed if row.closure in ("", digest)),
            reviews=tuple(row for row in self.reviews if row.closure == digest),
            notes=self.notes,
        )

    def __add__(self, other: Self) -> Self:
        """Both together."""
        return type(self)(
            signed=(*self.signed, *other.signed),
            reviews=(*self.reviews, *other.reviews),
            notes=(*self.notes, *other.notes),
        )


NOTHING_GIVEN = GivenVotes()
