"""A story's person at the forge."""

import pytest

from reconciler.demo.forge import Visitor
from reconciler.errors import Refused, Unreachable


def test_a_pull_request_from_opening_to_merge(repo, forge):
    sha = repo.branch("promote", {"a": b"a"})
    with (
        Visitor(forge.api, "acme/models", "t-ada") as ada,
        Visitor(forge.api, "acme/models", "t-bo") as bo,
        Visitor(forge.api, "acme/models", "t-bot") as bot,
    ):
        number = ada.open_pull("promote", "Promote", body="why")
        assert [pull["number"] for pull in bo.pulls()] == [number]
        bot.comment(number, "the plan")
        bo.ask_for_changes(number, "not yet")
        bo.approve(number)
        assert ada.comments(number) == [("reconciler[bot]", "the plan")]
        assert ada.statuses(sha) == {}
        with pytest.raises(Refused, match=r"409 .*Head branch was modified"):
            bo.merge(number, head="0" * 40)
        tip = bo.merge(number, way="squash", head=sha)
        assert repo.sha("main") == tip
        assert ada.pull(number)["merged"] is True


def test_a_refusal_has_the_forges_own_words(repo, forge, client):
    sha = repo.branch("promote", {"a": b"a"})
    with Visitor(forge.api, "acme/models", "t-ada") as ada:
        number = ada.open_pull("promote", "Promote")
        client(forge, "bo").post(f"statuses/{sha}", state="success", context="c", description="d")
        assert ada.statuses("promote") == {"c": ("success", "d")}
        with pytest.raises(Refused, match=r"422 to POST pulls/1/reviews: .*Can not approve your own pull request"):
            ada.approve(number)
        with pytest.raises(Refused, match="Validation Failed; A pull request already exists for acme:promote"):
            ada.open_pull("promote", "Again")
        ada.close_pull(number)
        assert ada.pulls() == []
        forge.faults.status = 502
        with pytest.raises(Refused, match="502"):
            ada.pulls()
        forge.faults.clear()
        forge.close()
        with pytest.raises(Unreachable, match="does not answer GET pulls"):
            ada.pulls("closed")
