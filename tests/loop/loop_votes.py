"""Votes as people give them on a forge and by a push: real signatures over the statements of Acme's releases."""

from dataclasses import replace

from loop_acme import ENVIRONMENT_PROD, FRAUD, PROD, private
from loop_passes import Release

from reconciler.digest import blob_id
from reconciler.loop.approving import approve_statement
from reconciler.loop.pull_votes import asked_of, judge_pull
from reconciler.model.pull import Comment, Opinion, PullRequest, PullState, Review
from reconciler.model.vote import Given, GivenVotes
from reconciler.trust.sshsig import sign

HEAD, OLD = "a" * 40, "b" * 40
PULL = PullRequest(
    number=12, title="Promote 1.4.0", author="ada-l", state=PullState.OPEN, head=HEAD, head_branch="promote",
    base_branch="main", ref="refs/pull/12/head", url="https://forge.example/acme/models/pull/12",
)  # fmt: skip


def ask(repo, count: int) -> None:
    """Edit the repository: 1.4.0 in prod, where so many people are asked, by signature or review."""
    rules = f"approvals: {{rules: [{{count: {count}}}], sources: [signature, forge]}}"
    repo.edit(ENVIRONMENT_PROD, "  modelSources: [oci]", f"  modelSources: [oci]\n  {rules}")
    repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")


def waiting_for(count: int) -> Release:
    """fraud-detector 1.4.0, signed by bo, waits in prod for so many people (`ask`)."""
    release = Release()
    release.settle()
    ask(release.repo, count)
    release.turn()
    return release


def digest(release: Release) -> str:
    """What an approval of it names now."""
    return release.judged.standing.closure


def block(digest: str, by: str, *, key=FRAUD, action: str = "approve") -> bytes:
    said = replace(approve_statement(key, digest), action=action)
    return sign(private(by), said.text(), said.namespace).encode()


def comment(body: str | bytes, *, author: str = "cy-forge", number: int = 1) -> Comment:
    text = body.decode() if isinstance(body, bytes) else body
    return Comment(id=number, author=author, body=text, url=f"{PULL.url}#comment-{number}")


def review(login: str, opinion: Opinion = Opinion.APPROVE, *, commit: str = HEAD, counts: bool = True, number: int = 1):
    return Review(id=number, login=login, opinion=opinion, commit=commit, counts=counts)


def pushed(data: bytes, person: str = "cy", key=FRAUD) -> Given:
    ref = f"refs/reconciler/approvals/{key.environment}/{key.name}/{person}"
    return Given(origin=ref, source="ref", blob=blob_id(data), data=data)


def asks(release, *, in_force=True):
    """What the trunk of a Release asks people now, as a pull request of the same text would."""
    facts, judged = release.facts, release.judged
    return asked_of(facts, judged, facts.snapshot.documents("Environment").get("prod") if in_force else None)


def judged_pull(release, *, comments=(), reviews=(), refs=(), bound=None, pull=PULL, asked=None):
    return judge_pull(
        pull, asks(release) if asked is None else asked, forge="github", comments=comments, reviews=reviews,
        refs={FRAUD: GivenVotes(signed=tuple(refs))}, bound=bound or {}, trust=release.facts.snapshot.trust,
        now=release.now,
    )  # fmt: skip
