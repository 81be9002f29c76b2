"""The random steps: what people, networks, machines and time do to a world, each a function of one machine."""

import re
from collections.abc import Callable
from datetime import timedelta

import yaml
from world_breaks import BREAKS
from world_documents import SAMPLE
from world_machine import Machine
from world_oracle import NAMESPACES, WHOLE
from world_people import TRUNK
from world_rules import (
    ENVIRONMENTS,
    NINES,
    OFFICE,
    RUNTIME,
    US,
    WEEKDAYS,
    WEEKEND,
    YEAR_END,
    Asks,
    Hold,
    Key,
    Waiver,
    Windows,
)  # fmt: skip

from reconciler.edges.git import Actor

PROD: Key = ("prod", "fraud-detector")
_NINES = """\
apiVersion: reconciler.dev/v1alpha1
kind: Policy
metadata: {name: no-nines}
spec:
  validations:
    - {expression: "!release.spec.model.version.startsWith('9.')", message: no nines}
"""
_POLICIES = ("no-nines", "evaluations-not-worse", "evaluation-thresholds", "two-replicas", "promotion-order")

Step = Callable[[Machine], None]

# --- releases


def good(m: Machine) -> None:
    m.edit(m.any_key(), version=m.fresh(), score=0.95 + m.number % 5 / 1000, by=m.rng.choice(("bo", "bo", "eve")))


def scheduled(m: Machine) -> None:
    later = timedelta(minutes=m.rng.choice((1, 90, 3000)))
    m.edit(m.any_key(), version=m.fresh(), score=0.95, not_before=later)


def unsigned(m: Machine) -> None:
    m.edit(m.any_key(), version=m.fresh(), score=0.95, by="")


def wrong_role(m: Machine) -> None:
    m.edit(m.any_key(), version=m.fresh(), score=0.95, by=m.rng.choice(("cy", "ada")))


def worse(m: Machine) -> None:
    m.edit(m.any_key(), version=m.fresh(), score=0.5)


def in_place(m: Machine) -> None:
    key = m.any_key()
    m.edit(key, version=_version(m, key), low=m.rng.randint(1, 3), by=m.rng.choice(("bo", "bo", "")))


def _version(m: Machine, key: Key) -> str:
    """The model version that the release's text has."""
    return str(yaml.load(m.texts[key], Loader=yaml.CSafeLoader)["spec"]["model"]["version"])


def promote(m: Machine) -> None:
    """Production asks for what staging has."""
    name = m.rng.choice(("fraud-detector", "fraud-detector", "support-chat"))
    wish = m.oracle.trunk.get(("staging", name))
    if wish:
        m.edit(("prod", name), version=wish.version, score=0.95, low=2)


def spoil(m: Machine) -> None:
    m.spoil(m.any_key())


def delete(m: Machine) -> None:
    m.delete(m.any_key())


def restore(m: Machine) -> None:
    m.restore(m.any_key(), m.rng.randint(0, 4))


def breaks(m: Machine) -> None:
    """The next version cannot run."""
    key, version = m.any_key(), m.fresh()
    mode = m.rng.choice(("notready", "imagepull", "oom", "crashloop"))
    m.say(f"{version} fails: {mode}")
    m.stage.broken[version] = mode
    m.edit(key, version=version, score=0.95)


def heals(m: Machine) -> None:
    m.say("heal")
    m.stage.heal()


# --- yes, no, and the end


def asks(m: Machine) -> None:
    """An environment asks for approvals, or for none any more."""
    rules = m.rng.choice(((("", 1),), (("risk", 1),), (("", 2),), (("risk", 1), ("", 2))))
    approvals = m.rng.choice((None, *[Asks(rules, separate=m.rng.random() < 0.8, days=m.rng.choice((2, 14)))] * 3))
    m.environment(m.rng.choice(("prod", "prod", "staging")), by=_configurer(m), approvals=approvals)


def approves(m: Machine) -> None:
    """Some people approve, the author and people who may not among them."""
    m.approve(_waiting(m), *m.rng.sample(("bo", "cy", "dee", "eve", "ada"), m.rng.randint(1, 3)))


