"""One connection to one forge: the only place that knows httpx.

Not the calls of any forge. Rules: every request has a timeout and is sent once; a redirect is followed to the same
scheme, host and port only; the token goes to the configured host and into no message, log or repr; what a forge tagged
is asked for again with its tag, so that nothing moved costs no quota; an answer has a largest size; a forge that wants
us to wait is left alone until then (`pace`).
"""

import hashlib
import logging
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx
import orjson

from reconciler.edges.forge.answers import (
    UNREACHABLE,
    Limit,
    clean,
    failure,
    limit_of,
    next_query,
    remaining,
    sentence,
    total_of,
)
from reconciler.edges.forge.pace import Pace
from reconciler.errors import Misused, Refused, Retry

Query = Mapping[str, str | int]
OnAnswer = Callable[[str, str, int, float], None]
"""(call, method, HTTP status or 0 when nothing came back, seconds), after every request; 304 is told as such."""
OnQuota = Callable[[int], None]
"""Requests that are left, where the forge tells."""

_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
_LONGEST_SECONDS = 60.0  # one whole answer
_LARGEST = 32 << 20
_KEPT_BYTES = 32 << 20
_KEPT = 1_024
_REDIRECTS = 3
_MOST_PAGES = 1_000
_SHORTEST_TOKEN = 8  # anything shorter guards nothing, and masking it would spoil sentences
_NOT_MODIFIED = 304
_MOVED = frozenset({307, 308})
_MOVED_READS = frozenset({301, 302, 303}) | _MOVED
_ERRORS = 400


# They log what a server sends, and a server may repeat a token; what is worth telling goes through `on_answer`.
for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.WARNING)


class TooLarge(Refused):
    """An answer is larger than we take."""


