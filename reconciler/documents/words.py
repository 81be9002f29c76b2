"""How documents are spoken of: field paths, quoted values, lists of names, suggestions.

Not the problems themselves. Rules: what comes from a file is quoted, capped and free of control characters, and text
with the shape of a secret is never repeated.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from reconciler.documents.secrets import secret_shape

FieldPath = tuple[str | int, ...]
"""Where in a document: `("spec", "serving", "env", 0, "value")`."""

_LONGEST = 60
_LONGEST_SENTENCE = 400
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}")
_LISTED = 12


def show(text: str) -> str:
    """The text in quotes, on one line, at most 60 characters of it; `(hidden)` when it looks like a secret."""
    if secret_shape(text):
        return "(hidden)"
    cut = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return f"'{_printable(cut)}'"


def one_line(sentence: str) -> str:
    """A sentence of a model, perhaps with a file's text in it: on one line, capped, `(hidden)` when it has a secret."""
    if secret_shape(sentence):
        return "(hidden)"
    cut = sentence if len(sentence) <= _LONGEST_SENTENCE else sentence[:_LONGEST_SENTENCE] + "…"
    return _printable(cut)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def field_name(path: FieldPath) -> str:
    """`spec.serving.env[0].value`, `metadata.labels['a.b/c']`; empty for the whole document."""
    name = ""
    for step in path:
        if isinstance(step, int):
            name += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step) and not secret_shape(step):
            name += f".{step}" if name else step
        else:
            name += f"[{show(step)}]"
    return name


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the closest known word; empty when none is close."""
    close = get_close_matches(word[:_LONGEST], sorted(known), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def listed(words: Iterable[str]) -> str:
    """`'a', 'b' and 'c'` in order; more than twelve are counted, none is `none`."""
    ordered = sorted(words)
    if not ordered:
        return "none"
    shown = [f"'{word}'" for word in ordered[:_LISTED]]
    if len(ordered) > _LISTED:
        return ", ".join(shown) + f" and {len(ordered) - _LISTED} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
