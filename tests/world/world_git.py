"""A world's repositories: objects written by hand, and git's fetch and push without their processes.

What lies on the disk is a Git repository like any other (every tenth seed, and every other test, lets git itself move
objects). Rules: an object is written once under its id; a ref moves by replacing its file; what the product decides
(what is fetched, what a push must find) stays the product's.
"""

import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from reconciler.edges.git.commit import Actor, commit_payload, with_signature
from reconciler.edges.git.mirror import Mirror
from reconciler.edges.git.write import Writer
from reconciler.errors import Conflict, Retry
from reconciler.model.ids import Revision

Tree = dict[str, Any]  # name → blob id, or the tree below


class Repo:
    """A bare repository on this disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._objects = folder / "objects"

    def write(self, kind: str, data: bytes) -> str:
        whole = f"{kind} {len(data)}\0".encode() + data
        found = hashlib.sha1(whole).hexdigest()  # noqa: S324  # git's own name for it
        file = self._objects / found[:2] / found[2:]
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            new = file.with_suffix(".new")
            new.write_bytes(zlib.compress(whole, 1))
            new.rename(file)
        return found

    def tree(self, files: Mapping[str, str]) -> str:
        """The tree of these files (path → blob id)."""
        root: Tree = {}
        for path, blob in files.items():
            *folders, name = path.split("/")
            at = root
            for folder in folders:
                at = at.setdefault(folder, {})
            at[name] = blob
        return self._tree(root)

    def _tree(self, entries: Tree) -> str:
        rows = []
        for name, below in entries.items():
            folder = isinstance(below, dict)
            found = self._tree(below) if folder else below
            label = f"40000 {name}" if folder else f"100644 {name}"
            rows.append((f"{name}/" if folder else name, label.encode() + b"\0" + bytes.fromhex(found)))
        return self.write("tree", b"".join(row for _, row in sorted(rows, key=lambda row: row[0].encode())))

    def commit(self, tree: str, parents: tuple[str, ...], message: str, who: Actor, when: datetime) -> str:
        at = tuple(Revision(parent) for parent in parents)
        data = commit_payload(tree=tree, parents=at, author=who, committer=who, when=when, message=message)
        return self.write("commit", data)

    def read(self, found: str) -> bytes:
        """The bytes of a loose object."""
        whole = zlib.decompress((self._objects / found[:2] / found[2:]).read_bytes())
        return whole[whole.index(b"\0") + 1 :]

    def files(self, commit: str) -> dict[str, str]:
        """Every file of a commit: path → blob id."""
        return dict(self._under(self.read(commit)[5:45].decode(), ""))

    def _under(self, tree: str, prefix: str) -> Iterator[tuple[str, str]]:
        data = self.read(tree)
        while data:
            label, _, rest = data.partition(b"\0")
            mode, _, name = label.partition(b" ")
            found, data = rest[:20].hex(), rest[20:]
            at = f"{prefix}{name.decode()}"
            if mode == b"40000":
                yield from self._under(found, f"{at}/")
            else:
                yield at, found

    def ref(self, name: str) -> str | None:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / name).read_text().strip()
        with contextlib.suppress(FileNotFoundError):
            for line in (self.folder / "packed-refs").read_text().splitlines():
                if line.endswith(f" {name}"):
                    return line.split()[0]
        return None

    def move(self, name: str, to: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".lock")
        new.write_text(f"{to}\n")
        new.rename(file)

    def drop(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def bring(self, other: "Repo") -> None:
        """Every object that the other one has."""
        for folder, _, names in os.walk(other._objects):
            here = self._objects / os.path.relpath(folder, other._objects)
            known = {each.name for each in here.iterdir()} if here.exists() else None
            for name in names:
                if known is None:
                    here.mkdir(parents=True, exist_ok=True)
                    known = set()
                if name not in known and not name.endswith((".new", ".lock", ".rev", ".midx", ".keep")):
                    os.link(os.path.join(folder, name), here / name)  # noqa: PTH118  # a hot place


def _origin(mirror: Mirror) -> Repo:
    folder = Path(mirror.remote.address.removeprefix("file://"))
    if not folder.exists():
        raise Retry(f"Fetching from {folder} failed: it is not there", reason="FetchFailed")
    return Repo(folder)


def _list(mirror: Mirror, ref: str) -> Revision | None:
    found = _origin(mirror).ref(ref)
    return Revision(found) if found else None


def _fetch(mirror: Mirror, ref: str, into: str) -> Revision | None:
    found = _list(mirror, ref)
    if found:
        here = Repo(mirror.folder)
        here.bring(_origin(mirror))
        here.move(into, found)
    return found


def _contains(mirror: Mirror, revision: Revision, ancestor: Revision) -> bool:
    seen, rest = set[str](), [revision]
    while rest:
        one = rest.pop()
        if one == ancestor:
            return True
        if one not in seen:
            seen.add(one)
            rest += mirror.trees.commit(one).parents
    return False


def _move(mirror: Mirror, ref: str, new: Revision, *, drop: str = "") -> None:
    here = Repo(mirror.folder)
    if here.ref(ref) != new:
        here.move(ref, new)
    if drop:
        here.drop(drop)


def _commit_files(
    writer: Writer, files: Mapping[str, bytes | None], *, base: Revision | None, message: str, author: Actor,
    committer: Actor, when: datetime, sign: Any,
) -> Revision:  # fmt: skip
    mirror = writer._mirror
    mirror.ensure()
    here = Repo(mirror.folder)
    rows: dict[str, str] = dict(mirror.trees.walk(base).files) if base else {}
    for path, data in files.items():
        rows.pop(path, None)
        if data is not None:
            rows[path] = here.write("blob", data)
    payload = commit_payload(
        tree=here.tree(rows), parents=(base,) if base else (), author=author, committer=committer, when=when,
        message=message,
    )  # fmt: skip
    return Revision(here.write("commit", with_signature(payload, sign(payload))))


def _send(writer: Writer, ref: str, new: Revision, expected: Revision | None) -> None:
    try:
        origin = _origin(writer._mirror)
    except Retry as error:
        raise Retry(error.message, reason="PushFailed") from None
    if origin.ref(ref) not in (expected, new):
        raise Conflict(f"{ref} moved meanwhile; nothing was pushed.")
    origin.bring(Repo(writer._mirror.folder))
    origin.move(ref, new)


@contextlib.contextmanager
def without_processes() -> Iterator[None]:
    """Objects are linked from one folder into the other instead of fetched and pushed."""
    with (
        patch.object(Mirror, "_list", _list),
        patch.object(Mirror, "_fetch", _fetch),
        patch.object(Mirror, "_contains", _contains),
        patch.object(Mirror, "_move", _move),
        patch.object(Writer, "commit_files", _commit_files),
        patch.object(Writer, "_send", _send),
    ):
        yield
