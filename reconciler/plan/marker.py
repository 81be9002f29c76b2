"""The hidden first line by which we find our own comment on a pull request, and how far it told.

Not a signature that people check. Rules: it holds for one repository and one pull request; only the first line of a
comment counts, whatever its text says further down; who wrote the comment is for the caller to check as well, since
anybody may copy a first line to the same pull request.
"""

import hashlib
import hmac
import re
from enum import StrEnum

_FORM = re.compile(r"<!-- reconciler:pull v1 ([1-9][0-9]{0,17}) (planned|merged|ended) ([0-9a-f]{64}) -->")


class Stage(StrEnum):
    """How far a pull request is, for us."""

    PLANNED = "planned"
    MERGED = "merged"
    ENDED = "ended"  # everything that it asked for came to an end


def marker(key: bytes, repository: str, number: int, stage: Stage) -> str:
    """The first line of our comment; `key` is ours alone."""
    return f"<!-- reconciler:pull v1 {number} {stage} {_mac(key, repository, number, stage)} -->"


def find(body: str, key: bytes, repository: str, number: int) -> Stage | None:
    """The stage that a comment tells, or None when it does not begin with our marker for this pull request."""
    found = _FORM.fullmatch(body.partition("\n")[0].rstrip("\r"))
    if found is None or int(found.group(1)) != number:
        return None
    stage = Stage(found.group(2))
    return stage if hmac.compare_digest(found.group(3), _mac(key, repository, number, stage)) else None


def _mac(key: bytes, repository: str, number: int, stage: Stage) -> str:
    said = "\0".join(("reconciler:pull v1", repository, str(number), stage))
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()
