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
from reconciler.trust.keys import load_private_key, parse_public_line
from reconciler.trust.sshsig import sign as sign_in_process

_WAIT = 300.0  # seconds: a person types a passphrase or looks for a token
_PASSED = ("PATH", "HOME", "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "SSH_SK_PROVIDER", "DISPLAY",
           "WAYLAND_DISPLAY", "XAUTHORITY", "TERM")  # fmt: skip
_LITERAL = "key::"  # how git's user.signingkey says that the text is the public key itself
_MAX_REASON = 200


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


def _public_text(key: str) -> str:
    """The public key that the text is; empty when it names a file."""
    text = key.removeprefix(_LITERAL)
    if text == key and not key.startswith(("ssh-", "ecdsa-", "sk-")):
        return ""
    parse_public_line(text)
    return text


def _run(program: str, file: Path, message: bytes, namespace: str) -> str:
    command = [program, "-q", "-Y", "sign", "-f", str(file), "-n", namespace]
    environment = {name: os.environ[name] for name in _PASSED if name in os.environ} | {"LC_ALL": "C"}
    try:
        done = subprocess.run(command, input=message, capture_output=True, check=False, env=environment, timeout=_WAIT)
    except subprocess.TimeoutExpired:
        raise Refused(f"ssh-keygen did not sign with {file} within {_WAIT:g} seconds") from None
    if done.returncode:
        raise Refused(f"ssh-keygen does not sign with {file}: {_reason(done.stderr)}")
    return done.stdout.decode("ascii")


def _reason(said: bytes) -> str:
    """What ssh-keygen said, on one printable line."""
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    text = "; ".join(lines)[:_MAX_REASON] or "it gave no reason"
    return "".join(char if char.isprintable() else " " for char in text)
