"""`remove`: end a release, one cluster of it, or a governing document, as a signed change of the work tree.

Nothing is deleted anywhere by this: it takes the file away and writes the signature that lets the daemon do it once it
is merged and approved. Rules: what is signed is the text as it was committed, for the daemon knows no other one; a
signature that would not count is not written, and then nothing is taken away.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.desk import CONFIG_TRUST, Desk, Key, Subject, TrustFileOption
from reconciler.cli.signing import (
    BLOCK,
    Repository,
    chosen_key,
    existing,
    made_over,
    read_document,
    replace_file,
    repository_name,
    signer_of,
)
from reconciler.errors import EXIT_DONE, Misused, NotFound, Refused
from reconciler.model.ids import ReleaseKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.documents.schema import Loaded
    from reconciler.edges.git.checkout import Checkout
    from reconciler.model.trustfile import TrustFile
    from reconciler.model.verification import Verification
    from reconciler.trust.statement import Statement

    Judged = Callable[[TrustFile, bytes], Verification]

REVISIONS = 50  # commits that are looked back for the text of what is gone


def remove(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="NAME or ENVIRONMENT/NAME of a release, or a governing document's path."),
    ],
    env: Annotated[str, typer.Option("--env", metavar="ENV", help="The release's environment.")] = "",
    cluster: Annotated[
        str, typer.Option("--cluster", metavar="C", help="Only on this cluster, which the release selects no more.")
    ] = "",
    key: Key = "",
    trust: TrustFileOption = "",
    repository: Repository = "",
) -> int:
    """End a release, one cluster of it, or a governing document.

    Takes the file away and writes a signed removal under removals/; commit both. Nothing is deleted on a cluster before
    that is merged and has the environment's approvals. With --cluster the file stays: let the release select that
    cluster no more. A Cluster that ends has nothing deleted on it. To stop serving and keep everything, use
    `state: retired` in the release instead.

    Example: reconciler remove prod/fraud-detector
    """
    from reconciler.edges.git.checkout import Checkout

    desk = Signing.open(Checkout.find(Path()), key=key, trust=trust, repository=repository)
    if is_document_name(name):
        if env or cluster:
            raise Misused(f"{name} is a path, which has no --env and no --cluster")
        print(_remove_document(desk, name))
        return EXIT_DONE
    at, _, bare = name.rpartition("/")
    if at and env and at != env:
        raise Misused(f"{name} is not in environment {env}")
    print(_remove_release(desk, bare, at or env, cluster))
    return EXIT_DONE


def is_document_name(name: str) -> bool:
    """Whether a NAME is the path of a file, and not a release's."""
    return name.endswith((".yaml", ".yml"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """The clone and its watched folder, the key to sign with, and the trust file where one is known (else empty)."""

    checkout: "Checkout"
    root: Path
    repository: str
    key: str
    trust: str

    @classmethod
    def open(cls, checkout: "Checkout", *, key: str, trust: str, repository: str) -> "Signing":
        """The options, or else the clone's settings; raises Misused where a name or a key is missing."""
        from reconciler.cli.tree import watched

        return cls(
            checkout=checkout, root=watched(checkout), repository=repository_name(checkout, repository),
            key=chosen_key(checkout, key), trust=trust or checkout.config(CONFIG_TRUST),
        )  # fmt: skip

    def stands(self, path: str, statement: "Statement", judged: "Judged") -> bool:
        """Whether the signature is there already and counts; without a trust file, whether it is over this text."""
        from reconciler.cli.trust import trusted

        block = existing(self.root / path)
        if block and self.trust:
            return judged(trusted(Path(self.trust).expanduser()), block).verified
        return any(made_over(one, statement) for one in BLOCK.findall(block))

    def sign(self, path: str, statement: "Statement", judged: "Judged") -> str:
        """Write the signature file; the fingerprint of the key. Raises Refused where it would not count."""
        from reconciler.cli.trust import trusted
        from reconciler.edges.keys import sign as sign_text

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
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, block)
        return signer_of(block)[0]

    def committed(self, path: str) -> bytes:
        """The text of a document, which must be the one that was committed last: the daemon knows no other."""
        from reconciler.cli.tree import at_revision, watched_path

        data = read_document(self.root, path)
        before = at_revision(self.checkout, "HEAD", watched_path(self.checkout)).contents.get(path)
        if before != data:
            what = "was never committed" if before is None else "was changed and not committed"
            raise Refused(
                f"{path} {what}, and a removal is of the text that the daemon knows",
                hint=f"undo the change with: git restore {path}" if before is not None else f"delete it: rm {path}",
            )
        return data


def _remove_release(desk: Signing, name: str, env: str, cluster: str) -> str:
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
    taken = [written] if cluster else [written, *_take_away(desk.root, found)]
    where = f" on {cluster}" if cluster else ""
    then = f" (it ends there once {found} selects {cluster} no more)" if cluster else ""
    return (
        f"signed the end of {env}/{name}{where} with {fingerprint}: commit {', '.join(taken)}{then}; "
        f"who may approve it runs: reconciler approve {written}"
    )


def _found(desk: Signing, name: str, env: str) -> tuple[str, str, bytes]:
    """Environment, path and text of the release that is meant; raises NotFound, or Misused where several are.

    One whose file was deleted before is ended by the last text that it had.
    """
    from reconciler.loop.apart import WHOLE, removal_path
    from reconciler.model.release import ModelRelease

    rows = [
        (loaded.document.environment, path)
        for path, loaded in _releases(desk.checkout, desk.root)
        if isinstance(loaded.document, ModelRelease)
        and loaded.name == name
        and env in ("", loaded.document.environment)
    ]
    if len({at for at, _ in rows}) > 1:
        named = " or ".join(f"{at}/{name}" for at, _ in sorted(rows))
        raise Misused(f"{name} is in several environments", hint=f"say {named}")
    if rows:
        return (*rows[0], desk.committed(rows[0][1]))
    if not env:
        raise NotFound(f"there is no release {name} in {desk.root}", hint="one that is gone needs its environment, too")
    written = removal_path(env, name, WHOLE)
    if (desk.root / written).exists():
        raise NotFound(
            f"{env}/{name} was removed already: its removal is {written}", hint="commit it, if it is not yet"
        )
    last = next(_texts(desk.checkout, desk.root, env, name), None)
    if last is None:
        raise NotFound(f"there is no release {env}/{name} in {desk.root}, and was none in the last {REVISIONS} commits")
    return (env, *last)


def _declared(desk: Signing, cluster: str) -> None:
    """Raise NotFound for a cluster that no document declares."""
    names = sorted(loaded.name for _, loaded in _releases(desk.checkout, desk.root) if loaded.kind == "Cluster")
    if cluster not in names:
        raise NotFound(f"there is no cluster {cluster}", hint=f"there is {', '.join(names)}" if names else "")


def _remove_document(desk: Signing, path: str) -> str:
    from reconciler.loop.statements import GOVERNING
    from reconciler.model.release import ModelRelease

    loaded, data = _document(desk, path)
    if isinstance(loaded.document, ModelRelease):
        name = f"{loaded.document.environment}/{loaded.name}"
        raise Refused(f"{path} is a ModelRelease, which ends by its name", hint=f"run: reconciler remove {name}")
    if loaded.kind not in GOVERNING:
        raise Refused(f"{path} is a {loaded.kind}; only {', '.join(GOVERNING)} end by their path")
    if (desk.root / path).exists():
        desk.committed(path)
    fingerprint, taken = end_document(desk, path, loaded, data)
    return f"signed the end of {loaded.kind} {path} with {fingerprint}: commit {', '.join(taken)}"


def _document(desk: Signing, path: str) -> "tuple[Loaded, bytes]":
    """The governing document that is meant; one whose file was deleted before is ended by the last text that it had."""
    from reconciler.documents.schema import parse

    if (desk.root / path).exists():
        data = read_document(desk.root, path)
        return parse(path, data), data
    last = last_committed(desk.checkout, path)
    if last is None:
        raise NotFound(f"there is no {path} in {desk.root}, and was none in the last {REVISIONS} commits")
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

    if not (desk.root / path).exists() and desk.stands(written, statement, judged):
        raise NotFound(f"{path} was removed already: its removal is {written}", hint="commit it, if it is not yet")
    fingerprint = desk.sign(written, statement, judged)
    return fingerprint, [written, *_take_away(desk.root, path)]


def _take_away(root: Path, path: str) -> list[str]:
    """Delete a document and its signatures; the paths that were there."""
    taken = [one for one in (path, f"{path}.sig") if (root / one).exists()]
    for one in taken:
        (root / one).unlink()
    return taken


def _releases(checkout: "Checkout", root: Path) -> Iterator[tuple[str, "Loaded"]]:
    """The releases of the work tree by path."""
    from reconciler.cli.tree import work_tree

    yield from _parsed(work_tree(root, checkout).contents)


def _parsed(contents: dict[str, bytes]) -> Iterator[tuple[str, "Loaded"]]:
    from reconciler.documents.schema import is_document_path, parse

    for path, data in contents.items():
        if not is_document_path(path):
            continue
        try:
            yield path, parse(path, data)
        except Refused:
            continue  # other people's YAML, and what does not parse: `validate` says so


def _is(loaded: "Loaded", env: str, name: str) -> bool:
    from reconciler.model.release import ModelRelease

    document = loaded.document
    return isinstance(document, ModelRelease) and (document.environment, loaded.name) == (env, name)


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
    for _, data in _texts(desk.checkout, desk.root, env, name):
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


def _texts(checkout: "Checkout", root: Path, env: str, name: str) -> Iterator[tuple[str, bytes]]:
    """Path and text of the release, the newest first: in the work tree, then commit by commit."""
    for path, loaded in _releases(checkout, root):
        if _is(loaded, env, name):
            yield path, read_document(root, path)
    seen: set[bytes] = set()
    for contents in _revisions(checkout, (".yaml", ".yml"), REVISIONS):
        for path, loaded in _parsed(contents):
            if _is(loaded, env, name) and contents[path] not in seen:
                seen.add(contents[path])
                yield path, contents[path]


def last_committed(checkout: "Checkout", path: str, revisions: int = REVISIONS) -> "tuple[Loaded, bytes] | None":
    """The document that was committed last at `path` and can be read, and its text; None for none."""
    for contents in _revisions(checkout, (path,), revisions):
        for at, loaded in _parsed(contents):
            if at == path:
                return loaded, contents[path]
    return None


def _revisions(checkout: "Checkout", suffixes: tuple[str, ...], most: int) -> Iterator[dict[str, bytes]]:
    """The files whose names end so, by path, of the last commits, the newest first."""
    from reconciler.cli.tree import watched_path
    from reconciler.edges.git.checkout import history

    with history(checkout.top) as opened:
        for back in range(most):
            try:
                revision = opened.resolve(f"HEAD~{back}")
            except NotFound:
                return
            try:
                yield opened.read(revision, watched_path(checkout), suffixes=suffixes)[0]
            except NotFound:
                continue  # the watched folder was empty there
