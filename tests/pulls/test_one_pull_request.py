"""Pull requests on a forge, from their opening to the end of what they asked for; the daemon is a process."""

from collections.abc import Iterator

import pytest
from pull_lab import PullLab, pull_lab

ENVIRONMENT = "environments/prod.yaml"
APPROVALS = "  approvals: {rules: [{role: risk, count: 1}]}\n"
STAGING = "releases/staging/fraud-detector.yaml"
PROD = "releases/prod/fraud-detector.yaml"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PullLab]:
    with pull_lab(tmp_path_factory.mktemp("pulls") / "acme") as made:
        yield made
        assert "Traceback" not in made.lab.log()


@pytest.mark.slow
def test_a_signed_change_is_planned_merged_followed_and_ended(acme):
    head = acme.change("v140", "1.4.0")
    number = acme.open("v140")
    plan = acme.says(number, "Merging would promote `fraud-detector` 1.3.0")
    assert '+    reconciler.dev/model-version: "1.4.0"' in plan
    assert "on `eu-1` and `us-1`" in plan
    assert "1.3.0 → 1.4.0" in acme.status(head, "prod", "success")
    assert acme.statuses(head)["reconciler/dev"] == ("success", "nothing changes in dev")
    merged = acme.merge(number)
    acme.lab.serves("1.4.0")
    end = acme.says(number, "is Promoted")
    assert "The plan as it was merged" in end
    assert '+    reconciler.dev/model-version: "1.4.0"' in end
    acme.lab.recorded()
    told = {row["kind"]: row for row in acme.lab.records() if row.get("detail", {}).get("pull")}
    assert told["Planned"]["detail"]["releases"] == ["prod/fraud-detector"]
    assert told["Merged"]["detail"]["pull"]["commit"] == merged
    assert told["Merged"]["detail"]["plan"] == told["Planned"]["detail"]["plan"]


@pytest.mark.slow
def test_an_unsigned_change_fails_with_its_sentence_and_a_push_is_planned_in_the_same_comment(acme):
    head = acme.change("unsigned", "1.3.5", path=STAGING, who="")
    number = acme.open("unsigned", who="ada")
    plan = acme.says(number, "Merging would start nothing")
    assert f"{STAGING} is not verified" in plan.replace("\\", "")
    assert "not verified" in acme.status(head, "staging", "failure")
    first = [row["id"] for row in acme.comments(number)]
    signed = acme.change("unsigned", "1.3.5", path=STAGING, who="ada")
    acme.says(number, "Merging would promote")
    assert "1.3.0 → 1.3.5" in acme.status(signed, "staging", "success")
    assert [row["id"] for row in acme.comments(number)] == first
    acme.ask("ada", "PATCH", f"pulls/{number}", {"state": "closed"})


@pytest.mark.slow
def test_what_the_comment_shows_to_sign_is_an_approval_when_pasted_back(acme):
    text = (acme.work / ENVIRONMENT).read_text()
    acme.push("ask-risk", {ENVIRONMENT: text + APPROVALS}, sign=(ENVIRONMENT,))
    asking = acme.open("ask-risk")
    acme.says(asking, ENVIRONMENT)
    acme.merge(asking)

    head = acme.change("v150", "1.5.0", auc=0.96)
    number = acme.open("v150")
    acme.says(number, "0 of 1 approval by risk")
    assert "0 of 1 approvals" in acme.status(head, "prod", "pending")
    acme.comment(number, "LGTM ✓ approved by cy\n/reconciler approve")
    plan = acme.says(number, "<details open>")
    block = acme.types(plan, "bo")
    acme.comment(number, f"> for bo\n\n```\n{block}```", who="bo")
    acme.says(number, "may not approve in prod")
    assert acme.statuses(head)["reconciler/prod"][0] == "pending", "nobody in this role"
    block = acme.types(plan, "cy")
    pasted = acme.comment(number, f"Here it is:\n\n```\n{block}```\nThanks!", who="eve")
    acme.status(head, "prod", "success")
    acme.merge(number, how="squash")
    acme.lab.serves("1.5.0")
    acme.says(number, "is Promoted")
    acme.lab.recorded()
    votes = [row for row in acme.lab.records() if row["kind"] == "Approved"]
    assert [(row["approvals"][0]["person"], row["detail"]["source"]) for row in votes] == [("cy", "comment")]
    assert str(pasted) in votes[0]["detail"]["url"]


