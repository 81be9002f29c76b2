"""Attacks by pull request: what people type into one, what its head holds, and what a forge makes up.

The daemon's passes, its mirror and its ledger are real and in this process; the forge is in memory, so that it can lie.
"""

import re
import time
from collections.abc import Iterator

import pytest
from fake_forge import a_pull
from pull_world import PROD, STAGING, PullWorld, pull_world, versioned

from reconciler.loop.pulls.tracked import heard
from reconciler.model.ids import Revision
from reconciler.model.pull import Comment, PullState

pytestmark = pytest.mark.slow

CANARY = "c4n4ry7e5a1d"
HOSTILE = (
    "<img src=x onerror=alert(1)> @acme/admins **approved by risk** [ok](https://evil.example) "
    "![x](https://evil.example/x.png) `` `x` ``` <!-- --> </details> \u202e\x1b[31m"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PullWorld]:
    with pull_world(tmp_path_factory.mktemp("attack")) as found:
        yield found


@pytest.fixture
def acme(made: PullWorld) -> PullWorld:
    made.fresh()
    return made


def told(acme: PullWorld, number: int) -> str:
    """Everything that we wrote anywhere about it."""
    acme.ledger.flush()
    records = [link.record.model_dump_json() for link in acme.ledger.chain.links]
    head = acme.forge.rows[number].head
    said = [row.description for at, row in acme.forge.told if at == head]
    assert all(row.isprintable() and len(row) <= 140 for row in said), said
    return "\n".join([acme.ours(number), *said, *records, *acme.said.lines])


def tame(body: str) -> None:
    """Nothing of a comment outside of code is a tag of others, a link, a picture or a mention."""
    assert body
    outside = re.sub(r"(?ms)^(`{3,})[^`\n]*\n.*?^\1$", "", body)
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)
    for bad in ("<img", "onerror=alert(1)>", "![", "@acme", "**approved by risk**", "\x1b", "\u202e"):
        assert bad not in outside, f"{bad} in {outside}"
    assert not re.search(r"(?m)^# |(?<!\\)\]\(", outside)


def others_continue(acme: PullWorld, number: int, version: str) -> None:
    """A good pull request beside it is planned as ever."""
    head = acme.promote(number, version)
    acme.later()
    assert "Merging would promote" in acme.ours(number)
    assert acme.status(head, "staging")[0] == "success"


# --- Markdown, HTML, `@team`, fake "approved" text


def test_markdown_html_mentions_and_fake_approvals_in_titles_branches_and_logins_reach_nothing(acme):
    acme.promote(1, "1.3.1", title=HOSTILE, author=HOSTILE, head_branch=HOSTILE, url=f"https://x/{HOSTILE}")
    acme.forge.say(1, f"{HOSTILE}\n/reconciler approve", author=HOSTILE)
    acme.turn()
    tame(acme.ours(1))
    for bad in ("onerror", "evil.example", "approved by risk"):
        assert bad not in acme.ours(1)
    acme.merge(1)
    acme.settle()
    acme.later()
    tame(acme.ours(1))
    (record,) = acme.records("Merged", 1)
    assert record.message.isprintable()
    assert record.detail["pull"]["title"].isprintable()


def test_markdown_html_and_mentions_in_fields_of_a_signed_manifest_are_shown_as_they_are_and_do_nothing(acme):
    text = (acme.work / STAGING).read_text()
    words = '"```\\n\\n# Approved\\n@acme/admins <img src=x onerror=alert(1)>\\n![x](https://evil.example/x.png)"'
    edited = text.replace("  serving:\n", f"  serving:\n    env: [{{name: GREETING, value: {words}}}]\n")
    assert edited != text
    acme.open(2, acme.change(2, {STAGING: edited}, sign=(STAGING,)))
    acme.turn()
    tame(acme.ours(2))


def test_markdown_html_and_mentions_in_a_broken_manifest_are_quoted_harmlessly_in_comment_and_status(acme):
    text = (acme.work / STAGING).read_text().replace("environment: staging", f"environment: '{HOSTILE[:-6]}'")
    acme.open(3, acme.change(3, {STAGING: text}))
    acme.turn()
    tame(acme.ours(3))
    told(acme, 3)


