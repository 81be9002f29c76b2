"""`approve`, `reject`, `approvals`: a person's yes or no to a release, as a signature in a file or pushed to a ref.

Not the judgement (trust/ballot, trust/quorum), nor a yes or no to a pull request (`pull_votes`). Rules: what is signed
is the closure that the daemon will compute from the same files; a vote that would not count is not written; a person's
newer vote takes the place of their older one, and other people's votes stay.

Note [what only the daemon knows]: when it first saw an approval, and whether a version was promoted already and asks
nobody any more. Approvals are shown here as if all of them were new and everything were to be promoted.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.desk import Desk, Key, Subject, TrustFileOption
from reconciler.cli.output import Form, print_json, print_table
from reconciler.cli.pulls import Watched, Way, number_of
from reconciler.cli.signing import (
    BLOCK,
    Repository,
    chosen_key,
    existing,
    key_in,
    path_in,
    replace_file,
    signer_of,
)
from reconciler.errors import EXIT_DONE, EXIT_NO, Misused, NotFound, Refused

if TYPE_CHECKING:
    from reconciler.loop.approving import Consent
    from reconciler.model.trustfile import TrustFile
    from reconciler.trust.ballot import Ballot

What = Annotated[
    str,
    typer.Argument(
        metavar="FILE|PR",
        help="The release's file, or a removal's; a pull request's number; with --prune the release's NAME.",
    ),
]
PushFlag = Annotated[
    bool,
    typer.Option("--push", help="Push it to refs/reconciler/approvals of origin: no file, no commit, no comment."),
]
PruneFlag = Annotated[
    bool, typer.Option("--prune", help="Say it to deleting exactly what the release waits to delete.")
]
PrintFlag = Annotated[
    bool, typer.Option("--print", help="Of a pull request: print the signed blocks, and post nothing.")
]
YesFlag = Annotated[
    bool, typer.Option("--yes", help="Of a pull request: sign for everything that it asks, without a question.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--release", metavar="ENV/NAME", help="Of a pull request: only this release; may be repeated."),
]


def approve(
    what: What,
    *,
    prune: PruneFlag = False,
    push: PushFlag = False,
    only: Only = None,
    yes: YesFlag = False,
    printing: PrintFlag = False,
    branch: Watched = "",
    key: Key = "",
    trust: TrustFileOption = "",
    repository: Repository = "",
) -> int:
    """Say yes to a release as it lies there now, or to what merging a pull request asks.

    Your approval is for exactly this text, its environment, runtime and clusters: one changed byte asks you again. Of
    a FILE it is written to approvals/ENVIRONMENT/NAME/YOU.sig; commit it. Of a pull request, which is named by its
    number, what the merge would ask is shown and signed, and put into one comment there in your name. With --push it
    goes to a ref of origin instead, in the place of what you pushed before, and the daemon finds it there. With --prune
    it is a yes to deleting the objects that are shown, and to no others.

    Example: reconciler approve 12

    Example: reconciler approve releases/prod/fraud-detector.yaml --trust ../trust.yaml
    """
    way = Way(only=tuple(only or ()), push=push, printing=printing, yes=yes, branch=branch)
    return _vote(what, "approve", way, prune=prune, key=key, trust=trust, repository=repository)


def reject(
    what: What,
    *,
    prune: PruneFlag = False,
    push: PushFlag = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Of a pull request: why, for people who read the comment.")
    ] = "",
    only: Only = None,
    yes: YesFlag = False,
    printing: PrintFlag = False,
    branch: Watched = "",
    key: Key = "",
    trust: TrustFileOption = "",
    repository: Repository = "",
) -> int:
    """Say no to a release as it lies there now, to what merging a pull request asks, or with --prune to a deletion.

    A no wins over every approval. On a pull request it holds until its comment is deleted, or the text changes.

    Example: reconciler reject 12 --reason "the holdout is too old"

    Example: reconciler reject releases/prod/fraud-detector.yaml --trust ../trust.yaml
    """
    way = Way(only=tuple(only or ()), push=push, printing=printing, yes=yes, branch=branch, reason=reason)
    return _vote(what, "reject", way, prune=prune, key=key, trust=trust, repository=repository)


def _vote(what: str, action: str, way: Way, *, prune: bool, key: str, trust: str, repository: str) -> int:
    from reconciler.cli.confirming import prune_subject, shown
    from reconciler.cli.pull_votes import vote_on_pull
    from reconciler.cli.removing import removal_subject
    from reconciler.loop.apart import removal_at

    number = None if prune else number_of(what)
    if number is not None:
        return vote_on_pull(number, action, way, key=key, trust=trust, repository=repository)
    if given := way.only_for_pulls:
        raise Misused(f"{given} is for a pull request, and {what} is not the number of one")
    say = push_vote if way.push else cast_vote
    if prune:
        desk = Desk.open(Path(), trust=trust, repository=repository)
        subject, marks = prune_subject(desk, what)
        said = say(desk, subject, action, key=chosen_key(desk.checkout, key), beside_others=True)
        print(f"{said}\n{shown(marks)}")
        return EXIT_DONE
    file = Path(what)
    desk = Desk.open(file.parent, trust=trust, repository=repository)
    path = path_in(desk.root, file)
    subject = removal_subject(desk, path) if removal_at(path) else subject_at(desk, path)
    print(say(desk, subject, action, key=chosen_key(desk.checkout, key)))
    return EXIT_DONE


def subject_at(desk: Desk, path: str) -> Subject:
    """The closure of the release at `path`; raises NotFound, or Refused where there is none to vote on."""
    from reconciler.loop.standing import stand

    found = next((row for row in desk.snapshot.releases.values() if row.path == path), None)
    if found is None:
        raise NotFound(f"{path} is no release", hint="name the file of a ModelRelease")
    standing = stand(found.key, desk.snapshot, (), first_seen=desk.now, now=desk.now)
    if standing.closure is None or standing.environment is None:
        why = "; ".join(gate.message for gate in standing.gates if not gate.open and gate.kind != "Signature")
        raise Refused(f"nobody can say yes or no to {path}: {why}")
    authors = standing.verification.people if standing.verification else frozenset[str]()
    return Subject(
        key=found.key, digest=standing.closure, what=path, environment=standing.environment, authors=authors,
        rules=standing.environment.spec.approvals,
    )  # fmt: skip


def cast_vote(desk: Desk, subject: Subject, action: str, *, key: str, beside_others: bool = False) -> str:
    """Sign, check that it would count, and write it to the person's file; the sentence that says so."""
    from reconciler.loop.apart import approval_path

    block, person = signed_vote(desk, subject, action, key)
    path = approval_path(subject.key.environment, subject.key.name, person)
    beside = desk.root / path
    others = [
        old
        for old in BLOCK.findall(existing(beside))
        if not _of(desk.trust, old, person) or (beside_others and not _is_vote(desk, subject, old))
    ]
    beside.parent.mkdir(parents=True, exist_ok=True)
    replace_file(beside, b"".join([*(old.rstrip(b"\r\n") + b"\n" for old in others), block]))
    return f"{_did(subject, action, person)}: commit {path}"


