"""Kubernetes quantities in their canonical spelling: `1000m` is `1`, `1024Mi` is `1Gi`, `0.5` is `500m`."""

import re
from fractions import Fraction
from functools import lru_cache

_FORM = re.compile(r"^([+-]?)(\d+\.?\d*|\.\d+)([eE][+-]?\d+|[KMGTPE]i|[numkMGTPE]|)$")
_KIBI = 1024
_DECIMAL = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


def number(text: str | float) -> Fraction:
    """The value of a quantity; raises ValueError."""
    form = _FORM.match(str(text))
    if form is None:
        raise ValueError(f"{text!r} is not a quantity")
    sign, digits, suffix = form.groups()
    value = Fraction(digits) * _scale(suffix)
    return -value if sign == "-" else value


def _scale(suffix: str) -> Fraction:
    if suffix in _BINARY:
        return Fraction(1024) ** _BINARY.index(suffix)
    if suffix in _DECIMAL:
        return Fraction(1000) ** (_DECIMAL.index(suffix) - 3)
    return Fraction(10) ** int(suffix[1:])


@lru_cache(maxsize=4096)
def canonical(text: str | float) -> str:
    """The spelling the API server answers with; raises ValueError."""
    value = number(text)
    suffix = re.sub(r"^[+-]?[\d.]+", "", str(text))
    if suffix and suffix in _BINARY and abs(value) >= _KIBI:
        return _spelled(value, _BINARY, _KIBI, 0)
    if suffix[:1] in {"e", "E"} and suffix != "E":
        return _exponent(value)
    return _spelled(value, _DECIMAL, 1000, 3)


def _spelled(value: Fraction, suffixes: tuple[str, ...], base: int, one: int) -> str:
    if value == 0:
        return "0"
    for place in range(len(suffixes) - 1, -1, -1):
        scaled = value / Fraction(base) ** (place - one)
        if scaled.denominator == 1:
            return f"{scaled.numerator}{suffixes[place]}"
    smallest = value / Fraction(base) ** -one
    return f"{-(-smallest.numerator // smallest.denominator)}{suffixes[0]}"  # finer than nano: rounded up


def _exponent(value: Fraction) -> str:
    for power in (18, 15, 12, 9, 6, 3, 0, -3, -6, -9):
        scaled = value / Fraction(10) ** power
        if scaled.denominator == 1:
            return f"{scaled.numerator}e{power}" if power else str(scaled.numerator)
    return _spelled(value, _DECIMAL, 1000, 3)
