"""SSHSIG against the real ssh-keygen, and against everything that is not quite a signature."""

import base64
import hashlib
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import Misused
from reconciler.trust import wire
from reconciler.trust.keys import generate_key, load_private_key, parse_public_line
from reconciler.trust.sshsig import GIT_NAMESPACE, Check, Unreadable, armour, check, read_signatures, sign
from reconciler.trust.wire import string, uint32

MESSAGE = b"reconciler-release-v1\nrepository: github.com/acme/models\n"
NAMESPACE = "reconciler-release-v1@reconciler.dev"
NAMESPACE_BYTES = NAMESPACE.encode()
ACCEPTED = ["ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa2048"]
KEY = load_private_key(generate_key("property").private)
ARMOURED = sign(KEY, MESSAGE, NAMESPACE).encode()


def verdicts(blocks, message=MESSAGE, namespace=NAMESPACE):
    """The reason of what cannot be read, the Check of the rest."""
    return [
        one.reason if isinstance(one, Unreadable) else check(one, message=message, namespace=namespace)
        for one in read_signatures(blocks)
    ]


def unarmour(text):
    return base64.b64decode("".join(text.decode().split("\n")[1:-2]))


def envelope(
    public,
    inner,
    *,
    magic=b"SSHSIG",
    version=1,
    namespace=NAMESPACE_BYTES,
    reserved=b"",
    digest=b"sha512",
    after=b"",
):
    fields = (public, namespace, reserved, digest, inner)
    return armour(magic + uint32(version) + b"".join(string(one) for one in fields) + after).encode()


def signed_data(digest="sha512", namespace=NAMESPACE_BYTES, reserved=b""):
    hashed = hashlib.new(digest, MESSAGE).digest()
    return b"SSHSIG" + string(namespace) + string(reserved) + string(digest.encode()) + string(hashed)


# --- both directions with OpenSSH


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
@pytest.mark.parametrize("kind", ACCEPTED)
def test_what_ssh_keygen_signs_is_valid_here(ssh_keygen, kind, digest):
    blocks = ssh_keygen.sign(kind, MESSAGE, NAMESPACE, "-O", f"hashalg={digest}")
    assert verdicts(blocks) == [Check.VALID]
    (signature,) = read_signatures(blocks)
    assert signature.hash == digest
    assert signature.key == parse_public_line(ssh_keygen.public(kind))
    assert verdicts(blocks, message=MESSAGE + b" ") == [Check.MISMATCH]
    assert verdicts(blocks, namespace="reconciler-approval-v1@reconciler.dev") == [Check.NAMESPACE]


@pytest.mark.parametrize("kind", ACCEPTED)
def test_what_is_signed_here_is_valid_for_ssh_keygen(ssh_keygen, kind):
    key = load_private_key(ssh_keygen.key(kind).read_bytes())
    blocks = sign(key, MESSAGE, NAMESPACE).encode()
    assert verdicts(blocks) == [Check.VALID]
    assert ssh_keygen.verifies(ssh_keygen.public(kind), MESSAGE, NAMESPACE, blocks)
    assert not ssh_keygen.verifies(ssh_keygen.public(kind), MESSAGE, "file", blocks)


@pytest.mark.parametrize("kind", ["ed25519", "rsa2048"])
def test_deterministic_signatures_are_byte_for_byte_those_of_ssh_keygen(ssh_keygen, kind):
    key = load_private_key(ssh_keygen.key(kind).read_bytes())
    assert sign(key, MESSAGE, NAMESPACE).encode() == ssh_keygen.sign(kind, MESSAGE, NAMESPACE)


@pytest.mark.parametrize("kind", ACCEPTED)
def test_fingerprints_are_those_of_ssh_keygen(ssh_keygen, kind):
    shown = ssh_keygen.run("-l", "-f", f"{ssh_keygen.key(kind)}.pub").stdout.decode()
    assert parse_public_line(ssh_keygen.public(kind)).fingerprint == shown.split()[1]


