"""People: reading the trust file, who owns a key, what state the key is in, and what its owner may do.

Not the judging of signatures (`verify`). Rules: what no rule allows is not allowed; a key's state is asked for a time
that the caller gives (when a signature was first seen, or now); the daemon's own key belongs to nobody.
"""

import difflib
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from reconciler.errors import Invalid, Misused, Problem, Refused
from reconciler.model import trustfile
from reconciler.model.trustfile import AllowRule, Person, TrustedKey, TrustFile, Verb, field_path
from reconciler.trust.keys import fingerprint, parse_public_line

Where = tuple[str | int, ...]
Locate = Callable[[Where], tuple[int, int]]
"""A field's position in the file: `("spec", "people", 0)` → (line, column), both from 1."""

_WHOLE_REPOSITORY: frozenset[Verb] = frozenset({"trust", "trunk"})
_PHRASES = {
    "missing": "is missing",
    "extra_forbidden": "is not a field",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
}


class KeyState(StrEnum):
    """Whether signatures with a key count, for one time."""

    VALID = "valid"
    NOT_YET = "not yet valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


def _start_of_file(_: Where) -> tuple[int, int]:
    return 1, 1


def read_trust(data: Any, *, path: str, locate: Locate = _start_of_file) -> TrustFile:
    """The trust file in loaded plain data; raises Invalid with every problem and its field's path."""
    try:
        trust = TrustFile.from_data(data)
        problems = list(unusable_keys(trust))
    except ValidationError as error:
        problems = list(_problems(error))
    except TypeError:  # not JSON data at all: a number beyond 64 bits, nesting without end
        problems = [((), "holds a value that no trust file can hold")]
    if problems:
        raise Invalid([_problem(path, where, message, locate) for where, message in problems])
    return trust


def _problem(path: str, where: Where, message: str, locate: Locate) -> Problem:
    line, column = locate(where)
    return Problem(path=path, line=line, column=column, field=field_path(where), message=message)


def _problems(error: ValidationError) -> Iterator[tuple[Where, str]]:
    found = error.errors(include_url=False, include_input=False)
    parents = {one["loc"][:length] for one in found for length in range(len(one["loc"]))}
    for one in found:
        if one["type"] == "too_short" and one["loc"] in parents:
            continue  # pydantic counts the list without its wrong items, which are named already
        if one["type"] == "conflicts":
            yield from (((*one["loc"], *where), message) for where, message in one["ctx"]["conflicts"])
        else:
            yield one["loc"], _phrase(one["type"], one["msg"], one["loc"])


def _phrase(kind: str, message: str, where: Where) -> str:
    phrase = _PHRASES.get(kind, message.removeprefix("Value error, "))
    near = difflib.get_close_matches(str(where[-1]), _field_names(), n=1) if kind == "extra_forbidden" else []
    return f"{phrase}; did you mean {near[0]}?" if near else phrase


@cache
def _field_names() -> tuple[str, ...]:
    models = [value for value in vars(trustfile).values() if isinstance(value, type) and issubclass(value, BaseModel)]
    return tuple(sorted({info.alias or name for model in models for name, info in model.model_fields.items()}))


def unusable_keys(trust: TrustFile) -> Iterator[tuple[Where, str]]:
    """Where a key stands that no signature can be checked with, and why; a file that has one is not valid."""
    spec = trust.spec
    lines: list[tuple[Where, TrustedKey]] = [
        (("spec", "daemon", index, "key"), key) for index, key in enumerate(spec.daemon)
    ]
    for index, person in enumerate(spec.people):
        lines += [(("spec", "people", index, "keys", number, "key"), key) for number, key in enumerate(person.keys)]
    for where, key in lines:
        try:
            parse_public_line(key.key)
        except Refused as error:
            yield where, error.message


def owner(trust: TrustFile, blob: bytes) -> tuple[Person, TrustedKey] | None:
    """Whose key this is, or None: a stranger's, or the daemon's."""
    return trust.spec.holders.get(blob)


def by_login(trust: TrustFile, forge: str, login: str) -> Person | None:
    """Whose login this is on a forge, or None: a stranger's. Forges tell no login from another by its case."""
    logins = ((person, person.logins.get(forge, "")) for person in trust.spec.people)
    return next((person for person, name in logins if name and name.lower() == login.lower()), None)


def daemon_key(trust: TrustFile, blob: bytes) -> TrustedKey | None:
    """The daemon's key with this blob, or None."""
    return trust.spec.daemon_keys.get(blob)


def key_state(key: TrustedKey, at: datetime) -> KeyState:
    """The state of `key` for a signature first seen `at`."""
    if key.revoked_at is not None and at >= key.revoked_at:
        return KeyState.REVOKED
    if key.valid_after is not None and at < key.valid_after:
        return KeyState.NOT_YET
    if key.valid_before is not None and at >= key.valid_before:
        return KeyState.EXPIRED
    return KeyState.VALID


def revoked_keys(trust: TrustFile, now: datetime) -> frozenset[str]:
    """Fingerprints of the people's keys that are revoked now; no rollback relies on them."""
    return frozenset(
        fingerprint(blob) for blob, (_, key) in trust.spec.holders.items() if key_state(key, now) is KeyState.REVOKED
    )


def may(trust: TrustFile, person: Person, verb: Verb, *, environment: str = "", path: str = "") -> bool:
    """Whether one of the person's roles may do it there.

    `configure` is asked with a path; `trust` and `trunk` with neither (they are about the whole repository and need a
    rule for "*"); every other verb with an environment. Another combination raises Misused.
    """
    expected = (False, True) if verb == "configure" else (verb not in _WHOLE_REPOSITORY, False)
    if (bool(environment), bool(path)) != expected:
        raise Misused(f"May {verb} was asked with environment '{environment}' and path '{path}'.")
    if verb == "trust" and trust.spec.threshold.role not in person.roles:
        return False
    return any(
        rule.role in person.roles and verb in rule.may and _covers(rule, environment, path) for rule in trust.spec.allow
    )


def _covers(rule: AllowRule, environment: str, path: str) -> bool:
    if path:
        return any(path_matches(pattern, path) for pattern in rule.paths)
    return "*" in rule.environments or (bool(environment) and environment in rule.environments)


def path_matches(pattern: str, path: str) -> bool:
    """Whether a path of the repository matches; absolute paths and paths with `.`, `..` or empty segments never do."""
    if any(segment in ("", ".", "..") for segment in path.split("/")):
        return False
    return _compiled(pattern).fullmatch(path) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    segments = pattern.split("/")
    expression = ""
    for segment in segments[:-1]:
        expression += r"(?:[^/]+/)*" if segment == "**" else _segment(segment) + "/"
    expression += r".+" if segments[-1] == "**" else _segment(segments[-1])
    return re.compile(expression, re.DOTALL)


def _segment(segment: str) -> str:
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(character) or re.escape(character) for character in segment)
