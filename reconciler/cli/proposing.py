"""A change of the watched branch as a person brings it: a branch with one commit, pushed, and its pull request.

What changes is decided by the commands (`promoting`, `returning`, `removing`). Rules: the change is of origin's branch
as it is now, and a clone that is behind is told so; no file of the work tree, no index and no branch of the clone
moves; nothing is signed or pushed by `--dry-run`; the same change proposed again is the same branch and the same pull
request; of one release and environment one promotion is open, and an older one is closed with a word.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.errors import EXIT_DONE, Misused, NotFound, ReconcilerError, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.cli.forge import Place
    from reconciler.documents.schema import Loaded
    from reconciler.edges.forge.protocol import Forge
    from reconciler.edges.git.checkout import Checkout
    from reconciler.edges.git.commit import Actor
    from reconciler.model.environment import Environment
    from reconciler.model.ids import Revision
    from reconciler.model.release import ModelRelease
    from reconciler.model.trustfile import TrustFile

_SHORT = 12
_SHOWN = 10

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the change as a diff; sign and push nothing.")]
NoPull = Annotated[bool, typer.Option("--no-pr", help="Push the branch, and open no pull request.")]
Branch = Annotated[
    str, typer.Option("--branch", metavar="NAME", help="The branch to change; else the one that origin is about.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """Origin's branch as it is now: its commit, and the documents and signatures of the watched folder."""

    checkout: "Checkout"
    branch: str
    revision: "Revision"
    folder: str
    contents: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def open(cls, checkout: "Checkout", branch: str, *, trying: bool) -> "Base":
        """Read it; raises NotFound, and Refused for a clone that is behind. `trying`: it may be, and is told."""
        from reconciler.cli.tree import at_revision, watched_path

        checkout.upstream()  # a clone without an origin is told that, and not to fetch from it
        name = branch or checkout.default_branch
        revision = checkout.tracked(name)
        try:
            _up_to_date(checkout, name, revision)
        except ReconcilerError as error:
            if not trying:
                raise
            typer.echo(error.message, err=True)
        folder = watched_path(checkout)
        files = at_revision(checkout, revision, folder)
        return cls(checkout=checkout, branch=name, revision=revision, folder=folder, contents=files.contents)

    def documents(self) -> "Iterator[Loaded]":
        """Every document that can be read."""
        from reconciler.documents.schema import is_document_path, parse

        for path, data in self.contents.items():
            if not is_document_path(path):
                continue
            try:
                yield parse(path, data)
            except Refused:
                continue  # other people's YAML, and what does not parse: `validate` says so

    def release(self, environment: str, name: str) -> "Loaded | None":
        """The release of that name in an environment; raises Refused where two files say that they are it."""
        from reconciler.model.release import ModelRelease

        found = [
            one for one in self.documents()
            if isinstance(one.document, ModelRelease) and (one.document.environment, one.name) == (environment, name)
        ]  # fmt: skip
        if len(found) > 1:
            paths = " and ".join(one.path for one in found)
            raise Refused(f"{environment}/{name} stands in {paths}: keep one of them")
        return found[0] if found else None

    def known(self, environment: str, name: str) -> "Loaded":
        """That release; raises NotFound, and names what is there."""
        from reconciler.model.release import ModelRelease

        found = self.release(environment, name)
        if found is not None:
            return found
        rows = sorted(
            (one.document.environment, one.name) for one in self.documents() if isinstance(one.document, ModelRelease)
        )
        near = [row for row in rows if row[1] == name] or rows
        names = ", ".join("/".join(row) for row in near[:_SHOWN])
        raise NotFound(
            f"there is no release {environment}/{name} on {self.branch} of origin",
            hint=f"there is {names}" if names else "",
        )

    def environment(self, name: str) -> "Loaded":
        """An environment; raises NotFound, and names those that are there."""
        found = {one.name: one for one in self.documents() if one.kind == "Environment"}
        if name not in found:
            names = ", ".join(sorted(found)[:_SHOWN])
            raise NotFound(f"there is no environment {name}", hint=f"there is {names}" if names else "")
        return found[name]


