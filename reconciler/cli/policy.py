"""`policy test`, `eval` and `list`: do policies say what they should, of a real release too, and what is shipped."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.app import new_app
from reconciler.cli.output import Form, print_json, print_table, write
from reconciler.cli.policy_eval import documents_of, evaluate
from reconciler.errors import EXIT_DONE, EXIT_NO, Misused, Refused

if TYPE_CHECKING:
    from reconciler.judge.question import LoadedPolicy

app = new_app("Test policies, explain what they say of a release, and list the shipped ones.")
app.command("eval")(evaluate)


class ReportForm(StrEnum):
    """The forms of a test report."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    GITHUB = "github"


@app.command("test")
def run_tests(
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Policies and their tests.")] = None,
    output: Annotated[ReportForm, typer.Option("-o", "--output", help="The form of the report.")] = ReportForm.TEXT,
) -> int:
    """Run the cases of every PolicyTest under a folder; without one, those of the shipped policies.

    Same engine and limits as the daemon's. Ends with 1 when a case does not answer as expected, or there is none.

    Example: reconciler policy test policies -o junit
    """
    from reconciler.edges.cel.engine import CelEngine
    from reconciler.judge.question import own_policy
    from reconciler.judge.report import RENDERINGS
    from reconciler.judge.testing import run
    from reconciler.loop.bundle import bundled, shipped_policies
    from reconciler.model.policy import PolicyTest
    from reconciler.render import BUILTIN

    shipped = bundled("policies")
    where = folder or shipped
    if not where.is_dir():
        raise Misused(f"there is no folder {where}")
    files = {str(file): file.read_bytes() for file in sorted([*where.rglob("*.yaml"), *where.rglob("*.yml")])}
    documents = documents_of(files)
    tests = [one for one in documents if one.kind == "PolicyTest"]
    if not tests:
        raise Refused(f"there is no PolicyTest in {where}")
    own = [] if where.resolve() == shipped.resolve() else [own_policy(one) for one in documents if one.kind == "Policy"]
    asked = {one.as_(PolicyTest).spec.policy for one in tests}
    others = {policy.name for policy in own}
    bundle = [policy for policy in shipped_policies() if policy.name in asked - others]
    with CelEngine() as engine:
        report = run(tests, [*bundle, *own], {runtime.name: runtime for runtime in BUILTIN.values()}, engine.ask)
    write(RENDERINGS[output.value](report).encode())
    return EXIT_DONE if report.ok else EXIT_NO


@app.command("list")
def list_(output: Annotated[Form, typer.Option("-o", "--output", help="The form.")] = Form.TEXT) -> int:
    """List the shipped policies.

    Strict environments are asked all of them, the others those of the baseline.

    Example: reconciler policy list
    """
    from reconciler.loop.bundle import bundled, shipped_policies

    folder = bundled("policies")
    meanings = {file.stem: _meaning(file.read_text(encoding="utf-8")) for file in folder.glob("*.yaml")}
    rows = [
        (policy.name, policy.source.partition(":")[2], _severity(policy), meanings.get(policy.name, ""))
        for policy in shipped_policies()
    ]
    if output is Form.JSON:
        print_json([dict(zip(("name", "bundle", "severity", "meaning"), row, strict=True)) for row in rows])
    else:
        print_table(("POLICY", "BUNDLE", "SEVERITY", "MEANING"), rows)
    return EXIT_DONE


def _severity(policy: "LoadedPolicy") -> str:
    return policy.policy.metadata.annotations.get("severity", "")


def _meaning(text: str) -> str:
    """The first sentence of the comment that a shipped policy begins with."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    said = " ".join(line for line in lines if line and not line.startswith("yaml-language-server:"))
    return said.partition(". ")[0].rstrip(".")
