"""Server-side apply: who owns which field, who is in whose way, and what an apply that changes nothing leaves alone."""

import pytest
from api_server import APPLY, MERGE, path_of, placed
from contract_samples import configmap, configmaps, deployment, deployments, gadget
from render_cases import CASES, rendering


def at(server, namespace, name="a"):
    return server.get(configmaps(namespace, name))


def apply(server, namespace, data, manager="reconciler", **params):
    return server.apply(configmaps(namespace, "a"), configmap("a", data), manager, **params)


def owned(obj, manager="reconciler", subresource=None):
    """The fields of a manager, from its entry in managedFields."""
    entries = obj["metadata"].get("managedFields", ())
    found = [each for each in entries if each["manager"] == manager and each.get("subresource") == subresource]
    return found[0]["fieldsV1"] if found else None


def test_an_apply_creates_what_is_not_there(api_server, namespace):
    status, made = apply(api_server, namespace, {"x": "1"})
    assert (status, made["data"]) == (201, {"x": "1"})
    (entry,) = made["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("reconciler", "Apply", "v1")
    assert entry["fieldsV1"] == {"f:data": {"f:x": {}}}


def test_an_apply_changes_what_is_its_own(api_server, namespace):
    apply(api_server, namespace, {"x": "1"})
    status, changed = apply(api_server, namespace, {"x": "2"})
    assert (status, changed["data"]) == (200, {"x": "2"})


def test_the_same_apply_again_changes_nothing(api_server, namespace):
    _, made = apply(api_server, namespace, {"x": "1"})
    status, again = apply(api_server, namespace, {"x": "1"})
    assert (status, again) == (200, made)


def test_a_field_that_is_no_longer_applied_is_removed(api_server, namespace):
    apply(api_server, namespace, {"x": "1", "y": "1"})
    _, changed = apply(api_server, namespace, {"x": "1"})
    assert changed["data"] == {"x": "1"}
    assert owned(changed) == {"f:data": {"f:x": {}}}


def test_a_field_that_another_applies_too_stays_when_it_is_dropped(api_server, namespace):
    apply(api_server, namespace, {"x": "1", "y": "1"})
    apply(api_server, namespace, {"y": "1"}, manager="other")
    _, changed = apply(api_server, namespace, {"x": "1"})
    assert changed["data"] == {"x": "1", "y": "1"}
    assert owned(changed, "other") == {"f:data": {"f:y": {}}}


def test_another_managers_field_is_a_conflict_that_names_it(api_server, namespace):
    apply(api_server, namespace, {"x": "1"}, manager="other")
    status, body = apply(api_server, namespace, {"x": "2"})
    assert (status, body["reason"]) == (409, "Conflict")
    assert body["message"] == 'Apply failed with 1 conflict: conflict with "other": .data.x'
    assert body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "other"', "field": ".data.x"}
    ]
    assert at(api_server, namespace)["data"] == {"x": "1"}


def test_a_conflict_with_an_update_says_how_and_when(api_server, namespace):
    apply(api_server, namespace, {"x": "1"})
    patch = {"data": {"x": "2"}}
    api_server.ok("PATCH", configmaps(namespace, "a"), patch, MERGE, {"fieldManager": "kubectl-edit"})
    status, body = apply(api_server, namespace, {"x": "1"})
    assert status == 409
    assert body["message"].startswith('Apply failed with 1 conflict: conflict with "kubectl-edit" using v1')
    assert body["message"].endswith(": .data.x")


def test_many_conflicts_are_all_told(api_server, namespace):
    apply(api_server, namespace, {"x": "1", "y": "1"}, manager="other")
    apply(api_server, namespace, {"z": "1"}, manager="third")
    status, body = apply(api_server, namespace, {"x": "2", "y": "2", "z": "2"})
    assert (status, len(body["details"]["causes"])) == (409, 3)
    lines = ['Apply failed with 3 conflicts: conflicts with "other":', "- .data.x", "- .data.y"]
    assert body["message"].split("\n") == [*lines, 'conflicts with "third":', "- .data.z"]


def test_the_same_value_as_another_managers_is_shared(api_server, namespace):
    apply(api_server, namespace, {"x": "1"}, manager="other")
    status, body = apply(api_server, namespace, {"x": "1"})
    assert status == 200
    assert owned(body) == owned(body, "other") == {"f:data": {"f:x": {}}}


