"""Environment variables of containers, as documents write them."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import StringConstraints, model_validator

from reconciler.model.wire import DnsLabel, Wire

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class SecretKeyRef(Wire):
    """One key of a Secret in the release's namespace."""

    name: DnsLabel
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,253}$")]


class EnvVar(Wire):
    """One environment variable: a literal, or a reference to a Secret's key."""

    name: EnvName
    value: Annotated[str, StringConstraints(max_length=4096)] | None = None
    secret_key_ref: SecretKeyRef | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "EnvVar":
        if (self.value is None) == (self.secret_key_ref is None):
            raise ValueError(f"'{self.name}' needs exactly one of value and secretKeyRef")
        return self


def distinct_names(env: Iterable[EnvVar]) -> None:
    """Raise ValueError when two variables have one name."""
    names = [variable.name for variable in env]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"env names '{name}' twice")
