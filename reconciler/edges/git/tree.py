"""A folder of a revision as we hold it, a snapshot of the watched path, and what differs between two of them.

Pure: reads nothing (see `walk`). Rules: a tree is shared by every snapshot that contains it, so comparing goes only
where ids differ; a refused entry is refused by itself, with a reason, and the rest goes on.

Note [a folder that is almost the same]: git writes a tree as one string of entries. When only ids changed, everything
before and after the changed entries is equal byte for byte, so a few comparisons of bytes find the window to parse;
the rest of a folder with 100,000 entries is not looked at one by one.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.edges.git.names import fold, name_problem, printable
from reconciler.model.ids import BlobId, Revision

FOLDER = b"40000"
REGULAR = frozenset({b"100644", b"100755", b"100664"})
_REFUSED_MODES = {
    b"120000": "is a symbolic link; links are not followed",
    b"160000": "is a submodule; other repositories are not read",
}
_ID_BYTES = 20


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rejected:
    """An entry that is not used. Nothing is known about what lies under its path: that is not the same as absent."""

    path: str
    """Relative to the watched path, printable: it need not be the entry's exact name."""
    reason: str
    """A phrase that follows the path, without a stop."""

    def __str__(self) -> str:
        return f"{self.path} {self.reason}."


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One path that differs between two snapshots; `before` or `after` is None where there is no such file."""

    path: str
    before: BlobId | None
    after: BlobId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a tree object; `start` is where it begins."""

    mode: bytes
    name: bytes
    id: str
    start: int

    @property
    def label(self) -> tuple[bytes, bytes, int]:
        """What stays when only the content changes: a mode that is spelled with more zeros moves the rest."""
        return self.mode, self.name, self.start


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Tree:
    """One folder. Its mappings are frozen by agreement: snapshots share them."""

    id: str
    raw: bytes = field(repr=False)
    starts: "array[int]" = field(repr=False)
    """Where each entry begins in `raw`, and at the end the length of `raw`."""
    files: Mapping[str, BlobId] = field(repr=False)
    folders: Mapping[str, "Tree"] = field(repr=False)
    own: tuple[Rejected, ...] = ()
    """Refused entries directly in this folder."""
    rejected: tuple[Rejected, ...] = ()
    """Refused entries in this folder and below."""
    count: int = 0
    """Accepted files in this folder and below."""


EMPTY = Tree(id="", raw=b"", starts=array("I", [0]), files={}, folders={})


class Files(Mapping[str, BlobId]):
    """The accepted files of a tree as `{path: blob}`, without a copy. Each folder's files come before its folders."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def __getitem__(self, path: str) -> BlobId:
        *folders, name = path.split("/")
        tree = self._tree
        for folder in folders:
            tree = tree.folders[folder]
        return tree.files[name]

    def __iter__(self) -> Iterator[str]:
        return _paths(self._tree, "")

    def __len__(self) -> int:
        return self._tree.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The watched path at one revision. Paths are relative to the watched path."""

    revision: Revision
    path: str
    tree: Tree = field(repr=False, compare=False)

    @property
    def files(self) -> Mapping[str, BlobId]:
        """Every accepted regular file."""
        return Files(self.tree)

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """Every refused entry with its reason, sorted by path."""
        return tuple(sorted(self.tree.rejected))


def changes(old: Snapshot | None, new: Snapshot) -> Iterator[FileChange]:
    """The files that differ, reading nothing: only folders whose ids differ are visited. `old` None: all are new."""
    return _changes(old.tree if old else EMPTY, new.tree, "")


def assemble(
    *,
    id: str,  # noqa: A002  # the field's name
    raw: bytes,
    starts: "array[int]",
    files: Mapping[str, BlobId],
    folders: Mapping[str, Tree],
    own: tuple[Rejected, ...],
) -> Tree:
    """A tree with the sums over its folders."""
    below = (
        Rejected(path=f"{name}/{entry.path}", reason=entry.reason)
        for name, folder in folders.items()
        for entry in folder.rejected
    )
    return Tree(
        id=id,
        raw=raw,
        starts=starts,
        files=files,
        folders=folders,
        own=own,
        rejected=(*own, *below),
        count=len(files) + sum(folder.count for folder in folders.values()),
    )


def parse_entries(raw: bytes, start: int = 0, end: int | None = None) -> list[Entry]:
    """The entries of a tree object between two offsets; raises `ValueError` when the bytes are not entries."""
    entries = []
    end = len(raw) if end is None else end
    while start < end:
        space = raw.index(b" ", start, end)
        null = raw.index(b"\0", space, end)
        after = null + 1 + _ID_BYTES
        if after > end:
            raise ValueError("the last entry is cut short")
        mode, name = raw[start:space].lstrip(b"0"), raw[space + 1 : null]
        entries.append(Entry(mode=mode, name=name, id=raw[null + 1 : after].hex(), start=start))
        start = after
    return entries


