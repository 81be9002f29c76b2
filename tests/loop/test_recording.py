"""Records about a repository: who signed what came into force, and what a pull request would do and did."""

from dataclasses import replace

from loop_acme import FRAUD, NOW, REPOSITORY, Published, Repo, key_of, pair
from loop_exceptions import GLASS, WAIVER, add_waiver, break_glass
from loop_votes import PULL

from reconciler.digest import blob_id, sha256_of
from reconciler.loop.chain import newest_revision
from reconciler.loop.recording import Scene, changes_entries, merged_entry, plan_path, planned_entry
from reconciler.model.pull import PullState
from reconciler.trust.keys import fingerprint, parse_public_line

PLAN = "sha256:" + "d" * 64


def key(name):
    return fingerprint(parse_public_line(pair(name).public.strip()).blob)


def accepted(world, before):
    """The Accepted records of what is new since `before`, by path."""
    found = world.publish()
    scene = Scene(repository=REPOSITORY, revision=found.revision, files=world.repo.files, now=world.now)
    entries = changes_entries(scene, before, found.accepted(), found.followed, found.governed.values())
    return {row.record.detail["path"]: row.record for row in entries}, found.accepted()


def test_every_document_is_accepted_with_its_signer_key_statement_and_the_time():
    world = Published(Repo())
    records, _ = accepted(world, {})
    record = records["environments/prod.yaml"]
    assert [(row.person, row.key, row.use) for row in record.signatures] == [("bo", key("bo"), "configure")]
    assert record.detail["firstSeen"] == "2026-12-01T09:00:00Z"
    digest = sha256_of(world.repo.blobs[world.repo.files["environments/prod.yaml"]]).removeprefix("sha256:")
    assert record.detail["statement"] == (
        f"reconciler-config-v1\nrepository: {REPOSITORY}\npath: environments/prod.yaml\nkind: Environment\n"
        f"sha256: {digest}\n"
    )


def test_a_waiver_is_accepted_with_who_waived_it():
    world = Published(Repo())
    _, before = accepted(world, {})
    add_waiver(world.repo)
    records, before = accepted(world, before)
    (record,) = records.values()
    assert [(row.person, row.key, row.use) for row in record.signatures] == [("ada", key("ada"), "waive")]
    assert accepted(world, before)[0] == {}


def test_a_break_glass_is_accepted_anew_with_the_second_person_who_signs_it():
    world = Published(Repo())
    _, before = accepted(world, {})
    break_glass(world.repo, "Freeze", version="sha256:" + "0" * 64, by=("dee",))
    records, before = accepted(world, before)
    assert [row.person for row in records[GLASS].signatures] == ["dee"]
    break_glass(world.repo, "Freeze", version="sha256:" + "0" * 64, by=("dee", "bo"))
    records, _ = accepted(world, before)
    assert [(row.person, row.use) for row in records[GLASS].signatures] == [("dee", "breakGlass"), ("bo", "breakGlass")]
    assert WAIVER not in records


def test_a_document_that_nobody_signed_has_no_statement():
    repo = Repo()
    repo.write("holds/x.yaml", b"apiVersion: reconciler.dev/v1alpha1\nkind: Hold\nmetadata: {name: x}\n"
               b"spec: {selector: {environments: [prod]}, reason: incident 4711, releasedBy: owner}\n")  # fmt: skip
    record = accepted(Published(repo), {})[0]["holds/x.yaml"]
    assert record.signatures == ()
    assert "statement" not in record.detail


# --- pull requests


SCENE = Scene(repository=REPOSITORY, revision="1" * 40, files={}, now=NOW)


def test_a_planned_pull_request_names_its_releases_its_commits_and_its_plan():
    entry = planned_entry(
        SCENE, PULL, "7" * 40, plan=PLAN, releases=[FRAUD, key_of("dev", "chat")], message="#12 would change two"
    )
    record = entry.record
    assert (record.kind, record.message, record.environment, record.name) == ("Planned", "#12 would change two", "", "")
    assert record.detail == {
        "pull": {"number": 12, "url": PULL.url, "head": PULL.head, "base": "7" * 40},
        "releases": ["dev/chat", "prod/fraud-detector"],
        "plan": PLAN,
    }
    assert entry.blobs == {}


def test_the_whole_text_of_a_plan_goes_with_it_where_the_comment_has_a_part():
    entry = planned_entry(SCENE, PULL, "7" * 40, plan=PLAN, releases=[FRAUD], message="m", text=b"# all of it\n")
    assert entry.blobs == {plan_path(12, PLAN): blob_id(b"# all of it\n")}
    assert plan_path(12, PLAN) == f"pulls/12/{'d' * 64}.md"
    assert entry.record.detail["text"] == sha256_of(b"# all of it\n")


def test_a_merged_pull_request_names_who_opened_it_and_the_commit_and_no_words_move_a_cursor():
    pull = replace(PULL, state=PullState.MERGED, merged="9" * 40, title="Promote\x1b[2J\n1.4.0", author="ada\u202e-l")
    record = merged_entry(SCENE, pull, plan=PLAN, releases=[FRAUD]).record
    assert record.message == "#12 by ada -l was merged: Promote [2J 1.4.0"
    assert record.detail["pull"] == {
        "number": 12, "url": PULL.url, "title": "Promote [2J 1.4.0", "author": "ada -l", "head": PULL.head,
        "commit": "9" * 40,
    }  # fmt: skip
    assert (record.detail["releases"], record.detail["plan"]) == (["prod/fraud-detector"], PLAN)


def test_what_a_pull_request_is_at_is_no_revision_of_the_trunk():
    rows = [planned_entry(SCENE, PULL, "7" * 40, plan=PLAN, releases=[FRAUD], message="m"),
            merged_entry(SCENE, PULL, plan="", releases=[FRAUD])]  # fmt: skip
    assert newest_revision([row.record for row in rows]) is None
