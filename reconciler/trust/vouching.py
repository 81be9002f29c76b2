"""Keys that ended: whose signature a running version relies on, when that key would not count any more today.

Not a gate: nothing is stopped and nothing is deleted because of a key. Rules: a revoked key may have been stolen, so
what only revoked keys signed is a warning; a key that expired, or whose owner left the file, is told and no alarm; one
key that is still valid is enough.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reconciler.model.trustfile import Person, TrustedKey, TrustFile
from reconciler.model.wire import format_time
from reconciler.trust.keys import fingerprint
from reconciler.trust.people import KeyState, key_state


class Vouching(StrEnum):
    """What the keys under a running version come to; the values are the reasons of the condition `Vouched`."""

    REVOKED = "KeyRevoked"
    ENDED = "KeyEnded"
    OTHERS = "OtherKeysValid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """A version that runs, as people call it, and the fingerprints of the keys that released it."""

    model_version: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is to be said of the keys under what runs, in one sentence per version."""

    outcome: Vouching
    sentence: str


def note(running: Iterable[Signers], trust: TrustFile, now: datetime) -> Note | None:
    """What is to be said of these versions; None when every key under them is valid."""
    owners = {fingerprint(blob): found for blob, found in trust.spec.holders.items()}
    rows = [row for one in running if (row := _of_version(one, owners, now))]
    if not rows:
        return None
    order = list(Vouching)
    worst = min((outcome for outcome, _ in rows), key=order.index)
    return Note(outcome=worst, sentence="; ".join(sentence for _, sentence in rows))


def _of_version(
    one: Signers, owners: dict[str, tuple[Person, TrustedKey]], now: datetime
) -> tuple[Vouching, str] | None:
    ended = [(sentence, revoked) for key in one.keys for sentence, revoked in _ended(key, owners, now)]
    if not ended:
        return None
    sentence = f"{one.model_version} was released with {' and '.join(told for told, _ in ended)}"
    if len(ended) < len(one.keys):
        return Vouching.OTHERS, f"{sentence}; another key that released it is valid"
    if any(revoked for _, revoked in ended):
        return Vouching.REVOKED, sentence
    return Vouching.ENDED, sentence


def _ended(key: str, owners: dict[str, tuple[Person, TrustedKey]], now: datetime) -> list[tuple[str, bool]]:
    """How the key ended, and whether it was revoked; nothing for one that is valid."""
    found = owners.get(key)
    if found is None:
        return [(f"the key {key}, which nobody in the trust file has any more", False)]
    person, trusted = found
    state = key_state(trusted, now)
    when = {KeyState.REVOKED: trusted.revoked_at, KeyState.EXPIRED: trusted.valid_before}.get(state)
    if when is None:
        return []
    word = "was revoked at" if state is KeyState.REVOKED else "expired at"
    return [(f"{person.name}'s key {key}, which {word} {format_time(when)}", state is KeyState.REVOKED)]
