"""Escape hatches: what a patch of the pods, further objects and ignored fields may not do, and where a person reads it."""

# ruff: noqa: E501  # the sentences stand here as they are printed

import textwrap

import pytest
from documents_samples import CLUSTER, ENVIRONMENT, RELEASE, RUNTIME

from reconciler.documents.pod_patch import pod_patch
from reconciler.documents.resolve import resolve, runtimes_of
from reconciler.documents.schema import parse
from reconciler.errors import Invalid
from reconciler.model.cluster import Cluster
from reconciler.model.release import ModelRelease

PATH = "releases/prod/fraud-detector.yaml"
SIDE = "registry.example.com/proxy@sha256:" + "ef" * 32
LINES = RELEASE[: RELEASE.index("  targets:\n")].count("\n")  # lines before what a test adds


def serving(text):
    """The release with these fields added to `serving`."""
    added = textwrap.indent(textwrap.dedent(text).strip("\n"), "    ")
    return RELEASE.replace("  targets:\n", f"{added}\n  targets:\n", 1).encode()


def resolved(text):
    environment = parse("environments/prod.yaml", ENVIRONMENT.encode())
    cluster = parse("clusters/eu-1.yaml", CLUSTER.encode()).as_(Cluster)
    return resolve(
        parse(PATH, serving(text)),
        {"prod": environment},
        runtimes_of((), [parse("runtimes/mlserver.yaml", RUNTIME.encode())]),
        {"eu-1": cluster},
        manifest_sha256="sha256:" + "11" * 32,
        repository="github.com/acme/models",
        renderer=1,
    )


def told(text):
    """Every problem as `line:column: field: message`, with lines counted from what was added."""
    with pytest.raises(Invalid) as caught:
        resolved(text)
    assert {problem.path for problem in caught.value.problems} == {PATH}
    return [f"{row.line - LINES}:{row.column}: {row.field}: {row.message}" for row in caught.value.problems]


GOOD = f"""
podTemplate:
  metadata: {{labels: {{kueue.x-k8s.io/queue-name: gpu}}, annotations: {{example.com/cost: risk}}}}
  spec:
    imagePullSecrets: [{{name: registry}}]
    priorityClassName: serving
    terminationGracePeriodSeconds: null
    topologySpreadConstraints: null
    securityContext: {{fsGroup: 2000, runAsUser: 1000}}
    hostUsers: false
    containers:
      - name: model
        env: [{{name: POD_IP, valueFrom: {{fieldRef: {{fieldPath: status.podIP}}}}}}]
        volumeMounts: [{{name: settings, mountPath: /etc/settings}}, {{name: tmp, mountPath: /tmp}}]
      - name: proxy
        image: {SIDE}
        ports: [{{name: admin, containerPort: 15000}}]
        resources: {{requests: {{cpu: 100m}}, limits: {{memory: 128Mi}}}}
        securityContext: {{readOnlyRootFilesystem: false, capabilities: {{add: [NET_BIND_SERVICE]}}, runAsUser: 1337}}
    initContainers: [{{name: warm, image: {SIDE}, restartPolicy: Always}}]
    volumes:
      - {{name: settings, configMap: {{name: settings}}}}
      - {{name: weights, image: {{reference: {SIDE}}}}}
      - {{name: token, projected: {{sources: [{{serviceAccountToken: {{audience: vault, path: token}}}}]}}}}
      - {{name: tmp, emptyDir: {{sizeLimit: 1Gi}}}}
objects:
  - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings, labels: {{a: b}}}}, data: {{a: "1"}}}}
  - {{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {{name: token, namespace: fraud}}, spec: {{}}}}
  - {{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: out}}, spec: {{podSelector: {{}}, policyTypes: [Egress]}}}}
ignore:
  - {{kind: Deployment, path: /metadata/annotations/example.com~1scaled-by}}
  - {{kind: HorizontalPodAutoscaler, path: /spec/metrics}}
  - {{kind: ConfigMap, name: settings, path: /data/a}}
  - {{kind: Deployment, path: /spec/template/spec/containers/0/resources/requests/cpu}}
"""


