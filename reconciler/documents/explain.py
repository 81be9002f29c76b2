"""Pydantic's errors as sentences for people, each at the line and column of the key or value it is about.

Not validation: what is wrong was found by the models. Rules: the library's words never reach a person; a missing field
is told at the mapping that lacks it; a value is repeated only where it cannot be a secret, never out of `env`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.documents.forms import form
from reconciler.documents.load import MAX_PROBLEMS, Positions, Tree
from reconciler.documents.words import FieldPath, field_name, listed, one_line, show, suggestion
from reconciler.errors import Problem
from reconciler.model.part import PartOf

_KEY = "[key]"  # how pydantic says that it is about a mapping's key


class Placed(Protocol):
    """A file that was read: its path, and where everything in it stands."""

    @property
    def path(self) -> str:
        """The file."""

    @property
    def positions(self) -> Positions:
        """Where its fields stand."""


def problems_in(error: ValidationError, tree: Tree, model: type[BaseModel]) -> list[Problem]:
    """One problem per error, without those about fields that the loader already complained of."""
    details = error.errors(include_url=False)[:MAX_PROBLEMS]
    return problems_of((detail for detail in details if not _told(detail, tree)), tree, model)


def problems_of(details: Iterable[ErrorDetails], tree: Placed, model: type[BaseModel]) -> list[Problem]:
    """The problems of these errors, whose paths are of this file."""
    return [problem for detail in details for problem in _problems(detail, tree, model)]


def _told(detail: ErrorDetails, tree: Tree) -> bool:
    """True when the loader's complaint is the reason of this error."""
    path = detail["loc"]
    if detail["type"] == "missing":
        return path[:-1] in tree.poisoned
    if detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
        return True  # enough entries, but a bad one among them: that one is told
    if detail["type"] == "value_error" or "conflicts" in detail.get("ctx", {}):
        return any(bad[: len(path)] == path for bad in tree.poisoned)
    return path in tree.poisoned


def _problems(detail: ErrorDetails, tree: Placed, model: type[BaseModel]) -> Iterator[Problem]:
    path, context = detail["loc"], detail.get("ctx", {})
    for inner, message in context.get("conflicts", ()):
        yield problem_at(tree, (*path, *inner), message)
    if "conflicts" in context:
        return
    if path[-1:] == (_KEY,):
        pattern = context.get("pattern")
        reason = form(str(pattern)) if pattern else _sentence(detail, tree)
        sentence = f"the name {show(str(path[-2]))} does not fit: {reason}"
        yield problem_at(tree, path[:-1], sentence, key=True)
    elif detail["type"] == "missing":
        where = "in the document" if len(path) == 1 else f"under '{field_name(path[:-1])}'"
        line, column = tree.positions.key(path[:-1])
        sentence = f"this field is missing: add it {where}"
        yield Problem(path=tree.path, line=line, column=column, field=field_name(path), message=sentence)
    elif detail["type"] == "extra_forbidden":
        yield problem_at(tree, path, _unknown(path, model), key=True)
    else:
        yield problem_at(tree, path, _sentence(detail, tree))


def problem_at(tree: Placed, path: FieldPath, message: str, *, key: bool = False) -> Problem:
    """A problem at the value (or the key) of a field of the tree."""
    line, column = tree.positions.key(path) if key else tree.positions.value(path)
    return Problem(path=tree.path, line=line, column=column, field=field_name(path), message=message)


def _unknown(path: FieldPath, model: type[BaseModel]) -> str:
    known = fields_at(model, path[:-1])
    close = suggestion(str(path[-1]), known)
    return f"unknown field: {close}" if close else f"unknown field: the fields here are {listed(known)}"


def fields_at(model: type[BaseModel], path: FieldPath) -> list[str]:
    """The names of the fields that the mapping at `path` may have; empty when it is not one of ours."""
    here: Any = model
    for step in path:
        here = _inside(here, step)
    if isinstance(here, PartOf):
        return here.fields
    if not _is_model(here):
        return []
    return [field.alias or name for name, field in here.model_fields.items()]


