"""The desk that commands of a clone work at: its files, whom it trusts, and what is voted on. No command of its own.

Commands that vote and commands that end something look at each other's subjects; both start from here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.signing import repository_name
from reconciler.errors import Misused
from reconciler.model.ids import ReleaseKey

if TYPE_CHECKING:
    from reconciler.edges.git.checkout import Checkout
    from reconciler.loop.snapshot import Snapshot
    from reconciler.model.environment import Approvals, Environment
    from reconciler.model.trustfile import TrustFile, Verb

CONFIG_TRUST = "reconciler.trust"
_WORK_TREE = "0" * 40

Key = Annotated[str, typer.Option("--key", metavar="FILE", help="Your key; else git's user.signingkey.")]
TrustFileOption = Annotated[
    str, typer.Option("--trust", metavar="FILE", help="The trust file; else git's setting reconciler.trust.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is voted on: a digest of one release, called `what`, in an environment; `authors` signed it.

    `rules` say how many have to (None: nobody is asked), `verb` what each of them must be allowed to do there.
    """

    key: ReleaseKey
    digest: str
    what: str
    environment: "Environment"
    authors: frozenset[str]
    rules: "Approvals | None"
    verb: "Verb" = "approve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The clone, its watched folder, what lies there, and who is trusted (a later trust file of the clone counts)."""

    checkout: "Checkout"
    root: Path
    trust: "TrustFile"
    snapshot: "Snapshot"
    now: datetime

    @classmethod
    def open(cls, folder: Path, *, trust: str, repository: str) -> "Desk":
        """Read the work tree around `folder`; raises Misused when there is no trust file to judge it by."""
        from reconciler.cli.tree import watched
        from reconciler.cli.worktree import read_tree
        from reconciler.documents.load import MAX_BYTES
        from reconciler.edges.git.checkout import Checkout
        from reconciler.loop.indexing import snapshot_of
        from reconciler.model.ids import RepositoryName, Revision

        checkout = Checkout.find(folder)
        root, file = watched(checkout), trust_file(checkout, trust, repository)
        files, read = read_tree(root)
        now = datetime.now(UTC)
        snapshot = snapshot_of(
            RepositoryName(file.spec.repository), files, revision=Revision(_WORK_TREE), read=read,
            recall=lambda _: None, trust=file, accepted={}, limit=MAX_BYTES, now=now,
        )  # fmt: skip
        return cls(checkout=checkout, root=root, trust=snapshot.trust, snapshot=snapshot, now=now)


def trust_file(checkout: "Checkout", given: str, repository: str) -> "TrustFile":
    """The file that says whom to trust in this repository; raises Misused where there is none, or it is another's."""
    from reconciler.cli.trust import trusted

    file, name = trusted(_trust_path(checkout, given)), repository_name(checkout, repository)
    if file.spec.repository != name:
        raise Misused(f"the trust file vouches for {file.spec.repository}, not for {name}")
    return file


def _trust_path(checkout: "Checkout", given: str) -> Path:
    name = given or checkout.config(CONFIG_TRUST)
    if not name:
        raise Misused(
            "there is no trust file, and it says whose key is whose",
            hint=f"give --trust FILE, or set it once: git config {CONFIG_TRUST} FILE",
        )
    return Path(name).expanduser()
