"""OpenSSH signatures (SSHSIG, what `ssh-keygen -Y sign` writes): read, checked and made in this process.

Not a judgement: whose key it is and what that person may do is decided in `people` and `verify`. Format:
https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig. Rules: version 1, reserved empty, SHA-256 or
SHA-512, exactly the namespace asked for, user presence for hardware tokens, no trailing bytes at any level; a file
holds armoured blocks and empty lines and nothing else (lines end with LF or CRLF). Reading and checking never raise:
what is wrong becomes `Unreadable` or a `Check` that is not VALID. A check depends on its arguments alone, so what it
found is kept: every pass asks again, and the mathematics is most of its cost.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from reconciler.errors import Misused
from reconciler.trust.keys import PrivateKey, PublicKey, parse_blob, strict_base64
from reconciler.trust.wire import Reader, WireError, string, uint32

BEGIN = "-----BEGIN SSH SIGNATURE-----"
END = "-----END SSH SIGNATURE-----"
MAX_FILE = 128 * 1024  # bytes of one signature file
MAX_BLOCKS = 32
MAX_BLOCK = 16 * 1024  # characters of base64 in one block; RSA with 16384 bits needs 5.7 KiB
MAX_NAME = 255  # characters of a namespace
GIT_NAMESPACE = "git"  # what git signs commits in

_KEPT = 1 << 14  # checks that are kept; some 1 KiB each
_MAGIC = b"SSHSIG"
_VERSION = 1
_LINE = 70  # characters per line, as ssh-keygen writes them
_MAX_LINE = 76  # the longest the format's description allows
_HASHES: dict[str, Callable[[bytes], Any]] = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_USER_PRESENT = 0x01


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One block that was read in full. Nothing in it is proven until `check` says VALID."""

    block: int
    """Which block of its file, from 1."""
    key: PublicKey
    namespace: str
    hash: str
    algorithm: str
    raw: bytes
    flags: int = 0
    counter: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A block, or a whole file (block 0), that is not a signature we accept; `reason` is a phrase without a stop."""

    block: int
    reason: str


class Check(StrEnum):
    """What a signature is worth for one message and one namespace."""

    VALID = "valid"
    NAMESPACE = "made for another use"
    PRESENCE = "the hardware token did not see its owner touch it"
    MISMATCH = "made over another text"


def read_signatures(data: bytes) -> tuple[Signature | Unreadable, ...]:
    """Every block of a signature file in order. Text outside blocks makes the whole file one `Unreadable`."""
    try:
        bodies = _blocks(data)
    except WireError as error:
        return (Unreadable(block=0, reason=str(error)),)
    return tuple(_read_block(number, body) for number, body in enumerate(bodies, start=1))


def _blocks(data: bytes) -> list[str]:
    """The base64 of each armoured block, lines joined."""
    if len(data) > MAX_FILE:
        raise WireError(f"it is larger than {MAX_FILE // 1024} KiB")
    if not data.isascii():
        raise WireError("it is not plain ASCII text")
    bodies: list[str] = []
    lines = iter(enumerate(data.decode("ascii").replace("\r\n", "\n").split("\n"), start=1))
    for number, line in lines:
        if line == BEGIN:
            bodies.append(_body(lines))
        elif line:
            raise WireError(f"line {number} is neither empty nor the start of a signature")
    if len(bodies) > MAX_BLOCKS:
        raise WireError(f"it holds more than {MAX_BLOCKS} signatures")
    return bodies


def _body(lines: Iterator[tuple[int, str]]) -> str:
    """Takes the lines of one block up to its end."""
    taken: list[str] = []
    for number, line in lines:
        if line == END:
            return "".join(taken)
        if not 0 < len(line) <= _MAX_LINE:
            raise WireError(f"line {number} is not a line of a signature")
        taken.append(line)
    raise WireError("its last signature has no end line")


def _read_block(block: int, body: str) -> Signature | Unreadable:
    if len(body) > MAX_BLOCK:
        return Unreadable(block=block, reason=f"it is longer than {MAX_BLOCK} characters")
    try:
        return _read_envelope(block, Reader(strict_base64(body)))
    except WireError as error:
        return Unreadable(block=block, reason=str(error))


def _read_envelope(block: int, reader: Reader) -> Signature:
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise WireError("it is not an SSH signature")
    version = reader.uint32()
    if version != _VERSION:
        raise WireError(f"its format version is {version} and {_VERSION} is needed")
    key = parse_blob(reader.string())
    namespace = reader.text()
    if not 0 < len(namespace) <= MAX_NAME:
        raise WireError(f"its namespace is empty or longer than {MAX_NAME} characters")
    if reader.string():
        raise WireError("its reserved field is not empty")
    digest = reader.text()
    if digest not in _HASHES:
        raise WireError("its hash is neither sha256 nor sha512")
    inner = Reader(reader.string())
    reader.end()
    algorithm, raw = inner.text(), inner.string()
    flags, counter = (inner.take(1)[0], inner.uint32()) if key.is_token else (0, 0)
    inner.end()
    if algorithm not in key.algorithms:
        raise WireError(f"algorithm {algorithm[:64] or '(empty)'} is not accepted with a {key.kind} key")
    return Signature(
        block=block,
        key=key,
        namespace=namespace,
        hash=digest,
        algorithm=algorithm,
        raw=raw,
        flags=flags,
        counter=counter,
    )


@lru_cache(maxsize=_KEPT)
def check(signature: Signature, *, message: bytes, namespace: str) -> Check:
    """Whether `signature` was made by its key over `message` in `namespace`. Only VALID proves anything."""
    if signature.namespace != namespace:
        return Check.NAMESPACE
    data = _signed_data(message, namespace, signature.hash)
    if signature.key.is_token:
        if not signature.flags & _USER_PRESENT:
            return Check.PRESENCE
        data = (
            hashlib.sha256(signature.key.application).digest()
            + bytes([signature.flags])
            + uint32(signature.counter)
            + hashlib.sha256(data).digest()
        )
    try:
        signature.key.verify(signature.raw, data, signature.algorithm)
    except Exception:  # noqa: BLE001  # InvalidSignature, WireError, and whatever the library raises over hostile numbers proves nothing
        return Check.MISMATCH
    return Check.VALID


def sign(key: PrivateKey, message: bytes, namespace: str) -> str:
    """The armoured block that `ssh-keygen -Y sign` would write, last newline included.

    A git commit is signed the same way, in GIT_NAMESPACE over the commit's text without its gpgsig header.
    """
    if not (namespace.isascii() and namespace.isprintable() and 0 < len(namespace) <= MAX_NAME):
        raise Misused("A signature needs a namespace of plain ASCII text.")
    return armour(
        _MAGIC
        + uint32(_VERSION)
        + string(key.public.blob)
        + string(namespace.encode())
        + string(b"")
        + string(b"sha512")
        + string(key.sign(_signed_data(message, namespace, "sha512")))
    )


def armour(blob: bytes) -> str:
    """The text form of a signature's bytes."""
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return "\n".join([BEGIN, *lines, END, ""])


def _signed_data(message: bytes, namespace: str, digest: str) -> bytes:
    return (
        _MAGIC
        + string(namespace.encode())
        + string(b"")
        + string(digest.encode())
        + string(_HASHES[digest](message).digest())
    )
