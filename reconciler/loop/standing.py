"""What the trunk asks for one release, and what that is worth: verified, resolved, known-good, and its gates.

Pure: everything comes from one snapshot, one release state and the time. Policies are asked by the caller in between
(`ask`), because evaluating them is an edge.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.digest import closure_of, sha256_of
from reconciler.documents.complete import Completed, runtime_of
from reconciler.documents.depend import Name, depends_on, unmet
from reconciler.documents.resolve import Resolved, resolve, runtimes_of
from reconciler.documents.schema import Loaded
from reconciler.errors import Invalid, Problem
from reconciler.judge.gates import invalid_gate, signature_gate
from reconciler.judge.question import Asked, LoadedPolicy, ask, misnamed, own_policy
from reconciler.judge.upstream import Upstream
from reconciler.judge.variables import Facts
from reconciler.loop.governing import Governed
from reconciler.loop.snapshot import ReleaseFile, Snapshot
from reconciler.loop.statements import statement_of
from reconciler.model.cluster import Cluster
from reconciler.model.environment import Environment
from reconciler.model.facts import CommitFact
from reconciler.model.ids import Closure, EnvironmentName, ReleaseKey, ReleaseName
from reconciler.model.plan import Gate
from reconciler.model.policy import Operation
from reconciler.model.release import Effective
from reconciler.model.state import Promotion, canonical
from reconciler.model.verification import Verification
from reconciler.render.runtimes import BUILTIN
from reconciler.render.target import RENDERER
from reconciler.trust.known_good import Known, Unknown, known_good
from reconciler.trust.people import revoked_keys
from reconciler.trust.verify import verify

BUILTIN_PREFIX = "builtin:"
_VOUCHING = ("Signature", "Config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One release as the trunk has it.

    `gates` are those of trust, documents and references, open ones included; policies come on top. `resolved` is None
    when it does not parse, does not resolve, or is gone from the trunk. `notes` name governing documents whose newer
    text is not trusted. `known` says whether this manifest was good here before.
    """

    file: ReleaseFile | None
    first_seen: datetime
    gates: tuple[Gate, ...]
    notes: tuple[str, ...]
    verification: Verification | None
    resolved: Resolved | None
    environment: Environment | None
    closure: Closure | None
    known: Known | Unknown

    @property
    def retires(self) -> bool:
        """True when the text says that nothing of the release is to serve."""
        return self.resolved is not None and self.resolved.effective.retired

    @property
    def vouched(self) -> bool:
        """True when people whom the trust file allows vouched for this text and for what governs it."""
        return self.verification is not None and all(gate.open for gate in self.gates if gate.kind in _VOUCHING)


def stand(
    key: ReleaseKey, snapshot: Snapshot, history: Sequence[Promotion], *, first_seen: datetime, now: datetime,
    pull: int = 0,
) -> Standing:  # fmt: skip
    """The standing of one release at the snapshot's revision; `pull` is the pull request that it is told on, if any."""
    file = snapshot.releases.get(key)
    environment = _environment(key, snapshot)
    if file is None:
        return _nothing(
            None, environment, first_seen, _closed("Removal", "RemovalNotSigned", f"{gone(key)}; {how_to_end(key)}")
        )
    if key in snapshot.doubles:
        return _nothing(file, environment, first_seen, _closed("Document", "DuplicateRelease", snapshot.doubles[key]))
    document = file.document
    if document is None or file.loaded is None:
        return _nothing(file, environment, first_seen, _closed("Document", "Invalid", file.problem))
    verification = _verified(key, file, snapshot, first_seen, now)
    gates = [signature_gate(file.path, verification, pull=pull)]
    notes, closed = _governing(file, snapshot)
    gates += closed
    resolved, problems = None, list(_unmet(file, snapshot))
    try:
        resolved = resolved_file(file, snapshot)
    except Invalid as error:
        problems += error.problems if not closed else ()
    if problems or resolved:
        gates.append(invalid_gate(problems))
    return Standing(
        file=file,
        first_seen=first_seen,
        gates=tuple(gates),
        notes=notes,
        verification=verification,
        resolved=resolved,
        environment=environment,
        closure=_closure(file, resolved, snapshot) if resolved else None,
        known=_known(file, history, environment, snapshot, now),
    )


