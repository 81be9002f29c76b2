"""What is installed works on a server: definitions that keep our state whole, rights that are just enough."""

import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "render"))

import render_cases as cases
from api_server import collection_of, condition, differences, path_of, placed

from reconciler.model.objects import SCALE_MANAGER
from reconciler.model.repository import RepositoryState
from reconciler.model.state import ReleaseState, TargetState, pack

DEPLOY = Path(__file__).parents[2] / "deploy"
DAEMON = {
    "Impersonate-User": "system:serviceaccount:reconciler-system:reconciler",
    "Impersonate-Group": "system:serviceaccounts",
}
ONE = cases.CASES["onnx-on-generic"]
OURS = "/apis/reconciler.dev/v1alpha1"
SINCE = "2026-11-24T09:00:00Z"
CONDITIONS = [
    {"type": "Ready", "status": "True", "reason": "Promoted", "message": "1.4.0 is Healthy", "since": SINCE},
    {"type": "Held", "status": "False", "reason": "NoGateClosed", "since": SINCE},
]
STABLE = cases.fraud("1.4.0")
RELEASE = {"repository": cases.REPOSITORY, "environment": "prod", "name": "fraud-detector"}
DIRECTIVE = cases.directive((STABLE, "stable", 2, 10)).to_data()
VERSION = {
    "version": STABLE.version, "modelVersion": "1.4.0", "manifest": STABLE.manifest, "closure": cases.sha("closure"),
}  # fmt: skip


def release_state():
    status = {
        "revision": "8d" * 20, "closure": cases.sha("closure"), "manifest": STABLE.manifest, "modelVersion": "1.5.0",
        "phase": "Promoted", "since": SINCE, "stable": VERSION, "conditions": CONDITIONS,
        "gates": [{"kind": "Signature", "open": False, "reason": "Unsigned", "message": "no signature"}],
        "verdicts": [
            {"name": "p", "source": "builtin:baseline", "result": "pass", "values": {"a": [1, {"b": None}]}}
        ],
        "directives": {"eu-1": DIRECTIVE}, "effective": {STABLE.version: pack(STABLE)},
        "history": [{**VERSION, "revision": "8d" * 20, "at": SINCE, "keys": ["k"]}],
        "outbox": [
            {"record": {"time": SINCE, "kind": "Promoted", "repository": "r", "detail": {"a": {"b": 1}}}}
        ],
    }  # fmt: skip
    return ReleaseState.from_data({"release": RELEASE, "status": status})


def target_state():
    entry = {"api": "v1", "kind": "Service", "name": "x", "tier": 3, "rendered": cases.sha("x")}
    health = {"replicas": 1, "ready": 1, "wanted": 1, "healthy": True}
    status = {
        "sequence": 7, "serving": "1.4.0", "inventory": [entry], "versions": {STABLE.version: health},
        "conditions": CONDITIONS,
    }  # fmt: skip
    data = {"release": RELEASE, "cluster": "eu-1", "home": "u", "directive": DIRECTIVE, "status": status}
    return TargetState.from_data({**data, "effective": {STABLE.version: pack(STABLE)}})


def repository_state():
    accepted = {"a/b.yaml": {"kind": "Policy", "name": "x", "blob": "ab" * 20, "sha256": cases.sha("file")}}
    status = {"revision": "8d" * 20, "accepted": accepted, "sequence": 3, "conditions": CONDITIONS}
    return RepositoryState.from_data({"repository": cases.REPOSITORY, "branch": "main", "status": status})


STATES = {
    "a full ReleaseState": release_state().to_data(),
    "a full ReleaseState with its defaults": release_state().to_full_data(),
    "an empty ReleaseState": ReleaseState.from_data({"release": RELEASE}).to_data(),
    "a full TargetState": target_state().to_data(),
    "a full TargetState with its defaults": target_state().to_full_data(),
    "a full RepositoryState": repository_state().to_data(),
    "a full RepositoryState with its defaults": repository_state().to_full_data(),
}


@pytest.fixture(scope="module")
def server(api_server):
    """A server with our definitions."""
    for path in sorted((DEPLOY / "crds").glob("*.yaml")):
        api_server.install_crd(yaml.safe_load(path.read_text()))
    return api_server


@pytest.fixture(scope="module")
def namespace(server):
    return server.namespace()