def push_vote(desk: Desk, subject: Subject, action: str, *, key: str, beside_others: bool = False) -> str:
    """Sign, check that it would count, and bring it to the person's ref of origin; the sentence that says so."""
    block, person = signed_vote(desk, subject, action, key)
    return bring_vote(desk, subject, action, block, person, beside_others=beside_others)


def bring_vote(
    desk: Desk, subject: Subject, action: str, block: bytes, person: str, *, beside_others: bool = False
) -> str:
    """Push a vote to the person's ref of origin; the sentence that says so."""
    from reconciler.edges.git import Actor
    from reconciler.loop.vote_refs import APPROVAL_FILE, approval_ref

    checkout, whose = desk.checkout, f"{person}+prune" if beside_others else person
    ref = approval_ref(subject.key.environment, subject.key.name, whose)
    author = Actor(name=person, email=checkout.config("user.email") or f"{person}@localhost")
    revision = checkout.lone_commit(APPROVAL_FILE, block, _did(subject, action, person), author)
    done = _did(subject, action, person)
    checkout.push_ref(ref, revision, checkout.remote_ref(ref))
    return f"{done}: pushed to {ref}, where the daemon finds it with its next look"


def _did(subject: Subject, action: str, person: str) -> str:
    word = "approved" if action == "approve" else "rejected"
    return f"{word} {subject.what} ({subject.digest[:19]}…) as {person}"


