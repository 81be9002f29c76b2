"""The plan of a pull request for a terminal and for programs."""

import pytest
from plan_reports import preview, report

from reconciler.model.plan import Gate
from reconciler.plan.explain import as_data, as_text
from reconciler.plan.explain_pull import is_quiet, pull_as_data, pull_as_text
from reconciler.plan.report import GoverningChange, Merge

CLOSED = preview(gates=(Gate(kind="Approval", open=False, reason="ApprovalsMissing", message="nobody did"),))
QUIET = preview(plans=(), gates=())
ENVIRONMENT = GoverningChange(
    path="environments/prod.yaml", kind="Environment", name="prod", in_force=True, sentence="", signers=("ada", "bo")
)
GONE = GoverningChange(
    path="policies/x.yaml", kind="Policy", name="x", in_force=False, sentence="nobody signed it", removed=True
)
HEAD = "#12: 4f2a4f2a4f into main at 9b1c9b1c9b"


def test_text_is_the_head_and_every_release_that_would_change():
    assert pull_as_text(report(CLOSED, QUIET)) == f"{HEAD}\n\n{as_text([CLOSED])}"
    assert pull_as_text(report(QUIET)) == f"{HEAD}\n\nNothing would change."


def test_what_governs_stands_first_and_signatures_that_do_not_count_last():
    text = pull_as_text(report(CLOSED, governing=(ENVIRONMENT, GONE), uncounted=("comment by bo: no",)))
    assert text.splitlines()[2:5] == [
        "✓ Environment environments/prod.yaml is changed, signed by ada and bo",
        "✗ Policy policies/x.yaml is removed: nobody signed it",
        "",
    ]
    assert text.endswith("\n\n· comment by bo: no")


@pytest.mark.parametrize(
    ("merge", "lines"),
    [
        (Merge(unplanned="nothing in common"), ["not planned: nothing in common"]),
        (Merge(conflicts=("a.yaml", "b")), ["conflicts with main in a.yaml", "conflicts with main in b"]),
    ],
)
def test_without_a_plan_it_says_why(merge, lines):
    said = report(merge=merge)
    assert pull_as_text(said).splitlines() == [HEAD, *lines]
    assert not is_quiet(said)


def test_data_has_all_of_it():
    said = report(CLOSED, governing=(GONE,), uncounted=("no",))
    data = pull_as_data(said)
    assert data["releases"] == as_data([CLOSED])
    assert data["governing"] == [
        {"path": "policies/x.yaml", "kind": "Policy", "name": "x", "inForce": False, "removed": True, "signers": [],
         "sentence": "nobody signed it"},
    ]  # fmt: skip
    assert (data["pull"], data["digest"], data["uncounted"]) == (12, said.digest, ["no"])


def test_it_is_quiet_when_nothing_would_change():
    assert is_quiet(report(QUIET))
    assert not is_quiet(report(CLOSED))
    assert not is_quiet(report(governing=(ENVIRONMENT,)))
