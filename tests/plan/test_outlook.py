"""What a preview comes to, the first sentence of the comment, and the commit statuses: one row per situation."""

import pytest
from plan_cluster import NOW
from plan_reports import MISSING, SIGNED, UNSIGNED, VALID, WINDOW, asking, key_of, preview, report

from reconciler.model.plan import Gate
from reconciler.model.pull import StatusState
from reconciler.plan.following import ReleaseProgress
from reconciler.plan.marker import Stage
from reconciler.plan.outlook import Outlook, closed, outlook
from reconciler.plan.preview import Doing
from reconciler.plan.report import GoverningChange, Merge, headline
from reconciler.plan.statuses import planning, statuses


def gate(kind, reason, message="why", opens_at=None):
    return Gate(kind=kind, open=False, reason=reason, message=message, opens_at=opens_at)


REJECTED = gate("Approval", "ApprovalsRejected", "rejected by cy")
SILENT = gate("Cluster", "NoPlan", "us-1: it does not answer")
GATES = {
    "none": ((), Outlook.STARTS),
    "missing approvals": ((MISSING,), Outlook.ASKS),
    "expired approvals": ((gate("Approval", "ApprovalsExpired"),), Outlook.ASKS),
    "a reject": ((REJECTED,), Outlook.CLOSED),
    "no signature": ((UNSIGNED,), Outlook.CLOSED),
    "no signature, and no approvals": ((MISSING, UNSIGNED), Outlook.CLOSED),
    "a broken document": ((gate("Document", "Invalid"),), Outlook.CLOSED),
    "a policy": ((gate("Policy", "PolicyDenied"),), Outlook.CLOSED),
    "a reference": ((gate("Reference", "Invalid"),), Outlook.CLOSED),
    "a window that opens": ((WINDOW,), Outlook.WAITS),
    "a window that nobody knows": ((gate("Window", "OutsideWindow"),), Outlook.CLOSED),
    "a freeze that ends": ((gate("Freeze", "Frozen", opens_at=NOW),), Outlook.WAITS),
    "a freeze without an end": ((gate("Freeze", "Frozen"),), Outlook.CLOSED),
    "a Hold without an end": ((gate("Hold", "OnHold"),), Outlook.CLOSED),
    "a release that it depends on": ((gate("Dependency", "DependencyNotReady"),), Outlook.WAITS),
    "others whose turn it is": ((gate("Limit", "TooManyRollouts"),), Outlook.WAITS),
    "too many GPUs": ((gate("Limit", "TooManyGpus"),), Outlook.CLOSED),
    "a hook that runs": ((gate("Hook", "HookRunning"),), Outlook.WAITS),
    "a hook that failed": ((gate("Hook", "HookFailed"),), Outlook.CLOSED),
    "a window, and no approvals": ((WINDOW, MISSING), Outlook.ASKS),
    "one cluster of two that does not answer": ((SILENT,), Outlook.STARTS),
    "deletions that wait": ((gate("Prune", "PruneNotConfirmed"),), Outlook.STARTS),
}


@pytest.mark.parametrize("row", GATES.values(), ids=GATES.keys())
def test_of_all_closed_gates_the_worst_counts(row):
    gates, expected = row
    assert outlook(preview(gates=(SIGNED, *gates))) is expected


def test_the_only_cluster_does_not_answer():
    assert outlook(preview(clusters=(), gates=(SILENT,))) is Outlook.WAITS


def test_where_no_object_changes_and_no_gate_is_closed_nothing_happens():
    assert outlook(preview(changes=0)) is Outlook.NOTHING


def test_the_worst_gate_is_told_first():
    assert closed(preview(gates=(WINDOW, MISSING, UNSIGNED, VALID))) == (UNSIGNED, MISSING, WINDOW)


def governed(*, in_force=True, environment="", path="environments/prod.yaml"):
    return GoverningChange(
        path=path,
        kind="Environment",
        name="prod",
        in_force=in_force,
        sentence="it is signed by nobody who may",
        environment=environment,
    )


def after(name, phase, *, ended=False, failed=False):
    return ReleaseProgress(
        key=key_of(name), before="1.3.0", after="1.4.0", phase=phase, sentence="exit code 1", ended=ended, failed=failed
    )


