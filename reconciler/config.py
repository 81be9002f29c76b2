"""The daemon's settings file (`reconciler.yaml`, outside the watched repository); the only reader of the environment.

Unknown keys, unreadable files, world-readable private keys and names that do not resolve are errors at start, all at
once, each with its line. Secrets are only ever files.
"""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, StringConstraints, model_validator

from reconciler.documents.load import Positions
from reconciler.documents.schema import parse_as
from reconciler.documents.words import field_name
from reconciler.errors import Invalid, Misused, Problem
from reconciler.model.wire import DnsLabel, Duration, Field, Quantity, Wire, quantity_value

DEFAULT_CONFIG = "reconciler.yaml"
ENV_CONFIG = "RECONCILER_CONFIG"
ENV_FORGE_TOKEN = "RECONCILER_FORGE_TOKEN"  # noqa: S105  # the name of a variable
_LAST_PORT = 65_535
_PRIVATE = stat.S_IRWXG | stat.S_IRWXO
_SECRET_VOLUME = stat.S_IRGRP  # Kubernetes mounts secrets group-readable when fsGroup is set

FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
_ALLOWANCES = r"^(fileRemotes|plainLoopback|fileReferences|insecureTls|exec:[A-Za-z0-9_./-]{1,255})$"
Allowance = Annotated[str, StringConstraints(pattern=_ALLOWANCES)]
ContextName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@:/-]{0,252}$")]


class Home(Wire):
    """The cluster that holds the release state; in-cluster when no kubeconfig is named."""

    kubeconfig: FilePath | None = None
    context: ContextName | None = None
    namespace: DnsLabel = "reconciler-system"
    take_over: str = ""
    """UID of another home's kube-system: targets recorded under it become ours."""


class Credentials(Wire):
    """How to reach the remote: a token file (https), or an SSH key with its known hosts."""

    token_file: FilePath | None = None
    ssh_key_file: FilePath | None = None
    known_hosts_file: FilePath | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Credentials":
        if self.token_file and self.ssh_key_file:
            raise ValueError("credentials need one of tokenFile and sshKeyFile, not both")
        if bool(self.ssh_key_file) != bool(self.known_hosts_file):
            raise ValueError("sshKeyFile and knownHostsFile belong together")
        return self


class LedgerSettings(Wire):
    """Where the daemon's signed history lies."""

    ref: Annotated[str, StringConstraints(pattern=r"^refs/heads/[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$")] = (
        "refs/heads/reconciler/ledger"
    )


class GitHubApp(Wire):
    """A GitHub App's installation: its short-lived tokens are made with the App's private key."""

    id: Annotated[int, Field(ge=1)]
    installation: Annotated[int, Field(ge=1)]
    key_file: FilePath


class WebhookSettings(Wire):
    """What the forge signs its deliveries with; they are taken at `/webhooks/<repository>` of `listen.web`."""

    secret_file: FilePath


class ForgeSettings(Wire):
    """Where the repository's pull requests are, and who we are there."""

    type: Literal["github", "gitlab", "gitea", "none"] = "none"
    """Forgejo is a gitea. none: everything but pull requests works."""
    url: Annotated[
        str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:\[\]-]{1,253}(/[A-Za-z0-9._/-]{0,200})?$")
    ] = ""
    """The API's address; default: the forge's own (github, gitlab), or the host of the repository's url (gitea)."""
    project: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$", max_length=300)] = ""
    """owner/name; default: the path of the repository's url."""
    token_file: FilePath | None = None
    app: GitHubApp | None = None
    webhook: WebhookSettings | None = None
    pace: Duration = timedelta(seconds=1)
    """Two writes to the forge are at least this far apart; GitHub asks for one second."""
    coalesce: Duration = timedelta(seconds=15)
    """Two edits of one comment are at least this far apart."""
    forks: bool = False
    """True: pull requests from forks are planned, too, as data only."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.type == "none":
            if self.token_file or self.app or self.webhook or self.url:
                raise ValueError("name the forge's type: github, gitlab or gitea")
            return self
        if bool(self.token_file) == bool(self.app):
            raise ValueError("a forge needs tokenFile or, on github, app, and not both")
        if self.app and self.type != "github":
            raise ValueError("app is GitHub's; name a tokenFile")
        return self


class RepositorySettings(Wire):
    """One watched repository."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]{0,200}$")]
    """The name that signatures use; never the remote's URL."""
    url: Annotated[str, StringConstraints(min_length=1, max_length=2048)]
    branch: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$")] = "main"
    path: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]{1,512}$")] = "."
    start: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = None
    """The first accepted revision is this commit or a descendant."""
    poll: Duration = timedelta(seconds=30)
    credentials: Credentials = Credentials()
    trust: FilePath
    ledger: LedgerSettings = LedgerSettings()
    forge: ForgeSettings = ForgeSettings()