def test_a_generated_key_works_with_ssh_keygen(ssh_keygen, tmp_path):
    pair = generate_key("ada@laptop")
    path = tmp_path / "key"
    path.write_bytes(pair.private)
    path.chmod(0o600)
    assert ssh_keygen.run("-y", "-f", str(path)).stdout.decode().split()[:2] == pair.public.split()[:2]
    assert pair.public.endswith(" ada@laptop\n")
    signed = ssh_keygen.run("-q", "-Y", "sign", "-f", str(path), "-n", NAMESPACE, stdin=MESSAGE).stdout
    assert verdicts(signed) == [Check.VALID]
    assert signed.decode() == sign(load_private_key(pair.private), MESSAGE, NAMESPACE)
    assert "PRIVATE" not in repr(pair)


@pytest.mark.usefixtures("ssh_keygen")
def test_git_accepts_a_commit_signed_here(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not installed: commit signatures are not compared with git's")

    def git(*args, stdin=b""):
        done = subprocess.run(["git", *args], cwd=tmp_path, input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done

    git("init", "-q", ".")
    tree = git("mktree").stdout.strip()
    who = b"bot <bot@example.com> 1767225600 +0000"
    head = b"tree " + tree + b"\nauthor " + who + b"\ncommitter " + who
    body = b"\n\nrecord\n"
    signature = sign(KEY, head + body, GIT_NAMESPACE).rstrip("\n").replace("\n", "\n ").encode()
    commit = git("hash-object", "-t", "commit", "-w", "--stdin", stdin=head + b"\ngpgsig " + signature + body)
    (tmp_path / "allowed").write_text(f"bot@example.com {KEY.public.line}\n")
    allowed = f"gpg.ssh.allowedSignersFile={tmp_path / 'allowed'}"
    shown = git("-c", "gpg.format=ssh", "-c", allowed, "verify-commit", "-v", commit.stdout.decode().strip())
    assert b'Good "git" signature for bot@example.com' in shown.stdout + shown.stderr


# --- several blocks in one file


def test_every_block_of_a_file_is_judged_by_itself(ssh_keygen):
    blocks = (
        ssh_keygen.sign("ed25519", MESSAGE, NAMESPACE)
        + ssh_keygen.sign("rsa2048", b"another text", NAMESPACE)
        + b"\n\n"
        + ssh_keygen.sign("ecdsa256", MESSAGE, "git")
        + ARMOURED
        + ssh_keygen.sign("rsa1024", MESSAGE, NAMESPACE)
    )
    assert verdicts(blocks) == [
        Check.VALID,
        Check.MISMATCH,
        Check.NAMESPACE,
        Check.VALID,
        "RSA needs 2048 to 16384 bits and it has 1024",
    ]
    assert [one.block for one in read_signatures(blocks)] == [1, 2, 3, 4, 5]


def test_line_ends_may_be_those_of_a_forge_s_text_box():
    assert verdicts(ARMOURED.replace(b"\n", b"\r\n")) == [Check.VALID]
    assert verdicts(b"\n" + ARMOURED.rstrip(b"\n")) == [Check.VALID]
    assert verdicts(b"") == []


# --- damage


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x07, 0x80])
def test_a_flipped_byte_of_the_armour_never_verifies(mask):
    for at in range(len(ARMOURED)):
        damaged = bytearray(ARMOURED)
        damaged[at] ^= mask
        assert Check.VALID not in verdicts(bytes(damaged)), at


@pytest.mark.parametrize("kind", ACCEPTED)
def test_a_flipped_bit_of_the_signature_never_verifies(ssh_keygen, kind):
    blob = unarmour(ssh_keygen.sign(kind, MESSAGE, NAMESPACE))
    for at in range(len(blob)):
        damaged = bytearray(blob)
        damaged[at] ^= 1 << (at % 8)
        assert verdicts(armour(bytes(damaged)).encode()) != [Check.VALID], at


@pytest.mark.parametrize("kind", ACCEPTED)
def test_a_signature_that_is_cut_short_or_longer_never_verifies(ssh_keygen, kind):
    blob = unarmour(ssh_keygen.sign(kind, MESSAGE, NAMESPACE))
    for length in range(len(blob)):
        (reason,) = verdicts(armour(blob[:length]).encode())
        assert reason != Check.VALID
    assert verdicts(armour(blob + b"\0").encode()) == ["bytes follow its end"]


