"""The published descriptions of the forges, and checks of what is sent and answered by them.

Not a forge. The descriptions lie beside the repository (`../shared/contracts`, or RECONCILER_CONTRACTS) and not in it;
where they are absent the tests that need them skip with one line. What the sources are known to get wrong is here:
Gitea and GitLab answer null where their descriptions know no null, so null is read as absent.
"""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft4Validator
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

ABSENT = "forges' published descriptions: set RECONCILER_CONTRACTS"
FILES = {
    "github": "github/openapi.trimmed.json",
    "gitlab": "gitlab/openapi.json",
    "gitea": "gitea/swagger2.trimmed.json",
}


def contracts() -> Path | None:
    """The folder of the descriptions; None where there is none."""
    given = os.environ.get("RECONCILER_CONTRACTS")
    above = [folder / "shared" / "contracts" for folder in Path(__file__).resolve().parents]
    found = (folder for folder in ([Path(given)] if given else above) if (folder / "FACTS.md").is_file())
    return next(found, None)


@cache
def recorded(name: str) -> Any:
    """One file of the folder."""
    folder = contracts()
    if folder is None:
        pytest.skip(ABSENT)
    return json.loads((folder / name).read_text())


def gitea(name: str) -> dict[str, Any]:
    """An answer that was recorded from a running Gitea: status, headers, body."""
    return recorded(f"gitea/recorded/{name}.json")["response"]


def without_nulls(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: without_nulls(value) for key, value in data.items() if value is not None}
    return [without_nulls(one) for one in data] if isinstance(data, list) else data


class Description:
    """One forge's published description."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.data = recorded(FILES[kind])
        self._lenient = kind != "github"
        self._registry = Registry().with_resource("urn:forge", Resource(self.data, DRAFT4))
        self._paths = [(re.compile(_pattern(path)), path) for path in self.data["paths"]]
        # Literal segments first: /pulls/comments is no /pulls/{number}.
        self._paths.sort(key=lambda pair: pair[1].count("{"))

    def operation(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        """(the path's template, its parameters); raises AssertionError where nothing like it is published."""
        for pattern, template in self._paths:
            found = pattern.fullmatch(path)
            if found and method.lower() in self.data["paths"][template]:
                return template, {name: unquote(value) for name, value in found.groupdict().items()}
        raise AssertionError(f"{method} {path} is not published")

    def check_request(self, method: str, template: str, query: dict[str, str], body: Any) -> None:
        """The parameters are published ones with published values, and the body fits."""
        operation = self.data["paths"][template][method.lower()]
        parameters = {one["name"]: one for one in map(self._resolved, operation.get("parameters", ()))}
        for name, value in query.items():
            published = parameters.get(name)
            assert (published or {}).get("in") == "query", f"{method} {template} knows no parameter {name}"
            allowed = (published.get("schema") or published).get("enum")
            assert not allowed or value in allowed, f"{name}={value} is none of {allowed}"
        pointer = self._body_pointer(template, method.lower(), operation, parameters)
        assert (body is None) == (pointer is None), f"{method} {template}: body {body!r}, published {pointer}"
        if pointer:
            self.check(pointer, body)
            known = self._properties(pointer)
            assert set(body) <= known, f"{method} {template} knows no {set(body) - known}"

    def check_answer(self, method: str, template: str, status: int, body: Any) -> None:
        """An answer fits its schema, where the description has one for its status."""
        answers = self.data["paths"][template][method.lower()]["responses"]
        published = answers.get(str(status)) or (answers.get("200") if status == 201 else None)
        if published is None or body is None:
            return
        code = str(status) if str(status) in answers else "200"
        pointer = self._answer_pointer(f"#/paths/{_escaped(template)}/{method.lower()}/responses/{code}", published)
        if pointer:
            self.check(pointer, without_nulls(body) if self._lenient else body)

    def _answer_pointer(self, pointer: str, published: dict[str, Any]) -> str | None:
        if "$ref" in published:
            return self._answer_pointer(published["$ref"], self._at(published["$ref"]))
        if self.kind == "gitea":
            return f"{pointer}/schema" if "schema" in published else None
        content = published.get("content", {}).get("application/json", {})
        return f"{pointer}/content/application~1json/schema" if "schema" in content else None

    def _body_pointer(self, template: str, method: str, operation: Any, parameters: Any) -> str | None:
        at = f"#/paths/{_escaped(template)}/{method}"
        if self.kind != "gitea":
            return f"{at}/requestBody/content/application~1json/schema" if "requestBody" in operation else None
        return parameters["body"]["schema"]["$ref"] if "body" in parameters else None

    def _properties(self, pointer: str) -> set[str]:
        schema = self._resolved(self._at(pointer))
        return set(schema.get("properties", {}))

    def check(self, pointer: str, data: Any) -> None:
        """Data fits the schema at this place of the description."""
        validator = Draft4Validator if self.kind == "gitea" else OAS30Validator
        errors = list(validator({"$ref": f"urn:forge{pointer}"}, registry=self._registry).iter_errors(data))
        assert not errors, f"{pointer}: {'; '.join(f'{list(one.path)}: {one.message[:300]}' for one in errors[:5])}"

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        return self._resolved(self._at(part["$ref"])) if "$ref" in part else part

    def _at(self, pointer: str) -> Any:
        part = self.data
        for key in pointer.removeprefix("#/").split("/"):
            part = part[key.replace("~1", "/").replace("~0", "~")]
        return part

    def example(self, method: str, template: str, status: int = 200) -> Any:
        """The first published example of an answer (GitHub)."""
        answer = self._at(f"#/paths/{_escaped(template)}/{method.lower()}/responses/{status}")
        examples = answer["content"]["application/json"]["examples"]
        return json.loads(json.dumps(self._resolved(next(iter(examples.values())))["value"]))


def _pattern(path: str) -> str:
    # A branch or a reference may have slashes where the forges take them literally.
    return re.sub(r"\\{(\w+)\\}", lambda found: f"(?P<{found[1]}>[^/]+)", re.escape(path))


def _escaped(path: str) -> str:
    return path.replace("~", "~0").replace("/", "~1")


@cache
def description(kind: str) -> Description:
    """A forge's description, read once."""
    return Description(kind)