def signed_vote(desk: Desk, subject: Subject, action: str, key: str) -> tuple[bytes, str]:
    """The block and whose it is; raises Refused when it would not count."""
    from dataclasses import replace

    from reconciler.edges.keys import sign as sign_text
    from reconciler.loop.approving import approve_statement
    from reconciler.trust.people import owner

    environment = subject.environment
    if subject.rules is None:
        raise Refused(f"environment {environment.name} asks nobody for approvals")
    said = replace(approve_statement(subject.key, subject.digest), action=action)
    block = sign_text(key, said.text(), said.namespace).encode("ascii")
    fingerprint, blob = signer_of(block)
    found = owner(desk.trust, blob)
    if found is None:
        raise Refused(f"{fingerprint} belongs to nobody in the trust file, so it has no vote")
    person = found[0].name
    if action == "approve" and subject.rules.separate and person in subject.authors:
        raise Refused(f"{person} signed {subject.what} and is not one of its approvers")
    if why := _without_vote(desk, subject, block):
        raise Refused(why)
    return block, person


def _without_vote(desk: Desk, subject: Subject, block: bytes) -> str:
    """Why the daemon would not count it, or an empty string."""
    found = _judged(desk, subject, block)
    return "" if found.votes else "; ".join(found.refused).removeprefix("it: ")


def _is_vote(desk: Desk, subject: Subject, block: bytes) -> bool:
    """Whether the block is a yes or no to the same."""
    return bool(_judged(desk, subject, block).votes)


def _judged(desk: Desk, subject: Subject, block: bytes) -> "Ballot":
    from reconciler.loop.approving import approve_statement
    from reconciler.trust.ballot import ballot

    approve = approve_statement(subject.key, subject.digest)
    return ballot(approve, [("it", block)], desk.trust, first_seen=lambda _key, _use: desk.now, verb=subject.verb)


def _of(trust: "TrustFile", block: bytes, person: str) -> bool:
    """Whether the block is of one of this person's keys."""
    from reconciler.trust.people import owner

    found = owner(trust, key_in(block))
    return found is not None and found[0].name == person


def approvals(
    name: Annotated[str, typer.Argument(help="NAME or ENVIRONMENT/NAME; all when left out.")] = "",
    trust: TrustFileOption = "",
    repository: Repository = "",
    root: Annotated[Path, typer.Option("--root", metavar="DIR", help="A folder of the clone; else this one.")] = Path(),
    output: Annotated[Form, typer.Option("-o", "--output", help="The form of the answer.")] = Form.TEXT,
) -> int:
    """Show which approvals of the work tree count, which are missing, and who could give them.

    Only the daemon knows when it first saw an approval, so none is shown as expired. Ends with 1 when one is missing.

    Example: reconciler approvals prod/fraud-detector --trust ../trust.yaml
    """
    desk = Desk.open(root, trust=trust, repository=repository)
    rows = list(_standing(desk, name))
    if name and not rows:
        raise NotFound(f"no release '{name}' is asked for approvals")
    if output is Form.JSON:
        print_json([_data(subject, found) for subject, found in rows])
    else:
        print_table(("RELEASE", "STATE", "WHY"), [_row(subject, found) for subject, found in rows])
    return EXIT_DONE if all(found.gate is None or found.gate.open for _, found in rows) else EXIT_NO


def _standing(desk: Desk, name: str) -> Iterator[tuple[Subject, "Consent"]]:
    """Every release that is asked for approvals, and what people said of it."""
    from reconciler.loop.approving import Matter, consent
    from reconciler.model.state import ReleaseStatus

    for key in sorted(desk.snapshot.releases):
        if name not in ("", key.name, str(key)):
            continue
        try:
            subject = subject_at(desk, desk.snapshot.releases[key].path)
        except Refused:
            continue  # `validate` and `verify` say what is wrong with it
        if subject.environment.spec.approvals is not None:
            matter = Matter(key=key, digest=subject.digest, on="release", what=subject.what)
            yield subject, consent(
                desk.snapshot, ReleaseStatus(), subject.environment, matter,
                path=subject.what, authors=subject.authors, begun=False, now=desk.now,
            )  # fmt: skip


def _row(subject: Subject, found: "Consent") -> tuple[str, ...]:
    assert found.quorum is not None  # noqa: S101  # only releases that are asked come here
    return (str(subject.key), found.quorum.outcome, found.quorum.sentence)


def _data(subject: Subject, found: "Consent") -> dict[str, object]:
    assert found.quorum is not None  # noqa: S101  # only releases that are asked come here
    return {
        "environment": subject.key.environment,
        "name": subject.key.name,
        "closure": subject.digest,
        "met": found.quorum.met,
        "reason": found.quorum.outcome,
        "sentence": found.quorum.sentence,
        "approvals": [row.to_data() for row in found.counted],
        "missing": [
            {"role": row.rule.role, "count": row.missing, "could": list(row.could)} for row in found.quorum.missing
        ],
    }
