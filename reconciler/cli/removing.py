"""`remove`: end a release, one cluster of it, or a governing document, as a signed change of the work tree.

Nothing is deleted anywhere by this: it takes the file away and writes the signature that lets the daemon do it once it
is merged and approved. Rule: what is signed is the text as it lies there now, so the removal fits no other one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.approving import Desk, Key, Subject
from reconciler.cli.signing import Repository, chosen_key, read_document, replace_file, repository_name, signer_of
from reconciler.errors import EXIT_DONE, Misused, NotFound, Refused
from reconciler.model.ids import ReleaseKey

if TYPE_CHECKING:
    from reconciler.documents.schema import Loaded
    from reconciler.edges.git.checkout import Checkout
    from reconciler.trust.statement import Statement

_REVISIONS = 50  # commits that are looked back for the text of a release that is gone


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The release, or the path of a governing document.")],
    env: Annotated[str, typer.Option("--env", metavar="ENV", help="The release's environment.")] = "",
    cluster: Annotated[
        str, typer.Option("--cluster", metavar="C", help="Only on this cluster, which the release selects no more.")
    ] = "",
    key: Key = "",
    repository: Repository = "",
) -> int:
    """End a release, one cluster of it, or a governing document.

    Takes the file away and writes a signed removal under removals/; commit both. Nothing is deleted on a cluster before
    that is merged and has the environment's approvals. With --cluster the file stays.

    Example: reconciler remove fraud-detector --env prod
    """
    from reconciler.cli.tree import watched
    from reconciler.edges.git.checkout import Checkout

    checkout = Checkout.find(Path())
    root, whose = watched(checkout), repository_name(checkout, repository)
    if "/" in name:
        if env or cluster:
            raise Misused(f"{name} is a path, which has no --env and no --cluster")
        print(_remove_document(checkout, root, name, repository=whose, key=key))
        return EXIT_DONE
    if not env:
        raise Misused("say in which environment the release ends", hint="give --env ENV")
    print(_remove_release(checkout, root, name, env, cluster, repository=whose, key=key))
    return EXIT_DONE


def _remove_release(
    checkout: "Checkout", root: Path, name: str, env: str, cluster: str, *, repository: str, key: str
) -> str:
    from reconciler.digest import sha256_of
    from reconciler.loop.apart import WHOLE, removal_path
    from reconciler.loop.removing import removal_statement

    found = next(_texts(checkout, root, env, name), None)
    if found is None:
        raise NotFound(f"there is no release {env}/{name} in {root}, and was none in the last {_REVISIONS} commits")
    path, data = found
    statement = removal_statement(_key_of(repository, env, name), cluster or WHOLE, sha256_of(data))
    written = removal_path(env, name, cluster or WHOLE)
    fingerprint = _sign(checkout, root / written, statement, key)
    taken = [written] if cluster else [written, *_take_away(root, path)]
    where = f" on {cluster}" if cluster else ""
    return (
        f"signed the end of {env}/{name}{where} with {fingerprint}: commit {', '.join(taken)}; "
        f"who may approve it runs: reconciler approve {written}"
    )


def _remove_document(checkout: "Checkout", root: Path, path: str, *, repository: str, key: str) -> str:
    from reconciler.digest import sha256_of
    from reconciler.documents.schema import parse
    from reconciler.loop.apart import config_removal_path
    from reconciler.loop.statements import GOVERNING
    from reconciler.trust.statement import ConfigRemovalStatement

    data = read_document(root, path)
    kind = parse(path, data).kind
    if kind not in GOVERNING:
        raise Refused(f"{path} is a {kind}; only {', '.join(GOVERNING)} end by their path")
    digest = sha256_of(data).removeprefix("sha256:")
    written = config_removal_path(path)
    fingerprint = _sign(
        checkout, root / written, ConfigRemovalStatement(repository=repository, path=path, sha256=digest), key
    )
    return f"signed the end of {kind} {path} with {fingerprint}: commit {', '.join([written, *_take_away(root, path)])}"


def _sign(checkout: "Checkout", file: Path, statement: "Statement", key: str) -> str:
    """Write the signature file; the fingerprint of the key."""
    from reconciler.edges.keys import sign as sign_text

    block = sign_text(chosen_key(checkout, key), statement.text(), statement.namespace).encode("ascii")
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, block)
    return signer_of(block)[0]


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
    raise Refused(f"{path} is no removal of a text of {env}/{name} in the last {_REVISIONS} commits")


def _texts(checkout: "Checkout", root: Path, env: str, name: str) -> Iterator[tuple[str, bytes]]:
    """Path and text of the release, the newest first: in the work tree, then commit by commit."""
    from reconciler.cli.tree import watched_path
    from reconciler.edges.git.checkout import history

    for path, loaded in _releases(checkout, root):
        if _is(loaded, env, name):
            yield path, read_document(root, path)
    seen: set[bytes] = set()
    with history(checkout.top) as opened:
        for back in range(_REVISIONS):
            try:
                revision = opened.resolve(f"HEAD~{back}")
                contents, _ = opened.read(revision, watched_path(checkout), suffixes=(".yaml", ".yml"))
            except NotFound:
                return
            for path, loaded in _parsed(contents):
                if _is(loaded, env, name) and contents[path] not in seen:
                    seen.add(contents[path])
                    yield path, contents[path]
