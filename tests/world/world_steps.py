"""The random steps: what people, networks and machines do to a world, each a function of one machine."""

import re
from collections.abc import Callable
from pathlib import Path

import yaml
from world_machine import RUNTIME, US, Machine
from world_oracle import NAMESPACES, WHERE
from world_stage import HOME

from reconciler.demo.stage import CLUSTERS

ENVIRONMENTS = {name: f"environments/{name}.yaml" for name in ("dev", "staging", "prod")}
_OWN = {"dev": "fraud-dev, llm-dev", "staging": "churn-staging, fraud-staging, llm-staging", "prod": "fraud, llm"}
NINES = "policies/no-nines.yaml"
_NINES = """\
apiVersion: reconciler.dev/v1alpha1
kind: Policy
metadata: {name: no-nines}
spec:
  validations:
    - {expression: "!release.spec.model.version.startsWith('9.')", message: no nines}
"""

Step = Callable[[Machine], None]


def good(m: Machine) -> None:
    m.edit(m.any_key(), version=m.fresh(), score=0.95 + m.number % 5 / 1000)


def unsigned(m: Machine) -> None:
    m.edit(m.any_key(), version=m.fresh(), score=0.95, by="")


def wrong_role(m: Machine) -> None:
    m.edit(m.any_key(), version=m.fresh(), score=0.95, by=m.rng.choice(("cy", "ada")))


def worse(m: Machine) -> None:
    m.edit(m.any_key(), version=m.fresh(), score=0.5)


def in_place(m: Machine) -> None:
    key = m.any_key()
    version = str(yaml.safe_load(m.texts[key])["spec"]["model"]["version"])
    m.edit(key, version=version, low=m.rng.randint(1, 3), by=m.rng.choice(("bo", "bo", "")))


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
    m._say(f"{version} fails: {mode}")
    m.stage.broken[version] = mode
    m.edit(key, version=version, score=0.95)


def heals(m: Machine) -> None:
    m._say("heal")
    m.stage.heal()


def drift(m: Machine) -> None:
    """Somebody edits or deletes objects by hand."""
    key = m.any_key()
    cluster, namespace = m.rng.choice(WHERE[key]), NAMESPACES[key]
    kind = m.rng.choice(
        ("apis/apps/v1/{}/deployments", "api/v1/{}/services", "api/v1/{}/serviceaccounts", "api/v1/{}/pods",
         "apis/networking.k8s.io/v1/{}/networkpolicies")
    )  # fmt: skip
    path = "/" + kind.format(f"namespaces/{namespace}")
    rows = [row for row in m.stage.items(cluster, path) if row["metadata"]["name"] != "default"]
    if not rows:
        return
    at = f"{path}/{m.rng.choice(rows)['metadata']['name']}"
    if m.rng.random() < 0.5 or "deployments" not in path:
        m._say(f"delete {at} on {cluster}")
        m.stage.ask(cluster, "DELETE", at)
    else:
        m._say(f"edit {at} on {cluster}")
        name = m.stage.ask(cluster, "GET", at)["spec"]["template"]["spec"]["containers"][0]["name"]
        container = {"name": name, "image": "reconciler.test/drift"}
        body = {"spec": {"replicas": 7, "template": {"spec": {"containers": [container]}}}}
        m.stage.ask(cluster, "PATCH", at, body, "application/strategic-merge-patch+json")


def lose_states(m: Machine) -> None:
    """State objects are deleted; what was to be told has been told."""
    m.stage.survive(m.stage.flush)
    kind, cluster = m.rng.choice((("releasestates", HOME), ("targetstates", HOME), ("targetstates", "us-1")))
    rows = m.stage.items(cluster, f"/apis/reconciler.dev/v1alpha1/{kind}")
    if not rows:
        return
    row = m.rng.choice(rows)["metadata"]
    m._say(f"delete {kind} {row['namespace']}/{row['name']} on {cluster}")
    m.stage.ask(cluster, "DELETE", f"/apis/reconciler.dev/v1alpha1/namespaces/{row['namespace']}/{kind}/{row['name']}")


def cut_off(m: Machine) -> None:
    cluster = m.rng.choice((HOME, "us-1", "us-1"))
    m._say(f"{cluster} cannot be reached")
    m.stage.pause(cluster)


def comes_back(m: Machine) -> None:
    m._say("everything can be reached")
    m.stage.resume()


def faults(m: Machine) -> None:
    """Some of the next writes fail, or their answers are lost."""
    cluster = m.stage.clusters[m.rng.choice(CLUSTERS)]
    kind = m.rng.choice(("lose", "drop", "status"))
    cluster.faults.clear()
    cluster.faults.matches = lambda request: request.method != "GET"
    cluster.faults.remaining = m.rng.randint(1, 6)
    setattr(cluster.faults, kind, m.rng.choice((429, 500, 503)) if kind == "status" else True)
    m._say(f"{cluster.name}: {kind} for {cluster.faults.remaining} writes")


