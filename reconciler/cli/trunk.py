"""`trunk accept`: a person's signature that a rewritten branch goes on from its head.

Not the acceptance itself: the daemon does that once it finds the signature and the trust file lets that person. Rules:
what vanishes and what appears is shown before anything is signed; a signature that would not count is not pushed; the
clone's branches and work tree stay as they are.

Note [where it goes]: `refs/reconciler/trunk/COMMIT` of origin, pushed as the person. Where that cannot be reached the
ref is made in the clone, to be pushed by hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.app import new_app
from reconciler.cli.desk import CONFIG_TRUST, Key, TrustFileOption
from reconciler.cli.running import Config
from reconciler.cli.signing import Repository, chosen_key, repository_name
from reconciler.errors import EXIT_DONE, Misused, NotFound, Refused, Unreachable

if TYPE_CHECKING:
    from reconciler.config import RepositorySettings, Settings
    from reconciler.edges.git.checkout import Checkout, History
    from reconciler.loop.rewritten import Step
    from reconciler.model.ids import Revision
    from reconciler.model.trustfile import TrustFile

app = new_app("Accept a watched branch whose history was rewritten.")
_SHOWN = 10  # commits of each side
_ID = 40  # hex digits of a full commit id
_SHORT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The clone, the repository's name, the settings that watch it (None: not on this machine), and who is trusted."""

    checkout: "Checkout"
    name: str
    settings: "Settings | None"
    watched: "RepositorySettings | None"
    trust: "TrustFile"


@app.command()
def accept(
    commit: Annotated[str, typer.Argument(metavar="COMMIT", help="The branch's head, which is to be accepted.")],
    old: Annotated[
        str,
        typer.Option("--from", metavar="COMMIT", help="What is accepted now; else the daemon's home or ledger says."),
    ] = "",
    branch: Annotated[str, typer.Option("--branch", help="The watched branch; else as in the settings, or main.")] = "",
    key: Key = "",
    trust: TrustFileOption = "",
    repository: Repository = "",
    root: Annotated[Path, typer.Option("--root", metavar="DIR", help="A folder of the clone; else this one.")] = Path(),
    config: Config = None,
) -> int:
    """Accept a rewritten branch: it goes on from COMMIT, which does not contain what was accepted before.

    Shows what vanishes and what appears, signs that with your SSH key and pushes the signature to
    refs/reconciler/trunk/COMMIT. It counts once, for exactly these two commits, and everything on the branch still
    goes through every gate.

    Example: reconciler trunk accept 8d1f0c2 --trust ../trust.yaml
    """
    from reconciler.edges.git.checkout import Checkout, history
    from reconciler.loop.rewritten import Step
    from reconciler.model.ids import RepositoryName

    place = _place(Checkout.find(root), trust, repository, config)
    with history(place.checkout.top) as opened:
        new = _resolved(opened, commit)
        named = branch or (place.watched.branch if place.watched else "main")
        before = _accepted(place, opened, old)
        _check(place.checkout, opened, named, before, new)
        step = Step(repository=RepositoryName(place.name), branch=named, old=before, new=new)
        print("\n".join(_shown(opened, step)))
    print(_sign(place, step, chosen_key(place.checkout, key)))
    return EXIT_DONE


def _place(checkout: "Checkout", trust: str, repository: str, config: Path | None) -> _Place:
    from reconciler.cli.trust import trusted
    from reconciler.config import find, load

    name = repository_name(checkout, repository)
    settings = watched = None
    try:
        found = find(config)
    except Misused:
        if config is not None:
            raise
    else:
        settings = load(found)
        watched = next((row for row in settings.config.repositories if row.name == name), None)
        if watched is None and config is not None:
            raise Misused(f"{found} does not watch {name}")
    given = trust or checkout.config(CONFIG_TRUST)
    mounted = settings.path(watched.trust) if settings and watched else None
    file = Path(given).expanduser() if given else mounted
    if file is None:
        hint = f"give --trust FILE, or set it once: git config {CONFIG_TRUST} FILE"
        raise Misused("there is no trust file, and it says who may accept a rewritten branch", hint=hint)
    who = trusted(file)
    if who.spec.repository != name:
        raise Misused(f"{file} vouches for {who.spec.repository}, not for {name}")
    return _Place(checkout=checkout, name=name, settings=settings if watched else None, watched=watched, trust=who)


def _resolved(opened: "History", commit: str) -> "Revision":
    try:
        return opened.resolve(commit)
    except NotFound as error:
        raise NotFound(error.message, hint="fetch it first: git fetch origin") from None


