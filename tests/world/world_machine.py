"""The machine that plays with a world: people edit, sign, approve, end and revert; time passes; the daemon is killed.

Not what must come of it (world_oracle). One `random.Random` decides everything; every step is written down in `script`
in words that a person can play again by hand. A burst is some steps with the daemon turning in between; then
everything outside works again and the world must come to rest.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import yaml
from world_documents import BASELINE, hold_text, in_place_of, release_text, text_of, waiver_text
from world_effects import Crash
from world_oracle import NAMESPACES, WHOLE, Oracle
from world_people import MAY_CONFIGURE, blob_id
from world_rules import ENVIRONMENTS, MAY_RELEASE, MAY_WAIVE, Env, Hold, Key, Vote, Waiver, Wish
from world_stage import Stage

from reconciler.digest import sha256_of
from reconciler.loop.apart import approval_path, config_removal_path, removal_path
from reconciler.loop.approving import approve_statement
from reconciler.loop.removing import removal_statement
from reconciler.model.state import ReleaseRef, release_key
from reconciler.trust.statement import ConfigRemovalStatement

_ROUNDS = 150  # of seven seconds and more, in which a world comes to rest
_AGAIN = 5  # times that the clock may open or close a gate while a world should be quiet


class NotAtRest(AssertionError):
    """The world did not come to what must be."""


class Machine:
    """Steps on one stage. `step`s are methods, so that a script can be played by hand."""

    def __init__(self, stage: Stage, rng: random.Random) -> None:
        self.stage, self.rng, self.people = stage, rng, stage.people
        self.oracle = Oracle(stage)
        self.script: list[str] = []
        self.number = 0
        self.held: dict[str, str] = {}  # the digests of Holds that were accepted, by path
        self._cast: dict[Any, datetime] = {}
        self.texts: dict[Key, str] = {}  # the last well-formed text
        self.past: dict[Key, list[tuple[str, bytes, Wish]]] = {key: [] for key in NAMESPACES}
        for key in NAMESPACES:
            self.texts[key] = self.people.text(self.path(key))
            self._remember(key, self._wish(key, self.texts[key], signer="bo"))
        self.oracle.learn()

    def say(self, sentence: str) -> None:
        self.script.append(f"{self.stage.clock.now():%b %d %H:%M:%S} {sentence}")

    # --- releases

    def path(self, key: Key) -> str:
        return f"releases/{key[0]}/{key[1]}.yaml"

    def _wish(self, key: Key, text: str, *, signer: str, why: str = "") -> Wish:
        data = yaml.load(text, Loader=yaml.CSafeLoader)["spec"]
        return Wish(
            path=self.path(key),
            blob=blob_id(text.encode()),
            sha256=sha256_of(text.encode()),
            version=data["model"]["version"],
            digest=data["model"]["digest"],
            score=data["evidence"]["evaluations"][0]["value"],
            low=data["serving"].get("replicas", {}).get("min", BASELINE),
            signer=signer,
            not_before=data.get("schedule", {}).get("notBefore"),
            why=why,
        )

    def _remember(self, key: Key, wish: Wish) -> None:
        self.past[key].append((self.people.text(self.path(key)), self.people.files[f"{self.path(key)}.sig"], wish))
        self.oracle.wishes(key, wish)

    def edit(
        self, key: Key, *, version: str, score: float | None = None, by: str = "bo", low: int = 0,
        not_before: timedelta | None = None,
    ) -> None:  # fmt: skip
        """Another version (or, with the same one, other replicas in place), signed or not."""
        when = self.stage.clock.now() + not_before if not_before else None
        self.say(f"edit {key} to {version} score={score} low={low} by={by or 'nobody'} notBefore={when}")
        text = release_text(key, self.texts[key], version=version, score=score, low=low, not_before=when)
        self.people.write(self.path(key), text, by=by)
        if not self.people.commit(f"{key} {version}", by or "ada"):
            return
        self.texts[key] = text
        last = self.past[key][-1] if self.past[key] else None
        if not by and last and last[0] == text:
            self.oracle.wishes(key, last[2])  # the text that is signed already
            return
        wish = self._wish(key, text, signer=by, why="" if by in MAY_RELEASE[key[0]] else "Signature")
        if by:
            self._remember(key, wish)
        else:
            self.oracle.wishes(key, wish)

    def spoil(self, key: Key) -> None:
        """A text that is no YAML."""
        self.say(f"spoil {key}")
        text = self.texts[key] + "\n  : [\n"
        self.people.write(self.path(key), text)
        if self.people.commit(f"spoil {key}"):
            wish = self._wish(key, self.texts[key], signer="", why="Document")
            self.oracle.wishes(key, replace(wish, sha256=sha256_of(text.encode())))

    def delete(self, key: Key) -> None:
        """File and signature go."""
        self.say(f"delete the file of {key}")
        self.people.drop(self.path(key))
        if self.people.commit(f"delete {key}"):
            self.oracle.wishes(key, None)

    def restore(self, key: Key, back: int) -> None:
        """An earlier text with its old signature, as a revert brings it."""
        text, signature, wish = self.past[key][-1 - back % len(self.past[key])]
        self.say(f"restore {key} to {wish.version} of {back} texts ago ({wish.why or 'signed'})")
        self.people.write(self.path(key), text)
        self.people.files[f"{self.path(key)}.sig"] = signature
        if self.people.commit(f"restore {key}"):
            self.texts[key] = text
            self.past[key].append((text, signature, wish))
            self.oracle.wishes(key, wish)

    # --- people say yes, no, and that something ends

    def vote(self, key: Key, digest: str, *people: str, action: str = "approve", what: str = "") -> None:
        """Files of approvals; a person's newer one takes the place of the older."""
        self.say(f"{' and '.join(people)} {action} {what or f'{key} as it is'}")
        said = replace(approve_statement(self._key(key), digest), action=action)
        for name in people:
            block = self.people.block(said, name)
            if name == "dee":  # signs with both keys, which is one vote
                block += self.people.block(said, "dee-2")
            self.people.write(approval_path(*key, name), block)
            kept = [row for row in self.oracle.votes[key] if row.person != name]
            cast = (name, digest, action)
            again = [row for row in self.oracle.votes[key] if (row.person, row.digest, row.action) == cast]
            vote = again or [Vote(name, digest, action, earliest=self._first(key, name, digest, action))]
            self.oracle.votes[key] = [*kept, *vote]
        self.people.commit(f"{action} {key}", people[0])
        self.oracle.note()

    def _first(self, key: Key, name: str, digest: str, action: str) -> datetime:
        """When this vote was cast for the first time: the daemon remembers it."""
        return self._cast.setdefault((key, name, digest, action), self.stage.clock.now())

    def approve(self, key: Key, *people: str, action: str = "approve") -> None:
        """Of what lies on the trunk, or of the removal that waits there."""
        wish = self.oracle.trunk.get(key)
        cluster = WHOLE if wish is None else "us-1"
        _, _, digest = self.oracle.removals.get((key, cluster), ("", "", ""))
        left = key == ("prod", "fraud-detector") and not self.oracle.governs.us_in_prod
        if digest and (wish is None or left):
            self.vote(key, digest, *people, action=action, what=f"the removal of {key} on {cluster}")
        elif wish and wish.why != "Document":
            self.vote(key, self.oracle.governs.closure(key, wish), *people, action=action)

    def remove(self, key: Key, cluster: str, *, by: str) -> None:
        """A signed removal of the whole release (its file goes) or of one cluster (which it selects no more)."""
        text = self.people.files.get(self.path(key))
        wish = self.oracle.trunk.get(key)
        manifest = sha256_of(text) if text else self.past[key][-1][2].sha256
        self.say(f"{by} signs the end of {key} on {cluster}{'' if wish else ', whose file is gone'}")
        said = removal_statement(self._key(key), cluster, manifest)
        self.people.write(removal_path(*key, cluster), self.people.block(said, by))
        self.oracle.removals[key, cluster] = (manifest, by, sha256_of(said.text()))
        if cluster == WHOLE:
            self.people.drop(self.path(key))
        self.people.commit(f"remove {key} {cluster}", by)
        if cluster == WHOLE:
            self.oracle.wishes(key, None)
        self.oracle.note()

    def _key(self, key: Key) -> Any:
        repository = self.stage.organisation.repository
        return release_key(ReleaseRef(repository=repository, environment=key[0], name=key[1]))

    # --- what governs

    def govern(self, path: str, text: str, *, by: str, **changed: object) -> None:
        """A governing document; the daemon sees every one, so that the oracle knows which is in force."""
        self.say(f"govern {path} by={by or 'nobody'} → {changed}")
        self.people.write(path, text, by=by)
        self.people.commit(f"govern {path}", by or "ada")
        self.must_poll()
        if by in MAY_CONFIGURE:
            self.accepted(path, text, **changed)

    def accepted(self, path: str, text: str, **changed: object) -> None:
        """The oracle learns that this text is in force from now on."""
        blob = blob_id(text.encode())
        governs = self.oracle.governs
        names = {at: name for name, at in ENVIRONMENTS.items()}
        if path in names:
            env = replace(governs.envs[names[path]], blob=blob, **changed)  # type: ignore[arg-type]
            self.oracle.governed(envs=governs.envs | {names[path]: env})
        else:
            self.oracle.governed(blobs=governs.blobs | {path: blob}, **changed)

    def environment(self, name: str, *, by: str, **changed: object) -> None:
        """An environment's text with something changed in it."""
        self.number += 1
        env: Env = replace(self.oracle.governs.envs[name], **changed)  # type: ignore[arg-type]
        self.govern(ENVIRONMENTS[name], text_of(name, env, self.number), by=by, **changed)

    def drop_governing(self, path: str) -> None:
        self.say(f"delete {path}")
        self.people.drop(path)
        self.people.commit(f"delete {path}")
        self.must_poll()

    def hold(self, path: str, hold: Hold, *, by: str = "ada") -> None:
        """Somebody adds a Hold, or puts another text in the place of one; nobody has to sign it."""
        self.number += 1
        self.say(f"{by} holds {hold.environment}/{hold.name} until {hold.until} in {path}")
        self.people.write(path, hold_text(path, hold, self.number))
        self.people.commit(f"hold {path}", by)
        self.must_poll()
        old, now = self.oracle.governs.holds.get(path), self.stage.clock.now()
        if in_place_of(old, hold, now):
            self.oracle.governed(holds=self.oracle.governs.holds | {path: hold})
            self.held[path] = sha256_of(self.people.files[path])

    def end_hold(self, path: str, *, by: str) -> None:
        """The Hold's file goes, and somebody (or nobody) signs that."""
        self.say(f"{by or 'nobody'} signs the end of the Hold {path}, whose file goes")
        digest = self.held[path].removeprefix("sha256:")
        said = ConfigRemovalStatement(repository=self.stage.organisation.repository, path=path, sha256=digest)
        self.people.drop(path)
        if by:
            self.people.write(config_removal_path(path), self.people.block(said, by))
        self.people.commit(f"end {path}", by or "ada")
        self.must_poll()
        if by in MAY_CONFIGURE:
            self.oracle.governed(holds={at: row for at, row in self.oracle.governs.holds.items() if at != path})

    def waive(self, path: str, waiver: Waiver) -> None:
        """A Waiver with its signature, or without one."""
        self.number += 1
        self.say(f"{waiver.signer or 'nobody'} waives {waiver} in {path}")
        self.people.write(path, waiver_text(path, waiver, self.number), by=waiver.signer)
        self.people.commit(f"waive {path}", waiver.signer or "ada")
        self.must_poll()
        if waiver.signer in MAY_WAIVE[waiver.environment]:
            self.oracle.governed(waivers=self.oracle.governs.waivers | {path: waiver})

    def end_waiver(self, path: str) -> None:
        """Its file goes, which needs no signature."""
        self.drop_governing(path)
        self.oracle.governed(waivers={at: row for at, row in self.oracle.governs.waivers.items() if at != path})

    # --- time

    def must_poll(self) -> None:
        """The daemon has read the trunk as it is."""
        for _ in range(100):
            if self.stage.git_away or self.stage.survive(self.stage.poll_or_fail):
                return
            self.stage.resume()
            self.tick(1)
        raise NotAtRest("the trunk could not be polled")

    def tick(self, seconds: float) -> None:
        self.stage.tick(seconds)
        self.oracle.note()

    def passes(self, time: timedelta) -> None:
        """Time passes; the daemon has read the trunk before, so that nothing older is judged later."""
        self.must_poll()
        self.tick(time.total_seconds())
        self.say(f"{time} passed")

    # --- at rest

    def settle(self) -> None:
        """Everything outside works again; the world comes to rest and stays so."""
        self.say("settle")
        self.stage.chance = lambda: True
        for _ in range(_AGAIN):
            self._come_to_rest()
            if self._stays():
                self.oracle.learn()
                return
        raise NotAtRest("time alone moves gates, or deletes something, again and again")

    def _come_to_rest(self) -> None:
        stage = self.stage
        stage.resume()
        stage.effects._left = None
        problems = ["nothing was tried"]
        for number in range(_ROUNDS):
            if stage.effects.dead:
                stage.revive()
            alive = stage.survive(self._round)
            self.oracle.note()
            problems = [*stage.stale(), *self.oracle.problems()] if alive and number else ["not yet"]
            if not problems:
                return
            if self.oracle.clusters.wrong or stage.log.faults:
                problems = [*self.oracle.clusters.wrong, *stage.log.faults]
                break
            self.tick(7 if number < _ROUNDS // 2 else 60)
        raise NotAtRest("\n".join(problems))

    def _stays(self) -> bool:
        """Quiet for a while; False when time alone moved a gate, or let the next share of a prune budget go."""
        stage = self.stage
        for seconds in (20, 90, 600) if stage.broken else ():  # why a pod is not ready is explained after a while
            self.tick(seconds)
            stage.round()
        before, told = len(stage.effects.log), self.oracle.all_gates()
        for seconds in (1, 20, 70):
            self.tick(seconds)
            stage.round()
        restarts = {"oom", "crashloop"} & set(stage.broken.values())  # states tell how often a pod was restarted
        counted = ("targetstates", "releasestates") if restarts else ()
        writes = [row for row in stage.effects.log[before:] if not any(kind in row for kind in counted)]
        if self.oracle.all_gates() != told or any(row.startswith("DELETE ") for row in writes):
            return False
        if writes:
            raise NotAtRest("not quiet: " + "; ".join(writes[:10]) + f" (failing: {stage.broken})")
        problems = list(self.oracle.problems())
        if problems:
            raise NotAtRest("after a rest: " + "\n".join(problems))
        return True

    def _round(self) -> None:
        self.stage.look_at_clusters()
        self.stage.round()

    # --- the random part

    def burst(self, steps: Sequence[Callable[["Machine"], None]]) -> None:
        """Some steps, with the daemon turning or dying in between; then rest."""
        for _ in range(self.rng.randint(1, 5)):
            self.stage.chance = lambda: self.rng.random() < 0.8
            self.rng.choice(steps)(self)
            self.live()
        self.settle()

    def live(self) -> None:
        """The daemon does some of its work."""
        stage, rng = self.stage, self.rng
        if rng.random() < 0.5:
            after, lost = rng.choice((1, 2, 3, 5, 8, 13, 21)), rng.random() < 0.5
            self.say(f"crash around the {after}. write ({'before' if lost else 'after'} it)")
            stage.effects.arm(after, lost=lost)
        how = rng.random()
        try:
            if how < 0.25:
                self.say("poll, a few passes")
                stage.poll()
                stage.turn(rng.randint(1, 12))
            elif how < 0.75:
                self.say("poll, drain, flush")
                stage.round()
            elif how < 0.85:
                self.say("some time")
                self.passes(timedelta(seconds=rng.choice((3, 20, 100))))
                stage.round()
        except Crash:
            self.say("it died")
            if rng.random() < 0.3:
                self.say("its disk is lost")
                stage.stop()
                stage.lose_data()
            stage.revive()
        if not stage.effects.dead:
            stage.effects.reset()

    def fresh(self) -> str:
        self.number += 1
        return f"{self.rng.choice((2, 3, 9))}.{self.number}.0"

    def any_key(self) -> Key:
        return self.rng.choice([*NAMESPACES, ("prod", "fraud-detector"), ("prod", "fraud-detector")])