def _up_to_date(checkout: "Checkout", branch: str, revision: "Revision") -> None:
    now = checkout.remote_ref(f"refs/heads/{branch}")
    if now is None:
        raise NotFound(f"origin has no branch {branch}")
    if now != revision:
        raise Refused(
            f"the clone is behind: {branch} of origin is {now[:_SHORT]}, and the clone knows {revision[:_SHORT]}",
            hint=f"fetch it first: git fetch origin {branch}",
        )


def trust_of(base: Base, given: str, *, now: datetime) -> "TrustFile | None":
    """The trust file in force on the branch; None, which is told, where the person names none."""
    from reconciler.cli.desk import CONFIG_TRUST
    from reconciler.cli.trust import trust_texts, trusted
    from reconciler.trust.succession import succeed

    name = given or base.checkout.config(CONFIG_TRUST)
    if not name:
        typer.echo(
            "whether this signature counts was not looked at: give --trust FILE, or set it once: "
            f"git config {CONFIG_TRUST} FILE",
            err=True,
        )
        return None
    file = trusted(Path(name).expanduser())
    return succeed(file, trust_texts(base.contents), now=now).trust


def whom_to_ask(environment: "Environment | None", release: "ModelRelease", trust: "TrustFile | None") -> list[str]:
    """Lines of a pull request: whose yes it needs, and who answers for the model."""
    from reconciler.trust.people import may

    lines = []
    rules = environment.spec.approvals.rules if environment and environment.spec.approvals else ()
    for rule in rules:
        people = [
            person.name
            for person in (trust.spec.people if trust is not None else ())
            if rule.role in (None, *person.roles)
            and trust is not None
            and may(trust, person, "approve", environment=release.environment)
        ]
        who = f": {', '.join(code(name) for name in people[:_SHOWN])}" if people else ""
        lines.append(f"- needs {rule.count} approval{'s' if rule.count > 1 else ''} of {rule.role or 'anybody'}{who}")
    owner = release.spec.data.get("links", {}).get("owner")
    return [*lines, *([f"- the model is {code(owner)}'s"] if owner else [])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is proposed: files of the watched folder (None: goes away), on which branch, and what people read of it."""

    branch: str
    files: Mapping[str, bytes | None] = field(repr=False)
    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposer:
    """Who proposes, and where to. Made before anything is signed, so that what lacks is told first."""

    base: Base
    author: "Actor"
    forge: "Place"
    sign: "Callable[[bytes], str] | None" = None
    """Signs commits, where the person signs theirs with SSH."""

    @classmethod
    def of(cls, base: Base, *, pull: bool, key: str = "") -> "Proposer":
        """The person and their forge, as git's settings say; raises Misused for what lacks."""
        from reconciler.cli.forge import NONE, Place, place

        checkout = base.checkout
        nowhere = Place(kind=NONE, origin=checkout.config("remote.origin.url"), url="", project="")
        return cls(
            base=base, author=committer(checkout), forge=place(checkout) if pull else nowhere,
            sign=commit_signer(checkout, key),
        )  # fmt: skip

    def propose(self, change: Change) -> int:
        """Commit, push and open the pull request; says what was done."""
        self._push(change)
        base, where = self.base, self.forge
        if not where.usable:
            print(f"{change.title}: {change.branch} is pushed; {where.by_hand(change.branch, base.branch)}")
            return EXIT_DONE
        from reconciler.cli.forge import opened

        forge = opened(where, base.branch)
        try:
            pull = forge.open_pull(head=change.branch, base=base.branch, title=change.title, body=change.body)
            print(f"{change.title}: #{pull.number} {pull.url}")
            _supersede(forge, pull.number, change.branch)
        except ReconcilerError as error:
            typer.echo(f"{change.branch} is pushed; the same command again goes on from there", err=True)
            raise error from None
        finally:
            forge.close()
        return EXIT_DONE

    def _push(self, change: Change) -> None:
        checkout, base = self.base.checkout, self.base
        ref = f"refs/heads/{change.branch}"
        there = checkout.remote_ref(ref)
        if there is not None and self._is_there(change, checkout.fetch(ref)):
            return
        prefix = "" if base.folder == "." else f"{PurePosixPath(base.folder)}/"
        revision = checkout.commit_on(
            base.revision, {f"{prefix}{path}": data for path, data in change.files.items()},
            f"{change.title}\n\n{change.body}", self.author, when=datetime.now(UTC), sign=self.sign,
        )  # fmt: skip
        checkout.push_ref(ref, revision, there)

    def _is_there(self, change: Change, revision: "Revision") -> bool:
        """Whether a branch that is there is this change of the same commit, whoever signed it."""
        from reconciler.cli.tree import SUFFIXES
        from reconciler.edges.git.checkout import history

        with history(self.base.checkout.top) as opened:
            if opened.commit(revision).parents != (self.base.revision,):
                return False
            files, _ = opened.read(revision, self.base.folder, suffixes=(*SUFFIXES, ".sig"))
        return all(
            files.get(path) == data or (path.endswith(".sig") and data is not None and path in files)
            for path, data in change.files.items()
        )


def committer(checkout: "Checkout") -> "Actor":
    """Who makes commits, as git's settings say; raises Misused where they do not."""
    from reconciler.edges.git.commit import Actor

    name, email = checkout.config("user.name"), checkout.config("user.email")
    if not name or not email:
        raise Misused(
            "git does not know who you are, and a commit says who made it",
            hint='git config --global user.name "YOUR NAME" && git config --global user.email YOU@EXAMPLE.COM',
        )
    return Actor(name=name, email=email)


def commit_signer(checkout: "Checkout", key: str) -> "Callable[[bytes], str] | None":
    """What signs commits; None where the person's own settings do not sign theirs with SSH."""
    from reconciler.edges.keys import sign
    from reconciler.trust.sshsig import GIT_NAMESPACE

    signs = checkout.own_config("commit.gpgSign") == "true" and checkout.own_config("gpg.format") == "ssh"
    chosen = (key or checkout.config("user.signingkey")) if signs else ""
    return (lambda payload: sign(chosen, payload, GIT_NAMESPACE)) if chosen else None


def _supersede(forge: "Forge", number: int, branch: str) -> None:
    """Close what the new pull request takes the place of; one that cannot be closed is told, and that is all."""
    from reconciler.model.branches import supersedes

    for older in forge.pulls():
        if older.fork or older.number == number or not supersedes(branch, older.head_branch):
            continue
        try:
            forge.comment(older.number, f"Superseded by #{number}.")
            forge.close_pull(older.number)
        except ReconcilerError as error:
            typer.echo(f"#{older.number} is superseded and could not be closed: {error.message}", err=True)
        else:
            print(f"closed #{older.number}, which it supersedes")


def show(base: Base, change: Change) -> int:
    """The change as a diff, and on which branch it would be."""
    for path, data in sorted(change.files.items()):
        before = base.contents.get(path)
        if path.endswith(".sig"):
            does = "would go" if data is None else "would be written" if before is None else "would be replaced"
            print(f"# {path} {does}")
            continue
        old, new = (text.decode("utf-8", "replace").splitlines() for text in (before or b"", data or b""))
        names = (f"a/{path}" if before is not None else "/dev/null", f"b/{path}" if data is not None else "/dev/null")
        print("\n".join(plain(line) for line in difflib.unified_diff(old, new, *names, lineterm="")))
    where = f"{change.branch}, on {base.branch} at {base.revision[:_SHORT]}"
    print(f"# {change.title}: nothing was pushed; it would be {where}")
    return EXIT_DONE


def plain(text: str) -> str:
    """Somebody's words on one line: nothing in them moves a cursor."""
    return "".join(char if char.isprintable() or char == "\t" else "?" for char in text)


def code(text: str) -> str:
    """Somebody's word in a pull request: nothing in it is markup."""
    return f"`{plain(text).replace('`', chr(39)).replace('|', '/')}`"
