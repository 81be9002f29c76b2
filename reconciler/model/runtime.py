"""ServingRuntime: how a model server is started. Built-in ones (`builtin:vllm/1`) never change under their name."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from reconciler.model.document import Document
from reconciler.model.wire import DnsLabel, Field, Wire

ImageRef = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}$")]
HttpPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,1023}$")]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Argument = Annotated[str, StringConstraints(max_length=4096)]


class Port(Wire):
    """One port that the server listens on; the first one serves the model."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$")]
    port: PortNumber


class Probe(Wire):
    """An HTTP GET on the first port that must answer below 400."""

    path: HttpPath


class Probes(Wire):
    """How to ask whether a pod is ready, alive and started; `startup` defaults to `ready`."""

    ready: Probe
    live: Probe | None = None
    startup: Probe | None = None


class RuntimeSpec(Wire):
    """What a runtime adds to a release. `$(MODEL_NAME)`, `$(MODEL_PATH)`, `$(MODEL_VERSION)`: substitution only."""

    formats: tuple[str, ...] = ()
    """Model formats that it serves; empty: any."""
    image: ImageRef | None = None
    """Used when the release names none; digest-pinned."""
    command: tuple[Argument, ...] = ()
    args: tuple[Argument, ...] = ()
    ports: Annotated[tuple[Port, ...], Field(min_length=1, max_length=8)]
    probes: Probes


class ServingRuntime(Document):
    """A model server's command, ports and probes, usable from any release of the repository."""

    kind: Literal["ServingRuntime"]
    spec: RuntimeSpec


class ResolvedRuntime(Wire):
    """The runtime a release resolved to: `id` is `builtin:NAME/N` or the document's path."""

    id: str
    name: DnsLabel
    spec: RuntimeSpec