def test_force_takes_the_field_over(api_server, namespace):
    apply(api_server, namespace, {"x": "1", "y": "1"}, manager="other")
    status, body = apply(api_server, namespace, {"x": "2"}, force="true")
    assert (status, body["data"]) == (200, {"x": "2", "y": "1"})
    assert owned(body) == {"f:data": {"f:x": {}}}
    assert owned(body, "other") == {"f:data": {"f:y": {}}}


def test_an_update_takes_fields_over_without_asking(api_server, namespace):
    apply(api_server, namespace, {"x": "1", "y": "1"})
    patch = {"data": {"x": "2"}}
    body = api_server.ok("PATCH", configmaps(namespace, "a"), patch, MERGE, {"fieldManager": "kubectl-edit"})
    assert owned(body) == {"f:data": {"f:y": {}}}
    assert owned(body, "kubectl-edit") == {"f:data": {"f:x": {}}}


def test_a_dry_run_shows_the_outcome_and_changes_nothing(api_server, namespace):
    status, body = apply(api_server, namespace, {"x": "1"}, dryRun="All")
    assert (status, body["data"]) == (201, {"x": "1"})
    assert api_server.request("GET", configmaps(namespace, "a"))[0] == 404
    _, made = apply(api_server, namespace, {"x": "1"})
    status, body = apply(api_server, namespace, {"x": "2"}, dryRun="All")
    assert (status, body["data"]) == (200, {"x": "2"})
    assert at(api_server, namespace) == made


def test_a_dry_run_tells_a_conflict(api_server, namespace):
    apply(api_server, namespace, {"x": "1"}, manager="other")
    assert apply(api_server, namespace, {"x": "2"}, dryRun="All")[0] == 409


def test_an_apply_needs_to_say_who_it_is(api_server, namespace):
    path = configmaps(namespace, "a")
    status, body = api_server.request("PATCH", path, configmap("a"), APPLY)
    assert (status, body["reason"]) == (422, "Invalid")
    assert "fieldManager" in body["message"]


def test_an_apply_of_managed_fields_is_refused(api_server, namespace):
    body = configmap("a", managedFields=[{"manager": "x"}])
    status, answer = api_server.apply(configmaps(namespace, "a"), body)
    assert status == 400
    assert answer["message"] == "metadata.managedFields must be nil"


def test_an_unknown_field_is_refused_and_nothing_is_made(api_server, namespace):
    body = {**configmap("a"), "spek": {}}
    status, answer = api_server.apply(configmaps(namespace, "a"), body)
    assert status in {400, 500}
    assert "spek" in answer["message"]
    assert api_server.request("GET", configmaps(namespace, "a"))[0] == 404


def test_items_of_a_list_with_keys_belong_to_whoever_put_them(api_server, namespace):
    path = deployments(namespace, "d")
    api_server.apply(path, deployment("d", replicas=0))
    sidecar = {"name": "sidecar", "image": "side:1"}
    other = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"template": {"spec": {"containers": [sidecar]}}},
    }
    status, both = api_server.apply(path, other, manager="injector")
    assert status == 200, both
    assert [each["name"] for each in both["spec"]["template"]["spec"]["containers"]] == ["model", "sidecar"]
    _, again = api_server.apply(path, deployment("d", replicas=0, image="img:2"))
    images = [each["image"] for each in again["spec"]["template"]["spec"]["containers"]]
    assert images == ["img:2", "side:1"]


def test_a_default_of_the_server_belongs_to_nobody(api_server, namespace):
    _, made = api_server.apply(deployments(namespace, "d"), deployment("d", paused=True))
    assert made["spec"]["replicas"] == 1
    assert "f:replicas" not in owned(made)["f:spec"]
    assert "f:strategy" not in owned(made)["f:spec"]


def test_a_size_set_by_a_second_manager_survives_an_apply_without_replicas(api_server, namespace):
    path = deployments(namespace, "d")
    api_server.apply(path, deployment("d"))
    size = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": 3}}
    status, _ = api_server.apply(f"{path}/scale", size, manager="reconciler-scale", force="true")
    assert status == 200
    _, again = api_server.apply(path, deployment("d", image="img:2"))
    assert again["spec"]["replicas"] == 3
    assert owned(again, "reconciler-scale", "scale") == {"f:spec": {"f:replicas": {}}}


