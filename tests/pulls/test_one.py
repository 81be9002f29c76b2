"""One pull request after another over real Git and the daemon's own passes, with a forge that can be made to fail."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from fake_forge import fails_on
from pull_world import PROD, STAGING, PullWorld, pull_world, versioned

from reconciler.errors import Refused, Retry
from reconciler.loop.pulls import one

ENVIRONMENT = "environments/prod.yaml"
LOST = Retry("the answer is lost", reason="ForgeUnreachable")
DOWN = Retry("forge.example answered 502", reason="ForgeUnreachable")


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PullWorld]:
    with pull_world(tmp_path_factory.mktemp("one")) as found:
        yield found


@pytest.fixture
def acme(made: PullWorld) -> PullWorld:
    made.fresh()
    return made


def test_a_normal_life_costs_one_comment_three_edits_at_most_and_each_status_once(acme):
    head = acme.promote(1, "1.3.1")
    acme.turn()
    assert "Merging would promote `fraud-detector` 1.3.0" in acme.ours(1)
    assert acme.status(head, "staging") == ("success", "merging would promote fraud-detector 1.3.0 → 1.3.1 on eu-1")
    assert acme.status(head, "prod") == ("success", "nothing changes in prod")
    acme.merge(1)
    acme.later()
    acme.settle()
    for _ in range(6):
        acme.later(20)
        acme.ledger.flush()
    assert "is Promoted" in acme.ours(1)
    writes = acme.forge.writes("comment", "edit")
    assert writes[0][0] == "comment"
    assert len(writes) <= 4
    contexts = [row.context for at, row in acme.forge.told if at == head]
    assert sorted(contexts) == sorted(set(contexts)), "nothing is sent twice"
    assert acme.pulls._tracked == {}, "its life is over"
    assert [len(acme.records(kind, 1)) for kind in ("Planned", "Merged")] == [1, 1]
    before = len(acme.forge.writes())
    acme.later(600)
    assert len(acme.forge.writes()) == before


def test_effects_come_in_order_the_ledger_then_statuses_then_the_comment(acme):
    written = []
    acme.forge.before = lambda *words: written.append((words[0], len(acme.ledger.pending())))
    acme.promote(2, "1.3.2")
    acme.turn()
    steps = [row for row in written if row[0] in ("set_status", "comment")]
    assert [row[0] for row in steps] == ["set_status"] * (len(steps) - 1) + ["comment"]
    assert all(waiting for _, waiting in steps), "the record was written down before"


@pytest.mark.parametrize("call", ["comments", "statuses", "set_status", "comment"])
def test_a_restart_after_a_failure_at_every_call_makes_one_comment_and_one_record(acme, call):
    number = 10 + ["comments", "statuses", "set_status", "comment"].index(call)
    head = acme.promote(number, f"1.3.{number}")
    if call == "comment":
        acme.forge.after = fails_on(call, error=LOST, times=1)
    else:
        acme.forge.before = fails_on(call, error=DOWN, times=1)
    acme.turn()
    acme.restart()
    acme.turn()
    acme.later(60)
    assert "Merging would promote" in acme.ours(number)
    assert acme.status(head, "staging")[0] == "success"
    assert len(acme.records("Planned", number)) == 1
    acme.restart()
    writes = len(acme.forge.writes())
    acme.turn()
    assert len(acme.forge.writes()) == writes, "a restart finds all of it and writes nothing"


def test_a_comment_that_somebody_deletes_is_written_again(acme):
    acme.promote(3, "1.3.3")
    acme.turn()
    acme.forge.delete(3, acme.forge.talk[3][0].id)
    acme.later()
    acme.later(3)
    assert "Merging would promote" in acme.ours(3)
    assert len(acme.forge.talk[3]) == 1


@pytest.mark.parametrize("how", ["merge", "squash", "rebase", "fast-forward"])
@pytest.mark.parametrize("restarted", [False, True], ids=["", "after a restart"])
def test_every_way_of_merging_is_followed_to_its_end(acme, how, restarted):
    number = 20 + 2 * ["merge", "squash", "rebase", "fast-forward"].index(how) + restarted
    acme.promote(number, f"1.4.{number}")
    acme.turn()
    acme.merge(number, how)
    acme.settle()
    if restarted:
        acme.restart()
    acme.later()
    for _ in range(3):
        acme.later(20)
        acme.ledger.flush()
    assert "is Promoted" in acme.ours(number)
    (merged,) = acme.records("Merged", number)
    assert merged.detail["releases"] == ["staging/fraud-detector"]


def test_the_merge_is_written_down_once_though_the_ledger_is_away_and_we_restart(acme):
    acme.promote(4, "1.3.4")
    acme.turn()
    flush, acme.ledger.flush = acme.ledger.flush, lambda: 0
    try:
        acme.merge(4)
        acme.settle()
        for _ in range(3):
            acme.later()
            acme.moved(4)
            acme.restart()
            acme.turn()
        waiting = [row.record.kind for row in acme.ledger.outbox()]
    finally:
        acme.ledger.flush = flush
    assert waiting.count("Merged") == 1
    assert len(acme.records("Merged", 4)) == 1
    acme.restart()
    acme.later()
    assert len(acme.records("Merged", 4)) == 1


def test_a_failure_is_told_though_no_edits_are_left(acme):
    acme.promote(5, "1.3.5")
    acme.turn()
    acme.forge.before = fails_on("edit", error=DOWN, times=2)
    acme.merge(5)
    acme.settle()
    for _ in range(5):
        acme.later(31)
        acme.ledger.flush()
    assert "is Promoted" in acme.ours(5), "what could not be posted is posted later"


def test_a_conflict_is_a_failure_of_every_environment_until_the_trunk_or_the_head_moves(acme):
    head = acme.promote(6, "1.3.6")
    acme.promote(60, "1.3.60")
    acme.turn()
    acme.merge(60)
    acme.settle()
    acme.later()
    assert "Merging is not possible" in acme.ours(6)
    assert acme.status(head, "staging") == ("failure", f"conflicts with main in {STAGING} and {STAGING}.sig")
    again = acme.promote(6, "1.3.6")
    acme.later()
    assert "Merging would promote `fraud-detector` 1.3.60" in acme.ours(6)
    assert acme.status(again, "staging")[0] == "success"


def test_unrelated_histories_are_not_planned_and_that_is_said(acme):
    tree = acme.git("rev-parse", "origin/main^{tree}")
    head = acme.git("commit-tree", "-m", "from nowhere", tree)
    acme.git("push", "-q", "origin", f"{head}:refs/pull/7/head")
    acme.open(7, head)
    acme.turn()
    assert "Not planned" in acme.ours(7)
    state, said = acme.status(head, "prod")
    assert state == "pending"
    assert "cannot be merged" in said


def test_a_draft_is_planned_like_any_other(acme):
    head = acme.promote(8, "1.3.8", draft=True)
    acme.turn()
    assert "Merging would promote" in acme.ours(8)
    assert acme.status(head, "staging")[0] == "success"


def test_forks_are_nobodys_business_by_default_and_planned_as_data_where_asked_for(acme):
    head = acme.promote(9, "1.3.9", fork=True)
    acme.turn()
    assert acme.forge.writes() == []
    assert acme.source.mirror.objects.info([head]) == [None], "it was not even fetched"
    acme.restart(forks=True)
    acme.turn()
    assert "Merging would promote" in acme.ours(9)
    assert acme.status(head, "staging")[0] == "success"


def test_a_pull_request_that_changes_nothing_says_so_and_is_left_alone(acme):
    head = acme.open(30, acme.change(30, {"README-more.md": "words"}))
    acme.turn()
    assert "Merging would change nothing that runs" in acme.ours(30)
    assert acme.status(head, "prod") == ("success", "nothing changes in prod")


def test_what_the_trunk_has_already_is_looked_at_like_anything_else_after_a_minute(acme):
    acme.promote(31, "1.3.31")
    acme.turn()
    merged = acme.forge.rows[31]
    acme.merge(31)
    acme.settle()
    acme.forge.rows[31] = merged  # the same was merged by another way: the forge has it open for ever
    for _ in range(20):
        acme.later(6)
    assert "Merging would change nothing that runs" in acme.ours(31)
    asked = len(acme.forge.calls)
    acme.later(6)
    assert acme.pulls._tracked[31].due - acme.now() > timedelta(minutes=1), "not every few seconds"
    assert len(acme.forge.calls) - asked <= 1


def test_governing_documents_are_told_with_whether_they_would_be_in_force(acme):
    text = (acme.work / ENVIRONMENT).read_text()
    head = acme.open(32, acme.change(32, {ENVIRONMENT: text + "# a word\n"}))
    acme.turn()
    assert ENVIRONMENT in acme.ours(32)
    state, said = acme.status(head, "prod")
    assert state == "failure"
    assert "would not be in force" in said
    signed = acme.open(32, acme.change(32, {ENVIRONMENT: text + "# a word\n"}, sign=(ENVIRONMENT,)))
    acme.later()
    assert acme.status(signed, "prod")[0] == "success"


def test_an_unsigned_trust_file_of_a_pull_request_is_not_in_force_in_its_own_plan(acme):
    trust = (acme.people.folder / "trust.yaml").read_text().replace("version: 1", "version: 2")
    trust = trust.replace("may: [release]", "may: [release, approve, configure, remove, waive]")
    text = versioned((acme.work / PROD).read_text(), "6.6.6", 0.99)
    head = acme.open(33, acme.change(33, {"trust/acme.yaml": trust, PROD: text}, sign=(PROD,), who="ada"))
    acme.turn()
    assert acme.status(head, "prod")[0] == "failure"
    assert "6.6.6" not in acme.status(head, "prod")[1]
    assert "Merging would start nothing" in acme.ours(33)
    assert acme.source.trust.spec.version == 1


def test_a_release_that_is_deleted_asks_for_a_signed_removal(acme):
    head = acme.open(34, acme.change(34, {STAGING: None, f"{STAGING}.sig": None}))
    acme.turn()
    state, _ = acme.status(head, "staging")
    assert state in ("failure", "pending")
    assert "remov" in acme.ours(34).lower()


def test_a_release_that_is_renamed_is_one_that_goes_and_one_that_comes(acme):
    text = (acme.work / STAGING).read_text()
    other = STAGING.replace("fraud-detector", "fraud-two")
    renamed = text.replace("name: fraud-detector\n", "name: fraud-two\n", 1)
    acme.open(35, acme.change(35, {STAGING: None, f"{STAGING}.sig": None, other: renamed}, sign=(other,)))
    acme.turn()
    assert "`fraud-two`" in acme.ours(35)
    assert "`fraud-detector`" in acme.ours(35)
    assert {key.name for key in acme.pulls._tracked[35].asks} == {"fraud-detector", "fraud-two"}


def test_a_merge_queue_gets_its_statuses_and_leaves_no_refs_in_the_mirror(acme):
    acme.forge.queue_prefix = "gh-readonly-queue/"
    head = acme.promote(36, "1.3.36")
    acme.turn()
    acme.git("checkout", "-q", "-B", "queue", "origin/main")
    acme.git("merge", "-q", "--no-ff", "-m", "queue", head)
    tried = acme.git("rev-parse", "HEAD")
    acme.git("push", "-q", "origin", f"HEAD:refs/heads/gh-readonly-queue/main/pr-36-{tried}")
    acme.git("push", "-q", "origin", "origin/main:refs/heads/gh-readonly-queue/other/pr-36")
    tree = acme.git("hash-object", "-t", "tree", "-w", "--stdin", at=acme.origin)
    odd = acme.git("commit-tree", "-m", "empty", tree, at=acme.origin)
    acme.git("update-ref", "refs/heads/gh-readonly-queue/main/empty", odd, at=acme.origin)
    acme.later()
    assert acme.status(tried, "staging") == ("success", acme.status(head, "staging")[1])
    assert acme.status(odd, "staging")[0] == "pending"
    assert "not planned" in acme.status(odd, "staging")[1]
    writes = len(acme.forge.writes())
    acme.later()
    assert len(acme.forge.writes()) == writes
    refs = acme.git("for-each-ref", "--format=%(refname)", at=acme.source.mirror.folder)
    assert "gh-readonly-queue" not in refs
    for ref in (f"pr-36-{tried}", "empty"):
        acme.git("update-ref", "-d", f"refs/heads/gh-readonly-queue/main/{ref}", at=acme.origin)
    acme.later()
    assert acme.one._queued == set()


def test_a_forge_that_refuses_comments_keeps_its_statuses_and_the_next_pull_request(acme):
    acme.forge.before = fails_on("comment", error=Refused("comments are locked"), times=1)
    first, second = acme.promote(37, "1.3.37"), acme.promote(38, "1.3.38")
    acme.turn()
    assert acme.status(first, "staging")[0] == acme.status(second, "staging")[0] == "success"
    assert acme.ours(38)
    assert not acme.ours(37)
    acme.later(301)
    assert acme.ours(37)


def test_a_closed_one_leaves_nothing_behind(acme):
    head = acme.promote(39, "1.3.39")
    acme.turn()
    del acme.forge.rows[39]
    acme.later()
    assert acme.pulls._tracked == {}
    refs = acme.git("for-each-ref", "--format=%(refname)", at=acme.source.mirror.folder)
    assert "pull/39" not in refs
    assert head


def test_the_votes_of_one_that_was_closed_while_nobody_looked_are_dropped_at_the_start(acme):
    key = next(iter(acme.source.snapshot.releases))
    acme.source.votes.take_pull(990, {key: acme.source.votes.of(key)})
    acme.source.votes._places = {990: {key: object()}, **acme.source.votes._places}
    acme.source.votes._given = {key: object()}
    acme.restart()
    acme.turn()
    assert 990 not in acme.source.votes.pulls()


def test_of_a_pull_request_with_too_many_releases_the_rest_is_told_and_is_no_success(acme, monkeypatch):
    monkeypatch.setattr(one, "PLANNED", 100)
    text = (acme.work / STAGING).read_text()
    path = STAGING.replace("fraud-detector", "m-{}")
    files = {path.format(n): text.replace("name: fraud-detector\n", f"name: m-{n}\n", 1) for n in range(150)}
    head = acme.open(40, acme.change(40, files))
    acme.turn()
    assert "50 further releases. Split the pull request." in acme.ours(40)
    assert len(acme.ours(40)) <= acme.forge.comment_limit
    assert acme.status(head, "staging")[0] == "failure", "they are not signed"
    assert acme.status(head, "prod") == ("pending", "50 further releases not planned; split the pull request")
    told = [row.description for at, row in acme.forge.told if at == head]
    assert told.count("is being planned") == 3, "while that takes long, once for each environment"
    writes = len(acme.forge.writes())
    acme.later(301)
    assert len(acme.forge.writes()) == writes


def test_what_keeps_us_from_the_forge_is_a_condition_of_the_repository_until_it_answers(acme):
    def told():
        rows = acme.daemon.world.home.repository(acme.name).value.status.conditions
        return [(row.status, row.reason) for row in rows if row.type == "Forge"]

    acme.turn()
    assert ("False", "ForgeUnreachable") not in told()
    acme.forge.before = fails_on("pulls", error=DOWN, times=1)
    acme.later(31)
    assert told() == [("False", "ForgeUnreachable")]
    acme.later(31)
    assert told() == [("True", "ForgeAnswers")]
