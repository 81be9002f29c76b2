"""Records of votes: who said yes or no to what, with which key and from where. Pure.

One record per vote, at first sight: what is known already (in the state, in the ledger, or on its way there) is told no
second time. The blocks that prove it go with the record; a review has none, and what goes with its record is the
environment that lets reviews count.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from reconciler.loop.apart import APPROVALS
from reconciler.loop.approving import Cast, approve_statement, identity
from reconciler.loop.facts import Judged, ReleaseFacts
from reconciler.loop.governing import Governed
from reconciler.model.record import ApprovalFact, OutboxEntry, Record
from reconciler.model.vote import ForgeVote, Given, VoteSource

_HEX = 12  # digits of a digest that a sentence names


def first_votes(facts: ReleaseFacts, judged: Judged) -> Iterator[OutboxEntry]:
    """The records of votes that this pass sees first, each before what follows from it."""
    known = {identity(row) for row in facts.status.approvals}
    known |= {identity(row) for entry in facts.status.outbox for row in entry.record.approvals}
    environment = facts.snapshot.documents("Environment").get(facts.key.environment)
    for cast in (row for consent in judged.consents for row in consent.cast):
        if cast.identity not in known:
            known.add(cast.identity)
            yield vote_entry(cast, environment, facts.now, revision=facts.snapshot.revision)


def vote_entry(cast: Cast, environment: Governed | None, now: datetime, *, revision: str = "") -> OutboxEntry:
    """The record of one vote. `environment` is the one in force; `revision` the trunk's, empty before a merge.

    Of a signed vote the mirror must hold the blob that it was found in.
    """
    key, fact, found = cast.matter.key, cast.fact, cast.found
    detail: dict[str, object] = {"source": _source(found), "origin": found.origin, "on": cast.matter.on}
    if found.url:
        detail["url"] = found.url
    if found.pull:
        detail["pull"] = {"number": found.pull}
    blobs: dict[str, str] = {}
    if isinstance(found, ForgeVote):
        detail["review"] = {
            "forge": found.forge, "login": found.login, "id": found.review, "commit": found.commit,
        }  # fmt: skip
        if environment:
            detail["environment"] = {"path": environment.path, "sha256": environment.sha256}
            blobs[environment_path(fact, environment.sha256)] = environment.blob
    else:
        said = replace(approve_statement(key, fact.closure), action=fact.use)
        detail |= {"statement": said.text().decode(), "blob": found.blob}
        blobs[proof_path(fact)] = found.blob
    record = Record(
        time=now.replace(microsecond=0), kind="Rejected" if fact.use == "reject" else "Approved",
        repository=key.repository, environment=key.environment, name=key.name, revision=revision, closure=fact.closure,
        approvals=(fact,), message=_sentence(cast), detail=detail,
    )  # fmt: skip
    return OutboxEntry(record=record, blobs=blobs)


def proof_path(fact: ApprovalFact) -> str:
    """Where the ledger keeps what proves a vote: another file for every key of a person, and for yes and no."""
    digest = hashlib.sha256(fact.key.encode()).hexdigest()[:_HEX]
    return f"{_folder(fact)}/{fact.person}-{fact.use}-{digest}.sig"


def environment_path(fact: ApprovalFact, sha256: str) -> str:
    """Where the ledger keeps the environment that let a review count."""
    return f"{_folder(fact)}/environment-{sha256.removeprefix('sha256:')[:_HEX]}.yaml"


def _folder(fact: ApprovalFact) -> str:
    return f"{APPROVALS}/{fact.closure.removeprefix('sha256:')}"


def _source(found: Given | ForgeVote) -> VoteSource:
    return "review" if isinstance(found, ForgeVote) else found.source


def _sentence(cast: Cast) -> str:
    """`cy approved prod/fraud-detector (closure 9b…) in a comment on #12`."""
    matter, fact, found = cast.matter, cast.fact, cast.found
    did = "rejected" if fact.use == "reject" else "approved"
    what = f"{matter.key} (closure " if matter.on == "release" else f"{matter.what} of {matter.key} ("
    place = {
        "review": f"by a review on #{found.pull}, which is not signed",
        "comment": f"in a comment on #{found.pull}",
        "ref": f"by a push to {found.origin}",
    }.get(_source(found), f"in {found.origin}")
    return f"{fact.person} {did} {what}{fact.closure.removeprefix('sha256:')[:_HEX]}…) {place}"