def test_what_the_hatches_are_for_resolves():
    found = resolved(GOOD).effective.spec.serving
    assert found.pod_template["spec"]["terminationGracePeriodSeconds"] is None
    assert [body["kind"] for body in found.objects] == ["ConfigMap", "ExternalSecret", "NetworkPolicy"]


def pod(text):
    return f"podTemplate: {{spec: {{{text}}}}}"


def model(text):
    return pod(f"containers: [{{name: model, {text}}}]")


def side(text):
    return pod(f"containers: [{{name: side, image: {SIDE}, {text}}}]")


RESTRICTED = "pods of releases are restricted"
PATCHES = [
    ("podTemplate: {kind: Pod}", "'kind' cannot be patched: the fields here are 'metadata' and 'spec'"),
    ("podTemplate: {spec: []}", "this must be a mapping"),
    ("podTemplate: {metadata: []}", "this must be a mapping"),
    ("podTemplate: {metadata: {name: x}}", "'name' cannot be patched"),
    ("podTemplate: {metadata: {labels: []}}", "this must be a mapping"),
    ("podTemplate: {metadata: {labels: {reconciler.dev/version: x}}}", "'reconciler.dev/version' is written by us"),
    ("podTemplate: {metadata: {labels: {app.kubernetes.io/name: null}}}", "'app.kubernetes.io/name' is written by us"),
    ("podTemplate: {metadata: {annotations: {reconciler.dev/model-digest: x}}}", "is written by us: choose another name"),
    ("podTemplate: {metadata: {annotations: {a: 1}}}", "this must be text: put it in quotes"),
    ("podTemplate: {metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/model: unconfined}}}", "not unconfined"),
    (pod("$patch: replace"), "directives are not read here: null removes a field"),
    (pod("imagePullSecret: []"), "'imagePullSecret' cannot be patched: did you mean 'imagePullSecrets'?"),
    (pod("imagePullSecrets: [registry]"), "this must be a list of mappings with name each"),
    (pod("hostNetwork: true"), f"{RESTRICTED}: false only"),
    (pod("hostPID: true"), f"{RESTRICTED}: false only"),
    (pod("hostUsers: true"), f"{RESTRICTED}: false only"),
    (pod("shareProcessNamespace: true"), f"{RESTRICTED}: false only"),
    (pod("automountServiceAccountToken: true"), f"{RESTRICTED}: false only"),
    (pod("serviceAccountName: admin"), "write spec.serving.access.serviceAccount instead"),
    (pod("nodeName: node-1"), "the scheduler places pods"),
    (pod("restartPolicy: Never"), "a model server is always restarted"),
    (pod("priorityClassName: system-node-critical"), "the cluster's own"),
    (pod("nodeSelector: null"), "this must be a mapping"),
    (pod("nodeSelector: {nvidia.com/gpu.product: null}"), "write spec.serving.resources.gpu.product instead"),
    (pod("securityContext: null"), "this must be a mapping"),
    (pod("securityContext: {runAsNonRoot: false}"), f"{RESTRICTED}: true only"),
    (pod("securityContext: {runAsNonRoot: 1}"), f"{RESTRICTED}: true only"),
    (pod("securityContext: {runAsUser: 0}"), "they do not run as root"),
    (pod("securityContext: {fsGroup: null}"), "this cannot be removed"),
    (pod("securityContext: {sysctls: []}"), "'sysctls' cannot be patched"),
    (pod("securityContext: {seccompProfile: {type: Unconfined}}"), "type RuntimeDefault or Localhost only"),
    (pod("securityContext: {seccompProfile: null}"), "type RuntimeDefault or Localhost only"),
    (pod("containers: null"), "this must be a list of mappings"),
    (pod("containers: [model]"), "this must be a mapping with the name of a container"),
    (pod("volumes: {}"), "this must be a list of mappings"),
    (pod("volumes: [x]"), "this must be a mapping with the name of a volume"),
    (pod("volumes: [{name: model, emptyDir: {}}]"), "'model' is the volume that the model lies in"),
    (pod("volumes: [{name: v, hostPath: {path: /}}]"), f"{RESTRICTED}: the volumes that they may have are 'configMap', 'csi'"),
    (pod("volumes: [{name: v, image: {reference: registry.example.com/w:1}}]"), "is not an image by digest"),
    (pod("volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}]"), "a token without an audience"),
    (model(f"image: {SIDE}"), "write spec.serving.image instead"),
    (model("command: [sh]"), "the runtime says what is started"),
    (model("args: null"), "write spec.serving.args instead"),
    (model("resources: {limits: {nvidia.com/gpu: 8}}"), "write spec.serving.resources instead"),
    (model("ports: []"), "write spec.serving.port"),
    (model("readinessProbe: null"), "write spec.serving.probes instead"),
    (model("env: null"), "this must be a list of mappings with name each"),
    (model("env: [{name: MODEL_PATH, value: /x}]"), "'MODEL_PATH' is decided by spec.model"),
    (model("env: [{name: API_TOKEN, value: hunter2hunter2}]"), "write valueFrom: {secretKeyRef: {name: …, key: …}} instead of value"),
    (model("volumeMounts: null"), "this must be a list of mappings with mountPath each"),
    (model("volumeMounts: [{name: v, mountPath: /models/fraud-detector}]"), "would hide the model"),
    (model("volumeMounts: [{name: v, mountPath: /models}]"), "would hide the model"),
    (model("volumeMounts: [{name: v, mountPath: /}]"), "would hide the model"),
    (model("securityContext: null"), "this must be a mapping"),
    (model("securityContext: {privileged: true}"), f"{RESTRICTED}: false only"),
    (model("securityContext: {allowPrivilegeEscalation: true}"), f"{RESTRICTED}: false only"),
    (model("securityContext: {readOnlyRootFilesystem: false}"), "mount an emptyDir to write to"),
    (model("securityContext: {capabilities: {add: [SYS_ADMIN]}}"), "may add NET_BIND_SERVICE only"),
    (model("securityContext: {capabilities: {drop: []}}"), "they drop ALL capabilities"),
    (model("securityContext: {capabilities: null}"), "write add and drop here"),
    (pod("containers: [{name: side}]"), "a container that is added needs its image"),
    (pod(f"initContainers: [{{name: model, image: {SIDE}}}]"), "'model' is the container that serves the model"),
    (side("ports: [{containerPort: 9000}]"), "'9000' is the port 'http' of the model server"),
    (side("ports: [{name: grpc, containerPort: 1}]"), "'grpc' is the port 'grpc' of the model server"),
    (side("ports: [{containerPort: 1, hostPort: 80}]"), f"{RESTRICTED}: they take no port of a node"),
    (side("ports: [http]"), "this must be a mapping with a containerPort"),
    (side("resources: {limits: {nvidia.com/gpu: 1}}"), "devices are asked for in spec.serving.resources"),
    (side("securityContext: {privileged: true}"), f"{RESTRICTED}: false only"),
    (side("stdin: true"), "'stdin' cannot be patched"),
    (pod("containers: [{name: side, image: registry.example.com/proxy:1}]"), "is not an image by digest"),
    (pod(f"containers: [{{name: side, image: {SIDE.replace('example.com', 'example.org')}}}]"), "'registry.example.org' is not allowed: the environment 'prod' allows images from 'registry.example.com'"),
    (pod(f"initContainers: [{{name: side, image: {SIDE.partition('/')[2]}}}]"), "is not allowed"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), PATCHES, ids=[row[0].replace(SIDE, "IMAGE") for row in PATCHES])
