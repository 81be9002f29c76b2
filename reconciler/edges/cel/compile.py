"""From the expressions of one policy to a compiled program, or to sentences that say what is wrong.

Runs in the worker. The library's own limits are not trusted alone: length and nesting are checked before it sees the
text.

Note [Policy variables are qualified names]: `variables.worse` is declared to the library as one variable whose *name*
is `variables.worse`. So its type is checked, a misspelt name does not compile, and one whose evaluation failed is
simply not bound: whatever reads it fails, whatever does not read it is untouched. `has(variables.x)` would not test
anything (this library version returns the value), so it is refused. A time inside a map or a mixed list does not
survive being bound (the library takes it back only where its type is known): that is an error, so it denies.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_math, ext_strings

from reconciler.edges.cel.limits import MAX_EXPRESSION, MAX_NESTING

_MAP = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)

# What the library may assume of a policy's variables; judge/question.py says what they mean (a test compares both).
TYPES: Mapping[str, Any] = {
    "release": _MAP,
    "running": cel.Type.DYN,
    "environment": _MAP,
    "clusters": cel.Type.List(_MAP),
    "signatures": cel.Type.List(_MAP),
    "revision": cel.Type.DYN,
    "plan": _MAP,
    "upstream": cel.Type.DYN,
    "runtime": _MAP,
    "params": _MAP,
    "operation": cel.Type.STRING,
    "now": cel.Type.TIMESTAMP,
}

_PLACED = re.compile(r"ERROR: <input>:(?P<line>-?\d+):(?P<column>-?\d+): (?P<text>[^\n]*)")
_PREFIX = re.compile(r"^[A-Z_]+: ")
_SUFFIX = re.compile(r" \[[A-Z_]+\]$")
_HAS_VARIABLE = re.compile(r"\bhas\s*\(\s*variables\b")


class NotCompiled(Exception):
    """A policy that cannot be used; `problems` are (path of the expression, sentence)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {text}" for path, text in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One validation: what must be true, and how to say that it is not."""

    path: str
    expression: Any
    message: Any | None


@dataclass(slots=True, kw_only=True)
class Program:
    """One policy, compiled."""

    conditions: list[tuple[str, str, Any]] = field(default_factory=list)
    """(name, path, expression)"""
    variables: list[tuple[str, str, Any]] = field(default_factory=list)
    """(qualified name, path, expression)"""
    rules: list[Rule] = field(default_factory=list)


def sentence(error: object) -> str:
    """What the library said, on one line and without its own decoration."""
    text = str(error)
    placed = _PLACED.search(text)
    if placed is not None:
        said = _SUFFIX.sub("", placed["text"].strip())
        if int(placed["line"]) < 1:
            return said
        return f"{said} (line {placed['line']}, column {placed['column']} of the expression)"
    return _PREFIX.sub("", _SUFFIX.sub("", " ".join(text.split()))) or type(error).__name__


def compile_policy(spec: Mapping[str, Any]) -> Program:
    """The program of a policy's `spec` (its full JSON data); raises NotCompiled with every problem."""
    return _Compiler().compile(spec)


class _Compiler:
    """Collects problems instead of stopping at the first one."""

    def __init__(self) -> None:
        self.types: dict[str, Any] = dict(TYPES)
        self.problems: list[tuple[str, str]] = []

    def compile(self, spec: Mapping[str, Any]) -> Program:
        program = Program()
        env = self._env()
        for index, row in enumerate(spec["matchConditions"]):
            path = f"spec.matchConditions[{index}].expression"
            expression = self._one(env, path, row["expression"], cel.Type.BOOL)
            program.conditions.append((row["name"], path, expression))
        for index, row in enumerate(spec["variables"]):
            env = self._variable(env, program, f"spec.variables[{index}]", row)
        for index, row in enumerate(spec["validations"]):
            path = f"spec.validations[{index}]"
            expression = self._one(env, f"{path}.expression", row["expression"], cel.Type.BOOL)
            text = row["messageExpression"]
            message = self._one(env, f"{path}.messageExpression", text, cel.Type.STRING) if text is not None else None
            program.rules.append(Rule(path=f"{path}.expression", expression=expression, message=message))
        if self.problems:
            raise NotCompiled(self.problems)
        return program

    def _env(self) -> Any:
        return cel.NewEnv(variables=self.types, extensions=[ext_strings.ExtStrings(), ext_math.ExtMath()])

    def _variable(self, env: Any, program: Program, path: str, row: Mapping[str, Any]) -> Any:
        name = f"variables.{row['name']}"
        expression = self._one(env, f"{path}.expression", row["expression"], None)
        if name in self.types:
            self.problems.append((f"{path}.name", f"there is a variable '{row['name']}' before this one"))
        self.types[name] = expression.return_type() if expression is not None else cel.Type.DYN
        program.variables.append((name, f"{path}.expression", expression))
        return self._env()

    def _one(self, env: Any, path: str, text: str, wanted: Any) -> Any:
        """The compiled expression; None after a problem."""
        refusal = next(_refusals(text), None)
        if refusal is not None:
            self.problems.append((path, refusal))
            return None
        try:
            expression = env.compile(text)
        except Exception as error:  # noqa: BLE001  # whatever the library raises means that the text is no use
            self.problems.append((path, sentence(error)))
            return None
        given = expression.return_type()
        if wanted is not None and given not in (wanted, cel.Type.DYN):
            self.problems.append((path, f"gives {given} where {wanted} is needed"))
        return expression


def _refusals(text: str) -> Iterator[str]:
    size = len(text.encode(errors="replace"))
    if size > MAX_EXPRESSION:
        yield f"is {size} bytes long; {MAX_EXPRESSION} are allowed"
    if "\x00" in text:
        yield "contains a NUL character"
    if _nesting(text) > MAX_NESTING:
        yield f"nests brackets more than {MAX_NESTING} deep"
    if _HAS_VARIABLE.search(text):
        yield "uses has() on a variable of the policy: those are always there, so test the value instead"


def _nesting(text: str) -> int:
    """The deepest nesting of brackets; those in string literals count too, which only makes it stricter."""
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest
