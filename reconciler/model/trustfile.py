"""The trust file: people, their keys and roles, the daemon's keys, and which role may do what where.

Not a decision (trust/people makes those) and not a check of the keys themselves: that a key is of an accepted type is
seen when trust/people reads the file. Rules: times end with `Z`; one key stands in the file once; nothing is allowed
that no rule allows. `configure` rules are about paths and every other verb is about environments, never both in one.
"""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from reconciler.model.wire import DnsLabel, Field, Time, Wire

Verb = Literal["release", "approve", "configure", "waive", "remove", "clear", "trust", "trunk", "hold", "breakGlass"]
Conflict = tuple[tuple[str | int, ...], str]
"""Where in `spec`, and what is wrong there."""

_ZULU = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def _matching(pattern: str, sentence: str) -> AfterValidator:
    """The whole text matches; the error says `sentence`."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(sentence)
        return value

    return AfterValidator(check)


def _shown(pattern: str) -> WithJsonSchema:
    """The same pattern, for editors."""
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$"})


def _zulu(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and _ZULU.fullmatch(value):
            return datetime.fromisoformat(value)
    except ValueError:  # the thirteenth month
        pass
    raise ValueError("must be a time in UTC such as 2026-12-01T09:00:00Z")


def _decodes(line: str) -> str:
    encoded = line.split(" ")[1]
    try:
        whole = base64.b64encode(base64.b64decode(encoded, validate=True)).decode() == encoded
    except binascii.Error:
        whole = False
    if not whole:
        raise ValueError("is not a public key: its base64 is broken")
    return line


def _globs(pattern: str) -> str:
    """Segments of a relative path; `*` and `?` stay within one, `**` is a whole one and stands for any number."""
    for segment in pattern.split("/"):
        if segment in ("", ".", "..") or ("**" in segment and segment != "**"):
            raise ValueError("is not a path pattern such as environments/** or clusters/*.yaml")
    return pattern


ZuluTime = Annotated[Time, BeforeValidator(_zulu)]
_PERSON = r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}"
_KEY = r"[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{1,8192}={0,2}( [ -~]{0,255})?"
_ENVIRONMENT = r"\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_PATH = r"[^\x00-\x1f\x7f\\\[\]{}!]{1,1024}"
_LONGEST = 60  # characters of a field's name in a sentence
_LOGIN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"

PersonName = Annotated[
    str,
    _matching(_PERSON, "must be a short name or an address, of letters, digits and . _ @ + -"),
    _shown(_PERSON),
]
PublicKeyLine = Annotated[
    str,
    _matching(_KEY, "must be a public key in one line, such as ssh-ed25519 AAAAC3… ada@laptop"),
    AfterValidator(_decodes),
    _shown(_KEY),
]
EnvironmentPattern = Annotated[
    str, _matching(_ENVIRONMENT, 'must be the name of an environment or "*"'), _shown(_ENVIRONMENT)
]
PathGlob = Annotated[
    str,
    _matching(_PATH, "is not a path pattern; only *, ? and ** have a meaning in one"),
    AfterValidator(_globs),
    _shown(_PATH),
]
Login = Annotated[str, _matching(_LOGIN, "must be a login name"), _shown(_LOGIN)]


class TrustedKey(Wire):
    """A public key and when signatures with it count; by when they were first seen, not by dates somebody wrote."""

    key: PublicKeyLine
    valid_after: ZuluTime | None = None
    """Signatures first seen before this do not count."""
    valid_before: ZuluTime | None = None
    """Signatures first seen at or after this do not count."""
    revoked_at: ZuluTime | None = None
    """Signatures first seen at or after this do not count, and no rollback relies on the key any more."""

    @cached_property
    def blob(self) -> bytes:
        """The raw key: what keys are compared by."""
        return base64.b64decode(self.key.split(" ")[1])

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.valid_after and self.valid_before and self.valid_before <= self.valid_after:
            raise ValueError("validBefore must be later than validAfter")
        return self


class Person(Wire):
    """Somebody who signs. Many keys are still one person."""

    name: PersonName
    roles: tuple[DnsLabel, ...] = ()
    logins: dict[DnsLabel, Login] = Field(default_factory=dict)
    """Login by forge: `{github: ada-l}`."""
    keys: Annotated[tuple[TrustedKey, ...], Field(min_length=1)]


class AllowRule(Wire):
    """People with `role` may do these things in these environments, or configure these paths."""

    role: DnsLabel
    may: Annotated[tuple[Verb, ...], Field(min_length=1)]
    environments: tuple[EnvironmentPattern, ...] = ()
    """Names, or "*" for all."""
    paths: tuple[PathGlob, ...] = ()
    """Of `configure`: relative to the repository; `*` stays within a folder, `**` does not."""

    @model_validator(mode="after")
    def _has_its_scope(self) -> Self:
        if "configure" in self.may:
            if len(set(self.may)) > 1 or self.environments or not self.paths:
                raise ValueError("configure stands in a rule of its own, with paths and without environments")
        elif self.paths or not self.environments:
            raise ValueError(f"{', '.join(self.may)} needs environments and has no paths")
        return self


class Threshold(Wire):
    """How many people of which role must sign the next version of the trust file."""

    role: DnsLabel
    count: Annotated[int, Field(ge=1, le=100)] = 1


class TrustSpec(Wire):
    """Who is trusted with what in one repository."""

    repository: Annotated[str, Field(min_length=1, max_length=255)]
    version: Annotated[int, Field(ge=1, le=10**9)]
    """Only grows."""
    threshold: Threshold
    daemon: tuple[TrustedKey, ...] = ()
    """The daemon's own keys, old ones included: for records and its commits, for nothing else."""
    people: Annotated[tuple[Person, ...], Field(min_length=1)]
    allow: tuple[AllowRule, ...] = ()
    """Nothing else is allowed."""

    @cached_property
    def holders(self) -> dict[bytes, tuple[Person, TrustedKey]]:
        """The people's keys by blob."""
        return {key.blob: (person, key) for person in self.people for key in person.keys}

    @cached_property
    def daemon_keys(self) -> dict[bytes, TrustedKey]:
        """The daemon's keys by blob."""
        return {key.blob: key for key in self.daemon}

    @model_validator(mode="after")
    def _has_no_conflicts(self) -> Self:
        conflicts = tuple(_conflicts(self))
        if conflicts:
            text = "; ".join(message for _, message in conflicts)
            raise PydanticCustomError("conflicts", "{text}", {"text": text, "conflicts": conflicts})
        return self


