"""`trust show|import|export|check`: trust files for people, and the way from and to OpenSSH's allowed_signers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.app import new_app
from reconciler.cli.output import Form, print_json, print_table, write
from reconciler.errors import EXIT_DONE, Invalid, Misused, Refused

if TYPE_CHECKING:
    from reconciler.model.trustfile import Person, TrustedKey, TrustFile

app = new_app("Look at, check, import and export trust files.")
TrustPath = Annotated[Path, typer.Argument(metavar="FILE", help="The trust file.")]


def read_trust_at(path: Path) -> "TrustFile":
    """The trust file at `path`; raises Invalid with every problem, Misused when it cannot be read."""
    from reconciler.documents.load import load
    from reconciler.trust.people import read_trust

    tree = load(str(path), _bytes(path))
    return read_trust(tree.data, path=str(path), locate=tree.positions.value)


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
def show(file: TrustPath, output: Annotated[Form, typer.Option("-o", "--output", help="The form.")] = Form.TEXT) -> int:
    """Show people, their keys and what they may do.

    Example: reconciler trust show /etc/reconciler/trust.yaml
    """
    trust = read_trust_at(file)
    if output is Form.JSON:
        print_json(_data(trust))
        return EXIT_DONE
    spec, next_one = trust.spec, trust.spec.threshold
    print(f"version {spec.version} for {spec.repository}; the next one needs {next_one.count} of role {next_one.role}")
    rows = [
        (person.name, ", ".join(person.roles) or "none", _key(key), "; ".join(_may(trust, person)) or "nothing")
        for person in spec.people
        for key in person.keys
    ]
    rows += [("(daemon)", "", _key(key), "write the ledger and its own commits") for key in spec.daemon]
    print_table(("PERSON", "ROLES", "KEY", "MAY"), rows)
    return EXIT_DONE


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
def check(file: TrustPath) -> int:
    """Check a trust file.

    Example: reconciler trust check trust.yaml
    """
    spec = read_trust_at(file).spec
    print(f"{file} is valid: version {spec.version} for {spec.repository}, {len(spec.people)} people")
    return EXIT_DONE