def lose_repository_state(m: Machine) -> None:
    """What was accepted is known from the ledger alone."""
    m.stage.resume()
    m.must_poll()
    m.stage.survive(m.stage.flush)
    path = "/apis/reconciler.dev/v1alpha1/namespaces/reconciler-system/repositorystates"
    if m.stage.daemon and not any(ledger.pending() for ledger in m.stage.daemon.world.ledgers.values()):
        m._say("delete the RepositoryState; the daemon starts again")
        m.stage.ask(HOME, "DELETE", path)
        m.stage.revive()


def git_gone(m: Machine) -> None:
    """The Git host cannot be reached for a while."""
    m._say("the Git host is gone, and comes back")
    m.stage.take_git_away()
    m.live()
    m.stage.give_git_back()


def all_lost(m: Machine) -> None:
    """Disk and home state are gone; Git and the targets are left."""
    m.stage.resume()
    m.must_poll()
    m.stage.survive(m.stage.flush)
    if m.stage.daemon and not any(ledger.pending() for ledger in m.stage.daemon.world.ledgers.values()):
        m._say("disk, ReleaseStates and RepositoryState are lost")
        m.stage.stop()
        m.stage.lose_data()
        for kind in ("releasestates", "repositorystates"):
            m.stage.ask(HOME, "DELETE", f"/apis/reconciler.dev/v1alpha1/namespaces/reconciler-system/{kind}")
        m.stage.revive()


def watches_end(m: Machine) -> None:
    cluster = m.stage.clusters[m.rng.choice(CLUSTERS)]
    m._say(f"{cluster.name}: watches end, history is forgotten")
    cluster.compact()
    cluster.end_watches()


def runtime(m: Machine) -> None:
    text = (m.top / RUNTIME).read_text() if (m.top / RUNTIME).exists() else ""
    if not text:
        return
    m.number += 1
    extra = f"--extra={m.number}."
    text = re.sub(r'args: \["--model"', f'args: ["{extra}", "--model"', re.sub(r'"--extra=\d+\.", ', "", text))
    m.govern(RUNTIME, text, by=m.rng.choice(("bo", "bo", "", "ada")), args=extra)


def environment(m: Machine) -> None:
    name = m.rng.choice(tuple(ENVIRONMENTS))
    file = m.top / ENVIRONMENTS[name]
    if not file.exists():
        return
    text = file.read_text()
    there = m.rng.random() < 0.6
    text = re.sub(r"namespaces: \[.*\]", f"namespaces: [{_OWN[name] if there else 'elsewhere'}]", text)
    text += f"# {m.number}\n"
    m.number += 1
    m.govern(ENVIRONMENTS[name], text, by=m.rng.choice(("bo", "bo", "", "cy")),
             namespaces=m.oracle.governs.namespaces | {name: there})  # fmt: skip


def cluster_leaves(m: Machine) -> None:
    file = m.top / US
    if not file.exists():
        return
    tier = m.rng.choice(("prod", "prod", "none"))
    text = re.sub(r"tier: \w+", f"tier: {tier}", file.read_text()) + f"# {m.number}\n"
    m.number += 1
    m.govern(US, text, by=m.rng.choice(("bo", "bo", "")), us_in_prod=tier == "prod")


def policy(m: Machine) -> None:
    m.number += 1
    m.govern(NINES, _NINES + f"# {m.number}\n", by=m.rng.choice(("bo", "")), no_nines=True)


def governing_deleted(m: Machine) -> None:
    path = m.rng.choice((RUNTIME, US, NINES, *ENVIRONMENTS.values()))
    if (m.top / path).exists():
        m.remove_governing(path)


def governing_returns(m: Machine) -> None:
    """Every governing file is there again, as the sample has it, and signed."""
    sample = Path(__file__).parents[2] / "sample-repo"
    m._say("governing documents return")
    for path in (RUNTIME, US, *ENVIRONMENTS.values()):
        m._write(path, (sample / path).read_text(), by="bo")
    m._commit("governing documents return")
    m.must_poll()
    m.oracle.governed(args="", us_in_prod=True, namespaces={"dev": True, "staging": True, "prod": True})


def rewritten(m: Machine) -> None:
    """The trunk is force-pushed, looked at, and pushed again as it was."""
    m._say("force-push, look, push the good history again")
    m.must_poll()
    if m.stage.git("rev-list", "--count", "refs/heads/main") == "1":
        return
    good_head = m.stage.git("rev-parse", "refs/heads/main")
    older = m.stage.git("rev-parse", "refs/heads/main~1")
    tree = m.stage.git("rev-parse", f"{older}^{{tree}}")
    bad = m.stage.git("commit-tree", tree, "-p", older, "-m", "rewritten")
    m.stage.git("update-ref", "refs/heads/main", bad)
    m.live()
    m.stage.git("update-ref", "refs/heads/main", good_head)


STEPS: tuple[Step, ...] = (
    good, good, good, good, unsigned, wrong_role, worse, worse, in_place, in_place, spoil, delete, restore, restore,
    restore, breaks, breaks, heals, drift, drift, drift, lose_states, lose_states, cut_off, cut_off, comes_back,
    faults, faults, watches_end, lose_repository_state, git_gone, all_lost, runtime,
    good, good, restore, environment, environment, cluster_leaves, policy, governing_deleted,
    governing_returns, rewritten,
)  # fmt: skip