def all_approve(m: Machine) -> None:
    m.approve(_waiting(m), "cy", "dee", "eve", "bo")


def rejects(m: Machine) -> None:
    m.approve(_waiting(m), m.rng.choice(("cy", "dee", "bo")), action="reject")


def one_byte(m: Machine) -> None:
    """What was approved changes by a comment: its text, its environment or its runtime."""
    key = _waiting(m)
    m.number += 1
    if m.rng.random() < 0.5 and key in m.texts:
        m.texts[key] = re.sub(r"# n\d+\n", "", m.texts[key]) + f"# n{m.number}\n"
        m.edit(key, version=_version(m, key))
    else:
        m.environment(key[0], by="bo")


def ends(m: Machine) -> None:
    """A whole release is removed: signed by somebody who may, or not."""
    m.remove(m.any_key(), WHOLE, by=m.rng.choice(("bo", "bo", "eve", "cy")))


def ends_on_a_cluster(m: Machine) -> None:
    if m.oracle.trunk.get(PROD):
        m.remove(PROD, "us-1", by=m.rng.choice(("bo", "bo", "eve", "ada")))


def budget(m: Machine) -> None:
    m.environment(m.rng.choice(("prod", "staging")), by=_configurer(m), budget=m.rng.choice((0, 1, 2, 5)))


def _waiting(m: Machine) -> Key:
    """A release that waits for somebody, if there is one."""
    states = m.stage.releases()
    held = [key for key, state in sorted(states.items()) if state.status.gates]
    asked = [key for key in NAMESPACES if m.oracle.governs.envs[key[0]].approvals]
    return m.rng.choice(held or asked or list(NAMESPACES))


def _configurer(m: Machine) -> str:
    return str(m.rng.choice(("bo", "bo", "eve", "", "cy")))


# --- stopping and letting pass


def holds(m: Machine) -> None:
    """A Hold is added, or written over an earlier one."""
    until = m.rng.choice((None, timedelta(hours=1), timedelta(days=3), timedelta(days=20)))
    hold = Hold(
        environment=m.rng.choice(("prod", "staging")), name=m.rng.choice(("", "fraud-detector")),
        until=m.stage.clock.now().replace(microsecond=0) + until if until else None,
    )  # fmt: skip
    m.hold(f"holds/{m.rng.choice(('one', 'two'))}.yaml", hold)


def hold_ends(m: Machine) -> None:
    paths = sorted(m.held)
    if paths:
        m.end_hold(m.rng.choice(paths), by=m.rng.choice(("bo", "eve", "bo", "", "cy")))


def waives(m: Machine) -> None:
    """Somebody who may (or may not, or nobody) signs a Waiver."""
    key = m.rng.choice((PROD, PROD, ("staging", "fraud-detector"), ("prod", "support-chat")))
    expires = m.stage.clock.now().replace(microsecond=0) + m.rng.choice((timedelta(hours=2), timedelta(days=5)))
    waiver = Waiver(
        policy=m.rng.choice(_POLICIES), environment=key[0], name=key[1], expires=expires,
        signer=m.rng.choice(("cy", "cy", "dee", "bo", "")),
    )  # fmt: skip
    m.waive(f"waivers/{m.rng.choice(('one', 'two'))}.yaml", waiver)


def waiver_ends(m: Machine) -> None:
    paths = sorted({"waivers/one.yaml", "waivers/two.yaml"} & set(m.people.files))
    if paths:
        m.end_waiver(m.rng.choice(paths))


def opens(m: Machine) -> None:
    """Windows and freezes come into an environment, or leave it."""
    windows = Windows(
        allow=m.rng.choice(((), (OFFICE,), (WEEKDAYS,), (OFFICE, WEEKDAYS))),
        deny=m.rng.choice(((), (), (WEEKEND,), (YEAR_END,))),
        zone=m.rng.choice(("UTC", "Europe/Berlin")),
        overrun=m.rng.choice(("pause", "finish")),
    )
    chosen = windows if m.rng.random() < 0.7 else None
    m.environment(m.rng.choice(("prod", "prod", "staging")), by=_configurer(m), windows=chosen)