def questions(
    standing: Standing, snapshot: Snapshot, bundle: Sequence[LoadedPolicy], *, running: Effective | None,
    commit: CommitFact | None, objects: Mapping[str, int], rollback: bool, upstream: Upstream | None, now: datetime,
) -> Asked:  # fmt: skip
    """What policies are asked of a release that resolves; nothing of one that does not.

    `rollback`: a recorded version returns, so a Deny is told and stops nothing.
    """
    if standing.resolved is None or standing.environment is None:
        return Asked(questions=(), skipped=())
    own = [own_policy(governed.loaded) for governed in snapshot.documents("Policy").values()]
    clusters = snapshot.documents("Cluster")
    facts = Facts(
        operation=operation(running, standing.resolved.effective, rollback=rollback),
        release=standing.resolved.effective,
        running=running,
        environment=standing.environment,
        clusters=[clusters[name].loaded.as_(Cluster) for name in standing.resolved.clusters],
        signatures=standing.verification.signed if standing.verification else (),
        revision=commit,
        objects=objects,
        upstream=upstream,
        now=now,
    )
    return ask(facts, bundle, own)


def operation(running: Effective | None, asked: Effective | None, *, rollback: bool) -> Operation:
    """Retire when nothing is to serve; else Create while nothing runs, Rollback when a recorded version returns."""
    if asked is not None and asked.retired:
        return "Retire"
    if running is None:
        return "Create"
    return "Rollback" if rollback else "Update"


def misspelt(standing: Standing, snapshot: Snapshot, bundle: Sequence[LoadedPolicy]) -> tuple[str, ...]:
    """What the environment's `policies.off` and `policies.params` name that is not there."""
    if standing.environment is None:
        return ()
    own = [own_policy(governed.loaded) for governed in snapshot.documents("Policy").values()]
    name = standing.environment.name
    return tuple(f"environment {name}: {sentence}" for sentence in misnamed(standing.environment, bundle, own))


def runtimes(snapshot: Snapshot) -> list[Governed]:
    """The repository's own runtimes that are in force."""
    return list(snapshot.documents("ServingRuntime").values())


def resolved_file(file: ReleaseFile, snapshot: Snapshot) -> Resolved:
    """What a file that parses comes to with what governs it; raises Invalid."""
    environments = snapshot.documents("Environment")
    clusters = {name: row.loaded.as_(Cluster) for name, row in snapshot.documents("Cluster").items()}
    assert file.loaded is not None  # noqa: S101  # the caller saw the document
    governed = environments.get(file.key.environment)
    blob = governed.blob if governed else ""

    def completing(release: Loaded, environment: Loaded | None) -> Completed:
        return file.completion.complete(release, environment, blob)

    return resolve(
        file.loaded,
        {name: row.loaded for name, row in environments.items()},
        runtimes_of(BUILTIN.values(), [row.loaded for row in runtimes(snapshot)]),
        clusters,
        manifest_sha256=file.sha256,
        repository=snapshot.repository,
        renderer=RENDERER,
        completing=completing,
    )


def _unmet(file: ReleaseFile, snapshot: Snapshot) -> Iterator[Problem]:
    """What is wrong with what it depends on."""
    assert file.loaded is not None  # noqa: S101  # the caller saw the document
    document = file.document
    if document is None or not document.depends_on:
        return

    def follow(name: Name) -> tuple[Name, ...]:
        row = snapshot.releases.get(key_of(snapshot, name))
        return depends_on(row.document) if row and row.document else ()

    yield from unmet(file.loaded, _Names(snapshot), follow)


@dataclass(frozen=True, slots=True)
class _Names:
    """The releases of a snapshot by environment and name, without a copy."""

    snapshot: Snapshot

    def __contains__(self, name: object) -> bool:
        return isinstance(name, tuple) and key_of(self.snapshot, name) in self.snapshot.releases

    def __iter__(self) -> Iterator[Name]:
        return ((key.environment, key.name) for key in self.snapshot.releases)


def key_of(snapshot: Snapshot, name: Name) -> ReleaseKey:
    """The key of a release of this repository."""
    return ReleaseKey(repository=snapshot.repository, environment=EnvironmentName(name[0]), name=ReleaseName(name[1]))


