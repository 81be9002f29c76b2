"""Which statement a document's signature is made over, and who may make it. One place, so that nothing can differ."""

from datetime import datetime

from reconciler.documents.schema import Loaded
from reconciler.errors import Refused
from reconciler.model.hold import Waiver
from reconciler.model.release import ModelRelease
from reconciler.model.trustfile import TrustFile, Verb
from reconciler.model.verification import Verification
from reconciler.trust.statement import ConfigStatement, ReleaseStatement, Statement, TrustStatement
from reconciler.trust.verify import verify

SIGNATURE_SUFFIX = ".sig"
SIGNED = ("Environment", "Cluster", "ServingRuntime", "Policy", "Waiver")
"""Governing kinds that carry a config signature."""
GOVERNING = (*SIGNED, "Hold")
"""Kinds whose untrusted change is not in force; a Hold needs no signature, for stopping is always allowed."""
TRUST = "Trust"
"""The kind that says who may sign all the others; it is judged by its predecessor and cannot be removed."""


def statement_of(repository: str, path: str, loaded: Loaded, sha256: str) -> Statement:
    """The statement for a document at `path` whose bytes have this `sha256:…`; raises Refused for kinds without one."""
    digest = sha256.removeprefix("sha256:")
    document = loaded.document
    if isinstance(document, ModelRelease):
        return ReleaseStatement(
            repository=repository, environment=document.environment, name=document.name, manifest_sha256=digest
        )
    if isinstance(document, TrustFile):
        return TrustStatement(repository=repository, version=document.spec.version, sha256=digest)
    if loaded.kind in SIGNED:
        return ConfigStatement(repository=repository, path=path, document_kind=loaded.kind, sha256=digest)
    does = "only stops" if loaded.kind == "Hold" else "decides nothing"
    raise Refused(f"{path} is a {loaded.kind}, which {does} and is not signed")


def verify_config(
    statement: Statement, signature: bytes, trust: TrustFile, loaded: Loaded, *, first_seen: datetime, now: datetime
) -> Verification:
    """Whether a governing document is signed by people who may: configure its path or, of a Waiver, waive.

    Of a Waiver every environment that it names is asked; the first that nobody may waive in is the answer. Of one that
    breaks the glass only those count who may do so in every environment that it names.
    """
    asked: list[tuple[Verb, str, str]] = [("configure", "", loaded.path)]
    glass = False
    if isinstance(loaded.document, Waiver):
        glass = loaded.document.spec.break_glass is not None
        verb: Verb = "breakGlass" if glass else "waive"
        asked = [(verb, environment, "") for environment in loaded.document.spec.selector.environments]
    found = [
        verify(
            statement, signature, trust, verb=verb, environment=environment, path=path, first_seen=first_seen, now=now
        )
        for verb, environment, path in asked
    ]
    signed = {fact.person: fact for one in found for fact in one.signed}
    missing = next((one for one in found if not one.verified), None)
    if glass and not missing:
        everywhere = frozenset.intersection(*(one.people for one in found))
        signed = {person: fact for person, fact in signed.items() if person in everywhere}
        unsigned = () if signed else ("nobody who signed it may break the glass in every environment that it names",)
        return Verification(threshold=1, signed=tuple(signed.values()), unsigned=unsigned)
    return missing or Verification(threshold=1, signed=tuple(signed.values()))
