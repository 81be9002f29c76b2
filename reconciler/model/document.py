"""What every document in the repository has in common."""

from typing import Literal

from reconciler.model.wire import DnsLabel, Field, Labels, Wire

API_VERSION = "reconciler.dev/v1alpha1"


class Metadata(Wire):
    """A document's name and labels."""

    name: DnsLabel
    labels: Labels = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Document(Wire):
    """`apiVersion` and `metadata`; each kind adds `kind` and `spec`."""

    api_version: Literal["reconciler.dev/v1alpha1"]
    metadata: Metadata

    @property
    def name(self) -> str:
        """The document's name."""
        return self.metadata.name


class Selector(Wire):
    """Kubernetes' equality selector; an empty one matches nothing here, so that a forgotten line releases nothing."""

    match_labels: Labels = Field(default_factory=dict)

    def matches(self, labels: Labels) -> bool:
        """True when every wanted label is there with that value, and at least one is wanted."""
        return bool(self.match_labels) and all(labels.get(key) == value for key, value in self.match_labels.items())