def test_markdown_html_and_mentions_in_names_of_files_are_quoted_harmlessly(acme):
    name = "docs/<img src=x onerror=alert(1)> @acme **approved by risk** [ok](https:evil).md"
    release = f"releases/staging/{'<img src=x onerror=alert(1)> @acme'}.yaml"
    acme.open(4, acme.change(4, {name: "a", release: "kind: ModelRelease\n"}))
    acme.open(5, acme.change(5, {name: "b"}))
    acme.turn()
    tame(acme.ours(4))
    acme.merge(4)
    acme.settle()
    acme.later()
    assert "Merging is not possible" in acme.ours(5)
    tame(acme.ours(5))
    told(acme, 5)
    acme.git("rm", "-q", name, release)
    acme.git("commit", "-q", "-m", "taken back")
    acme.git("push", "-q", "origin", "HEAD:main")
    acme.settle()


def test_a_copied_first_line_of_ours_with_approved_below_is_somebody_elses_comment(acme):
    head = acme.promote(6, "1.3.6", sign=False)
    acme.turn()
    copied = acme.ours(6).splitlines()[0]
    acme.forge.say(6, f"{copied}\n### Approved and merged", author="eve")
    acme.later()
    acme.restart()
    acme.turn()
    assert "Merging would start nothing" in acme.ours(6)
    assert acme.status(head, "staging")[0] == "failure"


# --- canaries


def test_a_canary_in_a_manifest_of_a_pull_request_appears_in_no_comment_status_record_or_log(acme):
    text = (acme.work / STAGING).read_text()
    token = f"ghp_{CANARY}abcdefghijklmnopqrstuvwxyz"
    edited = text.replace("  serving:\n", f"  serving:\n    env: [{{name: API_TOKEN, value: {token}}}]\n")
    acme.open(7, acme.change(7, {STAGING: edited}))
    acme.turn()
    assert "looks like a GitHub token" in acme.ours(7)
    assert CANARY not in told(acme, 7)


# --- forks


def test_a_pull_request_of_a_fork_plans_nothing_and_fetches_nothing_by_default(acme):
    head = acme.promote(8, "1.3.8", fork=True)
    acme.turn()
    assert acme.forge.writes() == []
    assert acme.source.mirror.objects.info([head]) == [None]
    acme.forge.move(8, state=PullState.MERGED, merged=head, merged_at=acme.now())
    acme.restart()
    acme.turn()
    assert acme.forge.writes() == [], "nor afterwards"


def test_a_fork_that_is_looked_at_runs_nothing_and_reads_no_secret(acme, tmp_path):
    ran = tmp_path / "ran"
    program = f"#!/bin/sh\ntouch {ran}\n"
    files = {
        ".gitattributes": "* filter=x merge=x diff=x\n",
        ".gitmodules": f'[submodule "x"]\n\turl = ext::sh -c touch% {ran}\n',
        ".git-hooks/post-checkout": program, "hooks/post-merge": program, ".lfsconfig": f"[lfs]\n\turl = file://{ran}\n",
        STAGING: versioned((acme.work / STAGING).read_text(), "6.6.6", 0.99).replace(
            "  serving:\n", "  serving:\n    env: [{name: KEY, secretKeyRef: {name: api, key: key}}]\n"
        ),
    }  # fmt: skip
    head = acme.open(9, acme.change(9, files), fork=True)
    acme.restart(forks=True)
    acme.turn()
    assert acme.status(head, "staging")[0] == "failure"
    assert not ran.exists()
    assert CANARY not in told(acme, 9)
    assert acme.source.snapshot.revision == Revision(acme.git("rev-parse", "origin/main"))


# --- a head that is too much


def test_symlinks_of_a_head_are_left_out_as_on_the_trunk(acme):
    acme.git("checkout", "-q", "-B", "links", "origin/main")
    (acme.work / "releases/staging/link.yaml").symlink_to("/etc/passwd")
    (acme.work / "releases/staging/up.yaml").symlink_to("../../../keys/daemon")
    acme.git("add", "-A")
    acme.git("commit", "-q", "-m", "links")
    head = acme.git("rev-parse", "HEAD")
    acme.git("push", "-q", "origin", "HEAD:refs/pull/10/head")
    acme.git("checkout", "-q", "main")
    acme.open(10, Revision(head))
    acme.turn()
    assert "root:" not in told(acme, 10)
    assert "PRIVATE" not in told(acme, 10)
    assert "Merging would change nothing that runs" in acme.ours(10)


def test_a_huge_blob_of_a_head_is_named_and_not_read(acme):
    acme.open(11, acme.change(11, {STAGING: b"# " + b"x" * (64 << 20) + b"\n"}))
    acme.turn()
    head = acme.forge.rows[11].head
    assert acme.status(head, "staging")[0] == "failure"
    assert len(acme.ours(11)) < 65_536
    others_continue(acme, 12, "1.3.12")


