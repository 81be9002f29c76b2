"""What an environment may say of approvals."""

import pytest
from pydantic import ValidationError

from reconciler.model.environment import Approvals
from reconciler.model.vote import plain

RULES = [{"count": 1}]


def test_only_signatures_count_unless_reviews_are_named():
    assert not Approvals.from_data({"rules": RULES}).by_review
    assert Approvals.from_data({"rules": RULES, "sources": ["signature", "forge"]}).by_review


@pytest.mark.parametrize(
    "sources", [[], ["forge"], ["signature", "signature"], ["forge", "forge"], ["signature", "email"]]
)
def test_signatures_always_count_and_each_source_stands_once(sources):
    with pytest.raises(ValidationError):
        Approvals.from_data({"rules": RULES, "sources": sources})


def test_what_somebody_typed_is_one_short_line():
    assert plain("a\tb\n\x1b[31mc\u202e") == "a b [31mc"
    assert len(plain("x" * 5000)) == 200
