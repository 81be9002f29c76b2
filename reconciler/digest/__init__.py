"""Ring 1: the identities that things are bound to. `version` names what runs, `closure` what was reviewed.

Not the plan's digest (that is the plan's own). Rules: a digest is sha256 over canonical JSON, `sha256:<64 hex>`;
equal meaning gives equal digests whatever the order or the spelling of defaults; golden values in the tests hold them
still, because a digest that changes by accident restarts every model there is.
"""

from reconciler.digest.closure import closure_of
from reconciler.digest.pruned import pruned_of
from reconciler.digest.sha256 import blob_id, sha256_of
from reconciler.digest.version import version_of

__all__ = ["blob_id", "closure_of", "pruned_of", "sha256_of", "version_of"]
