"""People's signing keys: the one place that runs ssh-keygen.

Not a key store and not a judgement of signatures. Rules: a person's key never enters this process when ssh-keygen is
there, which takes it from its file, an agent or a hardware token; where it is not installed, an unencrypted key file
is used in process; the message goes through a pipe, never through a file or an argument.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from reconciler.errors import Misused, Refused
from reconciler.trust.keys import PublicKey, load_private_key, parse_public_line
from reconciler.trust.sshsig import sign as sign_in_process

_WAIT = 300.0  # seconds: a person types a passphrase or looks for a token
_PASSED = ("PATH", "HOME", "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "SSH_SK_PROVIDER", "DISPLAY",
           "WAYLAND_DISPLAY", "XAUTHORITY", "TERM")  # fmt: skip
_LITERAL = "key::"  # how git's user.signingkey says that the text is the public key itself
_MAX_REASON = 200
_LARGEST_LINE = 64 * 1024


def sign(key: str, message: bytes, namespace: str) -> str:
    """The armoured SSH signature over `message` in `namespace`.

    `key` is a file (private, or public when an agent has the private one), or the public key itself as text, as git's
    `user.signingkey` takes them. Raises Misused when there is no such key, Refused when it does not sign.
    """
    public = _public_text(key)
    program = shutil.which("ssh-keygen")
    if public:
        if program is None:
            raise Misused("only ssh-keygen can ask an agent for this key, and it is not installed")
        with tempfile.TemporaryDirectory(prefix="reconciler-") as folder:
            file = Path(folder) / "key.pub"
            file.write_text(f"{public}\n", encoding="utf-8")
            return _run(program, file, message, namespace)
    file = Path(key).expanduser()
    if not file.is_file():
        raise Misused(f"there is no key file {file}", hint="make one with `reconciler keygen FILE`")
    if program is None:
        return sign_in_process(load_private_key(file.read_bytes()), message, namespace)
    return _run(program, file, message, namespace)


def public_key(key: str) -> PublicKey:
    """The public key behind what `sign` takes, so that one can tell whose it is before anything is signed.

    Raises Misused when there is no such key. ssh-keygen asks for the passphrase where no FILE.pub lies beside it.
    """
    if text := _public_text(key):
        return parse_public_line(text)
    file = Path(key).expanduser()
    if not file.is_file():
        raise Misused(f"there is no key file {file}", hint="make one with `reconciler keygen FILE`")
    for one in (file, file.with_name(f"{file.name}.pub")):
        if one.is_file() and (found := _public_in(one)):
            return found
    program = shutil.which("ssh-keygen")
    if program is None:
        return load_private_key(file.read_bytes()).public
    return parse_public_line(_ask(program, ["-y", "-f", str(file)], b"", f"ssh-keygen does not read {file}").strip())


def _public_in(file: Path) -> PublicKey | None:
    """The public key in a file; None where it holds a private one."""
    with file.open("rb") as stream:
        text = stream.read(_LARGEST_LINE).decode("utf-8", "replace").strip()
    try:
        return parse_public_line(text)
    except Refused:
        return None


def _public_text(key: str) -> str:
    """The public key that the text is; empty when it names a file."""
    text = key.removeprefix(_LITERAL)
    if text == key and not key.startswith(("ssh-", "ecdsa-", "sk-")):
        return ""
    parse_public_line(text)
    return text


def _run(program: str, file: Path, message: bytes, namespace: str) -> str:
    words = ["-q", "-Y", "sign", "-f", str(file), "-n", namespace]
    return _ask(program, words, message, f"ssh-keygen does not sign with {file}")


def _ask(program: str, words: list[str], message: bytes, otherwise: str) -> str:
    """What ssh-keygen answers; raises Refused, which begins with `otherwise`."""
    environment = {name: os.environ[name] for name in _PASSED if name in os.environ} | {"LC_ALL": "C"}
    try:
        done = subprocess.run(
            [program, *words], input=message, capture_output=True, check=False, env=environment, timeout=_WAIT
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"{otherwise}: it did not end within {_WAIT:g} seconds") from None
    if done.returncode:
        raise Refused(f"{otherwise}: {_reason(done.stderr)}")
    return done.stdout.decode("ascii")


def _reason(said: bytes) -> str:
    """What ssh-keygen said, on one printable line."""
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    text = "; ".join(lines)[:_MAX_REASON] or "it gave no reason"
    return "".join(char if char.isprintable() else " " for char in text)