def test_a_patch_is_refused_at_its_place(text, sentence):
    (problem,) = told(text)
    assert sentence in problem
    assert problem.startswith("1:")
    assert ": spec.serving.podTemplate" in problem


def body(kind="ConfigMap", api="v1", meta="name: a", rest=""):
    return f"objects: [{{apiVersion: {api}, kind: {kind}, metadata: {{{meta}}}{', ' if rest else ''}{rest}}}]"


OBJECTS = [
    ("objects: [{kind: ConfigMap, metadata: {name: a}}]", "an object needs apiVersion, such as v1"),
    ("objects: [{apiVersion: v1, metadata: {name: a}}]", "an object needs kind, such as ConfigMap"),
    ("objects: [{apiVersion: v1, kind: ConfigMap}]", "an object needs metadata.name"),
    (body(meta="name: A_b"), "an object needs metadata.name"),
    (body(meta="generateName: a"), "an object needs metadata.name"),
    (body(api="apps/latest"), "an object needs apiVersion"),
    (body(meta="name: a, namespace: kube-system"), "a release has only its own namespace, 'fraud'"),
    (body(meta="name: a, finalizers: [x]"), "an object has name, labels and annotations here"),
    (body(meta="name: a, labels: {reconciler.dev/state: x}"), "'reconciler.dev/state' is written by us"),
    (body(meta="name: a, labels: {x: 1}"), "this must be a mapping of names to texts"),
    (body(rest="data: {port: 8080}"), "a ConfigMap holds texts only"),
    (body(rest="status: {}"), "a status is written by the cluster"),
    (body("Secret", rest="stringData: {a: b}"), "write an ExternalSecret or a SealedSecret"),
    (body("Secret"), "'Secret' is not allowed"),
    (body("ServiceAccount"), "write spec.serving.access.serviceAccount instead"),
    (body("Role", "rbac.authorization.k8s.io/v1"), "it gives rights"),
    (body("ClusterRoleBinding", "rbac.authorization.k8s.io/v1"), "it gives rights"),
    (body("ReferenceGrant", "gateway.networking.k8s.io/v1beta1"), "it gives rights"),
    (body("Namespace"), "it does not lie in a namespace"),
    (body("CustomResourceDefinition", "apiextensions.k8s.io/v1"), "it does not lie in a namespace"),
    (body("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1"), "it does not lie in a namespace"),
    (body("Pod"), "it would run pods that no policy sees"),
    (body("Deployment", "apps/v1"), "it would run pods that no policy sees"),
    (body("CronJob", "batch/v1"), "it would run pods that no policy sees"),
    (body("Widget", "example.com/v1", rest="spec: {template: {spec: {containers: [{name: a}]}}}"), "'Widget' with containers is not allowed: it would run pods"),
    (body("HorizontalPodAutoscaler", "autoscaling/v2"), "write spec.serving.replicas instead"),
    (body("PodDisruptionBudget", "policy/v1"), "write spec.serving.disruption instead"),
    (body("TargetState", "reconciler.dev/v1alpha1"), "these are the daemon's own"),
    (body("Service", rest="spec: {type: ExternalName}"), "an ExternalName leaves the namespace"),
    (body("Service", rest="spec: {externalIPs: [192.0.2.1]}"), "it leads traffic to addresses of its own"),
    (body("Service", meta="name: fraud-detector"), "Service 'fraud-detector' is made for the release itself"),
    (body("Service", meta="name: fraud-detector-0123456789"), "is made for the release itself"),
    (body("NetworkPolicy", "networking.k8s.io/v1", rest="spec: {podSelector: {}, ingress: [{}]}"), "callers are named in spec.serving.access.allowFrom"),
    ("objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}, {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}]", "ConfigMap 'a' stands in objects[0] too"),
    (body(rest="data: {key: AKIAABCDEFGHIJKLMNOP}"), "this looks like an AWS access key"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), OBJECTS, ids=[row[0] for row in OBJECTS])
