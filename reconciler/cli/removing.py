"""`remove`: end a release, one cluster of it, or a governing document, as a signed change that is proposed.

Nothing is deleted anywhere by this: it takes the file away and writes the signature that lets the daemon do it once it
is merged and approved. Rules: what is signed is the text as it was committed, for the daemon knows no other one; a
signature that would not count is not written, and then nothing is taken away.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.desk import CONFIG_TRUST, Desk, Key, Subject, TrustFileOption
from reconciler.cli.places import OnBranch, Place, WorkTree
from reconciler.cli.proposing import Base, Branch, Change, DryRun, NoPull, Proposer, code, plain, show
from reconciler.cli.signing import BLOCK, Repository, chosen_key, made_over, read_document, repository_name, signer_of
from reconciler.cli.texts import REVISIONS, documents_in, last_committed, texts_of
from reconciler.errors import EXIT_DONE, Misused, NotFound, Refused
from reconciler.model.branches import branch_of
from reconciler.model.ids import ReleaseKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.documents.schema import Loaded
    from reconciler.edges.git.checkout import Checkout
    from reconciler.model.trustfile import TrustFile
    from reconciler.model.verification import Verification
    from reconciler.trust.statement import Statement

    Judged = Callable[[TrustFile, bytes], Verification]


def remove(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="NAME or ENVIRONMENT/NAME of a release, or a governing document's path."),
    ],
    *,
    env: Annotated[str, typer.Option("--env", metavar="ENV", help="The release's environment.")] = "",
    cluster: Annotated[
        str, typer.Option("--cluster", metavar="C", help="Only on this cluster, which the release selects no more.")
    ] = "",
    worktree: Annotated[
        bool, typer.Option("--worktree", help="Change the work tree, and leave commit and pull request to you.")
    ] = False,
    branch: Branch = "",
    dry_run: DryRun = False,
    no_pr: NoPull = False,
    key: Key = "",
    trust: TrustFileOption = "",
    repository: Repository = "",
) -> int:
    """End a release, one cluster of it, or a governing document.

    Proposes to take the file away, with a signed removal under removals/: a commit on a branch, and its pull request.
    Nothing is deleted on a cluster before that is merged and has the environment's approvals. With --cluster the file
    stays: let the release select that cluster no more. A Cluster that ends has nothing deleted on it. To stop serving
    and keep everything, use `state: retired` in the release instead.

    Example: reconciler remove prod/fraud-detector
    """
    from reconciler.edges.git.checkout import Checkout

    at = name.rpartition("/")[0]
    if is_document_name(name) and (env or cluster):
        raise Misused(f"{name} is a path, which has no --env and no --cluster")
    if not is_document_name(name) and at and env and at != env:
        raise Misused(f"{name} is not in environment {env}")
    checkout = Checkout.find(Path())
    if worktree:
        if branch or dry_run or no_pr:
            raise Misused("--worktree makes no branch: leave --branch, --dry-run and --no-pr out")
        desk = Signing.open(checkout, key=key, trust=trust, repository=repository)
        print(_removed(desk, name, env, cluster).sentence)
        return EXIT_DONE
    place = OnBranch(base=Base.open(checkout, branch, trying=dry_run))
    proposer = None if dry_run else Proposer.of(place.base, pull=not no_pr, key=key)
    desk = Signing.open(checkout, key=key, trust=trust, repository=repository, place=place, trying=dry_run)
    done = _removed(desk, name, env, cluster)
    change = _change(place, done)
    return proposer.propose(change) if proposer else show(place.base, change)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What was signed: of `what`, in which scope (an environment, or a kind), and what people do then."""

    what: str
    scope: str
    name: str
    digest: str
    fingerprint: str
    taken: tuple[str, ...]
    then: str = ""
    approve: str = ""

    @property
    def sentence(self) -> str:
        """For somebody who commits it themself."""
        asked = f"; who may approve it runs: {self.approve}" if self.approve else ""
        return (
            f"signed the end of {self.what} with {self.fingerprint}: commit {', '.join(self.taken)}{self.then}{asked}"
        )


def _change(place: OnBranch, done: _Done) -> Change:
    rows = [
        f"Ends {done.what}{done.then}.",
        "",
        f"- the text that ends is {code(done.digest)}; its end is signed with {code(done.fingerprint)}",
        *([f"- who may approve it runs {code(done.approve)}"] if done.approve else []),
        "",
        "Nothing is deleted before it is merged and has the approvals that it needs.",
    ]
    return Change(
        branch=branch_of("remove", done.scope, done.name, done.digest), files=place.changes,
        title=plain(f"End {done.what}"), body="\n".join(rows) + "\n",
    )  # fmt: skip


