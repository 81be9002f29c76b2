"""What a release adds of its own, on a stage: the daemon is a process, and two clusters do what clusters do."""

import json
from collections.abc import Iterator

import pytest
from stage_lab import DEFINITIONS, DEPLOYMENTS, MERGE, Lab, lab

from reconciler.demo.story import PROD
from reconciler.model.ids import short
from reconciler.model.state import Phase

CLUSTER = "us-1"
CONFIGMAPS = "/api/v1/namespaces/fraud/configmaps"
MONITORS = "/apis/monitoring.coreos.com/v1/namespaces/llm/podmonitors"
WIDGETS = "/apis/example.com/v1/namespaces/fraud/widgets"
SIDE = "registry.example.com/proxy@sha256:" + "ef" * 32
REPLICAS = "    replicas: {min: 2, max: 6}\n"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("serving") / "acme") as made:
        yield made
        assert "Traceback" not in made.log()


def definition(group: str, plural: str, kind: str) -> dict:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "kind": kind, "singular": kind.lower()}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    meta = {"name": f"{plural}.{group}"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec}


def write(acme: Lab, added: str) -> None:
    """Bo merges the production release with these lines in `serving`, signed."""
    path = acme.work / PROD
    text = path.read_text()
    start = text.index("    # added\n") if "    # added\n" in text else text.index(REPLICAS)
    text = text[:start] + (f"    # added\n{added}" if added else "") + text[text.index(REPLICAS) :]
    path.write_text(text)
    acme.organisation.sign(PROD, acme.organisation.person("bo"))
    acme.commit("Change how it is served")


def promoted(acme: Lab) -> bool:
    status = acme.status()
    return status.phase is Phase.PROMOTED and status.revision.startswith(acme.git("rev-parse", "HEAD")[:40])


def stable(acme: Lab) -> str:
    return short(acme.status().stable.version)


def configs(acme: Lab) -> dict[str, dict]:
    found = acme.ask(CLUSTER, "GET", CONFIGMAPS)["items"]
    return {row["metadata"]["name"]: row for row in found if row["metadata"]["name"] != "kube-root-ca.crt"}


HATCHES = f"""\
    podTemplate:
      spec:
        containers:
          - name: proxy
            image: {SIDE}
          - name: model
            volumeMounts: [{{name: settings, mountPath: /etc/settings}}]
        volumes: [{{name: settings, configMap: {{name: settings}}}}]
    objects:
      - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings}}, data: {{mode: fast}}}}
      - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: notes}}, data: {{owner: risk}}}}
    ignore:
      - {{kind: ConfigMap, name: notes, path: /data/level}}
    startup: {{smoke: {{path: /v1/models/fraud, body: "{{}}", contains: '"path":"/v1/models/fraud"'}}}}
"""


@pytest.mark.slow
def test_a_sidecar_its_settings_and_a_smoke_request_come_with_a_new_version(acme):
    write(acme, HATCHES)
    acme.wait("it is promoted with its sidecar", lambda: promoted(acme) and len(configs(acme)) == 2)
    (deployment,) = (
        row for row in acme.ask(CLUSTER, "GET", DEPLOYMENTS)["items"] if row["metadata"]["name"].endswith(stable(acme))
    )
    pod = deployment["spec"]["template"]["spec"]
    assert [row["name"] for row in pod["containers"]] == ["model", "proxy"]
    assert {"name": "settings", "configMap": {"name": f"settings-{stable(acme)}", "defaultMode": 420}} in pod["volumes"]
    assert set(configs(acme)) == {"notes", f"settings-{stable(acme)}"}
    target = acme.stage.target(CLUSTER, "prod", "fraud-detector", "fraud")
    assert target.status.smokes[acme.status().stable.version].passed
    assert {row.kind for row in target.status.inventory} >= {"ConfigMap", "Deployment"}


@pytest.mark.slow
def test_what_somebody_changes_in_it_is_repaired_and_what_is_ignored_is_not(acme):
    uid = configs(acme)["notes"]["metadata"]["uid"]
    change = {"data": {"owner": "nobody", "level": "7"}}
    acme.ask(CLUSTER, "PATCH", f"{CONFIGMAPS}/notes?fieldManager=scaler", change, kind=MERGE)
    acme.ask(CLUSTER, "DELETE", f"{CONFIGMAPS}/settings-{stable(acme)}")
    acme.restart()  # or wait: such kinds are listed every ten minutes
    acme.wait("the deleted one is made again", lambda: f"settings-{stable(acme)}" in configs(acme))
    acme.wait("ours is repaired", lambda: configs(acme)["notes"]["data"] == {"owner": "risk", "level": "7"})
    assert configs(acme)["notes"]["metadata"]["uid"] == uid


@pytest.mark.slow
def test_an_object_changes_in_place_and_goes_when_it_is_no_longer_named(acme):
    before = stable(acme)
    write(acme, HATCHES.replace("owner: risk", "owner: lending"))
    acme.wait("it is changed", lambda: configs(acme)["notes"]["data"]["owner"] == "lending")
    assert stable(acme) == before
    gone = HATCHES.replace(
        "      - {apiVersion: v1, kind: ConfigMap, metadata: {name: notes}, data: {owner: risk}}\n", ""
    )
    write(acme, gone.replace("name: notes, ", ""))
    acme.wait("it is pruned", lambda: "notes" not in configs(acme))
    assert stable(acme) == before


