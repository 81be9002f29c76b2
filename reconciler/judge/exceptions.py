"""What people decided beside the rules: the gates of Holds, and verdicts that a Waiver turns into a skip.

Pure. Not break-glass, which is a Waiver too (`glass`). Rules: a Hold holds until its `until`, exactly; a Waiver of a
policy opens nothing but that one (a signature, an approval, a removal is no policy), it ends at `expires`, exactly, and
one whose signer also signed the release does not count; the verdict goes on saying what the policy said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.judge.verdict import CLOSING
from reconciler.model.hold import Hold, Waiver
from reconciler.model.ids import ReleaseKey
from reconciler.model.plan import Gate
from reconciler.model.policy import PolicyResult, PolicyVerdict
from reconciler.model.release import Effective
from reconciler.model.wire import Labels, format_time


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A Hold or Waiver that is in force: where it lies, a note on a later text that is not, and who signed it."""

    path: str
    note: str = ""
    signers: frozenset[str] = frozenset()


def hold_gates(
    key: ReleaseKey, labels: Labels, holds: Iterable[tuple[Hold, InForce]], now: datetime
) -> tuple[Gate, ...]:
    """A closed gate for every Hold that selects this release and has not ended."""
    return tuple(
        _held(hold, source)
        for hold, source in holds
        if not ended(hold, now) and hold.spec.selector.matches(key.environment, key.name, labels)
    )


def ended(hold: Hold, now: datetime) -> bool:
    """True from its `until` on."""
    return hold.spec.until is not None and now >= hold.spec.until


def _held(hold: Hold, source: InForce) -> Gate:
    until = f"until {format_time(hold.spec.until)}" if hold.spec.until else "until it is removed"
    note = f"; {source.note}" if source.note else ""
    message = (
        f"Hold {hold.name} holds it {until}: {hold.spec.reason} ({source.path}){note}; "
        f"to end it{' earlier' if hold.spec.until else ''}, somebody with the role {hold.spec.released_by} runs: "
        f"reconciler remove {source.path}"
    )
    return Gate(kind="Hold", open=False, reason="OnHold", message=message, opens_at=hold.spec.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """Verdicts after waivers, the first moment at which a waiver that is used ends, and what did not count and why."""

    verdicts: tuple[PolicyVerdict, ...]
    ends_at: datetime | None
    notes: tuple[str, ...]


def waive(
    key: ReleaseKey, release: Effective, verdicts: Iterable[PolicyVerdict],
    waivers: Mapping[str, tuple[Waiver, InForce]], *, released_by: frozenset[str], now: datetime,
) -> Waived:  # fmt: skip
    """The verdicts, with every no that somebody waived turned into a skip; `released_by` signed the release."""
    rows: list[PolicyVerdict] = []
    used: list[datetime] = []
    notes: list[str] = []
    about = (key.environment, key.name, release.version, release.manifest)
    found = [waivers[name] for name in sorted(waivers) if waivers[name][0].covers(*about)]
    for verdict in verdicts:
        named = [row for row in found if row[0].spec.policy == verdict.name and now < row[0].spec.expires]
        chosen = None
        for waiver, source in named if verdict.result in CLOSING else ():
            if both := sorted(source.signers & released_by):
                who = " and ".join(both)
                notes.append(f"{source.path} does not count: {who} signed both the waiver and the release")
            elif chosen is None:
                chosen = waiver, source
        if chosen:
            used.append(chosen[0].spec.expires)
        rows.append(_skipped(verdict, *chosen) if chosen else verdict)
    return Waived(verdicts=tuple(rows), ends_at=min(used, default=None), notes=tuple(notes))


def _skipped(verdict: PolicyVerdict, waiver: Waiver, source: InForce) -> PolicyVerdict:
    message = (
        f"waived by {source.path} until {format_time(waiver.spec.expires)}: {waiver.spec.reason} "
        f"(it said: {verdict.message})"
    )
    return verdict.model_copy(update={"result": PolicyResult.SKIP, "reason": "Waived", "message": message})
