"""What a confirmation of deletions is over: exactly these objects, each marked under that directive.

Not a closure: the form differs, so that an approval of one is never an approval of the other.
"""

from collections.abc import Iterable, Mapping

from reconciler.digest.sha256 import sha256_of
from reconciler.errors import Misused
from reconciler.model.state import PruneMark, canonical


def pruned_of(marks: Mapping[str, Iterable[PruneMark]]) -> str:
    """sha256 over the sorted marks of each cluster, whatever order they come in; raises Misused for none at all."""
    rows = sorted(
        [cluster, mark.ref.api_version, mark.kind, mark.namespace, mark.name, mark.uid, mark.sequence]
        for cluster, found in marks.items()
        for mark in found
    )
    if not rows:
        raise Misused("A confirmation of no deletion would say nothing.")
    return sha256_of(canonical({"delete": rows}))
