"""One plan as text, Markdown and JSON."""

import orjson
import pytest
from plan_cluster import KEY, Target
from plan_reports import asking, small

from reconciler.model.ids import short
from reconciler.model.objects import ObjectRef
from reconciler.model.plan import Action, Change, Gate, Plan
from reconciler.model.policy import PolicyResult, PolicyVerdict
from reconciler.plan.explain import as_data, as_markdown, as_text, headline
from reconciler.plan.preview import Doing, Preview

CLOSED = Gate(kind="Signature", open=False, reason="NotVerified", message="releases/prod/x.yaml is not signed")
OPEN = Gate(kind="Reference", open=True, reason="Valid", message="")
PASS = PolicyVerdict(name="digest-pinned", source="builtin:baseline", result=PolicyResult.PASS)
FAIL = PolicyVerdict(name="owner", source="p.yaml", result=PolicyResult.FAIL, message="name a <team>")
SCALE = Change(
    action=Action.SCALE,
    ref=ObjectRef(group="apps", version="v1", kind="Deployment", namespace="fraud", name="fraud-1"),
    tier=2,
    before="1",
    after="2",
    why="the size differs",
)
SAME = Change(
    action=Action.UNCHANGED,
    ref=ObjectRef(group="", version="v1", kind="Service", namespace="", name="s"),
    tier=1,
    before="",
    after="",
    why="",
)
PLAN = Plan(key=KEY, revision="1" * 40, changes=(SCALE, SAME))
QUIET = Plan(key=KEY, revision="1" * 40, changes=(SAME,))


def preview(**update):
    given = {
        "key": KEY.release,
        "path": "releases/prod/fraud-detector.yaml",
        "before": "1.3.0",
        "after": "1.4.0",
        "gates": (OPEN,),
        "verdicts": (),
        "plans": (),
        "message": "",
    }
    return Preview(**{**given, **update})


GLASS = Gate(kind="Freeze", open=True, reason="BreakGlass", message="OPENED BY BREAK-GLASS waivers/w.yaml")
FULL = preview(gates=(CLOSED, OPEN), verdicts=(PASS, FAIL), plans=(PLAN, QUIET), message="1.4.0 waits.")


def test_text():
    assert as_text([FULL]) == (
        "prod/fraud-detector: 1.3.0 → 1.4.0\n"
        "  ✗ Signature: releases/prod/x.yaml is not signed\n"
        "  ✓ Reference: open\n"
        "  ✓ policy digest-pinned: pass\n"
        "  ✗ policy owner: fail (name a <team>)\n"
        f"  eu-1: 1 changes (plan {short(PLAN.digest)})\n"
        "    ↕ scale Deployment fraud/fraud-1 1 → 2 (the size differs)\n"
        f"  eu-1: nothing changes (plan {short(QUIET.digest)})\n"
        "  1.4.0 waits."
    )


def test_markdown_is_the_comments_tables():
    assert as_markdown([FULL]) == (
        "#### prod\n\n"
        "- ✗ **Signature** `fraud-detector`: releases/prod/x.yaml is not signed\n"
        "- ✗ **Policy owner** `fraud-detector`: name a &lt;team&gt;\n\n"
        "| release | from → to | gates | clusters | approvals | policies | changes |\n"
        "|---|---|---|---|---|---|---|\n"
        "| `fraud-detector` | 1.3.0&nbsp;→&nbsp;1.4.0 | ✗&nbsp;Signature<br>✓&nbsp;1 | `eu-1` | – "
        "| ✗&nbsp;1<br>✓&nbsp;1 "
        "| 1 |\n\n"
        "<details><summary><b>What is well</b>: 1 open gate, 1 policy passed</summary>\n\n"
        f"**`fraud-detector`** (plan `{short(PLAN.digest)}` on `eu-1` and `{short(QUIET.digest)}` on `eu-1`)\n\n"
        "- ✓ Reference: open\n- ✓ policies: `digest-pinned`\n\n</details>\n"
    )


