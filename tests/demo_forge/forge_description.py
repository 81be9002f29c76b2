"""GitHub's published description of its API, and a check of an answer against it.

It lies beside the repository (`shared/contracts` in a folder above, or RECONCILER_CONTRACTS), not in it: where it is
absent, answers are not checked, and the tests that are about nothing else skip with one line.
"""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

ABSENT = "GitHub's published description: set RECONCILER_CONTRACTS"
_FILE = Path("github") / "openapi.trimmed.json"
_REFUSALS = {"400", "401", "403", "404", "405", "409", "422", "500", "502", "503"}
_EMPTY = {204, 304}
_REFUSAL = "#/components/schemas/basic-error"  # of a status that a call's own description does not have


def _folder() -> Path | None:
    given = os.environ.get("RECONCILER_CONTRACTS")
    above = [folder / "shared" / "contracts" for folder in Path(__file__).resolve().parents]
    return next((folder for folder in ([Path(given)] if given else above) if (folder / _FILE).is_file()), None)


class Description:
    """Paths and schemas."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._registry = Registry().with_resource("urn:github", Resource(data, DRAFT4))
        self._paths = [
            (re.compile(re.sub(r"\\{\w+\\}", ".+" if "{ref}" in path else "[^/]+", re.escape(path))), path)
            for path in sorted(data["paths"], key=lambda path: (path.count("{"), -len(path)))
        ]
        self.seen: set[tuple[str, str, str]] = set()

    def check(self, method: str, path: str, status: int, body: Any) -> None:
        """The answer to a request fits what is published for it."""
        templates = [
            template
            for pattern, template in self._paths
            if pattern.fullmatch(path) and method.lower() in self._data["paths"][template]
        ]
        if not templates:
            assert status == 404, f"{method} {path} is not published and was answered {status}"
            return
        template = templates[0]
        self.seen.add((method, template, str(status)))
        place = self._schema(template, method.lower(), str(status))
        if place is None:
            assert status not in _EMPTY or body is None, f"{method} {path} {status} has a body"
            return
        validator = OAS30Validator({"$ref": f"urn:github{place}"}, registry=self._registry)
        wrong = [f"{list(error.path)}: {error.message[:200]}" for error in validator.iter_errors(body)]
        assert not wrong, f"{method} {path} {status}: {wrong[:5]}"

    def _schema(self, template: str, method: str, status: str) -> str | None:
        """Where the schema of an answer's body stands; None where there is no body."""
        response = self._data["paths"][template][method]["responses"].get(status)
        if status == "304":
            return None  # published for some reads, answered to all
        if response is None:
            assert status in _REFUSALS, f"{method} {template}: {status} is not published"
            return _REFUSAL
        escaped = template.replace("~", "~0").replace("/", "~1")
        place = f"#/paths/{escaped}/{method}/responses/{status}"
        if "$ref" in response:
            place = response["$ref"]
            response = self._data["components"]["responses"][place.rpartition("/")[2]]
        known = "schema" in response.get("content", {}).get("application/json", {})
        return f"{place}/content/application~1json/schema" if known else None


@cache
def description() -> Description | None:
    """The description, read once; None where it is absent."""
    folder = _folder()
    return Description(json.loads((folder / _FILE).read_text())) if folder else None
