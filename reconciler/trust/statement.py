"""Statements: the small texts that signatures are made over, rendered here from what is about to be used.

Never a parser: nothing is ever read out of a signed text, so there is no canonical form to agree on. Rules: one line
per field in the order of the class, values are checked when the statement is made so that none can forge a line, and
each kind has a namespace of its own, so no signature of one kind stands in for another.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from reconciler.errors import Refused
from reconciler.model.wire import DNS_LABEL

MAX_VALUE = 1024  # characters of one field

_HEX = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LABEL = re.compile(DNS_LABEL)
# Control, format (bidirectional marks, zero width), surrogate, unassigned, line and paragraph separators.
_FORBIDDEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})

Rule = Callable[[Any], str]
"""A value → its text in the statement; raises ValueError with a phrase that says what is wrong."""


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_VALUE:
        raise ValueError(f"must be a text of 1 to {MAX_VALUE} characters")
    plain = value.isascii() and value.isprintable()  # nearly all are: nothing forbidden is among these
    if value != value.strip() or not (plain or _FORBIDDEN.isdisjoint(map(unicodedata.category, value))):
        raise ValueError("must be one line without control characters and without spaces around it")
    return value


def _word(value: object) -> str:
    text = _text(value)
    if any(map(str.isspace, text)):  # not the plain space alone: one that only looks like it is no word either
        raise ValueError("must be one word")
    return text


def _digest(value: object) -> str:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise ValueError("must be a sha256 in 64 lower-case hex digits")
    return value


def _commit(value: object) -> str:
    if not isinstance(value, str) or not _COMMIT.fullmatch(value):
        raise ValueError("must be a commit in 40 lower-case hex digits")
    return value


def _count(value: object) -> str:
    if type(value) is not int or not 0 <= value < 10**18:
        raise ValueError("must be a whole number that is not negative")
    return str(value)


def _action(value: object) -> str:
    if value not in ("approve", "reject"):
        raise ValueError("must be approve or reject")
    return str(value)


def _cluster(value: object) -> str:
    if value != "*" and not (isinstance(value, str) and _LABEL.fullmatch(value)):
        raise ValueError("must be the name of a cluster or *")
    return str(value)


def _line(key: str, rule: Rule) -> Any:
    return field(metadata={"key": key, "rule": rule})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What every statement has. Making one with a value that could forge a line raises Refused."""

    kind: ClassVar[str]
    about: ClassVar[str]
    repository: str = _line("repository", _text)
    _bytes: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bytes", self._rendered())

    @property
    def namespace(self) -> str:
        """The SSHSIG namespace of this kind: `reconciler-release-v1@reconciler.dev`."""
        return f"reconciler-{self.kind}-v1@reconciler.dev"

    @property
    def subject(self) -> str:
        """What it is about, for sentences."""
        return self.about.format(self=self)

    def text(self) -> bytes:
        """The exact bytes that are signed: a first line, `key: value` lines, a last newline; UTF-8."""
        return self._bytes

    def _rendered(self) -> bytes:
        lines = [f"reconciler-{self.kind}-v1"]
        for one in dataclasses.fields(self):
            if not one.metadata:
                continue
            key, rule = one.metadata["key"], one.metadata["rule"]
            try:
                lines.append(f"{key}: {rule(getattr(self, one.name))}")
            except ValueError as error:
                raise Refused(f"No {self.kind} statement can be made: {key} {error}.") from error
        return ("\n".join(lines) + "\n").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseStatement(Statement):
    """A release is this manifest, byte for byte."""

    kind: ClassVar[str] = "release"
    about: ClassVar[str] = "release {self.name} in {self.environment} of {self.repository}"
    environment: str = _line("environment", _word)
    name: str = _line("name", _word)
    manifest_sha256: str = _line("manifest-sha256", _digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigStatement(Statement):
    """A document that decides something lies at this path with these bytes."""

    kind: ClassVar[str] = "config"
    about: ClassVar[str] = "{self.document_kind} {self.path} of {self.repository}"
    path: str = _line("path", _text)
    document_kind: str = _line("kind", _word)
    sha256: str = _line("sha256", _digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalStatement(Statement):
    """Somebody looked at what this closure names (or at a removal) and says yes or no to it."""

    kind: ClassVar[str] = "approval"
    about: ClassVar[str] = "{self.environment}/{self.name} of {self.repository}"
    environment: str = _line("environment", _word)
    name: str = _line("name", _word)
    closure_sha256: str = _line("closure-sha256", _digest)
    action: str = _line("action", _action)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalStatement(Statement):
    """A release ends, on one cluster or on all of them (`*`); `manifest` is the text of it that is meant."""

    kind: ClassVar[str] = "removal"
    about: ClassVar[str] = "the removal of {self.name} in {self.environment} ({self.cluster}) of {self.repository}"
    environment: str = _line("environment", _word)
    name: str = _line("name", _word)
    cluster: str = _line("cluster", _cluster)
    manifest_sha256: str = _line("manifest-sha256", _digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRemovalStatement(Statement):
    """A document that decides something, with these bytes at this path, is in force no more."""

    kind: ClassVar[str] = "config-removal"
    about: ClassVar[str] = "the removal of {self.path} of {self.repository}"
    path: str = _line("path", _text)
    sha256: str = _line("sha256", _digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkStatement(Statement):
    """History was rewritten: in place of the accepted commit `old` the branch goes on from `new`."""

    kind: ClassVar[str] = "trunk"
    about: ClassVar[str] = "the rewritten branch {self.branch} of {self.repository}"
    branch: str = _line("branch", _word)
    old: str = _line("from", _commit)
    new: str = _line("to", _commit)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStatement(Statement):
    """A version of the trust file is these bytes."""

    kind: ClassVar[str] = "trust"
    about: ClassVar[str] = "version {self.version} of the trust file of {self.repository}"
    version: int = _line("version", _count)
    sha256: str = _line("sha256", _digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStatement(Statement):
    """A record of the ledger is these bytes and follows the record whose bytes have the digest `previous`."""

    kind: ClassVar[str] = "record"
    about: ClassVar[str] = "record {self.sequence} of {self.repository}"
    sequence: int = _line("sequence", _count)
    previous: str = _line("previous", _digest)
    sha256: str = _line("sha256", _digest)
