"""What a release pass tells: conditions, records for the ledger, Events and log lines, each only when something moved.

Records come from the difference between two states, never from the act of applying, so a pass that is repeated after
a crash tells the same or nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from reconciler.judge.dependencies import KIND as DEPENDENCY
from reconciler.judge.limits import KIND as LIMIT
from reconciler.loop.apart import WHOLE, SignatureFile
from reconciler.loop.facts import Judged
from reconciler.loop.progress import Fleeting
from reconciler.loop.snapshot import ReleaseFile
from reconciler.loop.world import World
from reconciler.model.ids import ClusterName, ReleaseKey, Version, short
from reconciler.model.plan import Condition, Gate, Opened, Told, conditions_of, shown
from reconciler.model.policy import PolicyResult
from reconciler.model.record import ManifestFact, OutboxEntry, PolicyFact, Record, RecordKind
from reconciler.model.state import ASLEEP, MOVING, Apply, Phase, ReleaseStatus, VersionRef
from reconciler.rollout.hooks import HOOK_RUNNING
from reconciler.trust.vouching import Note, Vouching

_OF_OTHERS = frozenset({LIMIT, DEPENDENCY})
NO_GATE = "NoGateClosed"
VOUCHED = "Vouched"
_WARNINGS = frozenset({"Held", "Aborted", "BreakGlass", "Orphaned"})


def conditions(
    before: ReleaseStatus, after: ReleaseStatus, clusters: Mapping[ClusterName, Fleeting], notes: Iterable[str],
    now: datetime, *, keys: Note | None = None, glass: Iterable[str] = (),
) -> tuple[Condition, ...]:  # fmt: skip
    """The release's conditions: Ready, Held, Reconciling; Retired while nothing is to serve, ConfigTrusted in doubt.

    Vouched is there when a key that released what runs has ended (`keys`), BreakGlass while one counts (`glass`).
    """
    ready, reason, message = _ready(after, clusters)
    closed = after.gates[0] if after.gates else None
    held = "\n".join(gate.message for gate in after.gates)
    busy = after.phase in MOVING
    doing = after.phase.value if busy else "Settled"
    told = [
        Told(type="Ready", status=ready, reason=reason, message=message),
        Told(type="Held", status=closed is not None, reason=closed.reason if closed else NO_GATE, message=held),
        Told(type="Reconciling", status=busy, reason=doing, message=after.message if busy else ""),
        *_sometimes(after, notes, keys, glass),
    ]
    return conditions_of(before.conditions, told, now)


def _sometimes(after: ReleaseStatus, notes: Iterable[str], keys: Note | None, glass: Iterable[str]) -> Iterator[Told]:
    """The conditions that are there only while there is something to say."""
    if after.phase in ASLEEP:
        asleep = after.phase is Phase.RETIRED
        yield Told(type="Retired", status=asleep, reason=after.phase.value, message=after.message)
    if after.orphaned:
        yield Told(type="Orphaned", status=True, reason="ClusterRemoved", message=left_behind(after))
    if untrusted := "\n".join(shown(dict.fromkeys(notes))):
        yield Told(type="ConfigTrusted", status=False, reason="ConfigNotTrusted", message=untrusted)
    if keys:
        well = keys.outcome is not Vouching.REVOKED
        yield Told(type=VOUCHED, status=well, reason=keys.outcome.value, message=keys.sentence)
    if broken := "\n".join(glass):
        word = "GlassBroken" if after.opened else "GlassArmed"
        yield Told(type="BreakGlass", status=True, reason=word, message=broken)


def _unvouched(status: ReleaseStatus) -> str:
    """What is said of revoked keys under what runs; empty when nothing is."""
    return next((row.message for row in status.conditions if row.type == VOUCHED and row.status == "False"), "")


def _ready(after: ReleaseStatus, clusters: Mapping[ClusterName, Fleeting]) -> tuple[bool, str, str]:
    """Whether what is stable runs and is healthy on every cluster that was told to run it."""
    if after.phase in (Phase.REMOVING, Phase.REMOVED, Phase.RETIRING):
        return False, after.phase.value, after.message
    if after.orphaned and not after.directives:
        return False, "Orphaned", left_behind(after)
    found = {name: _trouble(name, after, clusters.get(ClusterName(name))) for name in _running(after)}
    troubles = [trouble for trouble in found.values() if trouble]
    if after.stable is None and after.phase is not Phase.RETIRED:
        return False, "NothingServes", "; ".join([after.message or "nothing serves yet", *troubles[:1]])
    if after.stable is None:
        return True, "Retired", "it is retired and was never promoted"
    how = "scaled to zero" if after.phase is Phase.RETIRED else "Healthy"
    sentence = f"{after.stable.model_version} is {how} on {len(found) - len(troubles)} of {len(found)} clusters"
    if troubles:
        return False, "NotHealthy", f"{sentence}; {troubles[0]}"
    reason = after.phase.value if after.phase in (Phase.PROMOTED, Phase.RETIRED) else "Serving"
    return True, reason, sentence


def left_behind(status: ReleaseStatus) -> str:
    """What is said of clusters whose document ended."""
    where = " and ".join(status.orphaned)
    return f"{documents(status.orphaned)} ended by a signed removal: what runs on {where} is looked after no more"


def documents(clusters: Collection[str]) -> str:
    """Whose documents ended."""
    return "its Cluster document" if len(clusters) == 1 else "their Cluster documents"


def _running(status: ReleaseStatus) -> list[str]:
    """The clusters that were not told to end it."""
    return [name for name, directive in status.directives.items() if directive.apply is not Apply.REMOVE]


def _trouble(name: str, after: ReleaseStatus, seen: Fleeting | None) -> str:
    """What is wrong with the stable version (or, before there is one, with the target) on one cluster."""
    if seen is None or not seen.reachable:
        why = f": {seen.trouble}" if seen and seen.trouble else ""
        return f"{name} cannot be reached{why}"
    if seen.trouble:
        return f"{name}: {seen.trouble}"
    if after.stable is None:
        return ""
    health = seen.state.status.versions.get(after.stable.version) if seen.state else None
    if health is None:
        return f"{name} has not reported yet"
    return "" if health.healthy else f"{name}: {health.message}"


def records(
    key: ReleaseKey, before: ReleaseStatus, after: ReleaseStatus, judged: Judged, now: datetime
) -> tuple[OutboxEntry, ...]:
    """What the ledger is to be told about this step, oldest first."""
    rows = []
    held = {_news(gate) for gate in _held(after)}
    if held and held != {_news(gate) for gate in _held(before)}:
        message = "\n".join(gate.message for gate in _held(after))
        rows.append(_entry("Held", key, before, after, judged, now, message=message))
    if fresh := [row for row in after.opened if _which(row) not in {_which(old) for old in before.opened}]:
        rows.append(_glass(key, after, judged, fresh, now))
    moved = after.candidate and (not before.candidate or before.candidate.version != after.candidate.version)
    if moved and after.phase is not Phase.PROMOTED:
        rows.append(_entry("Started", key, before, after, judged, now, message=_start_sentence(key, after)))
    gone = sorted(set(before.directives) - set(after.directives))
    ended = after.phase is Phase.REMOVED and before.phase is not Phase.REMOVED
    if gone or ended:
        rows.append(_removed(key, before, after, judged, gone, now))
    kind = _ended(before, after)
    if kind:
        rows.append(_entry(kind, key, before, after, judged, now, message=_end_sentence(kind, key, before, after)))
    return tuple(rows)


def _held(status: ReleaseStatus) -> list[Gate]:
    """Closed gates but a hook that runs: it is on its way, and nothing that anybody has to open."""
    return [gate for gate in status.gates if gate.reason != HOOK_RUNNING]


def _ended(before: ReleaseStatus, after: ReleaseStatus) -> RecordKind | None:
    """How a rollout, or a release's service, ended in this pass; or None."""
    if after.phase is Phase.RETIRED and before.phase is not Phase.RETIRED:
        return "Retired"
    if after.failed and after.phase is Phase.PENDING and _given_up(before):
        return "Aborted"  # for its hook, and stable is back
    if after.stable is None:
        return None
    replaced = before.stable is None or before.stable.version != after.stable.version
    if not replaced and _promoted_text(after) != _promoted_text(before):
        return "Promoted"  # changed in place, whatever the trunk asks for by now
    return _arrived(before, after, after.stable.version, replaced=replaced) if after.phase is Phase.PROMOTED else None


