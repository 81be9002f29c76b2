"""ModelRelease: one model in one environment, and the effective form of it that a target renders."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, StringConstraints, model_validator

from reconciler.model.document import Document, Metadata, Selector
from reconciler.model.evidence import Evidence, ModelText
from reconciler.model.hooks import Hooks
from reconciler.model.ids import EnvironmentName, Version
from reconciler.model.objects import config_named
from reconciler.model.part import Part, PartOf
from reconciler.model.runtime import Argument, HttpPath, ImageRef, PortNumber, Probes, ResolvedRuntime
from reconciler.model.variables import EnvVar, distinct_names
from reconciler.model.windows import Schedule
from reconciler.model.wire import (
    DnsLabel,
    Duration,
    Field,
    LabelKey,
    LabelValue,
    Percent,
    Quantity,
    Sha256,
    Wire,
    format_duration,
    quantity_value,
)

MAX_NAME = 40
SHORTEST_STARTUP = timedelta(seconds=30)
LONGEST_STARTUP = timedelta(hours=2)
ReleaseLabel = Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$")]
ModelUri = Annotated[
    str, StringConstraints(pattern=r"^(oci|s3|gs|hf|https|pvc)://[A-Za-z0-9][^\s\x00-\x1f\x7f\"'`\\<>]{0,1023}$")
]
WebAddress = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9][^\s\x00-\x1f\x7f\"'`\\<>]{0,1023}$")]
KindName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]{0,63}$")]
ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]{0,198}[a-z0-9])?$")]
JsonPointer = Annotated[str, StringConstraints(pattern=r"^(/([^/~\x00-\x1f]|~[01])+){1,32}$", max_length=1024)]
ShortText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][^\x00-\x1f\x7f]{0,127}$")]


class Model(Wire):
    """The artifact: where it lies and, by digest, exactly which one it is."""

    name: ModelText
    version: ModelText
    """The model version people speak of (1.4.0); `digest` is what counts."""
    uri: ModelUri
    digest: Sha256
    format: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]


class Links(Wire):
    """Whom to ask, and where to look, when something is wrong."""

    owner: ShortText | None = None
    """The team or person who answers for the model."""
    runbook: WebAddress | None = None
    """Where on-call finds what to do."""
    incident: ShortText | None = None
    """Where an incident is opened, such as pagerduty/fraud."""


class Gpu(Wire):
    """GPUs per pod."""

    count: Annotated[int, Field(ge=1, le=64)]
    product: LabelValue | None = None
    """The node label nvidia.com/gpu.product."""


class Resources(Wire):
    """Per pod. CPU is a request, memory both request and limit, GPUs a limit."""

    cpu: Quantity
    memory: Quantity
    gpu: Gpu | None = None


class ScaleMetric(Wire):
    """What the autoscaler follows."""

    type: Literal["cpu", "memory"]
    target: Percent


class Replicas(Wire):
    """How many pods; an autoscaler is made when max is above min."""

    min: Annotated[int, Field(ge=1, le=1000)]
    max: Annotated[int, Field(ge=1, le=1000)]
    metric: ScaleMetric = ScaleMetric(type="cpu", target="70%")

    @model_validator(mode="after")
    def _ordered(self) -> "Replicas":
        if self.max < self.min:
            raise ValueError(f"max {self.max} is below min {self.min}")
        return self


class Toleration(Wire):
    """A Kubernetes toleration."""

    key: LabelKey
    operator: Literal["Exists", "Equal"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class Placement(Wire):
    """Where pods may run."""

    node_selector: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    topology_spread: Literal["zone", "node"] | None = None


class Disruption(Wire):
    """What a node drain may take away at once."""

    max_unavailable: Annotated[int, Field(ge=1, le=1000)] = 1


def _plain_path(path: str) -> str:
    """A path that means the same to everything it goes through: the API server and what stands before it."""
    if "%" in path or "//" in path or {".", ".."} & set(path.partition("?")[0].split("/")):
        raise ValueError("the request goes through the API server: write its path without '%', '//', '/./' and '/../'")
    return path


class Smoke(Wire):
    """One request to a ready pod of a new version; until it is answered as expected, the version is not healthy."""

    path: Annotated[HttpPath, AfterValidator(_plain_path)]
    """Path (and query) on the runtime's first port."""
    method: Literal["GET", "POST", "PUT"] | None = None
    """`POST` where there is a body, else `GET`."""
    body: Annotated[str, StringConstraints(min_length=1, max_length=16384)] | None = None
    """What is sent: JSON, or plain text. Never a secret: whoever can read the repository can read it."""
    expect: Annotated[int, Field(ge=200, le=599)] = 200
    """The HTTP status that the pod must answer."""
    contains: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    """A text that the first 64 KiB of the answer must contain."""

    @model_validator(mode="after")
    def _sendable(self) -> "Smoke":
        if self.body is not None and self.method == "GET":
            raise ValueError("a GET has no body: write method: POST, or leave the body away")
        return self

    @property
    def verb(self) -> str:
        """The HTTP method in force."""
        return self.method or ("GET" if self.body is None else "POST")


