"""What people and programs read on the ledger's branch: a status file per release and one README. Pure."""

from collections import Counter
from collections.abc import Sequence

import orjson

from reconciler.model.record import STATUS_SCHEMA, Record
from reconciler.model.state import ReleaseState
from reconciler.model.wire import format_time
from reconciler.plan.markdown import escape

_WELL = ("Promoted", "Retired")
_MOST_ROWS = 50  # of releases that need somebody; a page of ten thousand rows helps nobody


def status_path(state: ReleaseState) -> str:
    """`status/<environment>/<name>.json`."""
    return f"status/{state.release.environment}/{state.release.name}.json"


def status_file(state: ReleaseState, record: int) -> bytes:
    """One release's status as of `record`."""
    status = state.status
    stable, candidate = (
        {"version": ref.version, "modelVersion": ref.model_version, "manifest": ref.manifest} if ref else None
        for ref in (status.stable, status.candidate)
    )
    data = {
        "schema": STATUS_SCHEMA,
        "environment": state.release.environment,
        "name": state.release.name,
        "revision": status.revision,
        "phase": status.phase,
        "since": format_time(status.since) if status.since else None,
        "stable": stable,
        "candidate": candidate,
        "closure": status.closure,
        "conditions": [row.to_full_data() for row in status.conditions],
        "gates": [gate.to_full_data() for gate in status.gates],
        "opened": [row.to_full_data() for row in status.opened],
        "clusters": sorted(status.directives),
        "orphaned": list(status.orphaned),
        "unconfirmed": {name: [mark.to_data() for mark in marks] for name, marks in status.unconfirmed.items()},
        "record": record,
    }
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n"


def readme(repository: str, states: Sequence[ReleaseState], recent: Sequence[Record]) -> bytes:
    """The page a person sees on the forge: what needs somebody, and what happened last."""
    words = [_word(state) for state in states]
    counts = Counter(words)
    summary = ", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or "no releases"
    lines = [
        f"# Ledger of {escape(repository)}",
        "",
        "Written and signed by reconciler; people write to the trunk. `reconciler audit verify` checks every record.",
        "",
        f"**{len(states)} releases: {summary}.**",
        "",
    ]
    broken = [(state, sentence) for state in states if (sentence := _glass(state))]
    if broken:
        lines += ["## Break-glass in force", "", "| release | what |", "|---|---|"]
        ordered = sorted(broken, key=lambda row: status_path(row[0]))
        lines += [f"| {escape(_where(state))} | {escape(sentence)} |" for state, sentence in ordered[:_MOST_ROWS]]
        lines.append("")
    trouble = [state for state, word in zip(states, words, strict=True) if word not in _WELL]
    if trouble:
        lines += ["| release | model | phase | why |", "|---|---|---|---|"]
        lines += [_row(state) for state in sorted(trouble, key=status_path)[:_MOST_ROWS]]
        if len(trouble) > _MOST_ROWS:
            lines.append(f"| … | | | and {len(trouble) - _MOST_ROWS} more, in `status/` |")
        lines.append("")
    lines += ["## What happened last", "", "| record | when | what |", "|---|---|---|"]
    lines += [
        f"| {record.sequence} | {format_time(record.time)} | {record.kind}: {escape(record.message)} |"
        for record in reversed(recent)
    ]
    return ("\n".join(lines) + "\n").encode()


def _word(state: ReleaseState) -> str:
    held = next((row for row in state.status.conditions if row.type == "Held" and row.status == "True"), None)
    return "Held" if held else str(state.status.phase)


def _row(state: ReleaseState) -> str:
    status = state.status
    why = "; ".join(gate.message for gate in status.gates) or status.message
    model = status.stable.model_version if status.stable else status.model_version
    return f"| {escape(_where(state))} | {escape(model)} | {_word(state)} | {escape(why)} |"


def _where(state: ReleaseState) -> str:
    return f"{state.release.environment}/{state.release.name}"


def _glass(state: ReleaseState) -> str:
    """What a break-glass opens or may open for it; empty when none counts."""
    return next((row.message for row in state.status.conditions if row.type == "BreakGlass"), "")
