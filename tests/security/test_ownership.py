"""What is not ours is not touched, and what somebody else keeps changing is named: the release says it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from stage_lab import DEPLOYMENTS, MERGE, SERVICE, Lab, lab

from reconciler.model.state import Phase

CLUSTER = "us-1"
CHAT = "/api/v1/namespaces/llm/services/support-chat"
FOREIGN: dict[str, Any] = {"selector": {"app": "mine"}, "ports": [{"port": 80}]}


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Somebody's Service has the name that prod/support-chat needs, before our daemon ever ran."""
    with lab(tmp_path_factory.mktemp("ownership") / "acme", start=False) as made:
        body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "support-chat"}, "spec": FOREIGN}
        made.ask("eu-1", "POST", CHAT.rsplit("/", 1)[0], body)
        made.stage.start_daemon()
        made.serves("1.3.0")
        yield made
        assert "Traceback" not in made.log()


@pytest.mark.slow
def test_a_foreign_service_of_our_name_is_named_and_untouched_and_the_others_go_on(acme):
    acme.wait("it is named", lambda: "was not made by us" in acme.reasons("prod", "support-chat"))
    assert "NotOurs" in repr(acme.stage.target("eu-1", "prod", "support-chat", "llm").status.conditions)
    found = acme.ask("eu-1", "GET", CHAT)
    assert found["spec"]["selector"] == FOREIGN["selector"]
    assert "labels" not in found["metadata"]
    acme.wait("the others are promoted", lambda: acme.status("staging", "support-chat").phase is Phase.PROMOTED)
    acme.ask("eu-1", "DELETE", CHAT)
    acme.restart()  # or wait: what is stalled is looked at once a minute
    acme.wait("it goes on", lambda: acme.status("prod", "support-chat").phase is Phase.PROMOTED)


@pytest.mark.slow
def test_a_foreign_deployment_with_our_versions_name_is_not_scaled_and_named(acme):
    acme.stage.stop_daemon()
    ours = acme.ask(CLUSTER, "GET", DEPLOYMENTS)["items"][0]["metadata"]["name"]
    path = f"{DEPLOYMENTS}/{ours}"
    acme.ask(CLUSTER, "DELETE", path)
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "x", "image": "mine"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": ours}, "spec": spec}
    acme.ask(CLUSTER, "POST", DEPLOYMENTS, body)
    acme.stage.start_daemon()
    acme.wait("it is named", lambda: "was not made by us" in acme.reasons())
    found = acme.ask(CLUSTER, "GET", path)
    assert found["spec"]["replicas"] == 0
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "mine"
    acme.ask(CLUSTER, "DELETE", path)
    acme.serves("1.3.0")


@pytest.mark.slow
def test_a_foreign_target_state_of_another_home_is_not_taken_over(acme):
    key = acme.stage._key("staging", "fraud-detector").state_name
    path = f"/apis/reconciler.dev/v1alpha1/namespaces/fraud-staging/targetstates/{key}"
    home = acme.ask("eu-1", "GET", path)["spec"]["home"]
    acme.ask("eu-1", "PATCH", path, {"spec": {"home": "somebody-else"}}, kind=MERGE)
    service = "/api/v1/namespaces/fraud-staging/services/fraud-detector"
    before = acme.ask("eu-1", "GET", service)["spec"]["selector"]
    acme.wait("it is named", lambda: "another home" in acme.reasons("staging"))
    acme.ask("eu-1", "PATCH", service, {"spec": {"selector": {"other": "home"}}}, kind=MERGE)
    time.sleep(1)  # drift of ours is repaired in a fraction of that
    assert acme.ask("eu-1", "GET", service)["spec"]["selector"]["other"] == "home"
    acme.ask("eu-1", "PATCH", path, {"spec": {"home": home}}, kind=MERGE)
    acme.restart()  # or wait: what is stalled is looked at once a minute
    acme.wait("it is ours again", lambda: acme.ask("eu-1", "GET", service)["spec"]["selector"] == before)


@pytest.mark.slow
def test_another_manager_that_fights_over_a_field_is_named_in_the_release(acme):
    before = acme.ask(CLUSTER, "GET", SERVICE)["spec"]["selector"]
    for turn in range(12):
        theirs = {"spec": {"selector": {"reconciler.dev/release": f"x{turn}"}}}
        acme.ask(CLUSTER, "PATCH", f"{SERVICE}?fieldManager=meddler", theirs, kind=MERGE)
        acme.wait(
            "it is repaired, or named",
            lambda: "meddler" in acme.reasons() or acme.ask(CLUSTER, "GET", SERVICE)["spec"]["selector"] == before,
        )
        if "meddler" in acme.reasons():
            break
    assert "meddler changes it back" in acme.reasons()
    rows = acme.stage.target(CLUSTER, "prod", "fraud-detector", "fraud").status.conditions
    assert "FoughtOver" in {row.reason for row in rows}
