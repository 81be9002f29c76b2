"""The one hash. A digest without its `sha256:` is never passed around."""

import hashlib


def sha256_of(data: bytes) -> str:
    """`sha256:<64 hex>` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
