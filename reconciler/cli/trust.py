"""`trust show|import|export|check`: trust files for people, and the way from and to OpenSSH's allowed_signers."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.app import new_app
from reconciler.cli.output import Form, print_json, print_table, write
from reconciler.cli.running import Config
from reconciler.errors import EXIT_DONE, Invalid, Misused, Refused

if TYPE_CHECKING:
    from reconciler.model.trustfile import Person, TrustedKey, TrustFile
    from reconciler.trust.succession import TrustText

app = new_app("Look at, check, import and export trust files.")
TrustPath = Annotated[Path, typer.Argument(metavar="FILE", help="The trust file.")]


def read_trust_at(path: Path) -> "TrustFile":
    """The trust file at `path`; raises Invalid with every problem, Misused when it cannot be read."""
    from reconciler.loop.mounted import trust_in

    return trust_in(str(path), _bytes(path))


def trusted(path: Path) -> "TrustFile":
    """The trust file that another command relies on; one that does not validate is wrong usage there."""
    try:
        return read_trust_at(path)
    except Invalid as error:
        raise Misused(error.message, hint="no signature is judged by a trust file that is not valid") from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misused(f"{path} cannot be read: {error.strerror}") from None


@app.command()
def show(
    file: TrustPath,
    running: Annotated[
        bool, typer.Option("--running", help="Also which keys released what runs now, as the home cluster says.")
    ] = False,
    config: Config = None,
    output: Annotated[Form, typer.Option("-o", "--output", help="The form.")] = Form.TEXT,
) -> int:
    """Show people, their keys and what they may do.

    Example: reconciler trust show /etc/reconciler/trust.yaml --running
    """
    trust = read_trust_at(file)
    released = _released(trust, config) if running else []
    if output is Form.JSON:
        names = ("key", "person", "state", "runs")
        told = [dict(zip(names, row, strict=True)) for row in released]
        print_json(_data(trust) | ({"running": told} if running else {}))
        return EXIT_DONE
    spec = trust.spec
    print(f"version {spec.version} for {spec.repository}; the next one needs {_threshold(trust)}")
    rows = [
        (person.name, ", ".join(person.roles) or "none", _key(key), "; ".join(_may(trust, person)) or "nothing")
        for person in spec.people
        for key in person.keys
    ]
    rows += [("(daemon)", "", _key(key), "write the ledger and its own commits") for key in spec.daemon]
    print_table(("PERSON", "ROLES", "KEY", "MAY"), rows)
    if running:
        print()
        print_table(("KEY", "WHOSE", "STATE", "RUNS"), released)
    return EXIT_DONE


def _released(trust: "TrustFile", config: Path | None) -> list[tuple[str, str, str, str]]:
    """Every key that released something which runs now: whose it is, its state, and what runs with it."""
    from datetime import UTC, datetime

    from reconciler.cli.reading import home
    from reconciler.trust.keys import fingerprint
    from reconciler.trust.people import key_state

    owners = {fingerprint(blob): found for blob, found in trust.spec.holders.items()}
    now = datetime.now(UTC)
    runs: dict[str, list[str]] = {}
    with home(config) as reader:
        states = [row.value for row in reader.releases() if row.value.release.repository == trust.spec.repository]
    for state in states:
        stable = state.status.stable
        row = next((one for one in state.status.history if stable and one.version == stable.version), None)
        for key in row.keys if row else ():
            runs.setdefault(key, []).append(f"{state.key} {row.model_version}" if row else "")
    rows = []
    for key, names in sorted(runs.items()):
        owner = owners.get(key)
        state_now = key_state(owner[1], now).value if owner else "not in the file"
        rows.append((key, owner[0].name if owner else "nobody", state_now, ", ".join(names)))
    return rows


def _key(key: "TrustedKey") -> str:
    from reconciler.model.wire import format_time

    limits = [("from", key.valid_after), ("until", key.valid_before), ("revoked", key.revoked_at)]
    return " ".join([_fingerprint(key), *(f"{word} {format_time(at)}" for word, at in limits if at)])


def _fingerprint(key: "TrustedKey") -> str:
    from reconciler.trust.keys import fingerprint

    return fingerprint(key.blob)


def _may(trust: "TrustFile", person: "Person") -> list[str]:
    """A phrase for every rule that allows this person something."""
    return [
        f"{', '.join(rule.may)}: {', '.join(rule.environments or rule.paths)}"
        for rule in trust.spec.allow
        if rule.role in person.roles
    ]


def _data(trust: "TrustFile") -> dict[str, Any]:
    """The file, with fingerprints and what each person may do."""
    people = [
        {
            "name": person.name,
            "roles": list(person.roles),
            "keys": [{"fingerprint": _fingerprint(key), **key.to_data()} for key in person.keys],
            "may": [rule.to_data() for rule in trust.spec.allow if rule.role in person.roles],
        }
        for person in trust.spec.people
    ]
    daemon = [{"fingerprint": _fingerprint(key), **key.to_data()} for key in trust.spec.daemon]
    return {"repository": trust.spec.repository, "version": trust.spec.version, "people": people, "daemon": daemon}


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="ALLOWED_SIGNERS", help="As ssh-keygen and git read it.")],
) -> int:
    """Print the people of an allowed_signers file as entries for a trust file.

    The lines say nothing about roles: give every entry its own.

    Example: reconciler trust import ~/.config/git/allowed_signers >> people.yaml
    """
    import yaml

    people = _people(_text(file))
    write(yaml.safe_dump({"people": people}, sort_keys=False, allow_unicode=True, width=10_000).encode())
    return EXIT_DONE


def _text(file: Path) -> str:
    try:
        return _bytes(file).decode()
    except UnicodeDecodeError:
        raise Refused(f"{file} is not UTF-8 text") from None


def _people(text: str) -> list[dict[str, Any]]:
    """An entry per principal, in order of appearance, each with all of its keys."""
    from pydantic import ValidationError

    from reconciler.model.trustfile import Person
    from reconciler.model.wire import format_time
    from reconciler.trust.allowed_signers import import_allowed_signers

    keys: dict[str, list[dict[str, str]]] = {}
    for entry in import_allowed_signers(text):
        times = {"validAfter": entry.valid_after, "validBefore": entry.valid_before}
        key = {"key": entry.key.line, **{name: format_time(at) for name, at in times.items() if at}}
        keys.setdefault(entry.principal, []).append(key)
    people: list[dict[str, Any]] = [{"name": name, "roles": [], "keys": rows} for name, rows in keys.items()]
    for person in people:
        try:
            Person.from_data(person)
        except ValidationError:
            raise Refused(f"'{person['name'][:60]}' cannot be a person's name in a trust file") from None
    if not people:
        raise Refused("there is no signer in the file")
    return people


@app.command()
def export(file: TrustPath) -> int:
    """Print a trust file's people as allowed_signers, for git and ssh-keygen.

    Example: reconciler trust export trust.yaml > allowed_signers
    """
    from reconciler.trust.allowed_signers import export_allowed_signers

    sys.stdout.write(export_allowed_signers(read_trust_at(file)))
    return EXIT_DONE


@app.command()
def check(
    file: TrustPath,
    after: Annotated[
        Path | None,
        typer.Option("--after", metavar="FILE", help="The trust file in force, which this one is to follow."),
    ] = None,
) -> int:
    """Check a trust file; with --after also that it is the next version, and signed as the one in force asks.

    Signatures are looked for in FILE.sig.

    Example: reconciler trust check trust.yaml --after /etc/reconciler/trust.yaml
    """
    from datetime import UTC, datetime

    from reconciler.digest import sha256_of
    from reconciler.trust.succession import TrustText, judge

    found = read_trust_at(file)
    spec = found.spec
    if after is None:
        print(f"{file} is valid: version {spec.version} for {spec.repository}, {len(spec.people)} people")
        return EXIT_DONE
    before = trusted(after)
    beside = file.with_name(f"{file.name}.sig")
    signature = _bytes(beside) if beside.exists() else b""
    text = TrustText(path=str(file), file=found, sha256=sha256_of(_bytes(file)), signature=signature)
    why = judge(before, text, now=datetime.now(UTC))
    if why:
        could = ", ".join(_who_could(before)) or "nobody"
        raise Refused(why, hint=f"it needs {_threshold(before)}; who could sign: {could}")
    print(f"{file} is version {spec.version} and follows {before.spec.version}: it is signed by {_threshold(before)}")
    return EXIT_DONE


def _threshold(trust: "TrustFile") -> str:
    return f"{trust.spec.threshold.count} of role {trust.spec.threshold.role}"


def _who_could(trust: "TrustFile") -> list[str]:
    """Who may sign the next version."""
    from reconciler.trust.people import may

    return [person.name for person in trust.spec.people if may(trust, person, "trust")]


def trust_texts(contents: Mapping[str, bytes]) -> list["TrustText"]:
    """The trust files among documents (path → bytes, signatures beside them as `.sig`).

    Those that do not parse are told by whoever reads all documents.
    """
    from reconciler.digest import sha256_of
    from reconciler.documents.schema import is_document_path, parse
    from reconciler.loop.statements import SIGNATURE_SUFFIX
    from reconciler.model.trustfile import TrustFile
    from reconciler.trust.succession import TrustText

    texts = []
    for path, data in contents.items():
        if not is_document_path(path):
            continue
        try:
            document = parse(path, data).document
        except Refused:
            continue
        if isinstance(document, TrustFile):
            signature = contents.get(f"{path}{SIGNATURE_SUFFIX}", b"")
            texts.append(TrustText(path=path, file=document, sha256=sha256_of(data), signature=signature))
    return texts
