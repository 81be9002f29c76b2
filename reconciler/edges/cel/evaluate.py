"""One question answered by a compiled program. Runs in the worker.

Note [Errors are truthy]: the library gives evaluation errors back as *truthy* values of type ERROR and raises only for
its limits. Nothing here asks whether a value is truthy: true is a value of type BOOL that is exactly True, false is one
that is exactly False, and everything else is an error.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cel_expr_python import cel

from reconciler.edges.cel.compile import Program, Rule, sentence

MAX_TEXT = 1024
MAX_VALUE_TEXT = 200
MAX_VALUE_ITEMS = 20
MAX_VALUE_DEPTH = 4
MAX_VALUES = 16


class Failed(Exception):
    """An expression that gave no usable value."""


def bindings(variables: Mapping[str, Any]) -> dict[str, Any]:
    """JSON data as the library takes it: `now` becomes a time."""
    data = dict(variables)
    if "now" in data:
        data["now"] = datetime.fromisoformat(data["now"])
    return data


def answer(program: Program, variables: Mapping[str, Any]) -> dict[str, Any]:
    """`{skipped, failed, errors, values}` of one question; see judge.verdict.Answer. Raises MemoryError only."""
    data = bindings(variables)
    errors: list[dict[str, Any]] = []
    skipped = _condition(program, data, errors)
    if skipped or errors:
        return {"skipped": skipped, "failed": [], "errors": [] if skipped else errors, "values": {}}
    unbound, values = _variables(program, data)
    failed: list[dict[str, Any]] = []
    for number, rule in enumerate(program.rules, start=1):
        try:
            if not _truth(rule.expression, data):
                failed.append(_finding(number, rule.path, _message(rule, data)))
        except Failed as error:
            errors.append(_finding(number, rule.path, _explained(str(error), unbound)))
    return {"skipped": "", "failed": failed, "errors": errors, "values": values}


def _finding(rule: int, path: str, message: str) -> dict[str, Any]:
    return {"rule": rule, "path": path, "message": message[:MAX_TEXT]}


def _condition(program: Program, data: Mapping[str, Any], errors: list[dict[str, Any]]) -> str:
    """The name of the first match condition that is false; one that is false wins over errors, as in Kubernetes."""
    for name, path, expression in program.conditions:
        try:
            if not _truth(expression, data):
                return name
        except Failed as error:
            errors.append(_finding(0, path, f"the match condition '{name}' failed: {error}"))
    return ""


def _variables(program: Program, data: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Bind the policy's variables; gives why some could not be, and the values for people."""
    unbound: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name, _, expression in program.variables:
        try:
            data[name] = _value(expression, data).plain_value()
        except Failed as error:
            unbound[name] = _explained(str(error), unbound)
            continue
        if len(values) < MAX_VALUES:
            values[name.removeprefix("variables.")] = shown(data[name])
    return unbound, values


def _explained(message: str, unbound: Mapping[str, str]) -> str:
    """Why the variable that an expression missed has no value, in place of the library's 'not found in Activation'."""
    for name, reason in unbound.items():
        if f'"{name}"' in message:
            return f"{name} has no value: {reason}"
    return message


def _message(rule: Rule, data: Mapping[str, Any]) -> str:
    """What `messageExpression` says; empty where it gives no text (then `message` is used, as in Kubernetes)."""
    if rule.message is None:
        return ""
    try:
        value = _value(rule.message, data)
    except Failed:
        return ""
    text = value.plain_value()
    return text if value.type() == cel.Type.STRING and isinstance(text, str) else ""


def _truth(expression: Any, data: Mapping[str, Any]) -> bool:
    value = _value(expression, data)
    plain = value.plain_value()
    if value.type() != cel.Type.BOOL or not isinstance(plain, bool):
        raise Failed(f"gives {value.type()} where BOOL is needed")
    return plain


def _value(expression: Any, data: Mapping[str, Any]) -> Any:
    try:
        value = expression.eval(data=data)
    except MemoryError:
        raise
    except Exception as error:  # the library raises for its limits; every one of them is an error of the policy
        raise Failed(sentence(error)) from error
    if value.type() in (cel.Type.ERROR, cel.Type.UNKNOWN):
        raise Failed(sentence(value.plain_value()))
    return value


def shown(value: Any, depth: int = 0) -> Any:
    """A value as JSON for people: short texts, few items, little depth."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= MAX_VALUE_TEXT else value[:MAX_VALUE_TEXT] + "…"
    if isinstance(value, dict | list) and depth >= MAX_VALUE_DEPTH:
        return "…"
    if isinstance(value, dict):
        rows = sorted(value.items(), key=lambda row: str(row[0]))[:MAX_VALUE_ITEMS]  # the library's order is random
        data = {str(key)[:MAX_VALUE_TEXT]: shown(item, depth + 1) for key, item in rows}
        return data if len(value) <= MAX_VALUE_ITEMS else {**data, "…": f"{len(value) - MAX_VALUE_ITEMS} more"}
    if isinstance(value, list):
        items = [shown(item, depth + 1) for item in value[:MAX_VALUE_ITEMS]]
        return items if len(value) <= MAX_VALUE_ITEMS else [*items, f"… {len(value) - MAX_VALUE_ITEMS} more"]
    return str(value)[:MAX_VALUE_TEXT]
