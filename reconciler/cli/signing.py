"""`sign`, `statement`, `keygen`: a person's signature beside a document.

Not the judging of signatures (`verify`). Rules: what is signed is the statement that the daemon will render itself; a
document that does not validate is not signed; other people's signatures that still hold stay, one's own older one and
those that no longer match go.

Note [where names come from]: a signature names the repository as the daemon's settings and the trust file call it, not
its URL, so the same commit in a fork or a mirror is worth nothing there. A clone keeps that name in its git setting
`reconciler.repository` (`init` writes it; `git config reconciler.repository NAME` does too), and, where the watched
folder is not its top, that folder in `reconciler.path`.
"""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.output import Form, print_json, write
from reconciler.errors import EXIT_DONE, Invalid, Misused, Refused

if TYPE_CHECKING:
    from reconciler.edges.git.checkout import Checkout
    from reconciler.trust.statement import Statement

CONFIG_REPOSITORY = "reconciler.repository"
BLOCK = re.compile(rb"-----BEGIN SSH SIGNATURE-----\r?\n[A-Za-z0-9+/=\r\n]*-----END SSH SIGNATURE-----(?:\r?\n|\Z)")
_PRIVATE_MODE = 0o600

Repository = Annotated[
    str, typer.Option("--repository", metavar="NAME", help="The repository's name in signatures; else git's setting.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One signature: the document, what it says, whose key, and what became of the others beside it."""

    path: str
    subject: str
    fingerprint: str
    before: bool
    """True when this key had signed exactly this already: that signature stayed."""
    kept: int
    """Signatures of other people that hold and stayed."""
    dropped: int
    """Signatures that do not match any more and went, one's own older one too."""

    @property
    def sentence(self) -> str:
        """For people, on one line."""
        word = "signed already" if self.before else "signed"
        notes = [
            f"kept {self.kept} of others" if self.kept else "",
            f"removed {self.dropped} that no longer matched" if self.dropped else "",
        ]
        return "; ".join([f"{word} {self.path}: {self.subject}, with {self.fingerprint}", *filter(None, notes)])


def sign_file(root: Path, path: str, *, repository: str, key: str) -> Signed:
    """Sign the document at `path` (relative to the watched folder `root`) and write its `.sig`.

    `key` is what `edges.keys.sign` takes. Raises Invalid or Refused for what cannot be signed, Misused for the key.
    """
    from reconciler.loop.statements import SIGNATURE_SUFFIX

    said = statement_at(root, path, repository)
    beside = root / f"{path}{SIGNATURE_SUFFIX}"
    signed, data = with_signature(path, said, existing(beside), key=key)
    replace_file(beside, data)
    return signed


def with_signature(path: str, said: "Statement", before: bytes, *, key: str) -> tuple[Signed, bytes]:
    """Sign a statement; the signature file of `path`, which was `before`, as it is after that. Raises Refused."""
    from reconciler.edges.keys import sign as sign_text
    from reconciler.trust.sshsig import MAX_BLOCKS

    block = sign_text(key, said.text(), said.namespace).encode("ascii")
    fingerprint, blob = signer_of(block)
    blocks = BLOCK.findall(before)
    holding = {key_in(old): old.rstrip(b"\r\n") + b"\n" for old in blocks if made_over(old, said)}
    others = [old for owner, old in holding.items() if owner != blob]
    if len(others) >= MAX_BLOCKS:
        raise Refused(f"{path}.sig holds {len(others)} signatures already, which is the most")
    signed = Signed(
        path=path,
        subject=said.subject,
        fingerprint=fingerprint,
        before=blob in holding,
        kept=len(others),
        dropped=len(blocks) - len(holding),
    )
    return signed, b"".join([*others, holding.get(blob, block)])


def statement_at(root: Path, path: str, repository: str) -> "Statement":
    """What a signature of the document at `path` is made over; raises Invalid when it does not validate."""
    return statement_in(path, read_document(root, path), repository)


def statement_in(path: str, data: bytes, repository: str) -> "Statement":
    """The same of a document's bytes, wherever they were read."""
    from reconciler.digest import sha256_of
    from reconciler.documents.index import misplaced
    from reconciler.documents.schema import parse
    from reconciler.loop.statements import statement_of
    from reconciler.model.trustfile import TrustFile
    from reconciler.trust.people import unusable_keys

    loaded = parse(path, data)
    problems = list(misplaced(loaded))
    if isinstance(loaded.document, TrustFile):
        problems += [loaded.problem(where, message) for where, message in unusable_keys(loaded.document)]
    if problems:
        raise Invalid(problems)
    return statement_of(repository, path, loaded, sha256_of(data))


def read_document(root: Path, path: str) -> bytes:
    """The bytes of a file of the work tree; raises Refused for what the daemon would not read either."""
    file = root / path
    from reconciler.documents.load import MAX_BYTES

    if file.is_symlink():
        raise Refused(f"{path} is a symbolic link; links are not followed")
    if file.exists() and not file.is_file():
        raise Refused(f"{path} is not a plain file")
    return _at_most(file, path, MAX_BYTES)


def _at_most(file: Path, name: str, limit: int) -> bytes:
    """The bytes of a file that is not larger than the daemon would read; raises Refused."""
    try:
        with file.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise Refused(f"{name} cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise Refused(f"{name} has more than {limit} bytes, which is the most that is read")
    return data


def signer_of(block: bytes) -> tuple[str, bytes]:
    """Fingerprint and blob of the key that made a fresh signature."""
    from reconciler.trust.sshsig import Signature, read_signatures

    (found,) = read_signatures(block)
    if not isinstance(found, Signature):
        raise Refused(f"the key made a signature that does not count: {found.reason}")
    return found.key.fingerprint, found.key.blob


def existing(beside: Path) -> bytes:
    """The bytes of a signature file; empty when there is none. Raises Refused for a link and for too large a one."""
    from reconciler.trust.sshsig import MAX_FILE

    if beside.is_symlink():
        raise Refused(f"{beside} is a symbolic link; links are not followed")
    if beside.exists() and not beside.is_file():
        raise Refused(f"{beside} is not a plain file")
    return _at_most(beside, str(beside), MAX_FILE) if beside.exists() else b""


def key_in(block: bytes) -> bytes:
    """Whose key the one block is of; empty when it cannot be read."""
    from reconciler.trust.sshsig import Signature, read_signatures

    (found, *_) = read_signatures(block)
    return found.key.blob if isinstance(found, Signature) else b""


def made_over(block: bytes, said: "Statement") -> bool:
    """Whether the one block is a signature over this statement."""
    from reconciler.trust.sshsig import Check, Signature, check, read_signatures

    (found, *_) = read_signatures(block)
    return isinstance(found, Signature) and (check(found, message=said.text(), namespace=said.namespace) is Check.VALID)


def replace_file(file: Path, data: bytes) -> None:
    """Write the whole file or leave the old one."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def repository_name(checkout: "Checkout", given: str) -> str:
    """The name that signatures use: the option, or the clone's setting; raises Misused when there is neither."""
    name = given or checkout.config(CONFIG_REPOSITORY)
    if not name:
        raise Misused(
            "the repository has no name yet, and signatures are made for a name",
            hint=f"give --repository NAME, or set it once: git config {CONFIG_REPOSITORY} NAME",
        )
    return name


def path_in(root: Path, file: Path) -> str:
    """The file's path in the watched folder; raises Misused for one outside of it."""
    whole = file.parent.resolve() / file.name
    if not whole.is_relative_to(root.resolve()):
        raise Misused(f"{file} does not lie in {root}")
    return whole.relative_to(root.resolve()).as_posix()


def sign(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE…", help="The documents to sign.")] = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Every document that differs from the last commit.")
    ] = False,
    pull: Annotated[
        int | None,
        typer.Option("--pr", metavar="N", min=1, help="What a pull request changes; the signatures are pushed to it."),
    ] = None,
    branch: Annotated[
        str, typer.Option("--branch", metavar="NAME", help="With --pr: the watched branch; else the one of origin.")
    ] = "",
    key: Annotated[str, typer.Option("--key", metavar="FILE", help="Your key; else git's user.signingkey.")] = "",
    trust: Annotated[
        str, typer.Option("--trust", metavar="FILE", help="With --pr: the trust file; else git's reconciler.trust.")
    ] = "",
    repository: Repository = "",
) -> int:
    """Sign documents with your SSH key.

    The signature goes beside each document, in FILE.sig. The key stays with ssh-keygen, an agent or a hardware token.
    With --pr everything that the pull request changes, that you may sign and that lacks a signature is signed, and the
    signatures are pushed to its branch as one commit; your work tree stays as it is.

    Example: reconciler sign releases/prod/fraud-detector.yaml --key ~/.ssh/id_ed25519

    Example: reconciler sign --pr 12
    """
    from reconciler.cli.tree import watched
    from reconciler.edges.git.checkout import Checkout

    if sum(map(bool, (files, changed, pull))) != 1:
        raise Misused("name the documents to sign, or give --changed or --pr", hint="see `reconciler sign --help`")
    if pull:
        from reconciler.cli.pull_signing import sign_pull

        return sign_pull(pull, branch=branch, key=key, trust=trust, repository=repository)
    if branch or trust:
        raise Misused(f"--{'branch' if branch else 'trust'} is for --pr")
    checkout = Checkout.find(files[0].parent if files else Path())
    root, name = watched(checkout), repository_name(checkout, repository)
    paths = [path_in(root, file) for file in files] if files else _changed_documents(checkout, root)
    if not paths:
        print("no changed document needs a signature")
    chosen = chosen_key(checkout, key) if paths else ""
    for path in paths:
        print(sign_file(root, path, repository=name, key=chosen).sentence)
    return EXIT_DONE


def chosen_key(checkout: "Checkout", given: str) -> str:
    """The key to sign with: the option, or git's setting; raises Misused when there is neither."""
    key = given or checkout.config("user.signingkey")
    if not key:
        raise Misused("there is no key to sign with", hint="give --key FILE, or set git's user.signingkey")
    return key


def _changed_documents(checkout: "Checkout", root: Path) -> list[str]:
    """Changed documents, and those whose signature file changed, that carry a signature."""
    from reconciler.documents.schema import NotOurs, is_document_path, parse
    from reconciler.loop.statements import SIGNATURE_SUFFIX, SIGNED

    paths = []
    changed = {(checkout.top / name).as_posix().removesuffix(SIGNATURE_SUFFIX) for name in checkout.changed()}
    for file in sorted(Path(name) for name in changed if is_document_path(name)):
        if not file.is_relative_to(root) or not file.exists():
            continue
        path = file.relative_to(root).as_posix()
        try:
            kind = parse(path, read_document(root, path)).kind
        except NotOurs:
            continue
        if kind in (*SIGNED, "ModelRelease", "Trust"):
            paths.append(path)
    return paths


def statement(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The document.")],
    repository: Repository = "",
) -> int:
    """Print the exact bytes that a signature is made over.

    Example: reconciler statement clusters/eu-1.yaml | ssh-keygen -Y sign -f KEY -n reconciler-config-v1@reconciler.dev
    """
    from reconciler.cli.tree import watched
    from reconciler.edges.git.checkout import Checkout

    checkout = Checkout.find(file.parent)
    root = watched(checkout)
    write(statement_at(root, path_in(root, file), repository_name(checkout, repository)).text())
    return EXIT_DONE


def make_key(file: Path, comment: str = "") -> str:
    """Write a new key (mode 0600) and its `.pub`; returns the public line. Raises Refused when one of them exists."""
    from reconciler.trust.keys import generate_key

    public = file.with_name(f"{file.name}.pub")
    for one in (file, public):
        if os.path.lexists(one):
            raise Refused(f"{one} exists already and is not overwritten")
    pair = generate_key(comment)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
        with os.fdopen(handle, "wb") as stream:
            stream.write(pair.private)
        public.write_text(pair.public, encoding="utf-8")
    except OSError as error:
        raise Misused(f"{file} cannot be written: {error.strerror}") from None
    return pair.public.strip()


def keygen(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes; FILE.pub is beside it.")],
    comment: Annotated[str, typer.Option("--comment", help="Whose key it is, for people.")] = "",
    output: Annotated[Form, typer.Option("-o", "--output", help="The form of the answer.")] = Form.TEXT,
) -> int:
    """Make an SSH key (Ed25519) that can sign.

    The private key is not encrypted; `ssh-keygen -p -f FILE` gives it a passphrase.

    Example: reconciler keygen ~/.ssh/releases --comment ada@laptop
    """
    line = make_key(file, comment)
    if output is Form.JSON:
        print_json({"file": str(file), "public": line})
    else:
        print(f"{file} is the private key: keep it.\n{line}")
    return EXIT_DONE