@pytest.mark.slow
def test_settings_that_pods_read_are_another_version(acme):
    before = stable(acme)
    write(acme, HATCHES.replace("mode: fast", "mode: slow"))
    acme.wait("another version is promoted", lambda: promoted(acme) and stable(acme) != before)
    found = configs(acme)
    assert found[f"settings-{stable(acme)}"]["data"] == {"mode": "slow"}
    assert found[f"settings-{before}"]["data"] == {"mode": "fast"}  # kept, as its version is, for a return at once


@pytest.mark.slow
def test_somebody_elses_object_of_that_name_is_named_and_untouched(acme):
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {"a": "1"}}
    acme.ask(CLUSTER, "POST", CONFIGMAPS, theirs)
    body = "      - {apiVersion: v1, kind: ConfigMap, metadata: {name: theirs}, data: {b: '2'}}\n"
    write(acme, HATCHES.replace("    ignore:\n", f"{body}    ignore:\n"))
    acme.wait("it is named", lambda: "ConfigMap fraud/theirs on us-1 was not made by us" in acme.reasons())
    assert configs(acme)["theirs"]["data"] == {"a": "1"}
    acme.revert()
    acme.wait("it is promoted", lambda: promoted(acme))
    acme.ask(CLUSTER, "DELETE", f"{CONFIGMAPS}/theirs")


@pytest.mark.slow
def test_a_cluster_that_does_not_know_a_kind_holds_itself_and_says_so(acme):
    acme.ask("eu-1", "POST", DEFINITIONS, definition("example.com", "widgets", "Widget"))
    widget = "      - {apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, spec: {size: 1}}\n"
    write(acme, HATCHES.replace("    ignore:\n", f"{widget}    ignore:\n"))
    acme.wait("it is named", lambda: "does not serve Widget of example.com/v1; install its CRD" in acme.reasons())
    acme.wait("the other cluster has it", lambda: acme.ask("eu-1", "GET", f"{WIDGETS}/w")["spec"] == {"size": 1})
    rows = acme.stage.target(CLUSTER, "prod", "fraud-detector", "fraud").status.conditions
    assert "KindMissing" in {row.reason for row in rows}
    acme.ask(CLUSTER, "POST", DEFINITIONS, definition("example.com", "widgets", "Widget"))
    acme.wait("it goes on", lambda: acme.ask(CLUSTER, "GET", f"{WIDGETS}/w")["spec"] == {"size": 1}, seconds=150)
    acme.wait("it is promoted", lambda: promoted(acme))


@pytest.mark.slow
def test_a_new_version_that_answers_wrongly_takes_no_pod_from_the_old_one_and_is_named(acme):
    before = stable(acme)
    fault = "    podTemplate:\n      metadata: {annotations: {fault.test/mode: badanswer}}\n"
    write(acme, HATCHES.replace("    podTemplate:\n", fault))
    acme.wait("it is named", lambda: "answered 500 instead of 200 to POST /v1/models/fraud" in acme.reasons())
    rows = acme.stage.target(CLUSTER, "prod", "fraud-detector", "fraud").status
    assert "SmokeFailed" in {row.reason for row in rows.versions.values()}
    assert "cannot compute" in json.dumps(rows.to_data())
    sizes = {
        row["metadata"]["name"][-10:]: row["spec"]["replicas"] for row in acme.ask(CLUSTER, "GET", DEPLOYMENTS)["items"]
    }
    assert sizes[before] >= 2
    assert stable(acme) == before
    acme.revert()
    acme.wait("the good version is back alone", lambda: promoted(acme) and stable(acme) == before)


@pytest.mark.slow
def test_podmonitors_are_made_where_the_kind_is_and_restart_nothing(acme):
    def uids(path: str) -> set[str]:
        return {row["metadata"]["uid"] for row in acme.ask("eu-1", "GET", path)["items"]}

    pods = uids("/api/v1/namespaces/llm/pods")
    acme.ask("eu-1", "POST", DEFINITIONS, definition("monitoring.coreos.com", "podmonitors", "PodMonitor"))
    acme.restart()  # or wait: what a cluster has is asked every ten minutes
    acme.wait("it is made", lambda: acme.ask("eu-1", "GET", MONITORS)["items"])
    (found,) = acme.ask("eu-1", "GET", MONITORS)["items"]
    assert found["spec"]["podMetricsEndpoints"] == [{"port": "http", "path": "/metrics"}]
    assert uids("/api/v1/namespaces/llm/pods") == pods != set()
    acme.ask("eu-1", "DELETE", f"{DEFINITIONS}/podmonitors.monitoring.coreos.com")
    acme.restart()
    owner = acme.stage._key("prod", "support-chat")

    def forgotten() -> bool:
        target = acme.stage.target("eu-1", owner.environment, owner.name, "llm")
        return "PodMonitor" not in {row.kind for row in target.status.inventory}

    acme.wait("without the kind it is forgotten", forgotten)
    assert acme.status("prod", "support-chat").phase is Phase.PROMOTED
