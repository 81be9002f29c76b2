"""SSH signatures: whatever is sent, reading answers; and nothing that was changed is ever VALID."""

import base64
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fuzz_room import mutated, one_line, over, steps
from hypothesis import strategies as st

from reconciler.trust.keys import generate_key, load_private_key
from reconciler.trust.sshsig import (
    BEGIN,
    END,
    MAX_BLOCKS,
    MAX_FILE,
    Check,
    Signature,
    Unreadable,
    armour,
    check,
    read_signatures,
    sign,
)
from reconciler.trust.wire import string, uint32

MESSAGE = b"reconciler-approval-v1\nrepository: github.com/acme/models\n"
NAMESPACE = "reconciler-approval-v1@reconciler.dev"
OTHER = "reconciler-release-v1@reconciler.dev"


def _kept(private):
    return load_private_key(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


KEYS = (
    load_private_key(generate_key("fuzz").private),
    _kept(ec.generate_private_key(ec.SECP256R1())),
    _kept(ec.generate_private_key(ec.SECP521R1())),
    _kept(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
)
FILES = tuple(sign(key, MESSAGE, NAMESPACE).encode() for key in KEYS)
BLOBS = tuple(base64.b64decode("".join(text.decode().split("\n")[1:-2])) for text in FILES)
SIGNED = {key.public.blob: blob for key, blob in zip(KEYS, BLOBS, strict=True)}
"""The one signature that each of our keys ever made."""
# A token's key and signature in the right form; no token made it, so it proves nothing.
TOKEN = string(b"sk-ssh-ed25519@openssh.com") + string(KEYS[0].public.blob[-32:]) + string(b"ssh:")
TOKEN_INNER = string(b"sk-ssh-ed25519@openssh.com") + string(b"\1" * 64) + b"\1" + uint32(7)

LINES = [BEGIN.encode(), END.encode(), BEGIN.encode() + b"\n", END.encode() + b"\n", b"=", b"====", b"A" * 70 + b"\n"]
NAMES = [
    b"ssh-ed25519", b"ssh-rsa", b"rsa-sha2-256", b"rsa-sha2-512", b"ssh-dss", b"ecdsa-sha2-nistp256", b"nistp256",
    b"sk-ssh-ed25519@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com", b"sha256", b"sha512", b"sha1", b"git",
    NAMESPACE.encode(), OTHER.encode(), b"SSHSIG", uint32(0), uint32(1), uint32(32), uint32(64), uint32(2**32 - 1),
]  # fmt: skip


@st.composite
def envelopes(draw):
    """A signature's bytes, every field of it right or wrong by itself; lengths may lie."""
    key, blob = draw(st.sampled_from(tuple(zip(KEYS, BLOBS, strict=True))))
    inner = _inner(blob)
    fields = (
        draw(
            st.sampled_from((key.public.blob, *(one.public.blob for one in KEYS), TOKEN, b"")) | mutated([TOKEN], NAMES)
        ),
        draw(st.sampled_from((NAMESPACE.encode(), OTHER.encode(), b"", b"git", b"\xff", b"a" * 256, b"a\n"))),
        draw(st.sampled_from((b"", b"", b"", b"\0"))),
        draw(st.sampled_from((b"sha512", b"sha512", b"sha256", b"sha1", b"SHA512"))),
        draw(st.sampled_from((inner, inner, TOKEN_INNER, b"", string(b"ssh-ed25519"))) | mutated([inner], NAMES)),
    )
    lie = draw(st.sampled_from((0, 0, 0, 1, -1, 2**31)))
    at = draw(st.integers(0, len(fields) - 1))
    body = b"".join(uint32(max(0, len(one) + (lie if number == at else 0))) + one for number, one in enumerate(fields))
    return (
        draw(st.sampled_from((b"SSHSIG", b"SSHSIG", b"sshsig")))
        + uint32(draw(st.sampled_from((1, 1, 1, 0, 2))))
        + body
        + draw(st.sampled_from((b"", b"", b"", b"\0")))
    )


def _inner(blob):
    """The last field of an envelope: algorithm and raw signature."""
    rest, fields = blob[10:], []
    while rest:
        size = int.from_bytes(rest[:4], "big")
        fields.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    return fields[-1]


def armoured(one: Signature) -> bytes:
    """What was read, written again from its parts alone."""
    inner = string(one.algorithm.encode()) + string(one.raw)
    if one.key.is_token:
        inner += bytes([one.flags]) + uint32(one.counter)
    fields = (one.key.blob, one.namespace.encode(), b"", one.hash.encode(), inner)
    return armour(b"SSHSIG" + uint32(1) + b"".join(map(string, fields))).encode()


def _answers(data):
    """Read it; everything that holds for any bytes at all. Gives what can be read."""
    with steps(2000 + 20 * len(data)):
        found = read_signatures(data)
    assert len(found) <= MAX_BLOCKS
    assert [one.block for one in found] in (list(range(1, len(found) + 1)), [0])
    for one in found:
        if isinstance(one, Unreadable):
            one_line(one.reason)
    return [one for one in found if isinstance(one, Signature)]


@over(data=mutated(FILES, LINES))
def test_a_file_of_signatures_is_read_or_told_and_what_was_read_is_written_the_same(data):
    for one in _answers(data):
        again = read_signatures(armoured(one))
        assert [(found.key, found.raw) for found in again] == [(one.key, one.raw)]
        _is_ours_or_nobodys(one)


@over(blob=envelopes() | mutated([*BLOBS, *BLOBS, b"SSHSIG" + uint32(1)], NAMES))
def test_no_changed_byte_of_a_signature_is_ever_valid(blob):
    for one in _answers(armour(blob).encode()):
        assert armoured(one) == armour(blob).encode()
        _is_ours_or_nobodys(one)
        assert check(one, message=MESSAGE, namespace=OTHER) is not Check.VALID


def _is_ours_or_nobodys(one):
    """VALID by a key of ours is the one signature that it made; a stranger's key may sign what it wants."""
    if check(one, message=MESSAGE, namespace=NAMESPACE) is Check.VALID and one.key.blob in SIGNED:
        assert armoured(one) == armour(SIGNED[one.key.blob]).encode()


@over(message=mutated([MESSAGE]), which=st.integers(0, len(FILES) - 1))
def test_no_changed_byte_of_the_text_is_ever_valid(message, which):
    (one,) = read_signatures(FILES[which])
    assert (check(one, message=message, namespace=NAMESPACE) is Check.VALID) == (message == MESSAGE)


@over(
    data=st.sampled_from(LINES).flatmap(lambda line: st.just(line * (MAX_FILE // len(line)))) | st.binary(max_size=300)
)
def test_the_same_line_for_ever_costs_no_more_than_its_length(data):
    _answers(data)


@functools.cache
def _folder():
    """Where ssh-keygen finds what it compares; None where it is not installed."""
    return Path(tempfile.mkdtemp(prefix="fuzz-ssh-")) if shutil.which("ssh-keygen") else None


def _openssh(*arguments, message):
    return subprocess.run(
        ["ssh-keygen", "-Y", *arguments], cwd=_folder(), input=message, capture_output=True, check=False
    ).returncode


@over(share=0.4, data=mutated(FILES, LINES, most=2) | envelopes().map(lambda blob: armour(blob).encode()))
def test_what_is_valid_here_is_valid_to_ssh_keygen(data):
    if _folder() is None:
        pytest.skip("ssh-keygen is not installed: signatures are not compared with OpenSSH's")
    valid = [one for one in read_signatures(data) if isinstance(one, Signature) and _valid(one)]
    if len(valid) != 1:
        return
    (_folder() / "sig").write_bytes(armoured(valid[0]))
    (_folder() / "allowed").write_text(f"somebody {valid[0].key.line}\n")
    assert _openssh("check-novalidate", "-n", NAMESPACE, "-s", "sig", message=MESSAGE) == 0
    verify = ("verify", "-f", "allowed", "-I", "somebody", "-n", NAMESPACE, "-s", "sig")
    assert _openssh(*verify, message=MESSAGE) == 0
    assert _openssh(*verify, message=MESSAGE + b" ") != 0


@over(share=0.4, blob=mutated([*BLOBS, *BLOBS], NAMES, most=1) | envelopes())
def test_what_ssh_keygen_finds_valid_is_valid_here_or_refused_with_a_reason(blob):
    if _folder() is None:
        pytest.skip("ssh-keygen is not installed: signatures are not compared with OpenSSH's")
    (_folder() / "sig").write_bytes(armour(blob).encode())
    theirs = _openssh("check-novalidate", "-n", NAMESPACE, "-s", "sig", message=MESSAGE) == 0
    (one,) = read_signatures(armour(blob).encode())
    ours = isinstance(one, Signature) and _valid(one)
    assert ours <= theirs
    if theirs and not ours:
        assert blob not in BLOBS  # what we made ourselves both find good


def _valid(one):
    return check(one, message=MESSAGE, namespace=NAMESPACE) is Check.VALID
