"""The work tree as the daemon would see it once it is committed: what `plan --worktree` plans, and people vote on.

Not another way to read it (`tree` is the one); this gives it the shape of a revision: blobs by path, read by blob.
"""

from collections.abc import Callable
from pathlib import Path

from reconciler.cli.tree import around, work_tree
from reconciler.digest import blob_id
from reconciler.errors import Misused, NotFound
from reconciler.model.ids import BlobId

_SUFFIXES = (".yaml", ".yml", ".sig")  # approvals and removals lie apart from what they are about


def read_tree(folder: Path) -> tuple[dict[str, BlobId], Callable[[BlobId], bytes]]:
    """Documents and signatures under `folder` as path → blob id (as git would name it), and a reader by blob id.

    What the daemon would not read, and what git ignores there, is left out.
    """
    if not folder.is_dir():
        raise Misused(f"there is no folder {folder}")
    found = work_tree(folder.resolve(), around(folder), suffixes=_SUFFIXES).contents
    files = {path: blob_id(data) for path, data in found.items()}
    contents = {files[path]: data for path, data in found.items()}  # read once: whatever the file says meanwhile

    def read(blob: BlobId) -> bytes:
        if blob not in contents:
            raise NotFound(f"blob {blob} is not in {folder}")
        return contents[blob]

    return files, read
