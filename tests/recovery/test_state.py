"""Somebody deletes or empties the state that the daemon keeps in clusters: no pod is touched, and all returns."""

from collections.abc import Callable, Iterator

import pytest
from stage_lab import DEFINITIONS, HOME, STATES, Lab, lab

from reconciler.demo.story import pods
from reconciler.errors import Conflict, ReconcilerError


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("state") / "acme") as made:
        made.release("1.4.0")
        made.serves("1.4.0")
        made.recorded()
        yield made
        assert "Traceback" not in made.log()


def name(acme: Lab) -> str:
    return acme.stage._key("prod", "fraud-detector").state_name


def target(acme: Lab) -> str:
    return f"{STATES}/namespaces/fraud/targetstates/{name(acme)}"


def release(acme: Lab) -> str:
    return f"{HOME}/releasestates/{name(acme)}"


def repository(acme: Lab) -> str:
    found = acme.ask("eu-1", "GET", f"{HOME}/repositorystates")["items"]
    return f"{HOME}/repositorystates/{found[0]['metadata']['name']}"


def rewrite(acme: Lab, cluster: str, path: str, change: Callable[[dict], object]) -> None:
    """kubectl edit: retried while the daemon writes too."""
    for _ in range(20):
        body = acme.ask(cluster, "GET", path)
        change(body)
        try:
            acme.ask(cluster, "PUT", path, body)
        except Conflict:
            continue
        return


CASES: dict[str, Callable[[Lab], object]] = {
    "a TargetState is deleted": lambda it: it.ask("us-1", "DELETE", target(it)),
    "a TargetState's status is emptied": lambda it: rewrite(it, "us-1", target(it), lambda o: o.update(status={})),
    "a TargetState forgets its specs": lambda it: rewrite(
        it, "us-1", target(it), lambda o: o["spec"].update(effective={})
    ),
    "a TargetState is told of no version by somebody": lambda it: rewrite(
        it, "us-1", target(it), lambda o: o["spec"]["directive"].update(versions=[], sequence=2000)
    ),
    "a ReleaseState is deleted": lambda it: it.ask("eu-1", "DELETE", release(it)),
    "a ReleaseState's status is emptied": lambda it: rewrite(it, "eu-1", release(it), lambda o: o.update(status={})),
    "a ReleaseState forgets its specs": lambda it: rewrite(
        it, "eu-1", release(it), lambda o: o["status"].update(effective={})
    ),
    "a ReleaseState forgets its directives": lambda it: rewrite(
        it, "eu-1", release(it), lambda o: o["status"].update(directives={})
    ),
    "a ReleaseState forgets what is stable": lambda it: rewrite(
        it, "eu-1", release(it), lambda o: o["status"].pop("stable")
    ),
    "a RepositoryState is deleted": lambda it: it.ask("eu-1", "DELETE", repository(it)),
    "a RepositoryState's status is emptied": lambda it: rewrite(
        it, "eu-1", repository(it), lambda o: o.update(status={})
    ),
    "ReleaseState and TargetStates are deleted at once": lambda it: (
        it.ask("eu-1", "DELETE", release(it)),
        it.ask("us-1", "DELETE", target(it)),
        it.ask("eu-1", "DELETE", target(it)),
    ),
    "ReleaseState and a TargetState are emptied at once": lambda it: (
        rewrite(it, "eu-1", release(it), lambda o: o.update(status={})),
        rewrite(it, "us-1", target(it), lambda o: o.update(status={})),
    ),
    "all state on the home cluster is deleted": lambda it: (
        it.ask("eu-1", "DELETE", f"{HOME}/releasestates"),
        it.ask("eu-1", "DELETE", f"{HOME}/repositorystates"),
    ),
}


def uids(acme: Lab) -> set[str]:
    return {pod["metadata"]["uid"] for cluster in ("eu-1", "us-1") for pod in pods(acme.stage, cluster)}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_no_pod_is_touched_and_the_state_returns_when(acme, case):
    before = uids(acme)
    CASES[case](acme)
    acme.wait("all that was there is there again", lambda: known(acme))
    acme.serves("1.4.0")
    assert uids(acme) == before


def known(acme: Lab) -> bool:
    """Every state object is there and says what runs."""
    status, at = acme.status(), acme.ask("us-1", "GET", target(acme))
    said = at["spec"]["directive"]["versions"] and at["spec"]["effective"] and at["status"]["versions"]
    return bool(said and status.stable and status.directives and status.effective and acme.repository()["revision"])


@pytest.mark.slow
def test_after_all_that_an_update_goes_out_and_the_ledger_holds(acme):
    acme.release("1.5.1", auc=0.96)
    acme.serves("1.5.1")
    acme.revert()
    acme.serves("1.4.0")
    acme.recorded()
    assert acme.audit().returncode == 0, acme.audit().stderr


@pytest.mark.slow
def test_a_failed_write_of_the_repository_state_does_not_lose_a_commit(acme):
    faults = acme.server.clusters["eu-1"].faults
    faults.matches = lambda request: request.method in ("PUT", "PATCH") and "repositorystates" in request.path
    faults.status, faults.remaining = 500, 2
    try:
        revision = acme.release("1.6.0", auc=0.962)
        acme.serves("1.6.0")
        assert faults.remaining <= 0
    finally:
        faults.clear()
    acme.wait("it is written down", lambda: acme.repository()["revision"] == revision)


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["us-1", "eu-1"], ids=["a target cluster", "the home cluster"])
def test_custom_resource_definitions_removed_and_installed_again_on(acme, cluster):
    before = uids(acme)
    for kind in ("targetstates", "releasestates", "repositorystates"):
        acme.ask(cluster, "DELETE", f"{DEFINITIONS}/{kind}.reconciler.dev")
    version = "1.7.0" if cluster == "us-1" else "1.8.0"
    acme.wait("an absent kind is seen", lambda: not there(acme, cluster))
    assert uids(acme) == before
    acme.stage.command("install", "--kubeconfig", str(acme.organisation.kubeconfig), "--context", cluster, "--apply")
    acme.release(version, auc=0.965)
    acme.serves(version)
    acme.recorded()
    assert acme.audit().returncode == 0


def there(acme: Lab, cluster: str) -> bool:
    try:
        acme.ask(cluster, "GET", f"{STATES}/targetstates")
    except ReconcilerError:
        return False
    return True
