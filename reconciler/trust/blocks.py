"""Armoured signature blocks in what people write: a comment in Markdown with anything around and between them.

Not a judgement, and not the reading of a signature (`sshsig` is as strict about a block from here as about a file).
Rules: a block begins and ends with a line of its own; it may stand in a fence, be quoted with `>`, indented, and have
any line ends; whatever else a comment says is nothing. What a block looks like afterwards depends on its signature
alone, so the same one copied to two places is the same bytes.
"""

import re
from dataclasses import dataclass

from reconciler.trust.sshsig import BEGIN, END, MAX_BLOCK

MAX_TEXT = 64 * 1024  # characters of a comment that are looked at
MAX_FOUND = 20  # blocks of a comment
_LINE = 70  # characters, as ssh-keygen writes them
_MAX_LINES = MAX_BLOCK // 16  # of one block
_BEFORE = re.compile(r"[ \t]*(?:>[ \t]*)*")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The blocks of a text in order, each as ssh-keygen writes one; `cut`: there was more than is looked at."""

    found: tuple[bytes, ...]
    cut: bool


def blocks_in(text: str) -> Blocks:
    """Every block of a text; one that does not end, or holds a line of something else, is none."""
    found: list[bytes] = []
    body: list[str] | None = None
    for line in re.split(r"\r\n|\r|\n", text[:MAX_TEXT]):
        bare = _BEFORE.sub("", line, count=1).rstrip(" \t")
        if bare == BEGIN:
            body = []
        elif bare == END and body:
            found.append(_armoured("".join(body)))
            body = None
        elif body is not None:
            body = [*body, bare] if _BASE64.fullmatch(bare) and len(body) < _MAX_LINES else None
    return Blocks(found=tuple(found[:MAX_FOUND]), cut=len(found) > MAX_FOUND or len(text) > MAX_TEXT)


def _armoured(body: str) -> bytes:
    lines = [body[at : at + _LINE] for at in range(0, len(body), _LINE)]
    return "\n".join([BEGIN, *lines, END, ""]).encode("ascii")
