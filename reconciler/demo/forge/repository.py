"""The bare repository behind the pull requests: what its branches have, what a merge would give, and moving a ref.

Not a work tree, and no name that somebody typed becomes an argument of git: branches are looked up among those that
exist, and git is given full ids and full ref names. No hook runs (`edges/git/run`). Merges are made of objects;
a ref moves only from where the caller saw it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciler.edges.git import Actor, Commit
from reconciler.edges.git.checkout import History
from reconciler.edges.git.run import Access, Ending, Git, Output
from reconciler.errors import NotFound, Refused
from reconciler.model.ids import Revision

_CONFLICTS = 1  # merge-tree's exit status
_WORDS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}
_SHA = re.compile(r"[0-9a-f]{40}")
_EXACT = ("--no-ext-diff", "--no-textconv", "--find-renames", "-r")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One file of a difference. `patch` begins at its first `@@`; empty for binary files and pure renames."""

    path: str
    previous: str
    status: str
    """added, removed, modified, renamed, copied or changed."""
    blob: str
    additions: int
    deletions: int
    patch: str = ""


class Repository:
    """One bare repository on this disk. Close it after use."""

    def __init__(self, bare: Path) -> None:
        self._history = History(bare)
        self._git = Git(bare.absolute())

    def close(self) -> None:
        """End the reading process."""
        self._history.close()

    def trunk(self) -> str:
        """The branch that HEAD names."""
        return self._ask("symbolic-ref", "HEAD").strip().removeprefix("refs/heads/")

    def refs(self, below: str) -> dict[str, str]:
        """Every ref below a prefix such as `refs/heads/`, without it, and what it points to."""
        rows = (
            row.partition(" ")
            for row in self._ask("for-each-ref", "--format=%(objectname) %(refname)", below).splitlines()
        )
        return {name.removeprefix(below): sha for sha, _, name in rows}

    def has(self, sha: str) -> bool:
        """Whether this is the full id of a commit that is here."""
        try:
            return bool(_SHA.fullmatch(sha) and self.commit(sha))
        except (NotFound, Refused):
            return False

    def commit(self, sha: str) -> Commit:
        """What a commit says about itself; raises NotFound."""
        return self._history.commit(Revision(sha))

    def contains(self, sha: str, ancestor: str) -> bool:
        """Whether a commit is, or continues, another one."""
        return self._history.contains(Revision(sha), Revision(ancestor))

    def fork_point(self, one: str, other: str) -> str:
        """The newest commit that both have; empty when there is none."""
        output = self._git.run(["merge-base", one, other])
        return output.stdout.decode("ascii").strip() if output.ok else ""

    def commits(self, base: str, head: str, *, merges: bool = True) -> list[Commit]:
        """What `head` has and `base` has not, oldest first."""
        more = [] if merges else ["--no-merges"]
        ids = self._ask("rev-list", "--reverse", "--topo-order", *more, head, f"^{base}").split()
        return [self.commit(sha) for sha in ids]

    def files(self, base: str, head: str) -> list[FileChange]:
        """What changed between two commits, by path; patches are left out when they are too large to hold."""
        raw = self._ask("diff-tree", *_EXACT, "--raw", "--numstat", "-z", base, head)
        output = self._git.run(["diff-tree", *_EXACT, "--patch", base, head])
        if output.ending is Ending.TOO_MUCH:
            return list(_changes(raw.split("\0")))
        return list(_with_patches(list(_changes(raw.split("\0"))), _text(output)))

    def merged_tree(self, ours: str, theirs: str) -> str:
        """The tree of both; empty when they conflict."""
        output = self._git.run(["merge-tree", "--write-tree", "--no-messages", ours, theirs])
        if output.ending is Ending.EXITED and output.status == _CONFLICTS:
            return ""
        return _text(output).strip()

    def replayed_tree(self, commit: Commit, onto: str) -> str:
        """The tree of `onto` with what one commit changed; empty when they conflict or it has no single parent."""
        if len(commit.parents) != 1:
            return ""
        # Three commits that nobody will see say what the base of this merge is (git 2.40 has an option for it).
        before = self._lone(self.commit(commit.parents[0]).tree)
        ours, theirs = self._lone(self.commit(onto).tree, before), self._lone(commit.tree, before)
        return self.merged_tree(ours, theirs)

    def write(
        self, tree: str, parents: Sequence[str], message: str, *, author: Actor, committer: Actor,
        written: datetime | None = None,
    ) -> str:  # fmt: skip
        """A commit; no ref moves. `written` (aware) is the author's time, now without it."""
        now = datetime.now(UTC)
        environment = {
            "GIT_AUTHOR_NAME": author.name, "GIT_AUTHOR_EMAIL": author.email, "GIT_AUTHOR_DATE": _date(written or now),
            "GIT_COMMITTER_NAME": committer.name, "GIT_COMMITTER_EMAIL": committer.email,
            "GIT_COMMITTER_DATE": _date(now),
        }  # fmt: skip
        words = ["commit-tree", tree, *(word for parent in parents for word in ("-p", parent))]
        return _text(self._git.run(words, stdin=message.encode(), access=Access(environment=environment))).strip()

    def move(self, ref: str, new: str, old: str) -> bool:
        """Move a ref from `old` (empty: it does not exist) to `new` (empty: it goes); False when it was elsewhere."""
        words = [ref, new, old or "0" * 40] if new else ["-d", ref, old]
        return self._git.run(["update-ref", "--no-deref", *words]).ok

    def point(self, ref: str, sha: str) -> None:
        """Point a ref of the forge's own to a commit, wherever it was."""
        self._ask("update-ref", "--no-deref", ref, sha)

    def _lone(self, tree: str, parent: str = "") -> str:
        nobody = Actor(name="forge", email="forge@localhost")
        return self.write(tree, [parent] if parent else [], "", author=nobody, committer=nobody)

    def _ask(self, *words: str) -> str:
        return _text(self._git.run(list(words)))


