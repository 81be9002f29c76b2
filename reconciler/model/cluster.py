"""Cluster: how to reach one cluster. Its labels are what releases and environments select by."""

from typing import Annotated, Literal

from pydantic import StringConstraints, model_validator

from reconciler.model.document import Document
from reconciler.model.wire import DnsLabel, Wire


class Connection(Wire):
    """Exactly one of a context of a kubeconfig in the daemon's `clusters.kubeconfigDir`, and `inCluster: true`."""

    kubeconfig: DnsLabel | None = None
    context: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@:/-]{0,252}$")] | None = None
    in_cluster: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> "Connection":
        if self.in_cluster == (self.kubeconfig is not None):
            raise ValueError("connection needs exactly one of kubeconfig and inCluster: true")
        if self.context is not None and self.kubeconfig is None:
            raise ValueError("context needs a kubeconfig")
        return self


class ClusterSpec(Wire):
    """One cluster."""

    connection: Connection
    suspend: bool = False
    """True: we send it nothing, not even repair or rollback; it counts as unreachable."""


class Cluster(Document):
    """One Kubernetes cluster that targets may run on."""

    kind: Literal["Cluster"]
    spec: ClusterSpec
