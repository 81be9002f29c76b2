# noqa: INP001  # a script beside the pages it writes, not a package
"""Writes the generated parts of `reference.md`: fields, settings, commands, policy variables and metrics.

Not the prose between them, which stays as people wrote it. Rules: what a model, a command or a table of the program
says about itself is not written a second time; `meanings.yaml` has only what they do not say. Run it after a change:
`python docs/generate.py`; with `--check` it only says (by its exit code) whether something would change.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import yaml

from reconciler.cli.app import COMMANDS, PROGRAM, load, root
from reconciler.config import Config
from reconciler.documents.schema import KINDS, json_schema
from reconciler.judge.variables import VARIABLES
from reconciler.loop.telemetry import METRICS
from reconciler.model.release import ReleaseLabel
from reconciler.model.wire import DNS_LABEL, SHA256, Percent, format_duration

DOCS = Path(__file__).resolve().parent
REFERENCE = DOCS / "reference.md"
_MARK = re.compile(r"(<!-- generated: (?P<name>[a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SETTINGS = "Config"
EVERY = ("apiVersion", "metadata", "metadata.name", "metadata.labels", "metadata.annotations", "kind")
"""Fields that every kind has (Trust has no metadata): they stand in a table of their own."""

ELSEWHERE = ("spec.defaults",)
"""Fields that are part of another kind: that kind's table has what stands in them."""

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a document: `spec.serving.env[].name`, and what the tables say of it."""

    path: str
    type: str
    default: str
    meaning: str


def fields(kind: str) -> list[Field]:
    """Every field of a kind of document (or of `Config`), in the order of its schema; lists as `name[]`."""
    schema = json_schema(kind, {**KINDS, _SETTINGS: Config})
    meanings = yaml.safe_load((DOCS / "meanings.yaml").read_text(encoding="utf-8"))
    own = {**meanings["*"], **meanings.get(kind, {})}
    return list(_fields(schema, schema, "", own))


def _fields(schema: Node, node: Node, path: str, meanings: Mapping[str, str]) -> Iterator[Field]:
    required = node.get("required", ())
    for name, raw in node.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        inner = _inner(schema, raw)
        yield Field(
            path=where,
            type=_type(schema, inner),
            default=_required(raw) if name in required or "$comment" in raw else _default(raw, inner),
            meaning=meanings.get(where) or raw.get("description") or inner.get("description", ""),
        )
        if where in ELSEWHERE:
            continue
        yield from _fields(schema, inner, where, meanings)
        if "items" in inner:
            yield from _fields(schema, _inner(schema, inner["items"]), f"{where}[]", meanings)


def _required(node: Node) -> str:
    """A field that an environment's baseline may give is not required of the file itself."""
    return "required, here or by the baseline" if "$comment" in node else "required"


def _inner(schema: Node, node: Node) -> Node:
    """A field's own schema: references followed, `or null` left out."""
    while "$ref" in node or "anyOf" in node:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        else:
            node = next(part for part in node["anyOf"] if part.get("type") != "null")
    return node


def _pattern(annotated: Any) -> str:
    return next(str(part.pattern) for part in annotated.__metadata__ if getattr(part, "pattern", None))


_FORMS: Mapping[str, str] = {
    DNS_LABEL: "name",
    SHA256: "digest",
    _pattern(ReleaseLabel): "name",
    _pattern(Percent): "percentage",
}


def _type(schema: Node, node: Node) -> str:
    words: Mapping[str, Callable[[], str]] = {
        "string": lambda: _text_type(node),
        "array": lambda: f"list of {_type(schema, _inner(schema, node['items']))}",
        "object": lambda: "mapping",
    }
    if "const" in node or "enum" in node:
        return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    kind = node.get("type", "any")
    return words[kind]() if kind in words else f"{kind}{_bounds(node)}"


def _bounds(node: Node) -> str:
    if "minimum" not in node:
        return ""
    return f" {node['minimum']}–{node['maximum']}" if "maximum" in node else f" ≥ {node['minimum']}"


def _text_type(node: Node) -> str:
    if node.get("format") == "date-time":
        return "time"
    if _is_duration(node):
        return "duration"
    return "quantity" if node.get("examples") else _FORMS.get(node.get("pattern", ""), "text")


def _is_duration(node: Node) -> bool:
    return bool(node.get("examples") == ["10m"])


def _default(node: Node, inner: Node) -> str:
    """The default as a person would write it; nothing where there is none, or a mapping of defaults."""
    value = node.get("default")
    if value is None or value in ([], {}, "") or isinstance(value, dict):
        return ""
    if _is_duration(inner):  # the schema has it in ISO 8601
        value = format_duration(TypeAdapter(timedelta).validate_python(value))
    text = f"[{', '.join(map(str, value))}]" if isinstance(value, list) else _scalar(value)
    return f"`{text}`"


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- the generated parts