def _conflicts(spec: TrustSpec) -> Iterator[Conflict]:
    yield from _repeated(
        _keys(spec), "this key stands in the file already, at {first}; a key belongs to one person, once"
    )
    yield from _repeated(
        ((("people", index, "name"), person.name.lower()) for index, person in enumerate(spec.people)),
        "this name stands in the file already, at {first}",
    )
    yield from _repeated(
        (
            (("people", index, "logins", forge), (forge, login.lower()))
            for index, person in enumerate(spec.people)
            for forge, login in person.logins.items()
        ),
        "this login stands in the file already, at {first}",
    )
    able = Counter(role for person in spec.people for role in set(person.roles))[spec.threshold.role]
    if able < spec.threshold.count:
        needed = f"{spec.threshold.count} with the role {spec.threshold.role}"
        yield ("threshold",), f"it can never be met: it needs {needed} and the file has {able}"


def _keys(spec: TrustSpec) -> Iterator[tuple[tuple[str | int, ...], object]]:
    for index, key in enumerate(spec.daemon):
        yield ("daemon", index, "key"), key.blob
    for index, person in enumerate(spec.people):
        for number, key in enumerate(person.keys):
            yield ("people", index, "keys", number, "key"), key.blob


def _repeated(found: Iterable[tuple[tuple[str | int, ...], object]], sentence: str) -> Iterator[Conflict]:
    first: dict[object, tuple[str | int, ...]] = {}
    for where, value in found:
        if value in first:
            yield where, sentence.format(first=field_path(("spec", *first[value])))
        else:
            first[value] = where


def field_path(where: Iterable[str | int]) -> str:
    """`spec.people[0].keys[1].key`, as errors name a field; a name that hides or is long is quoted."""
    path = ""
    for part in where:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isprintable() and len(part) <= _LONGEST:
            path += f".{part}" if path else part
        else:
            path += f"[{part[:_LONGEST]!r}]"
    return path


class TrustFile(Wire):
    """The document. It has no metadata: there is one per repository, and `spec.repository` names it."""

    api_version: Literal["reconciler.dev/v1alpha1"]
    kind: Literal["Trust"]
    spec: TrustSpec