def _verified(
    key: ReleaseKey, file: ReleaseFile, snapshot: Snapshot, first_seen: datetime, now: datetime
) -> Verification:
    assert file.loaded is not None  # noqa: S101  # the caller saw the document
    statement = statement_of(key.repository, file.path, file.loaded, file.sha256)
    return verify(
        statement,
        file.signature,
        snapshot.trust,
        verb="release",
        environment=key.environment,
        first_seen=first_seen,
        now=now,
    )


def _governing(file: ReleaseFile, snapshot: Snapshot) -> tuple[tuple[str, ...], list[Gate]]:
    """Notes on documents whose accepted text stays in force, and closed gates for those that never were."""
    document = file.document
    assert document is not None  # noqa: S101  # the caller saw the document
    runtime = runtime_of(document, _environment(file.key, snapshot))
    named = [("Environment", str(document.environment)), ("ServingRuntime", runtime)]
    clusters = [identity for identity in snapshot.governed if identity[0] == "Cluster"]
    policies = [identity for identity in snapshot.governed if identity[0] in ("Policy", "Waiver", "Trust")]
    notes = [
        snapshot.governed[identity].note
        for identity in (*named, *clusters, *policies)
        if identity in snapshot.governed and snapshot.governed[identity].note
    ]
    gates = [
        _closed("Config", "ConfigNotTrusted", snapshot.refused[identity])
        for identity in named
        if identity in snapshot.refused and identity not in snapshot.governed
    ]
    everywhere = ("Cluster", "Policy", "Waiver", "Trust")
    notes += [sentence for (kind, _), sentence in snapshot.refused.items() if kind in everywhere]
    return tuple(notes), gates


def _closure(file: ReleaseFile, resolved: Resolved, snapshot: Snapshot) -> Closure:
    """The documents that decide what runs and how it is judged, as (path or `builtin:`, blob).

    A release may lie where an accepted document was that is still in force: the latter goes by its place in the ledger.
    """
    spec = resolved.effective.spec
    pairs = [(file.path, str(file.blob))]
    named = [("Environment", spec.environment), ("ServingRuntime", spec.serving.runtime)]
    named += [("Cluster", name) for name in resolved.clusters]
    in_force = [row for row in map(snapshot.governed.get, named) if row]
    pairs += [(f"accepted/{row.path}" if row.path == file.path else row.path, row.blob) for row in in_force]
    runtime = resolved.effective.runtime.id
    if runtime.startswith(BUILTIN_PREFIX):
        pairs.append((runtime, sha256_of(canonical(BUILTIN[runtime].to_data()))))
    return closure_of(pairs)


def _known(
    file: ReleaseFile, history: Sequence[Promotion], environment: Environment | None, snapshot: Snapshot, now: datetime
) -> Known | Unknown:
    if environment is None:
        return Unknown(reason="its environment is not in force")
    rollback = environment.spec.rollback
    return known_good(
        file.sha256,
        history,
        depth=rollback.depth,
        max_age=rollback.max_age,
        revoked=revoked_keys(snapshot.trust, now),
        now=now,
    )


def _environment(key: ReleaseKey, snapshot: Snapshot) -> Environment | None:
    governed = snapshot.governed.get(("Environment", key.environment))
    return governed.loaded.as_(Environment) if governed else None


def _nothing(file: ReleaseFile | None, environment: Environment | None, first_seen: datetime, gate: Gate) -> Standing:
    return Standing(
        file=file, first_seen=first_seen, gates=(gate,), notes=(), verification=None, resolved=None,
        environment=environment,
        closure=None, known=Unknown(reason=gate.message),
    )  # fmt: skip


def gone(key: ReleaseKey) -> str:
    """What a release without a file waits for."""
    return f"the file of {key} is gone from the trunk; it keeps being served until a removal is signed"


def how_to_end(key: ReleaseKey, cluster: str = "") -> str:
    """The command that signs the end of a release, or of one cluster of it, as the end of a sentence."""
    there, option = (" there", f" --cluster {cluster}") if cluster else ("", "")
    return f"to end it{there}, somebody who may remove it runs: reconciler remove {key}{option}"


def _closed(kind: str, reason: str, message: str) -> Gate:
    return Gate(kind=kind, open=False, reason=reason, message=message)
