"""Reads the watched path of a revision by object id, and files and commits beside it.

Not a checkout: there is no work tree, no filter, no link that is followed, no listing of everything. Rules: a folder
is read once per id and depth and shared between snapshots, so a push that touches one file costs one read per folder
above it; sizes are asked before contents; nothing found is an error, never an empty snapshot.
"""

import threading
from array import array
from collections.abc import Iterator, Sequence
from weakref import WeakValueDictionary

from reconciler.edges.git.commit import Commit, parse_commit
from reconciler.edges.git.names import path_parts, printable
from reconciler.edges.git.objects import Objects
from reconciler.edges.git.remote import check_revision
from reconciler.edges.git.tree import (
    FOLDER,
    REGULAR,
    Entry,
    Rejected,
    Snapshot,
    Tree,
    assemble,
    parse_entries,
    refusals,
    same_labels,
    starts_of,
    window,
)
from reconciler.errors import NotFound, Refused, Retry, Stalled
from reconciler.model.ids import BlobId, Revision

MAX_BLOB = 256 * 1024  # bytes of one file
MAX_FILES = 200_000  # entries under the watched path
MAX_DEPTH = 24  # folders below the watched path
MAX_TREE = 32 * 1024 * 1024  # bytes of one tree object
MAX_COMMIT = 1024 * 1024  # bytes of one commit object
_KEPT = 4  # trees per watched path that stay in memory even if nobody holds their snapshot