def state(kind, data, namespace, name="one"):
    spec = {key: value for key, value in data.items() if key != "status"}
    body = {"apiVersion": "reconciler.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}
    return {**body, "spec": spec, "status": data.get("status", {})}


def create(server, body):
    return server.request("POST", collection_of(body), body, params={"fieldValidation": "Strict"})


@pytest.mark.parametrize("path", sorted((DEPLOY / "crds").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_definition_is_established_and_structural(path, server):
    found = server.get(path_of(yaml.safe_load(path.read_text())))
    assert condition(found, "Established") == "True"
    assert condition(found, "NonStructuralSchema") is None


@pytest.mark.parametrize("name", STATES)
def test_a_state_object_comes_back_as_it_was_written(name, server, namespace):
    body = state(name.split()[2], STATES[name], namespace, name.lower().replace(" ", "-"))
    status, kept = create(server, body)
    assert (status, server.warnings) == (201, []), kept
    assert differences(body, kept) == []


def test_a_field_that_the_definition_lacks_is_refused_and_not_dropped(server, namespace):
    data = release_state().to_data()
    data["status"]["phaze"] = 1
    status, answer = create(server, state("ReleaseState", data, namespace, "misspelt"))
    assert status == 400
    assert 'unknown field "status.phaze"' in answer["message"]


def test_the_state_of_a_release_shows_in_columns(server, namespace):
    body = state("ReleaseState", release_state().to_data(), namespace, "shown")
    create(server, body)
    table = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
    shown = server.ok("GET", path_of(body), headers=table)
    row = dict(zip((each["name"] for each in shown["columnDefinitions"]), shown["rows"][0]["cells"], strict=True))
    assert row["Name"] == "shown"
    assert "Promoted" in row.values()


@pytest.fixture(scope="module")
def installed(control_plane):
    """A real server with everything of deploy/ but the daemon itself."""
    for path in sorted((DEPLOY / "crds").glob("*.yaml")):
        control_plane.install_crd(yaml.safe_load(path.read_text()))
    for body in yaml.safe_load_all((DEPLOY / "rbac.yaml").read_text()):
        status, answer = control_plane.apply(path_of(body), body, manager="test", force="true")
        assert (status in {200, 201}, control_plane.warnings) == (True, []), answer
    return control_plane


@pytest.mark.controlplane
def test_the_daemon_itself_is_accepted_by_a_restricted_namespace(installed):
    (body,) = yaml.safe_load_all((DEPLOY / "deployment.yaml").read_text())
    status, answer = installed.apply(path_of(body), body, manager="test", dryRun="All")
    assert (status in {200, 201}, installed.warnings) == (True, []), answer


@pytest.mark.controlplane
def test_the_daemon_may_do_with_every_rendered_object_what_it_does(installed):
    namespace = installed.namespace()
    objects = {each.ref: placed(each.body, namespace) for case in cases.CASES.values() for each in done(case)}
    for body in objects.values():
        path = path_of(body)
        assert allowed(installed, "PATCH", path, body, fieldManager="reconciler", force="true"), path
        assert allowed(installed, "GET", path), path
        everywhere = collection_of(body).replace(f"/namespaces/{namespace}", "")
        assert allowed(installed, "GET", everywhere, limit=1), everywhere
        with installed.watch(everywhere, DAEMON):
            pass  # allowed: it asserts the 200
    for body in objects.values():
        assert allowed(installed, "DELETE", path_of(body)), body["kind"]


@pytest.mark.controlplane
def test_the_daemon_may_scale_and_an_apply_leaves_the_size(installed):
    namespace = installed.namespace()
    (body,) = (placed(each.body, namespace) for each in done(ONE) if each.ref.kind == "Deployment")
    apply = {"fieldManager": "reconciler", "force": "true"}
    assert allowed(installed, "PATCH", path_of(body), body, **apply)
    size = {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 3}}
    status, _ = installed.request(
        "PATCH", f"{path_of(body)}/scale", size, "application/merge-patch+json", {"fieldManager": SCALE_MANAGER}, DAEMON
    )
    assert status == 200
    assert allowed(installed, "PATCH", path_of(body), body, **apply)
    assert installed.get(path_of(body))["spec"]["replicas"] == 3


READS = {
    "which cluster this is": ("/api/v1/namespaces/kube-system", True),
    "whether a namespace is there": ("/api/v1/namespaces/default", True),
    "why a pod is not ready": ("/api/v1/namespaces/default/pods", True),
    "its events": ("/api/v1/namespaces/default/events", True),
    "the releases of its own namespace": (f"{OURS}/namespaces/reconciler-system/releasestates", True),
    "all targets of the cluster": (f"{OURS}/targetstates", True),
    "what a group has": ("/apis/apps/v1", True),
    "secrets": ("/api/v1/namespaces/default/secrets", False),
    "all secrets": ("/api/v1/secrets", False),
    "releases of other namespaces": (f"{OURS}/releasestates", False),
    "nodes": ("/api/v1/nodes", False),
    "all namespaces": ("/api/v1/namespaces", False),
    "config maps, which releases may bring": ("/api/v1/configmaps", True),
    "all jobs, which hooks are": ("/apis/batch/v1/jobs", True),
    "kinds that nobody allowed": ("/apis/batch/v1/cronjobs", False),
}  # fmt: skip


@pytest.mark.controlplane
@pytest.mark.parametrize("what", READS)
def test_the_daemon_may_read(what, installed):
    path, expected = READS[what]
    assert allowed(installed, "GET", path) == expected


def done(case):
    return cases.rendering(*case).objects


def allowed(server, method, path, body=None, **params):
    """As the daemon: True when done, False when forbidden; anything else is an error."""
    kind = "application/apply-patch+yaml" if method == "PATCH" else None
    status, answer = server.request(method, path, body, kind, params, DAEMON)
    assert status in {200, 201, 403}, answer
    return status != 403
