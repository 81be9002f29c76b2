"""Break-glass: the one thing that opens gates of the engine, for one version, for a while, and loudly.

Pure. Rules: it opens the kinds of gates that it names and no other, for exactly the version (and, where it names one,
the text) that it names, until exactly `expires`; an opened gate goes on saying what it said, and by whom it was opened.

Note [who may not break it alone]. Where the environment's approvals are separate, two people stand behind everything
that moves there. So a break-glass counts only when somebody signed it who did not sign the release; and where nobody's
signature of the release counts (it opens Signature), two people have to sign the break-glass itself: otherwise whoever
may break the glass would need nobody else by just not signing the release. Where approvals are not separate, or nobody
is asked for any, one person may do both: at night there may be only one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.judge.exceptions import InForce
from reconciler.model.hold import Waiver
from reconciler.model.ids import ReleaseKey
from reconciler.model.plan import BREAK_GLASS, Gate, Opened
from reconciler.model.wire import format_time

_TWO = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The text that is asked for, and who signed it; `separate` where its environment keeps approvers apart."""

    key: ReleaseKey
    version: str
    manifest: str
    released_by: frozenset[str]
    separate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """All gates, what was opened, a sentence per break-glass that counts, why others do not, and when the next ends."""

    gates: tuple[Gate, ...]
    opened: tuple[Opened, ...] = ()
    told: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ends_at: datetime | None = None


def break_glass(
    about: About, gates: Iterable[Gate], waivers: Mapping[str, tuple[Waiver, InForce]], now: datetime
) -> Broken:
    """The gates, with every closed one open that a break-glass in force names."""
    key, notes, counting = about.key, [], []
    for name in sorted(waivers):
        waiver, source = waivers[name]
        covered = waiver.covers(key.environment, key.name, about.version, about.manifest)
        if waiver.spec.break_glass is None or not covered or now >= waiver.spec.expires:
            continue
        if why := _alone(about, source):
            notes.append(f"the break-glass {source.path} does not count: {why}")
        else:
            counting.append((waiver, source))
    rows, opened = [], []
    for gate in gates:
        found = next((row for row in counting if gate.kind in (row[0].spec.break_glass or ())), None)
        if gate.open or found is None:
            rows.append(gate)
            continue
        one = _opened(gate, *found)
        opened.append(one)
        rows.append(Gate(kind=gate.kind, open=True, reason=BREAK_GLASS, message=one.sentence))
    return Broken(
        gates=tuple(rows),
        opened=tuple(opened),
        told=tuple(_told(waiver, source, opened) for waiver, source in counting),
        notes=tuple(notes),
        ends_at=min((waiver.spec.expires for waiver, _ in counting), default=None),
    )


def _alone(about: About, source: InForce) -> str:
    """Why the people who signed are not enough; empty when they are."""
    if not about.separate:
        return ""
    if not source.signers - about.released_by:
        who = " and ".join(sorted(source.signers))
        return f"{who} signed the release too, and approvals are separate in {about.key.environment}"
    if len(source.signers | about.released_by) < _TWO:
        who = " and ".join(sorted(source.signers))
        return f"{who} alone signed it, nobody's signature of the release counts, and two people are needed"
    return ""


def _opened(gate: Gate, waiver: Waiver, source: InForce) -> Opened:
    return Opened(
        kind=gate.kind,
        reason=gate.reason,
        said=gate.message,
        path=source.path,
        why=waiver.spec.reason,
        signers=tuple(sorted(source.signers)),
        expires=waiver.spec.expires,
    )


def _told(waiver: Waiver, source: InForce, opened: Iterable[Opened]) -> str:
    """One break-glass that is in force, and what it opens."""
    kinds = list(dict.fromkeys(row.kind for row in opened if row.path == source.path))
    opens = f"opens {', '.join(kinds)}" if kinds else f"may open {', '.join(waiver.spec.break_glass or ())}"
    who = " and ".join(sorted(source.signers))
    until = format_time(waiver.spec.expires)
    return f"break-glass {source.path}, signed by {who}, {opens} until {until}: {waiver.spec.reason}"
