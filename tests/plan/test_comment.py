"""The whole comment: what it looks like, what is cut first, and that nothing in it does anything."""

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from plan_reports import (
    CASES,
    CLUSTERS,
    HOSTILE,
    LIMIT,
    MARKER,
    MISSING,
    REPOSITORY,
    SIGNED,
    UNSIGNED,
    WARNED,
    asking,
    failure,
    forty,
    hostile,
    key_of,
    preview,
    report,
    small,
    twenty,
)

from reconciler.model.objects import ObjectRef
from reconciler.model.plan import Action, Gate
from reconciler.model.policy import PolicyResult, PolicyVerdict
from reconciler.plan.comment import render, size, written
from reconciler.plan.diff import ClusterDiff, ObjectDiff
from reconciler.plan.following import ClusterProgress, ReleaseProgress
from reconciler.plan.marker import Stage, find
from reconciler.plan.report import GoverningChange, Merge

GOLDEN = Path(__file__).parent / "golden"
SEEN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = {
    "h3",
    "h4",
    "p",
    "ul",
    "li",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "code",
    "pre",
    "strong",
    "b",
    "br",
    "hr",
    "sub",
    "details",
    "summary",
}


class Page(HTMLParser):
    """The tags of a page, and that each is closed where it should be."""

    def __init__(self, markdown):
        super().__init__()
        self.tags, self.open, self.comments, self.attributes, self.text = [], [], [], set(), ""
        self.feed(SEEN.render(markdown))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {f"{tag} {name}" for name, _ in attrs}
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in ("br", "hr")
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_comment(self, data):
        self.comments.append(data)

    def handle_data(self, data):
        self.text += data


def checked(body):
    """The page of a comment, which must be whole and ours."""
    page = Page(body)
    assert page.open == []
    assert set(page.tags) <= OURS
    assert page.attributes <= {"code class", "details open"}
    assert len(page.comments) == 1
    assert body.startswith(MARKER)
    return page