def _tell_nobody(*_: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)  # an App's token is in one

    def json(self) -> Any:
        """Its body; raises ValueError when that is not JSON."""
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a forge's API is: scheme, host with port, and the path before every call's."""

    scheme: str
    host: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{self.prefix}"


class Client:
    """Requests as one login; thread-safe. `scheme` is the word before the token."""

    def __init__(
        self,
        address: Address,
        *,
        token: Callable[[], str],
        pace: Pace,
        scheme: str = "Bearer",
        headers: Mapping[str, str] | None = None,
        spent: Callable[[], None] = _tell_nobody,
        on_answer: OnAnswer = _tell_nobody,
        on_quota: OnQuota = _tell_nobody,
    ) -> None:
        """`token` is asked at every request; `spent` is told when the forge does not take it any more."""
        self.address = address
        self.pace = pace
        self._token, self._scheme, self._spent = token, scheme, spent
        self._on_answer, self._on_quota = on_answer, on_quota
        secure = address.scheme == "https"
        self._http = httpx.Client(
            headers={"accept": "application/json", "user-agent": "reconciler", **(headers or {})},
            # The system's authorities, as git has them. A proxy is for https only: it would read everything else.
            verify=ssl.create_default_context() if secure else False,
            trust_env=secure,
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=4),
            follow_redirects=False,
        )
        self._kept = _Kept()

    def __repr__(self) -> str:
        return f"Client({str(self.address)!r})"

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    @property
    def owner(self) -> str:
        """A digest of the token of the last request: another one means that another login may be asking."""
        return self._kept.owner

    def get(self, call: str, path: str, query: Query | str = "") -> Answer:
        """Read; `call` names it in metrics. Served from what is kept when the forge says that nothing changed."""
        return self._exchange(call, "GET", _target(path, query), None)

    def send(self, call: str, method: str, path: str, body: Mapping[str, Any], *, paced: bool = True) -> Answer:
        """Write, in our turn. `paced=False`: what the forge does not count as content."""
        content = orjson.dumps(body)
        if not paced:
            return self._exchange(call, method, path, content)
        with self.pace.writing():
            return self._exchange(call, method, path, content)

    def pages(
        self, call: str, path: str, query: Query, *, size: tuple[str, int], items: Callable[[Any], Any] | None = None
    ) -> Iterator[Any]:
        """Every entry of a list, page by page; `size` is the parameter's name and what to ask for.

        A page that is too large is asked for again in smaller ones, so that one long text hides nothing else.
        """
        name, most = size
        seen = 0
        while True:
            try:
                for entry in self._entries(call, path, {**query, name: most}, items, skip=seen):
                    seen += 1
                    yield entry
            except TooLarge:
                if most == 1:
                    raise
                most = max(most // 5, 1)
            else:
                return

    def _entries(
        self, call: str, path: str, query: Query, items: Callable[[Any], Any] | None, *, skip: int
    ) -> Iterator[Any]:
        following: Query | str = query
        seen = 0
        for page in range(2, _MOST_PAGES):
            answer = self.get(call, path, following)
            with self.understanding(call):
                data = answer.json()
                entries = listed(items(data) if items else data)
            yield from entries[max(skip - seen, 0) :]
            seen += len(entries)
            linked, total = next_query(answer.headers), total_of(answer.headers)
            if not entries or (linked is None and (total is None or seen >= total)):
                return
            following = linked or {**query, "page": page}
        raise Refused(f"{self.address.host} has more {call} than we read.")

    @contextmanager
    def understanding(self, call: str) -> Iterator[None]:
        """Around the reading of an answer: one that is not what the forge publishes is Retry(ForgeUnreachable)."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            said = f"{self.address.host} answered something unexpected to {call}: {type(error).__name__}."
            raise Retry(said, reason=UNREACHABLE) from None

    def _exchange(self, call: str, method: str, target: str, content: bytes | None) -> Answer:
        self.pace.enter()
        token = self._token()
        self._kept.belong(token)
        tag = self._kept.tag(target) if method == "GET" else ""
        answer = self._ask(call, method, target, content, token, tag)
        left = remaining(answer.headers)
        if left is not None:
            self._on_quota(left)
        place = f"{self.address.host}, asked for {call},"
        limit = limit_of(answer.status, answer.headers, answer.body)
        if answer.status < _ERRORS and answer.status != _NOT_MODIFIED and not 200 <= answer.status < 300:  # noqa: PLR2004
            raise Refused(f"{place} answered {answer.status}: a redirect that is not followed.")
        if answer.status >= _ERRORS:
            self._refuse(place, answer, limit, token)
        if limit:
            self.pace.shut(f"{self.address.host} lets us ask nothing more for now.", seconds=limit.seconds)
        return self._kept.serve(target, answer) if method == "GET" else answer

    def _refuse(self, place: str, answer: Answer, limit: Limit | None, token: str) -> None:
        said = mask(sentence(answer.body), token)
        if limit:
            raise self.pace.shut(f"{place} wants us to wait: {said.rstrip('.')}.", seconds=limit.seconds)
        if answer.status == 401:  # noqa: PLR2004  # the token is not valid
            self._spent()
        error = failure(place, answer.status, answer.headers, said)
        if isinstance(error, Retry) and error.after:
            raise self.pace.shut(str(error), seconds=error.after, reason=error.reason)
        raise error

    def _ask(self, call: str, method: str, target: str, content: bytes | None, token: str, tag: str) -> Answer:
        headers = {"authorization": f"{self._scheme} {token}"}
        if content is not None:
            headers["content-type"] = "application/json"
        if tag:
            headers["if-none-match"] = tag
        url = f"{self.address}{target}"
        for _ in range(_REDIRECTS):
            answer = self._once(call, method, url, content, headers, token)
            moved = answer.status in (_MOVED_READS if method == "GET" else _MOVED)
            onward = self._onward(url, answer.headers.get("location", "")) if moved else None
            if onward is None:
                return answer
            url = onward
        return answer

    def _onward(self, url: str, location: str) -> str | None:
        """Where a redirect goes, when that is the same server."""
        onward = urljoin(url, location)
        here, there = urlsplit(url), urlsplit(onward)
        same = location and (there.scheme, there.netloc) == (here.scheme, here.netloc)
        return onward if same else None

    def _once(
        self, call: str, method: str, url: str, content: bytes | None, headers: Mapping[str, str], token: str
    ) -> Answer:
        began, status = time.monotonic(), 0
        try:
            with self._http.stream(method, url, content=content, headers=headers) as response:
                body = self._read(response, call, began)
                status = response.status_code
                # The body is read as it was meant, so how it was packed says nothing any more.
                return Answer(status, {name.lower(): text for name, text in response.headers.items()}, body)
        except httpx.HTTPError as error:
            why = mask(clean(str(error)), token) or type(error).__name__
            said = f"{self.address.host} does not answer to {call}: {why.rstrip('.')}."
            raise Retry(said, reason=UNREACHABLE) from None
        finally:
            self._on_answer(call, method, status, time.monotonic() - began)

    def _read(self, response: httpx.Response, call: str, began: float) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _LARGEST:
                raise TooLarge(f"{self.address.host} answered more than {_LARGEST >> 20} MiB to {call}.")
            if time.monotonic() - began > _LONGEST_SECONDS:
                raise Retry(f"{self.address.host} answers too slowly to {call}.", reason=UNREACHABLE)
        return bytes(body)


