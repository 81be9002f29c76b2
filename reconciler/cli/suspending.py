"""`suspend` and `resume`: a Hold for one release, written into and taken out of the clone; what decides is the merge.

Not a switch: nothing is held before the file is on the trunk, and a Hold that was there stays in force after its file
is gone, until it ends or its removal is signed. So `resume` deletes a Hold that was never committed, and signs the end
of one that was.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.desk import CONFIG_TRUST, Key, TrustFileOption
from reconciler.cli.signing import Repository
from reconciler.errors import EXIT_DONE, Misused, NotFound, Refused

if TYPE_CHECKING:
    from reconciler.documents.schema import Loaded
    from reconciler.edges.git.checkout import Checkout
    from reconciler.model.hold import Hold

Name = Annotated[str, typer.Argument(metavar="NAME", help="NAME, in every environment, or ENVIRONMENT/NAME.")]
Root = Annotated[Path, typer.Option("--root", metavar="DIR", help="A folder of the clone; else this one.")]
_FOLDER = "holds"
_TEXT = """\
# yaml-language-server: $schema=https://reconciler.dev/schemas/Hold.json
apiVersion: reconciler.dev/v1alpha1
kind: Hold
metadata: {{name: {hold}}}
spec:
  selector: {{{environments}names: [{name}]}}
  reason: {reason}
{until}  releasedBy: {role}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The Hold of one NAME: where clone and watched folder are, the file in it, and what the name means."""

    checkout: "Checkout | None"
    root: Path
    path: str
    environment: str
    name: str

    @property
    def file(self) -> Path:
        """Where it lies on this disk."""
        return self.root / self.path

    def loaded(self) -> "Loaded | None":
        """The Hold that lies there; None when there is no file. Raises Invalid, and Refused when it is another kind."""
        from reconciler.documents.schema import parse

        if not self.file.exists():
            return None
        loaded = parse(self.path, self.file.read_bytes())
        if loaded.kind != "Hold":
            raise Refused(f"{self.path} is a {loaded.kind} and is left alone")
        return loaded


def suspend(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why, for everybody who wonders.")] = "suspended by hand",
    until: Annotated[str, typer.Option(help="When it ends by itself: 2026-12-02T09:00:00Z, or 4h from now.")] = "",
    released_by: Annotated[str, typer.Option(metavar="ROLE", help="The role that may end it earlier.")] = "platform",
    root: Root = Path(),
) -> int:
    """Write a Hold for a release into the clone: once merged, nothing new starts for it. Nobody has to sign it.

    Example: reconciler suspend prod/fraud-detector --reason "incident 4711" --until 4h
    """
    import orjson

    from reconciler.documents.schema import parse
    from reconciler.judge.exceptions import ended
    from reconciler.model.hold import Hold
    from reconciler.model.wire import format_time

    now = datetime.now(UTC)
    place = _place(name, root)
    before = place.loaded()
    if before and not ended(before.as_(Hold), now):
        raise Refused(f"{name} is suspended by {place.path} already", hint=f"commit it, or: reconciler resume {name}")
    _somebody_has(released_by, place.checkout)
    ends = _until(until, now)
    text = _TEXT.format(
        hold=Path(place.path).stem,
        environments=f"environments: [{place.environment}], " if place.environment else "",
        name=place.name,
        reason=orjson.dumps(reason).decode(),
        until=f"  until: {format_time(ends)}\n" if ends else "",
        role=released_by,
    )
    parse(place.path, text.encode())
    place.file.parent.mkdir(parents=True, exist_ok=True)
    place.file.write_text(text, encoding="utf-8")
    end = f"until {format_time(ends)}" if ends else f"until {released_by} signs its removal"
    print(f"{place.path} holds {name} {end}, once it is merged:\n{_commit(f'Suspend {name}', place.path)}")
    return EXIT_DONE


def resume(
    name: Name, root: Root = Path(), key: Key = "", trust: TrustFileOption = "", repository: Repository = ""
) -> int:
    """Take the Hold of a release out of the clone; the end of one that was committed is signed, too.

    Somebody with the role that the Hold names as `releasedBy` runs it. One that was never committed, or has ended, is
    only deleted.

    Example: reconciler resume prod/fraud-detector
    """
    from reconciler.cli.removing import Signing, end_document
    from reconciler.cli.texts import last_committed

    place = _place(name, root)
    there = place.loaded()
    last = _committed(place, there)
    if place.checkout is None or last is None:
        print(_deleted(place, name, there))
        return EXIT_DONE
    desk = Signing.open(place.checkout, key=key, trust=trust, repository=repository)
    fingerprint, taken = end_document(desk, place.path, *last)
    taken += [place.path] if place.path not in taken and last_committed(desk.checkout, place.path, 1) else []
    commit = _commit(f"Resume {name}", *taken)
    print(f"{place.path} is removed and its end is signed with {fingerprint}; it ends once that is merged:\n{commit}")
    return EXIT_DONE


def _committed(place: _Place, there: "Loaded | None") -> "tuple[Loaded, bytes] | None":
    """The Hold and its text as committed last, when it is in force where it was merged.

    Where its file is gone already, the history says what it was.
    """
    from reconciler.cli.texts import REVISIONS, last_committed
    from reconciler.judge.exceptions import ended
    from reconciler.model.hold import Hold

    found = last_committed(place.checkout, place.path, 1 if there else REVISIONS) if place.checkout else None
    if found is None or not isinstance(found[0].document, Hold) or ended(found[0].document, datetime.now(UTC)):
        return None
    return found


def _deleted(place: _Place, name: str, there: "Loaded | None") -> str:
    """Delete a Hold that needs no signature to end; what to say. Raises NotFound when there is none."""
    from reconciler.judge.exceptions import ended
    from reconciler.model.hold import Hold

    if there is None:
        raise NotFound(
            f"{name} is not suspended: there is no {place.path}", hint=f"see what holds it: reconciler why {name}"
        )
    place.file.unlink()
    if place.checkout is None:
        stays = _stays(there.as_(Hold))
        return f"{place.path} is removed; where it was merged it stays in force {stays}"
    if ended(there.as_(Hold), datetime.now(UTC)):
        return f"{place.path} is removed; it has ended already:\n{_commit(f'Resume {name}', place.path)}"
    return (
        f"{place.path} is removed; it was never committed and holds nothing (if you added it: git reset {place.path})"
    )


def _stays(hold: "Hold") -> str:
    """How long a Hold stays in force without its file."""
    from reconciler.model.wire import format_time

    until = f"until {format_time(hold.spec.until)}" if hold.spec.until else "without an end"
    return f"{until}, unless {hold.spec.released_by} signs its removal"


def _somebody_has(role: str, checkout: "Checkout | None") -> None:
    """Raise Refused for a role that nobody in the clone's trust file has: nobody could end the Hold.

    A trust file that is not known, or cannot be read, hinders nobody from stopping something.
    """
    from reconciler.cli.trust import trusted

    file = checkout.config(CONFIG_TRUST) if checkout else ""
    if not file:
        return
    try:
        people = trusted(Path(file).expanduser()).spec.people
    except Misused as error:
        typer.echo(f"whether somebody has the role {role} was not looked at: {error.message}", err=True)
        return
    roles = sorted({one for person in people for one in person.roles})
    if role not in roles:
        raise Refused(
            f"nobody in {file} has the role {role}, so nobody could end this Hold",
            hint=f"give --released-by one of {', '.join(roles)}" if roles else "",
        )


def _commit(message: str, *paths: str) -> str:
    return f'  git add {" ".join(paths)} && git commit -m "{message}" && git push'


def _place(name: str, root: Path) -> _Place:
    """Where the Hold of a NAME lies; raises NotFound when the clone has no such release."""
    from reconciler.cli.tree import around, watched, work_tree
    from reconciler.documents.schema import NotOurs, is_document_path, parse
    from reconciler.errors import Invalid
    from reconciler.model.release import ModelRelease

    if not root.is_dir():
        raise Misused(f"there is no folder {root}")
    checkout = around(root)
    top = watched(checkout) if checkout else root.resolve()
    environment, _, bare = name.rpartition("/")
    known = []
    for path, data in work_tree(top, checkout).contents.items():
        if not is_document_path(path):
            continue
        try:
            document = parse(path, data).document
        except (NotOurs, Invalid):
            continue
        if isinstance(document, ModelRelease):
            known.append((document.environment, document.name))
    if not any(row[1] == bare and environment in ("", row[0]) for row in known):
        names = ", ".join(f"{row[0]}/{row[1]}" for row in sorted(known)[:10])
        raise NotFound(f"there is no release '{name}' in {top}", hint=f"there is {names}" if names else "")
    stem = f"{environment}-{bare}" if environment else bare
    return _Place(checkout=checkout, root=top, path=f"{_FOLDER}/{stem}.yaml", environment=environment, name=bare)


def _until(text: str, now: datetime) -> datetime | None:
    """A time, or a duration from now; None for no text. Raises Misused."""
    from reconciler.model.wire import parse_duration

    if not text:
        return None
    try:
        ends = now + parse_duration(text)
    except ValueError:
        try:
            ends = datetime.fromisoformat(text)
        except ValueError:
            ends = now.replace(tzinfo=None)
    if ends.tzinfo is None:
        raise Misused(f"--until is a time such as 2026-12-02T09:00:00Z, or a duration such as 4h, not '{text}'")
    if ends <= now:
        raise Misused(f"--until {text} is over already")
    return ends.astimezone(UTC)
