"""Which statement a document's signature is made over. One place, so that signing and verifying cannot differ."""

from reconciler.documents.schema import Loaded
from reconciler.errors import Refused
from reconciler.model.release import ModelRelease
from reconciler.model.trustfile import TrustFile
from reconciler.trust.statement import ConfigStatement, ReleaseStatement, Statement, TrustStatement

SIGNATURE_SUFFIX = ".sig"
GOVERNING = ("Environment", "Cluster", "ServingRuntime", "Policy")
"""Kinds whose untrusted change is not in force."""


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
    if loaded.kind in GOVERNING:
        return ConfigStatement(repository=repository, path=path, document_kind=loaded.kind, sha256=digest)
    raise Refused(f"{path} is a {loaded.kind}, which decides nothing and is not signed")
