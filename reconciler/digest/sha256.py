"""The one hash, and git's own name for bytes. A digest without its `sha256:` is never passed around."""

import hashlib

from reconciler.model.ids import BlobId


def sha256_of(data: bytes) -> str:
    """`sha256:<64 hex>` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob_id(data: bytes) -> BlobId:
    """What git calls a file with these bytes."""
    return BlobId(hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())