def order(m: Machine) -> None:
    """Production comes after staging, with or without a soak; or after nothing."""
    after = m.rng.choice(("staging", "staging", ""))
    soak = m.rng.choice((timedelta(), timedelta(hours=1), timedelta(days=2))) if after else timedelta()
    m.environment("prod", by=_configurer(m), after=after, soak=soak)


# --- time


def hours(m: Machine) -> None:
    m.passes(timedelta(hours=m.rng.choice((1, 3, 7, 14))))


def days(m: Machine) -> None:
    m.passes(timedelta(days=m.rng.choice((1, 2, 3, 6, 15, 40)), minutes=m.rng.randint(0, 600)))


# --- what governs


def runtime(m: Machine) -> None:
    text = m.people.files.get(RUNTIME, b"").decode()
    if not text:
        return
    m.number += 1
    extra = f"--extra={m.number}."
    text = re.sub(r'args: \["--model"', f'args: ["{extra}", "--model"', re.sub(r'"--extra=\d+\.", ', "", text))
    m.govern(RUNTIME, text, by=m.rng.choice(("bo", "bo", "", "ada")), args=extra)


def environment(m: Machine) -> None:
    m.environment(m.rng.choice(tuple(ENVIRONMENTS)), by=_configurer(m), there=m.rng.random() < 0.6)


def cluster_leaves(m: Machine) -> None:
    if US not in m.people.files:
        return
    tier = m.rng.choice(("prod", "prod", "none"))
    m.number += 1
    text = re.sub(r"# \d+\n", "", re.sub(r"tier: \w+", f"tier: {tier}", m.people.text(US))) + f"# {m.number}\n"
    m.govern(US, text, by=m.rng.choice(("bo", "bo", "")), us_in_prod=tier == "prod")


def policy(m: Machine) -> None:
    m.number += 1
    m.govern(NINES, _NINES + f"# {m.number}\n", by=m.rng.choice(("bo", "")), no_nines=True)


def governing_deleted(m: Machine) -> None:
    path = m.rng.choice((RUNTIME, US, NINES, *ENVIRONMENTS.values()))
    if path in m.people.files:
        m.drop_governing(path)


def governing_returns(m: Machine) -> None:
    """Runtime, cluster and environments are there again, signed, and ask for nothing special."""
    m.say("governing documents return")
    texts = {path: (SAMPLE / path).read_text() for path in (RUNTIME, US)}
    plain = {"there": True, "approvals": None, "windows": None, "after": "", "soak": timedelta(), "budget": 0}
    m.number += 1
    for path, text in texts.items():
        m.people.write(path, text, by="bo")
    m.people.commit("governing documents return")
    m.must_poll()
    m.accepted(RUNTIME, texts[RUNTIME], args="")
    m.accepted(US, texts[US], us_in_prod=True)
    for name in ENVIRONMENTS:
        m.environment(name, by="bo", **plain)


def rewritten(m: Machine) -> None:
    """The trunk is force-pushed, looked at, and pushed again as it was."""
    m.say("force-push, look, push the good history again")
    m.must_poll()
    origin = m.people.origin
    head = origin.ref(TRUNK) or ""
    parent = next(
        (line.split()[1] for line in origin.read(head).decode().splitlines() if line.startswith("parent ")), ""
    )
    if not parent:
        return
    who = Actor(name="Mallory", email="mallory@acme.example")
    bad = origin.commit(origin.read(parent)[5:45].decode(), (parent,), "rewritten", who, m.stage.clock.now())
    origin.move(TRUNK, bad)
    m.live()
    origin.move(TRUNK, head)


STEPS: tuple[Step, ...] = (
    good, good, good, good, good, promote, promote, scheduled, unsigned, wrong_role, worse, worse, in_place, in_place,
    spoil, delete, restore, restore, restore, breaks, breaks, heals,
    asks, asks, approves, approves, all_approve, all_approve, rejects, one_byte,
    ends, ends, ends_on_a_cluster, ends_on_a_cluster, budget,
    holds, holds, hold_ends, waives, waives, waiver_ends, opens, opens, order, order,
    hours, hours, days, days,
    runtime, environment, cluster_leaves, cluster_leaves, policy, governing_deleted, governing_returns, rewritten,
    *BREAKS,
)  # fmt: skip