TWO = (preview("a"), preview("b", "dev", clusters=("eu-1",), before=""))
ASKS = preview(gates=(MISSING,), asked=(asking(),))
HELD = preview(gates=(UNSIGNED,))
A, P = "1.3.0&nbsp;→&nbsp;1.4.0", "`fraud-detector`"
FIRST = {
    "one release starts": (report(preview()), f"Merging would promote {P} {A} in `prod` on `eu-1` and `us-1`", ""),
    "one starts on no cluster that is known": (
        report(preview(clusters=(), plans=preview(clusters=("x",)).plans, diff=())),
        f"Merging would promote {P} {A} in `prod` on `x`",
        "",
    ),
    "two start": (
        report(*TWO),
        f"Merging would promote `a` {A} in `prod` on `eu-1` and `us-1`; promote `b` 1.4.0 in `dev` on `eu-1`",
        "",
    ),
    "many start": (
        report(*(preview(name) for name in "abcd"), preview("e", "dev")),
        "Merging would promote 5 releases: 1 in `dev` and 4 in `prod`",
        "",
    ),
    "many start, in several ways": (
        report(*(preview(name) for name in "abc"), preview("d", doing=Doing.RETIRE)),
        "Merging would change 4 releases: 4 in `prod`",
        "",
    ),
    "one starts and one is held": (
        report(TWO[0], HELD),
        f"Merging would promote `a` {A} in `prod` on `eu-1` and `us-1`; 1 other release would not start yet",
        "",
    ),
    "a change in place": (
        report(preview(before="1.3.0", after="1.3.0", doing=Doing.CHANGE)),
        f"Merging would change {P} 1.3.0 in place in `prod` on `eu-1` and `us-1`",
        "",
    ),
    "a return": (
        report(preview(before="1.4.0", after="1.3.0", doing=Doing.RETURN)),
        f"Merging would return {P} 1.4.0&nbsp;→&nbsp;1.3.0 in `prod` on `eu-1` and `us-1`",
        "",
    ),
    "a removal": (
        report(preview(doing=Doing.REMOVE)),
        f"Merging would remove {P} 1.3.0 in `prod` on `eu-1` and `us-1`",
        "",
    ),
    "approvals are missing": (
        report(ASKS),
        f"Merging would promote {P} {A} in `prod` on `eu-1` and `us-1` once approved",
        "0 of 1 approval by risk (cy could give it)",
    ),
    "approvals of a removal are missing, and nobody knows how they stand": (
        report(preview(gates=(gate("Approval", "ApprovalsMissing", "nobody said yes."),))),
        f"Merging would promote {P} {A} in `prod` on `eu-1` and `us-1` once approved",
        "Nobody said yes",
    ),
    "a window is closed": (
        report(preview(gates=(gate("Window", "OutsideWindow", "opens Monday", NOW),))),
        f"Merging would promote {P} {A} in `prod` on `eu-1` and `us-1` later, by itself",
        "Opens Monday",
    ),
    "a signature is missing": (
        report(preview(gates=(gate("Signature", "NotVerified", "not signed"),))),
        "Merging would start nothing",
        "Not signed",
    ),
    "one is not signed and one not approved": (
        report(ASKS, preview("x", gates=(gate("Signature", "NotVerified", "not signed"),))),
        "Merging would start nothing",
        "`prod/x`: not signed",
    ),
    "a governing document would not be in force": (
        report(governing=(governed(), governed(in_force=False))),
        "Merging would start nothing",
        "`environments/prod.yaml` would not be in force: it is signed by nobody who may",
    ),
    "a governing document changes": (
        report(governing=(governed(),)),
        "Merging would start nothing and change what governs: `environments/prod.yaml`",
        "",
    ),
    "nothing changes": (report(preview(changes=0)), "Merging would change nothing that runs", ""),
    "it conflicts": (
        report(merge=Merge(conflicts=("a.yaml", "b.yaml"))),
        "Merging is not possible",
        "Conflicts with `main` in `a.yaml` and `b.yaml`",
    ),
    "it comes from a fork": (
        report(merge=Merge(unplanned="it comes from a fork, and forks are not planned here.")),
        "Not planned",
        "it comes from a fork, and forks are not planned here",
    ),
    "merged, and it goes on": (
        report(stage=Stage.MERGED, progress=(after("a", "Stepping"),)),
        f"Merged: `prod/a` {A} is Stepping",
        "",
    ),
    "merged, and some are at their end": (
        report(progress=(after("a", "Stepping"), after("b", "Promoted", ended=True))),
        "Merged: 1 of 2 releases not at the end yet",
        "",
    ),
    "merged, and all are at their end": (
        report(progress=(after("a", "Promoted", ended=True), after("b", "Promoted", ended=True))),
        "Merged: all 2 releases came to an end",
        "",
    ),
    "merged, and two failed": (
        report(progress=(after("a", "Failed", failed=True), after("b", "Failed", failed=True), after("c", "Held"))),
        "Merged, and `prod/a` and `prod/b` failed",
        "",
    ),
}


@pytest.mark.parametrize("row", FIRST.values(), ids=FIRST.keys())
def test_the_first_sentence_says_what_merging_would_do_or_what_closes_it(row):
    value, title, because = row
    found = headline(value)
    assert (found.title, found.because) == (title, because)


