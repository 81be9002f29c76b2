"""Real keys made by the real ssh-keygen, once per session."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.trust.keys import KeyPair, generate_key

KINDS = {
    "ed25519": ["-t", "ed25519"],
    "ecdsa256": ["-t", "ecdsa", "-b", "256"],
    "ecdsa384": ["-t", "ecdsa", "-b", "384"],
    "ecdsa521": ["-t", "ecdsa", "-b", "521"],
    "rsa2048": ["-t", "rsa", "-b", "2048"],
    "rsa1024": ["-t", "rsa", "-b", "1024"],
}


class SshKeygen:
    """Key files in one folder, and what ssh-keygen does with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["ssh-keygen", *args], cwd=self.folder, input=stdin, capture_output=True, check=False)

    def key(self, name: str, passphrase: str = "", extra: tuple[str, ...] = ()) -> Path:
        path = self.folder / (name + ("-locked" if passphrase else "") + "".join(extra))
        if not path.exists():
            made = self.run("-q", *KINDS[name], *extra, "-N", passphrase, "-C", f"{name}@test", "-f", path.name)
            assert made.returncode == 0, made.stderr
        return path

    def public(self, name: str) -> str:
        return self.key(name).with_name(f"{name}.pub").read_text().strip()

    def sign(self, name: str, message: bytes, namespace: str, *options: str) -> bytes:
        signed = self.run("-q", "-Y", "sign", "-f", str(self.key(name)), "-n", namespace, *options, stdin=message)
        assert signed.returncode == 0, signed.stderr
        return signed.stdout

    def verifies(self, public_line: str, message: bytes, namespace: str, signature: bytes) -> bool:
        (self.folder / "allowed").write_text(f"somebody {public_line}\n")
        (self.folder / "sig").write_bytes(signature)
        args = ["-Y", "verify", "-f", "allowed", "-I", "somebody", "-n", namespace, "-s", "sig"]
        return self.run(*args, stdin=message).returncode == 0


@pytest.fixture(scope="session")
def ssh_keygen(tmp_path_factory: pytest.TempPathFactory) -> SshKeygen:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed: signatures are not compared with OpenSSH's")
    return SshKeygen(tmp_path_factory.mktemp("ssh"))


@pytest.fixture(scope="session")
def key_pair() -> Callable[[str], KeyPair]:
    """A key by name, made in process: always the same one in a session."""
    made: dict[str, KeyPair] = {}
    return lambda name: made.setdefault(name, generate_key(name))
