"""`approve 12`, `reject 12`: a person's yes or no to what merging a pull request asks, as one comment on it.

Not what is asked (`pulls`) and no judgement. Rules: everything is shown before it is signed; what is signed is what the
daemon would count, tried with the daemon's own judgement before it is posted; nothing is posted when the head moved
meanwhile. The words of the comment are for people and authorise nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from reconciler.cli.approving import bring_vote, signed_vote
from reconciler.cli.proposing import code, plain
from reconciler.cli.pulls import PullDesk, Way, person_of, pull_on_forge, still_there
from reconciler.cli.signing import chosen_key
from reconciler.errors import EXIT_DONE, Misused, NotFound, Refused

if TYPE_CHECKING:
    from reconciler.edges.forge.protocol import Forge
    from reconciler.loop.pull_asks import Question

_REASON = 1_000  # characters of why somebody says no


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vote:
    """One yes or no, signed."""

    question: "Question"
    block: bytes
    person: str


def vote_on_pull(number: int, action: str, way: Way, *, key: str, trust: str, repository: str) -> int:
    """Show what it asks, sign it, and bring it to where the person wants it."""
    from reconciler.edges.git.checkout import Checkout

    if way.push and way.printing:
        raise Misused("give --push or --print, not both")
    if way.reason and (way.push or way.printing):
        raise Misused("--reason goes into a comment, and neither --push nor --print makes one")
    checkout = Checkout.find(Path())
    signing = chosen_key(checkout, key)
    with pull_on_forge(checkout, number, way.branch) as (forge, pull):
        there = PullDesk.open(checkout, forge, pull, trust=trust, repository=repository)
        chosen = _chosen(there, action, way, person_of(there.desk.trust, signing))
        _show(there, chosen, action, quietly=way.printing)
        _confirm(chosen, action, way)
        votes = [_signed(there, row, action, signing) for row in chosen]
        still_there(forge, pull)
        if way.printing:
            print("".join(vote.block.decode("ascii") for vote in votes), end="")
        elif way.push:
            for vote in votes:
                print(bring_vote(there.desk, there.subject(vote.question), action, vote.block, vote.person))
        else:
            print(_posted(there, forge, votes, action, way.reason))
    return EXIT_DONE


def _chosen(there: PullDesk, action: str, way: Way, person: str) -> "Sequence[Question]":
    """What this person has something to say to; raises Refused, with a sentence each, where that is nothing."""
    from reconciler.loop.pull_asks import why_no_vote

    pull = there.pull
    if not there.questions:
        why = "".join(f"; {sentence}" for sentence in there.unasked)
        raise Refused(f"#{pull.number} asks nobody for an approval{why}")
    asked = [row for row in there.questions if not way.only or _is_named(row, way.only)]
    missing = [name for name in way.only if not any(_is_named(row, (name,)) for row in there.questions)]
    if missing:
        names = ", ".join(sorted({f"{row.key.environment}/{row.key.name}" for row in there.questions}))
        raise NotFound(f"#{pull.number} asks nothing about {missing[0]}", hint=f"it asks about {names}")
    told = [(row, why_no_vote(row, person, there.desk.trust, action)) for row in asked]
    chosen = [row for row, why in told if not why]
    if not chosen:
        raise Refused("; ".join(dict.fromkeys(why for _, why in told)))
    for why in dict.fromkeys(why for _, why in told if why):
        typer.echo(plain(f"left out: {why}"), err=True)
    return chosen


def _is_named(question: "Question", names: Iterable[str]) -> bool:
    key = question.key
    return any(name in (key.name, f"{key.environment}/{key.name}") for name in names)


def _show(there: PullDesk, chosen: "Sequence[Question]", action: str, *, quietly: bool) -> None:
    """What will be signed. `quietly`: beside the blocks, which somebody may pipe."""
    pull = there.pull
    state = "merged already" if pull.merged else f"into {pull.base_branch}"
    lines = [f"#{pull.number} {plain(pull.title)} ({plain(pull.author)}, head {pull.head[:12]}, {state})"]
    for row in chosen:
        lines += ["", *_shown(row, action)]
    typer.echo("\n".join([*lines, ""]), err=quietly)


def _shown(question: "Question", action: str) -> Iterable[str]:
    """One question in lines: what it is about, who signed that, how the votes stand, and the text to sign."""
    from reconciler.loop.approving import approve_statement

    matter, key = question.asked.matter, question.key
    before, after = question.before or "nothing", question.after or "nothing"
    models = f": {before} → {after}" if question.before or question.after else ""
    yield plain(f"{key.environment}/{key.name}{models}")
    yield plain(f"  what      {matter.what}, {matter.digest}")
    yield f"  signed by {', '.join(sorted(question.asked.authors)) or 'nobody yet'}"
    yield plain(f"  asked     {question.quorum.votes}")
    yield f"  you sign, to {action} it:"
    text = replace(approve_statement(key, matter.digest), action=action).text().decode()
    yield from (f"    {line}" for line in text.splitlines())


def _confirm(chosen: "Sequence[Question]", action: str, way: Way) -> None:
    """Ask, where several are signed at once and the person named neither them nor --yes; raises Abort or Misused."""
    import sys

    from reconciler.trust.blocks import MAX_FOUND

    if len(chosen) > MAX_FOUND and not (way.push or way.printing):
        raise Misused(
            f"{len(chosen)} signatures are asked for, and a comment holds {MAX_FOUND}",
            hint="name some of them with --release ENV/NAME, or give --push",
        )
    if len(chosen) == 1 or way.yes or way.only:
        return
    names = ", ".join(f"{row.key.environment}/{row.key.name}" for row in chosen)
    if not sys.stdin.isatty():
        raise Misused(f"these would be signed: {names}", hint="give --yes, or name some with --release ENV/NAME")
    typer.confirm(f"{action} all {len(chosen)}?", abort=True, err=True)


def _signed(there: PullDesk, question: "Question", action: str, key: str) -> _Vote:
    block, person = signed_vote(there.desk, there.subject(question), action, key)
    return _Vote(question=question, block=block, person=person)


def _posted(there: PullDesk, forge: "Forge", votes: Sequence[_Vote], action: str, reason: str) -> str:
    """Put them into one comment, once it is sure that all of them count there; the sentence that says so."""
    body = _comment(votes, action, reason)
    if why := _uncounted(there, forge, votes, body):
        raise Refused(f"nothing was posted: {why}")
    made = forge.comment(there.pull.number, body)
    word = "approved" if action == "approve" else "rejected"
    names = ", ".join(f"{vote.question.key.environment}/{vote.question.key.name}" for vote in votes)
    return f"{word} {names} as {votes[0].person}: {plain(made.url or there.pull.url)}"


def _comment(votes: Sequence[_Vote], action: str, reason: str) -> str:
    word = "Approved" if action == "approve" else "Rejected"
    lines = []
    for vote in votes:
        key, matter = vote.question.key, vote.question.asked.matter
        lines.append(f"{word} {code(f'{key.environment}/{key.name}')} ({code(matter.digest)}) as {code(vote.person)}.")
        lines += ["", "```", vote.block.decode("ascii").rstrip("\n"), "```", ""]
    return "\n".join([*([f"Because: {code(reason[:_REASON])}", ""] if reason else []), *lines])


def _uncounted(there: PullDesk, forge: "Forge", votes: Sequence[_Vote], body: str) -> str:
    """Why the daemon would not count all of it, by its own judgement; empty when it would."""
    from reconciler.loop.pull_votes import judge_pull
    from reconciler.model.pull import Comment

    found = judge_pull(
        there.pull, [row.asked for row in there.questions], forge=forge.kind,
        comments=[Comment(id=0, author="you", body=body)], reviews=(), refs={}, bound={}, trust=there.desk.trust,
        now=there.desk.now,
    )  # fmt: skip
    wanted = {(vote.question.asked.matter.digest, vote.person) for vote in votes}
    if wanted <= {(cast.fact.closure, cast.fact.person) for cast in found.cast}:
        return ""
    return "; ".join(found.notes) or "the comment would not hold what was signed"
