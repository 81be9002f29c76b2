"""Kubernetes' canonical form of a quantity, so that the server gives back exactly what we sent.

Not parsing (`model.wire.quantity_value` does). Rules, from k8s.io/apimachinery's resource.Quantity: no fraction, the
largest suffix that needs none, the family of suffixes stays (powers of 1000 or of 1024); a binary quantity below 1024
is written as a decimal one. A fraction of a byte is rounded up, and nothing is above 2^63 - 1. What comes out is a
fixed point of the server's own rewriting, whatever was written.
"""

from decimal import ROUND_CEILING, Decimal

from reconciler.model.wire import quantity_value

_DECIMAL = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_KIBI = 1024
_NANOS = Decimal(10**9)
_LARGEST = Decimal(2**63 - 1)


def canonical_quantity(text: str) -> str:
    """`1000m` → `1`, `1.5Gi` → `1536Mi`, `0.5` → `500m`; raises ValueError when it is not a quantity."""
    value = min(quantity_value(text), _LARGEST)
    if text.endswith("i") and value >= _KIBI:
        return _largest_suffix(int(value.to_integral_value(ROUND_CEILING)), _KIBI, _BINARY)
    return _largest_suffix(int((value * _NANOS).to_integral_value(ROUND_CEILING)), 1000, _DECIMAL)


def _largest_suffix(amount: int, base: int, suffixes: tuple[str, ...]) -> str:
    if amount == 0:
        return "0"
    index = 0
    while amount % base == 0 and index < len(suffixes) - 1:
        amount //= base
        index += 1
    return f"{amount}{suffixes[index]}"