def _text(output: Output) -> str:
    if not output.ok:
        raise Refused(f"git could not do it: {output.detail or output.ending.value}")
    return output.stdout.decode("utf-8", "replace")


def _date(moment: datetime) -> str:
    return f"{int(moment.timestamp())} +0000"


def _changes(fields: list[str]) -> Iterator[FileChange]:
    """From `diff-tree --raw --numstat -z`: first every file's ids and names, then every file's lines, in one order."""
    rest = iter(fields)
    rows: list[tuple[str, str, str, str]] = []
    counts: list[tuple[int, int]] = []
    for one in rest:
        if one.startswith(":"):
            *_, blob, letter = one.split(" ")
            first = next(rest)
            moved = letter[0] in "RC"
            rows.append((letter[0], blob, next(rest) if moved else first, first if moved else ""))
        elif one:
            added, removed, path = one.split("\t", 2)
            if not path:  # a rename: both names follow
                next(rest), next(rest)
            counts.append((_lines(added), _lines(removed)))
    for (letter, blob, path, previous), (additions, deletions) in zip(rows, counts, strict=True):
        yield FileChange(
            path=path, previous=previous, status=_WORDS.get(letter, "changed"), blob=blob,
            additions=additions, deletions=deletions,
        )  # fmt: skip


def _lines(count: str) -> int:
    return int(count) if count.isdecimal() else 0  # `-` is a binary file


def _with_patches(changes: list[FileChange], patch: str) -> Iterator[FileChange]:
    """Each change with its part of the whole patch, which has them in the same order."""
    parts = iter(re.split(r"(?m)^diff --git .*\n", patch)[1:])
    for change in changes:
        part = next(parts, "")
        if change.status == "changed":
            part += next(parts, "")  # a file that became a link goes and comes
        start = re.search(r"(?m)^@@", part)
        found = part[start.start() :].removesuffix("\n") if start else ""
        yield FileChange(
            path=change.path, previous=change.previous, status=change.status, blob=change.blob,
            additions=change.additions, deletions=change.deletions, patch=found,
        )  # fmt: skip
