"""The person's forge: where the pull requests of a clone are, and the token that they may open one with.

Not the forge (`edges/forge` is) and not the daemon's settings. In the clone's or the person's git settings:
`reconciler.forge` (github, gitlab, gitea or none), `reconciler.forgeUrl`, `reconciler.forgeProject`,
`reconciler.forgeTokenFile`; what they leave out follows from origin's address. Rule: a clone may come from anybody, so
a token goes to github.com, to gitlab.com, to this machine, or to where the person's own settings say, and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from reconciler.errors import Misused

if TYPE_CHECKING:
    from reconciler.edges.forge.protocol import Forge
    from reconciler.edges.git.checkout import Checkout

CONFIG_FORGE = "reconciler.forge"
CONFIG_URL = "reconciler.forgeUrl"
CONFIG_PROJECT = "reconciler.forgeProject"
CONFIG_TOKEN = "reconciler.forgeTokenFile"  # noqa: S105  # the name of a setting
KINDS = ("github", "gitlab", "gitea")
NONE = "none"
_PUBLIC = {"github.com": "github", "ssh.github.com": "github", "gitlab.com": "gitlab", "altssh.gitlab.com": "gitlab"}
_SITES = {"github": "https://github.com", "gitlab": "https://gitlab.com"}
_TOKEN_HINT = f"git config --global {CONFIG_TOKEN} FILE, or $RECONCILER_FORGE_TOKEN"
_HERE = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where pull requests are. `kind` is `none` where nobody said; `token` is None where there is none."""

    kind: str
    origin: str
    url: str
    project: str
    token: Callable[[], str] | None = field(default=None, repr=False)

    @property
    def usable(self) -> bool:
        """A pull request can be opened."""
        return self.kind != NONE and self.token is not None

    def by_hand(self, branch: str, base: str) -> str:
        """How somebody opens a pull request of a branch themself."""
        site = self.url if self.kind in ("github", "gitlab") else ""
        path = self.project or _split(self.origin)[1]
        if site in _SITES.values() and path:
            if self.kind == "github":
                return f"open it: {site}/{path}/compare/{quote(base)}...{quote(branch)}?expand=1"
            asked = f"merge_request[source_branch]={quote(branch)}&merge_request[target_branch]={quote(base)}"
            return f"open it: {site}/{path}/-/merge_requests/new?{asked}"
        return f"open a pull request from {branch} to {base}, and merge it as your repository asks"


def place(checkout: "Checkout") -> Place:
    """The forge of a clone; raises Misused for settings that do not go together."""
    origin = checkout.config("remote.origin.url")
    host, path = _split(origin)
    said = checkout.config(CONFIG_FORGE)
    kind = said or _PUBLIC.get(host, NONE)
    if kind not in (*KINDS, NONE):
        raise Misused(f"git's setting {CONFIG_FORGE} is {kind!r}", hint=f"it is one of {', '.join(KINDS)} and {NONE}")
    project = checkout.config(CONFIG_PROJECT) or path
    if kind == NONE:
        return Place(kind=kind, origin=origin, url="", project=project)
    token = _token(checkout)
    if said and token is None:
        raise Misused(
            f"there is no token for {kind}",
            hint=f"{_TOKEN_HINT}; where a command opens a pull request, do without: --no-pr",
        )
    site = _SITES[kind] if _PUBLIC.get(host) == kind else ""
    url = _address(checkout, kind, site) if said else site
    return Place(kind=kind, origin=origin, url=url, project=project, token=token)


def usable_place(checkout: "Checkout") -> Place:
    """The forge of a clone, for what cannot be done without it; raises Misused where it is not known."""
    where = place(checkout)
    if where.kind == NONE:
        raise Misused(
            "the clone does not say on which forge its pull requests are",
            hint=f"git config {CONFIG_FORGE} {', '.join(KINDS[:-1])} or {KINDS[-1]}, and where it is: "
            f"git config --global {CONFIG_URL} URL",
        )
    if where.token is None:
        raise Misused(f"there is no token for {where.kind}", hint=_TOKEN_HINT)
    return where


def opened(where: Place, branch: str) -> "Forge":
    """The forge itself, for pull requests to a branch. Close it after use."""
    from reconciler.edges.forge.open import open_forge

    return open_forge(
        where.kind, repository_url=where.origin, branch=branch, url=where.url, project=where.project,
        token=where.token, allow_plain_loopback=True,
    )  # fmt: skip


def _address(checkout: "Checkout", kind: str, site: str) -> str:
    """Where the token may go; raises Misused where only the clone says so."""
    url, own = checkout.config(CONFIG_URL), checkout.own_config(CONFIG_URL)
    if not url and not site:
        raise Misused(
            f"where {kind} is was not said", hint=f"say it in your own settings: git config --global {CONFIG_URL} URL"
        )
    host = urlsplit(url).hostname or ""
    if not url or url == own or host in _HERE or (_PUBLIC.get(host) == kind and urlsplit(url).scheme == "https"):
        return url or site
    raise Misused(
        f"the clone says that its forge is {url}, and your token goes only where your own settings say",
        hint=f"if you trust it: git config --global {CONFIG_URL} {url}",
    )


def _token(checkout: "Checkout") -> Callable[[], str] | None:
    from reconciler.config import forge_token

    named = checkout.config(CONFIG_TOKEN)
    if named:
        file = Path(named).expanduser()
        if not file.is_file():  # told before anything is pushed; what it holds is read when it is needed
            raise Misused(f"there is no token file {file}", hint=f"git's setting {CONFIG_TOKEN} names it")
        return partial(_token_in, file)
    found = forge_token()
    return (lambda: found) if found else None


def _token_in(file: Path) -> str:
    from reconciler.edges.forge.open import token_from

    return token_from(file)


def _split(address: str) -> tuple[str, str]:
    """Host and project's path of a git address; empty for one on this machine."""
    if "://" not in address:
        user, _, path = address.partition(":")
        return ("", "") if address.startswith("/") else (user.rpartition("@")[2], _bare(path))
    parts = urlsplit(address)
    return (parts.hostname or "", _bare(parts.path)) if parts.hostname else ("", "")


def _bare(path: str) -> str:
    return path.strip("/").removesuffix(".git")
