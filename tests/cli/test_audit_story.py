"""`audit show` and `audit export`: what an auditor reads of a ledger, and what is said when it does not hold."""

import json
from datetime import UTC, datetime

import pytest
from cli_world import ADA
from test_audit import NOW, LedgerFolder, flip, record

from reconciler.cli.audit_story import names, of_release, told
from reconciler.loop.chain import Link
from reconciler.model.record import Record

VOTE = {"closure": "sha256:" + "c" * 64, "person": "cy", "key": "SHA256:c", "use": "approve",
        "firstSeen": "2026-11-01T08:30:00Z"}  # fmt: skip
FULL = {
    "sequence": 7, "time": "2026-11-01T09:00:00Z", "kind": "Promoted", "repository": "r", "environment": "prod",
    "name": "fraud", "message": "fraud 1.4.0 is Healthy on eu-1", "revision": "8d" * 20,
    "manifest": {"path": "releases/prod/fraud.yaml", "sha256": "sha256:" + "3f" * 32,
                 "firstSeen": "2026-11-01T08:00:00Z"},
    "signatures": [{"person": "bo", "key": "SHA256:b", "use": "release"}],
    "approvals": [VOTE, {**VOTE, "person": "dee", "key": "SHA256:d", "use": "reject"}],
    "policies": [{"name": "a", "source": "s", "result": "pass"}, {"name": "b", "source": "s", "result": "pass"},
                 {"name": "c", "source": "s", "result": "warn", "message": "two replicas are better"},
                 {"name": "d", "source": "s", "result": "skip", "message": "switched off"}],
}  # fmt: skip
OPENED = {"kind": "Freeze", "reason": "Frozen", "said": "it is frozen", "path": "waivers/night.yaml", "why": "incident",
          "signers": ["bo"], "expires": datetime(2026, 11, 2, tzinfo=UTC)}  # fmt: skip


@pytest.fixture
def ledger(world, reconciler):
    made = LedgerFolder(world, reconciler)
    made.write("ada", more=[{"kind": "Started", "environment": "dev", "name": "fraud"}])
    return made


@pytest.fixture
def audit(ledger, reconciler):
    def call(command, *arguments):
        if ledger.checkout.changed() or not (ledger.root / ".git/refs/heads/reconciler").exists():
            ledger.checkout.commit("records", ADA, when=NOW)
        trust = ledger.world.trust(ada="platform")
        return reconciler("audit", command, *arguments, "--trust", trust, "--repository-dir", ledger.root)

    return call


def test_a_record_is_told_with_its_text_who_vouched_and_what_the_policies_said():
    assert told(Record.from_data(FULL)) == [
        "     7  2026-11-01T09:00:00Z  Promoted prod/fraud: fraud 1.4.0 is Healthy on eu-1",
        f"        revision {'8d' * 20}",
        f"        text releases/prod/fraud.yaml (sha256:{'3f' * 32}), first seen 2026-11-01T08:00:00Z",
        "        signed by bo (SHA256:b) to release",
        "        approved by cy (SHA256:c), first seen 2026-11-01T08:30:00Z",
        "        rejected by dee (SHA256:d), first seen 2026-11-01T08:30:00Z",
        "        policies: 2 pass, 1 skip, 1 warn",
        "          warn c: two replicas are better",
    ]


def test_a_break_glass_is_told_with_its_signers_reason_and_end():
    lines = told(Record.from_data({**FULL, "kind": "BreakGlass", "detail": {"opened": [OPENED]}}))
    (line,) = [line for line in lines if "BREAK-GLASS" in line]
    assert "waivers/night.yaml, signed by bo, until 2026-11-02T00:00:00Z: incident" in line


def test_a_release_is_meant_by_its_name_in_every_environment_or_by_both():
    rows = [("prod", "fraud"), ("dev", "fraud"), ("prod", "chat"), ("", "")]
    links = [
        Link(path="p", digest="d", record=Record.from_data({**FULL, "environment": env, "name": name}))
        for env, name in rows
    ]
    assert [link.record.environment for link in of_release(links, "fraud")] == ["prod", "dev"]
    assert [link.record.name for link in of_release(links, "prod/chat")] == ["chat"]
    assert of_release(links, "") == []
    assert names(links) == ["dev/fraud", "prod/chat", "prod/fraud"]


def test_show_tells_one_release_of_a_ledger_that_holds(audit):
    said = audit("show", "prod/fraud")
    assert (said.code, said.err) == (0, "")
    assert [line.split()[2] for line in said.out.splitlines() if not line.startswith("        ")] == [
        "Started",
        "Promoted",
    ]
    assert "signed by ada" in said.out
    data = json.loads(audit("show", "fraud", "-o", "json").out)
    assert [(row["environment"], row["sequence"]) for row in data] == [("prod", 2), ("prod", 3), ("dev", 4)]


def test_show_names_what_there_is_when_a_release_is_not_in_the_ledger(audit):
    said = audit("show", "prod/chat")
    assert said.code == 1
    assert "tells of no release 'prod/chat'" in said.err
    assert "dev/fraud, prod/fraud" in said.err


def test_export_prints_every_record_that_counts_on_a_line_of_its_own(audit):
    said = audit("export")
    assert (said.code, said.err) == (0, "")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4]
    assert [row["previous"] for row in rows[1:]] == [row["digest"] for row in rows[:-1]]
    assert rows[0]["path"] == "records/2026/11/0000000001.json"


@pytest.mark.parametrize("command", [("show", "prod/fraud"), ("export",)])
def test_of_a_ledger_that_does_not_hold_only_what_counts_is_told_and_it_is_said(audit, ledger, command):
    audit(*command)
    flip(record(ledger, 3))
    said = audit(*command)
    assert said.code == 1
    assert "Promoted" not in said.out
    assert "does not hold: " in said.err
    assert "0000000003.json" in said.err
