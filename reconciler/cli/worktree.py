"""The files of a work tree as blobs: what `plan --worktree` plans, without a commit."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from reconciler.errors import Misused, NotFound
from reconciler.model.ids import BlobId


def read_tree(folder: Path) -> tuple[dict[str, BlobId], Callable[[BlobId], bytes]]:
    """Every regular file under `folder` as path → blob id (as git would name it), and a reader by blob id."""
    if not folder.is_dir():
        raise Misused(f"there is no folder {folder}")
    paths: dict[BlobId, Path] = {}
    files: dict[str, BlobId] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if ".git" in relative.parts or path.is_symlink() or not path.is_file():
            continue
        blob = blob_id(path.read_bytes())
        paths[blob] = path
        files[relative.as_posix()] = blob

    def read(blob: BlobId) -> bytes:
        if blob not in paths:
            raise NotFound(f"blob {blob} is not in {folder}")
        return paths[blob].read_bytes()

    return files, read


def blob_id(data: bytes) -> BlobId:
    """What git calls a file with these bytes."""
    return BlobId(hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())
