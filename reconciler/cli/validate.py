"""`validate` and `schema`: is what is written right, before anybody signs or merges it. For pre-commit and CI.

Not the checks themselves (`checking`). Rules: paths are shown relative to the current folder, as editors and forges
want them; a tree without any document is an error, a list of files without one is not; what stands in an environment's
baseline and makes a named release wrong is told, though the environment was not named.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.output import print_json
from reconciler.errors import EXIT_DONE, EXIT_NO, Misused, Problem, Refused

if TYPE_CHECKING:
    from reconciler.cli.checking import Checked
    from reconciler.cli.tree import Files
    from reconciler.documents.complete import Completed


class ReportFormat(StrEnum):
    """The forms of a list of problems."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    JUNIT = "junit"


def validate(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[PATH…]", help="Files or folders; else all.")] = None,
    form: Annotated[ReportFormat, typer.Option("--format", help="The form of the report.")] = ReportFormat.TEXT,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="The watched folder; else the repository around PATH.")
    ] = None,
    origins: Annotated[
        bool, typer.Option("--origins", help="Show each release whole, and the file and line of every value.")
    ] = False,
) -> int:
    """Check documents without a daemon and without a cluster.

    All documents of the tree are read, so that references can be followed; problems of the named ones are told. A
    release is checked over the baseline of its environment, wherever in the tree that is.

    Example: reconciler validate --format github
    """
    from reconciler.cli.tree import around, watched, work_tree

    if origins and form not in _WITH_ORIGINS:
        raise Misused(f"--origins goes with --format text or json, not {form.value}")
    named = [_existing(path) for path in paths or []]
    start = _start(root, named)
    checkout = around(start)
    where = root.resolve() if root else watched(checkout) if checkout else start.resolve()
    checked = _chosen(work_tree(where, checkout), [_relative(path, where) for path in named])
    if not named and not checked.documents and not checked.problems:
        raise Refused(f"there is no document in {where}")
    told = replace(
        checked,
        documents=tuple(_shown(where, path) for path in checked.documents),
        problems=tuple(sorted(replace(problem, path=_shown(where, problem.path)) for problem in checked.problems)),
    )
    if origins:
        whole = [checked.completed[path] for path in checked.documents if path in checked.completed]
        _WITH_ORIGINS[form](told, whole, lambda path: _shown(where, path))
    else:
        _RENDERINGS[form](told)
    return EXIT_DONE if told.ok else EXIT_NO


def _chosen(files: "Files", chosen: list[str]) -> "Checked":
    """Everything checked, and of it the documents that were named and what is to be told of them."""
    from reconciler.cli.checking import check_tree

    checked = check_tree(files.contents)
    refused = [Problem(path=path, line=1, column=1, field="", message=why) for path, why in files.refused.items()]
    return replace(
        checked,
        documents=tuple(path for path in checked.documents if _is_chosen(path, chosen)),
        problems=tuple(row for row in (*refused, *checked.problems) if _is_told(row, checked, chosen)),
    )


def _existing(path: Path) -> Path:
    if not path.exists() and not path.is_symlink():
        raise Misused(f"there is no file or folder {path}")
    return path


def _start(root: Path | None, named: list[Path]) -> Path:
    """The folder to look in or around: the given one, that of the first name, or this one."""
    first = named[0] if named else Path()
    start = root or (first if first.is_dir() else first.parent)
    if not start.is_dir():
        raise Misused(f"there is no folder {start}")
    return start


def _relative(path: Path, where: Path) -> str:
    """The named path in the tree; `.` for the tree itself and what is around it."""
    try:
        whole = path.parent.resolve() / path.name if path.name else path.resolve()
        around = where.is_relative_to(whole.resolve())
    except (RuntimeError, OSError):  # which of the two depends on Python's version
        raise Misused(f"{path} is a symbolic link that leads to itself") from None
    if around:
        return "."
    if not whole.is_relative_to(where):
        raise Misused(f"{path} does not lie in {where}", hint="name the watched folder with --root DIR")
    return whole.relative_to(where).as_posix()


