"""SSH public keys and the raw signatures under them; unencrypted private keys for what the daemon signs itself.

Not a key store: keys come in as text and bytes, and people's own keys never come here at all (they stay with
ssh-keygen, an agent or a hardware token). Rules: two keys are the same when their blobs are; a key type that is not in
`_KINDS` does not exist; RSA needs 2048 bits and SHA-2; whatever `cryptography` raises over a key is a `WireError`.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from reconciler.errors import Misused, Refused
from reconciler.trust.wire import Reader, WireError, positive, string

MAX_LINE = 16 * 1024  # characters of a public key line; RSA with 16384 bits needs 2.8 KiB
MAX_PRIVATE = 64 * 1024  # bytes of a private key file
RSA_BITS = range(2048, 16384 + 1)
RSA_EXPONENT_BITS = 64  # a larger one only costs the verifier time

_PEM_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_PEM_END = b"-----END OPENSSH PRIVATE KEY-----"
_PRIVATE_MAGIC = b"openssh-key-v1\0"
_ED25519_BYTES = 32
_KEPT = 1024  # keys that are read once: a few people sign everything
_UNCOMPRESSED = 4  # the first byte of an elliptic curve point written in full

Verify = Callable[[bytes, bytes, str], None]
"""(raw signature, signed bytes, algorithm) → nothing; raises InvalidSignature or WireError."""

Signer = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_CURVES: dict[bytes, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    b"nistp256": (ec.SECP256R1(), hashes.SHA256()),
    b"nistp384": (ec.SECP384R1(), hashes.SHA384()),
    b"nistp521": (ec.SECP521R1(), hashes.SHA512()),
}
_RSA_HASHES: dict[str, hashes.HashAlgorithm] = {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A public key that was read in full: its blob is valid for its kind and has no trailing bytes."""

    kind: str
    blob: bytes
    algorithms: tuple[str, ...]
    """The signature algorithms it may be used with."""
    application: bytes = b""
    """Of a hardware token's key: what the token signs for, usually `ssh:`."""
    verify: Verify = field(repr=False, compare=False)

    @property
    def is_token(self) -> bool:
        """It lives in a hardware token, whose signatures carry flags and a counter."""
        return self.kind.startswith("sk-")

    @property
    def fingerprint(self) -> str:
        """`SHA256:…` as ssh-keygen prints it."""
        return fingerprint(self.blob)

    @property
    def line(self) -> str:
        """`kind base64`, without a comment and without a newline."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"


@lru_cache(maxsize=_KEPT)
def fingerprint(blob: bytes) -> str:
    """`SHA256:…` of a key blob, as ssh-keygen prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def strict_base64(text: str) -> bytes:
    """The bytes of canonical base64: no spaces, exact padding, no loose bits; raises WireError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError("its base64 is broken") from error
    if base64.b64encode(data).decode() != text:
        raise WireError("its base64 is not in the one form it can have")
    return data


def parse_public_line(line: str) -> PublicKey:
    """The key of one line `kind base64 [comment]`; raises Refused."""
    try:
        return _parse_line(line)
    except WireError as error:
        raise Refused(
            f"The public key cannot be used: {error}.",
            hint="Copy the one line of the .pub file: a type such as ssh-ed25519, the key, and a comment if you like.",
        ) from error


def _parse_line(line: str) -> PublicKey:
    if len(line) > MAX_LINE:
        raise WireError(f"it is longer than {MAX_LINE} characters")
    if not line.isprintable():
        raise WireError("it is not one line of plain text")
    kind, _, rest = line.partition(" ")
    key = parse_blob(strict_base64(rest.partition(" ")[0]))
    if key.kind != kind:
        raise WireError(f"it says {kind} and holds {key.kind}")
    return key


@lru_cache(maxsize=_KEPT)
def parse_blob(blob: bytes) -> PublicKey:
    """The key of a raw key blob; raises WireError with a phrase that says why not."""
    reader = Reader(blob)
    kind = reader.text()
    parse = _KINDS.get(kind)
    if parse is None:
        raise WireError(f"key type {kind[:64] or '(empty)'} is not accepted")
    try:
        key = parse(kind, blob, reader)
    except WireError:
        raise
    except Exception as error:
        raise WireError(f"it is not a valid {kind} key") from error
    reader.end()
    return key


def _parse_ed25519(kind: str, blob: bytes, reader: Reader) -> PublicKey:
    key = ed25519.Ed25519PublicKey.from_public_bytes(_exactly(reader.string(), _ED25519_BYTES))
    return PublicKey(kind=kind, blob=blob, algorithms=(kind,), verify=lambda raw, data, _: key.verify(raw, data))


def _parse_ecdsa(kind: str, blob: bytes, reader: Reader) -> PublicKey:
    return PublicKey(kind=kind, blob=blob, algorithms=(kind,), verify=_ecdsa_verify(_curve(kind), reader))


def _parse_rsa(kind: str, blob: bytes, reader: Reader) -> PublicKey:
    exponent, modulus = reader.positive(), reader.positive()
    if modulus.bit_length() not in RSA_BITS:
        raise WireError(f"RSA needs {RSA_BITS.start} to {RSA_BITS.stop - 1} bits and it has {modulus.bit_length()}")
    if exponent.bit_length() > RSA_EXPONENT_BITS:
        raise WireError("its RSA exponent is too large")
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    size = (modulus.bit_length() + 7) // 8

    def verify(raw: bytes, data: bytes, algorithm: str) -> None:
        key.verify(_exactly(raw, size), data, padding.PKCS1v15(), _RSA_HASHES[algorithm])

    return PublicKey(kind=kind, blob=blob, algorithms=tuple(_RSA_HASHES), verify=verify)


def _parse_token_ed25519(kind: str, blob: bytes, reader: Reader) -> PublicKey:
    key = ed25519.Ed25519PublicKey.from_public_bytes(_exactly(reader.string(), _ED25519_BYTES))
    application = reader.string()
    return PublicKey(
        kind=kind,
        blob=blob,
        algorithms=(kind,),
        application=application,
        verify=lambda raw, data, _: key.verify(raw, data),
    )


def _parse_token_ecdsa(kind: str, blob: bytes, reader: Reader) -> PublicKey:
    verify = _ecdsa_verify(b"nistp256", reader)
    return PublicKey(kind=kind, blob=blob, algorithms=(kind,), application=reader.string(), verify=verify)


def _curve(kind: str) -> bytes:
    """The curve that an `ecdsa-sha2-…` key type names."""
    return kind.rpartition("-")[2].encode()


def _ecdsa_verify(curve_name: bytes, reader: Reader) -> Verify:
    """Reads curve and point; the returned function checks an (r, s) pair."""
    if reader.string() != curve_name:
        raise WireError("it names another curve than its type")
    curve, digest = _CURVES[curve_name]
    point = _exactly(reader.string(), 1 + 2 * ((curve.key_size + 7) // 8))
    if point[0] != _UNCOMPRESSED:
        raise WireError("its point is not written in full")
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)

    def verify(raw: bytes, data: bytes, _algorithm: str) -> None:
        pair = Reader(raw)
        r, s = pair.positive(), pair.positive()
        pair.end()
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(digest))

    return verify


def _exactly(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise WireError(f"a part of it has {len(data)} bytes and {size} are needed")
    return data


_KINDS: dict[str, Callable[[str, bytes, Reader], PublicKey]] = {
    "ssh-ed25519": _parse_ed25519,
    "ecdsa-sha2-nistp256": _parse_ecdsa,
    "ecdsa-sha2-nistp384": _parse_ecdsa,
    "ecdsa-sha2-nistp521": _parse_ecdsa,
    "ssh-rsa": _parse_rsa,
    "sk-ssh-ed25519@openssh.com": _parse_token_ed25519,
    "sk-ecdsa-sha2-nistp256@openssh.com": _parse_token_ecdsa,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKey:
    """An unencrypted private key in memory. It shows only its public half."""

    public: PublicKey
    signer: Signer = field(repr=False, compare=False)

    def sign(self, data: bytes) -> bytes:
        """The SSH signature blob (algorithm and raw signature) over `data`."""
        match self.signer:
            case ed25519.Ed25519PrivateKey() as key:
                return _signature(self.public.kind, key.sign(data))
            case rsa.RSAPrivateKey() as key:
                return _signature("rsa-sha2-512", key.sign(data, padding.PKCS1v15(), hashes.SHA512()))
            case key:
                _, digest = _CURVES[_curve(self.public.kind)]
                r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
                return _signature(self.public.kind, positive(r) + positive(s))


def _signature(algorithm: str, raw: bytes) -> bytes:
    return string(algorithm.encode()) + string(raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A new key as two files: `private` (OpenSSH, unencrypted; write it with mode 0600) and the `.pub` line."""

    private: bytes = field(repr=False)
    public: str


