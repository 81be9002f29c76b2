"""`policy eval`: one real decision explained, policy by policy and rule by rule. It only reads.

Against the daemon's settings it is the decision that the daemon would make now; with `--offline` or `--running` it is
made from the files around FILE alone, which needs no daemon, no cluster and no keys.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.output import Form, print_json
from reconciler.cli.running import Config
from reconciler.errors import EXIT_DONE, EXIT_NO, Invalid, Misused, NotFound, Problem

if TYPE_CHECKING:
    from reconciler.documents.schema import Loaded
    from reconciler.edges.cel.engine import CelEngine
    from reconciler.judge.trace import PolicyTrace
    from reconciler.loop.explaining import Decision

_MARKS = {"pass": "✓", "fail": "✗", "error": "✗", "warn": "!", "skip": "·"}
_SHOWN = 160  # characters of one value


def evaluate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A release: a file here, or its path in a revision.")],
    revision: Annotated[str, typer.Option(help="A commit of the watched repository; default: the files here.")] = "",
    running: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Judge offline, as if this release were what runs.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Judge offline, as if nothing ran.")] = False,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="The watched folder; else the repository around FILE.")
    ] = None,
    config: Config = None,
    output: Annotated[Form, typer.Option("-o", "--output", help="The form.")] = Form.TEXT,
) -> int:
    """Explain what every policy says of one release: each rule, its place, and the values it looked at.

    Ends with 1 when a policy denies.

    Example: reconciler policy eval releases/prod/fraud-detector.yaml --offline
    """
    from reconciler.edges.cel.engine import CelEngine

    if revision and (offline or running):
        raise Misused("give --revision, or judge offline: --offline and --running look at the files here only")
    where, path = (None, file.as_posix()) if revision else _around(file, root)
    if where and (offline or running):
        decision = _from_files(where, path, running)
    else:
        decision = _from_daemon(where, path, revision, config)
    with CelEngine() as engine:
        rows, notes = _waived(decision, _traces(decision, engine))
    decision = replace(decision, notes=(*decision.notes, *notes))
    if output is Form.JSON:
        print_json(_data(decision, rows))
    else:
        print("\n".join(_lines(decision, rows)))
    return EXIT_NO if any(row.verdict.result in ("fail", "error") for row in rows) else EXIT_DONE


def _from_daemon(root: Path | None, path: str, revision: str, config: Path | None) -> "Decision":
    from reconciler.cli.showing import look, onlooker
    from reconciler.config import find, load
    from reconciler.loop.explaining import from_world

    settings = load(find(config))
    if len(settings.config.repositories) > 1:
        raise Misused("the settings watch several repositories: judge one of them with settings of its own")
    with onlooker(settings) as daemon:
        (source,) = daemon.world.sources.values()
        decision = from_world(daemon.world, look(daemon, source, revision, root), path)
    if decision is None:
        raise NotFound(f"{path} is no release in {f'revision {revision}' if revision else root}")
    return decision


def _around(file: Path, root: Path | None) -> tuple[Path, str]:
    """The watched folder (the given one, or the one around a file), and the file's path in it."""
    from reconciler.cli.tree import around, watched

    if not file.is_file():
        raise Misused(f"there is no file {file}", hint="name a path of a commit together with --revision")
    checkout = around(file.parent)
    where = root.resolve() if root else watched(checkout) if checkout else file.parent.resolve()
    whole = file.resolve()
    if not whole.is_relative_to(where):
        raise Misused(f"{file} does not lie in the watched folder {where}", hint="name it with --root DIR")
    return where, whole.relative_to(where).as_posix()


def _from_files(root: Path, path: str, running: Path | None) -> "Decision":
    from datetime import UTC, datetime

    from reconciler.cli.tree import around, work_tree
    from reconciler.loop.bundle import shipped_policies
    from reconciler.loop.explaining import from_files

    contents = work_tree(root, around(root)).contents
    runs = None
    if running is not None:
        if not running.is_file():
            raise Misused(f"there is no file {running}")
        data = running.read_bytes()
        runs = (_release(str(running), data), data)
    return from_files(
        documents_of(contents), path, contents.get(path, b""), shipped_policies(), running=runs, now=datetime.now(UTC)
    )


def _release(path: str, data: bytes) -> "Loaded":
    from reconciler.documents.schema import parse

    loaded = parse(path, data)
    if loaded.kind != "ModelRelease":
        raise Misused(f"{path} is of kind {loaded.kind}, not ModelRelease")
    return loaded


def documents_of(contents: Mapping[str, bytes]) -> list["Loaded"]:
    """Every document of ours; raises Invalid with all that does not validate, since it may be what is referred to."""
    from reconciler.documents.schema import NotOurs, is_document_path, parse

    found: list[Loaded] = []
    problems: list[Problem] = []
    for path, data in contents.items():
        if not is_document_path(path):
            continue
        try:
            found.append(parse(path, data))
        except NotOurs:
            continue
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid(problems)
    return found


def _traces(decision: "Decision", engine: "CelEngine") -> list["PolicyTrace"]:
    from reconciler.judge.trace import PolicyTrace, trace

    asked = decision.asked
    answers = engine.answers(asked.questions)
    rows = [trace(question, answer) for question, answer in zip(asked.questions, answers, strict=True)]
    return [*rows, *(PolicyTrace(verdict=verdict) for verdict in (*asked.skipped, *asked.unmatched))]


def _waived(decision: "Decision", rows: Sequence["PolicyTrace"]) -> tuple[list["PolicyTrace"], tuple[str, ...]]:
    """The traces with the verdicts that count, and why a waiver does not."""
    found = decision.waive([row.verdict for row in rows])
    return [replace(row, verdict=said) for row, said in zip(rows, found.verdicts, strict=True)], found.notes


def _data(decision: "Decision", rows: Sequence["PolicyTrace"]) -> dict[str, Any]:
    return {
        "release": decision.release,
        "path": decision.path,
        "operation": decision.operation,
        "asks": decision.asked_for,
        "runs": decision.running or None,
        "policies": [row.to_data() for row in rows],
        "gates": [gate.to_data() for gate in decision.gates],
        "notes": list(decision.notes),
    }


def _lines(decision: "Decision", rows: Sequence["PolicyTrace"]) -> list[str]:
    runs = f"{decision.running} runs" if decision.running else "nothing runs"
    asks = f"{decision.asked_for} is asked for" if decision.asked_for else "what is asked for does not resolve"
    lines = [f"{decision.release} ({decision.path}): {decision.operation}; {runs}, {asks}"]
    lines += [f"  note: {note}" for note in decision.notes]
    lines += [f"  ✗ {gate.kind}: {gate.message}" for gate in decision.gates]
    for row in rows:
        lines += ["", *_policy(row)]
    denied = [row.verdict.name for row in rows if row.verdict.result in ("fail", "error")]
    lines += ["", f"denied by {', '.join(denied)}" if denied else "no policy denies"]
    return lines


def _policy(row: "PolicyTrace") -> list[str]:
    said = row.verdict
    message = f": {said.message}" if said.message else ""
    lines = [f"{_MARKS[said.result]} {said.result.value} {said.name} ({said.source}){message}"]
    reached = any(rule.result != "skip" for rule in row.rules)
    for rule in row.rules if reached else ():
        lines.append(f"    {_MARKS[rule.result]} rule {rule.rule} at {rule.place}: {rule.expression}")
        lines += [f"        {name} = {_short(value)}" for name, value in rule.values.items()]
    return lines


def _short(value: Any) -> str:
    import orjson

    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