def test_data_is_whole_and_plain():
    (row,) = as_data([FULL])
    assert orjson.loads(orjson.dumps(row)) == row
    assert (row["environment"], row["name"], row["from"], row["to"]) == ("prod", "fraud-detector", "1.3.0", "1.4.0")
    assert [gate["open"] for gate in row["gates"]] == [False, True]
    assert [policy["result"] for policy in row["policies"]] == ["pass", "fail"]
    assert [cluster["digest"] for cluster in row["clusters"]] == [PLAN.digest, QUIET.digest]
    assert row["clusters"][0]["changes"] == [
        {
            "action": "scale",
            "kind": "Deployment",
            "namespace": "fraud",
            "name": "fraud-1",
            "before": "1",
            "after": "2",
            "why": "the size differs",
        }
    ]


def test_nothing_and_several():
    assert (as_text([]), as_markdown([]), as_data([])) == ("Nothing would change.", "Nothing would change.", [])
    assert as_text([preview(), preview()]).count("prod/fraud-detector") == 2
    assert as_markdown([preview(), preview()]) == "2 releases would stay as they are.\n"


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("1.3.0", "1.4.0", "prod/fraud-detector: 1.3.0 → 1.4.0"),
        ("1.3.0", "1.3.0", "prod/fraud-detector: 1.3.0"),
        ("", "1.4.0", "prod/fraud-detector: nothing → 1.4.0"),
        ("1.3.0", "", "prod/fraud-detector: 1.3.0 → nothing"),
        ("", "", "prod/fraud-detector: nothing"),
    ],
)
def test_headline(before, after, line):
    assert headline(preview(before=before, after=after)) == line


@pytest.mark.parametrize(
    ("update", "empty"),
    [
        ({}, True),
        ({"plans": (QUIET,)}, True),
        ({"plans": (QUIET, PLAN)}, False),
        ({"gates": (CLOSED,)}, False),
    ],
    ids=["no clusters", "nothing changes", "one cluster changes", "a gate is closed"],
)
def test_a_preview_is_empty_when_nothing_would_change_and_nothing_is_held(update, empty):
    assert preview(**update).is_empty is empty


def test_a_plans_digest_is_of_what_would_change_in_its_order():
    target = Target()
    plan = target.decide().plan
    assert plan.digest == target.decide().plan.digest
    fewer = Plan(key=plan.key, revision="2" * 40, changes=(*plan.changes, SAME))
    assert fewer.digest == plan.digest
    assert Plan(key=plan.key, revision=plan.revision, changes=plan.changes[1:]).digest != plan.digest
    target.turn()
    assert target.decide().plan.is_empty


def test_a_gate_that_a_break_glass_opened_is_marked_everywhere_and_never_nothing():
    shown = preview(gates=(GLASS, OPEN))
    assert not shown.is_empty
    assert "  ! Freeze: OPENED BY BREAK-GLASS waivers/w.yaml\n" in as_text([shown])
    assert "- ! **Freeze** `fraud-detector`: OPENED BY BREAK-GLASS waivers/w.yaml\n" in as_markdown([shown])
    assert as_data([shown])[0]["gates"][0]["reason"] == "BreakGlass"


def test_beside_closed_gates_stands_what_a_waiver_would_name():
    named = {"version": "sha256:" + "a" * 64, "manifest": "sha256:" + "b" * 64}
    lines = f"\n  version  {named['version']}\n  manifest {named['manifest']}\n"
    assert lines in as_text([preview(gates=(CLOSED,), **named)])
    assert lines not in as_text([preview(gates=(OPEN,), **named)])
    assert as_data([preview(**named)])[0] | named == as_data([preview(**named)])[0]


def test_data_has_approvals_and_diffs():
    (row,) = as_data([preview(doing=Doing.RETURN, asked=(asking("cy", count=2),), diffs=small().previews[0].diffs)])
    (asked,) = row["approvals"]
    assert asked["rules"] == [{"role": "risk", "count": 2, "given": ["cy"], "could": ["cy"]}]
    assert asked["statement"].startswith("reconciler-approval-v1\nrepository: ")
    assert row["doing"] == "return"
    assert [(one["action"], one["kind"]) for one in row["diffs"][0]["objects"]][:2] == [
        ("create", "Service"), ("create", "Deployment"),
    ]  # fmt: skip
    assert row["diffs"][0]["objects"][1]["follows"].startswith("fraud-detector-")
    assert row["diffs"][0]["objects"][-1]["follows"] is None
    assert orjson.loads(orjson.dumps(row)) == row
