"""Valid documents that the tests of this room change in one place."""

DIGEST = "sha256:" + "ab" * 32
IMAGE = "registry.example.com/serving/mlserver@sha256:" + "cd" * 32

RELEASE = f"""\
apiVersion: reconciler.dev/v1alpha1
kind: ModelRelease
metadata:
  name: fraud-detector
  labels: {{team: risk}}
spec:
  environment: prod
  model:
    name: fraud-detector
    version: 1.4.0
    uri: oci://registry.example.com/models/fraud-detector@{DIGEST}
    digest: {DIGEST}
    format: onnx
  evidence:
    evaluations:
      - {{dataset: holdout-2026-10, metric: auc, value: 0.953, slices: [{{name: new-accounts, value: 0.941}}]}}
  serving:
    runtime: mlserver
    image: {IMAGE}
    port: 9000
    probes: {{ready: {{path: /v2/health/ready}}}}
    args: ["--workers", "2"]
    env:
      - name: LOG_LEVEL
        value: info
      - name: API_TOKEN
        secretKeyRef: {{name: fraud-secrets, key: token}}
    resources: {{cpu: "2", memory: 8Gi, gpu: {{count: 1, product: NVIDIA-H100-80GB-HBM3}}}}
    replicas: {{min: 2, max: 10, metric: {{type: cpu, target: 70%}}}}
    placement:
      nodeSelector: {{pool: gpu}}
      tolerations: [{{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}}]
      topologySpread: zone
    disruption: {{maxUnavailable: 1}}
    access: {{serviceAccount: fraud, allowFrom: [{{namespace: checkout}}]}}
  targets:
    namespace: fraud
    clusters: {{matchLabels: {{tier: prod}}}}
  rollout: {{strategy: rolling}}
"""

ENVIRONMENT = """\
apiVersion: reconciler.dev/v1alpha1
kind: Environment
metadata: {name: prod}
spec:
  namespaces: [fraud, llm]
  clusters: {matchLabels: {tier: prod}}
  registries: [registry.example.com]
  modelSources: [oci, s3]
  rollback: {depth: 3, maxAge: 30d}
  selfHeal: true
  policies: {bundle: strict, params: {not-worse: {margin: 0.02}}, off: [{name: two-replicas, reason: batch}]}
  windows:
    timeZone: Europe/Berlin
    allow: [{cron: "0 9 * * MON-THU", duration: 8h}]
    deny: [{cron: "0 0 20 12 *", duration: 21d, reason: year end}]
    overrun: finish
"""

CLUSTER = """\
apiVersion: reconciler.dev/v1alpha1
kind: Cluster
metadata: {name: eu-1, labels: {region: eu, tier: prod}}
spec:
  connection: {kubeconfig: fleet, context: eu-1}
  suspend: false
"""

RUNTIME = f"""\
apiVersion: reconciler.dev/v1alpha1
kind: ServingRuntime
metadata: {{name: mlserver}}
spec:
  formats: [sklearn, onnx]
  image: {IMAGE}
  args: ["--model", "$(MODEL_PATH)"]
  ports: [{{name: http, port: 8080}}, {{name: grpc, port: 8081}}]
  probes: {{ready: {{path: /v2/health/ready}}, live: {{path: /v2/health/live}}}}
"""

POLICY = """\
apiVersion: reconciler.dev/v1alpha1
kind: Policy
metadata: {name: owner-named, annotations: {severity: low}}
spec:
  match: {environments: [prod], operations: [Create, Update]}
  params: {margin: 0.02}
  variables: [{name: labels, expression: release.metadata.labels}]
  validations:
    - expression: "'team' in variables.labels"
      message: name a team
      reason: NoOwner
  validationActions: [Warn]
"""

POLICY_TEST = """\
apiVersion: reconciler.dev/v1alpha1
kind: PolicyTest
metadata: {name: owner-named}
spec:
  policy: owner-named
  cases:
    - {name: a team is named, release: {environment: prod}, expect: {result: pass}}
    - name: nobody is named
      release: {}
      now: 2026-12-01T09:00:00Z
      expect: {result: warn, rule: 1}
"""

TRUST = """\
apiVersion: reconciler.dev/v1alpha1
kind: Trust
spec:
  repository: github.com/acme/models
  version: 1
  threshold: {role: owner, count: 1}
  people:
    - name: bo
      roles: [owner]
      keys: [{key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvR5nHdY8rZ7Jv6sXbQ0lq3a9m0yqkq3V9y2b8l1m4P bo}]
  allow:
    - {role: owner, may: [release], environments: ["*"]}
"""

HOLD = """\
apiVersion: reconciler.dev/v1alpha1
kind: Hold
metadata: {name: incident-4711}
spec:
  selector: {environments: [prod], matchLabels: {team: risk}}
  reason: incident 4711
  until: 2026-12-02T09:00:00Z
  releasedBy: platform
"""

WAIVER = """\
apiVersion: reconciler.dev/v1alpha1
kind: Waiver
metadata: {name: fraud-eval-slice}
spec:
  policy: evaluations-not-worse
  selector: {names: [fraud-detector], environments: [prod]}
  reason: the old holdout has a labelling error
  expires: 2026-12-31T00:00:00Z
"""

SAMPLES = {
    "Hold": HOLD,
    "Waiver": WAIVER,
    "Cluster": CLUSTER,
    "Environment": ENVIRONMENT,
    "ModelRelease": RELEASE,
    "Policy": POLICY,
    "PolicyTest": POLICY_TEST,
    "ServingRuntime": RUNTIME,
    "Trust": TRUST,
}


def changed(text: str, old: str, new: str) -> bytes:
    """The sample with one place changed; the place must be there exactly once."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the sample"
    return text.replace(old, new).encode()
