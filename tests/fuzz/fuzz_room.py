"""What the properties of this room share: inputs that are nearly right, and a bound on what one of them may cost.

Not the properties. Rules: a property takes values that can be written down (bytes, texts, numbers), so that whatever
fails is a test when it is pasted; it needs no fixture, so that it plays without pytest; `make test` plays the same few
examples every time, and where FUZZ_EXAMPLES is set so many are played, fresh ones each time.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

FRESH = int(os.environ.get("FUZZ_EXAMPLES", "0"))
FEW = 60  # examples of each property in `make test`
_ODD = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_BYTES = (b"", b"\0", b"\n", b"\r\n", b"\r", b" ", b"\t", b"\xff", b"\xc3\xa9", b"\xe2\x80\xae", b"\xed\xa0\x80", b"-")


def over(*, share: float = 1.0, **values: SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A property over these values; `share` of the usual number of examples, for one that costs a process each."""
    count = max(1, round((FRESH or FEW) * share))
    checks = [
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.large_base_example,
    ]
    playing = settings(
        max_examples=count, derandomize=not FRESH, database=None, deadline=None, suppress_health_check=checks
    )
    return lambda test: playing(given(**values)(test))


@contextmanager
def steps(most: int) -> Iterator[None]:
    """What runs inside makes at most `most` calls: time that is bounded on every machine, without a clock."""
    made = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal made
        made += event in ("call", "c_call")
        assert made <= most, f"more than {most} calls for one input"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


def one_line(sentence: str) -> None:
    """What people read of a stranger's text neither moves the cursor nor hides anything, line by line."""
    assert sentence, "a refusal without a sentence"
    assert all(line.isprintable() for line in sentence.split("\n")), ascii(sentence)


@st.composite
def mutated(draw: DrawFn, seeds: Sequence[bytes], words: Sequence[bytes] = (), *, most: int = 4) -> bytes:
    """One of the seeds after up to `most` accidents or attacks."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, most))):
        data = draw(st.sampled_from(_MUTATIONS))(draw, data, seeds, words)
    return data


def _span(draw: DrawFn, data: bytes) -> tuple[int, int]:
    start = draw(st.integers(0, len(data)))
    return start, draw(st.integers(start, min(len(data), start + draw(st.sampled_from((1, 4, 40, 4000))))))


def _flip(draw: DrawFn, data: bytes, _seeds: Any, _words: Any) -> bytes:
    if not data:
        return data
    at = draw(st.integers(0, len(data) - 1))
    return data[:at] + bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :]


def _cut(draw: DrawFn, data: bytes, _seeds: Any, _words: Any) -> bytes:
    return data[: draw(st.integers(0, len(data)))]


def _drop(draw: DrawFn, data: bytes, _seeds: Any, _words: Any) -> bytes:
    start, end = _span(draw, data)
    return data[:start] + data[end:]


def _repeat(draw: DrawFn, data: bytes, _seeds: Any, _words: Any) -> bytes:
    start, end = _span(draw, data)
    return data[:end] + data[start:end] * draw(st.sampled_from((1, 2, 40))) + data[end:]


def _swap(draw: DrawFn, data: bytes, _seeds: Any, _words: Any) -> bytes:
    start, end = _span(draw, data)
    other = draw(st.integers(end, len(data)))
    return data[:start] + data[end:other] + data[start:end] + data[other:]


def _length(draw: DrawFn, data: bytes, _seeds: Any, _words: Any) -> bytes:
    """Four bytes become a number at the edge, as a length field that lies."""
    at = draw(st.integers(0, max(0, len(data) - 4)))
    return data[:at] + draw(st.sampled_from(_ODD)).to_bytes(4, "big") + data[at + 4 :]


def _insert(draw: DrawFn, data: bytes, _seeds: Any, words: Sequence[bytes]) -> bytes:
    at, word = draw(st.integers(0, len(data))), draw(st.sampled_from((*words, *words, *_BYTES)))
    return data[:at] + word * draw(st.sampled_from((1, 1, 1, 100))) + data[at:]


def _replace(draw: DrawFn, data: bytes, _seeds: Any, words: Sequence[bytes]) -> bytes:
    start, end = _span(draw, data)
    return data[:start] + draw(st.sampled_from((*words, *_BYTES))) + data[end:]


def _splice(draw: DrawFn, data: bytes, seeds: Sequence[bytes], _words: Any) -> bytes:
    other = draw(st.sampled_from(seeds))
    return data[: draw(st.integers(0, len(data)))] + other[draw(st.integers(0, len(other))) :]


def _encode(draw: DrawFn, data: bytes, _seeds: Any, _words: Any) -> bytes:
    """The same text as another program would have saved it."""
    text = data.decode("utf-8", "replace")
    spelling = draw(st.sampled_from(("utf-8-sig", "utf-16", "utf-32-be", "latin-1", "utf-7", "crlf", "cr", "nel")))
    if spelling in _ENDS:
        return text.replace("\n", _ENDS[spelling]).encode()
    return text.encode(spelling, "replace")


_ENDS = {"crlf": "\r\n", "cr": "\r", "nel": "\x85"}
_MUTATIONS = (_flip, _flip, _cut, _drop, _repeat, _swap, _length, _insert, _insert, _replace, _splice, _encode)
