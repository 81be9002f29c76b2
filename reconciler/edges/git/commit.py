"""What a commit says about itself, and the bytes of one that we sign.

Not a verification: names, e-mails and times in a commit are claims of whoever made it. Format: git's commit object
(`git help hash-object`, gitformat-signature): headers, an empty line, the message; a signature is the header `gpgsig`,
made over the object without that header.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.errors import Misused, Refused
from reconciler.model.ids import Revision

_STAMP = re.compile(r"(?P<name>.*?) ?<(?P<email>[^<>]*)> (?P<seconds>-?[0-9]{1,19}) [+-][0-9]{4}")
_ID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A name and an e-mail as commits carry them."""

    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The facts of one commit. Times are aware UTC; None where the commit's own time is out of any range."""

    revision: Revision
    tree: str
    parents: tuple[Revision, ...]
    author: Actor
    author_time: datetime | None
    committer: Actor
    committer_time: datetime | None
    subject: str
    message: str
    signed: bool
    """Whether it carries a signature; nothing is said about whose."""


def parse_commit(revision: Revision, raw: bytes) -> Commit:
    """Read a commit object's bytes; raises `Refused` when they are not a commit."""
    head, _, body = raw.partition(b"\n\n")
    headers = [line.partition(" ") for line in head.decode("utf-8", "replace").split("\n") if not line.startswith(" ")]
    first = {key: value for key, _, value in reversed(headers)}
    trees = [value for key, _, value in headers if key == "tree"]
    parents = [value for key, _, value in headers if key == "parent"]
    author, committer = _STAMP.fullmatch(first.get("author", "")), _STAMP.fullmatch(first.get("committer", ""))
    if len(trees) != 1 or not all(_ID.fullmatch(value) for value in trees + parents) or not (author and committer):
        raise Refused(f"The commit {revision} is not well formed.")
    message = body.decode("utf-8", "replace")
    return Commit(
        revision=revision,
        tree=trees[0],
        parents=tuple(Revision(parent) for parent in parents),
        author=Actor(name=author["name"], email=author["email"]),
        author_time=_time(author["seconds"]),
        committer=Actor(name=committer["name"], email=committer["email"]),
        committer_time=_time(committer["seconds"]),
        subject=message.lstrip("\n").partition("\n")[0],
        message=message,
        signed="gpgsig" in first,
    )


def commit_payload(
    *, tree: str, parents: tuple[Revision, ...], author: Actor, committer: Actor, when: datetime, message: str
) -> bytes:
    """The bytes of an unsigned commit object: what a signature is made over. `when` is aware; kept to the second."""
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {stamp(author, when)}", f"committer {stamp(committer, when)}"]
    if "\0" in message:
        raise Misused("A commit message cannot hold a null character.")
    return "\n".join([*lines, "", message.rstrip("\n") + "\n"]).encode()


def with_signature(payload: bytes, armour: str) -> bytes:
    """The commit object with its signature in the place where git looks for it (after the committer)."""
    head, gap, body = payload.partition(b"\n\n")
    folded = "\n ".join(armour.strip("\n").split("\n"))
    return head + b"\ngpgsig " + folded.encode("ascii") + gap + body


def stamp(actor: Actor, when: datetime) -> str:
    """`Name <email> seconds +0000`; raises `Misused` when a name or e-mail could be read as something else."""
    for text in (actor.name, actor.email):
        if not text.strip() or text != text.strip() or not text.isprintable() or set(text) & set("<>"):
            raise Misused(f"{text!r} cannot be the name or e-mail of a commit.")
    if when.tzinfo is None:
        raise Misused("The time of a commit has no time zone.")
    return f"{actor.name} <{actor.email}> {int(when.timestamp())} +0000"


def _time(seconds: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(seconds), tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None  # a claim that means nothing; decisions use the time we first saw the commit