def _arrived(before: ReleaseStatus, after: ReleaseStatus, stable: Version, *, replaced: bool) -> RecordKind | None:
    """How a release that is Promoted came there in this pass, or None."""
    if replaced:
        returned = any(row.version == stable for row in before.history)
        return "RolledBack" if before.phase is Phase.ROLLING_BACK or returned else "Promoted"
    if after.history[:1] != before.history[:1]:
        return "Promoted"  # in service again
    return "Aborted" if _given_up(before) else None


def _given_up(before: ReleaseStatus) -> bool:
    """True when what was on its way is not any more, unless it arrived."""
    return before.candidate is not None or before.phase is Phase.ROLLING_BACK


def _promoted_text(status: ReleaseStatus) -> tuple[str, str]:
    """Version and manifest that were promoted last."""
    return (status.history[0].version, status.history[0].manifest) if status.history else ("", "")


def _start_sentence(key: ReleaseKey, after: ReleaseStatus) -> str:
    assert after.candidate is not None  # noqa: S101  # a started rollout has a candidate
    old = f"{after.stable.model_version} gives way to " if after.stable else ""
    return f"{key.name}: {old}{after.candidate.model_version} on {' and '.join(sorted(after.directives))}"


def _end_sentence(kind: RecordKind, key: ReleaseKey, before: ReleaseStatus, after: ReleaseStatus) -> str:
    stable = after.stable
    if kind == "Retired":
        what = f"{key.name} {stable.model_version}" if stable else key.name
        on = f" on {' and '.join(sorted(after.directives))}" if after.directives else ""
        return f"{what} was retired: nothing of it serves{on}, and what was made for it is kept"
    assert stable is not None  # noqa: S101  # an ended rollout has a stable version
    where = " and ".join(sorted(after.directives))
    if kind == "RolledBack":
        gone = before.stable.model_version if before.stable else "another version"
        return f"{key.name} returned from {gone} to {stable.model_version}, Healthy on {where}"
    if kind == "Aborted":
        why = f" because hook {after.failed.hook} failed on {after.failed.cluster}" if after.failed else ""
        return f"the rollout was given up{why}; {key.name} {stable.model_version} has its full size on {where}"
    again = "is active again, " if before.history and before.history[0].retired else "is "
    return f"{key.name} {stable.model_version} {again}Healthy on {where}"


