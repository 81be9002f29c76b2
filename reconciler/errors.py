"""The errors of the whole program; an error's class says what to do next.

`Retry` and `Stalled` steer the loop: look again later, or wait until something changes. `Refused` is the answer "no"
to a person; `Misused` is wrong usage or configuration; `Unreachable` is something outside that did not answer.
Every message is one sentence for a person. Secrets are masked before a message is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_DONE = 0
EXIT_NO = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3


class ReconcilerError(Exception):
    """Base of every error we raise; `exit_code` is what a command ends with, `hint` what a person can do."""

    exit_code = EXIT_NO

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Refused(ReconcilerError):
    """The answer is no: invalid, denied, untrusted or different."""


class Misused(ReconcilerError):
    """Wrong usage or configuration."""

    exit_code = EXIT_USAGE


class Unreachable(ReconcilerError):
    """Something outside could not be reached in time."""

    exit_code = EXIT_UNREACHABLE


class Retry(ReconcilerError):
    """A pass could not finish; look again after `after` seconds (0: let the backoff decide)."""

    exit_code = EXIT_UNREACHABLE

    def __init__(self, message: str, *, reason: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.after = after


class Stalled(ReconcilerError):
    """A pass cannot go on until somebody changes something; retried only when a fact changes or slowly."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Conflict(ReconcilerError):
    """A write was decided on an older state than the one stored (HTTP 409, or a lost compare-and-swap)."""


class NotFound(ReconcilerError):
    """The object, file or revision asked for does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing wrong with one document: `path:line:column: field: message`. Lines and columns start at 1."""

    path: str
    line: int
    column: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}:{self.column}"
        return f"{where}: {self.field}: {self.message}" if self.field else f"{where}: {self.message}"


class Invalid(Refused):
    """A document that does not parse or validate; carries every problem found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))