def generate_key(comment: str = "") -> KeyPair:
    """A new Ed25519 key; the public line ends with `comment` and a newline."""
    if not comment.isprintable():
        raise Misused("The comment of a key must be one line of plain text.")
    private = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return KeyPair(private=private, public=f"{load_private_key(private).public.line} {comment}".rstrip() + "\n")


def load_private_key(data: bytes) -> PrivateKey:
    """The key of an unencrypted OpenSSH private key file; raises Misused when it is any other thing."""
    public = _public_half(data)
    try:
        signer = serialization.load_ssh_private_key(data, password=None)
    except Exception as error:
        raise Misused("The private key is damaged: it does not load.", hint="Make a new one.") from error
    # The library has compared both halves, and the public one is of a kind that we accept.
    return PrivateKey(public=public, signer=cast("Signer", signer))


def _public_half(data: bytes) -> PublicKey:
    """The public key in the readable head of the file; raises Misused where the private one cannot be used here."""
    try:
        encrypted, public = _read_head(Reader(_private_body(data)))
    except WireError as error:
        raise Misused(
            f"This is not a private key that can sign here: {error}.",
            hint="An OpenSSH private key is needed, as ssh-keygen -t ed25519 makes; ssh-keygen -p -f FILE converts.",
        ) from error
    if encrypted or public.is_token:
        what = "is encrypted" if encrypted else "lives in a hardware token"
        raise Misused(
            f"The private key {public.fingerprint} {what}, and such keys are never opened in this process.",
            hint="Sign with ssh-keygen -Y sign or through ssh-agent instead.",
        )
    return public


def _read_head(reader: Reader) -> tuple[bool, PublicKey]:
    """Whether the private part is encrypted, and the public key."""
    if reader.take(len(_PRIVATE_MAGIC)) != _PRIVATE_MAGIC:
        raise WireError("it does not start as one")
    cipher, _kdf, _options = reader.string(), reader.string(), reader.string()
    if reader.uint32() != 1:
        raise WireError("it holds more than one key")
    return cipher != b"none", parse_blob(reader.string())


def _private_body(data: bytes) -> bytes:
    if len(data) > MAX_PRIVATE:
        raise WireError(f"it is larger than {MAX_PRIVATE} bytes")
    lines = data.strip().splitlines()
    if len(lines) < 3 or lines[0] != _PEM_BEGIN or lines[-1] != _PEM_END:  # noqa: PLR2004  # begin, body, end
        raise WireError("it is not in the OpenSSH format")
    return strict_base64(b"".join(lines[1:-1]).decode("ascii", errors="replace"))
