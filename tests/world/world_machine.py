"""The machine that plays with a world: people edit, sign, revert and break; the daemon is cut off, starved and killed.

Not what must come of it (world_oracle). One `random.Random` decides everything; every step is written down in `script`
in words that a person can play again by hand. A burst is some steps with the daemon turning in between; then
everything outside works again and the world must come to rest.
"""

import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from world_oracle import NAMESPACES, Key, Oracle, Wish
from world_stage import Crash, Stage

from reconciler.digest import sha256_of
from reconciler.errors import Refused
from reconciler.loop.bundle import bundled
from reconciler.model.part import overlay

PATIENCE = 25.0  # seconds (real ones) in which a world comes to rest, however slow the machine is
RUNTIME, US = "runtimes/onnx-http.yaml", "clusters/us-1.yaml"


class NotAtRest(AssertionError):
    """The world did not come to what must be."""


class Machine:
    """Steps on one stage. `step`s are methods, so that a script can be played by hand."""

    def __init__(self, stage: Stage, rng: random.Random) -> None:
        self.stage, self.rng = stage, rng
        self.oracle = Oracle(stage)
        self.script: list[str] = []
        self.number = 0
        self.texts: dict[Key, str] = {}  # the last well-formed text
        self.past: dict[Key, list[tuple[str, bytes, Wish]]] = {key: [] for key in NAMESPACES}
        self.top: Path = stage.checkout.top
        for key in NAMESPACES:
            self.texts[key] = self._file(key).read_text()
            self._remember(key, self._wish(self.texts[key]))

    # --- releases

    def _path(self, key: Key) -> str:
        return f"releases/{key[0]}/{key[1]}.yaml"

    def _file(self, key: Key) -> Path:
        return self.top / self._path(key)

    def _wish(self, text: str, why: str = "") -> Wish:
        data = yaml.safe_load(text)["spec"]
        return Wish(
            sha256=sha256_of(text.encode()),
            version=data["model"]["version"],
            digest=data["model"]["digest"],
            score=data["evidence"]["evaluations"][0]["value"],
            low=overlay(self._baseline(data["environment"]), data)["serving"]["replicas"]["min"],
            why=why,
        )

    @staticmethod
    def _baseline(environment: str) -> dict[str, Any]:
        """What the sample's environment gives its releases; nobody here changes that."""
        text = (bundled("sample-repo") / f"environments/{environment}.yaml").read_text()
        found: dict[str, Any] = yaml.safe_load(text)["spec"].get("defaults", {})
        return found

    def _remember(self, key: Key, wish: Wish) -> None:
        signature = self._file(key).with_name(f"{key[1]}.yaml.sig").read_bytes()
        self.past[key].append((self._file(key).read_text(), signature, wish))
        self.oracle.wishes(key, wish)

    def _say(self, sentence: str) -> None:
        self.script.append(sentence)

    def _write(self, path: str, text: str, *, by: str) -> None:
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if by:
            self.stage.organisation.sign(path, self.stage.organisation.person(by))

    def _commit(self, message: str) -> bool:
        try:
            self.stage.organisation.commit(message, self.stage.organisation.person("bo"))
        except Refused:  # nothing differs
            return False
        return True

    def edit(self, key: Key, *, version: str, score: float | None = None, by: str = "bo", low: int = 0) -> None:
        """Another version (or, with the same one, other replicas in place), signed or not."""
        self._say(f"edit {key} to {version} score={score} low={low} by={by or 'nobody'}")
        text = self.texts[key]
        old = yaml.safe_load(text)["spec"]
        if version != old["model"]["version"]:
            text = re.sub(r"version: (?!1alpha1)\S+", f'version: "{version}"', text, count=1)
            text = text.replace(old["model"]["digest"], sha256_of(f"{key[1]}:{version}".encode()))
        if score is not None:
            value = str(old["evidence"]["evaluations"][0]["value"])
            text = text.replace(f"value: {value}", f"value: {score}", 1)
        if low:
            text = re.sub(r"\n    replicas: \{[^}]*\}", "", text)  # a release may leave them to its environment
            line = f"    replicas: {{min: {low}, max: {max(low, 2)}}}"
            text = re.sub(r"(\n    runtime: \S+)", rf"\1\n{line}", text)
        allowed = by == "bo" or (by == "ada" and key[0] != "prod")
        self._write(self._path(key), text, by=by)
        if not self._commit(f"{key} {version}"):
            return
        self.texts[key] = text
        wish = self._wish(text, "" if allowed else "Signature")
        if not by and any(row[0] == text and not row[2].why for row in self.past[key][-1:]):
            wish = self._wish(text)  # the text that is signed already
        if by or not wish.why:
            self._remember(key, wish)
        else:
            self.oracle.wishes(key, wish)

    def spoil(self, key: Key) -> None:
        """A text that is no YAML."""
        self._say(f"spoil {key}")
        self._write(self._path(key), self.texts[key] + "\n  : [\n", by="")
        if self._commit(f"spoil {key}"):
            self.oracle.wishes(key, self._wish(self.texts[key], "Document"))

    def delete(self, key: Key) -> None:
        """File and signature go."""
        self._say(f"delete the file of {key}")
        self._file(key).unlink(missing_ok=True)
        self._file(key).with_name(f"{key[1]}.yaml.sig").unlink(missing_ok=True)
        if self._commit(f"delete {key}"):
            self.oracle.wishes(key, None)

    def restore(self, key: Key, back: int) -> None:
        """An earlier text with its old signature, as a revert brings it."""
        text, signature, wish = self.past[key][-1 - back % len(self.past[key])]
        self._say(f"restore {key} to {wish.version} of {back} texts ago ({wish.why or 'signed'})")
        self._file(key).write_text(text)
        self._file(key).with_name(f"{key[1]}.yaml.sig").write_bytes(signature)
        if self._commit(f"restore {key}"):
            self.texts[key] = text
            self.past[key].append((text, signature, wish))
            self.oracle.wishes(key, wish)

    # --- what governs

    def govern(self, path: str, text: str, *, by: str, **changed: object) -> None:
        """A governing document; the daemon sees every one, so that the oracle knows which is in force."""
        self._say(f"govern {path} by={by or 'nobody'} → {changed}")
        self._write(path, text, by=by)
        self._commit(f"govern {path}")
        self.must_poll()
        if by == "bo":
            self.oracle.governed(**changed)

    def remove_governing(self, path: str) -> None:
        self._say(f"delete {path}")
        (self.top / path).unlink(missing_ok=True)
        (self.top / f"{path}.sig").unlink(missing_ok=True)
        self._commit(f"delete {path}")
        self.must_poll()

    def must_poll(self) -> None:
        for _ in range(100):
            if self.stage.survive(self.stage.poll_or_fail):
                return
            self.stage.resume()
        raise NotAtRest("the trunk could not be polled")

    # --- invariants at rest

    def settle(self) -> None:
        """Everything outside works again; the world comes to rest and stays so."""
        self._say("settle")
        stage = self.stage
        stage.resume()
        stage.effects._left = None
        deadline = time.monotonic() + PATIENCE
        first = True
        while True:
            if stage.effects.dead:
                stage.revive()
            if not stage.survive(self._round) and time.monotonic() < deadline:
                continue
            problems = [*stage.stale(), *self.oracle.problems()] if not first else ["not yet"]
            first = False
            if not problems:
                break
            if time.monotonic() > deadline or stage.wrong or stage.log.faults:
                raise NotAtRest("\n".join(problems))
            stage.tick(7)
        before = len(stage.effects.log)
        for seconds in (1, 20, 70):
            stage.tick(seconds)
            stage.round()
        restarts = {"oom", "crashloop"} & set(stage.broken.values())  # a TargetState counts a pod's restarts
        writes = [row for row in stage.effects.log[before:] if not (restarts and "targetstates" in row)]
        if writes:
            raise NotAtRest("not quiet: " + "; ".join(writes[:10]) + f" (failing: {stage.broken})")
        problems = list(self.oracle.problems())
        if problems:
            raise NotAtRest("after a rest: " + "\n".join(problems))
        self.oracle.learn()

    def _round(self) -> None:
        self.stage.look_at_clusters()
        self.stage.round()

    # --- the random part

    def burst(self, steps: Sequence[Callable[["Machine"], None]]) -> None:
        """Some steps, with the daemon turning or dying in between; then rest."""
        for _ in range(self.rng.randint(1, 5)):
            self.rng.choice(steps)(self)
            self.live()
        self.settle()

    def live(self) -> None:
        """The daemon does some of its work."""
        stage, rng = self.stage, self.rng
        if rng.random() < 0.5:
            after, lost = rng.choice((1, 2, 3, 5, 8, 13, 21)), rng.random() < 0.5
            self._say(f"crash around the {after}. write ({'before' if lost else 'after'} it)")
            stage.effects.arm(after, lost=lost)
        how = rng.random()
        try:
            if how < 0.25:
                self._say("poll, a few passes")
                stage.poll()
                stage.turn(rng.randint(1, 12))
            elif how < 0.75:
                self._say("poll, drain, flush")
                stage.round()
            elif how < 0.85:
                self._say("some time")
                stage.tick(rng.choice((3, 20, 100)))
                stage.round()
        except Crash:
            self._say("it died")
            if rng.random() < 0.3:
                self._say("its disk is lost")
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