def _inside(kind: Any, step: str | int) -> Any:
    """The type of the value under one step, without its `| None`; None when there is none that we know."""
    found: Any = None
    kind = kind.model if isinstance(kind, PartOf) else kind
    if _is_model(kind):
        field = next((field for name, field in kind.model_fields.items() if (field.alias or name) == step), None)
        part = next((note for note in field.metadata if isinstance(note, PartOf)), None) if field else None
        found = part or (field.annotation if field else None)
    elif get_origin(kind) in (tuple, dict):
        found = get_args(kind)[0 if get_origin(kind) is tuple else 1]
    options = [kind for kind in get_args(found) if _is_model(kind) or get_origin(kind) in (tuple, dict)]
    return options[0] if options and get_origin(found) not in (tuple, dict) else found


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _sentence(detail: ErrorDetails, tree: Placed) -> str:
    path, context = detail["loc"], detail.get("ctx", {})
    wanted = _WANTED.get(detail["type"])
    if wanted is not None:
        quotes = _in_quotes(path, tree) if detail["type"] == "string_type" else ""
        return f"this must be {wanted}, not {_what(detail['input'], path, tree)}{quotes}"
    if detail["type"] in _LIMITS:
        return _LIMITS[detail["type"]](context)
    if detail["type"] == "literal_error":
        return _choice(str(context["expected"]), detail["input"], path, tree)
    if detail["type"] == "value_error":
        return one_line(str(context["error"]))
    if detail["type"] == "string_pattern_mismatch":
        shown = "this" if _secret(path) else show(str(detail["input"]))
        return f"{shown} does not fit: {form(str(context['pattern']))}"
    return f"this does not fit: {one_line(detail['msg'])}"


def _choice(expected: str, given: Any, path: FieldPath, tree: Placed) -> str:
    choices = expected.split("'")[1::2]
    close = suggestion(given, choices) if isinstance(given, str) and len(choices) > 1 else ""
    sentence = f"this must be {expected}, not {_what(given, path, tree)}"
    return f"{sentence}: {close}" if close else sentence


def _what(value: Any, path: FieldPath, tree: Placed) -> str:
    """What stands there, in words: `the number 1.10`, `text 'x'`, `a list`."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    if isinstance(value, str):
        return "text" if _secret(path) else f"the text {show(value)}"
    noun = "true or false" if isinstance(value, bool) else "a number"
    if _secret(path) or path not in tree.positions.plain:
        return noun
    return tree.positions.plain[path] if isinstance(value, bool) else f"the number {tree.positions.plain[path]}"


def _in_quotes(path: FieldPath, tree: Placed) -> str:
    plain = tree.positions.plain.get(path, "null")
    if plain == "null":
        return ""
    return ": put it in quotes" if _secret(path) else f': put it in quotes, "{plain}"'


def _secret(path: FieldPath) -> bool:
    return "env" in path


_WANTED: Mapping[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping (indented 'name: value' lines)",
    "model_type": "a mapping (indented 'name: value' lines)",
    "model_attributes_type": "a mapping (indented 'name: value' lines)",
    "time_delta_type": "a duration such as 90s, 10m, 24h or 30d",
    "time_delta_parsing": "a duration such as 90s, 10m, 24h or 30d",
    "datetime_type": "a time such as 2026-12-01T09:00:00Z",
    "datetime_parsing": "a time such as 2026-12-01T09:00:00Z",
    "datetime_from_date_parsing": "a time such as 2026-12-01T09:00:00Z",
    "datetime_object_invalid": "a time such as 2026-12-01T09:00:00Z",
}


def _entries(count: int) -> str:
    return f"{count} entry" if count == 1 else f"{count} entries"


_LIMITS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda c: f"this must be at least {c['ge']}",
    "greater_than": lambda c: f"this must be more than {c['gt']}",
    "less_than_equal": lambda c: f"this must be at most {c['le']}",
    "less_than": lambda c: f"this must be less than {c['lt']}",
    "string_too_short": lambda c: (
        "this must not be empty" if c["min_length"] == 1 else f"this needs {c['min_length']} characters"
    ),
    "string_too_long": lambda c: f"this has more than {c['max_length']} characters: make it shorter",
    "too_short": lambda c: f"this list needs at least {_entries(c['min_length'])}",
    "too_long": lambda c: f"this list has at most {_entries(c['max_length'])}",
}
