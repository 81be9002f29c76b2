"""What a release says of its model beyond what runs: where it comes from, how good it is, what it is fed with.

Nothing of it changes a pod; policies require it, and compare it with what runs now.
"""

from typing import Annotated, Literal

from pydantic import StringConstraints

from reconciler.model.wire import Duration, Field, Sha256, Wire

ModelText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+/-]{0,127}$")]
Address = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9+.-]{0,31}://[A-Za-z0-9][^\s\x00-\x1f\x7f\"'`\\<>]{0,1023}$")
]
CardPlace = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][^\s\x00-\x1f\x7f\"'`\\<>]{0,1023}$")]
CommitHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{7,64}$")]
SpdxName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$")]


class Slice(Wire):
    """One evaluation on a named part of the dataset."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    value: float


class Evaluation(Wire):
    """One measured quality of the model; policies compare it with what runs now."""

    dataset: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    metric: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.@-]{0,63}$")]
    value: float
    slices: tuple[Slice, ...] = ()


class TrainingData(Wire):
    """What a model was trained on."""

    uri: Address
    """Where the data lies."""
    digest: Sha256 | None = None
    """Which data exactly."""


class TrainingRun(Wire):
    """Where a model comes from: the run that made it, the code and the data it was made with."""

    provider: ModelText
    """The tracking system: mlflow, wandb …"""
    uri: Address
    """The run's own page or address."""
    commit: CommitHex | None = None
    """The training code's commit, in hex."""
    dataset: TrainingData | None = None
    """What it was trained on."""


class SchemaChange(Wire):
    """The declaration that a new schema of the features is meant. It is about one change: the one from `from`."""

    from_digest: Sha256 = Field(alias="from")
    """The digest of the schema that runs now."""
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    """What changes, and why what calls the model is ready for it."""


class Features(Wire):
    """The features that the model is given, and by whom; a model given others than it learned answers nonsense."""

    provider: ModelText
    """The feature store: feast, tecton …"""
    service: ModelText
    """Its feature service or view."""
    schema_digest: Sha256
    """Which features with which types: a digest that the feature store or the training run gives."""
    max_age: Duration | None = None
    """How old a feature may be. For policies and people; the daemon does not measure it."""
    changed: SchemaChange | None = None
    """Says that the schema differs from the running one's on purpose."""


class Evidence(Wire):
    """What policies may require and compare with what runs now. Nothing of it changes a pod."""

    card: CardPlace | None = None
    """The model card: a path in the repository, or an address."""
    license: SpdxName | None = None
    """An SPDX identifier, such as apache-2.0."""
    risk: Literal["low", "medium", "high"] | None = None
    """How much harm a wrong answer does: policies ask more of a higher class."""
    training_run: TrainingRun | None = None
    """Where the model comes from."""
    evaluations: tuple[Evaluation, ...] = ()
    features: Features | None = None
    """What the model is fed with."""
