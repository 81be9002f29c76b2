"""What a preview tells beyond its gates: what is asked for, the diffs behind closed gates, and the approvals."""

from types import SimpleNamespace

import pytest
from loop_acme import FRAUD, PROD, Repo
from loop_world import Town

from reconciler.errors import Retry
from reconciler.loop.preview import previews_of
from reconciler.model.plan import Action
from reconciler.plan.comment import render
from reconciler.plan.marker import Stage
from reconciler.plan.outlook import Outlook, outlook
from reconciler.plan.preview import Doing
from reconciler.plan.report import Merge, PullReport

ENVIRONMENT = "environments/prod.yaml"
APPROVALS = "  approvals: {rules: [{count: 1}]}\n"


def town(*, silent=()):
    """1.3.0 is promoted on clusters that can be looked at, but those in `silent`."""
    found = Town()
    found.run()
    handles = found.world.fleet.handles(FRAUD.repository)

    def cluster(key):
        if key.cluster in silent:
            raise Retry(f"{key.cluster} does not answer", reason="ClusterUnreachable")
        return SimpleNamespace(
            check_ready=lambda: None, kinds=frozenset, live=lambda _: {}, target=handles[key.cluster].target
        )

    found.world.fleet = SimpleNamespace(broken=dict, handles=lambda _: handles, cluster=cluster)
    return found


def seen(found, key=FRAUD):
    """What is shown once this is merged, without a pass over it."""
    found.source.snapshot = found.published.publish()
    (shown,) = previews_of(found.world, [key])
    return shown


def text(found, *previews):
    report = PullReport(
        repository=FRAUD.repository, number=1, stage=Stage.PLANNED, head="a" * 40, base="b" * 40, base_branch="main",
        merge=Merge(tree="c" * 40), at=found.now.replace(microsecond=0), previews=previews,
    )  # fmt: skip
    return render(report, 65_536, marker="<!-- -->").body


def test_behind_missing_approvals_one_sees_what_one_approves():
    found = town()
    found.repo.edit(ENVIRONMENT, "spec:\n", f"spec:\n{APPROVALS}")
    found.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    shown = seen(found)
    assert (shown.doing, outlook(shown)) == (Doing.PROMOTE, Outlook.ASKS)
    (asking,) = shown.asked
    assert asking.what == PROD
    assert asking.statement.text().startswith(b"reconciler-approval-v1\n")
    assert [row.cluster for row in shown.diffs] == ["eu-1", "us-1"]
    deployment = next(row for row in shown.diffs[0].objects if row.ref.kind == "Deployment")
    assert (deployment.action, bool(deployment.follows)) == (Action.CREATE, True)
    assert any('value: "1.4.0"' in line for line in deployment.lines)
    scaler = [row for row in shown.diffs[0].objects if row.ref.kind == "HorizontalPodAutoscaler"]
    assert all(not row.lines for row in scaler)  # the size of the end, not that of the first step
    body = text(found, shown)
    assert (
        "### Merging would promote `fraud-detector` 1.3.0&nbsp;→&nbsp;1.4.0 in `prod` on `eu-1` and `us-1` once" in body
    )
    assert "```diff" in body


def test_a_cluster_that_does_not_answer_holds_only_itself():
    found = town(silent={"us-1"})
    found.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    shown = seen(found)
    assert [row.cluster for row in shown.diffs] == ["eu-1"]
    assert [gate.message for gate in shown.gates if not gate.open] == ["us-1: us-1 does not answer"]
    assert outlook(shown) is Outlook.STARTS


def test_what_an_unsigned_text_would_do_is_shown_and_does_nothing():
    found = town()
    found.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0", by="")
    found.repo.files.pop(f"{PROD}.sig")
    shown = seen(found)
    assert outlook(shown) is Outlook.CLOSED
    assert shown.diffs[0].objects
    assert found.status(FRAUD).candidate is None


def change(repo, old, new):
    repo.edit(PROD, old, new)


DOING = {
    "another version": (lambda repo: change(repo, "version: 1.3.0", "version: 1.4.0"), Doing.PROMOTE),
    "the same version with another size": (
        lambda repo: change(repo, "{min: 2, max: 6}", "{min: 2, max: 7}"),
        Doing.CHANGE,
    ),
    "retired": (lambda repo: change(repo, "spec:\n", "spec:\n  state: retired\n"), Doing.RETIRE),
    "its file is gone": (lambda repo: repo.remove(PROD, f"{PROD}.sig"), Doing.REMOVE),
}


@pytest.mark.parametrize("row", DOING.values(), ids=DOING.keys())
def test_it_says_in_a_word_what_is_asked_for(row):
    edit, doing = row
    found = town()
    edit(found.repo)
    assert seen(found).doing is doing


def test_a_revert_is_a_return():
    found = town()
    before = {path: found.repo.files[path] for path in (PROD, f"{PROD}.sig")}
    found.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    found.merge()
    found.run()
    assert found.status(FRAUD).stable.model_version == "1.4.0"
    found.repo.files.update(before)
    shown = seen(found)
    assert (shown.doing, shown.before, shown.after) == (Doing.RETURN, "1.4.0", "1.3.0")


def test_a_signed_removal_that_waits_for_approvals_shows_what_would_go():
    found = town()
    manifest = found.status(FRAUD).manifest
    found.repo.edit(ENVIRONMENT, "spec:\n", f"spec:\n{APPROVALS}")
    found.repo.remove(PROD, f"{PROD}.sig")
    path = found.repo.end(FRAUD, manifest, "bo")
    shown = seen(found)
    assert {gate.kind for gate in shown.gates if not gate.open} == {"Approval"}
    assert outlook(shown) is Outlook.ASKS
    assert [asking.what for asking in shown.asked] == [path]
    assert {row.action for diff in shown.diffs for row in diff.objects} == {Action.DELETE}
    assert "remove `fraud-detector` 1.3.0" in text(found, shown)


def test_a_new_release_is_shown_whole():
    found = Town(Repo())
    handle = SimpleNamespace(check_ready=lambda: None, kinds=frozenset, live=lambda _: {}, target=lambda _: None)
    found.world.fleet.cluster = lambda _: handle
    shown = seen(found)
    assert {row.action for row in shown.diffs[0].objects} == {Action.CREATE}
    assert all(row.follows is None for row in shown.diffs[0].objects)
