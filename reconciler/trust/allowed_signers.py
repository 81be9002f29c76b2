"""`allowed_signers` lines: what ssh-keygen and git read, exported from the trust file and imported into plain entries.

Not a second trust file: the lines carry no roles, so an import gives entries that a person then gives roles. Rules: a
line that limits or widens a key in a way the trust file cannot say is refused, never read as less; times end with `Z`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.errors import Refused
from reconciler.model.trustfile import TrustedKey, TrustFile
from reconciler.trust.keys import PublicKey, parse_public_line

_LINE = re.compile(
    r"(?P<principals>[^\s\"]+)[ \t]+"
    r"(?:(?P<options>[a-zA-Z-]+(?:=\"[^\"]*\")?(?:,[a-zA-Z-]+(?:=\"[^\"]*\")?)*)[ \t]+)?"
    r"(?P<key>[a-z0-9@.-]+[ \t]+[A-Za-z0-9+/]+={0,2})(?:[ \t]+.*)?"
)
_OPTION = re.compile(r"(?P<name>[a-zA-Z-]+)(?:=\"(?P<value>[^\"]*)\")?")
_TIME = re.compile(
    r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
    r"(?:(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<second>[0-9]{2})?)?(?P<zone>Z?)"
)
_LONGEST = 60  # characters of a time in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedSigner:
    """One principal of one line."""

    principal: str
    key: PublicKey
    valid_after: datetime | None = None
    valid_before: datetime | None = None


def import_allowed_signers(text: str) -> tuple[AllowedSigner, ...]:
    """An entry per line and principal, in order; raises Refused with the number of the first line it cannot take."""
    entries: list[AllowedSigner] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                entries += _read_line(line.strip())
            except (ValueError, Refused) as error:
                raise Refused(f"Line {number} of the allowed signers cannot be imported: {error}") from error
    return tuple(entries)


def _read_line(line: str) -> list[AllowedSigner]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("it is not of the form: principals [options] type key [comment].")
    key = parse_public_line(" ".join(match["key"].split()))
    times = _read_options(match["options"] or "")
    principals = match["principals"].split(",")
    if any(not principal or set(principal) & set("*?!") for principal in principals):
        raise ValueError("a principal with a pattern names nobody; write the names out.")
    return [
        AllowedSigner(
            principal=principal,
            key=key,
            valid_after=times.get("valid-after"),
            valid_before=times.get("valid-before"),
        )
        for principal in principals
    ]


def _read_options(text: str) -> dict[str, datetime]:
    times: dict[str, datetime] = {}
    for option in _OPTION.finditer(text):
        name = option["name"].lower()
        if name not in ("valid-after", "valid-before"):
            raise ValueError(f"the trust file cannot say what the option {name} says; remove the line or the option.")
        if name in times:
            raise ValueError(f"the option {name} stands there twice.")
        times[name] = _read_time(option["value"] or "")
    return times


def _read_time(text: str) -> datetime:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:_LONGEST]!r} is not a time such as 20261201090000Z.")
    if not match["zone"]:
        raise ValueError(f"{text[:_LONGEST]!r} means another time on another machine; end it with Z.")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"{text[:_LONGEST]!r} is not in the calendar.") from error


def export_allowed_signers(trust: TrustFile) -> str:
    """A line per key of a person. The daemon's keys are left out: ssh-keygen would let them sign anything."""
    lines = [_export_key(person.name, key) for person in trust.spec.people for key in person.keys]
    return "".join(f"{line}\n" for line in lines)


def _export_key(principal: str, key: TrustedKey) -> str:
    ends = [end for end in (key.valid_before, key.revoked_at) if end is not None]
    options = [f'valid-after="{_write_time(key.valid_after)}"'] if key.valid_after else []
    options += [f'valid-before="{_write_time(min(ends))}"'] if ends else []
    return " ".join([principal, *([",".join(options)] if options else []), *key.key.split(" ")[:2]])


def _write_time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y%m%d%H%M%SZ")
