"""The random steps of what breaks: networks, machines, clusters and state objects, each a function of one machine."""

from collections.abc import Callable

from world_machine import Machine
from world_oracle import NAMESPACES, WHERE
from world_stage import HOME

from reconciler.demo.stage import CLUSTERS


def drift(m: Machine) -> None:
    """Somebody edits or deletes objects by hand."""
    key = m.any_key()
    cluster, namespace = m.rng.choice(WHERE[key]), NAMESPACES[key]
    kind = m.rng.choice(
        ("apis/apps/v1/{}/deployments", "api/v1/{}/services", "api/v1/{}/serviceaccounts", "api/v1/{}/pods",
         "apis/networking.k8s.io/v1/{}/networkpolicies")
    )  # fmt: skip
    path = "/" + kind.format(f"namespaces/{namespace}")
    rows = [row for row in m.stage.ask(cluster, "GET", path).get("items") or [] if row["metadata"]["name"] != "default"]
    if not rows:
        return
    at = f"{path}/{m.rng.choice(rows)['metadata']['name']}"
    if m.rng.random() < 0.5 or "deployments" not in path:
        m.say(f"delete {at} on {cluster}")
        m.stage.ask(cluster, "DELETE", at)
    else:
        m.say(f"edit {at} on {cluster}")
        name = m.stage.ask(cluster, "GET", at)["spec"]["template"]["spec"]["containers"][0]["name"]
        container = {"name": name, "image": "reconciler.test/drift"}
        body = {"spec": {"replicas": 7, "template": {"spec": {"containers": [container]}}}}
        m.stage.ask(cluster, "PATCH", at, body, "application/strategic-merge-patch+json")


def lose_states(m: Machine) -> None:
    """State objects are deleted; what was to be told has been told."""
    m.stage.survive(m.stage.flush)
    kind, cluster = m.rng.choice((("releasestates", HOME), ("targetstates", HOME), ("targetstates", "us-1")))
    rows = m.stage.rows(cluster, "reconciler.dev", kind)
    if not rows:
        return
    row = m.rng.choice(rows)["metadata"]
    m.say(f"delete {kind} {row['namespace']}/{row['name']} on {cluster}")
    m.stage.ask(cluster, "DELETE", f"/apis/reconciler.dev/v1alpha1/namespaces/{row['namespace']}/{kind}/{row['name']}")
    m.oracle.forget_votes(NAMESPACES if kind == "releasestates" else ())


def cut_off(m: Machine) -> None:
    cluster = m.rng.choice((HOME, "us-1", "us-1"))
    m.say(f"{cluster} cannot be reached")
    m.stage.pause(cluster)


def comes_back(m: Machine) -> None:
    m.say("everything can be reached")
    m.stage.resume()


def faults(m: Machine) -> None:
    """Some of the next writes fail, or their answers are lost."""
    cluster = m.stage.clusters[m.rng.choice(CLUSTERS)]
    kind = m.rng.choice(("lose", "drop", "status"))
    cluster.faults.clear()
    cluster.faults.matches = lambda request: request.method != "GET"
    cluster.faults.remaining = m.rng.randint(1, 6)
    setattr(cluster.faults, kind, m.rng.choice((429, 500, 503)) if kind == "status" else True)
    m.say(f"{cluster.name}: {kind} for {cluster.faults.remaining} writes")


def lose_repository_state(m: Machine) -> None:
    """What was accepted is known from the ledger alone."""
    if _all_told(m):
        m.say("delete the RepositoryState; the daemon starts again")
        m.stage.ask(HOME, "DELETE", "/apis/reconciler.dev/v1alpha1/namespaces/reconciler-system/repositorystates")
        m.stage.revive()


def _all_told(m: Machine) -> bool:
    """Everything that waits for the ledger is written; False when that could not be done."""
    m.stage.resume()
    m.must_poll()
    m.stage.survive(m.stage.flush)
    return bool(m.stage.daemon) and not any(ledger.pending() for ledger in m.stage.daemon.world.ledgers.values())


def git_gone(m: Machine) -> None:
    """The Git host cannot be reached for a while."""
    m.must_poll()
    m.say("the Git host is gone, and comes back")
    m.stage.take_git_away()
    m.live()
    m.stage.give_git_back()


def all_lost(m: Machine) -> None:
    """Disk and home state are gone; Git and the targets are left."""
    if _all_told(m):
        m.say("disk, ReleaseStates and RepositoryState are lost")
        m.stage.stop()
        m.stage.lose_data()
        for kind in ("releasestates", "repositorystates"):
            m.stage.ask(HOME, "DELETE", f"/apis/reconciler.dev/v1alpha1/namespaces/reconciler-system/{kind}")
        m.oracle.forget_votes(NAMESPACES)
        m.stage.revive()


def watches_end(m: Machine) -> None:
    cluster = m.stage.clusters[m.rng.choice(CLUSTERS)]
    m.say(f"{cluster.name}: watches end, history is forgotten")
    cluster.compact()
    cluster.end_watches()


BREAKS: tuple[Callable[[Machine], None], ...] = (
    drift, drift, lose_states, lose_states, cut_off, cut_off, comes_back, faults, faults, watches_end,
    lose_repository_state, git_gone, all_lost,
)  # fmt: skip
