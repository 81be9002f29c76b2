"""Plain YAML scalars: what they mean, or why they mean different things to different tools.

Not the quoted ones: those are text as they stand. Rules: `true`, `false`, `null`, whole numbers of 64 bits and finite
numbers with a point are values and all else is text, but only where YAML 1.1 and 1.2 agree; where they do not, the
answer is an error that says what to write. Dates and times stay text. A number's digits are never repeated in a
message, for they may be somebody's PIN.
"""

import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None, "": None}
_BOOLEAN_11 = {
    form for word in ("y", "n", "yes", "no", "on", "off") for form in (word, word.capitalize(), word.upper())
}
_OTHER_CASE = {form: word for word in ("true", "false", "null") for form in (word.capitalize(), word.upper())}
_TRUE_11 = {"y", "yes", "on"}

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+][0-9]+)?")
_NUMBER_START = frozenset("0123456789+-.")
_MOST_DIGITS = 20  # of a 64-bit integer, with its sign
_RANGE = range(-(2**63), 2**63)

_UNCLEAR: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE),
        "infinity and not-a-number are no values here: write a finite number, or put it in quotes if it is text",
    ),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"),
        "some tools read digits with colons as a number to base 60: put it in quotes",
    ),
    (
        re.compile(r"[-+]?0[oxbOXB][0-9a-fA-F_]+"),
        "some tools read this as a number that is not decimal: write it in decimal, or put it in quotes if it is text",
    ),
    (
        re.compile(r"(?=[^_]*_)[-+]?\.?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"),
        "some tools leave out '_' in a number: write it without, or put it in quotes if it is text",
    ),
    (
        re.compile(r"[-+]?0[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?"),
        "some tools read a leading zero as octal: write the number without it, or put it in quotes if it is text",
    ),
    (
        re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+"),
        "tools disagree on exponents: write 1.0e+5 (a point and a signed exponent), or put it in quotes if it is text",
    ),
    (
        re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.?[0-9]*)"),
        "write a number with digits on both sides of its point and no '+', or put it in quotes if it is text",
    ),
)


def read_plain(text: str) -> tuple[Scalar, str]:
    """The value of a plain scalar and an empty text, or the text itself and the sentence that says what is wrong."""
    if text in _WORDS:
        return _WORDS[text], ""
    if text[0] in _NUMBER_START:
        return _number(text)
    return text, _unclear_word(text)


def is_plain_key(text: str) -> bool:
    """True for a plain scalar that is text as the key of a mapping.

    `on`, `off`, `yes` and `no` are: a key is a name that the schema knows (`policies.off`), so nobody takes it for a
    boolean here, and a name that it does not know is an error anyway.
    """
    value, unclear = read_plain(text)
    return text in _BOOLEAN_11 or (isinstance(value, str) and not unclear)


def _unclear_word(text: str) -> str:
    if text in _BOOLEAN_11:
        meant = "true" if text.lower() in _TRUE_11 else "false"
        return f"'{text}' is {meant} to some tools and text to others: write {meant}, or put it in quotes: \"{text}\""
    if text in _OTHER_CASE:
        return f"'{text}' is not text to every tool: write {_OTHER_CASE[text]}, or put it in quotes: \"{text}\""
    if text == "~":
        return "'~' is null to some tools and text to others: write null, or put it in quotes: \"~\""
    if text in {"=", "<<"}:
        return f"'{text}' has a meaning of its own to some tools: put it in quotes: \"{text}\""
    return ""


def _number(text: str) -> tuple[Scalar, str]:
    if _INTEGER.fullmatch(text):
        if len(text) > _MOST_DIGITS or int(text) not in _RANGE:
            return text, "this number does not fit into 64 bits: write a smaller one, or put it in quotes if it is text"
        return int(text), ""
    if _FLOAT.fullmatch(text):
        value = float(text)
        mantissa = re.split("[eE]", text)[0]
        if math.isinf(value) or (value == 0 and mantissa.strip("-0.")):
            return text, "this number is too large or too small to keep: put it in quotes if it is text"
        return value, ""
    return text, next((sentence for pattern, sentence in _UNCLEAR if pattern.fullmatch(text)), "")
