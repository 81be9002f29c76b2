"""What is installed: definitions as the models are, rights as they are used, a restricted pod."""

from pathlib import Path

import pytest
import yaml

from reconciler.config import Config
from reconciler.edges.kube.resources import KNOWN
from reconciler.model.wire import quantity_value
from reconciler.render.crds import manifests

DEPLOY = Path(__file__).parents[2] / "deploy"
STATE = {"get", "list", "watch", "create", "patch", "update"}
RENDERED = {"get", "list", "watch", "create", "patch", "delete"}

HOME = {
    ("reconciler.dev", "repositorystates"): STATE,
    ("reconciler.dev", "releasestates"): STATE | {"delete"},
    ("coordination.k8s.io", "leases"): {"get", "create", "update"},
    ("", "events"): {"create"},
}
TARGET = {
    ("reconciler.dev", "targetstates"): STATE | {"delete"},
    ("", "serviceaccounts"): RENDERED,
    ("", "services"): RENDERED,
    ("apps", "deployments"): RENDERED,
    ("apps", "deployments/scale"): {"patch", "update"},
    ("autoscaling", "horizontalpodautoscalers"): RENDERED,
    ("policy", "poddisruptionbudgets"): RENDERED,
    ("batch", "jobs"): RENDERED,
    ("networking.k8s.io", "networkpolicies"): RENDERED,
    ("", "configmaps"): RENDERED,
    ("", "persistentvolumeclaims"): RENDERED,
    ("monitoring.coreos.com", "podmonitors"): RENDERED,
    ("", "pods"): {"get", "list"},
    ("", "pods/proxy"): {"get", "create", "update"},
    ("", "pods/log"): {"get", "list"},
    ("", "events"): {"get", "list", "create"},
    ("", "namespaces"): {"get"},
}


def documents(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def one(name, kind, called):
    (found,) = (each for each in documents(name) if (each["kind"], each["metadata"]["name"]) == (kind, called))
    return found


def rights(role):
    out = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                out.setdefault((group, resource), set()).update(rule["verbs"])
    return out


def test_the_definitions_are_those_of_the_models():
    kept = {path.name: path.read_text() for path in (DEPLOY / "crds").iterdir()}
    assert kept == manifests(), "run `python deploy/generate.py`"


def test_home_may_do_what_it_does_and_nothing_more():
    assert rights(one("rbac.yaml", "Role", "reconciler-home")) == HOME


def test_outside_its_namespace_home_may_only_read_which_cluster_it_is():
    (rule,) = one("rbac.yaml", "ClusterRole", "reconciler-home")["rules"]
    assert rule == {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]}


def test_a_target_cluster_lets_us_do_what_we_do_and_nothing_more():
    assert rights(one("rbac.yaml", "ClusterRole", "reconciler-target")) == TARGET


def test_every_kind_that_is_rendered_may_be_applied_and_pruned():
    golden = Path(__file__).parents[1] / "render" / "golden"
    kinds = {
        (document["apiVersion"].rpartition("/")[0], document["kind"])
        for path in golden.glob("*-*.yaml")
        for document in yaml.safe_load_all(path.read_text())
        if "kind" in document
    }
    plurals = {(group, KNOWN[group, kind].plural) for group, kind in kinds} | {("monitoring.coreos.com", "podmonitors")}
    assert plurals == {resource for resource, verbs in TARGET.items() if verbs == RENDERED}


def test_a_further_kind_is_for_whoever_runs_the_cluster_to_allow():
    role = one("rbac.yaml", "ClusterRole", "reconciler-further-kinds")
    assert "rules" not in role  # or installing again would take the operator's away
    (selector,) = role["aggregationRule"]["clusterRoleSelectors"]
    assert selector == {"matchLabels": {"reconciler.dev/further-kinds": "true"}}


def test_no_right_is_a_wildcard_and_no_secret_is_readable():
    for role in (each for each in documents("rbac.yaml") if "rules" in each):
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "secrets" not in rule["resources"]


def test_every_binding_binds_a_role_that_is_here_to_the_daemon():
    bindings = [each for each in documents("rbac.yaml") if each["kind"].endswith("Binding")]
    assert len(bindings) == 4
    for binding in bindings:
        one("rbac.yaml", binding["roleRef"]["kind"], binding["roleRef"]["name"])
        (subject,) = binding["subjects"]
        one("rbac.yaml", subject["kind"], subject["name"])


def test_the_daemons_pod_is_restricted():
    (deployment,) = documents("deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert quantity_value(container["resources"]["limits"]["memory"]) > 0


def test_the_daemon_is_one_writer():
    (deployment,) = documents("deployment.yaml")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_secrets_are_mounted_for_their_owner_only():
    (deployment,) = documents("deployment.yaml")
    secrets = [each["secret"] for each in deployment["spec"]["template"]["spec"]["volumes"] if "secret" in each]
    assert [secret["defaultMode"] for secret in secrets] == [0o400] * 4


@pytest.fixture
def example():
    """The configuration that the README shows."""
    text = (DEPLOY / "README.md").read_text()
    return Config.from_data(yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0]))


def test_the_configuration_in_the_readme_is_valid_and_names_files_that_are_mounted(example):
    (deployment,) = documents("deployment.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    (repository,) = example.repositories
    credentials = repository.credentials
    for path in (
        repository.trust, credentials.ssh_key_file, credentials.known_hosts_file, example.signing.key_file,
        example.clusters.kubeconfig_dir, example.data,
    ):  # fmt: skip
        assert any(path == mount or path.startswith(mount + "/") for mount in mounts), path


def test_the_probes_ask_where_the_configuration_listens(example):
    (deployment,) = documents("deployment.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    port, web = container["ports"]
    assert example.listen.address() == ("0.0.0.0", port["containerPort"])  # noqa: S104  # in the pod
    assert (web["name"], web["containerPort"]) == ("web", example.listen.web_address()[1])
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == port["name"]
