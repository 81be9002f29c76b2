"""`promote`: what runs in one environment is proposed for the next one, as a signed change of its file.

Not the promotion: that begins when the pull request is merged and every gate is open. Rules: both texts are those of
origin's branch; what is copied is `documents/splice`'s, and the rest of the file stays as it is; what does not validate
there, or would not count, is not pushed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.desk import Key, TrustFileOption
from reconciler.cli.proposing import (
    Base,
    Branch,
    Change,
    DryRun,
    NoPull,
    Proposer,
    code,
    plain,
    show,
    trust_of,
    whom_to_ask,
)
from reconciler.cli.signing import Repository, chosen_key, repository_name
from reconciler.errors import EXIT_DONE, Invalid, Misused, Refused

if TYPE_CHECKING:
    from reconciler.cli.checking import Checked
    from reconciler.documents.schema import Loaded
    from reconciler.model.trustfile import TrustFile


@dataclass(frozen=True, slots=True, kw_only=True)
class _Promotion:
    """The release as it is (None: not there yet) and as it would be, and the one that it is promoted from."""

    source: "Loaded"
    before: "Loaded | None"
    after: "Loaded"
    data: bytes
    notes: tuple[str, ...]


def promote(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The release's name.")],
    *,
    source: Annotated[str, typer.Option("--from", metavar="ENV", help="The environment that it runs in.")],
    target: Annotated[str, typer.Option("--to", metavar="ENV", help="The environment that it is to run in.")],
    branch: Branch = "",
    dry_run: DryRun = False,
    no_pr: NoPull = False,
    key: Key = "",
    trust: TrustFileOption = "",
    repository: Repository = "",
) -> int:
    """Propose what runs in one environment for another one: a signed commit on a branch, and its pull request.

    Copies the model, its evidence, and serving's runtime, image, args, env and startup into the other environment's
    file, whose other lines and comments stay; replicas, resources, targets and the like are the environment's own.
    It reads origin's branch as it is now; your work tree does not matter and does not change.

    Example: reconciler promote fraud-detector --from staging --to prod
    """
    from reconciler.edges.git.checkout import Checkout

    if source == target:
        raise Misused(f"{name} is to come from {source} and to go there: name two environments")
    if "/" in name:
        raise Misused(f"{name} is not a release's bare name", hint="the environments are --from and --to")
    checkout = Checkout.find(Path())
    called, now = repository_name(checkout, repository), datetime.now(UTC)
    base = Base.open(checkout, branch, trying=dry_run)
    found = _promotion(base, name, source, target)
    if found is None:
        print(f"{target}/{name} says what {source}/{name} says already: there is nothing to promote")
        return EXIT_DONE
    for note in found.notes:
        typer.echo(note, err=True)
    if dry_run:
        return show(base, _change(base, found, b"", "", None))
    proposer = Proposer.of(base, pull=not no_pr, key=key)
    chosen, people = chosen_key(checkout, key), trust_of(base, trust, now=now)
    signature, fingerprint = _signed(found, called, chosen, people, now)
    return proposer.propose(_change(base, found, signature, fingerprint, people))


def _promotion(base: Base, name: str, source: str, target: str) -> _Promotion | None:
    """What would change; None for nothing. Raises NotFound for what is not there, Invalid for what would be wrong."""
    from reconciler.documents.schema import parse
    from reconciler.documents.splice import first, not_copied, splice

    given = base.known(source, name)
    environment = base.environment(target)
    before = base.release(target, name)
    text = base.contents[given.path]
    notes = []
    if before is None:
        path, data = _path(base, given, source, target), first(given.path, text, target)
        left = not_copied(given.path, text)
        notes += [f"a first one of {target}: {', '.join(left)} of {source} stay behind"] if left else []
    else:
        path = before.path
        data = splice(path, base.contents[path], given.path, text)
        if data == base.contents[path]:
            return None
    checked = _checked(base, path, data, new=before is None, environment=environment.path)
    after = environment.document.spec.after  # type: ignore[attr-defined]  # an Environment, by its kind
    notes += [f"{target} comes after {after}, and not after {source}"] if after not in (None, source) else []
    notes += _unlike(checked, given, path, target)
    return _Promotion(source=given, before=before, after=parse(path, data), data=data, notes=tuple(notes))


def _path(base: Base, given: "Loaded", source: str, target: str) -> str:
    """Where a first one goes: beside the source, in its own environment's folder."""
    from reconciler.documents.index import RELEASES

    parts = list(PurePosixPath(given.path).parts)
    for at in range(len(parts) - 2, 0, -1):
        if parts[at] == source and parts[at - 1] == RELEASES:
            parts[at] = target
            break
    else:
        parts = [RELEASES, target, f"{given.name}.yaml"]
    path = "/".join(parts)
    if path in base.contents:
        raise Refused(f"{path} is there already and is not {target}/{given.name}")
    return path


