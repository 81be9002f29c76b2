"""Which commit statuses say no more than that an environment stays as it is."""

from plan_reports import LIMIT, preview, report

from reconciler.plan.statuses import nothing_changes, statuses


def test_only_the_environments_that_a_pull_request_leaves_alone_say_that_nothing_changes():
    rows = statuses(report(preview()), limit=LIMIT)
    assert {row.context: nothing_changes(row) for row in rows} == {
        "reconciler/dev": True,
        "reconciler/prod": False,
        "reconciler/staging": True,
    }
