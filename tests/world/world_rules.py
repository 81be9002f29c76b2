"""What people asked for, and which gates that closes: worked out from their wishes and the clock, not by the product.

Values that the machine fills in as people act, and questions over them. `Gate` says which gate must be closed
(`sure`), or may be: where only the daemon can know (when it first saw a vote, whether a rollout had begun).
"""

import calendar
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from world_people import PLATFORM, RISK, ROLES

from reconciler.digest import closure_of, sha256_of
from reconciler.model.state import canonical
from reconciler.render.runtimes import BUILTIN

Key = tuple[str, str]
RUNTIME, US, EU = "runtimes/onnx-http.yaml", "clusters/us-1.yaml", "clusters/eu-1.yaml"
ENVIRONMENTS = {name: f"environments/{name}.yaml" for name in ("dev", "staging", "prod")}
NINES = "policies/no-nines.yaml"
MARGIN = 0.1  # scores of good versions differ by less, those of worse ones by more, than every policy's margin
LEAST = 0.8  # a score that a model of high risk must have
REPLICAS_IN_PROD = 2
MAY_RELEASE = {"dev": ("ada", *PLATFORM), "staging": ("ada", *PLATFORM), "prod": PLATFORM}
MAY_APPROVE = {"dev": PLATFORM, "staging": (*RISK, *PLATFORM), "prod": (*RISK, *PLATFORM)}
MAY_WAIVE = {"prod": RISK, "staging": RISK, "dev": ()}


@dataclass(frozen=True)
class Gate:
    """One gate that is (or may be) closed."""

    kind: str
    reason: str
    sure: bool = True


@dataclass(frozen=True)
class Wish:
    """One text of a release's file: what it asks for, and whether it may."""

    path: str
    blob: str
    sha256: str
    version: str
    digest: str
    score: float
    low: int
    signer: str = field(compare=False)  # the same text signed by somebody else is the same text
    not_before: datetime | None = None
    why: str = ""
    """Empty, or the kind of the gate that must be closed."""


@dataclass(frozen=True)
class Runs:
    """What may be running: a wish, and the runtime's argument it was made with."""

    wish: Wish
    args: str

    def same_version(self, other: "Runs | None") -> bool:
        return other is not None and (self.wish.version, self.args) == (other.wish.version, other.args)


@dataclass(frozen=True)
class Asks:
    """The approvals that an environment asks for: (role or empty, count) per rule."""

    rules: tuple[tuple[str, int], ...]
    separate: bool = True
    days: int = 14

    def text(self) -> str:
        rules = ", ".join(f"{{{f'role: {role}, ' if role else ''}count: {count}}}" for role, count in self.rules)
        separate = "" if self.separate else ", separate: false"
        return f"  approvals: {{rules: [{rules}], expireAfter: {self.days}d{separate}}}\n"