def starts_of(raw: bytes, entries: Sequence[Entry]) -> "array[int]":
    """The offsets of all entries and of the end."""
    return array("I", [*(entry.start for entry in entries), len(raw)])


def refusals(entries: Sequence[Entry]) -> dict[int, str]:
    """Which entries (by index) are refused for their name, mode or neighbours, each with its reason."""
    reasons: dict[int, str] = {}
    same = Counter(entry.name for entry in entries)
    folded: dict[str, list[int]] = {}
    for index, entry in enumerate(entries):
        problem = name_problem(entry.name)
        if not problem:
            folded.setdefault(fold(entry.name.decode()), []).append(index)
        if same[entry.name] > 1:
            problem = problem or "stands more than once in its folder"
        if entry.mode != FOLDER and entry.mode not in REGULAR:
            problem = problem or _REFUSED_MODES.get(entry.mode, "is neither a file nor a folder")
        if problem:
            reasons[index] = problem
    for indexes in folded.values():
        if len(indexes) > 1:
            _refuse_alike(entries, indexes, reasons)
    return reasons


def window(old: Tree, raw: bytes) -> tuple[list[Entry], list[Entry]] | None:
    """The entries of `old`, and of a new tree's bytes, outside of which both are equal; None when it cannot be told."""
    prefix = _common(old.raw, raw, forward=True)
    first = min(bisect_right(old.starts, prefix) - 1, len(old.starts) - 1)
    room = min(len(old.raw), len(raw)) - old.starts[first]
    suffix = _common(old.raw[len(old.raw) - room :], raw[len(raw) - room :], forward=False)
    last = bisect_left(old.starts, len(old.raw) - suffix)
    begin, old_end = old.starts[first], old.starts[last]
    try:
        return (
            parse_entries(old.raw, begin, old_end),
            parse_entries(raw, begin, len(raw) - (len(old.raw) - old_end)),
        )
    except ValueError:
        return None


def same_labels(pair: tuple[list[Entry], list[Entry]] | None) -> bool:
    """Whether in this window only ids differ; the last mode's zeros are seen by the length of the whole."""
    return pair is not None and [entry.label for entry in pair[0]] == [entry.label for entry in pair[1]]


def _common(a: bytes, b: bytes, *, forward: bool) -> int:
    """How many bytes at the beginning (or at the end) are equal."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        pieces = (
            (a[low:middle], b[low:middle])
            if forward
            else (a[len(a) - middle : len(a) - low], b[len(b) - middle : len(b) - low])
        )
        if pieces[0] == pieces[1]:
            low = middle
        else:
            high = middle - 1
    return low


def _refuse_alike(entries: Sequence[Entry], indexes: list[int], reasons: dict[int, str]) -> None:
    names = {index: printable(entries[index].name) for index in indexes}
    first, second, *_ = [*sorted(set(names.values())), "", ""]  # of many, one other is named
    for index, name in names.items():
        other = second if name == first else first
        if other and index not in reasons:
            reasons[index] = f"differs from {other} only by case or Unicode form"


def _changes(old: Tree, new: Tree, prefix: str) -> Iterator[FileChange]:
    if old is new or (old.id == new.id and old.own == new.own and old.count == new.count):
        return
    for name in _touched(old, new):
        before, after = old.files.get(name), new.files.get(name)
        if before != after:
            yield FileChange(path=prefix + name, before=before, after=after)
        below_old, below_new = old.folders.get(name, EMPTY), new.folders.get(name, EMPTY)
        if below_old is not below_new:
            yield from _changes(below_old, below_new, f"{prefix}{name}/")


def _touched(old: Tree, new: Tree) -> list[str]:
    """The names that may differ, sorted."""
    pair = window(old, new.raw)
    if pair is not None and same_labels(pair):
        return sorted({entry.name.decode("utf-8", "replace") for entry in pair[0]})
    names = {*old.files, *old.folders, *new.files, *new.folders}
    return sorted(
        name
        for name in names
        if old.files.get(name) != new.files.get(name) or old.folders.get(name) is not new.folders.get(name)
    )


def _paths(tree: Tree, prefix: str) -> Iterator[str]:
    for name in tree.files:
        yield prefix + name
    for name, folder in tree.folders.items():
        yield from _paths(folder, f"{prefix}{name}/")