def test_a_size_merged_into_the_scale_survives_and_belongs_to_nobody(api_server, namespace):
    """A Scale that nobody owned a field of is not tracked when it is patched: so it is on a real server."""
    path = deployments(namespace, "d")
    api_server.apply(path, deployment("d"))
    size = {"spec": {"replicas": 2}}
    scaled = api_server.ok("PATCH", f"{path}/scale", size, MERGE, {"fieldManager": "reconciler-scale"})
    assert (scaled["kind"], scaled["spec"]) == ("Scale", {"replicas": 2})
    _, again = api_server.apply(path, deployment("d"))
    assert again["spec"]["replicas"] == 2
    assert owned(again, "reconciler-scale", "scale") is None


def test_labels_and_annotations_of_others_stay(api_server, namespace):
    api_server.ok("POST", configmaps(namespace), configmap("a", labels={"theirs": "1"}, annotations={"theirs": "1"}))
    body = configmap("a", labels={"ours": "1"}, annotations={"ours": "1"})
    _, both = api_server.apply(configmaps(namespace, "a"), body)
    assert both["metadata"]["labels"] == both["metadata"]["annotations"] == {"theirs": "1", "ours": "1"}
    _, without = api_server.apply(configmaps(namespace, "a"), configmap("a"))
    assert without["metadata"]["labels"] == {"theirs": "1"}


def test_a_custom_object_is_applied_by_its_schema(api_server, namespace, gadgets):
    path = f"{gadgets}/namespaces/{namespace}/gadgets/g"
    parts = [{"name": "a", "weight": 1}, {"name": "b", "weight": 2}]
    status, made = api_server.apply(path, gadget("g", parts=parts))
    assert status == 201, made
    assert made["spec"]["mode"] == "slow"
    assert set(owned(made)["f:spec"]["f:parts"]) == {'k:{"name":"a"}', 'k:{"name":"b"}'}
    other = {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}}
    other = {**other, "spec": {"size": 1, "parts": [{"name": "c", "weight": 3}]}}
    _, both = api_server.apply(path, other, manager="other")
    assert [each["name"] for each in both["spec"]["parts"]] == ["a", "b", "c"]
    _, less = api_server.apply(path, gadget("g", parts=parts[:1]))
    assert [each["name"] for each in less["spec"]["parts"]] == ["a", "c"]


GOLDEN = {
    f"{name}: {rendered.ref.kind} {rendered.ref.name}": rendered
    for name, entries in CASES.items()
    for rendered in rendering(*entries).objects
}


@pytest.fixture(scope="module")
def models(api_server):
    return api_server.namespace()


@pytest.mark.parametrize("name", GOLDEN)
def test_of_every_rendered_object_we_own_what_we_sent_and_nothing_else(name, api_server, models):
    """The same field set on both servers, because both must equal the one that the payload spells out."""
    body = placed(GOLDEN[name].body, models)
    status, kept = api_server.apply(path_of(body), body, force="true")
    assert status in {200, 201}, kept
    sent = {key: value for key, value in body.items() if key not in {"apiVersion", "kind"}}
    sent["metadata"] = {key: sent["metadata"][key] for key in sent["metadata"] if key not in {"name", "namespace"}}
    assert owned(kept) == fields(sent)


ATOMIC = {"selector", "matchLabels", "from", "nodeSelector", "metrics", "ingress", "policyTypes",
          "podSelector", "args", "secretKeyRef", "tolerations", "labelSelector", "accessModes"}  # fmt: skip
KEYS = {
    **dict.fromkeys(("containers", "initContainers", "env", "volumes", "imagePullSecrets"), ("name",)),
    "volumeMounts": ("mountPath",), "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}  # fmt: skip
WHOLE = {"imagePullSecrets"}  # items that have an owner as a whole
PORTS = {"containerPort": ("containerPort", "protocol"), "port": ("port", "protocol")}


def fields(value):
    """The field set of applied data, by the lists and maps that Kubernetes declares atomic or keyed."""
    tree = {}
    for name, child in value.items():
        if name in ATOMIC or not isinstance(child, dict | list) or not child:
            tree[f"f:{name}"] = {}
        elif isinstance(child, dict):
            tree[f"f:{name}"] = fields(child)
        else:
            tree[f"f:{name}"] = items(name, child)
    return tree


def items(name, values):
    if not isinstance(values[0], dict):
        return {}
    keys = KEYS.get(name) or next(keys for marker, keys in PORTS.items() if marker in values[0])
    spelt = "{" + ",".join('"{}":{}' for _ in keys) + "}"
    tree = {}
    for each in values:
        words = [part for key in keys for part in (key, f'"{each[key]}"' if isinstance(each[key], str) else each[key])]
        tree["k:" + spelt.replace("{}", "%s") % tuple(words)] = {} if name in WHOLE else {".": {}, **fields(each)}
    return tree
