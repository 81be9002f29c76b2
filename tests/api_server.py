"""An API server as a test talks to it: plain requests over HTTP with what a kubeconfig says.

Not our own client (reconciler.edges.kube): these tests judge servers, and that client as well.
"""

import base64
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import urllib3
import yaml

from reconciler.edges.kube.resources import KNOWN

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
Answer = tuple[int, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubeconfig:
    """The current context of a kubeconfig file. Certificates are files."""

    path: Path
    context: str
    url: str
    ca: Path | None
    headers: Mapping[str, str]
    certificate: tuple[Path, Path] | None

    @classmethod
    def load(cls, path: Path, private: Path) -> "Kubeconfig":
        """Reads it; certificates and keys that it inlines are written to the folder `private`."""
        data = yaml.safe_load(path.read_text())

        def named(kind: str, name: str) -> dict[str, Any]:
            (found,) = (each[kind] for each in data[f"{kind}s"] if each["name"] == name)
            return found

        context = named("context", data["current-context"])
        cluster, user = named("cluster", context["cluster"]), named("user", context["user"])
        certificate = as_file(path, user, "client-certificate", private), as_file(path, user, "client-key", private)
        return cls(
            path=path,
            context=data["current-context"],
            url=cluster["server"],
            ca=as_file(path, cluster, "certificate-authority", private),
            headers={"Authorization": f"Bearer {user['token']}"} if "token" in user else {},
            certificate=certificate if certificate[0] and certificate[1] else None,
        )


def as_file(kubeconfig: Path, data: Mapping[str, str], name: str, private: Path) -> Path | None:
    """A certificate or key of a kubeconfig as a file: where the file is named, or with its inlined data."""
    if inlined := data.get(f"{name}-data"):
        path = private / f"{kubeconfig.name}-{name}"
        path.write_bytes(base64.b64decode(inlined))
        path.chmod(0o600)
        return path
    return kubeconfig.parent / data[name] if name in data else None


@dataclass(slots=True)
class ApiServer:
    """One server. `name` is "embedded" or "real"; paths are absolute, as `/api/v1/namespaces`."""

    name: str
    access: Kubeconfig
    pool: urllib3.PoolManager = field(init=False)
    warnings: list[str] = field(init=False, default_factory=list)  # of the last answer

    def __post_init__(self) -> None:
        tls: dict[str, Any] = {}
        if self.access.ca:
            tls["ca_certs"] = str(self.access.ca)
        if self.access.certificate:
            tls["cert_file"], tls["key_file"] = map(str, self.access.certificate)
        self.pool = urllib3.PoolManager(maxsize=8, retries=False, timeout=30, **tls)

    @property
    def url(self) -> str:
        return self.access.url

    @property
    def kubeconfig(self) -> Path:
        return self.access.path

    @property
    def context(self) -> str:
        return self.access.context

    def close(self) -> None:
        self.pool.clear()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """(status, the JSON of the answer; its text when it is not JSON). `body` is JSON data, or bytes as they are."""
        answer = self._send(method, path, body, content_type, params, headers)
        self.warnings = answer.headers.getlist("Warning")
        try:
            return answer.status, orjson.loads(answer.data)
        except orjson.JSONDecodeError:
            return answer.status, answer.data.decode()

    def _send(self, method, path, body, content_type, params, headers, **options) -> urllib3.BaseHTTPResponse:
        url = f"{self.url}{path}" + (f"?{urlencode(params)}" if params else "")
        sent = {**self.access.headers, "Accept": "application/json", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = content_type or "application/json"
            body = body if isinstance(body, bytes) else orjson.dumps(body)
        return self.pool.request(method, url, body=body, headers=sent, **options)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a GET that must succeed."""
        return self.ok("GET", path, params=params)

    def ok(self, method: str, path: str, *arguments: Any, **options: Any) -> Any:
        """The JSON of a request that must succeed."""
        status, body = self.request(method, path, *arguments, **options)
        assert status < 300, f"{method} {path}: {status} {body}"
        return body

    def apply(self, path: str, body: Any, manager: str = "reconciler", **params: Any) -> Answer:
        """Server-side apply, validated strictly."""
        params = {"fieldManager": manager, "fieldValidation": "Strict", **params}
        return self.request("PATCH", path, body, APPLY, params)

    @contextmanager
    def watch(
        self, path: str, headers: Mapping[str, str] | None = None, **params: Any
    ) -> Iterator[Iterator[dict[str, Any]]]:
        """The events of a watch. It ends with `timeoutSeconds` (5 unless told); then the events end too."""
        params = {"watch": "true", "timeoutSeconds": 5, **params}
        answer = self._send("GET", path, None, None, params, headers, preload_content=False)
        assert answer.status == 200, answer.data
        try:
            yield (orjson.loads(line) for line in lines(answer))
        finally:
            answer.close()

    def eventually(self, path: str, holds: Callable[[Any], Any], seconds: float = 20) -> Any:
        """The object (or list) at `path` once `holds(it)`; fails with what it was at last."""
        end = time.monotonic() + seconds
        while True:
            status, body = self.request("GET", path)
            if status == 200 and holds(body):
                return body
            if time.monotonic() > end:
                raise AssertionError(f"{path} after {seconds} s: {status} {body}")
            time.sleep(0.05)

    def gone(self, path: str, seconds: float = 20) -> None:
        """Waits until nothing is at `path`."""
        end = time.monotonic() + seconds
        while (answer := self.request("GET", path))[0] != 404:
            assert time.monotonic() < end, f"{path} is still there after {seconds} s: {answer}"
            time.sleep(0.05)

    def namespace(self, **labels: str) -> str:
        """A new namespace, ready for pods; its name. Nobody deletes it: that takes a real server many seconds."""
        name = f"test-{secrets.token_hex(4)}"
        metadata = {"name": name, "labels": labels}
        self.ok("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        self.eventually(f"/api/v1/namespaces/{name}/serviceaccounts/default", bool)
        return name

    def install_crd(self, definition: Mapping[str, Any]) -> None:
        """Applies a CustomResourceDefinition and waits until its objects are served."""
        path = f"{DEFINITIONS}/{definition['metadata']['name']}"
        status, body = self.apply(path, definition, manager="test", force="true")
        assert status in (200, 201), body
        self.eventually(path, established)
        spec = definition["spec"]
        for version in (each for each in spec["versions"] if each["served"]):
            self.eventually(f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}", bool)


def collection_of(body: Mapping[str, Any], namespace: str = "") -> str:
    """The path of the collection that an object belongs to; `namespace` is used where the object names none."""
    group, _, version = body["apiVersion"].rpartition("/")
    resource = KNOWN[group, body["kind"]]
    place = body["metadata"].get("namespace", namespace)
    within = f"/namespaces/{place}" if resource.namespaced else ""
    return f"/{f'apis/{group}' if group else 'api'}/{version}{within}/{resource.plural}"


def path_of(body: Mapping[str, Any], namespace: str = "") -> str:
    """The path of an object, from its own data."""
    return f"{collection_of(body, namespace)}/{body['metadata']['name']}"


def placed(body: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """The object in another namespace."""
    return {**body, "metadata": {**body["metadata"], "namespace": namespace}}


def differences(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Where `found` lacks or changes what `wanted` says; what it has besides is no difference."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [line for key in wanted for line in differences(wanted[key], found.get(key), f"{path}/{key}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [line for number, (one, other) in pairs for line in differences(one, other, f"{path}/{number}")]
    same = wanted == found and type(wanted) is type(found)
    return [] if same else [f"{path}: wanted {wanted!r}, found {found!r}"]


def established(definition: Mapping[str, Any]) -> bool:
    return condition(definition, "Established") == "True"


def condition(thing: Mapping[str, Any], called: str) -> str | None:
    """The status of a condition, None where it is not set."""
    found = {each["type"]: each["status"] for each in thing.get("status", {}).get("conditions") or ()}
    return found.get(called)


def lines(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in answer.stream(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