def release_record(kind: RecordKind, key: ReleaseKey, now: datetime, **more: Any) -> Record:
    """A record about one release, without its number; `more` are the other fields of a Record."""
    return Record(
        time=now.replace(microsecond=0), kind=kind, repository=key.repository, environment=key.environment,
        name=key.name, **more,
    )  # fmt: skip


def approval_blobs(digest: str, files: Iterable[SignatureFile]) -> dict[str, str]:
    """Where the ledger keeps the files with votes on a digest (`sha256:…`)."""
    folder = f"approvals/{digest.removeprefix('sha256:')}"
    return {f"{folder}/{file.path.rpartition('/')[2]}": file.blob for file in files}


def _entry(
    kind: RecordKind, key: ReleaseKey, before: ReleaseStatus, after: ReleaseStatus, judged: Judged, now: datetime, *,
    message: str,
) -> OutboxEntry:  # fmt: skip
    file, verification = judged.standing.file, judged.standing.verification
    ended = kind in ("Promoted", "RolledBack", "Aborted", "Retired")
    about = after.stable if ended else after.candidate
    # A return that was under way may end while the trunk already asks for something else: that is not what ran.
    theirs = about is None or kind == "Held" or (file is not None and file.sha256 == about.manifest)
    left = before.stable if kind in ("Promoted", "RolledBack") else None
    record = release_record(
        kind,
        key,
        now,
        revision=after.revision,
        manifest=_manifest(file, about, after, theirs=theirs),
        version=about.version if about else "",
        from_version=left.version if left else "",
        closure=after.closure if theirs or about is None else about.closure,
        signatures=verification.signed if verification and theirs else (),
        approvals=judged.consent.counted if theirs else (),
        policies=tuple(
            PolicyFact(name=row.name, source=row.source, result=row.result, message=row.message)
            for row in judged.verdicts
            if row.result is not PolicyResult.SKIP or row.message
        ),
        clusters=tuple(sorted(after.directives)),
        message=message,
        detail=_detail(kind, after),
    )
    blobs: dict[str, str] = {}
    if kind in ("Started", "Promoted", "Retired") and theirs:
        blobs |= approval_blobs(after.closure, judged.consent.files if judged.consent.counted else ())
    if ended and theirs and file and file.signature_blob:
        stem = f"manifests/{file.sha256.removeprefix('sha256:')}.yaml"
        blobs |= {stem: file.blob, f"{stem}.sig": file.signature_blob}
    return OutboxEntry(record=record, blobs=blobs)


