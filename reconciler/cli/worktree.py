"""The files of a work tree as blobs: what `plan --worktree` plans, without a commit."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from reconciler.edges.git.walk import MAX_BLOB
from reconciler.errors import Misused, NotFound
from reconciler.model.ids import BlobId


def read_tree(folder: Path) -> tuple[dict[str, BlobId], Callable[[BlobId], bytes]]:
    """Every regular file under `folder` as path → blob id (as git would name it), and a reader by blob id.

    Links are not followed, and files that are larger than the daemon would read are left out, as there.
    """
    if not folder.is_dir():
        raise Misused(f"there is no folder {folder}")
    contents: dict[BlobId, bytes] = {}
    files: dict[str, BlobId] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if ".git" in relative.parts or path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as stream:
            data = stream.read(MAX_BLOB + 1)
        if len(data) > MAX_BLOB:
            continue
        blob = blob_id(data)
        contents[blob] = data  # read once: what is judged is what was named, whatever the file says meanwhile
        files[relative.as_posix()] = blob

    def read(blob: BlobId) -> bytes:
        if blob not in contents:
            raise NotFound(f"blob {blob} is not in {folder}")
        return contents[blob]

    return files, read


def blob_id(data: bytes) -> BlobId:
    """What git calls a file with these bytes."""
    return BlobId(hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())
