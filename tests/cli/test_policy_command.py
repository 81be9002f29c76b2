"""`policy test` and `policy list`."""

import json
from xml.etree import ElementTree as ET

import pytest
from cli_world import POLICY, policy_test


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "two-replicas.yaml").write_text(POLICY)
    (tmp_path / "tests/two-replicas_test.yaml").write_text(policy_test())
    return tmp_path


def test_the_shipped_policies_pass_their_tests(reconciler):
    said = reconciler("policy", "test")
    assert said.code == 0
    assert "cases answered as expected" in said.out
    assert "FAIL" not in said.out


def test_ones_own_policies_are_tested_and_the_bundle_is_not_spoken_of(reconciler, folder):
    said = reconciler("policy", "test", folder)
    assert (said.code, said.out) == (0, "2 of 2 cases answered as expected\n")


def test_a_case_that_answers_otherwise_is_a_no(reconciler, folder):
    (folder / "two-replicas.yaml").write_text(POLICY.replace(">= 2", ">= 1"))
    said = reconciler("policy", "test", folder)
    assert said.code == 1
    assert "FAIL two-replicas: one is not: expected fail, got pass" in said.out


def test_the_other_forms(reconciler, folder):
    assert json.loads(reconciler("policy", "test", folder, "-o", "json").out)["ok"] is True
    assert ET.fromstring(reconciler("policy", "test", folder, "-o", "junit").out).get("tests") == "2"  # noqa: S314  # our own output
    assert reconciler("policy", "test", folder, "-o", "github").out == ""


def test_a_folder_without_tests_is_a_no(reconciler, folder):
    (folder / "tests/two-replicas_test.yaml").unlink()
    said = reconciler("policy", "test", folder)
    assert said.code == 1
    assert "there is no PolicyTest in" in said.err


def test_documents_that_do_not_validate_are_told(reconciler, folder):
    (folder / "two-replicas.yaml").write_text(POLICY + "x: 1\n")
    said = reconciler("policy", "test", folder)
    assert said.code == 1
    assert "two-replicas.yaml:8:1: x: unknown field" in said.err


def test_the_list_says_what_each_shipped_policy_is_about(reconciler):
    rows = json.loads(reconciler("policy", "list", "-o", "json").out)
    pinned = next(row for row in rows if row["name"] == "digest-pinned")
    assert (pinned["bundle"], pinned["severity"]) == ("baseline", "critical")
    assert all(row["meaning"] and row["severity"] for row in rows)
    said = reconciler("policy", "list")
    assert len(said.out.splitlines()) == len(rows) + 1