def _is_chosen(path: str, chosen: list[str]) -> bool:
    return not chosen or any(one in (".", path) or path.startswith(f"{one}/") for one in chosen)


def _is_told(problem: Problem, checked: "Checked", chosen: list[str]) -> bool:
    """A problem of a named file, or one of a baseline that makes a named release wrong."""
    about = checked.concerned.get(problem, frozenset())
    return any(_is_chosen(path, chosen) for path in (problem.path, *about))


def _shown(where: Path, path: str) -> str:
    return os.path.relpath(where / path)


def _text(checked: "Checked") -> None:
    for problem in checked.problems:
        print(problem)
    if checked.note:
        print(checked.note)
    count = _count(len(checked.documents), "document")
    print(f"{count}, no problem" if checked.ok else f"{_count(len(checked.problems), 'problem')} in {count}")


def _text_with_origins(checked: "Checked", whole: Sequence["Completed"], shown: Callable[[str], str]) -> None:
    from reconciler.cli.origins import as_yaml

    for one in whole:
        print(f"{as_yaml(one, shown)}\n")
    _text(checked)


def _json_with_origins(checked: "Checked", whole: Sequence["Completed"], shown: Callable[[str], str]) -> None:
    from reconciler.cli.origins import as_data

    print_json(_report(checked) | {"releases": [as_data(one, shown) for one in whole]})


def _json(checked: "Checked") -> None:
    print_json(_report(checked))


def _report(checked: "Checked") -> dict[str, Any]:
    rows = [
        {"path": row.path, "line": row.line, "column": row.column, "field": row.field, "message": row.message}
        for row in checked.problems
    ]
    notes = [checked.note] if checked.note else []
    return {"ok": checked.ok, "documents": list(checked.documents), "problems": rows, "notes": notes}


def _github(checked: "Checked") -> None:
    """Workflow commands: GitHub shows them beside the lines of a pull request."""
    from reconciler.documents.ci import command_property, command_text

    for row in checked.problems:
        text = f"{row.field}: {row.message}" if row.field else row.message
        print(f"::error file={command_property(row.path)},line={row.line},col={row.column}::{command_text(text)}")
    if checked.note:
        print(f"::notice ::{command_text(checked.note)}")


def _junit(checked: "Checked") -> None:
    """A test case per document; problems of files that are none have one of their own."""
    from reconciler.documents.ci import xml_attribute

    by_path: dict[str, list[Problem]] = {path: [] for path in checked.documents}
    for problem in checked.problems:
        by_path.setdefault(problem.path, []).append(problem)
    failures = sum(bool(problems) for problems in by_path.values())
    rows = [f'<testsuite name="reconciler validate" tests="{len(by_path)}" failures="{failures}" errors="0">']
    for path, problems in sorted(by_path.items()):
        opening = f'  <testcase classname="document" name={xml_attribute(path)} file={xml_attribute(path)}'
        message = xml_attribute("\n".join(map(str, problems)))
        rows.append(f"{opening}><failure message={message}/></testcase>" if problems else f"{opening}/>")
    print("\n".join(['<?xml version="1.0" encoding="UTF-8"?>', *rows, "</testsuite>"]))


_RENDERINGS: Mapping[ReportFormat, Callable[["Checked"], None]] = {
    ReportFormat.TEXT: _text,
    ReportFormat.JSON: _json,
    ReportFormat.GITHUB: _github,
    ReportFormat.JUNIT: _junit,
}
_WITH_ORIGINS: Mapping[ReportFormat, Callable[["Checked", Sequence["Completed"], Callable[[str], str]], None]] = {
    ReportFormat.TEXT: _text_with_origins,
    ReportFormat.JSON: _json_with_origins,
}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def schema(kind: Annotated[str, typer.Argument(metavar="KIND", help="A kind, such as ModelRelease or Config.")]) -> int:
    """Print the JSON Schema of a kind of document.

    Example: reconciler schema ModelRelease > schemas/ModelRelease.json
    """
    from reconciler.config import Config
    from reconciler.documents.schema import KINDS, json_schema

    print_json(json_schema(kind, {**KINDS, "Config": Config}))
    return EXIT_DONE