def _news(gate: Gate) -> str:
    """What of a closed gate makes a record when it changes. Others' progress is no news of this release."""
    return gate.reason if gate.kind in _OF_OTHERS else gate.message


def _which(row: Opened) -> tuple[object, ...]:
    """What makes an opened gate another one than before; its words may change while it stays open."""
    return row.kind, row.reason, row.path, row.why, row.signers, row.expires


def _glass(
    key: ReleaseKey, after: ReleaseStatus, judged: Judged, fresh: Iterable[Opened], now: datetime
) -> OutboxEntry:
    """The record of a broken glass: which gates, by which document, why, who signed it and until when."""
    standing = judged.standing
    record = release_record(
        "BreakGlass",
        key,
        now,
        revision=after.revision,
        manifest=_manifest(standing.file, None, after, theirs=True),
        version=standing.resolved.effective.version if standing.resolved else "",
        closure=after.closure,
        signatures=standing.verification.signed if standing.verification else (),
        approvals=judged.consent.counted,
        clusters=tuple(sorted(after.directives)),
        message="\n".join(f"{row.kind}: {row.sentence}" for row in fresh),
        detail={"opened": [row.to_data() for row in fresh]},
    )
    return OutboxEntry(record=record)


def _removed(
    key: ReleaseKey, before: ReleaseStatus, after: ReleaseStatus, judged: Judged, gone: list[str], now: datetime
) -> OutboxEntry:
    """The record of what ended: who signed it, who approved, and where nothing is left."""
    whole = judged.ending.whole
    done = [row for row in judged.ending.removals if whole or row.cluster in gone]
    left = before.stable
    record = release_record(
        "Removed",
        key,
        now,
        revision=before.directives[gone[0]].revision if gone else after.revision,
        version=left.version if left else "",
        closure=left.closure if left else "",
        signatures=tuple(row for one in done for row in one.signed),
        approvals=tuple(row for one in done for row in one.consent.counted),
        clusters=tuple(gone),
        message=_removed_sentence(key, after, gone),
        detail={
            "removal": WHOLE if whole and not after.directives else "cluster",
            "manifests": sorted({row.manifest for row in done if row.manifest}),  # what the signatures are over
        },
    )
    files = [row.file for row in done if row.file] + [file for row in done for file in row.consent.files]
    return OutboxEntry(record=record, blobs={f"ended/{file.blob}/{file.path}": file.blob for file in files})


def _removed_sentence(key: ReleaseKey, after: ReleaseStatus, gone: list[str]) -> str:
    parts = [f"was removed from {' and '.join(gone)}"] if gone else []
    parts += [] if after.directives else ["has ended"]
    left = f"; {left_behind(after)}" if after.orphaned else ""
    return f"{key.name} {' and '.join(parts)}{left}"


def _manifest(
    file: ReleaseFile | None, about: VersionRef | None, after: ReleaseStatus, *, theirs: bool
) -> ManifestFact | None:
    """The manifest that a record speaks of: the trunk's, or the one of what ran when the trunk has moved on."""
    if file is None:
        return None
    if theirs or about is None:
        return ManifestFact(path=file.path, sha256=file.sha256, first_seen=after.first_seen)
    return ManifestFact(path=file.path, sha256=about.manifest)


def _detail(kind: RecordKind, after: ReleaseStatus) -> dict[str, object]:
    """For a version that was promoted: all that is needed to bring it back when every cluster has forgotten it."""
    if kind not in ("Promoted", "RolledBack", "Retired") or not after.history:
        return {}
    promotion = after.history[0]
    return {"promotion": promotion.to_data(), "effective": after.effective.get(promotion.version, "")}


def announce(key: ReleaseKey, before: ReleaseStatus, after: ReleaseStatus, world: World) -> None:
    """Tell people and programs what moved: log lines, Events, and a word to the ledger that there is something."""
    fresh = after.outbox[len(before.outbox) :]
    for entry in fresh:
        record = entry.record
        world.log.info(
            record.kind.lower(),
            release=str(key),
            revision=after.revision[:12],
            version=short(record.version),
            sentence=record.message,
        )
        world.event(key, warning=record.kind in _WARNINGS, reason=record.kind, message=record.message)
        world.telemetry.decision(record.kind, key)
    if fresh:
        world.wake_ledger(key.repository)
    unvouched = _unvouched(after)
    if unvouched and unvouched != _unvouched(before):
        world.log.warning("key revoked", release=str(key), sentence=unvouched)
        world.event(key, warning=True, reason=Vouching.REVOKED, message=f"{unvouched}; it keeps running")