def is_document_name(name: str) -> bool:
    """Whether a NAME is the path of a file, and not a release's."""
    return name.endswith((".yaml", ".yml"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """The clone and its watched folder, the key to sign with, and the trust file where one is known (else empty)."""

    checkout: "Checkout"
    place: Place
    repository: str
    key: str
    trust: str

    trying: bool = False
    """Nothing is signed: what would change is looked at, and that is all."""

    @classmethod
    def open(
        cls, checkout: "Checkout", *, key: str, trust: str, repository: str, place: Place | None = None,
        trying: bool = False,
    ) -> "Signing":  # fmt: skip
        """The options, or else the clone's settings; raises Misused where a name or a key is missing."""
        from reconciler.cli.tree import watched

        return cls(
            checkout=checkout, place=place or WorkTree(checkout=checkout, root=watched(checkout)),
            repository=repository_name(checkout, repository), key="" if trying else chosen_key(checkout, key),
            trust=trust or checkout.config(CONFIG_TRUST), trying=trying,
        )  # fmt: skip

    def stands(self, path: str, statement: "Statement", judged: "Judged") -> bool:
        """Whether the signature is there already and counts; without a trust file, whether it is over this text."""
        from reconciler.cli.trust import trusted

        block = self.place.signature(path)
        if block and self.trust:
            return judged(trusted(Path(self.trust).expanduser()), block).verified
        return any(made_over(one, statement) for one in BLOCK.findall(block))

    def sign(self, path: str, statement: "Statement", judged: "Judged") -> str:
        """Write the signature file; the fingerprint of the key. Raises Refused where it would not count."""
        from reconciler.cli.trust import trusted
        from reconciler.edges.keys import sign as sign_text

        if self.trying:
            self.place.put(path, b"")
            return ""
        block = sign_text(self.key, statement.text(), statement.namespace).encode("ascii")
        if self.trust:
            found = judged(trusted(Path(self.trust).expanduser()), block)
            if not found.verified:
                raise Refused(f"nothing was removed: {'; '.join(found.unsigned)}")
        else:
            typer.echo(
                "whether this key may remove it was not looked at: give --trust FILE, or set it once: "
                f"git config {CONFIG_TRUST} FILE",
                err=True,
            )
        self.place.put(path, block)
        return signer_of(block)[0]


def _removed(desk: Signing, name: str, env: str, cluster: str) -> _Done:
    """Sign the end of what a NAME means, and take it away."""
    if is_document_name(name):
        return _remove_document(desk, name)
    at, _, bare = name.rpartition("/")
    return _remove_release(desk, bare, at or env, cluster)


def _remove_release(desk: Signing, name: str, env: str, cluster: str) -> _Done:
    from reconciler.digest import sha256_of
    from reconciler.loop.apart import WHOLE, removal_path
    from reconciler.loop.removing import removal_statement
    from reconciler.trust.verify import verify

    env, found, data = _found(desk, name, env)
    if cluster:
        _declared(desk, cluster)
    statement = removal_statement(_key_of(desk.repository, env, name), cluster or WHOLE, sha256_of(data))
    written, now = removal_path(env, name, cluster or WHOLE), datetime.now(UTC)
    fingerprint = desk.sign(
        written,
        statement,
        lambda trust, block: verify(statement, block, trust, verb="remove", environment=env, first_seen=now, now=now),
    )
    taken = [written] if cluster else [written, *_take_away(desk.place, found)]
    return _Done(
        what=f"{env}/{name} on {cluster}" if cluster else f"{env}/{name}",
        scope=env, name=f"{name}@{cluster}" if cluster else name, digest=sha256_of(data), fingerprint=fingerprint,
        taken=tuple(taken), then=f" (it ends there once {found} selects {cluster} no more)" if cluster else "",
        approve=f"reconciler approve {written}",
    )  # fmt: skip


def _found(desk: Signing, name: str, env: str) -> tuple[str, str, bytes]:
    """Environment, path and text of the release that is meant; raises NotFound, or Misused where several are.

    One whose file was deleted before is ended by the last text that it had.
    """
    from reconciler.loop.apart import WHOLE, removal_path
    from reconciler.model.release import ModelRelease

    rows = [
        (loaded.document.environment, path)
        for path, loaded in documents_in(desk.place)
        if isinstance(loaded.document, ModelRelease)
        and loaded.name == name
        and env in ("", loaded.document.environment)
    ]
    if len({at for at, _ in rows}) > 1:
        named = " or ".join(f"{at}/{name}" for at, _ in sorted(rows))
        raise Misused(f"{name} is in several environments", hint=f"say {named}")
    if rows:
        return (*rows[0], desk.place.committed(rows[0][1]))
    if not env:
        raise NotFound(
            f"there is no release {name} in {desk.place.shown}", hint="one that is gone needs its environment, too"
        )
    written = removal_path(env, name, WHOLE)
    if desk.place.has(written):
        raise NotFound(
            f"{env}/{name} was removed already: its removal is {written}", hint="commit it, if it is not yet"
        )
    last = next(texts_of(desk.checkout, desk.place, env, name), None)
    if last is None:
        where = f"{desk.place.shown}, and was none in the last {REVISIONS} commits"
        raise NotFound(f"there is no release {env}/{name} in {where}")
    return (env, *last)


def _declared(desk: Signing, cluster: str) -> None:
    """Raise NotFound for a cluster that no document declares."""
    names = sorted(loaded.name for _, loaded in documents_in(desk.place) if loaded.kind == "Cluster")
    if cluster not in names:
        raise NotFound(f"there is no cluster {cluster}", hint=f"there is {', '.join(names)}" if names else "")


def _remove_document(desk: Signing, path: str) -> _Done:
    from reconciler.digest import sha256_of
    from reconciler.loop.statements import GOVERNING
    from reconciler.model.release import ModelRelease

    loaded, data = _document(desk, path)
    if isinstance(loaded.document, ModelRelease):
        name = f"{loaded.document.environment}/{loaded.name}"
        raise Refused(f"{path} is a ModelRelease, which ends by its name", hint=f"run: reconciler remove {name}")
    if loaded.kind not in GOVERNING:
        raise Refused(f"{path} is a {loaded.kind}; only {', '.join(GOVERNING)} end by their path")
    if desk.place.has(path):
        desk.place.committed(path)
    fingerprint, taken = end_document(desk, path, loaded, data)
    return _Done(
        what=f"{loaded.kind} {path}", scope=loaded.kind, name=loaded.name, digest=sha256_of(data),
        fingerprint=fingerprint, taken=tuple(taken),
    )  # fmt: skip


def _document(desk: Signing, path: str) -> "tuple[Loaded, bytes]":
    """The governing document that is meant; one whose file was deleted before is ended by the last text that it had."""
    from reconciler.documents.schema import parse

    if desk.place.has(path):
        data = desk.place.read(path)
        return parse(path, data), data
    last = last_committed(desk.checkout, path, tip=desk.place.tip)
    if last is None:
        raise NotFound(f"there is no {path} in {desk.place.shown}, and was none in the last {REVISIONS} commits")
    return last


def end_document(desk: Signing, path: str, loaded: "Loaded", data: bytes) -> tuple[str, list[str]]:
    """Sign the end of a governing document as it was committed, and take it away.

    Returns the key's fingerprint and what to commit. Raises Refused, with nothing taken away, when the signature would
    not count, and NotFound when one that does is there already and the document is gone.
    """
    from reconciler.digest import sha256_of
    from reconciler.loop.apart import config_removal_path
    from reconciler.model.hold import Hold
    from reconciler.trust.statement import ConfigRemovalStatement
    from reconciler.trust.verify import verify, verify_role

    written, now = config_removal_path(path), datetime.now(UTC)
    digest = sha256_of(data).removeprefix("sha256:")
    statement = ConfigRemovalStatement(repository=desk.repository, path=path, sha256=digest)

    def judged(trust: "TrustFile", block: bytes) -> "Verification":
        if isinstance(loaded.document, Hold):
            return verify_role(statement, block, trust, role=loaded.document.spec.released_by, at=now)
        return verify(statement, block, trust, verb="configure", path=path, first_seen=now, now=now)

    if not desk.place.has(path) and desk.stands(written, statement, judged):
        raise NotFound(f"{path} was removed already: its removal is {written}", hint="commit it, if it is not yet")
    fingerprint = desk.sign(written, statement, judged)
    return fingerprint, [written, *_take_away(desk.place, path)]


def _take_away(place: Place, path: str) -> list[str]:
    """Delete a document and its signatures; the paths that were there."""
    taken = [one for one in (path, f"{path}.sig") if place.has(one)]
    for one in taken:
        place.take(one)
    return taken


def _key_of(repository: str, env: str, name: str) -> ReleaseKey:
    from reconciler.model.state import ReleaseRef, release_key

    return release_key(ReleaseRef(repository=repository, environment=env, name=name))


def removal_subject(desk: Desk, path: str) -> Subject:
    """The removal whose signature lies at `path`, to be voted on; raises Refused when nobody can say what it ends."""
    from reconciler.digest import sha256_of
    from reconciler.loop.apart import removal_at
    from reconciler.loop.removing import removal_statement
    from reconciler.model.environment import Environment
    from reconciler.trust.verify import verify

    at = removal_at(path)
    assert at is not None  # noqa: S101  # the caller asked
    env, name, cluster = at
    key = _key_of(desk.trust.spec.repository, env, name)
    governed = desk.snapshot.governed.get(("Environment", env))
    if governed is None:
        raise Refused(f"nobody can say yes or no to {path}: environment {env} is not in force")
    signature = read_document(desk.root, path)
    place = WorkTree(checkout=desk.checkout, root=desk.root)
    for _, data in texts_of(desk.checkout, place, env, name):
        statement = removal_statement(key, cluster, sha256_of(data))
        found = verify(
            statement, signature, desk.trust, verb="remove", environment=env, first_seen=desk.now, now=desk.now
        )
        if found.verified:
            return Subject(
                key=key, digest=sha256_of(statement.text()), what=path,
                environment=governed.loaded.as_(Environment), authors=found.people,
                rules=governed.loaded.as_(Environment).spec.approvals,
            )  # fmt: skip
    raise Refused(f"{path} is no removal of a text of {env}/{name} in the last {REVISIONS} commits")