def _documents() -> str:
    common = [row for row in fields("Cluster") if row.path in EVERY and row.path != "kind"]
    kinds = Field(
        path="kind", type=", ".join(f"`{kind}`" for kind in sorted(KINDS)), default="required", meaning="What it is."
    )
    parts = [f"### Every document\n\n{_field_table([kinds, *common])}"]
    for kind in sorted(KINDS):
        about = " ".join(str(json_schema(kind)["description"]).split())
        rows = [row for row in fields(kind) if row.path not in EVERY]
        parts.append(f"### {kind}\n\n{about}\n\n{_field_table(rows)}")
    return "\n\n".join(parts)


def _field_table(rows: list[Field]) -> str:
    cells = [(f"`{row.path}`", row.type, row.default, row.meaning) for row in rows]
    return table(("field", "type", "default", "meaning"), cells)


def _commands() -> str:
    return "\n\n".join(_command(usage, command) for usage, command in commands())


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with what a person types for it: `reconciler policy test`."""
    for name in COMMANDS:
        loaded = load(name)
        inner = getattr(loaded, "commands", None)
        if inner:
            yield from ((f"{PROGRAM} {name} {part}", command) for part, command in inner.items())
        else:
            yield f"{PROGRAM} {name}", loaded


def _command(usage: str, command: Any) -> str:
    body, _, example = str(command.help).strip().partition("Example: ")
    given = " ".join(_name(parameter) for parameter in arguments(command))
    lines = [f"### {usage}", "", " ".join(body.split()), "", "```", *([f"{usage} {given}", ""] if given else [])]
    lines = [*lines, f"$ {example.strip()}", "```"] if example else lines
    rows = [(_flags(one), _option_default(one), one.help or "") for one in command.params]
    return "\n".join([*lines, "", table(("argument", "default", "meaning"), rows)] if rows else lines)


def arguments(command: Any) -> list[Any]:
    """The command's positional arguments."""
    return [one for one in command.params if one.param_type_name == "argument"]


def options(command: Any) -> list[str]:
    """Every spelling of every option of a command."""
    return [text for one in command.params if one.param_type_name == "option" for text in _spellings(one)]


def _spellings(option: Any) -> list[str]:
    return [*option.opts, *option.secondary_opts]


def _name(parameter: Any) -> str:
    text = str(parameter.metavar or parameter.name.upper())
    return text if parameter.required or text.startswith("[") else f"[{text}]"


def _flags(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_name(parameter)}`"
    spelled = sorted(_spellings(parameter), key=len)
    metavar = "" if parameter.is_flag else f" {parameter.metavar or _value(parameter)}"
    return ", ".join(f"`{text}`" for text in [*spelled[:-1], f"{spelled[-1]}{metavar}"])


def _value(parameter: Any) -> str:
    """What an option without a name for its value takes: its choices, or the option's own name."""
    choices = getattr(parameter.type_descriptor, "choices", None)
    return "|".join(str(getattr(one, "value", one)) for one in choices) if choices else str(parameter.name).upper()


def _option_default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if parameter.envvar:
        return f"`${parameter.envvar}`"
    if value in (None, False, "") or callable(value):
        return ""
    return f"`{_scalar(getattr(value, 'value', value))}`"


def _program() -> str:
    rows = [(_flags(one), _option_default(one), one.help or "") for one in root().params]
    return table(("option", "default", "meaning"), rows)


def _variables() -> str:
    return table(
        ("variable", "type", "what it is"),
        [(f"`{name}`", f"`{seen.type}`", seen.meaning) for name, seen in VARIABLES.items()],
    )


def _metrics() -> str:
    rows = [
        (f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels), text)
        for name, (kind, text, labels) in METRICS.items()
    ]
    return table(("metric", "type", "labels", "help"), rows)


PARTS: Mapping[str, Callable[[], str]] = {
    "documents": _documents,
    "settings": lambda: _field_table(fields(_SETTINGS)),
    "program": _program,
    "commands": _commands,
    "variables": _variables,
    "metrics": _metrics,
}
"""What stands between the markers, by their names."""


def table(headers: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table; a `|` in a cell is escaped."""
    lines = [headers, tuple("---" for _ in headers), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def generated(text: str) -> str:
    """The page with every generated part made anew; raises ValueError for a marker that nobody makes."""
    names = [match["name"] for match in _MARK.finditer(text)]
    if sorted(names) != sorted(PARTS):
        raise ValueError(f"the markers are {', '.join(names)}, and the parts are {', '.join(PARTS)}")
    return _MARK.sub(lambda match: f"{match[1]}\n{PARTS[match['name']]()}\n\n{match[3]}", text)


def main(*, check: bool) -> int:
    """Write the generated parts; with `check` write nothing and return 1 when something would change."""
    before = REFERENCE.read_text(encoding="utf-8")
    after = generated(before)
    if check:
        return int(before != after)
    REFERENCE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
