"""The people of a simulated world and their repository: they write, sign and commit without processes.

Rules: the trunk is a dictionary of files until it is committed, and then a commit like any other in the origin; every
signature is a real one, made in this process with the person's key over the statement that the product renders.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from world_clock import BEGIN, Clock
from world_git import Repo

from reconciler.demo import organisation as organisation_module
from reconciler.demo.organisation import Organisation, make
from reconciler.digest import sha256_of
from reconciler.documents.schema import parse
from reconciler.edges import keys as keys_module
from reconciler.edges.git import Actor
from reconciler.edges.git.checkout import Checkout
from reconciler.loop.statements import statement_of
from reconciler.trust.keys import KeyPair, PrivateKey, load_private_key
from reconciler.trust.sshsig import sign
from reconciler.trust.statement import Statement

TRUNK = "refs/heads/main"
RISK, PLATFORM = ("cy", "dee"), ("bo", "eve")
MAY_CONFIGURE = PLATFORM
ROLES = {"ada": ("science",), "bo": ("platform", "owner"), "cy": ("risk",), "dee": ("risk",), "eve": ("platform",)}
_ALLOW = """\
    - {role: platform, may: [approve], environments: ["*"]}
    - {role: risk, may: [approve, waive], environments: [staging]}
"""


def blob_id(data: bytes) -> str:
    """Git's name for a file's bytes."""
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()  # noqa: S324


def _key(name: str) -> KeyPair:
    """A person's key: always the same, so that a seed plays the same world in every process."""
    private = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    data = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return KeyPair(private=data, public=f"{load_private_key(data).public.line} {name}\n")


@contextmanager
def _in_process() -> Iterator[None]:
    commit = Checkout.commit

    def dated(checkout: Checkout, message: str, author: Actor, **more: Any) -> Any:
        return commit(checkout, message, author, **{"when": BEGIN} | more)

    with (
        patch.object(organisation_module, "generate_key", _key),
        patch.object(keys_module.shutil, "which", lambda _: None),
        patch.object(Checkout, "commit", dated),
    ):
        yield


def organise(folder: Path) -> Organisation:
    """The demo's organisation, with two more people and what they may do."""
    with _in_process():
        made = make(folder, metrics="127.0.0.1:0")
    trust = folder / "trust.yaml"
    head, mark, rest = trust.read_text().partition("  allow:")
    extra = ""
    for name, keys in {"dee": ("dee", "dee-2"), "eve": ("eve",)}.items():
        publics = []
        for key in keys:
            pair = _key(key)
            (folder / "keys" / key).write_bytes(pair.private)
            publics.append(f"{{key: {' '.join(pair.public.split()[:2])}}}")
        extra += f"    - {{name: {name}, roles: [{', '.join(ROLES[name])}], keys: [{', '.join(publics)}]}}\n"
    trust.write_text(head + extra + mark + rest + _ALLOW)
    shutil.rmtree(folder / "models" / ".git")  # people write without a clone from here on
    return made


class People:
    """Everybody who commits, and the trunk as they have it."""

    def __init__(self, organisation: Organisation, clock: Clock) -> None:
        self._organisation = organisation
        self._clock = clock
        self._keys: dict[str, PrivateKey] = {}
        top = organisation.folder / "models"
        self.files = {file.relative_to(top).as_posix(): file.read_bytes() for file in top.rglob("*") if file.is_file()}
        self.origin = Repo(organisation.folder / "models.git")
        self._blobs: dict[bytes, str] = {}
        self._committed = dict(self.files)

    def text(self, path: str) -> str:
        return self.files[path].decode()

    def key(self, name: str) -> PrivateKey:
        if name not in self._keys:
            self._keys[name] = load_private_key((self._organisation.folder / "keys" / name).read_bytes())
        return self._keys[name]

    def block(self, statement: Statement, by: str) -> bytes:
        """One person's (or one key's) armoured signature over a statement."""
        return sign(self.key(by), statement.text(), statement.namespace).encode()

    def write(self, path: str, text: str | bytes, *, by: str = "") -> None:
        """A document, and a signature beside it; without `by` the one that is there stays."""
        data = text.encode() if isinstance(text, str) else text
        self.files[path] = data
        if by:
            said = statement_of(self._organisation.repository, path, parse(path, data), sha256_of(data))
            self.files[f"{path}.sig"] = self.block(said, by)

    def drop(self, path: str) -> None:
        """A document and its signature go."""
        self.files.pop(path, None)
        self.files.pop(f"{path}.sig", None)

    def commit(self, message: str, who: str = "bo") -> bool:
        """Put it on the trunk; False when nothing differs."""
        if self.files == self._committed:
            return False
        self._committed = dict(self.files)
        parent = self.origin.ref(TRUNK)
        assert parent
        tree = self.origin.tree({path: self._blob(data) for path, data in self.files.items()})
        actor = Actor(name=who.capitalize(), email=f"{who}@acme.example")
        self.origin.move(TRUNK, self.origin.commit(tree, (parent,), message, actor, self._clock.now()))
        return True

    def _blob(self, data: bytes) -> str:
        if data not in self._blobs:
            self._blobs[data] = self.origin.write("blob", data)
        return self._blobs[data]
