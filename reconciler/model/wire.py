"""The base of everything that crosses a wire, and the typed scalars that documents are written in.

Rules: unknown fields are errors, nothing is coerced, names are camelCase on the wire and snake_case here. Quantities,
durations and percentages are parsed here and nowhere else.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Self

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, StringConstraints
from pydantic import Field as Field  # noqa: PLC0414  # re-exported: one import for the models
from pydantic.alias_generators import to_camel
from pydantic.json_schema import WithJsonSchema

# Patterns are run by the Rust engine of pydantic and by editors (ECMAScript): in both, $ is the very end of the text.
SHA256 = r"^sha256:[0-9a-f]{64}$"
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"

_DURATION = re.compile(r"(?:(?P<d>[0-9]{1,6})d)?(?:(?P<h>[0-9]{1,6})h)?(?:(?P<m>[0-9]{1,6})m)?(?:(?P<s>[0-9]{1,8})s)?")
_QUANTITY = re.compile(r"(?P<number>[0-9]{1,19}(?:\.[0-9]{1,6})?)(?P<suffix>m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")
_SUFFIXES = {
    "m": Decimal("0.001"), "": Decimal(1), "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9),
    "T": Decimal(10**12), "P": Decimal(10**15), "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
    "Ti": Decimal(2**40), "Pi": Decimal(2**50),
}  # fmt: skip


class Wire(BaseModel):
    """A strict frozen value with a JSON form. `from_json(to_json(x)) == x`."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """The value of plain JSON data; raises pydantic's ValidationError with every problem."""
        return cls.model_validate_json(orjson.dumps(data))

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data with camelCase names; fields that still have their default are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def to_full_data(self) -> dict[str, Any]:
        """Plain JSON data with camelCase names and every field, defaults included."""
        return self.model_dump(mode="json", by_alias=True)


def parse_duration(text: str) -> timedelta:
    """`90s`, `10m`, `24h`, `30d`, `1h30m` as a timedelta; raises ValueError."""
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"'{text}' is not a duration such as 90s, 10m, 24h or 30d")
    days, hours, minutes, seconds = (int(match[unit] or 0) for unit in "dhms")
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The shortest form that `parse_duration` reads back."""
    rest = int(value.total_seconds())
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def quantity_value(text: str) -> Decimal:
    """A Kubernetes quantity (`500m`, `16Gi`, `2`) in its base unit; raises ValueError."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a quantity such as 500m, 2 or 16Gi")
    return Decimal(match["number"]) * _SUFFIXES[match["suffix"] or ""]


def _duration(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


def _check_quantity(value: str) -> str:
    quantity_value(value)
    return value


def _percent(value: str) -> str:
    if not 1 <= int(value.removesuffix("%")) <= 100:  # noqa: PLR2004  # a percentage
        raise ValueError(f"'{value}' is not between 1% and 100%")
    return value


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs its zone: write 2026-12-01T09:00:00Z")
    return value.astimezone(UTC)


def format_time(value: datetime) -> str:
    """RFC 3339 in UTC, to the second: what Kubernetes and the ledger write."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$", "examples": ["10m"]}),
]
Quantity = Annotated[
    str,
    AfterValidator(_check_quantity),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$", "examples": ["500m", "16Gi"]}
    ),
]
Percent = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}%$"), AfterValidator(_percent)]
Time = Annotated[datetime, AfterValidator(_aware), PlainSerializer(format_time, return_type=str)]
Sha256 = Annotated[str, StringConstraints(pattern=SHA256)]
DnsLabel = Annotated[str, StringConstraints(pattern=DNS_LABEL)]
LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")]
LabelKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
    ),
]
Labels = dict[LabelKey, LabelValue]