@dataclass(frozen=True)
class Period:
    """A cron line with its length, and the same as days and hours."""

    cron: str
    hours: int
    days: tuple[int, ...]  # of the week on which it begins, Monday is 0; empty: every day
    hour: int
    monthday: tuple[int, int] = (0, 0)  # month and day, for one that comes once a year

    def covers(self, now: datetime) -> bool:
        for back in range(self.hours // 24 + 2):
            day = now - timedelta(days=back)
            if self.monthday[0] and (day.month, day.day) != self.monthday:
                continue
            if self.days and day.weekday() not in self.days:
                continue
            start = day.replace(hour=self.hour, minute=0, second=0, microsecond=0)
            if start <= now < start + timedelta(hours=self.hours):
                return True
        return False


OFFICE = Period("0 9 * * *", 8, (), 9)
WEEKDAYS = Period("0 8 * * MON-FRI", 10, (calendar.MONDAY, 1, 2, 3, 4), 8)
WEEKEND = Period("0 0 * * SAT", 48, (calendar.SATURDAY,), 0)
YEAR_END = Period("0 0 20 12 *", 14 * 24, (), 0, (12, 20))


@dataclass(frozen=True)
class Windows:
    """Windows and freezes of an environment."""

    allow: tuple[Period, ...] = ()
    deny: tuple[Period, ...] = ()
    zone: str = "UTC"
    overrun: str = "pause"

    def text(self) -> str:
        allow = ", ".join(f'{{cron: "{row.cron}", duration: {row.hours}h}}' for row in self.allow)
        deny = ", ".join(f'{{cron: "{row.cron}", duration: {row.hours}h, reason: quiet}}' for row in self.deny)
        return f"  windows: {{timeZone: {self.zone}, allow: [{allow}], deny: [{deny}], overrun: {self.overrun}}}\n"

    def closed(self, now: datetime) -> Iterator[tuple[str, str]]:
        here = now.astimezone(ZoneInfo(self.zone))
        if self.allow and not any(row.covers(here) for row in self.allow):
            yield "Window", "OutsideWindow"
        if any(row.covers(here) for row in self.deny):
            yield "Freeze", "Frozen"


@dataclass(frozen=True)
class Env:
    """One environment as far as anything here depends on it."""

    blob: str
    there: bool = True  # its namespaces are the ones that releases name
    approvals: Asks | None = None
    windows: Windows | None = None
    after: str = ""
    soak: timedelta = timedelta()
    budget: int = 0
    depth: int = 3
    max_age: timedelta = timedelta(days=30)


@dataclass(frozen=True)
class Hold:
    """A Hold that was accepted."""

    environment: str
    name: str
    until: datetime | None

    def on(self, key: Key, now: datetime) -> bool:
        selected = self.environment in ("", key[0]) and self.name in ("", key[1])
        return selected and (self.until is None or now < self.until)


@dataclass(frozen=True)
class Waiver:
    """A Waiver that was accepted."""

    policy: str
    environment: str
    name: str
    expires: datetime
    signer: str

    def covers(self, key: Key, wish: Wish, policy: str, now: datetime) -> bool:
        about = (self.policy, self.environment, self.name) == (policy, *key)
        return about and now < self.expires and self.signer != wish.signer


@dataclass
class Vote:
    """One person's yes or no to one digest, and when the daemon can have seen it first."""

    person: str
    digest: str
    action: str
    earliest: datetime
    latest: datetime | None = None


@dataclass
class Governs:
    """The governing documents that are in force."""

    envs: dict[str, Env] = field(default_factory=dict)
    blobs: dict[str, str] = field(default_factory=dict)  # of runtime and clusters, by path
    args: str = ""  # an extra argument in the runtime onnx-http
    us_in_prod: bool = True
    no_nines: bool = False
    holds: dict[str, Hold] = field(default_factory=dict)
    waivers: dict[str, Waiver] = field(default_factory=dict)

    def clusters(self, key: Key) -> tuple[str, ...]:
        """The clusters that a release selects."""
        both = key == ("prod", "fraud-detector") and self.us_in_prod
        return ("eu-1", "us-1") if both else ("eu-1",)

    def args_of(self, key: Key) -> str:
        return self.args if key[1] == "fraud-detector" else ""

    def closure(self, key: Key, wish: Wish) -> str:
        """What an approval of this text is an approval of."""
        pairs = [(wish.path, wish.blob), (ENVIRONMENTS[key[0]], self.envs[key[0]].blob)]
        pairs += [(f"clusters/{name}.yaml", self.blobs[f"clusters/{name}.yaml"]) for name in self.clusters(key)]
        if key[1] == "fraud-detector":
            pairs.append((RUNTIME, self.blobs[RUNTIME]))
        else:
            runtime = {"churn-scorer": "mlserver", "support-chat": "vllm"}[key[1]]
            known = BUILTIN[f"builtin:{runtime}/1"]
            pairs.append((known.id, sha256_of(canonical(known.to_data()))))
        return closure_of(pairs)


def approval(
    asks: Asks, key: Key, digest: str, votes: list[Vote], authors: tuple[str, ...], now: datetime, *, begun: bool
) -> list[Gate]:
    """What the votes on a digest leave closed; two gates that are not sure where it hangs on a moment nobody knows."""
    if begun:
        return _counted(asks, key, digest, votes, authors, lambda _: True)
    late = _counted(asks, key, digest, votes, authors, lambda vote: now < (vote.latest or now) + asks_age(asks))
    early = _counted(asks, key, digest, votes, authors, lambda vote: now < vote.earliest + asks_age(asks))
    if late == early:
        return late
    return [Gate(row.kind, row.reason, sure=False) for row in {*late, *early}]


def asks_age(asks: Asks) -> timedelta:
    return timedelta(days=asks.days)


def _counted(
    asks: Asks, key: Key, digest: str, votes: list[Vote], authors: tuple[str, ...], fresh: Callable[[Vote], bool]
) -> list[Gate]:
    able = [vote for vote in votes if vote.person in MAY_APPROVE[key[0]]]
    mine = [vote for vote in able if vote.digest == digest]
    if any(vote.action == "reject" for vote in mine):
        return [Gate("Approval", "ApprovalsRejected")]
    barred = authors if asks.separate else ()
    given = [vote for vote in mine if vote.person not in barred]
    counted = {vote.person for vote in given if fresh(vote)}
    if all(sum(not role or role in ROLES[name] for name in counted) >= count for role, count in asks.rules):
        return []
    if {vote.person for vote in given} - counted:
        return [Gate("Approval", "ApprovalsExpired")]
    stale = {vote.person for vote in able if vote.digest != digest} - {vote.person for vote in mine} - set(barred)
    return [Gate("Approval", "ApprovalsStale" if stale else "ApprovalsMissing")]


def denials(key: Key, wish: Wish, running: Wish | None, governs: Governs, now: datetime) -> Iterator[str]:
    """The policies that say no to a text, but for the promotion order."""
    denied = []
    if governs.no_nines and wish.version.startswith("9."):
        denied.append("no-nines")
    if key[0] != "dev" and running and wish.score < running.score - MARGIN:
        denied.append("evaluations-not-worse")
    if key[0] != "dev" and key[1] == "fraud-detector" and wish.score < LEAST:
        denied.append("evaluation-thresholds")
    if key[0] == "prod" and wish.low < REPLICAS_IN_PROD:
        denied.append("two-replicas")
    for policy in denied:
        if not waived(key, wish, policy, governs.waivers, now):
            yield policy


def waived(key: Key, wish: Wish, policy: str, waivers: Mapping[str, Waiver], now: datetime) -> bool:
    return any(row.covers(key, wish, policy, now) for row in waivers.values())
