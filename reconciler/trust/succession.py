"""Succession: which trust file is in force, when later versions of it lie in the repository that it judges.

Not a reader of files. Rules: version N+1 counts only when the threshold of version N signed it, so every version is
judged by its predecessor and by nothing else; versions only grow and none is left out; a mounted file wins over one of
the repository that is not newer; what does not count leaves the one in force and is told in one sentence.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.model.trustfile import TrustFile, field_path
from reconciler.trust.people import unusable_keys
from reconciler.trust.statement import TrustStatement
from reconciler.trust.verify import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustText:
    """A trust file of the repository: where it lies, the digest of its bytes and the signatures beside it."""

    path: str
    file: TrustFile
    sha256: str
    """`sha256:…`."""
    signature: bytes = field(repr=False)

    @property
    def version(self) -> int:
        """The version that it says it is."""
        return self.file.spec.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """`trust` is in force; `taken` are the texts that led to it, oldest first; `refused` has a sentence by path."""

    trust: TrustFile
    taken: tuple[TrustText, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


def in_force(mounted: TrustFile, accepted: TrustFile | None) -> TrustFile:
    """Of the mounted file and the one that was accepted from the repository, the one that counts."""
    return accepted if accepted and accepted.spec.version > mounted.spec.version else mounted


def succeed(trust: TrustFile, texts: Iterable[TrustText], *, now: datetime) -> Succession:
    """What follows `trust` among these texts. Keys are judged for `now`: what is new is seen now."""
    known = sorted(texts, key=lambda text: (text.version, text.path))
    taken: list[TrustText] = []
    refused: dict[str, str] = {}
    while True:
        following = [text for text in known if text.version == trust.spec.version + 1]
        verdicts = {text.path: judge(trust, text, now=now) for text in following}
        good = [text for text in following if not verdicts[text.path]]
        if len({text.sha256 for text in good}) != 1:
            refused |= {path: why for path, why in verdicts.items() if why} | _doubled(good)
            break
        trust = good[0].file
        taken.append(good[0])
    refused |= {text.path: why for text in known if (why := _out_of_turn(trust, text))}
    return Succession(trust=trust, taken=tuple(taken), refused=refused)


def judge(trust: TrustFile, text: TrustText, *, now: datetime) -> str:
    """Why this text does not follow `trust`; empty when it does."""
    if text.version != trust.spec.version + 1:
        return _out_of_turn(trust, text) or f"{text.path} is version {text.version}, which is in force already"
    if text.file.spec.repository != trust.spec.repository:
        return f"{text.path} vouches for {text.file.spec.repository}, not for {trust.spec.repository}"
    unusable = next(unusable_keys(text.file), None)
    if unusable:
        return f"{text.path}: {field_path(unusable[0])}: {unusable[1]}"
    statement = TrustStatement(
        repository=trust.spec.repository, version=text.version, sha256=text.sha256.removeprefix("sha256:")
    )
    found = verify(statement, text.signature, trust, verb="trust", first_seen=now, now=now)
    return "" if found.verified else f"{text.path}: {found.sentence}"


def _out_of_turn(trust: TrustFile, text: TrustText) -> str:
    """Why a text that is not the next version never counts; empty for history, and for what may be the next."""
    now = trust.spec.version
    if text.version > now + 1:
        return f"{text.path} is version {text.version}; version {now} is in force, so version {now + 1} comes first"
    if text.version == now and text.file != trust:
        return f"{text.path} is not the version {now} that is in force; a change of it is version {now + 1}"
    return ""


def _doubled(good: Sequence[TrustText]) -> dict[str, str]:
    paths = " and ".join(text.path for text in good)
    return {text.path: f"{paths} are version {text.version}, each signed; keep one of them" for text in good}
