"""The table of commands, and what becomes of an error: one sentence on standard error and an exit code.

Not the commands themselves. Rules: a command's module is imported only when the command runs, so that `--help` and
every other command stay fast; a person never sees a traceback unless they ask for it with `--verbose`. Exit codes: 0
done, 1 the answer is no, 2 wrong usage or configuration, 3 something outside could not be reached (or a fault of ours),
130 interrupted, 141 nobody reads what we print.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from reconciler.errors import EXIT_DONE, EXIT_NO, EXIT_UNREACHABLE, EXIT_USAGE, ReconcilerError

EXIT_INTERRUPTED = 130
EXIT_NO_READER = 141
PROGRAM = "reconciler"
_VERBOSE = "--verbose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a command lives (`module:function`, or `module:app` for a group of commands) and its line in the help."""

    target: str
    line: str


COMMANDS: dict[str, Entry] = {
    "init": Entry(target="init:init", line="Make a new repository with sample releases, keys and trust."),
    "demo": Entry(target="demo:demo", line="Show everything on this machine; no cluster is needed."),
    "run": Entry(target="running:run", line="Watch the repositories and keep the clusters as declared."),
    "once": Entry(target="running:once", line="Bring the clusters to what is declared, once, and end."),
    "plan": Entry(target="showing:plan", line="Show what the daemon would change, and change nothing."),
    "status": Entry(target="showing:status", line="Show what runs, what is held and why."),
    "why": Entry(target="asking:why", line="Say in one sentence why a release is not live yet."),
    "history": Entry(target="asking:history", line="Show what was promoted and what the ledger says of it."),
    "wait": Entry(target="asking:wait", line="Wait until a release is live and healthy."),
    "reconcile": Entry(target="asking:reconcile", line="Ask the daemon to look at a release now."),
    "suspend": Entry(target="suspending:suspend", line="Write a Hold: once merged, nothing new starts."),
    "resume": Entry(target="suspending:resume", line="Take a Hold out again, and say what it still needs."),
    "validate": Entry(target="validate:validate", line="Check documents without a daemon and without a cluster."),
    "sign": Entry(target="signing:sign", line="Sign documents with your SSH key."),
    "statement": Entry(target="signing:statement", line="Print the exact bytes that a signature is made over."),
    "approve": Entry(target="approving:approve", line="Say yes to a release as it lies there now."),
    "reject": Entry(target="approving:reject", line="Say no to a release as it lies there now."),
    "approvals": Entry(target="approving:approvals", line="Show which approvals count and which are missing."),
    "promote": Entry(target="promoting:promote", line="Propose what runs in one environment for another one."),
    "rollback": Entry(target="returning:rollback", line="Propose the return of what was good in an environment."),
    "remove": Entry(target="removing:remove", line="End a release, one cluster of it, or a governing document."),
    "trunk": Entry(target="trunk:app", line="Accept a watched branch whose history was rewritten."),
    "verify": Entry(target="verify:verify", line="Show who signed each document and whether that counts."),
    "keygen": Entry(target="signing:keygen", line="Make an SSH key (Ed25519) that can sign."),
    "trust": Entry(target="trust:app", line="Look at, check, import and export trust files."),
    "schema": Entry(target="validate:schema", line="Print the JSON Schema of a kind of document."),
    "policy": Entry(target="policy:app", line="Test policies, explain one decision, list the shipped ones."),
    "audit": Entry(target="audit:app", line="Check the ledger: who decided what, proved offline."),
    "install": Entry(target="install:install", line="Print or apply what a cluster needs: CRDs and least RBAC."),
    "config": Entry(target="config:app", line="Check the daemon's settings file."),
}
"""Every command, in the order of the help."""


class LazyGroup(TyperGroup):
    """Knows its commands by name and line; the one that runs is loaded from its module."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the arguments name, loaded."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(str(name)), rest


def load(name: str) -> Any:
    """Import the module of one command of the table and make the command."""
    module, _, attribute = COMMANDS[name].target.partition(":")
    found = getattr(importlib.import_module(f"reconciler.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = new_app()
    alone.command(name)(found)
    return typer.main.get_command(alone)


def new_app(line: str = "") -> typer.Typer:
    """A group of commands as all of ours are: plain help, no completion installer, errors left to `run`."""
    return typer.Typer(help=line, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _root(
    verbose: bool = typer.Option(False, _VERBOSE, help="After an error, show where in the program it came from."),
    version: bool = typer.Option(False, "--version", help="Show the version and end."),
) -> None:
    """GitOps for AI model releases: signed manifests in Git become running models on Kubernetes."""


def root() -> Any:
    """The command `reconciler` with a placeholder for every command of the table."""
    app = new_app(str(_root.__doc__))
    app.callback(cls=LazyGroup, help=_root.__doc__)(_root)
    group = typer.main.get_group(app)
    for name, entry in COMMANDS.items():
        group.add_command(TyperCommand(name, help=entry.line, rich_markup_mode=None))
    return group


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code. Everything that goes wrong becomes one sentence."""
    given = list(arguments)
    verbose = _VERBOSE in _ours(given)
    words = [word for word in _ours(given) if word != _VERBOSE] + given[len(_ours(given)) :]
    try:
        code = _invoke(words or ["--help"])
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return EXIT_NO_READER
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the one place where every error ends, each as a sentence and a code
        if verbose:
            _trace(error)
        return _tell(error)
    return code


def _ours(words: list[str]) -> list[str]:
    """The arguments before `--`: after it nothing is an option."""
    return words[: words.index("--")] if "--" in words else words


def _invoke(words: list[str]) -> int:
    if words == ["--version"]:
        from reconciler import __version__

        print(f"{PROGRAM} {__version__}")
        return EXIT_DONE
    group = root()
    try:
        with group.make_context(PROGRAM, words) as context:
            code = group.invoke(context)
    except typer.Exit as ending:
        return ending.exit_code
    return code if isinstance(code, int) else EXIT_DONE


def _tell(error: Exception) -> int:
    """Say what went wrong; returns the exit code."""
    if isinstance(error, ReconcilerError):
        _say(f"{error.message}\n{error.hint}" if error.hint else error.message)
        return error.exit_code
    if isinstance(error, typer.Abort):
        _say("stopped: nothing was confirmed")
        return EXIT_NO
    if isinstance(error, typer.TyperException):
        _say(_usage(error))
        return EXIT_USAGE
    if isinstance(error, OSError) and error.filename is not None:
        _say(f"{error.filename} cannot be used: {error.strerror}")
        return EXIT_USAGE
    _say(f"this is a fault of reconciler: {_words(error)}; run again with {_VERBOSE}")
    return EXIT_UNREACHABLE


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the arguments, on one line, and below it where to read what is right."""
    sentence = " ".join(error.format_message().split()).replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context else PROGRAM
    return f"{sentence[:1].lower()}{sentence[1:]}\nsee `{command} --help`"


def _words(error: Exception) -> str:
    """An unexpected error on one line; `(hidden)` when its text looks like a secret."""
    from reconciler.documents.words import one_line

    text = one_line(" ".join(str(error).split()))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _trace(error: Exception) -> None:
    import traceback

    traceback.print_exception(error, file=sys.stderr)


def _say(sentence: str) -> None:
    try:
        print(
            "".join(char if char.isprintable() or char == "\n" else "?" for char in sentence),
            file=sys.stderr,
            flush=True,
        )
    except BrokenPipeError:
        return  # nobody listens any more; the exit code still says it


def _forget_output() -> None:
    """Nobody reads: let the interpreter flush into nothing instead of complaining at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
