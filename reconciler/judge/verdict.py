"""What an answer means: Answer -> PolicyVerdict -> Gate.

Rules: `fail` and `error` close the gate, `pass`, `warn` and `skip` do not. Only an answer without failure and without
error is a pass. A no is a `fail` or an `error` only where the policy denies (`validationActions: [Deny]`), is not told
to ignore errors, and the operation is no rollback; everywhere else it is a `warn` that says why it does not deny.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.judge.question import Question
from reconciler.model.plan import Gate
from reconciler.model.policy import PolicyResult, PolicyVerdict

MAX_MESSAGE = 1024
CLOSING = frozenset({PolicyResult.FAIL, PolicyResult.ERROR})

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing an answer found. `rule` counts validations from 1 (0: none); `path` is the expression's field."""

    rule: int
    path: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What evaluating one question gave. `skipped` names the match condition that was false."""

    skipped: str = ""
    failed: tuple[Finding, ...] = ()
    errors: tuple[Finding, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


def verdict(question: Question, answer: Answer) -> PolicyVerdict:
    """The verdict of one policy. Names the first finding's rule and place; the message has all of them."""
    if answer.skipped:
        message = f"its match condition '{answer.skipped}' is false"
        return _verdict(question, PolicyResult.SKIP, reason="NotApplicable", message=message)
    if answer.failed:
        return _failed(question, answer)
    if answer.errors:
        return _errored(question, answer)
    return _verdict(question, PolicyResult.PASS, values=answer.values)


def gates(verdicts: Sequence[PolicyVerdict]) -> tuple[Gate, ...]:
    """One gate for every verdict that has something to say: closed for fail and error, open for a warning."""
    return tuple(_gate(entry) for entry in verdicts if entry.result in {*CLOSING, PolicyResult.WARN})


def _gate(entry: PolicyVerdict) -> Gate:
    place = f" ({entry.place})" if entry.place else ""
    closed = entry.result in CLOSING
    verb = "denies" if entry.result is PolicyResult.FAIL else "warns"
    message = f"policy {entry.name} {verb}: {entry.message}{place}"
    if entry.result is PolicyResult.ERROR:
        message = f"policy {entry.name} could not be judged, so it denies: {entry.message}{place}"
    return Gate(kind="Policy", open=not closed, reason="PolicyDenied" if closed else "PolicyWarned", message=message)


def _failed(question: Question, answer: Answer) -> PolicyVerdict:
    first = answer.failed[0]
    sentences = [_sentence(question, finding) for finding in answer.failed]
    mild = _mild(question)
    message = "; ".join(dict.fromkeys(sentences)) + (f" ({mild})" if mild else "")
    return _verdict(
        question,
        PolicyResult.WARN if mild else PolicyResult.FAIL,
        finding=first,
        reason=question.spec.validations[first.rule - 1].reason,
        message=message,
        values=answer.values,
    )


def _errored(question: Question, answer: Answer) -> PolicyVerdict:
    first = answer.errors[0]
    ignored = "ignored: its failurePolicy is Ignore" if question.spec.failure_policy == "Ignore" else ""
    mild = ignored or _mild(question)
    message = f"{first.path}: {first.message}" + (f" ({mild})" if mild else "")
    return _verdict(
        question,
        PolicyResult.WARN if mild else PolicyResult.ERROR,
        finding=first,
        reason="NotEvaluated",
        message=message,
        values=answer.values,
    )


def _mild(question: Question) -> str:
    """Why a no of this policy does not deny here; empty when it does."""
    action = question.spec.validation_actions[0]
    if action != "Deny":
        return "its action is Warn" if action == "Warn" else "its action is Audit"
    return "a rollback is not denied by policies" if question.operation == "Rollback" else ""


def _sentence(question: Question, finding: Finding) -> str:
    validation = question.spec.validations[finding.rule - 1]
    return finding.message.strip() or validation.message.strip() or f"not true: {validation.expression.strip()}"


def _verdict(
    question: Question,
    result: PolicyResult,
    *,
    finding: Finding | None = None,
    reason: str = "",
    message: str = "",
    values: Mapping[str, Any] | None = None,
) -> PolicyVerdict:
    return PolicyVerdict(
        name=question.name,
        source=question.source,
        result=result,
        rule=finding.rule if finding else 0,
        reason=reason,
        message=_clean(message),
        place=_place(question, finding) if finding else "",
        values=dict(values or {}),
    )


def _place(question: Question, finding: Finding) -> str:
    """Where the expression stands; of a fault that is not about one of them, where the first validation does."""
    return question.places.get(finding.path) or question.places.get("spec.validations[0].expression", "")


def _clean(text: str) -> str:
    """One line without control characters, of a length that fits a comment."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"