def test_a_file_that_is_cut_short_never_verifies():
    for length in range(len(ARMOURED) - 1):
        assert Check.VALID not in verdicts(ARMOURED[:length]), length


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text + b"x", "line 7 is neither empty nor the start of a signature"),
        (lambda text: text + b"\0", "line 7 is neither empty nor the start of a signature"),
        (lambda text: b"# by ada\n" + text, "line 1 is neither empty nor the start of a signature"),
        (lambda text: b"\xef\xbb\xbf" + text, "it is not plain ASCII text"),
        (lambda text: text.replace(b"-----END", b"----END"), "line 7 is not a line of a signature"),
        (lambda text: text[: text.index(b"\n-----END")], "its last signature has no end line"),
        (lambda text: text.replace(b"\n", b"\n\n"), "line 2 is not a line of a signature"),
        (lambda text: text.replace(b"SIGNATURE-----\n", b"SIGNATURE-----\n ", 1), "its base64 is broken"),
        (lambda text: text.replace(b"\n", b"\r"), "line 1 is neither empty nor the start of a signature"),
        (lambda text: text * 33, "it holds more than 32 signatures"),
        (lambda _: b"A" * 10**6, "it is larger than 128 KiB"),
        (lambda text: text + b"\n" * 10**6, "it is larger than 128 KiB"),
        (lambda _: armour(b"SSHSIG" + b"A" * 20_000).encode(), "it is longer than 16384 characters"),
        (lambda _: armour(b"").encode(), "it is cut short"),
    ],
)
def test_armour_is_strict(change, reason):
    assert verdicts(change(ARMOURED)) == [reason]


def test_base64_has_one_form():
    loose = armour(b"SSHSIGA")
    assert "QQ==" in loose
    assert verdicts(loose.replace("QQ==", "QR==").encode()) == ["its base64 is not in the one form it can have"]


def _ed25519(data):
    return string(b"ssh-ed25519") + string(KEY.signer.sign(data))


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        (envelope(KEY.public.blob, _ed25519(signed_data())), Check.VALID),
        (envelope(KEY.public.blob, _ed25519(signed_data()), magic=b"SSHSIH"), "it is not an SSH signature"),
        (envelope(KEY.public.blob, _ed25519(signed_data()), version=2), "its format version is 2 and 1 is needed"),
        (envelope(KEY.public.blob, _ed25519(signed_data()), after=b"\0"), "bytes follow its end"),
        (envelope(KEY.public.blob + b"\0", _ed25519(signed_data())), "bytes follow its end"),
        (envelope(KEY.public.blob, _ed25519(signed_data()) + b"\0"), "bytes follow its end"),
        (
            envelope(KEY.public.blob, _ed25519(signed_data(reserved=b"x")), reserved=b"x"),
            "its reserved field is not empty",
        ),
        (
            envelope(KEY.public.blob, _ed25519(signed_data(digest="sha1")), digest=b"sha1"),
            "its hash is neither sha256 nor sha512",
        ),
        (
            envelope(KEY.public.blob, _ed25519(signed_data(namespace=b"")), namespace=b""),
            "its namespace is empty or longer than 255 characters",
        ),
        (
            envelope(KEY.public.blob, _ed25519(signed_data()), namespace=b"git\ncleared"),
            "a name in it is not plain text",
        ),
        (
            envelope(KEY.public.blob, string(b"rsa-sha2-512") + string(bytes(64))),
            "algorithm rsa-sha2-512 is not accepted with a ssh-ed25519 key",
        ),
        (envelope(string(b"ssh-dss") + string(b"x"), _ed25519(signed_data())), "key type ssh-dss is not accepted"),
        (envelope(b"", _ed25519(signed_data())), "it is cut short"),
        (envelope(KEY.public.blob, string(b"ssh-ed25519") + string(bytes(64))), Check.MISMATCH),
        (envelope(KEY.public.blob, string(b"ssh-ed25519") + string(bytes(63))), Check.MISMATCH),
        (envelope(KEY.public.blob, string(b"ssh-ed25519") + string(b"")), Check.MISMATCH),
    ],
)
def test_every_field_of_the_envelope_is_checked(blocks, reason):
    assert verdicts(blocks) == [reason]


