"""What must be so when the world is at rest, worked out without the product's rules.

It reads what people committed (told by the machine), the objects on the clusters, and Git. From the wishes and the
clock it says which gates must be closed (`world_rules`), and with that which version runs, or which gate holds it and
with which reason. What a wish could never have run (nobody approved it, it was held all the time) must not run.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from world_clusters import Clusters
from world_ledger import Told
from world_people import PLATFORM
from world_rules import (
    ENVIRONMENTS,
    EU,
    RUNTIME,
    US,
    Env,
    Gate,
    Governs,
    Key,
    Runs,
    Vote,
    Wish,
    approval,
    denials,
    waived,
)
from world_stage import HOME, Stage

from reconciler.demo.stage import CLUSTERS
from reconciler.model.state import Phase, ReleaseStatus

NAMESPACES = {
    ("dev", "fraud-detector"): "fraud-dev",
    ("staging", "churn-scorer"): "churn-staging",
    ("staging", "fraud-detector"): "fraud-staging",
    ("prod", "fraud-detector"): "fraud",
    ("staging", "support-chat"): "llm-staging",
    ("prod", "support-chat"): "llm",
}
WHERE = {key: CLUSTERS if key == ("prod", "fraud-detector") else (HOME,) for key in NAMESPACES}
WHOLE = "*"
_ENDED = ReleaseStatus()


class Oracle:
    """Told by the machine what people did; asked when the world is at rest."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        blobs = {
            path: stage.people._blob(stage.people.files[path]) for path in (RUNTIME, US, EU, *ENVIRONMENTS.values())
        }
        envs = {name: Env(blob=blobs[path]) for name, path in ENVIRONMENTS.items()}
        self.governs = Governs(envs=envs, blobs=blobs)
        self.trunk: dict[Key, Wish | None] = {}
        self.votes: dict[Key, list[Vote]] = {key: [] for key in NAMESPACES}
        self.removals: dict[tuple[Key, str], tuple[str, str, str]] = {}  # manifest, signer, the statement's digest
        self.texts: dict[Key, set[str]] = {key: set() for key in NAMESPACES}
        self.could: dict[Key, set[Runs]] = {key: set() for key in NAMESPACES}
        self.ran: dict[Key, set[Runs]] = {key: set() for key in NAMESPACES}
        self.served: dict[Key, set[str]] = {key: set() for key in NAMESPACES}
        self.may_end: set[tuple[Key, str]] = set()
        self.clusters = Clusters(stage, self)
        self.told = Told(stage)
        stage.deleting = self.clusters.deleting

    # --- told

    def wishes(self, key: Key, wish: Wish | None) -> None:
        """The trunk's text of a release moved."""
        self.trunk[key] = wish
        if wish:
            self.texts[key].add(wish.sha256)
        self.note()

    def governed(self, **changed: Any) -> None:
        """Another governing text is in force from now on."""
        self.governs = replace(self.governs, **changed)
        self.note()

    def note(self) -> None:
        """What could run, and what could end, as everything is now."""
        states = self.stage.releases()
        for key in NAMESPACES:
            status = states[key].status if key in states else _ENDED
            wish = self.trunk.get(key)
            if wish and self._may_run(key, wish, status):
                self.could[key].add(Runs(wish, self.governs.args_of(key)))
                self.served[key].add(wish.digest)
            gone = [WHOLE] if wish is None else sorted(set(CLUSTERS) - set(self.governs.clusters(key)))
            self.may_end |= {(key, name) for name in gone if self._may_end(key, name)}

    def _may_run(self, key: Key, wish: Wish, status: ReleaseStatus) -> bool:
        env = self.governs.envs[key[0]]
        if wish.why:
            return False
        if self.known(key, wish, status):
            return True
        if not env.there:
            return False
        asks = self._asked(key, self.governs.closure(key, wish), (wish.signer,), begun=False)
        held = [*self._waits(key, wish), *(gate for gate in asks if gate.sure)]
        return not held or bool(status.stable and status.stable.manifest == wish.sha256)

    def _may_end(self, key: Key, cluster: str) -> bool:
        manifest, signer, digest = self.removals.get((key, cluster), ("", "", ""))
        if signer not in PLATFORM or manifest not in self.texts[key]:
            return False
        return not any(gate.sure for gate in self._asked(key, digest, (signer,), begun=False))

    def allowed_to_end(self, key: Key, cluster: str) -> bool:
        return bool({(key, WHOLE), (key, cluster)} & self.may_end)

    # --- the gates

    def known(self, key: Key, wish: Wish, status: ReleaseStatus) -> bool:
        """Whether this text was good here, near enough and not too long ago."""
        env = self.governs.envs[key[0]]
        rows = list(reversed(status.history))
        mine = [row for row in rows if row.manifest == wish.sha256]
        if not mine:
            return False
        last = max(number for number, row in enumerate(rows) if row.version == mine[-1].version)
        after = rows[last + 1 :]
        age = self.stage.clock.now() - after[0].at if after else timedelta()
        return len({row.version for row in after}) <= env.depth and age <= env.max_age

    def _asked(self, key: Key, digest: str, authors: tuple[str, ...], *, begun: bool) -> list[Gate]:
        asks = self.governs.envs[key[0]].approvals
        if asks is None:
            return []
        return approval(asks, key, digest, self.votes[key], authors, self.stage.clock.now(), begun=begun)

    def _waits(self, key: Key, wish: Wish, *, windows: bool = True) -> Iterator[Gate]:
        """Holds, schedule, windows and freezes."""
        now, env = self.stage.clock.now(), self.governs.envs[key[0]]
        if any(hold.on(key, now) for hold in self.governs.holds.values()):
            yield Gate("Hold", "OnHold")
        if wish.not_before and now < wish.not_before:
            yield Gate("Schedule", "NotYet")
        if windows and env.windows:
            yield from (Gate(*row) for row in env.windows.closed(now))

    def gates(self, key: Key, status: ReleaseStatus, runs: Runs | None) -> list[Gate]:
        """Every gate that must be, or may be, closed for what the trunk asks."""
        wish, env = self.trunk.get(key), self.governs.envs[key[0]]
        if wish is None:
            return self._ending(key, WHOLE, status)
        if wish.why == "Document":
            return [Gate("Document", "Invalid")]
        found = [Gate("Signature", "NotVerified")] if wish.why == "Signature" else []
        if not env.there:
            return [*found, Gate("Reference", "Invalid")]
        for name in sorted(set(status.directives) - set(self.governs.clusters(key))):
            found += self._ending(key, name, status)
        today = Runs(wish, self.governs.args_of(key))
        known = self.known(key, wish, status)
        if runs != today:
            found += self._people(key, today, status, known=known)
            found += self._time(key, today, runs, status, known=known)
        found += self._policies(key, today, runs, known=known)
        return found

    def _people(self, key: Key, today: Runs, status: ReleaseStatus, *, known: bool) -> list[Gate]:
        closure = self.governs.closure(key, today.wish)
        begun = status.candidate is not None and status.candidate.closure == closure
        found = self._asked(key, closure, (today.wish.signer,), begun=begun)
        return [replace(gate, sure=False) for gate in found] if known else found

    def _time(self, key: Key, today: Runs, runs: Runs | None, status: ReleaseStatus, *, known: bool) -> list[Gate]:
        flies = status.candidate is not None and status.candidate.manifest == today.wish.sha256
        if today.same_version(runs) and known and not today.wish.why:
            return []
        env = self.governs.envs[key[0]]
        found = list(self._waits(key, today.wish))
        if known and (status.candidate or not runs or runs.wish.sha256 != today.wish.sha256):
            return [replace(gate, sure=False) for gate in found]
        if flies and env.windows and env.windows.overrun == "finish":
            return [replace(gate, sure=gate.kind not in ("Window", "Freeze")) for gate in found]
        return found

    def _policies(self, key: Key, today: Runs, runs: Runs | None, *, known: bool) -> list[Gate]:
        running, now = runs.wish if runs else None, self.stage.clock.now()
        denied = bool(list(denials(key, today.wish, running, self.governs, now)))
        order = self._order(key, today.wish, running)
        sure = (denied or order == "no") and runs != today and not known
        return [Gate("Policy", "PolicyDenied", sure=sure)] if denied or order else []

    def _order(self, key: Key, wish: Wish, running: Wish | None) -> str:
        """What the promotion order says: `no`, `?`, or nothing against it."""
        env, now = self.governs.envs[key[0]], self.stage.clock.now()
        if not env.after or (running and running.digest == wish.digest):
            return ""
        if waived(key, wish, "promotion-order", self.governs.waivers, now):
            return ""
        above = (env.after, key[1])
        if wish.digest not in self.served.get(above, set()):
            return "no"
        state = self.stage.releases().get(above)
        if state is None or state.status.stable is None:
            return "no"
        runs = self.clusters.running(above, state.status)
        ready = next((row for row in state.status.conditions if row.type == "Ready"), None)
        if runs is None or runs.wish.digest != wish.digest or ready is None or ready.status != "True":
            return "?"
        rows = [row.at for row in state.status.history if row.version == state.status.stable.version]
        return "" if rows and now - max(ready.since, *rows) >= env.soak else "?"

    def _ending(self, key: Key, cluster: str, status: ReleaseStatus) -> list[Gate]:
        """The gates of a removal; none when it is signed and approved, and has to happen."""
        manifest, signer, digest = self.removals.get((key, cluster), ("", "", ""))
        wish = self.trunk.get(key)
        meant = {status.manifest, *(ref.manifest for ref in (status.stable, status.candidate) if ref)}
        meant |= {wish.sha256} if wish else set()
        unsigned = Gate("Removal", "RemovalNotSigned")
        if signer not in PLATFORM or manifest not in meant:
            return [unsigned]
        asked = self._asked(key, digest, (signer,), begun=False)
        return [replace(unsigned, sure=all(gate.sure for gate in asked)), *asked] if asked else []

    def all_gates(self) -> list[Any]:
        """Everything that time may change by itself."""
        states = self.stage.releases()
        found: list[Any] = []
        for key in NAMESPACES:
            if key in states:
                status = states[key].status
                found.append((key, self.gates(key, status, self.clusters.running(key, status))))
        return found

    # --- asked

    def problems(self) -> Iterator[str]:
        """Everything that is not as it must be."""
        states = self.stage.releases()
        for key in NAMESPACES:
            state = states.get(key)
            if state is None or state.status.phase is Phase.REMOVED:
                yield from (f"{key}: {problem}" for problem in self._no_state(key, known=state is not None))
                continue
            yield from (f"{key}: {problem}" for problem in self._release(key, state.status))
        yield from self.clusters.wrong
        yield from (f"a trace was logged: {fault}" for fault in self.stage.log.faults)
        yield from self.told.problems({key: state.status for key, state in states.items()})

    def _no_state(self, key: Key, *, known: bool) -> Iterator[str]:
        if known:
            yield "it ended, and its ReleaseState is still there"
        elif self.trunk.get(key) is not None:
            yield "there is no ReleaseState"
        elif (key, WHOLE) not in self.may_end:
            yield "it ended, and nobody signed and approved that"
        yield from self.clusters.nothing_left(key, CLUSTERS)

    def _release(self, key: Key, status: ReleaseStatus) -> Iterator[str]:
        runs = self.clusters.running(key, status)
        if status.stable is not None and runs is None:
            known = [(row.wish.version, row.args) for row in self.could[key]]
            yield f"{status.stable.model_version} is stable, which nobody asked for, or which could not run: {known}"
            return
        wish = self.trunk.get(key)
        expected = self.gates(key, status, runs)
        yield from self._held(expected, status)
        broken = wish is not None and wish.version in self.stage.broken
        actual = bool(status.gates)
        if wish is None and not actual:
            yield f"its removal is signed and approved, and it is {status.phase}"
        elif wish is not None and not actual and not broken:
            yield from self._arrived(Runs(wish, self.governs.args_of(key)), runs, status)
        elif broken and not actual and runs and runs.wish != wish and not re.search("failed|wait", status.message):
            yield f"a failing candidate is not told about: {status.message!r}"
        returns = wish and not wish.why and not broken and self.known(key, wish, status)
        if wish and returns and runs and runs.wish.version != wish.version:
            yield f"{wish.version} was good here and must return whatever is closed: {status.message}"
        if runs is None:
            if not actual and not broken:
                yield f"nothing is stable: {status.message}"
            return
        ready = next(row for row in status.conditions if row.type == "Ready")
        if ready.status != "True" and not self._excused(status):
            yield f"not Ready: {ready.message}"
        yield from self.clusters.problems(key, status, runs, resolves=self._resolves(key))

    def _resolves(self, key: Key) -> bool:
        wish = self.trunk.get(key)
        return wish is not None and wish.why != "Document" and self.governs.envs[key[0]].there

    def _held(self, expected: list[Gate], status: ReleaseStatus) -> Iterator[str]:
        actual = {(row.kind, row.reason) for row in status.gates}
        missing = {(row.kind, row.reason) for row in expected if row.sure} - actual
        extra = actual - {(row.kind, row.reason) for row in expected}
        if missing:
            yield f"must be held by {sorted(missing)}, is held by {sorted(actual)}: {status.message}"
        if extra:
            why = [gate.message for gate in status.gates if (gate.kind, gate.reason) in extra]
            yield f"held without reason by {sorted(extra)}: {why} (expected: {expected})"
        if not all(row.message for row in status.gates):
            yield "a closed gate says nothing"
        held = next(row for row in status.conditions if row.type == "Held")
        if (held.status == "True") != bool(actual) or (actual and not held.message):
            yield "Held does not say so"

    def _arrived(self, asked: Runs, runs: Runs | None, status: ReleaseStatus) -> Iterator[str]:
        """What is asked for is what is stable, and nothing is in its way."""
        if runs != asked:
            has = f"{runs.wish.version} {runs.args}" if runs else "nothing"
            yield f"{has} is stable, not {asked.wish.version} {asked.args}: {status.message}"
        if status.phase is not Phase.PROMOTED:
            yield f"phase {status.phase}: {status.message}"

    def _excused(self, status: ReleaseStatus) -> bool:
        """A version that cannot run is known not to be ready; under `recreate` it took stable's place."""
        versions = {ref.model_version for ref in (status.stable, status.candidate) if ref}
        return bool(versions & set(self.stage.broken))

    # --- learning

    def forget_votes(self, keys: Any) -> None:
        """States are lost: when votes were seen first may be forgotten with them."""
        for key in keys:
            for vote in self.votes[key]:
                vote.latest = None

    def learn(self) -> None:
        """At rest: what runs is what runs, and what was promoted may come back."""
        states = self.stage.releases()
        promoted = self.told.promoted()
        for key in NAMESPACES:
            status = states[key].status if key in states else _ENDED
            runs = self.clusters.running(key, status)
            self.ran[key] |= {row for row in self.could[key] if row.wish.sha256 in promoted.get(key, set())}
            flying = status.candidate.manifest if status.candidate else ""
            self.could[key] = {row for row in self.could[key] if row == runs or row.wish.sha256 == flying}
            self.may_end -= {(key, WHOLE)} if status.directives else set()
            self.may_end -= {(key, name) for name in status.directives}
            self._saw_votes(key, status, runs)
        self.note()

    def _saw_votes(self, key: Key, status: ReleaseStatus, runs: Runs | None) -> None:
        wish = self.trunk.get(key)
        seen = {(row.person, row.closure) for row in status.approvals}
        asked = wish and runs != Runs(wish, self.governs.args_of(key))
        if asked or wish is None:
            for vote in self.votes[key]:
                if vote.latest is None and (vote.person, vote.digest) in seen:
                    vote.latest = self.stage.clock.now()