class Trees:
    """Snapshots, files and commits of one mirror. Safe to use from several threads."""

    def __init__(self, objects: Objects, *, max_blob: int = MAX_BLOB, max_files: int = MAX_FILES) -> None:
        self._objects = objects
        self._max_blob = max_blob
        self._max_files = max_files
        self._lock = threading.Lock()
        self._cache: WeakValueDictionary[tuple[str, int], Tree] = WeakValueDictionary()
        self._recent: dict[str, list[Tree]] = {}
        self._refused: dict[tuple[str, int], str] = {}  # of one walk: a tree may name the same folder many times
        self._reads = 0

    def walk(self, revision: Revision, path: str = ".") -> Snapshot:
        """The watched path at a revision that the mirror gave (ask `commit` first about any other).

        Raises `Retry`: MirrorDamaged when the revision is not here, PathMissing when the path is not a folder there or
        holds no file; `Stalled` (TooManyFiles) when it holds more than we read.
        """
        try:
            commit = self.commit(revision)
        except NotFound as error:
            raise self._objects.damage(f"the revision {revision} is missing") from error
        tree_id = self._descend(commit, path)
        with self._lock:
            self._reads = 0
            self._refused.clear()
            recent = self._recent.setdefault(path, [])
            tree = self._read(tree_id, 0, recent[-1] if recent else None)
            if isinstance(tree, str):
                raise Stalled(f"The path {path!r} at {revision} {tree}.", reason="TooManyFiles")
            self._recent[path] = [*recent[1 - _KEPT :], tree]
        if not tree.count:
            why = f" that can be used: {tree.rejected[0]}" if tree.rejected else "."
            raise Retry(f"The path {path!r} at {revision} holds no file{why}", reason="PathMissing")
        return Snapshot(revision=revision, path=path, tree=tree)

    def read(self, blob: BlobId) -> bytes:
        """The bytes of a file that may not be here; raises `NotFound`, `Refused` when it is over the limit."""
        return self._objects.one(check_revision(blob), "blob", self._max_blob)

    def read_many(self, blobs: Sequence[BlobId]) -> Iterator[bytes]:
        """The bytes of files of a snapshot, in order; their sizes are known to fit. `Retry` when one is lost."""
        return self._objects.contents([check_revision(blob) for blob in blobs])

    def commit(self, revision: Revision) -> Commit:
        """What a commit says about itself; raises `NotFound`."""
        return parse_commit(revision, self._objects.one(check_revision(revision), "commit", MAX_COMMIT))

    def _descend(self, commit: Commit, path: str) -> str:
        tree_id = commit.tree
        for part in path_parts(path):
            try:
                entries = [entry for entry in parse_entries(self._bytes(tree_id)) if entry.name == part.encode()]
            except ValueError as error:
                raise Refused(f"The tree {tree_id} at {commit.revision} is not readable.") from error
            if len(entries) != 1 or entries[0].mode != FOLDER:
                raise Retry(f"The path {path!r} is not a folder at {commit.revision}.", reason="PathMissing")
            tree_id = entries[0].id
        return tree_id

    def _bytes(self, tree_id: str) -> bytes:
        (info,) = self._objects.info([tree_id])
        if info is None:
            raise self._objects.damage(f"the tree {tree_id} is missing")
        if info.kind != "tree" or info.size > MAX_TREE:
            raise Refused(f"The object {tree_id} is not a tree of at most {MAX_TREE} bytes.")
        return next(self._objects.contents([tree_id]))

    def _read(self, tree_id: str, depth: int, hint: Tree | None) -> Tree | str:
        """A folder, or why it is refused. `hint` is what stood in the same place before."""
        place = (tree_id, depth)
        known = self._cache.get(place) or self._refused.get(place)
        if known is not None:
            return known
        found = self._read_anew(tree_id, depth, hint)
        if isinstance(found, str):
            self._refused[place] = found
        else:
            self._cache[place] = found
        return found

    def _read_anew(self, tree_id: str, depth: int, hint: Tree | None) -> Tree | str:
        if depth > MAX_DEPTH:
            return f"lies more than {MAX_DEPTH} folders deep"
        self._reads += 1
        if self._reads > self._max_files:
            return f"lies behind more than {self._max_files} folders"
        try:
            raw = self._bytes(tree_id)
            tree = (hint and self._patched(tree_id, raw, depth, hint)) or self._full(tree_id, raw, depth, hint)
        except (Refused, ValueError):
            return f"is not a readable folder of at most {MAX_TREE} bytes"
        if tree.count + len(tree.rejected) > self._max_files:
            return f"holds more than {self._max_files} files"
        return tree

    def _patched(self, tree_id: str, raw: bytes, depth: int, hint: Tree) -> Tree | None:
        """The folder made from the one before when only contents changed; None: read it in full."""
        pair = window(hint, raw)
        if len(raw) != len(hint.raw) or not same_labels(pair) or pair is None:
            return None
        files, folders = dict(hint.files), dict(hint.folders)
        blobs: list[Entry] = []
        for entry in pair[1]:
            name = entry.name.decode("utf-8", "surrogateescape")  # what is not UTF-8 is no name that we hold
            if name in folders:
                below = self._read(entry.id, depth + 1, folders[name])
                if isinstance(below, str):
                    return None
                folders[name] = below
            elif name in files:
                files[name] = BlobId(entry.id)
                blobs.append(entry)
            else:
                return None
        if any(self._oversized(blobs)):
            return None
        return assemble(id=tree_id, raw=raw, starts=hint.starts, files=files, folders=folders, own=hint.own)

    def _full(self, tree_id: str, raw: bytes, depth: int, hint: Tree | None) -> Tree:
        entries = parse_entries(raw)
        reasons = refusals(entries)
        files: dict[str, BlobId] = {}
        folders: dict[str, Tree] = {}
        known = hint.files if hint else {}
        unknown: list[tuple[int, Entry]] = []
        for index, entry in enumerate(entries):
            if index in reasons:
                continue
            name = entry.name.decode()
            if entry.mode in REGULAR:
                files[name] = BlobId(entry.id)
                if known.get(name) != entry.id:
                    unknown.append((index, entry))
                continue
            below = self._read(entry.id, depth + 1, hint.folders.get(name) if hint else None)
            if isinstance(below, str):
                reasons[index] = below
            else:
                folders[name] = below
        for (index, entry), problem in zip(unknown, self._oversized([entry for _, entry in unknown]), strict=True):
            if problem:
                reasons[index] = problem
                del files[entry.name.decode()]
        own = tuple(Rejected(path=printable(entries[at].name), reason=why) for at, why in sorted(reasons.items()))
        starts: array[int] = starts_of(raw, entries)
        return assemble(id=tree_id, raw=raw, starts=starts, files=files, folders=folders, own=own)

    def _oversized(self, blobs: Sequence[Entry]) -> list[str]:
        """For each file: why it is refused, or empty."""
        problems = []
        for entry, info in zip(blobs, self._objects.info([entry.id for entry in blobs]), strict=True):
            if info is None:
                raise self._objects.damage(f"the blob {entry.id} is missing")
            large = f"has {info.size} bytes; the limit is {self._max_blob}"
            wrong = "is not a file though its folder says so"
            problems.append(wrong if info.kind != "blob" else large if info.size > self._max_blob else "")
        return problems
