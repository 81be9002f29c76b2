"""`why`, `history`, `wait` and `reconcile`: what a person asks about one release; nothing that is declared changes."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.output import Form, print_json, print_table
from reconciler.cli.reading import HomeReader, chosen, home
from reconciler.cli.running import Config
from reconciler.errors import EXIT_DONE, EXIT_NO, Misused, NotFound

if TYPE_CHECKING:
    from reconciler.model.record import Record
    from reconciler.model.state import ReleaseState
    from reconciler.plan.why import Why

Name = Annotated[str, typer.Argument(metavar="NAME", help="NAME or ENVIRONMENT/NAME.")]
Output = Annotated[Form, typer.Option("-o", "--output", help="The form of the answer.")]
_LOOK = 0.5  # seconds between two looks


def why(name: Name, config: Config = None, output: Output = Form.TEXT) -> int:
    """Say in one sentence why a release is not live yet, and who or what opens the way and when.

    Ends with 0 when it is live as declared, with 1 when it is not.

    Example: reconciler why prod/fraud-detector
    """
    with home(config) as reader:
        rows = _answers(reader, name)
    if output is Form.JSON:
        print_json([_data(state, answer) for state, answer in rows])
    else:
        print("\n".join(answer.sentence for _, answer in rows))
    return EXIT_DONE if all(answer.live for _, answer in rows) else EXIT_NO


def _answers(reader: HomeReader, name: str) -> list[tuple["ReleaseState", "Why"]]:
    from reconciler.plan.why import why as answer

    repositories = reader.repositories()
    states = [row.value for row in chosen(reader.releases(), name)]
    return [(state, answer(state, repositories.get(state.release.repository))) for state in states]


def _data(state: "ReleaseState", answer: "Why") -> dict[str, Any]:
    from reconciler.model.wire import format_time

    return {
        "environment": state.release.environment,
        "name": state.release.name,
        "live": answer.live,
        "why": answer.sentence,
        "opensAt": format_time(answer.opens_at) if answer.opens_at else None,
    }


def wait(
    name: Name,
    healthy: Annotated[bool, typer.Option("--healthy", help="Until it is live as declared and healthy.")] = False,
    version: Annotated[str, typer.Option(help="And until this model version is what serves.")] = "",
    timeout: Annotated[float, typer.Option(min=0.0, help="Seconds to wait at most.")] = 300.0,
    config: Config = None,
) -> int:
    """Wait until a release is live as declared; what it waits for is told on the way.

    Ends with 0 when it is, and with 1 and the reason when it is not in time.

    Example: reconciler wait prod/fraud-detector --healthy --version 1.4.0 --timeout 600
    """
    if not healthy:
        raise Misused("say what to wait for: --healthy")
    deadline = time.monotonic() + timeout
    told = ""
    with home(config) as reader:
        while True:
            rows = _answers(reader, name)
            done = all(answer.live and _serves(state, version) for state, answer in rows)
            sentence = "\n".join(answer.sentence for _, answer in rows)
            if done or time.monotonic() >= deadline:
                break
            if sentence != told:
                typer.echo(sentence, err=True)
                told = sentence
            time.sleep(min(_LOOK, max(0.0, deadline - time.monotonic())))
    if not done:
        waited = f" as {version}" if version else ""
        sentence = f"after {timeout:g} s {name} is not live{waited}: {sentence}"
    print(sentence)
    return EXIT_DONE if done else EXIT_NO


def _serves(state: "ReleaseState", version: str) -> bool:
    stable = state.status.stable
    return not version or (stable is not None and stable.model_version == version)


def reconcile(name: Name, config: Config = None) -> int:
    """Ask the daemon to look at a release now: at the trunk, at the release and at its targets.

    Example: reconciler reconcile prod/fraud-detector
    """
    from reconciler.edges.kube.states import States
    from reconciler.model.state import ReleaseState

    with home(config) as reader:
        states = States(reader.connection, ReleaseState)
        for row in chosen(reader.releases(), name):
            states.ask_to_look(row, datetime.now(UTC))
            print(f"the daemon is asked to look at {row.value.key} now")
    return EXIT_DONE


def history(
    name: Name,
    repository: Annotated[
        Path, typer.Option("--repository-dir", metavar="DIR", help="A clone with the ledger's branch.")
    ] = Path(),
    config: Config = None,
    output: Output = Form.TEXT,
) -> int:
    """Show what was promoted and what the ledger says of a release. Only records that count are shown.

    Example: reconciler history prod/fraud-detector --repository-dir models
    """
    with home(config) as reader:
        states = [row.value for row in chosen(reader.releases(), name)]
    records, missing = _records(states, repository, config)
    if output is Form.JSON:
        promotions = [
            {"environment": state.release.environment, "name": state.release.name, **row.to_full_data()}
            for state in states
            for row in state.status.history
        ]
        print_json({"promotions": promotions, "records": [row.to_full_data() for row in records], "note": missing})
        return EXIT_DONE
    rows = [
        (str(state.key), row.model_version, f"{row.at:%Y-%m-%d %H:%M:%S}Z", row.revision[:12], ", ".join(row.keys))
        for state in states
        for row in state.status.history
    ]
    print_table(("RELEASE", "PROMOTED", "AT", "REVISION", "KEYS"), rows)
    if records:
        print()
        told = [(str(row.sequence), f"{row.time:%Y-%m-%d %H:%M:%S}Z", row.kind, row.message) for row in records]
        print_table(("RECORD", "AT", "WHAT", "SENTENCE"), told)
    if missing:
        typer.echo(missing, err=True)
    return EXIT_DONE


def _records(states: Sequence["ReleaseState"], folder: Path, config: Path | None) -> tuple[list["Record"], str]:
    """The ledger's records of these releases that count, oldest first; or none, and why."""
    from reconciler.cli.audit import LEDGER, ledger_head
    from reconciler.cli.trust import trusted
    from reconciler.config import find, load
    from reconciler.edges.git.checkout import history as opened_at
    from reconciler.loop.chain import verify_chain

    settings = load(find(config))
    wanted = {(row.release.repository, row.release.environment, row.release.name) for row in states}
    names = {row.release.repository for row in states}
    repositories = [row for row in settings.config.repositories if row.name in names]
    records: list[Record] = []
    try:
        with opened_at(folder) as opened:
            files, _ = opened.read(ledger_head(opened, LEDGER))
    except (Misused, NotFound) as error:
        return [], f"the ledger's records are not shown: {error.message}"
    for repository in repositories:
        chain = verify_chain(files, trusted(settings.path(repository.trust)))
        records += [
            link.record
            for link in chain.links
            if (link.record.repository, link.record.environment, link.record.name) in wanted
        ]
        if chain.problems:
            return records, f"the ledger does not hold beyond this: {chain.problems[0]}"
    return records, ""