class Startup(Wire):
    """How long a pod may take to come up, and what it must answer then."""

    budget: Duration = timedelta(minutes=5)
    """From a container's start to its first ready answer, 30s to 2h: loading the model and warming up."""
    smoke: Smoke | None = None
    """One request that a new version must answer before it counts as healthy."""

    @model_validator(mode="after")
    def _bounded(self) -> "Startup":
        if not SHORTEST_STARTUP <= self.budget <= LONGEST_STARTUP:
            raise ValueError(f"a startup budget of {format_duration(self.budget)} is not between 30s and 2h")
        return self


class AllowFrom(Wire):
    """Pods of one namespace that may call the model."""

    namespace: DnsLabel


class Access(Wire):
    """Identity of the pods, and who may call them."""

    service_account: DnsLabel | None = None
    """Made by us; default: the release's name."""
    allow_from: tuple[AllowFrom, ...] = ()
    """Empty: only pods of the release's own namespace."""


class Ignore(Wire):
    """One field that is left to others: neither sent nor compared."""

    kind: KindName
    """The kind of the rendered objects, such as `Deployment`."""
    name: ObjectName | None = None
    """Only the object of this name; an object of a version may be named without the version's digits."""
    path: JsonPointer
    """A JSON pointer into the object, such as `/metadata/annotations/example.com~1scaled-by`."""


def object_name(body: dict[str, Any]) -> str:
    """`metadata.name` of one of `objects`; empty where there is none."""
    meta = body.get("metadata")
    return str(meta.get("name", "")) if isinstance(meta, dict) else ""


class ModelCheck(Wire):
    """How a model that the cluster does not check is compared with its digest before the server starts."""

    image: ImageRef
    """Any image with `python3` (3.8 or newer), by digest."""


class Serving(Wire):
    """How the model is served."""

    runtime: DnsLabel
    image: ImageRef | None = None
    port: PortNumber | None = None
    """Overrides the runtime's first port."""
    probes: Probes | None = None
    """Overrides the runtime's probes."""
    args: tuple[Argument, ...] = ()
    env: tuple[EnvVar, ...] = ()
    resources: Resources
    replicas: Replicas
    startup: Startup = Startup()
    placement: Placement = Placement()
    disruption: Disruption = Disruption()
    access: Access = Access()
    check: ModelCheck | None = None
    """Of a model at `pvc://` or `https://`; without it nobody compares such a model with its digest."""
    pod_template: dict[str, Any] = Field(default_factory=dict)
    """A strategic merge patch over the rendered pod template; `null` removes a field."""
    objects: Annotated[tuple[dict[str, Any], ...], Field(max_length=20)] = ()
    """Further Kubernetes objects in the release's namespace."""
    ignore: Annotated[tuple[Ignore, ...], Field(max_length=50)] = ()
    """Fields of rendered objects that are left to others."""

    @property
    def own_config(self) -> tuple[dict[str, Any], ...]:
        """Those ConfigMaps of `objects` that `podTemplate` names: pods read them, so every version has its own."""
        named = config_named(self.pod_template)
        return tuple(body for body in self.objects if body.get("kind") == "ConfigMap" and object_name(body) in named)

    @model_validator(mode="after")
    def _distinct_env(self) -> "Serving":
        distinct_names(self.env)
        return self