def _checked(base: Base, path: str, data: bytes, *, new: bool, environment: str) -> "Checked":
    """What `validate` says of the branch with this file; raises Invalid with what is wrong with the file."""
    from reconciler.cli.checking import check_tree

    checked = check_tree({**base.contents, path: data})
    wrong = [row for row in checked.problems if row.path == path or path in checked.concerned.get(row, ())]
    if wrong:
        error = Invalid(wrong)
        if new:
            error.hint = (
                f"a first one takes what is not copied from spec.defaults in {environment}: "
                f"add it there, or write {path} yourself"
            )
        raise error
    if checked.note:
        typer.echo(checked.note, err=True)
    return checked


def _unlike(checked: "Checked", given: "Loaded", path: str, target: str) -> list[str]:
    """What is another value there all the same, for the environments' defaults differ."""
    from reconciler.documents.splice import copied

    sides = [checked.completed.get(one) for one in (given.path, path)]
    if any(side is None for side in sides):
        return []
    was, now = (dict(_flat(copied(side.spec.to_data()), "")) for side in sides if side)
    unlike = sorted(field for field in was.keys() | now.keys() if was.get(field) != now.get(field))
    return [f"{field} is another one in {target}, by the environments' defaults" for field in unlike]


def _flat(copied: dict[str, Any], before: str) -> list[tuple[str, Any]]:
    """The copied fields by their names."""
    rows: list[tuple[str, Any]] = []
    for name, value in copied.items():
        rows += _flat(value, f"{name}.") if name == "serving" else [(f"{before}{name}", value)]
    return rows


def _signed(
    found: _Promotion, repository: str, key: str, trust: "TrustFile | None", now: datetime
) -> tuple[bytes, str]:
    """The signature, and whose key; raises Refused where the trust file says that it would not count."""
    from reconciler.cli.signing import signer_of
    from reconciler.cli.verify import verify_document
    from reconciler.digest import sha256_of
    from reconciler.edges.keys import sign
    from reconciler.loop.statements import statement_of

    path = found.after.path
    statement = statement_of(repository, path, found.after, sha256_of(found.data))
    block = sign(key, statement.text(), statement.namespace).encode("ascii")
    if trust is not None:
        if trust.spec.repository != repository:
            raise Misused(f"the trust file vouches for {trust.spec.repository}, not for {repository}")
        judged = verify_document(path, found.data, block, found.after, trust, first_seen=now, now=now)
        if not judged.verified:
            raise Refused(f"it would not count: {judged.sentence}")
    return block, signer_of(block)[0]


def _change(base: Base, found: _Promotion, signature: bytes, fingerprint: str, trust: "TrustFile | None") -> Change:
    from reconciler.digest import sha256_of
    from reconciler.model.branches import branch_of
    from reconciler.model.environment import Environment
    from reconciler.model.release import ModelRelease

    after = found.after.as_(ModelRelease)
    model, digest = after.spec.data["model"], sha256_of(found.data)
    source, target = found.source.as_(ModelRelease).environment, after.environment
    was = found.before.as_(ModelRelease).spec.data["model"] if found.before else None
    title = f"Promote {after.name} {model['version']} from {source} to {target}"
    rows = [
        f"{after.name}: {source} → {target}",
        "",
        f"- model version {code(was['version']) if was else 'none'} → {code(model['version'])}",
        f"- model digest {code(was['digest']) if was else 'none'} → {code(model['digest'])}",
        f"- {code(found.after.path)} is {code(digest)}" + (f", signed with {code(fingerprint)}" if fingerprint else ""),
        *(f"- {note}" for note in found.notes),
        *whom_to_ask(base.environment(target).as_(Environment), after, trust),
        "",
        f"Merging it begins the promotion. Who may approve it runs {code(f'reconciler approve {found.after.path}')}.",
    ]
    return Change(
        branch=branch_of("promote", target, after.name, digest),
        files={found.after.path: found.data, f"{found.after.path}.sig": signature},
        title=plain(title),
        body="\n".join(rows) + "\n",
    )
