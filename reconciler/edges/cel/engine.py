"""The engine of policies: questions in, verdicts out, one worker process behind a lock.

Rules: every question gets exactly one verdict, in order. A worker that overruns a limit, dies or answers nonsense costs
the question it was at an error verdict; it is started again for the next one. Nothing here decides what a verdict means
(judge/verdict does).
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import orjson

from reconciler.documents.words import FieldPath, field_name
from reconciler.edges.cel.limits import Limits
from reconciler.edges.cel.process import Lost, WorkerProcess
from reconciler.errors import Misused
from reconciler.judge.question import Question, policy_digest
from reconciler.judge.verdict import Answer, Finding, verdict
from reconciler.model.policy import Policy, PolicyVerdict

MANY = 64  # questions in one message


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionProblem:
    """One expression of a policy that cannot be used; `path` is its field's, for `Loaded.problem`."""

    path: FieldPath
    message: str

    def __str__(self) -> str:
        return f"{field_name(self.path)}: {self.message}"


class CelEngine:
    """Compiles and evaluates policies. Thread-safe: callers wait for each other. Close it, or use it in a `with`."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._worker: WorkerProcess | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def check(self, policy: Policy) -> list[ExpressionProblem]:
        """Every expression that does not compile, is not of the needed type or is too large; empty: it is usable."""
        job = {"policy": policy_digest(policy.spec), "spec": policy.spec.to_full_data()}
        found = _answer(self._run([job])[0]).errors
        return [ExpressionProblem(path=_path(finding.path), message=finding.message) for finding in found]

    def ask(self, questions: Sequence[Question]) -> list[PolicyVerdict]:
        """One verdict per question, in their order. Raises Misused when the CEL library is missing."""
        return [verdict(row, answer) for row, answer in zip(questions, self.answers(questions), strict=True)]

    def answers(self, questions: Sequence[Question]) -> list[Answer]:
        """What every question's evaluation gave, in their order; see `ask`."""
        specs: dict[str, dict[str, Any]] = {}
        answers: list[Answer | None] = [None] * len(questions)
        jobs: list[tuple[int, dict[str, Any]]] = []
        inspector = _Inspector(self._limits)
        for index, question in enumerate(questions):
            refusal = inspector.refusal(question)
            if refusal:
                answers[index] = _fault("spec", refusal)
                continue
            spec = specs.get(question.policy) or specs.setdefault(question.policy, question.spec.to_full_data())
            jobs.append((index, {"policy": question.policy, "spec": spec, "variables": dict(question.variables)}))
        for start in range(0, len(jobs), MANY):
            batch = jobs[start : start + MANY]
            for (index, _), reply in zip(batch, self._run([job for _, job in batch]), strict=True):
                answers[index] = _answer(reply)
        return [entry for entry in answers if entry is not None]

    def close(self) -> None:
        """End the worker. The engine cannot be used afterwards; closing twice is fine."""
        with self._lock:
            self._closed = True
            self._drop()

    @property
    def worker_pid(self) -> int | None:
        """The process id of the running worker, for metrics and for people."""
        worker = self._worker
        return worker.pid if worker is not None and worker.alive else None

    def _run(self, jobs: list[dict[str, Any]]) -> list[dict[str, Any] | str]:
        """One reply per job: what the worker said, or why it said nothing."""
        replies: list[dict[str, Any] | str] = []
        with self._lock:
            while len(replies) < len(jobs):
                try:
                    worker = self._ready()
                    worker.send(jobs[len(replies) :], seconds=self._limits.wall)
                    while len(replies) < len(jobs):
                        replies.append(worker.receive(seconds=self._limits.wall))
                except (Lost, OSError) as error:
                    self._drop()
                    replies.append(_sentence(error))
        return replies

    def _ready(self) -> WorkerProcess:
        if self._closed:
            raise Misused("The policy engine was closed and cannot answer any more.")
        if self._worker is not None and not self._worker.alive:
            self._drop()
        if self._worker is None:
            self._worker = WorkerProcess(self._limits)
        return self._worker

    def _drop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()


def _path(field: str) -> FieldPath:
    """`spec.validations[0].expression` as the steps of a path."""
    return tuple(int(step) if step.isdigit() else step for step in re.findall(r"[A-Za-z]+|[0-9]+", field))


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, Lost) else f"could not be evaluated: its worker did not start ({error})"


def _fault(path: str, message: str) -> Answer:
    return Answer(errors=(Finding(rule=0, path=path, message=message),))


def _answer(reply: dict[str, Any] | str) -> Answer:
    """The worker's reply as the judge's value; one that is not of that shape is an error."""
    if isinstance(reply, str):
        return _fault("spec", reply)
    try:
        if "problems" in reply:
            return Answer(errors=tuple(Finding(rule=0, path=path, message=text) for path, text in reply["problems"]))
        return Answer(
            skipped=reply["skipped"],
            failed=tuple(Finding(**row) for row in reply["failed"]),
            errors=tuple(Finding(**row) for row in reply["errors"]),
            values=reply["values"],
        )
    except (KeyError, TypeError, ValueError):
        return _fault("spec", "could not be evaluated: the worker's answer is not one")


class _Inspector:
    """Whether questions may be asked. Nothing is cut short: half a list would be another truth.

    The questions of one decision see the same values, so each value is looked at once. It lives as long as they do.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seen: dict[int, tuple[int, str]] = {}

    def refusal(self, question: Question) -> str:
        """Why a question is not asked; empty when it may be."""
        found = [self._look(value) for value in question.variables.values()]
        size = sum(size for size, _ in found)
        if size > self._limits.input:
            return f"what it would see is {size} bytes; {self._limits.input} are allowed"
        return next((reason for _, reason in found if reason), "")

    def _look(self, value: Any) -> tuple[int, str]:
        if id(value) not in self._seen:
            size = len(orjson.dumps(value))
            self._seen[id(value)] = size, _flaw(value, self._limits) if size <= self._limits.input else ""
        return self._seen[id(value)]


def _flaw(value: Any, limits: Limits) -> str:
    """What is wrong with a value, whatever its size; empty when nothing is."""
    stack: list[Any] = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, str) and "\x00" in value:
            return "what it would see contains a NUL character"
        if not isinstance(value, dict | list | tuple):
            continue
        if len(value) > limits.items:
            return f"what it would see has a list of {len(value)} items; {limits.items} are allowed"
        if isinstance(value, dict):
            stack.extend(value)
            stack.extend(value.values())
        else:
            stack.extend(value)
    return ""