class Signing(Wire):
    """The daemon's own key: valid for its ledger and its commits, for nothing else."""

    key_file: FilePath
    name: str = "reconciler"
    email: str = "reconciler@localhost"


class ClusterSettings(Wire):
    """Where the `connection.kubeconfig` of Cluster documents resolves."""

    kubeconfig_dir: FilePath


class Limits(Wire):
    """Bounds on what one process does at once and on what it reads."""

    workers: Annotated[int, Field(ge=1, le=256)] = 8
    in_flight_per_cluster: Annotated[int, Field(ge=1, le=256)] = 16
    document: Quantity = "256Ki"
    fetch: Quantity = "512Mi"
    fetch_timeout: Duration = timedelta(seconds=60)

    @property
    def document_bytes(self) -> int:
        """The largest document that is read."""
        return int(quantity_value(self.document))

    @property
    def fetch_bytes(self) -> int:
        """The largest fetch that is kept."""
        return int(quantity_value(self.fetch))


def _port(value: str) -> str:
    if int(value.rpartition(":")[2]) > _LAST_PORT:
        raise ValueError(f"a port is at most {_LAST_PORT}")
    return value


class Listen(Wire):
    """host:port of the HTTP endpoints."""

    metrics: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9.:\[\]-]{1,253}:[0-9]{1,5}$"), AfterValidator(_port)
    ] = "127.0.0.1:9090"
    web: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:\[\]-]{1,253}:[0-9]{1,5}$"), AfterValidator(_port)] = (
        "127.0.0.1:8080"
    )
    """Where forges reach us: webhooks. Listened on only when a repository has one."""

    def address(self) -> tuple[str, int]:
        """Host and port of health and metrics."""
        return _address(self.metrics)

    def web_address(self) -> tuple[str, int]:
        """Host and port of webhooks."""
        return _address(self.web)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Config(Wire):
    """Everything the daemon is told."""

    api_version: Literal["reconciler.dev/v1alpha1"]
    kind: Literal["Config"]
    home: Home = Home()
    allow: tuple[Allowance, ...] = ()
    """What is refused unless named.

    fileRemotes: a repository on this machine; plainLoopback: http to this machine. In kubeconfigs, fileReferences:
    files named instead of inlined; insecureTls: no verification; exec:<command>: that credential plugin.
    """
    repositories: Annotated[tuple[RepositorySettings, ...], Field(min_length=1)]
    signing: Signing
    clusters: ClusterSettings
    data: FilePath | None = None
    """Folder for the mirrors; everything in it can be lost."""
    limits: Limits = Limits()
    listen: Listen = Listen()

    @model_validator(mode="after")
    def _distinct(self) -> "Config":
        names = [repository.name for repository in self.repositories]
        if len(set(names)) != len(names):
            raise ValueError("two repositories have the same name")
        return self

    @property
    def allowed(self) -> frozenset[str]:
        """The allowances, by name."""
        return frozenset(self.allow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A valid configuration and the file that it was read from."""

    config: Config
    file: Path

    @property
    def folder(self) -> Path:
        """Where relative paths start."""
        return self.file.parent

    def path(self, text: str) -> Path:
        """A file or folder that the configuration names."""
        return (self.folder / Path(text).expanduser()).resolve()

    def keeping_data_in(self, folder: Path) -> "Settings":
        """The same settings with another folder for the mirrors."""
        return Settings(config=self.config.model_copy(update={"data": str(folder)}), file=self.file)

    @property
    def data(self) -> Path:
        """Where the mirrors lie."""
        if self.config.data:
            return self.path(self.config.data)
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return Path(cache) / "reconciler"


def find(given: Path | None) -> Path:
    """The file given, `$RECONCILER_CONFIG`, or the reconciler.yaml here or in a folder above; raises Misused."""
    named = given or (Path(os.environ[ENV_CONFIG]) if os.environ.get(ENV_CONFIG) else None)
    here = Path.cwd()
    around = [folder / DEFAULT_CONFIG for folder in (here, *here.parents)]
    path = named or next((file for file in around if file.is_file()), Path(DEFAULT_CONFIG))
    if not path.is_file():
        raise Misused(
            f"there is no settings file {path}",
            hint=f"name one with --config or ${ENV_CONFIG}; `reconciler init` makes one",
        )
    return path


def forge_token() -> str:
    """The token of `$RECONCILER_FORGE_TOKEN`, with which a person's commands open pull requests; empty without."""
    return os.environ.get(ENV_FORGE_TOKEN, "").strip()


def load(path: Path) -> Settings:
    """Read and check a settings file; raises Misused with every problem, each with its line."""
    try:
        config, positions = parse_as(Config, str(path), path.read_bytes())
    except Invalid as error:
        raise Misused(error.message) from None
    except OSError as error:
        raise Misused(f"{path} cannot be read: {error.strerror}") from None
    settings = Settings(config=config, file=path.resolve())
    problems = [
        Problem(path=str(path), line=line, column=column, field=field_name(field), message=message)
        for field, message in _unresolved(settings)
        for line, column in [_place(positions, field)]
    ]
    if problems:
        raise Misused(Invalid(problems).message)
    return settings


Field_ = tuple[str | int, ...]
Check = Callable[[Path], str]


def _place(positions: Positions, field: Field_) -> tuple[int, int]:
    while field and field not in positions.values:
        field = field[:-1]
    return positions.values.get(field, (1, 1))


def _unresolved(settings: Settings) -> Iterator[tuple[Field_, str]]:
    """Every named file that is missing, unreadable or too open, as (field, sentence)."""
    for field, text, check in _files(settings.config):
        message = check(settings.path(text))
        if message:
            yield field, message


def _files(config: Config) -> Iterator[tuple[Field_, str, Check]]:
    yield ("signing", "keyFile"), config.signing.key_file, _private
    yield ("clusters", "kubeconfigDir"), config.clusters.kubeconfig_dir, _folder
    if config.home.kubeconfig:
        yield ("home", "kubeconfig"), config.home.kubeconfig, _readable
    for index, repository in enumerate(config.repositories):
        at: Field_ = ("repositories", index)
        yield (*at, "trust"), repository.trust, _readable
        credentials = repository.credentials
        if credentials.token_file:
            yield (*at, "credentials", "tokenFile"), credentials.token_file, _private
        if credentials.ssh_key_file and credentials.known_hosts_file:
            yield (*at, "credentials", "sshKeyFile"), credentials.ssh_key_file, _private
            yield (*at, "credentials", "knownHostsFile"), credentials.known_hosts_file, _readable
        yield from _forge_files((*at, "forge"), repository.forge)


def _forge_files(at: Field_, forge: ForgeSettings) -> Iterator[tuple[Field_, str, Check]]:
    if forge.token_file:
        yield (*at, "tokenFile"), forge.token_file, _private
    if forge.app:
        yield (*at, "app", "keyFile"), forge.app.key_file, _private
    if forge.webhook:
        yield (*at, "webhook", "secretFile"), forge.webhook.secret_file, _private


def _readable(path: Path) -> str:
    if not path.is_file():
        return f"there is no file {path}"
    return "" if os.access(path, os.R_OK) else f"{path} cannot be read"


def _folder(path: Path) -> str:
    return "" if path.is_dir() else f"there is no folder {path}"


def _private(path: Path) -> str:
    message = _readable(path)
    if message:
        return message
    if path.stat().st_mode & _PRIVATE & ~_SECRET_VOLUME:
        return f"{path} may be read by others; run chmod 600 on it"
    return ""
