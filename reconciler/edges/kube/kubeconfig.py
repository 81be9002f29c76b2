"""A kubeconfig, judged before any client is built from it.

Not the connecting. Rules: what can run a program, read another file or switch TLS off is refused unless the operator
allows it by name; what we do not know is refused too, because a field that is ignored may have been a restriction
(`as`, for example). Sizes and depth are capped. Sentences name file, context and field, and never a value beside them.

`allow` knows: `exec:<command>`, `fileReferences`, `insecureTls`, `plainLoopback` (http:// to this machine).
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from reconciler.errors import Misused

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is there
_LARGEST_FILE = 1 << 20
_DEEPEST = 32
_LONGEST = 60  # characters of a name in a sentence
_LISTED = 12  # names in a sentence
_FIELD = re.compile(r"(?=.{1,40}$)[A-Za-z]+(?:-[A-Za-z]+)*")
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


@dataclass(frozen=True, slots=True)
class _NotText:
    """A number or a date as it is written. None has a meaning here, so none is made out of a stranger's digits."""

    written: str

    def __str__(self) -> str:
        return self.written


class _Strict(_LOADER):  # type: ignore[misc]  # one of two classes
    """SafeLoader that refuses a mapping with the same key twice, and keys that are not text."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        if not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value) or len(set(keys)) < len(keys):
            raise yaml.MarkedYAMLError(problem="a key stands twice or is not text", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)

    def not_text(self, node: Any) -> _NotText:
        """What stands in the place of a number or a date."""
        return _NotText(node.value)


for _kind in ("int", "float", "timestamp"):
    _Strict.add_constructor(f"tag:yaml.org,2002:{_kind}", _Strict.not_text)


def login(path: Path, context: str | None, allow: frozenset[str]) -> Login:
    """The context (None: the current one) of the kubeconfig at `path`; raises Misused with one sentence."""
    data = _read(path)
    context = context or data.get("current-context")
    if not context or not isinstance(context, str):
        raise Misused(f"{path}: name a context, the file has no current-context.")
    where = f"{path}: context {_quoted(context)}"
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
        raise Misused(
            f"{path}{line}: the kubeconfig is not YAML, or a key stands twice in one place or is not text."
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Misused(f"{path}: the kubeconfig is not YAML.") from None
    if not isinstance(data, dict):
        raise Misused(f"{path}: the kubeconfig is not a mapping.")
    return data


def _check_shape(path: Path, raw: bytes) -> None:
    """Refuse depth, aliases and tags before anything is made: the constructor recurses, and fails on a wrong tag."""
    depth = 0
    for event in yaml.parse(raw, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise Misused(f"{path}: a kubeconfig with YAML aliases is not accepted.")
        if getattr(event, "tag", None) is not None:
            raise Misused(f"{path}: a kubeconfig with YAML tags is not accepted.")
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
            f"{path}: {key} {_quoted(double[0])} stands in it more than once, so it is not clear which one is meant."
        )
    row = next((row for row in rows if row.get("name") == name), None)
    if row is None:
        known = [_shown(entry) for entry in sorted(names)]
        rest = ", …" if len(known) > _LISTED else ""
        raise Misused(
            f"{path}: there is no {key} {_quoted(name)}; it has: {', '.join(known[:_LISTED]) or 'none'}{rest}."
        )
    value = row.get(key) or {}
    if not isinstance(value, dict):
        raise Misused(f"{path}: {key} {_quoted(name)} is not a mapping.")
    return value


def _quoted(name: str) -> str:
    """A name of the file in quotes, on one line and capped."""
    return repr(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…")


def _shown(name: str) -> str:
    """The same without quotes where it needs none."""
    return name if name.isprintable() and len(name) <= _LONGEST else _quoted(name)


def _field(name: str) -> str:
    """An unknown field's name; `token:abc` without a space is one, too, so only what can be a name is shown."""
    return name if _FIELD.fullmatch(name) else "a field whose name is not shown"


def _text(data: Mapping[str, Any], key: str, where: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise Misused(f"{where}: {key} is missing or is not text.")
    return value


def _check_fields(where: str, data: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(str(key) for key in data if key not in known)
    if unknown:
        raise Misused(f"{where}: {_field(unknown[0])} is not supported, so the context is not used at all; remove it.")
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
    if url.scheme not in {"https", "http"} or not host or port == 0 or not server.isprintable() or " " in server:
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
        _check_exec(where, user["exec"])
    ways = [key for key in ("token", "tokenFile", "exec") if key in user]
    if len(ways) > 1:
        raise Misused(f"{where}: {' and '.join(ways)} are given; exactly one way to log in may be.")


def _check_exec(where: str, plugin: Mapping[str, Any]) -> None:
    """What the program would be given must be what can be given to one."""
    arguments, environment = plugin.get("args") or [], plugin.get("env") or []
    rows = environment if isinstance(environment, list) else [None]
    if not isinstance(arguments, list) or not all(
        isinstance(row, dict) and {"name", "value"} <= {*row} for row in rows
    ):
        raise Misused(f"{where}: the args or env of exec have the wrong type.")
