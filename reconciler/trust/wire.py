"""The bytes SSH writes: length-prefixed strings, 32-bit numbers and multiple-precision integers (RFC 4251, section 5).

Not a key or signature format: those are made of these pieces in `keys` and `sshsig`. Rules: a reader never reads past
its end, every value has exactly one encoding, and `end()` refuses bytes that nothing asked for.
"""

_UINT32_BYTES = 4
_SIGN_BIT = 0x80


class WireError(ValueError):
    """The bytes are not what the format says; the message is a phrase that completes "it cannot be read: …"."""


class Reader:
    """Reads one value after another from `data`; every method raises `WireError` instead of returning less."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self._at + count
        if end > len(self._data):
            raise WireError("it is cut short")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def uint32(self) -> int:
        """An unsigned 32-bit number, big-endian."""
        return int.from_bytes(self.take(_UINT32_BYTES), "big")

    def string(self) -> bytes:
        """A length and that many bytes."""
        return self.take(self.uint32())

    def text(self) -> str:
        """A string of printable ASCII, as names of formats are."""
        raw = self.string()
        text = raw.decode("ascii", errors="replace")
        if not (text.isascii() and text.isprintable()):
            raise WireError("a name in it is not plain text")
        return text

    def positive(self) -> int:
        """A multiple-precision integer greater than zero in its shortest form."""
        raw = self.string()
        if not raw or raw[0] & _SIGN_BIT or (raw[0] == 0 and not (len(raw) > 1 and raw[1] & _SIGN_BIT)):
            raise WireError("a number in it is not positive or not in its shortest form")
        return int.from_bytes(raw, "big")

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._data):
            raise WireError("bytes follow its end")


def uint32(number: int) -> bytes:
    """An unsigned 32-bit number, big-endian."""
    return number.to_bytes(_UINT32_BYTES, "big")


def string(data: bytes) -> bytes:
    """`data` behind its length."""
    return uint32(len(data)) + data


def positive(number: int) -> bytes:
    """A multiple-precision integer greater than zero in its shortest form, behind its length."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))
