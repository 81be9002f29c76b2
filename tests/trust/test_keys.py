"""Public keys: one form each, only accepted kinds, nothing weak."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import Misused, Refused
from reconciler.trust.keys import generate_key, load_private_key, parse_blob, parse_public_line
from reconciler.trust.wire import Reader, WireError, positive, string, uint32

LINE = generate_key("ada@laptop").public.strip()
BLOB = parse_public_line(LINE).blob
CURVE_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
POINT = CURVE_KEY.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
COMPRESSED = CURVE_KEY.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
ODD = (1 << 2047) + 1


def line(blob, kind=""):
    kind = kind or blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii", errors="replace")
    return f"{kind} {base64.b64encode(blob).decode()}"


def ecdsa(curve, point, kind=b"ecdsa-sha2-nistp256"):
    return line(string(kind) + string(curve) + string(point))


def rsa(exponent, modulus):
    return line(string(b"ssh-rsa") + exponent + modulus)


def test_a_line_is_read_with_and_without_a_comment():
    key = parse_public_line(LINE)
    assert key == parse_public_line(key.line)
    assert f"{key.line} ada@laptop" == LINE
    assert key.kind == "ssh-ed25519"
    assert key.fingerprint.startswith("SHA256:")
    assert len(key.fingerprint) == len("SHA256:") + 43


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is cut short"),
        ("ssh-ed25519", "it is cut short"),
        (LINE + "\n", "it is not one line of plain text"),
        (LINE + "\n" + LINE, "it is not one line of plain text"),
        (LINE + " " + "x" * 17_000, "it is longer than"),
        (" " + LINE, "its base64 is broken"),
        (LINE.replace(" ", "  ", 1), "it is cut short"),
        (line(BLOB, "ssh-rsa"), "it says ssh-rsa and holds ssh-ed25519"),
        (line(BLOB + b"\0"), "bytes follow its end"),
        (line(BLOB[:-1]), "it is cut short"),
        (line(string(b"ssh-ed25519") + string(bytes(31))), "a part of it has 31 bytes and 32 are needed"),
        (line(string(b"ssh-ed25519-cert-v01@openssh.com") + string(b"")), "is not accepted"),
        (line(string(b"ssh-dss")), "key type ssh-dss is not accepted"),
        (line(string(b""), "x"), "key type (empty) is not accepted"),
        (line(string(b"\xff"), "x"), "a name in it is not plain text"),
        (ecdsa(b"nistp384", POINT), "it names another curve than its type"),
        (ecdsa(b"nistp256", COMPRESSED), "a part of it has 33 bytes and 65 are needed"),
        (ecdsa(b"nistp256", b"\6" + POINT[1:]), "its point is not written in full"),
        (ecdsa(b"nistp256", POINT[:-1] + bytes([POINT[-1] ^ 1])), "it is not a valid ecdsa-sha2-nistp256 key"),
        (ecdsa(b"nistp256", b"\4" + bytes(64)), "it is not a valid ecdsa-sha2-nistp256 key"),
        (rsa(positive(65537), positive(ODD >> 1)), "RSA needs 2048 to 16384 bits and it has 2047"),
        (rsa(positive(65537), positive(1 << 16384)), "RSA needs 2048 to 16384 bits and it has 16385"),
        (rsa(positive((1 << 64) + 1), positive(ODD)), "its RSA exponent is too large"),
        (rsa(positive(1), positive(ODD)), "it is not a valid ssh-rsa key"),
        (rsa(string(b"\0\0\1"), positive(ODD)), "not in its shortest form"),
        (rsa(string(b"\xff"), positive(ODD)), "not positive"),
        (rsa(string(b""), positive(ODD)), "not positive"),
    ],
)
def test_a_key_that_is_not_exactly_one_is_refused(text, said):
    with pytest.raises(Refused, match=r"^The public key cannot be used: ") as caught:
        parse_public_line(text)
    assert said in caught.value.message


@given(st.binary(max_size=120), st.sampled_from([b"ssh-ed25519", b"ssh-rsa", b"ecdsa-sha2-nistp521", b""]))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_are_a_key_or_a_phrase(data, kind):
    blob = string(kind) + data if kind else data
    try:
        key = parse_blob(blob)
    except WireError:
        return
    assert key.blob == blob
    assert parse_public_line(key.line) == key


@given(st.integers(min_value=1, max_value=1 << 600))
@settings(max_examples=100, deadline=None)
def test_numbers_have_one_encoding(number):
    reader = Reader(positive(number))
    assert reader.positive() == number
    reader.end()


def test_a_private_key_whose_halves_differ_is_refused():
    def body(pair):
        return base64.b64decode(b"".join(pair.private.strip().split(b"\n")[1:-1]))

    mine, other = generate_key(), generate_key()
    head = b"openssh-key-v1\0" + string(b"none") * 2 + string(b"") + uint32(1)
    size = len(head) + len(string(BLOB))
    mixed = head + string(load_private_key(other.private).public.blob) + body(mine)[size:]
    text = b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64.b64encode(mixed) + b"\n-----END OPENSSH PRIVATE KEY-----\n"
    with pytest.raises(Misused, match="damaged"):
        load_private_key(text)