S, F, W = StatusState.SUCCESS, StatusState.FAILURE, StatusState.PENDING
STATUSES = {
    "one release starts": (
        report(preview()),
        S,
        "merging would promote fraud-detector 1.3.0 → 1.4.0 on eu-1 and us-1",
    ),
    "a new one starts": (report(preview(before="")), S, "merging would promote fraud-detector 1.4.0 on eu-1 and us-1"),
    "one is removed": (
        report(preview(doing=Doing.REMOVE)),
        S,
        "merging would remove fraud-detector 1.3.0 on eu-1 and us-1",
    ),
    "two start, one later": (
        report(preview("a"), preview("b"), preview("c", gates=(WINDOW,))),
        S,
        "merging starts 2 releases: a and b; 1 release later",
    ),
    "a window opens by itself": (
        report(preview(gates=(gate("Schedule", "NotYet", "it starts Mon 7 Dec 2026 09:00 Europe/Berlin", NOW),))),
        S,
        "fraud-detector starts by itself later: it starts Mon 7 Dec 2026 09:00 Europe/Berlin",
    ),
    "approvals are missing": (report(ASKS), W, "fraud-detector: 0 of 1 approvals; still to come from risk"),
    "approvals of two are missing": (
        report(ASKS, preview("x", gates=(MISSING,), asked=(asking("cy", count=2, role=None),))),
        W,
        "fraud-detector and x: 1 of 3 approvals; still to come from risk and anybody who may",
    ),
    "approvals are missing, and nobody knows of whom": (
        report(preview(gates=(gate("Approval", "ApprovalsMissing", "nobody said yes."),))),
        W,
        "fraud-detector waits: nobody said yes",
    ),
    "a signature is missing, and approvals elsewhere": (
        report(ASKS, preview("x", gates=(gate("Signature", "NotVerified", "not signed"),))),
        F,
        "x is held: not signed",
    ),
    "two are held": (
        report(*(preview(name, gates=(gate("Policy", "PolicyDenied", "no owner"),)) for name in "ab")),
        F,
        "a and 1 more is held: no owner",
    ),
    "a reject": (report(preview(gates=(REJECTED,))), F, "fraud-detector is held: rejected by cy"),
    "a governing document of this environment would not be in force": (
        report(preview(), governing=(governed(in_force=False, environment="prod"), governed(in_force=False))),
        F,
        "environments/prod.yaml would not be in force: it is signed by nobody who may (and 1 more)",
    ),
    "a governing document of another environment would not be in force": (
        report(governing=(governed(in_force=False, environment="dev"),)),
        S,
        "nothing changes in prod",
    ),
    "a governing document changes": (report(governing=(governed(),)), S, "nothing changes in prod"),
    "it conflicts": (report(merge=Merge(conflicts=("a.yaml",))), F, "conflicts with main in a.yaml"),
    "it is from a fork": (report(merge=Merge(unplanned="it is from a fork.")), W, "not planned: it is from a fork"),
    "nothing changes": (report(), S, "nothing changes in prod"),
}


@pytest.mark.parametrize("row", STATUSES.values(), ids=STATUSES.keys())
def test_the_commit_status_of_prod(row):
    value, state, description = row
    found = {row.context: row for row in statuses(value, limit=140, url="https://forge/1")}
    assert list(found) == ["reconciler/dev", "reconciler/prod", "reconciler/staging"]
    assert (found["reconciler/prod"].state, found["reconciler/prod"].description) == (state, description)
    assert found["reconciler/prod"].url == "https://forge/1"


def test_one_that_starts_on_no_known_cluster():
    row = preview(clusters=(), diff=(), gates=())
    assert statuses(report(row), limit=140)[1].description == "nothing changes in prod"


def test_an_environment_that_is_new_has_a_status_too():
    found = statuses(report(preview("x", "canada")), limit=140)
    assert next(row.context for row in found) == "reconciler/canada"


def test_while_it_is_planned_the_status_is_pending():
    found = planning("prod", limit=140)
    assert (found.context, found.state, found.description) == ("reconciler/prod", W, "is being planned")


def test_a_description_is_one_line_within_the_limit():
    row = preview(gates=(gate("Signature", "NotVerified", "not\nsigned\u202e " + "x" * 500),))
    (description,) = [one.description for one in statuses(report(row), limit=140) if one.context == "reconciler/prod"]
    assert len(description) == 140
    assert description.startswith("fraud-detector is held: not signed\ufffd xxx")
    assert description.endswith("…")


def test_what_was_not_planned_is_no_success():
    ready = report(preview(), unseen=1_000)
    found = {row.context: (row.state, row.description) for row in statuses(ready, limit=140)}
    assert set(found.values()) == {("pending", "1,000 further releases not planned; split the pull request")}
    beside = {row.state for row in statuses(report(preview(), beside=1_000), limit=140)}
    assert beside == {"success"}, "what others' documents change of them is not this pull request's to split"
