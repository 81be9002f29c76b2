"""A part of a spec: what one file says of it, while another file may say the rest.

Not the whole: `documents/complete` lays a release over its environment's baseline, and the model of the whole judges
what comes of it. Rules: what is written is checked as strictly as in a whole (unknown fields, types, conflicts inside
a mapping that lacks nothing); only what is not written is no error, and in a list every entry is whole, for a list is
replaced and never merged. Nothing is null, but inside of what is free (a patch, a foreign object): a line without a
value would mean something else over a baseline than alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args, get_origin

import orjson
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from reconciler.model.wire import Wire

W = TypeVar("W", bound=Wire)

NULL = "this is empty: write a value, or leave the field out"
NO_BASELINE = "this cannot have a baseline, for it says what one release is: write it in every release"
ELSEWHERE = "required of a release and its environment's spec.defaults together"
"""What the JSON Schema says of a field that must stand in one of the two files."""

_KINDS = frozenset(get_args(core_schema.ErrorType))
_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[W]):
    """What one file says, as plain data with the published names; `whole` is the model of it when nothing lacks."""

    data: Mapping[str, Any] = field(default_factory=dict)
    whole: W | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOf:
    """The annotation of a field that holds a part of `model`.

    `mergeable` are the fields that either part may give. A baseline (`under`) has these alone; what lies over it has
    all of the others, whole.
    """

    model: type[Wire]
    mergeable: frozenset[str]
    under: bool = False

    @property
    def fields(self) -> list[str]:
        """The published names of the fields that may stand here."""
        names = [info.alias or name for name, info in self.model.model_fields.items()]
        return [name for name in names if name in self.mergeable] if self.under else names

    def read(self, value: Any) -> Part[Any]:
        """The part that plain data is; raises pydantic's ValidationError with everything wrong with it."""
        if isinstance(value, Part):
            return value
        refused = self._refused(value) if self.under and isinstance(value, dict) else []
        written = {name: inner for name, inner in value.items() if name not in refused} if refused else value
        text = orjson.dumps(written)
        rows: list[ErrorDetails] = []
        whole: Wire | None = None
        try:
            whole = self.model.model_validate_json(text, by_alias=True, by_name=False)
        except ValidationError as error:
            rows = [row for row in error.errors(include_url=False) if not self._may_lack(row)]
        told = [_again(row) for row in rows]
        if b"null" in text:  # most files have none, and need no walk
            empty = (path for path in nulls(written) if not _free(self.model, path))
            told += [_said(path, NULL) for path in empty if all(row["loc"] != path for row in rows)]
        told += [_said((name,), NO_BASELINE) for name in refused]
        if told:
            raise ValidationError.from_exception_data(self.model.__name__, told, input_type="json")
        return Part(data=value, whole=whole)

    def _refused(self, value: Mapping[str, Any]) -> list[str]:
        own = {info.alias or name for name, info in self.model.model_fields.items()} - self.mergeable
        return [name for name in value if name in own]

    def _may_lack(self, row: ErrorDetails) -> bool:
        path = row["loc"]
        if row["type"] != "missing" or any(isinstance(step, int) for step in path):
            return False
        return self.under or path[0] in self.mergeable

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Reads plain data, writes it again."""
        written = core_schema.plain_serializer_function_ser_schema(lambda part: dict(part.data))
        return core_schema.no_info_plain_validator_function(self.read, serialization=written)

    def __get_pydantic_json_schema__(
        self, _core: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The model's own schema, written out, in which only lists' entries and what cannot be merged are required."""
        body = self.model.model_json_schema(by_alias=True, mode="validation")
        known = body.pop("$defs", {})
        schema = _loose(body, known)
        named = body.get("required", [])
        if self.under:
            schema["properties"] = {name: inner for name, inner in schema["properties"].items() if name in self.fields}
        else:
            own = [name for name in schema["properties"] if name not in self.mergeable]
            schema["properties"] |= {name: _whole(body["properties"][name], known) for name in own}
            schema["required"] = [name for name in named if name in own]
        return schema


def overlay(base: Any, over: Any) -> Any:
    """`over` laid on `base`: maps deep, everything else (lists, null) replaces."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    return {**base, **{key: overlay(base[key], value) if key in base else value for key, value in over.items()}}


def nulls(data: Any) -> Iterator[_Path]:
    """Where plain data has null, in order."""
    waiting: list[tuple[_Path, Any]] = [((), data)]
    while waiting:
        path, here = waiting.pop()
        if here is None:
            yield path
        entries = here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list) else ()
        waiting += [((*path, key), value) for key, value in entries][::-1]


def _free(model: type[Wire], path: _Path) -> bool:
    """True inside of what may hold any data: there, null is what its own format makes of it."""
    kind: Any = model
    for step in path:
        if kind is Any:
            return True
        kind = _inside(kind, step)
    return kind is Any


def _inside(kind: Any, step: str | int) -> Any:
    """The type of what lies one step deeper; None where the models say nothing of it."""
    if get_origin(kind) in (tuple, dict):
        return get_args(kind)[0 if get_origin(kind) is tuple else 1]
    if get_args(kind):  # perhaps, or annotated
        return next((found for option in get_args(kind) if (found := _inside(option, step)) is not None), None)
    fields = kind.model_fields if isinstance(kind, type) and issubclass(kind, Wire) else {}
    return next((info.annotation for name, info in fields.items() if (info.alias or name) == step), None)


def _said(path: _Path, sentence: str) -> InitErrorDetails:
    return InitErrorDetails(type="value_error", loc=path, input=None, ctx={"error": ValueError(sentence)})


def _again(row: ErrorDetails) -> InitErrorDetails:
    """An error to raise again, with the path that it has already."""
    context = row.get("ctx", {})
    kind: Any = row["type"]
    if kind not in _KINDS:
        kind = PydanticCustomError(kind, "{text}", {"text": row["msg"], **context})
    return InitErrorDetails(type=kind, loc=row["loc"], input=row["input"], ctx=context)


def _loose(node: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The node written out; its mappings require nothing, the entries of its lists what they always do."""
    found = _resolved(node, known)
    required = found.pop("required", ())
    if "anyOf" in found:
        found["anyOf"] = [_loose(option, known) for option in found["anyOf"]]
    if "properties" in found:
        properties = {name: _loose(inner, known) for name, inner in found["properties"].items()}
        for name in required:
            properties[name]["$comment"] = ELSEWHERE
        found["properties"] = properties
    if "items" in found:
        found["items"] = _whole(found["items"], known)
    return found


def _whole(node: Any, known: Mapping[str, Any]) -> Any:
    """The node written out, as strict as it is."""
    if isinstance(node, list):
        return [_whole(entry, known) for entry in node]
    if not isinstance(node, dict):
        return node
    return {name: _whole(value, known) for name, value in _resolved(node, known).items()}


def _resolved(node: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The node with what it refers to in place of the reference, and without the choice of null."""
    found = {name: value for name, value in node.items() if name != "$ref"}
    if "$ref" in node:
        return _resolved(known[node["$ref"].rpartition("/")[2]], known) | found
    options = [option for option in found.pop("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:
        return _resolved(options[0], known) | {name: found[name] for name in found if found[name] is not None}
    return found | ({"anyOf": options} if options else {})
