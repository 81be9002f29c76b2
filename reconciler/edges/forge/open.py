"""Where a repository's forge is, and a Forge for it, from plain arguments.

Not a reader of settings: the loop and the command line hand over what theirs say. Rules: https, or http to this machine
where that is allowed; what the settings leave out follows from the repository's URL; the libraries below are imported
when a forge is opened, not before.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reconciler.edges.forge.pace import GITHUB_BUDGET, Pace
from reconciler.edges.forge.protocol import Forge
from reconciler.errors import Misused, Refused, Retry

if TYPE_CHECKING:
    from reconciler.edges.forge import github_app
    from reconciler.edges.forge.http import Client

KINDS = ("github", "gitlab", "gitea")
_API = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1"}
_GITHUB = "github.com"
_DATA_RESIDENCY = ".ghe.com"
_SCP = re.compile(r"^(?:[A-Za-z0-9._-]+@)?([A-Za-z0-9.-]+):(?!/)(.+)$")
_PROJECT = re.compile(r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_LARGEST_FILE = 64 << 10


def _tell_nobody(*_: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The API's address and the project of one repository."""

    api: str
    project: str


def pace_for(kind: str, *, interval: float = 1.0) -> Pace:
    """How fast one login may write there; `interval` is seconds between two writes."""
    return Pace(interval=interval, budget=GITHUB_BUDGET if kind == "github" else ())


def token_from(path: Path) -> str:
    """The token in a file, as it is now; raises Refused, or Retry while it is being replaced."""
    text = _content(path).decode(errors="replace").strip()
    if not _TOKEN.fullmatch(text):
        raise Refused(f"{path} has no token in it: one line of letters, digits and signs.")
    return text


def key_from(path: Path) -> bytes:
    """The private key in a file, as it is now."""
    return _content(path)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE)
    except OSError as error:
        raise Retry(f"{path} cannot be read: {error.strerror}.", reason="ForgeUnreachable") from error


def place_of(kind: str, repository_url: str, *, url: str = "", project: str = "") -> Place:
    """Where it is; `url` and `project` are what the settings say, empty where they leave it to the repository's URL."""
    if kind not in KINDS:
        raise Misused(f"{kind!r} is no forge with an API; there are github, gitlab and gitea.")
    host, path = _split(repository_url)
    prefix = ""
    if kind != "gitlab" and path.count("/") > 1 and not project:  # a server below a path: …/git/OWNER/NAME
        prefix, _, path = path.rpartition("/")
        above, _, owner = prefix.rpartition("/")
        prefix, path = f"/{above}", f"{owner}/{path}"
    project = project or path
    if not _PROJECT.fullmatch(project) or {".", ".."} & set(project.split("/")):
        raise Misused("The forge's project does not follow from the repository's URL.", hint="Set forge.project.")
    if kind != "gitlab" and project.count("/") != 1:
        raise Misused(f"The project {project} is not OWNER/NAME.", hint="Set forge.project.")
    return Place(api=_with_api(kind, url) if url else _api_of(kind, host, prefix), project=project)


def _split(repository_url: str) -> tuple[str, str]:
    """(scheme and host, path) of a git URL; the host is empty where there is none."""
    scp = _SCP.match(repository_url) if "://" not in repository_url else None
    if scp:
        return f"https://{scp[1]}", _path(scp[2])
    try:
        parts = urlsplit(repository_url)
        port = f":{parts.port}" if parts.port and parts.scheme in ("https", "http") else ""
    except ValueError:
        return "", ""
    if parts.scheme not in ("https", "http", "ssh", "git+ssh") or not parts.hostname:
        return "", ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{'http' if parts.scheme == 'http' else 'https'}://{host}{port}", _path(parts.path)


def _path(text: str) -> str:
    return text.strip("/").removesuffix(".git")


def _api_of(kind: str, host: str, prefix: str) -> str:
    if not host:
        raise Misused("The repository's URL names no forge.", hint="Set forge.url and forge.project.")
    name = urlsplit(host).hostname or ""
    if kind == "github" and (name in (_GITHUB, f"ssh.{_GITHUB}") or name.endswith(_DATA_RESIDENCY)):
        return f"https://api.{name.removeprefix('ssh.')}"
    if kind == "gitlab" and name == "altssh.gitlab.com":
        return f"https://gitlab.com{_API[kind]}"
    return f"{host}{prefix}{_API[kind]}"


def _with_api(kind: str, url: str) -> str:
    """An address from the settings: of the API, or of the forge it belongs to."""
    url = url.rstrip("/")
    name = urlsplit(url).hostname or ""
    if url.endswith(_API[kind]) or (kind == "github" and name.startswith("api.")):
        return url
    return f"https://api.{_GITHUB}" if kind == "github" and name == _GITHUB else f"{url}{_API[kind]}"


def open_forge(
    kind: str,
    *,
    repository_url: str,
    branch: str,
    url: str = "",
    project: str = "",
    token: Callable[[], str] | None = None,
    app: "github_app.AppKey | None" = None,
    allow_plain_loopback: bool = False,
    pace: Pace | None = None,
    on_answer: Callable[[str, str, int, float], None] = _tell_nobody,
    on_quota: Callable[[int], None] = _tell_nobody,
) -> Forge:
    """A Forge; raises Misused. Exactly one of `token` (asked at every request) and `app` says who we are.

    Repositories of one login share a `pace`, because a forge's limits count for the login.
    """
    from reconciler.edges.forge.http import Client, address_of

    place = place_of(kind, repository_url, url=url, project=project)
    address = address_of(place.api, allow_plain_loopback=allow_plain_loopback)
    client = partial(Client, address, pace=pace or pace_for(kind), on_answer=on_answer, on_quota=on_quota)
    if app and not token and kind == "github":
        as_app = Client(address, token=app.word, pace=Pace(), headers=_headers(kind), on_answer=on_answer)
        return _as_installation(client, as_app, app, place.project, branch)
    if app or not token:
        raise Misused("A forge needs a token or, on github, an app, and not both.")
    return _FORGES[kind](client(token=token, headers=_headers(kind), scheme=_SCHEME[kind]), place.project, branch)


def _headers(kind: str) -> dict[str, str]:
    from reconciler.edges.forge.github import HEADERS

    return dict(HEADERS) if kind == "github" else {}


def _as_installation(
    client: "Callable[..., Client]", as_app: "Client", app: "github_app.AppKey", project: str, branch: str
) -> Forge:
    from reconciler.edges.forge.github import GitHub
    from reconciler.edges.forge.github_app import Installation

    installation = Installation(as_app, app, project.partition("/")[2])
    speaking = client(token=installation.token, spent=installation.forget, headers=_headers("github"))
    return GitHub(speaking, project, branch, app=installation)


def _github(client: "Client", project: str, branch: str) -> Forge:
    from reconciler.edges.forge.github import GitHub

    return GitHub(client, project, branch)


def _gitlab(client: "Client", project: str, branch: str) -> Forge:
    from reconciler.edges.forge.gitlab import GitLab

    return GitLab(client, project, branch)


def _gitea(client: "Client", project: str, branch: str) -> Forge:
    from reconciler.edges.forge.gitea import Gitea

    return Gitea(client, project, branch)


_FORGES: "dict[str, Callable[[Client, str, str], Forge]]" = {"github": _github, "gitlab": _gitlab, "gitea": _gitea}
_SCHEME = {"github": "Bearer", "gitlab": "Bearer", "gitea": "token"}
