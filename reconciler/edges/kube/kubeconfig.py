"""A kubeconfig, judged before any client is built from it.

Not the connecting. Rules: what can run a program, read another file or switch TLS off is refused unless the operator
allows it by name; what we do not know is refused too, because a field that is ignored may have been a restriction
(`as`, for example). Sizes and depth are capped. Sentences name file, context and field, and never a value beside them.

`allow` knows: `exec:<command>`, `fileReferences`, `insecureTls`, `plainLoopback` (http:// to this machine).
"""

import ipaddress
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from reconciler.errors import Misused

_LARGEST_FILE = 1 << 20
_DEEPEST = 32
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_CLUSTER_FIELDS = frozenset(
    {"server", "certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify", "tls-server-name",
     "disable-compression", "extensions"}
)  # fmt: skip
_USER_FIELDS = frozenset(
    {"token", "tokenFile", "client-certificate", "client-certificate-data", "client-key", "client-key-data", "exec",
     "extensions"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One context that may be used: the server and how to authenticate. Its repr shows no credential."""

    context: str
    server: str
    cluster: Mapping[str, Any] = field(repr=False)
    user: Mapping[str, Any] = field(repr=False)
    folder: Path

    def file(self, key: str) -> Path | None:
        """The absolute path of a (permitted) file reference, or None when there is none."""
        name = self.user.get(key) or self.cluster.get(key)
        return self.folder / name if name else None


class _Strict(yaml.SafeLoader):
    """SafeLoader that refuses a mapping with the same key twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key) for key, _ in node.value]
        double = next((key for key in keys if keys.count(key) > 1), None)
        if double is not None:
            raise yaml.MarkedYAMLError(problem="a key stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def login(path: Path, context: str | None, allow: frozenset[str]) -> Login:
    """The context (None: the current one) of the kubeconfig at `path`; raises Misused with one sentence."""
    data = _read(path)
    context = context or data.get("current-context")
    if not context or not isinstance(context, str):
        raise Misused(f"{path}: name a context, the file has no current-context.")
    where = f"{path}: context {context!r}"
    entry = _named(path, data, "contexts", "context", context)
    cluster = _named(path, data, "clusters", "cluster", _text(entry, "cluster", where))
    user = _named(path, data, "users", "user", _text(entry, "user", where)) if entry.get("user") else {}
    _check_fields(where, cluster, _CLUSTER_FIELDS)
    _check_fields(where, user, _USER_FIELDS)
    server = _check_server(where, cluster, allow)
    _check_risks(where, cluster, user, allow)
    return Login(context=context, server=server, cluster=cluster, user=user, folder=path.absolute().parent)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise Misused(f"{path}: the kubeconfig cannot be read: {error.strerror or 'unknown error'}.") from None
    if len(raw) > _LARGEST_FILE:
        raise Misused(f"{path}: the kubeconfig is larger than {_LARGEST_FILE >> 20} MiB.")
    try:
        _check_shape(path, raw)
        data = yaml.load(raw, Loader=_Strict)  # noqa: S506  # a SafeLoader that refuses double keys
    except yaml.MarkedYAMLError as error:  # its text quotes the file, so only the place is told
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Misused(f"{path}{line}: the kubeconfig is not YAML, or a key stands twice in one place.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Misused(f"{path}: the kubeconfig is not YAML.") from None
    if not isinstance(data, dict):
        raise Misused(f"{path}: the kubeconfig is not a mapping.")
    return data


def _check_shape(path: Path, raw: bytes) -> None:
    """Refuse depth and aliases before anything recursive runs: the loader's constructor is recursive."""
    depth = 0
    for event in yaml.parse(raw, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise Misused(f"{path}: a kubeconfig with YAML aliases is not accepted.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise Misused(f"{path}: the kubeconfig is nested deeper than {_DEEPEST} levels.")


def _named(path: Path, data: Mapping[str, Any], section: str, key: str, name: str) -> dict[str, Any]:
    rows = data.get(section) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Misused(f"{path}: {section} is not a list of mappings.")
    names = Counter(str(row.get("name")) for row in rows)
    double = sorted(entry for entry, count in names.items() if count > 1)
    if double:
        raise Misused(
            f"{path}: {key} {double[0]!r} stands in it more than once, so it is not clear which one is meant."
        )
    row = next((row for row in rows if row.get("name") == name), None)
    if row is None:
        known = ", ".join(sorted(names)) or "none"
        raise Misused(f"{path}: there is no {key} {name!r}; it has: {known}.")
    value = row.get(key) or {}
    if not isinstance(value, dict):
        raise Misused(f"{path}: {key} {name!r} is not a mapping.")
    return value


def _text(data: Mapping[str, Any], key: str, where: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise Misused(f"{where}: {key} is missing or is not text.")
    return value


def _check_fields(where: str, data: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(str(key) for key in data if key not in known)
    if unknown:
        raise Misused(f"{where}: {unknown[0]} is not supported, so the context is not used at all; remove it.")
    for key, value in data.items():
        wanted: type = {
            "exec": dict,
            "extensions": list,
            "insecure-skip-tls-verify": bool,
            "disable-compression": bool,
        }.get(key, str)
        if not isinstance(value, wanted):
            raise Misused(f"{where}: {key} has the wrong type.")


def _check_server(where: str, cluster: Mapping[str, Any], allow: frozenset[str]) -> str:
    server = _text(cluster, "server", where)
    try:
        url = urlsplit(server)
        host, port = url.hostname, url.port
    except ValueError:
        raise Misused(f"{where}: server is not a URL.") from None
    if url.scheme not in {"https", "http"} or not host or port == 0:
        raise Misused(f"{where}: server is not an https:// URL.")
    if url.username is not None or url.password is not None or url.query or url.fragment:
        raise Misused(f"{where}: server must not carry credentials, a query or a fragment.")
    if url.scheme == "http" and not ("plainLoopback" in allow and is_loopback(host)):
        raise Misused(f"{where}: server is http://; only https is used (plainLoopback allows http:// to this machine).")
    return server.rstrip("/")


def is_loopback(host: str) -> bool:
    """True for addresses of this machine only; names other than localhost never are."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_risks(where: str, cluster: Mapping[str, Any], user: Mapping[str, Any], allow: frozenset[str]) -> None:
    files = [key for key in _FILES if key in cluster or key in user]
    if files and "fileReferences" not in allow:
        raise Misused(f"{where}: {files[0]} refers to another file; put it inline, or allow fileReferences.")
    if cluster.get("insecure-skip-tls-verify") and "insecureTls" not in allow:
        raise Misused(f"{where}: insecure-skip-tls-verify is refused; give certificate-authority-data instead.")
    if "exec" in user:
        command = user["exec"].get("command")
        if not isinstance(command, str) or f"exec:{command}" not in allow:
            raise Misused(f"{where}: exec runs a program to log in and is refused; allow it by name as exec:<command>.")
    ways = [key for key in ("token", "tokenFile", "exec") if key in user]
    if len(ways) > 1:
        raise Misused(f"{where}: {' and '.join(ways)} are given; exactly one way to log in may be.")
