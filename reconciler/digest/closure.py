"""The closure: which documents decide what runs and how it is judged. Approvals bind to it.

Not the policies, the revision or any live fact: those are looked at again when something is applied.
"""

from collections.abc import Iterable

from reconciler.digest.sha256 import sha256_of
from reconciler.errors import Misused
from reconciler.model.ids import Closure
from reconciler.model.state import canonical


def closure_of(pairs: Iterable[tuple[str, str]]) -> Closure:
    """sha256 over the sorted (path or `builtin:NAME/N`, blob id) pairs; a pair that comes twice counts once.

    Raises Misused for no pairs at all, for an empty path or blob, and for one path with two blobs: each would let an
    approval bind to something else than what was reviewed.
    """
    blobs: dict[str, str] = {}
    for path, blob in pairs:
        if not path or not blob:
            raise Misused(f"A closure needs the path and the blob of every document, not '{path}' and '{blob}'.")
        if blobs.setdefault(path, blob) != blob:
            raise Misused(f"A closure is of one commit, but {path} is in it with two blobs.")
    if not blobs:
        raise Misused("A closure of no documents would approve anything.")
    return Closure(sha256_of(canonical(sorted(blobs.items()))))