class Targets(Wire):
    """Which clusters, and which namespace on them."""

    namespace: DnsLabel
    clusters: Selector


class Rollout(Wire):
    """How one version follows another."""

    strategy: Literal["rolling", "recreate"] = "rolling"


class Dependency(Wire):
    """Another release that must run as declared before a change of this one starts."""

    name: ReleaseLabel
    environment: DnsLabel | None = None
    """Where that release is; default: the same environment."""


class ReleaseSpec(Wire):
    """What runs, where, and how it gets there."""

    environment: DnsLabel
    depends_on: Annotated[tuple[Dependency, ...], Field(max_length=20)] = ()
    """Releases that must be Promoted and healthy before a change of this one starts."""
    state: Literal["active", "retired"] = "active"
    """`retired`: scaled to zero on every cluster, its objects kept; it comes back by `active`."""
    model: Model
    evidence: Evidence = Evidence()
    serving: Serving
    hooks: Hooks = Hooks()
    targets: Targets
    rollout: Rollout = Rollout()
    schedule: Schedule = Schedule()
    links: Links = Links()


MERGEABLE = frozenset({"serving", "targets", "rollout", "schedule", "links"})
"""What an environment may have a baseline for; every other field says what one release is, and stands in its file."""


class ReleaseMetadata(Metadata):
    """A release's name has at most 40 characters: a version's digest is added to it."""

    name: ReleaseLabel


class ModelRelease(Document):
    """One model in one environment.

    `spec` is what the release's file says; what it leaves out comes from its environment's `spec.defaults`.
    """

    kind: Literal["ModelRelease"]
    metadata: ReleaseMetadata
    spec: Annotated[Part[ReleaseSpec], PartOf(model=ReleaseSpec, mergeable=MERGEABLE)]

    @property
    def environment(self) -> EnvironmentName:
        """The signed environment."""
        return EnvironmentName(self.spec.data["environment"])

    @property
    def depends_on(self) -> tuple[Dependency, ...]:
        """The releases that must run before a change of this one; it has no baseline."""
        if self.spec.whole is not None:
            return self.spec.whole.depends_on
        return tuple(Dependency.from_data(entry) for entry in self.spec.data.get("dependsOn", ()))

    @property
    def runtime(self) -> str:
        """The runtime that it names itself; empty when it leaves that to its environment."""
        return runtime_in(self.spec)


def runtime_in(part: Part[ReleaseSpec]) -> str:
    """The runtime that a part of a spec names; empty when it names none."""
    return str(part.data.get("serving", {}).get("runtime", ""))


class Effective(Wire):
    """A release with everything resolved: all that a target needs to render it, without Git and without home.

    `renderer` is the number of the renderer that this version was made for; an old one keeps being rendered with it.
    """

    renderer: int
    version: Version
    manifest: Sha256
    """sha256 of the manifest's bytes."""
    repository: str
    name: ReleaseLabel
    labels: dict[str, str]
    image: ImageRef
    spec: ReleaseSpec
    runtime: ResolvedRuntime

    @property
    def retired(self) -> bool:
        """True when nothing of it is to serve."""
        return self.spec.state == "retired"

    @property
    def gpus(self) -> int:
        """GPUs of one pod."""
        gpu = self.spec.serving.resources.gpu
        return gpu.count if gpu else 0

    @property
    def memory(self) -> Decimal:
        """Bytes of memory of one pod."""
        return quantity_value(self.spec.serving.resources.memory)
