"""What the controllers share about objects: names, owners, conditions, selectors, percentages.

Not about behaviour. Objects are plain JSON data and are never changed in place: every function that "sets" returns a
new value.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

Obj = dict[str, Any]
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes makes names of: no vowels, nothing that looks alike


def moment(text: str) -> datetime:
    """A time as Kubernetes writes it: seconds, UTC."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def name_of(obj: Mapping[str, Any]) -> tuple[str, str]:
    """(namespace, name); the namespace is empty for what has none."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def uid_of(obj: Mapping[str, Any]) -> str:
    """The identity of an object for its life."""
    return str(obj["metadata"]["uid"])


def digest(data: Any) -> str:
    """A short name for JSON data, of the letters that Kubernetes uses."""
    number = int.from_bytes(hashlib.sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).digest()[:6], "big")
    letters = ""
    for _ in range(9):
        number, index = divmod(number, len(_LETTERS))
        letters += _LETTERS[index]
    return letters


def controller_of(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The owner reference of the controller of an object."""
    return next((ref for ref in obj["metadata"].get("ownerReferences") or () if ref.get("controller")), None)


def condition_of(status: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """The condition of that type."""
    return next((row for row in status.get("conditions") or () if row["type"] == kind), None)


def is_true(status: Mapping[str, Any], kind: str) -> bool:
    """Whether a condition is there and True."""
    found = condition_of(status, kind)
    return found is not None and found["status"] == "True"


def with_condition(conditions: Sequence[Obj], new: Obj, now: str) -> list[Obj]:
    """`conditions` with `new` in the place of its type; the transition time moves only with the status."""
    old = next((row for row in conditions if row["type"] == new["type"]), None)
    since = old["lastTransitionTime"] if old and old["status"] == new["status"] else now
    row = new | {"lastTransitionTime": since}
    if old is None:
        return [*conditions, row]
    return [row if each is old else each for each in conditions]


def share(value: int | str | None, total: int, *, up: bool) -> int:
    """A number or a percentage of `total`."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    percent = int(value.removesuffix("%"))
    return -(-total * percent // 100) if up else total * percent // 100


def without_zeros(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts as Go writes them: zeros are left out."""
    return {key: value for key, value in counts.items() if value}