def test_rsa_with_sha1_is_refused(ssh_keygen):
    blob = parse_public_line(ssh_keygen.public("rsa2048")).blob
    blocks = envelope(blob, string(b"ssh-rsa") + string(bytes(256)))
    assert verdicts(blocks) == ["algorithm ssh-rsa is not accepted with a ssh-rsa key"]


@pytest.mark.parametrize("pair", [(b"\0", b"\1"), (b"", b"\1"), (b"\x81", b"\1"), (b"\0\1", b"\1"), (b"\1", b"\1")])
def test_numbers_of_an_ecdsa_signature_are_positive_and_shortest(ssh_keygen, pair):
    blob = parse_public_line(ssh_keygen.public("ecdsa256")).blob
    inner = string(b"ecdsa-sha2-nistp256") + string(string(pair[0]) + string(pair[1]))
    assert verdicts(envelope(blob, inner)) == [Check.MISMATCH]


# --- hardware tokens, by the layout of OpenSSH's PROTOCOL.u2f


class Token:
    """A hardware token in software: it signs what a real one would, with the flags it is told."""

    def __init__(self, kind):
        self.kind = kind
        if kind == b"sk-ssh-ed25519@openssh.com":
            self.secret = ed25519.Ed25519PrivateKey.generate()
            point = self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            self.blob = string(kind) + string(point) + string(b"ssh:")
        else:
            self.secret = ec.generate_private_key(ec.SECP256R1())
            point = self.secret.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            self.blob = string(kind) + string(b"nistp256") + string(point) + string(b"ssh:")

    def sign(self, *, flags, counter=7, application=b"ssh:", claimed_flags=None, claimed_counter=None):
        data = (
            hashlib.sha256(application).digest()
            + bytes([flags])
            + uint32(counter)
            + hashlib.sha256(signed_data()).digest()
        )
        if isinstance(self.secret, ed25519.Ed25519PrivateKey):
            raw = self.secret.sign(data)
        else:
            r, s = decode_dss_signature(self.secret.sign(data, ec.ECDSA(hashes.SHA256())))
            raw = wire.positive(r) + wire.positive(s)
        shown = bytes([flags if claimed_flags is None else claimed_flags])
        inner = (
            string(self.kind) + string(raw) + shown + uint32(counter if claimed_counter is None else claimed_counter)
        )
        return envelope(self.blob, inner)


TOKENS = [b"sk-ssh-ed25519@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com"]


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({"flags": 0x01}, Check.VALID),
        ({"flags": 0x05}, Check.VALID),
        ({"flags": 0x00}, Check.PRESENCE),
        ({"flags": 0x04}, Check.PRESENCE),
        ({"flags": 0x00, "claimed_flags": 0x01}, Check.MISMATCH),
        ({"flags": 0x01, "claimed_counter": 8}, Check.MISMATCH),
        ({"flags": 0x01, "application": b"https://example.com"}, Check.MISMATCH),
    ],
)
def test_a_token_s_signature_counts_only_with_its_owner_present(kind, made, expected):
    assert verdicts(Token(kind).sign(**made)) == [expected]


@pytest.mark.parametrize("kind", TOKENS)
def test_ssh_keygen_reads_the_tokens_of_this_test_as_we_do_and_forgives_absence(ssh_keygen, kind):
    token = Token(kind)
    line = f"{kind.decode()} {base64.b64encode(token.blob).decode()}"
    assert ssh_keygen.verifies(line, MESSAGE, NAMESPACE, token.sign(flags=0x01))
    assert not ssh_keygen.verifies(line, MESSAGE, NAMESPACE, token.sign(flags=0x00, claimed_flags=0x01))
    assert ssh_keygen.verifies(line, MESSAGE, NAMESPACE, token.sign(flags=0x00)), "why we check it ourselves"


