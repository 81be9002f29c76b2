"""Approved, Rejected, Planned and Merged in a ledger: what proves them, what does not, and the story that they tell."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_world import ADA, ENVIRONMENT, REPOSITORY
from test_audit import NOW, LedgerFolder, approval

from reconciler.digest import blob_id, sha256_of
from reconciler.documents.schema import parse
from reconciler.loop.approving import Cast, Matter
from reconciler.loop.governing import Governed
from reconciler.loop.recording import Scene, merged_entry, plan_path, planned_entry
from reconciler.loop.vote_records import environment_path, proof_path, vote_entry
from reconciler.model.pull import PullRequest, PullState
from reconciler.model.record import ApprovalFact
from reconciler.model.state import ReleaseRef, release_key
from reconciler.model.vote import ForgeVote, Given
from reconciler.trust.keys import load_private_key
from reconciler.trust.sshsig import sign

GOLDEN = Path(__file__).with_name("story.txt")
KEY = release_key(ReleaseRef(repository=REPOSITORY, environment="prod", name="fraud"))
CLOSURE, PLAN, TEXT = "c" * 64, "sha256:" + "d" * 64, b"# The whole plan\n"
PATH = "environments/prod.yaml"
REVIEWS = ENVIRONMENT + "  approvals: {rules: [{count: 2}], sources: [signature, forge]}\n"
PULL = PullRequest(
    number=12, title="Promote\nfraud 1.4.0", author="ada-l", state=PullState.MERGED, head="8" * 40,
    head_branch="promote", base_branch="main", ref="refs/pull/12/head", url="https://forge.example/models/pull/12",
    merged="9" * 40,
)  # fmt: skip
SCENE = Scene(repository=REPOSITORY, revision=None, files={}, now=NOW)
SEEN = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)


class Voted:
    """A ledger in which cy approved in a comment and by a push, dee said no, and eli reviewed on the forge."""

    roles = {"ada": "platform", "bo": "science", "cy": "risk", "dee": "risk", "eli": "risk"}  # noqa: RUF012

    def __init__(self, ledger, reconciler, text=REVIEWS):
        self.ledger, self._reconciler, self.text = ledger, reconciler, text
        ledger.world.write(PATH, text)
        reconciler("sign", PATH, "--key", ledger.world.key("ada"), at=ledger.world.root)
        self.comment = self.signed("cy", "approve", source="comment", pull=12, url=f"{PULL.url}#c1",
                                   origin="comment by somebody on #12", key="cy")  # fmt: skip
        self.other = self.signed("cy", "approve", source="ref", key="cy2",
                                 origin="refs/reconciler/approvals/prod/fraud/cy")  # fmt: skip
        self.no = self.signed("dee", "reject", source="file", origin="approvals/prod/fraud/dee.sig", key="dee")
        self.review = self.reviewed("eli")
        planned = planned_entry(
            SCENE, PULL, "7" * 40, plan=PLAN, releases=[KEY], message="#12 would promote fraud 1.4.0", text=TEXT
        )
        merged = merged_entry(SCENE, PULL, plan=PLAN, releases=[KEY])
        self.entries = [planned, self.comment, self.other, self.no, self.review, merged]
        self.started = [self.comment]

    def fact(self, person, use, key):
        return ApprovalFact(closure=f"sha256:{CLOSURE}", person=person, key=key, use=use, first_seen=SEEN)

    def entry(self, fact, found):
        matter = Matter(key=KEY, digest=fact.closure, on="release", what="releases/prod/fraud.yaml")
        loaded = parse(PATH, self.text.encode())
        environment = Governed(kind="Environment", name="prod", path=PATH, blob=blob_id(self.text.encode()),
                               sha256=sha256_of(self.text.encode()), loaded=loaded, note="")  # fmt: skip
        return vote_entry(Cast(matter=matter, fact=fact, found=found), environment, NOW)

    def signed(self, person, use, *, key, **more):
        private = load_private_key(self.ledger.world.key(key).read_bytes())
        said = approval(CLOSURE, use)
        data = sign(private, said.text(), said.namespace).encode()
        entry = self.entry(
            self.fact(person, use, private.public.fingerprint), Given(blob=blob_id(data), data=data, **more)
        )
        self.ledger.put(proof_path(entry.record.approvals[0]), data)
        return entry

    def reviewed(self, person, *, use="approve"):
        fact = self.fact(person, use, f"forge:github:{person}-l")
        found = ForgeVote(forge="github", login=f"{person}-l", review=7, commit=PULL.head, use=use,
                          closure=fact.closure, pull=12, url=PULL.url)  # fmt: skip
        self.environment = environment_path(fact, sha256_of(self.text.encode()))
        self.ledger.put(self.environment, self.text.encode())
        return self.entry(fact, found)

    def write(self, *, accepted=True, started=None):
        shutil.rmtree(self.ledger.root / "records", ignore_errors=True)
        document = {"kind": "Environment", "name": "prod", "blob": "0" * 40, "sha256": sha256_of(self.text.encode())}
        rows = [{"kind": "Accepted", "detail": {"path": PATH, "accepted": document}}]
        facts = [row.record.approvals[0].to_data() for row in (self.started if started is None else started)]
        release = {"environment": "prod", "name": "fraud", "message": "fraud: 1.3.0 gives way to 1.4.0 on eu-1"}
        told = [entry.record.to_full_data() for entry in self.entries]
        for row in told:
            del row["sequence"], row["previous"]
        self.ledger.write("ada", more=[
            *(rows if accepted else []), *told, {"kind": "Started", **release, "approvals": facts},
            {"kind": "Held", "environment": "prod", "name": "fraud", "message": "it is frozen"},
        ])  # fmt: skip
        if accepted:
            self.ledger.copy(PATH, f"accepted/{PATH}")
        self.ledger.put(plan_path(12, PLAN), TEXT)

    def call(self, *arguments):
        if self.ledger.checkout.changed() or not (self.ledger.root / ".git/refs/heads/reconciler").exists():
            self.ledger.checkout.commit("records", ADA, when=NOW)
        trust = self.ledger.world.trust(**self.roles)
        cy2 = f"{{key: {self.ledger.world.public('cy2')}}}"
        trust.write_text(
            trust.read_text().replace(
                f"{{key: {self.ledger.world.public('cy')}}}", f"{{key: {self.ledger.world.public('cy')}}}, {cy2}"
            )
        )
        return self._reconciler("audit", *arguments, "--trust", trust, "--repository-dir", self.ledger.root)

    def problems(self):
        said = self.call("verify", "-o", "json")
        return json.loads(said.out)["problems"]


@pytest.fixture
def voted(world, reconciler):
    made = Voted(LedgerFolder(world, reconciler), reconciler)
    made.write()
    return made


def test_a_ledger_with_votes_from_everywhere_holds(voted):
    assert voted.problems() == []


@pytest.mark.parametrize("which", ["comment", "other", "no"])
def test_every_signed_vote_has_a_proof_of_its_own_and_without_it_is_named(voted, which):
    entry = getattr(voted, which)
    path = proof_path(entry.record.approvals[0])
    (voted.ledger.root / path).unlink()
    problems = voted.problems()
    assert f"{path}, with what " in problems[0]
    assert all(problem.endswith("is not in the ledger") for problem in problems)


def test_a_proof_that_is_somebody_elses_proves_nothing(voted):
    paths = [proof_path(row.record.approvals[0]) for row in (voted.comment, voted.no)]
    (voted.ledger.root / paths[0]).write_bytes((voted.ledger.root / paths[1]).read_bytes())
    assert any(f"{paths[0]} does not prove what cy" in problem for problem in voted.problems())


def test_a_review_counts_in_no_record_before_one_of_its_own(voted):
    voted.entries.remove(voted.review)
    voted.write(started=[voted.review])
    (problem,) = voted.problems()
    assert problem.endswith("no record before it tells of the review of eli")


def test_a_review_that_counted_and_has_its_record_holds(voted):
    voted.write(started=[voted.comment, voted.review])
    assert voted.problems() == []


def test_a_review_names_the_environment_that_was_in_force(voted):
    voted.write(accepted=False)
    assert "the review of eli (github:eli-l) names an environment that was not in force then" in " ".join(
        voted.problems()
    )


def test_a_review_without_the_environment_that_let_it_count_is_named(voted):
    (voted.ledger.root / voted.environment).unlink()
    (problem,) = voted.problems()
    assert f"{voted.environment}, the environment that let it count, is not in the ledger" in problem


@pytest.mark.parametrize("rules", ["", "  approvals: {rules: [{count: 2}]}\n"])
def test_a_review_where_only_signatures_count_is_named(world, reconciler, rules):
    made = Voted(LedgerFolder(world, reconciler), reconciler, ENVIRONMENT + rules)
    made.write()
    (problem,) = made.problems()
    assert problem.endswith(f"the review of eli (github:eli-l) is not signed, and {PATH} let no review count then")


def test_a_plan_that_is_gone_or_another_one_is_named(voted):
    path = voted.ledger.root / plan_path(12, PLAN)
    path.write_bytes(b"# Another plan\n")
    assert voted.problems()[0].endswith(f"{plan_path(12, PLAN)} is not the plan that was shown")
    path.unlink()
    assert voted.problems()[0].endswith(f"{plan_path(12, PLAN)} is not the plan that was shown")


def test_a_plan_of_which_no_record_speaks_is_named(voted):
    voted.ledger.put("pulls/13/x.md", b"x")
    assert voted.problems() == ["pulls/13/x.md is in the ledger, and no record speaks of it"]


def test_the_story_of_a_release_from_its_pull_request_on(voted):
    voted.write(started=[voted.comment, voted.review])
    said = voted.call("show", "prod/fraud")
    assert (said.code, said.err) == (0, "")
    text = said.out
    for name in ("cy", "cy2", "dee"):
        key = load_private_key(voted.ledger.world.key(name).read_bytes()).public.fingerprint
        text = text.replace(key, f"SHA256:{name}")
    assert text == GOLDEN.read_text()
    rows = json.loads(voted.call("show", "fraud", "-o", "json").out)
    kinds = [
        "Started",
        "Promoted",
        "Planned",
        "Approved",
        "Approved",
        "Rejected",
        "Approved",
        "Merged",
        "Started",
        "Held",
    ]
    assert [row["kind"] for row in rows] == kinds
    assert rows[2]["detail"]["pull"]["head"] == PULL.head


def test_a_pull_request_of_several_releases_is_told_with_each_of_them(voted):
    other = release_key(ReleaseRef(repository=REPOSITORY, environment="dev", name="chat"))
    voted.entries = [merged_entry(SCENE, PULL, plan="", releases=[KEY, other])]
    voted.write(started=[])
    assert "Merged dev/chat, prod/fraud: #12 by ada-l was merged: Promote fraud 1.4.0" in voted.call("show", "chat").out
