"""Names of branches, and which one takes the place of which."""

import pytest

from reconciler.model.branches import branch_of, supersedes

DIGEST = "sha256:0123456789abcdef"


def test_a_branch_says_why_where_and_of_which_text():
    assert branch_of("promote", "prod", "fraud", DIGEST) == "reconciler/promote/prod/fraud/0123456789"


@pytest.mark.parametrize(
    ("branch", "older", "expected"),
    [
        ("reconciler/promote/prod/fraud/1", "reconciler/promote/prod/fraud/2", True),
        ("reconciler/promote/prod/fraud/1", "reconciler/rollback/prod/fraud/2", True),
        ("reconciler/rollback/prod/fraud/1", "reconciler/promote/prod/fraud/1", True),
        ("reconciler/remove/prod/fraud/1", "reconciler/remove/prod/fraud/2", True),
        ("reconciler/promote/prod/fraud/1", "reconciler/promote/prod/fraud/1", False),
        ("reconciler/promote/prod/fraud/1", "reconciler/promote/prod/chat/2", False),
        ("reconciler/promote/prod/fraud/1", "reconciler/promote/dev/fraud/2", False),
        ("reconciler/promote/prod/fraud/1", "reconciler/remove/prod/fraud/2", False),
        ("reconciler/remove/prod/fraud/1", "reconciler/remove/prod/fraud@eu-1/2", False),
        ("reconciler/promote/prod/fraud/1", "reconciler/promote/prod/fraud", False),
        ("reconciler/promote/prod/fraud/1", "promote/prod/fraud/2", False),
        ("mine", "reconciler/promote/prod/fraud/2", False),
        ("mine", "yours", False),
        ("reconciler/other/prod/fraud/1", "reconciler/other/prod/fraud/2", False),
    ],
)
def test_one_is_open_per_release_and_environment(branch, older, expected):
    assert supersedes(branch, older) is expected