class _Kept:
    """Answers that the forge tagged, by path and query; bounded, and only as long as the token stays the same."""

    def __init__(self) -> None:
        self.owner = ""
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._size = 0

    def belong(self, token: str) -> None:
        """Forget all when the token is another: its tags are others, and so may be what it sees."""
        owner = hashlib.sha256(token.encode()).hexdigest()
        with self._lock:
            if owner != self.owner:
                self._answers.clear()
                self._size = 0
            self.owner = owner

    def tag(self, target: str) -> str:
        with self._lock:
            kept = self._answers.get(target)
            return kept.headers["etag"] if kept else ""

    def serve(self, target: str, answer: Answer) -> Answer:
        """The answer, or the kept one when nothing changed; kept from here on."""
        with self._lock:
            before = self._answers.pop(target, None)
            self._size -= len(before.body) if before else 0
            if answer.status == _NOT_MODIFIED:
                if before is None:
                    raise Retry("The forge says that nothing changed of what we do not have.", reason=UNREACHABLE)
                answer = before
            if answer.headers.get("etag"):
                self._answers[target] = answer
                self._size += len(answer.body)
            while self._size > _KEPT_BYTES or len(self._answers) > _KEPT:
                self._size -= len(self._answers.popitem(last=False)[1].body)
            return answer


def listed(data: Any) -> list[Any]:
    """A list of an answer; raises TypeError: what is no list is not an empty one."""
    if isinstance(data, list):
        return data
    raise TypeError("not a list")


def mask(text: str, token: str) -> str:
    """The text without the token, should a server repeat it."""
    return text.replace(token, "***") if len(token) >= _SHORTEST_TOKEN else text


def address_of(url: str, *, allow_plain_loopback: bool) -> Address:
    """https, or http to this machine where that is allowed; raises Misused."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Misused("The forge's url is not an address.") from None
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None:
        raise Misused("The forge's url has a login in it; a token belongs into tokenFile.")
    if not host or parts.query or parts.fragment or parts.scheme not in ("https", "http"):
        raise Misused(f"The forge's url {url!r} is not an https address.")
    loopback = host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())
    if parts.scheme == "http" and not (loopback and allow_plain_loopback):
        raise Misused(f"A token is not sent to {host} in plain text: use https. (http needs `allow: [plainLoopback]`.)")
    shown = f"[{host}]" if ":" in host else host
    return Address(scheme=parts.scheme, host=f"{shown}:{port}" if port else shown, prefix=parts.path.rstrip("/"))


def _target(path: str, query: Query | str) -> str:
    encoded = query if isinstance(query, str) else urlencode(query)
    return f"{path}?{encoded}" if encoded else path
