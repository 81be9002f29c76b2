"""What the tests of the command line share: a small repository of documents, keys made here, a trust file."""

from dataclasses import dataclass, field
from pathlib import Path

from reconciler.cli.signing import make_key
from reconciler.edges.git import Actor
from reconciler.edges.git.checkout import Checkout

REPOSITORY = "github.com/acme/models"
ADA = Actor(name="Ada", email="ada@example.com")
_A, _B = "a" * 64, "b" * 64

ENVIRONMENT = """\
apiVersion: reconciler.dev/v1alpha1
kind: Environment
metadata: {name: prod}
spec:
  namespaces: [fraud]
  clusters: {matchLabels: {tier: prod}}
  registries: [registry.example.com]
"""
CLUSTER = """\
apiVersion: reconciler.dev/v1alpha1
kind: Cluster
metadata: {name: eu-1, labels: {tier: prod}}
spec: {connection: {kubeconfig: home}}
"""
RELEASE = f"""\
apiVersion: reconciler.dev/v1alpha1
kind: ModelRelease
metadata: {{name: fraud}}
spec:
  environment: prod
  model:
    name: fraud
    version: 1.4.0
    uri: oci://registry.example.com/models/fraud@sha256:{_A}
    digest: sha256:{_A}
    format: onnx
  serving:
    runtime: generic
    image: registry.example.com/servers/onnx@sha256:{_B}
    port: 8080
    resources: {{cpu: "1", memory: 2Gi}}
    replicas: {{min: 2, max: 2}}
  targets: {{namespace: fraud, clusters: {{matchLabels: {{tier: prod}}}}}}
"""
POLICY = """\
apiVersion: reconciler.dev/v1alpha1
kind: Policy
metadata: {name: two-replicas}
spec:
  validations:
    - expression: release.spec.serving.replicas.min >= 2
      message: fewer than two replicas
"""
POLICY_TEST = """\
apiVersion: reconciler.dev/v1alpha1
kind: PolicyTest
metadata: {name: two-replicas-test}
spec:
  policy: two-replicas
  release: {RELEASE}
  cases:
    - name: two are enough
      release: {serving: {replicas: {min: 2, max: 2}}}
      expect: {result: pass}
    - name: one is not
      release: {serving: {replicas: {min: 1, max: 2}}}
      expect: {result: fail, message: fewer than two}
"""
DOCUMENTS = {
    "environments/prod.yaml": ENVIRONMENT,
    "clusters/eu-1.yaml": CLUSTER,
    "releases/prod/fraud.yaml": RELEASE,
    "policies/two-replicas.yaml": POLICY,
}


def policy_test(text: str = POLICY_TEST) -> str:
    """The test of POLICY, with RELEASE's spec in it as one line of YAML."""
    import orjson
    import yaml

    return text.replace("{RELEASE}", orjson.dumps(yaml.safe_load(RELEASE)["spec"]).decode())


@dataclass
class World:
    """A clone with the documents, committed; keys and the trust file lie beside it."""

    folder: Path
    keys: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = self.folder / "models"
        self.checkout = Checkout.init(self.root)
        self.checkout.set_config("reconciler.repository", REPOSITORY)
        for path, text in DOCUMENTS.items():
            self.write(path, text)
        self.checkout.commit("documents", ADA)

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def key(self, name: str) -> Path:
        if name not in self.keys:
            self.keys[name] = self.folder / f"{name}-key"
            make_key(self.keys[name], name)
        return self.keys[name]

    def public(self, name: str) -> str:
        line = self.key(name).with_name(f"{name}-key.pub").read_text()
        return " ".join(line.split()[:2])

    def trust(self, **roles: str) -> Path:
        """A trust file in which every named person has one role: platform configures and releases, science releases,
        risk approves and lead removes in prod."""
        people = "\n".join(
            f"    - {{name: {name}, roles: [{role}], keys: [{{key: {self.public(name)}}}]}}"
            for name, role in (roles or {"ada": "platform"}).items()
        )
        file = self.folder / "trust.yaml"
        file.write_text(
            f"""\
apiVersion: reconciler.dev/v1alpha1
kind: Trust
spec:
  repository: {REPOSITORY}
  version: 1
  threshold: {{role: platform, count: 1}}
  daemon: [{{key: {self.public("daemon")}}}]
  people:
{people}
  allow:
    - {{role: platform, may: [release], environments: ["*"]}}
    - {{role: risk, may: [approve], environments: [prod]}}
    - {{role: lead, may: [remove], environments: [prod]}}
    - {{role: platform, may: [configure], paths: ["**"]}}
    - {{role: science, may: [release], environments: [prod]}}
""",
            encoding="utf-8",
        )
        return file