@pytest.mark.slow
def test_a_conflict_is_named_and_gone_when_the_trunk_moves(acme):
    acme.change("one", "1.3.6", path=STAGING, who="ada")
    acme.change("two", "1.3.7", path=STAGING, who="ada")
    one, two = acme.open("one", who="ada"), acme.open("two", who="ada")
    acme.says(two, "Merging would promote")
    acme.merge(one, who="ada", how="rebase")
    plan = acme.says(two, "Merging is not possible")
    assert STAGING in plan
    acme.says(one, "is Promoted")
    acme.change("two", "1.3.7", path=STAGING, who="ada")
    acme.says(two, "Merging would promote `fraud-detector` 1.3.6")
    acme.ask("ada", "PATCH", f"pulls/{two}", {"state": "closed"})


@pytest.mark.slow
def test_a_revert_is_planned_as_a_return_that_nobody_has_to_sign(acme):
    git = acme.lab.git
    git("checkout", "-q", "-B", "back", "origin/main")
    before = git("log", "-1", "--format=%H", "--grep=1.5.0|releases/prod", "--extended-regexp")
    git("revert", "--no-edit", before)
    git("push", "-q", "-f", "origin", "HEAD:refs/heads/back")
    head = git("rev-parse", "HEAD")
    git("checkout", "-q", "main")
    number = acme.open("back")
    acme.says(number, "Merging would return")
    assert "1.5.0 → 1.4.0" in acme.status(head, "prod", "success")
    acme.merge(number)
    acme.lab.serves("1.4.0")
    acme.says(number, "is Promoted")


@pytest.mark.slow
def test_a_restart_finds_its_comment_again_and_writes_no_second_one(acme):
    head = acme.change("again", "1.3.8", path=STAGING, who="ada")
    number = acme.open("again", who="ada")
    plan = acme.says(number, "Merging would promote")
    acme.lab.stage.kill_daemon()
    acme.forge.requests.clear()
    acme.lab.stage.start_daemon()
    acme.lab.wait("the daemon looks again", lambda: any("comments" in call for call, _ in acme.forge.requests))
    acme.lab.stage.kill_daemon()
    acme.lab.stage.start_daemon()
    acme.comment(number, "/reconciler plan", who="ada")
    acme.merge(number, who="ada")
    acme.says(number, "is Promoted")
    assert len(acme.comments(number)) == 2
    assert (
        plan.splitlines()[1]
        == "### Merging would promote `fraud-detector` 1.3.6&nbsp;→&nbsp;1.3.8 in `staging` on `eu-1`"
    )
    assert acme.statuses(head)["reconciler/staging"][0] == "success"


@pytest.mark.slow
def test_an_answer_that_was_lost_after_the_post_makes_no_second_comment(acme):
    faults = acme.forge.faults
    faults.matches = lambda request: request.method == "POST" and "comments" in str(request.path)
    faults.remaining, faults.status, faults.late = 1, 502, True
    acme.change("lost", "1.3.9", path=STAGING, who="ada")
    number = acme.open("lost", who="ada")
    try:
        acme.lab.wait("the answer is lost", lambda: faults.remaining == 0)
        acme.lab.wait("it is told again", lambda: acme.forge.requests["comments", 200] > 0 and acme.ours(number))
    finally:
        faults.clear()
    acme.ask("ada", "PATCH", f"pulls/{number}", {"state": "closed"})
    assert len(acme.comments(number)) == 1