def test_an_object_is_refused_at_its_place(text, sentence):
    (problem,) = told(text)
    assert sentence in problem
    assert problem.startswith("1:")
    assert ": spec.serving.objects[" in problem


def leave(path, kind="Deployment", name=""):
    return f"ignore: [{{kind: {kind}, {f'name: {name}, ' if name else ''}path: {path}}}]"


IGNORED = [
    (leave("metadata"), "'metadata' does not fit: write a JSON pointer"),
    (leave("/"), "does not fit: write a JSON pointer"),
    (leave("/metadata//name"), "does not fit: write a JSON pointer"),
    (leave("/metadata/labels/a~b"), "does not fit: write a JSON pointer"),
    (leave("/metadata/annotations/"), "does not fit: write a JSON pointer"),
    (leave("/spec/selector"), "'/spec/selector' would leave /spec/selector of Deployment to others"),
    (leave("/spec/selector/matchLabels"), "would leave /spec/selector of Deployment"),
    (leave("/spec"), "would leave /spec/selector of Deployment"),
    (leave("/spec/template/spec/containers/0/image"), "would leave /spec/template/spec/containers/*/image of Deployment"),
    (leave("/spec/template/spec/containers"), "would leave /spec/template/spec/containers/*/name of Deployment"),
    (leave("/spec/template/spec/containers/0"), "an entry of a list cannot be ignored"),
    (leave("/spec/template/spec/containers/-"), "an entry of a list cannot be ignored"),
    (leave("/spec/template/spec/containers/0/securityContext/privileged"), "securityContext of Deployment"),
    (leave("/metadata/labels/reconciler.dev~1state"), "would leave /metadata/labels/reconciler.dev~1* of Deployment"),
    (leave("/metadata/labels"), "would leave /metadata/labels/app.kubernetes.io~1managed-by of Deployment"),
    (leave("/metadata/name"), "would leave /metadata/name of Deployment"),
    (leave("/spec/podSelector", "NetworkPolicy"), "would leave /spec of NetworkPolicy"),
    (leave("/spec/minReplicas", "HorizontalPodAutoscaler"), "would leave /spec/minReplicas"),
    (leave("/metadata/annotations/a", "Deploymnt"), "this release has no 'Deploymnt': did you mean 'Deployment'?"),
    (leave("/data/a", "ConfigMap"), "this release has no 'ConfigMap'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), IGNORED, ids=[row[0] for row in IGNORED])
def test_an_ignored_field_is_refused_at_its_place(text, sentence):
    (problem,) = told(text)
    assert sentence in problem
    assert problem.startswith("1:")
    assert ": spec.serving.ignore[0]." in problem


SMOKES = [
    ("path: infer", "'infer' does not fit: write the path of a URL"),
    ("path: /../../api/v1/secrets", "the request goes through the API server: write its path without"),
    ("path: /a/%2e%2e/b", "the request goes through the API server"),
    ("path: //a", "the request goes through the API server"),
    ("path: /a, method: GET, body: x", "a GET has no body"),
    ("path: /a, method: DELETE", "this must be 'GET', 'POST' or 'PUT'"),
    ("path: /a, expect: 100", "this must be at least 200"),
    ("path: /a, contains: ''", "this must not be empty"),
    ("path: /a, body: {a: 1}", "this must be text, not a mapping"),
    ("path: /a, timeout: 5s", "unknown field"),
    ("path: /a, body: 'Bearer ghp_abcdefghijklmnopqrstuvwx'", "this looks like a GitHub token"),
]


@pytest.mark.parametrize(("text", "sentence"), SMOKES, ids=[row[0] for row in SMOKES])
def test_a_smoke_request_is_refused_at_its_place(text, sentence):
    (problem,) = told(f"startup: {{smoke: {{{text}}}}}")
    assert sentence in problem
    assert problem.startswith("1:")


def test_a_place_is_that_of_the_line_itself():
    problems = told(
        """
        podTemplate:
          spec:
            volumes:
              - name: host
                hostPath: {path: /etc}
        objects:
          - apiVersion: v1
            kind: Secret
            metadata: {name: a}
        """
    )
    assert [row.partition(": ")[0] for row in problems] == ["5:23", "8:15"]
    assert problems[1].startswith("8:15: spec.serving.objects[0].kind: 'Secret' is not allowed:")


def test_without_an_environment_and_a_runtime_the_rest_is_still_told():
    spec = parse(PATH, serving(side("stdin: true"))).as_(ModelRelease).spec.whole
    assert [path[-1] for path, _ in pod_patch(spec, None, None)] == ["stdin"]