def test_webauthn_signatures_are_refused():
    token = Token(TOKENS[1])
    inner = string(b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com") + string(b"x") + b"\1" + uint32(1)
    (reason,) = verdicts(envelope(token.blob, inner))
    assert "is not accepted with a sk-ecdsa-sha2-nistp256@openssh.com key" in reason


# --- fuzz


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_are_unreadable_and_nothing_is_raised(data):
    assert Check.VALID not in verdicts(data)
    assert verdicts(armour(data).encode()) != [Check.VALID]


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----", b"\n", b"\r\n", b"=", b" "]
            ),
            st.binary(max_size=80),
            st.text("ABCabc+/=", max_size=80).map(str.encode),
        ),
        max_size=12,
    )
)
@settings(max_examples=200, deadline=None)
def test_pieces_of_armour_never_verify(pieces):
    assert Check.VALID not in verdicts(b"".join(pieces))


@given(st.integers(0, 400), st.binary(max_size=8), st.integers(0, 8))
@settings(max_examples=300, deadline=None)
def test_a_spliced_signature_never_verifies(at, inserted, removed):
    blob = unarmour(ARMOURED)
    spliced = blob[:at] + inserted + blob[at + removed :]
    assert (verdicts(armour(spliced).encode()) == [Check.VALID]) == (spliced == blob)


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_arbitrary_inner_fields_never_verify(data):
    assert verdicts(envelope(data, data)) != [Check.VALID]
    assert verdicts(envelope(KEY.public.blob, data)) != [Check.VALID]
    assert verdicts(envelope(KEY.public.blob, string(b"ssh-ed25519") + string(data))) != [Check.VALID]


# --- private keys


def test_an_encrypted_key_is_refused_and_told_what_to_do(ssh_keygen):
    data = ssh_keygen.key("ed25519", "a long passphrase").read_bytes()
    with pytest.raises(Misused, match="is encrypted") as caught:
        load_private_key(data)
    assert "ssh-keygen -Y sign" in caught.value.hint


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda keygen: keygen.key("rsa2048", extra=("-m", "PEM")).read_bytes(), "it is not in the OpenSSH format"),
        (lambda keygen: keygen.public("ed25519").encode(), "it is not in the OpenSSH format"),
        (lambda keygen: keygen.key("rsa1024").read_bytes(), "RSA needs 2048 to 16384 bits"),
        (lambda keygen: keygen.key("ed25519").read_bytes().replace(b"\n", b"\n!", 1), "its base64 is broken"),
        (lambda _: b"", "it is not in the OpenSSH format"),
        (lambda _: b"\xff" * 100, "it is not in the OpenSSH format"),
        (lambda _: b"A" * 10**6, "it is larger than"),
    ],
)
def test_other_files_are_refused_with_a_sentence(ssh_keygen, make, said):
    with pytest.raises(Misused, match=said):
        load_private_key(make(ssh_keygen))


def _private(head):
    body = base64.b64encode(b"openssh-key-v1\0" + head)
    return b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + body + b"\n-----END OPENSSH PRIVATE KEY-----\n"


def test_a_token_s_key_file_is_refused():
    head = string(b"none") * 2 + string(b"") + uint32(1) + string(Token(TOKENS[0]).blob) + string(b"x")
    with pytest.raises(Misused, match="lives in a hardware token"):
        load_private_key(_private(head))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (_private(string(b"none") * 2 + string(b"") + uint32(2)), "more than one key"),
        (_private(string(b"none") * 2 + string(b"") + uint32(1) + string(KEY.public.blob) + string(b"x")), "damaged"),
        (_private(b"").replace(b"b3Blb", b"c3Blb"), "does not start as one"),
    ],
)
def test_a_damaged_private_key_is_refused(data, said):
    with pytest.raises(Misused, match=said):
        load_private_key(data)


def test_nothing_is_signed_without_a_namespace_of_plain_text():
    for namespace in ("", "a\nb", "ünïcode", "x" * 256):
        with pytest.raises(Misused, match="namespace"):
            sign(KEY, MESSAGE, namespace)
    with pytest.raises(Misused, match="comment"):
        generate_key("two\nlines")


def test_a_private_key_shows_only_its_public_half():
    assert "PrivateKey object" not in repr(KEY)
