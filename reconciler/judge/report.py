"""A run of policy tests as text, JSON, JUnit XML and GitHub annotations: one table of functions."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from reconciler.documents.ci import command_property, command_text, xml_attribute
from reconciler.judge.testing import CaseResult, Coverage, TestReport


def text(report: TestReport) -> str:
    """For a terminal: a line per failed case, a line per gap in coverage, and the sum."""
    lines = [f"FAIL {_title(result)}: {result.problem} ({result.place})" for result in report.failed]
    lines += [f"note {gap}" for row in report.coverage for gap in gaps(row)]
    count, failed = len(report.results), len(report.failed)
    lines.append(f"{count - failed} of {count} cases answered as expected" if count else "there are no cases")
    return "\n".join(lines) + "\n"


def json(report: TestReport) -> str:
    """For programs: every case with its verdict, and the coverage."""
    data: dict[str, Any] = {
        "ok": report.ok,
        "cases": [_case(result) for result in report.results],
        "coverage": [
            {
                "policy": row.policy,
                "source": row.source,
                "validations": row.validations,
                "neverFailed": list(row.never_failed),
                "passed": row.passed,
            }
            for row in report.coverage
        ],
    }
    return orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def junit(report: TestReport) -> str:
    """For CI systems: one test case per case, named by policy and case."""
    rows = []
    for result in report.results:
        opening = f"  <testcase classname={xml_attribute(result.policy)} name={xml_attribute(result.case)}"
        where = result.place.split(":")[0]
        opening += f" file={xml_attribute(where)}"
        if result.ok:
            rows.append(f"{opening}/>")
        else:
            message = xml_attribute(f"{result.problem} ({result.place})")
            rows.append(f"{opening}><failure message={message}/></testcase>")
    count, failed = len(report.results), len(report.failed)
    head = f'<testsuite name="reconciler policy test" tests="{count}" failures="{failed}" errors="0">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *rows, "</testsuite>"]) + "\n"


def github(report: TestReport) -> str:
    """Workflow commands that GitHub shows beside the lines of a pull request."""
    lines = []
    for result in report.failed:
        path, line, column = result.place.rsplit(":", 2)
        where = f"file={command_property(path)},line={line},col={column},title={command_property(_title(result))}"
        lines.append(f"::error {where}::{command_text(result.problem)}")
    lines += [f"::notice ::{command_text(gap)}" for row in report.coverage for gap in gaps(row)]
    return "\n".join(lines) + "\n" if lines else ""


RENDERINGS: Mapping[str, Callable[[TestReport], str]] = {"text": text, "json": json, "junit": junit, "github": github}


def gaps(coverage: Coverage) -> list[str]:
    """What no case has shown of one policy, a sentence each."""
    sentences = [f"{coverage.policy}: validation {rule} was never seen failing" for rule in coverage.never_failed]
    return sentences if coverage.passed else [*sentences, f"{coverage.policy}: it was never seen passing"]


def _title(result: CaseResult) -> str:
    return f"{result.policy}: {result.case}"


def _case(result: CaseResult) -> dict[str, Any]:
    return {
        "policy": result.policy,
        "case": result.case,
        "place": result.place,
        "ok": result.ok,
        "problem": result.problem,
        "expected": result.expected.to_data(),
        "verdict": result.verdict.to_data() if result.verdict is not None else None,
    }
