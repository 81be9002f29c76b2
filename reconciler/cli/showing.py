"""`status` and `plan`: what runs, what is held and why, and what would change. Both only read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.output import Form, print_json, print_table
from reconciler.cli.reading import chosen as meant
from reconciler.cli.reading import home
from reconciler.cli.running import Config, logger
from reconciler.errors import EXIT_DONE, EXIT_NO, Misused

if TYPE_CHECKING:
    from reconciler.config import Settings
    from reconciler.loop.daemon import Daemon
    from reconciler.loop.snapshot import Snapshot
    from reconciler.loop.sources import Source
    from reconciler.model.state import ReleaseState

Output = Annotated[Form, typer.Option("--output", "-o", help="text or json.")]
_WORK_TREE = "0" * 40


def status(
    name: Annotated[str, typer.Argument(help="NAME or ENVIRONMENT/NAME; all when left out.")] = "",
    config: Config = None,
    output: Output = Form.TEXT,
) -> int:
    """Show what runs, what is held and why; with a NAME everything about it.

    Ends with 1 when a release is held or not ready.

    Example: reconciler status prod/fraud-detector
    """
    with home(config) as reader:
        rows, troubles = reader.releases(), reader.troubles()
    chosen = [row.value for row in (meant(rows, name) if name else rows)]
    if output is Form.JSON:
        print_json([_data(state) for state in chosen])
    elif name:
        print("\n\n".join(_detail(state) for state in chosen))
    elif chosen:
        print_table(("ENVIRONMENT", "RELEASE", "RUNS", "PHASE", "READY", "WHY"), [_row(state) for state in chosen])
    else:
        print("Nothing was released yet.")
    for trouble in troubles:
        typer.echo(trouble, err=True)
    return EXIT_DONE if not troubles and all(_well(state) for state in chosen) else EXIT_NO


def _condition(state: "ReleaseState", kind: str) -> tuple[str, str]:
    """Status and message of a condition; empty strings when it is not there."""
    found = next((row for row in state.status.conditions if row.type == kind), None)
    return (found.status, found.message) if found else ("", "")


def _well(state: "ReleaseState") -> bool:
    good = _condition(state, "Ready")[0] == "True" and _condition(state, "Held")[0] != "True"
    return good and all(_condition(state, kind)[0] != "False" for kind in ("ConfigTrusted", "Vouched"))


def _why(state: "ReleaseState") -> str:
    """The one sentence that says why something is not yet live."""
    gates = "; ".join(gate.message for gate in state.status.gates)
    ready, message = _condition(state, "Ready")
    moving = state.status.message if state.status.candidate else ""
    untrusted = "; ".join(filter(None, (_condition(state, kind)[1] for kind in ("ConfigTrusted", "Vouched"))))
    told = gates or ("" if ready == "True" else message) or moving or untrusted
    glass = _condition(state, "BreakGlass")[1]
    return "; ".join(part for part in (told, f"BREAK-GLASS: {glass}" if glass else "") if part)


def _row(state: "ReleaseState") -> tuple[str, ...]:
    stable = state.status.stable
    held = "Held" if state.status.gates else str(state.status.phase)
    return (
        state.release.environment,
        state.release.name,
        stable.model_version if stable else "–",
        held,
        _condition(state, "Ready")[0] or "Unknown",
        _why(state),
    )


def _detail(state: "ReleaseState") -> str:
    now = state.status
    runs = f"{now.stable.model_version} ({now.stable.version[:17]})" if now.stable else "nothing"
    lines = [f"{state.key}", f"  runs      {runs}"]
    if now.candidate:
        lines.append(f"  candidate {now.candidate.model_version} ({now.candidate.version[:17]})")
    lines += [f"  phase     {now.phase}", f"  revision  {now.revision[:12]}"]
    for row in now.conditions:
        words = "" if row.type == "Held" else _indented(row.message)  # its gates have a line each
        lines.append(f"  {row.type:<13} {row.status:<8} {row.reason}: {words}".rstrip(": "))
    lines += [f"  ✗ {gate.kind}: {_indented(gate.message)}" for gate in now.gates]
    lines += [f"  ! {row.kind}: {_indented(row.sentence)}" for row in now.opened]
    lines += [f"  · policy {verdict.name}: {verdict.result} {verdict.message}".rstrip() for verdict in now.verdicts]
    for cluster, directive in now.directives.items():
        sizes = ", ".join(
            f"{entry.role} {entry.version[7:17]} {entry.low}–{entry.high}" for entry in directive.versions
        )
        lines.append(f"  {cluster}: directive {directive.sequence}: {sizes}")
    if now.history:
        lines.append(
            "  history: " + ", ".join(f"{row.model_version} ({row.at:%Y-%m-%d %H:%M}Z)" for row in now.history)
        )
    if now.message:
        lines.append(f"  {now.message}")
    return "\n".join(lines)


def _indented(message: str) -> str:
    return message.replace("\n", "\n      ")


def _data(state: "ReleaseState") -> dict[str, Any]:
    data = state.to_full_data()
    data["status"].pop("effective", None)
    data["status"].pop("outbox", None)
    return data | {"why": _why(state)}


def plan(
    config: Config = None,
    revision: Annotated[str, typer.Option(help="A commit of the watched repository; default: its branch.")] = "",
    worktree: Annotated[Path | None, typer.Option(help="A work tree, as if it were committed.")] = None,
    pull: Annotated[
        int | None, typer.Option("--pr", metavar="N", min=1, help="A pull request, as if it were merged now.")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="text, markdown or json.")] = "text",
    everything: Annotated[bool, typer.Option("--all", help="Show releases that would not change, too.")] = False,
) -> int:
    """Show what the daemon would change next, and change nothing.

    Of a pull request it is what the daemon's comment tells; markdown is that very comment. Ends with 0 when nothing
    would change and nothing is held, else with 1.

    Example: reconciler plan --worktree . --output markdown

    Example: reconciler plan --pr 12
    """
    from reconciler.config import find, load
    from reconciler.loop.preview import previews
    from reconciler.plan.explain import as_data, as_markdown, as_text

    if output not in ("text", "markdown", "json"):
        raise Misused(f"--output is text, markdown or json, not '{output}'")
    if sum(map(bool, (revision, worktree, pull))) > 1:
        raise Misused("give one of --revision, --worktree and --pr")
    settings = load(find(config))
    if pull:
        from reconciler.cli.pull_plan import plan_pull

        return plan_pull(settings, pull, output)
    if (revision or worktree) and len(settings.config.repositories) > 1:
        raise Misused("the settings watch several repositories: plan one of them with settings of its own")
    with onlooker(settings) as daemon:
        rows = [
            preview
            for source in daemon.world.sources.values()
            for preview in previews(daemon.world, look(daemon, source, revision, worktree))
        ]
    shown = rows if everything else [row for row in rows if not row.is_empty]
    if output == "json":
        print_json(as_data(shown))
    else:
        print(as_markdown(shown) if output == "markdown" else as_text(shown))
    return EXIT_NO if any(not row.is_empty for row in rows) else EXIT_DONE


@contextmanager
def onlooker(settings: "Settings") -> Iterator["Daemon"]:
    """A daemon of one's own that only looks: its mirrors are not those of the one that works, and go at the end."""
    import tempfile

    from reconciler.loop.daemon import Daemon

    with tempfile.TemporaryDirectory(prefix="reconciler-look-") as mirrors:
        daemon = Daemon(settings.keeping_data_in(Path(mirrors)), log=logger("auto", "error"))
        try:
            yield daemon
        finally:
            daemon.stop()


def look(daemon: "Daemon", source: "Source", revision: str, worktree: Path | None) -> "Snapshot":
    """Open the daemon's eyes on one state of the trunk; nothing is accepted or written."""
    from reconciler.cli.worktree import read_tree

    if worktree is None:
        return daemon.look(source, revision=revision)
    files, read = read_tree(worktree)
    return daemon.look(source, files=files, read=read, revision=_WORK_TREE)