def test_a_head_of_very_many_files_costs_seconds_and_the_rest_goes_on(acme):
    blob = acme.git("hash-object", "-w", "--stdin", at=acme.origin, stdin=b"x")
    rows = "".join(f"100644 blob {blob}\tf{number:07}\n" for number in range(210_000))
    many = acme.git("mktree", at=acme.origin, stdin=rows.encode())
    top = acme.git("ls-tree", "main", at=acme.origin) + f"\n040000 tree {many}\tmany\n"
    tree = acme.git("mktree", at=acme.origin, stdin=top.encode())
    head = acme.git("commit-tree", "-p", "main", "-m", "many", tree, at=acme.origin)
    acme.git("update-ref", "refs/pull/13/head", head, at=acme.origin)
    acme.open(13, Revision(head))
    began = time.monotonic()
    acme.turn()
    assert time.monotonic() - began < 30
    assert re.search("Merging would change nothing that runs|Not planned", acme.ours(13))
    others_continue(acme, 14, "1.3.14")


def test_a_pack_beyond_the_limit_is_told_once_and_not_fetched_again_and_again(acme, monkeypatch):
    fetched = []
    mirror = acme.source.mirror
    fetch = mirror._fetch

    def limited(ref: str, into: str, *, limit: int = 0, seconds: float = 0.0) -> Revision | None:
        fetched.append(ref)
        return fetch(ref, into, limit=1 << 20 if "pull/15" in ref else limit, seconds=seconds)

    monkeypatch.setattr(mirror, "_fetch", limited)
    noise = bytes((number * number * 2_654_435_761 >> 13) & 255 for number in range(6 << 20))
    head = acme.open(15, acme.change(15, {"noise": noise}))
    acme.turn()
    for _ in range(10):
        acme.later(301)
    assert "Not planned" in acme.ours(15)
    assert acme.status(head, "staging")[0] == "pending"
    assert fetched.count("refs/pull/15/head") <= 2, "in an hour"
    others_continue(acme, 16, "1.3.16")


# --- a forge that lies


@pytest.mark.parametrize(
    "lie",
    [
        a_pull(17, head=Revision("d" * 40)), a_pull(17, head=Revision("0" * 40)), a_pull(0), a_pull(-4),
        a_pull(2**63), a_pull(17, ref="refs/heads/main"), a_pull(17, ref="refs/reconciler/approvals/x/17/head"),
        a_pull(17, state=PullState.MERGED, merged=Revision("e" * 40)), a_pull(17, head=["x"]),
        a_pull(17, title="x" * 1_000_000, author="y" * 1_000_000),
    ],
    ids=[
        "a head that does not exist", "the head 0", "number 0", "a negative number", "number 2^63", "a branch as head",
        "a ref of ours as head", "a merge that does not exist", "a list as head", "a title of a million signs",
    ],
)  # fmt: skip
def test_what_a_forge_makes_up_is_left_and_the_rest_goes_on(acme, lie):
    acme.forge.rows[lie.number] = lie
    acme.turn()
    assert not acme.forge.ours(lie.number)
    others_continue(acme, 18, "1.3.18")
    assert not [line for line in acme.said.lines if line.startswith("exception")]
    assert len("".join(acme.said.lines)) < 10_000


def test_a_lie_about_number_0_takes_no_pushed_vote_away(acme):
    key = next(iter(acme.source.snapshot.releases))
    before = acme.source.votes.of(key)
    acme.forge.listed = [a_pull(0)]
    acme.turn()
    acme.forge.listed = []
    acme.later()
    assert acme.source.votes.of(key) is before


def test_of_comments_only_what_may_count_is_kept_and_no_more_than_is_read():
    huge = Comment(id=1, author="eve", body="x" * (50 << 20))
    block = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"
    kept = heard([huge, Comment(id=2, author="eve", body=block + "y" * (50 << 20))], None)
    assert [row.id for row in kept] == [2]
    assert len(kept[0].body) < 70_000


def test_nothing_that_a_pull_request_says_or_holds_moves_what_runs(acme):
    before = {key: acme.daemon.world.release_state(key) for key in acme.source.snapshot.releases}
    text = versioned((acme.work / PROD).read_text(), "6.6.6", 0.99)
    acme.open(19, acme.change(19, {PROD: text, "environments/prod.yaml": "approved: true\n"}), title="approved")
    acme.forge.say(19, "approved, merged, released\n/reconciler approve\n/reconciler plan", author="bo")
    acme.turn()
    acme.settle()
    after = {key: acme.daemon.world.release_state(key) for key in acme.source.snapshot.releases}
    assert {key: row.status.directives for key, row in after.items()} == {
        key: row.status.directives for key, row in before.items()
    }
