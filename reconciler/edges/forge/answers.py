"""What an answer of a forge means: the error that says what to do next, and how long to wait.

Status, headers and body in, values out; our clock is asked only where the server tells no time. Rules: a limit is
recognised before a refusal, because GitHub answers both with 403; what a server says is cut, made one line and never
trusted to be text; a message never holds a token, so callers mask it before they raise.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from reconciler.errors import NotFound, ReconcilerError, Refused, Retry

UNREACHABLE = "ForgeUnreachable"
_LONGEST_MESSAGE = 500
_EPOCH = 100_000_000  # a greater number is a moment, a smaller one is seconds from now
_SERVER_ERRORS = 500
_AGAIN = frozenset({408, 425})  # too slow, too early: nothing was done
_LIMITS = re.compile(r"secondary rate limit|abuse detection|rate limit exceeded", re.IGNORECASE)
_NEXT = re.compile(r'<([^<>]*)>\s*;[^<]*\brel="?next"?', re.IGNORECASE)
_RIGHTS = "Look at the token's rights, and whether it expired (docs/forges.md)."


class Rejected(Refused):
    """The forge says no, with this status; `said` is its own sentence."""

    def __init__(self, message: str, *, status: int, said: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.said = said


@dataclass(frozen=True, slots=True)
class Limit:
    """The forge wants no more for `seconds`; None: it does not say for how long."""

    seconds: float | None


def clean(text: str, limit: int = _LONGEST_MESSAGE) -> str:
    """One printable line of at most `limit` characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def sentence(body: bytes) -> str:
    """What the forge says in an error's body: its message and the messages below it, or the beginning of the text."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return clean(body[: 4 * _LONGEST_MESSAGE].decode(errors="replace"))
    return clean("; ".join(dict.fromkeys(_messages(data))))


def _messages(data: Any) -> list[str]:
    if isinstance(data, str):
        return [data] if data else []
    if isinstance(data, list):
        return [said for one in data[:10] for said in _messages(one)]
    if isinstance(data, dict):
        parts = [data.get(key) for key in ("message", "error", "error_description", "errors")]
        return [said for one in parts for said in _messages(one)] or _values(data)
    return []


def _values(data: Mapping[str, Any]) -> list[str]:
    """GitLab names a field and what is wrong with it."""
    return [f"{key}: {said}" for key, one in list(data.items())[:10] for said in _messages(one) if key != "url"]


def limit_of(status: int, headers: Mapping[str, str], body: bytes) -> Limit | None:
    """The limit that an answer tells of; None where there is none."""
    spent = remaining(headers) == 0
    if status < 400:  # noqa: PLR2004  # an answer, after which the quota may be spent
        seconds = _until_reset(headers) if spent else None
        return None if seconds is None else Limit(seconds)
    told = _retry_after(headers)
    if status == 429:  # noqa: PLR2004  # Too Many Requests
        return Limit(told if told is not None else _until_reset(headers) if spent else None)
    if status != 403:  # noqa: PLR2004  # Forbidden, which GitHub says of limits, too
        return None
    if told is not None or _LIMITS.search(sentence(body)):
        return Limit(told if told is not None else _until_reset(headers) if spent else None)
    return Limit(_until_reset(headers)) if spent else None


def remaining(headers: Mapping[str, str]) -> int | None:
    """Requests that are left of the quota, where the forge tells."""
    text = headers.get("x-ratelimit-remaining") or headers.get("ratelimit-remaining") or ""
    return int(text) if text.isascii() and text.isdigit() else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max((parsedate_to_datetime(text) - answered_at(headers)).total_seconds(), 0.0) if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def _until_reset(headers: Mapping[str, str]) -> float | None:
    text = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset") or ""
    if not (text.isascii() and text.isdigit()):
        return None
    number = float(text[:12])
    # The forge's own clock on both sides: ours may be wrong.
    return max(number - answered_at(headers).timestamp(), 0.0) + 1.0 if number > _EPOCH else number


def answered_at(headers: Mapping[str, str]) -> datetime:
    """The moment of an answer by the server's clock; by ours where it does not say."""
    try:
        moment = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, TypeError):
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def next_query(headers: Mapping[str, str]) -> str | None:
    """The query of the next page. Nothing else of the address is used: a server may think that it is somebody else."""
    found = _NEXT.search(headers.get("link", ""))
    return urlsplit(found[1]).query or None if found else None


def total_of(headers: Mapping[str, str]) -> int | None:
    """How long the whole list is, where the forge tells."""
    text = headers.get("x-total-count") or headers.get("x-total") or ""
    return int(text) if text.isascii() and text.isdigit() else None


def failure(place: str, status: int, headers: Mapping[str, str], said: str) -> ReconcilerError:
    """The error of an answer that is neither a success nor a limit."""
    message = f"{place} answered {status}: {said.rstrip('.') or 'no reason given'}."
    if status in (404, 410):
        return NotFound(message)
    if status >= _SERVER_ERRORS or status in _AGAIN:
        return Retry(message, reason=UNREACHABLE, after=min(_retry_after(headers) or 0.0, 3600.0))
    hint = _RIGHTS if status in (401, 403) else ""
    return Rejected(message, status=status, said=said, hint=hint)