@pytest.mark.parametrize("name", ["small-change", "failure", "twenty-clusters"])
def test_the_comment_is_as_it_was_looked_at(name):
    path = GOLDEN / f"{name}.md"
    assert render(CASES[name](), LIMIT, marker=MARKER).body == path.read_text(), (
        "run tests/plan/write_golden.py and look"
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_comment_is_whole_and_within_the_limit(case):
    found = render(case(), LIMIT, marker=MARKER)
    assert size(found.body) <= LIMIT
    assert len(found.body.encode()) <= 3 * LIMIT
    checked(found.body)
    checked(found.full)
    assert find(found.body, b"key", REPOSITORY, 12) is Stage.PLANNED


def test_what_fits_is_not_cut():
    found = render(small(), LIMIT, marker=MARKER)
    assert (found.body, found.cut) == (found.full, "")


def test_of_forty_releases_every_row_is_there_and_the_largest_diffs_are_not():
    found = render(forty(), LIMIT, marker=MARKER)
    assert all(f"| `scorer-{number:02}` |" in found.body for number in range(40))
    assert found.cut.startswith("the largest diffs (")
    assert "`reconciler/ledger: plans/12.md`" in found.body
    assert found.body.count("```diff") > 5
    assert found.full.count("```diff") == 40 * 2


def test_the_largest_diff_goes_first():
    big = ObjectDiff(action=Action.CREATE, ref=ref("big"), lines=tuple(f"+line {n}" for n in range(150)))
    little = ObjectDiff(action=Action.CREATE, ref=ref("little"), lines=("+line",))
    rows = [
        replace(preview(name), diffs=(ClusterDiff(cluster="eu-1", objects=(one,)),))
        for name, one in (("a", little), ("b", big), ("c", little))
    ]
    whole = render(report(*rows), LIMIT, marker=MARKER)
    found = render(report(*rows), size(whole.body) - 100, marker=MARKER)
    assert found.cut == "the largest diffs (1 diff)"
    assert "1 diff of `b` is left out here." in found.body
    assert found.body.count("`fraud/little`") == 2


def ref(name):
    return ObjectRef(group="", version="v1", kind="ConfigMap", namespace="fraud", name=name)


@pytest.mark.parametrize("limit", [60_000, 20_000, 9_000, 6_000, 4_000, 3_000])
def test_however_little_room_there_is_headline_gates_and_failures_stay(limit):
    found = render(forty(), limit, marker=MARKER)
    assert size(found.body) <= limit
    checked(found.body)
    assert "Merging would promote 37 releases" in found.body
    assert "**Signature** `scorer-09`: releases/staging/scorer-09.yaml is not verified" in found.body
    assert "**Approval** `scorer-07`" in found.body
    assert "Left out" in found.body


def test_with_no_room_at_all_the_first_sentence_stays():
    found = render(forty(), 700, marker=MARKER)
    assert found.cut == "everything but the first sentence"
    assert "Merging would promote 37 releases" in found.body
    checked(found.body)


def test_a_policy_that_denies_ten_thousand_releases_is_one_sentence():
    denied = Gate(kind="Policy", open=False, reason="PolicyDenied", message="policy owner denies: name an owner")
    rows = [preview(f"r{number}", clusters=("eu-1",), diff=(), gates=(SIGNED, denied)) for number in range(10_000)]
    found = render(report(*rows), LIMIT, marker=MARKER)
    assert size(found.body) <= LIMIT
    checked(found.body)
    assert "✗ **Policy** `r0`, `r1`, `r10` and 9,997 more: policy owner denies: name an owner" in found.body
    assert "more releases." in found.body
    assert found.full.count("\n| `r") == 10_000


def test_ten_thousand_different_sentences_are_counted():
    rows = [
        preview(
            f"r{number}",
            clusters=(),
            diff=(),
            gates=(UNSIGNED.model_copy(update={"message": f"r{number} is bad"}),),
            verdicts=(WARNED,),
        )
        for number in range(10_000)
    ]
    found = render(report(*rows), LIMIT, marker=MARKER)
    assert size(found.body) <= LIMIT
    assert re.search(r"… and 9,\d\d\d more sentences: 9,\d\d\d by Signature", found.body)
    few = render(report(*rows), 3_000, marker=MARKER).body
    assert re.search(r"… and 9,99\d more sentences: 9,99\d by Signature", few)


def test_a_thousand_environments_are_counted():
    rows = [preview("a", f"env-{number:04}", diff=()) for number in range(1_000)]
    found = render(report(*rows), 20_000, marker=MARKER)
    assert size(found.body) <= 20_000
    assert "more environments." in found.body


def test_without_a_ledger_the_rest_is_shown_by_a_command():
    found = render(replace(forty(), ledger=""), LIMIT, marker=MARKER)
    assert "; `reconciler plan` shows it.\n" in found.body


def test_after_the_merge_progress_stands_on_top_and_the_plan_is_folded():
    body = render(failure(), LIMIT, marker=MARKER).body
    assert (
        body.index("**Failed**")
        < body.index("**Promoted**")
        < body.index("<details><summary>The plan as it was merged")
    )
    assert "  - ✗ `us-1` Failed: 1.4.0: 0 of 2 ready: container onnx-server" in body
    assert "How to approve" not in body
    assert "/reconciler plan" not in body


def test_after_a_merge_that_was_never_planned_there_is_progress_alone():
    rows = tuple(ClusterProgress(name=f"eu-{number}", state="Waiting", sentence="soon") for number in range(20))
    row = ReleaseProgress(key=key_of(), before="", after="1.4.0", phase="Preparing", sentence="soon", clusters=rows)
    bare = replace(row, key=key_of("z"), clusters=())
    body = render(report(progress=(row, bare)), LIMIT, marker=MARKER).body
    assert "| `prod/fraud-detector` | 1.4.0 | …&nbsp;**Preparing** | 20 Waiting | – |" in body
    assert "| `prod/z` | 1.4.0 | …&nbsp;**Preparing** | – | – |" in body
    assert body.count("Waiting: soon") == 10
    assert "<details>" not in body


def test_approving_is_folded_until_somebody_asks():
    waits = preview(gates=(SIGNED, MISSING), asked=(asking(),))
    assert "<details><summary><b>How to approve" in render(report(waits), LIMIT, marker=MARKER).body
    body = render(report(waits, asked=True), LIMIT, marker=MARKER).body
    assert "<details open><summary><b>How to approve</b>: 1 statement to sign</summary>" in body
    assert "\nreconciler approve 12\n" in body
    assert (
        "ssh-keygen -Y sign -n reconciler-approval-v1@reconciler.dev -f ~/.ssh/id_ed25519 <<'STATEMENT'\n"
        "reconciler-approval-v1\nrepository: github.com/acme/models\nenvironment: prod\nname: fraud-detector\n"
    ) in body


def test_an_approval_that_is_given_asks_nobody():
    body = render(report(preview(asked=(asking("cy"),)), asked=True), LIMIT, marker=MARKER).body
    assert "How to approve" not in body
    assert "✓&nbsp;1/1&nbsp;risk" in body


def test_governing_documents_and_signatures_that_do_not_count_are_told():
    governing = (
        GoverningChange(
            path="b.yaml", kind="Policy", name="p", in_force=True, sentence="signed", signers=("ana",), removed=True
        ),
        GoverningChange(path="a.yaml", kind="Cluster", name="c", in_force=False, sentence="not signed"),
    )
    body = render(report(governing=governing, uncounted=("ed signed another text",)), LIMIT, marker=MARKER).body
    assert (
        "| `a.yaml` | Cluster `c` | changed | ✗ not signed | nobody |\n"
        "| `b.yaml` | Policy `p` | removed | ✓ signed | ana |" in body
    )
    assert "#### Signatures that do not count\n\n- ed signed another text\n" in body


def test_what_a_row_says_of_clusters_and_changes():
    odd = tuple(
        ClusterDiff(cluster=name, objects=small().previews[0].diffs[0].objects[: index + 1])
        for index, name in enumerate(CLUSTERS)
    )
    body = render(
        report(
            preview("a", clusters=("eu-1",)),
            preview("b", diffs=odd),
            preview("c", changes=3, diffs=()),
            preview("d", clusters=(), gates=(), verdicts=(), plans=(), diffs=odd[:1], before=""),
            preview("e", "dev", clusters=(), gates=(UNSIGNED,), diffs=(), before="", after=""),
        ),
        LIMIT,
        marker=MARKER,
    ).body
    rows = {line.split(" | ")[0][2:]: line.split(" | ")[1:] for line in body.splitlines() if line.startswith("| `")}
    assert rows["`a`"][-1] == "5 |"
    assert rows["`b`"][-1] == "3 in all |"
    assert rows["`c`"][-1] == "6 |"
    assert rows["`d`"] == ["→&nbsp;1.4.0", "–", "`eu-1`", "–", "–", "1 |"]
    assert rows["`e`"][:3] == ["nothing", "✗&nbsp;Signature", "–"]


def test_policies_that_do_not_pass_are_told_once():
    failed = PolicyVerdict(name="owner", source="p", result=PolicyResult.FAIL, message="name one")
    denied = Gate(kind="Policy", open=False, reason="PolicyDenied", message="policy owner denies: name one")
    prune = Gate(kind="Prune", open=False, reason="PruneNotConfirmed", message="2 objects wait")
    with_gate = render(report(preview(gates=(denied, prune), verdicts=(failed,))), LIMIT, marker=MARKER).body
    assert with_gate.count("name one") == 2  # in the headline and in the list
    assert "- ✗ **Prune** `fraud-detector`: 2 objects wait" in with_gate
    alone = render(
        report(preview(verdicts=(failed, failed.model_copy(update={"result": PolicyResult.SKIP})))),
        LIMIT,
        marker=MARKER,
    )
    assert alone.body.count("- ✗ **Policy owner** `fraud-detector`: name one") == 1


def test_releases_that_stay_as_they_are_are_only_counted():
    body = render(report(preview(), preview("x", changes=0, diff=())), LIMIT, marker=MARKER).body
    assert "1 release would stay as it is.\n" in body


def test_twenty_clusters_are_as_many_diffs_as_there_are_differences():
    body = render(twenty(), LIMIT, marker=MARKER).body
    assert body.count("<details><summary><code>fraud-detector</code> on") == 2
    assert "<b>ap-1</b>, <b>ap-2</b>, <b>ap-3</b>, <b>ap-4</b> and 13 more: 5 objects" in body


STRUCTURE = ("h3", "h4", "table", "tr", "td", "li", "hr", "details")
PLAIN = [tag for tag in Page(render(hostile("x"), LIMIT, marker=MARKER).full).tags if tag in STRUCTURE]
LIVE = re.compile(r"@[\w-]|(?<!&)#\d|GH-\d|://|\bwww\.|:tada:")


def hidden_from_forges(page):
    """The text in which a forge looks for mentions, references, addresses and emoji: all but code."""
    without = re.sub(r"<pre>.*?</pre>|<code>.*?</code>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", "", without)


PIECES = st.sampled_from(
    [
        "<b>",
        "</details>",
        "<!--",
        "-->",
        "<script>",
        "@team",
        "#12",
        "GH-1",
        "https://e.org",
        "www.e.org",
        "[a](b)",
        "![a](b)",
        "<http://a.b>",
        "a@b.org",
        "`",
        "```",
        "~~~",
        "**",
        "_",
        "|",
        "\\",
        "\n",
        "\r",
        "\n\n",
        "    ",
        "\t",
        "- ",
        "# ",
        "> ",
        "1. ",
        "---",
        "===",
        "[a]: b",
        "[^1]",
        "$",
        "$$",
        ":tada:",
        "&lt;",
        "&#64;",
        "&",
        ";",
        "\u202e",
        "\u200b",
        "\u2028",
        "\x00",
        "\ud800",
        "x",
        " ",
        "4f2a4f2a",
        "</code></pre>",
        "<?php",
        "<![CDATA[",
        "]]>",
        "javascript:",
        "/close",
        "!1",
        "~label",
    ]
)
ANYTHING = st.text(max_size=120) | st.lists(PIECES, max_size=14).map("".join)


@settings(max_examples=80, deadline=None)
@example("0")
@given(ANYTHING)
@example(HOSTILE)
@example(MARKER)
@example(f"\n{MARKER}\n</details>\n\n# ✓ approved\n\n- [x] done")
@example("| a | b |\n|---|---|")
@example("````\n</details>")
def test_whatever_stands_in_any_field_nothing_of_it_is_a_tag_or_a_link(text):
    value = hostile(text)
    found = render(value, LIMIT, marker=MARKER)
    page = checked(found.full)
    assert [tag for tag in page.tags if tag in STRUCTURE] == PLAIN
    lines = found.full.split("\n")
    assert [line for line in lines if line.startswith("<!--")] == [MARKER]
    assert find(found.full, b"key", REPOSITORY, 12) is Stage.PLANNED
    assert not LIVE.search(hidden_from_forges(SEEN.render(found.full)).replace("~/.ssh", ""))


@settings(max_examples=40, deadline=None)
@given(ANYTHING, st.integers(1_000, 12_000))
@example(HOSTILE, 5_000)
def test_however_it_is_cut_it_is_whole(text, limit):
    found = render(replace(hostile(text), progress=()), limit, marker=MARKER)
    checked(found.body)
    if found.cut != "everything but the first sentence":
        assert size(found.body) <= limit


@settings(max_examples=40, deadline=None)
@given(ANYTHING)
@example(HOSTILE)
def test_after_the_merge_nothing_does_anything_either(text):
    clusters = tuple(ClusterProgress(name=text, state=state, sentence=text) for state in (text, "Failed"))
    row = ReleaseProgress(
        key=replace(key_of(), name=text),
        before=text,
        after="1",
        phase=text,
        sentence=text,
        clusters=clusters,
        failed=True,
    )
    checked(render(replace(hostile(text), progress=(row,)), LIMIT, marker=MARKER).full)


def test_the_same_report_is_the_same_text():
    assert render(forty(), LIMIT, marker=MARKER) == render(forty(), LIMIT, marker=MARKER)
    assert small().digest == small().digest


# --- a comment of ours that is found again


@pytest.mark.parametrize("tree", ["77ab" * 10, ""], ids=["merged", "in conflict"])
def test_a_found_comment_tells_base_tree_and_time_so_that_the_same_plan_has_the_same_words(tree):
    told = report(preview(), merge=Merge(tree=tree, conflicts=() if tree else ("a.yaml",)))
    body = render(told, LIMIT, marker=MARKER).body
    later = replace(told, base="c0ffee" * 6 + "c0ff", at=told.at + timedelta(hours=1))
    found = written(body, later)
    assert found is not None
    assert (found.base, found.merge.tree, found.at) == (told.base[:10], tree[:10], told.at)
    assert render(found, LIMIT, marker=MARKER).body == body


@pytest.mark.parametrize("body", ["", "somebody's words", MARKER], ids=["empty", "foreign", "only a marker"])
def test_a_comment_in_another_form_tells_nothing(body):
    assert written(body, report()) is None


def test_a_comment_on_another_head_tells_nothing():
    body = render(report(preview()), LIMIT, marker=MARKER).body
    assert written(body, report(preview(), head="beef" * 10)) is None


def test_that_of_too_many_releases_the_rest_is_not_planned_stands_in_every_size():
    for limit in (65_536, 1_500):
        body = render(replace(small(), unseen=1, beside=1_200), limit, marker=MARKER).body
        assert "**Not planned, for there are too many:** 1 further release. Split the pull request." in body
        assert "1,200 further releases, whose own files do not change." in body
    assert "Not planned" not in render(small(), 65_536, marker=MARKER).body
