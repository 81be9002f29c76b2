"""One decision explained: what every policy said, rule by rule, and the values that each rule looked at.

For people who ask why; nothing here decides. Rules: the verdict is the one that a gate is made of; a value is looked up
by the names in the expression's text, so a rule that fails at its first operand is shown with all of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.judge.question import Question
from reconciler.judge.variables import VARIABLES
from reconciler.judge.verdict import Answer, verdict
from reconciler.model.policy import PolicyResult, PolicyVerdict

_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_NAME = re.compile(r"(?<![\w.])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\s*\()?")
_OWN = "variables"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """One validation: its result (`pass`, `fail`, `error`; `skip` when it was not reached) and what it looked at."""

    rule: int
    result: PolicyResult
    place: str
    expression: str
    reason: str = ""
    message: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTrace:
    """One policy: its verdict, and its rules in their order (none of a policy that was not asked)."""

    verdict: PolicyVerdict
    rules: tuple[RuleTrace, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data."""
        rules = [
            {
                "rule": row.rule,
                "result": row.result.value,
                "place": row.place,
                "expression": row.expression,
                "reason": row.reason,
                "message": row.message,
                "values": dict(row.values),
            }
            for row in self.rules
        ]
        return {**self.verdict.to_data(), "rules": rules}


def trace(question: Question, answer: Answer) -> PolicyTrace:
    """What one policy answered, rule by rule."""
    said = verdict(question, answer)
    reached = not answer.skipped and all(finding.rule for finding in answer.errors)
    numbers = range(1, len(question.spec.validations) + 1)
    return PolicyTrace(verdict=said, rules=tuple(_rule(question, answer, row, reached=reached) for row in numbers))


def looked_at(expression: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the variables that an expression names, by the longest name that is there."""
    found: dict[str, Any] = {}
    for match in _NAME.finditer(_LITERAL.sub("''", expression)):
        parts = match[1].split(".")
        if parts[0] not in data:
            continue
        if match[2]:  # the last part is called: it is a function, not a field
            parts = parts[:-1]
        name, value = _longest(parts, data)
        if "." in name or (name and not isinstance(value, Mapping)):  # a whole variable says nothing
            found.setdefault(name, value)
    return found


def _rule(question: Question, answer: Answer, number: int, *, reached: bool) -> RuleTrace:
    validation = question.spec.validations[number - 1]
    path = f"spec.validations[{number - 1}].expression"
    failed = {finding.rule: finding.message for finding in answer.failed}
    errors = {finding.rule: finding.message for finding in answer.errors}
    result = PolicyResult.PASS if reached else PolicyResult.SKIP
    if number in failed:
        result = PolicyResult.FAIL
    if number in errors:
        result = PolicyResult.ERROR
    message = errors.get(number) or failed.get(number) or (validation.message if number in failed else "")
    shared = {name: value for name, value in question.variables.items() if name in VARIABLES}
    return RuleTrace(
        rule=number,
        result=result,
        place=question.places.get(path, ""),
        expression=" ".join(validation.expression.split()),
        reason=validation.reason if number in failed else "",
        message=message,
        values=looked_at(validation.expression, {**shared, _OWN: answer.values}),
    )


def _longest(parts: list[str], data: Mapping[str, Any]) -> tuple[str, Any]:
    """The value of a dotted name, as far as it leads: what follows a list, a text or null is the expression's."""
    value: Any = data
    taken: list[str] = []
    for part in parts:
        if not isinstance(value, Mapping) or part not in value:
            break
        value = value[part]
        taken.append(part)
    return ".".join(taken), value
