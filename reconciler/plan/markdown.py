"""Markdown that forges show: the few forms that our pages use, and the escaping of everything that goes into them.

Not a parser and no page. Rules: whatever a document, a login, a branch or a message says is shown as it was written,
on one line, and does nothing: no markup, no HTML, no link, no mention, no reference to an issue or a commit, no emoji,
no quick action. Forges look for the latter in the finished page, where an entity is a plain sign again, so a zero-width
space parts them; text that people copy (names, paths, digests) stands in code, where forges look for nothing.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

_HTML = {
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("&"): "&amp;",
    ord("@"): "&#64;",
    ord('"'): "&quot;",
    ord("$"): "&#36;",  # two of them are a formula
}
_SIGNS = {ord(sign): f"\\{sign}" for sign in "\\`*_{}[]|~"} | {row: _HTML[row] for row in map(ord, "<>&@$")}
_PARTED = "&#8203;"
# A mention; an issue, merge request, snippet, milestone, epic or label; an address; an emoji; an issue without a sign.
_LIVE = re.compile(
    r"(?P<mention>@)"
    r"|(?P<number>[#!$%&])(?=[\d\"'])"
    r"|(?P<label>~)(?=[\w\"'])"
    r"|(?P<scheme>:)(?=//)"
    r"|(?P<emoji>:)(?=(?=[^:A-Za-z+-]*[A-Za-z+-])[\w+-]+:|100:|1234:)"
    r"|(?P<host>(?i:www))(?=\.)"
    r"|(?P<issue>(?i:GH))(?=-\d)"
    r"|(?P<commit>(?<![\w-])(?=[0-9a-f]*\d)[0-9a-f]{7,40}(?![\w-]))"
)
_BLOCK = re.compile(r"[#+\-=/:>!]|\d{1,9}[.)](?=\s|$)")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (bidirectional marks, zero width), surrogate, private, unassigned, separators of lines."""
_INSTEAD = "\ufffd"
_PLAIN = re.compile(r"[A-Za-z0-9._/@:+=,()*^~#-](?:[A-Za-z0-9 ._/@:+=,()*^~#-]*[A-Za-z0-9._/@:+=,()*^~#-])?")


def visible(text: str) -> str:
    """Text without signs that nobody sees: each is shown as one that everybody sees."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_INSTEAD if unicodedata.category(sign) in _HIDDEN else sign for sign in text)


def escape(text: str) -> str:
    """Text that Markdown, HTML and a forge show as it is, on one line."""
    shown = _shown(text, _SIGNS, "`{}`")
    begins = _BLOCK.match(shown)
    if begins is None:
        return shown
    last = begins.end() - 1
    return f"{shown[:last]}&#{ord(shown[last])};{shown[last + 1 :]}"


def html(text: str) -> str:
    """The same where no Markdown is read: inside a line of HTML."""
    return _shown(text, _HTML, "<code>{}</code>")


def _shown(text: str, signs: Mapping[int, str], digest: str) -> str:
    line = visible(" ".join(text.split()))
    parts, at = [], 0
    for found in _LIVE.finditer(line):
        live = found.group()
        parts.append(line[at : found.start()].translate(signs))
        parts.append(digest.format(live) if found.lastgroup == "commit" else live.translate(signs) + _PARTED)
        at = found.end()
    return "".join([*parts, line[at:].translate(signs)])


def code(text: str, most: int = 120) -> str:
    """A name, path or digest that people copy; what does not look like one is escaped, and cut where it is too long."""
    if len(text) <= most and _PLAIN.fullmatch(text) and "  " not in text:
        return f"`{text}`"
    return brief(text, most)


def brief(text: str, most: int) -> str:
    """The beginning of a text, escaped."""
    return escape(text if len(text) <= most else f"{text[: most - 1]}…")


def fence(lines: Iterable[str], language: str = "") -> list[str]:
    """A block of code; no line of it can end it."""
    shown = [visible(line.replace("\t", "    ")) for line in lines]
    longest = max((len(run) for line in shown for run in re.findall(r"`+", line)), default=0)
    mark = "`" * max(3, longest + 1)
    return [f"{mark}{language}", *shown, mark]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table; its cells are Markdown."""
    return [_row(head), "|" + "---|" * len(head), *map(_row, rows)]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def details(summary: str, lines: Iterable[str], *, opened: bool = False) -> list[str]:
    """What can be folded; `summary` is HTML on one line (see `html`)."""
    return [f"<details{' open' if opened else ''}><summary>{summary}</summary>", "", *lines, "", "</details>"]


def listed(names: Sequence[str], most: int = 3) -> str:
    """`a`, `a and b`, `a, b, c and 4 more`."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most:,} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def counted(count: int, noun: str) -> str:
    """`1 release`, `1,200 releases`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