def _accepted(place: _Place, opened: "History", given: str) -> "Revision":
    """The revision that is accepted now: given, as the home cluster has it, or as the ledger tells of the rewrite."""
    from reconciler.model.ids import Revision

    if given:
        whole = len(given) == _ID and not set(given) - set("0123456789abcdef")
        return Revision(given) if whole else _resolved(opened, given)
    if place.settings is None or place.watched is None:
        return _from_ledger(place, opened)
    from reconciler.cli.reading import home

    with home(place.settings.file) as reader:
        state = reader.repositories().get(place.name)
    found = (state.status.revision if state else "") or place.watched.start
    if not found:
        raise Refused(f"nothing of {place.name} is accepted yet", hint="set `start` in the settings")
    return Revision(found)


def _from_ledger(place: _Place, opened: "History") -> "Revision":
    """What the ledger's last record of a rewrite says; only records that count are asked."""
    from reconciler.cli.audit import LEDGER, ledger_head
    from reconciler.loop.chain import verify_chain
    from reconciler.model.ids import Revision
    from reconciler.model.record import ACCEPTED, SEEN

    hint = "give --from COMMIT: the condition TrunkRewritten names it; or name the daemon's settings with --config"
    try:
        files, _ = opened.read(ledger_head(opened, LEDGER))
    except NotFound as error:
        raise NotFound(f"what is accepted now is not known: {error.message}", hint=hint) from None
    records = [link.record for link in verify_chain(files, place.trust).links if link.record.kind in (SEEN, ACCEPTED)]
    if not records or records[-1].kind == ACCEPTED:
        raise Refused(f"the ledger of {place.name} says of no rewrite that is still to be accepted", hint=hint)
    return Revision(str(records[-1].detail["from"]))


def _check(checkout: "Checkout", opened: "History", branch: str, old: "Revision", new: "Revision") -> None:
    """Raise Refused when the commit is not the branch's head, or nothing was rewritten."""
    ref = f"refs/heads/{branch}"
    try:
        origin = checkout.upstream()
        head = origin.head(ref)
        if head is None:
            raise NotFound(f"{branch} does not exist in {origin.shown}")
    except (Unreachable, Misused):
        head = _resolved(opened, f"refs/remotes/origin/{branch}")
    if new != head:
        raise Refused(
            f"{new[:_SHORT]} is not what {branch} is now: that is {head[:_SHORT]}",
            hint=f"look at that one, and accept it: reconciler trunk accept {head}",
        )
    if opened.contains(new, old):
        raise Refused(f"{branch} was not rewritten: {new[:_SHORT]} contains {old[:_SHORT]}, which is accepted")


def _shown(opened: "History", step: "Step") -> Iterator[str]:
    """What vanishes from the branch and what appears on it, the newest first."""
    yield f"{step.branch} of {step.repository} would go on from {step.new[:_SHORT]} in place of {step.old[:_SHORT]}."
    try:
        sides = [(("vanishes", "vanish"), *opened.only_in(step.old, step.new, _SHOWN))]
        sides.append((("appears", "appear"), *opened.only_in(step.new, step.old, _SHOWN)))
    except NotFound:
        yield f"What vanishes cannot be shown: {step.old} is not in this clone."
        return
    for (one_does, many_do), count, commits in sides:
        yield f"1 commit {one_does}:" if count == 1 else f"{count} commits {many_do}{':' if count else '.'}"
        for one in commits:
            yield f"  {one.revision[:_SHORT]} {_plain(one.author.name)}: {_plain(one.subject)}"
        if count > len(commits):
            yield f"  … and {count - len(commits)} more"


def _plain(text: str) -> str:
    """Somebody's words: nothing in them moves the cursor."""
    return "".join(char if char.isprintable() else "?" for char in text)[:80]


def _sign(place: _Place, step: "Step", key: str) -> str:
    """Sign it, check that it would count, and bring it to origin; the sentence that says so."""
    from reconciler.edges.git import Actor
    from reconciler.edges.keys import sign as sign_text
    from reconciler.loop.rewritten import TRUNK_FILE, TRUNK_REFS
    from reconciler.trust.verify import verify

    now, said = datetime.now(UTC), step.statement
    block = sign_text(key, said.text(), said.namespace).encode("ascii")
    found = verify(said, block, place.trust, verb="trunk", first_seen=now, now=now)
    if not found.verified:
        raise Refused(f"it would not count: {found.sentence}")
    (person,) = found.people
    author = Actor(name=person, email=place.checkout.config("user.email") or f"{person}@localhost")
    message = f"Accept {step.new} in place of {step.old}"
    revision = place.checkout.lone_commit(TRUNK_FILE, block, message, author)
    ref = f"{TRUNK_REFS}/{step.new}"
    done = f"accepted {step.new[:_SHORT]} in place of {step.old[:_SHORT]} as {person}"
    try:
        place.checkout.push_ref(ref, revision, place.checkout.remote_ref(ref))
    except (Unreachable, Misused) as error:
        typer.echo(error.message, err=True)
        place.checkout.set_ref(ref, revision)
        return f"{done}: push it, and the daemon goes on with its next look: git push --force origin {ref}"
    return f"{done}: the daemon goes on with its next look"
