"""Bodies of requests as data: JSON, or YAML without its surprises (no dates, no aliases, no deep nesting)."""

from typing import Any

import orjson
import yaml

from reconciler.demo.api.messages import JSON, Request
from reconciler.demo.api.status import bad_request, unsupported_type

YAML = "application/yaml"
_TAKEN = frozenset({"", JSON, YAML})


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a date is a string; an alias could make a small body huge, so it is refused."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read here")
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(request: Request) -> Any:
    """The body of a create or update; raises ApiError 400, 415."""
    if request.content_type not in _TAKEN:
        accepted = "application/json, application/yaml"
        raise unsupported_type(
            f"the body of the request was in an unknown format - accepted media types include: {accepted}",
            details=False,
        )
    return yaml_data(request.body) if request.content_type == YAML else json_data(request.body)


def json_data(body: bytes) -> Any:
    """JSON; raises ApiError 400."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def yaml_data(body: bytes) -> Any:
    """YAML, of which JSON is the usual case; raises ApiError 400."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass  # not JSON: the slow way
    try:
        data = yaml.load(body, _Loader)  # noqa: S506  # a SafeLoader with less in it
        orjson.dumps(data)  # nothing that JSON has no word for
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise bad_request(f"error decoding YAML: {error}") from error
    return data
