"""A repository somewhere else: its address, its branch, and how to be let in.

Not a connection: `access` says what a git process needs to make one. Rules: https, ssh, and (each only where the
operator allows it by name) file and plain http to this machine; no credentials and no options in an address; a branch
and a ref match strict patterns of ours before git sees them; secrets are files, read at each use so that a rotated
one counts at once.
"""

import base64
import re
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from reconciler.edges.git.run import Access
from reconciler.errors import Misused
from reconciler.model.ids import Revision

MIB = 1024 * 1024
_MAX_TOKEN = 8 * 1024  # bytes of a token file

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
_PATH = r"/[A-Za-z0-9._~+@%/-]{1,1024}"
_SCHEMES: dict[str, re.Pattern[str]] = {
    "https": re.compile(rf"https://{_HOST}{_PATH}"),
    "ssh": re.compile(rf"ssh://(?:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,63}}@)?{_HOST}{_PATH}"),
    "http": re.compile(rf"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{{1,5}})?{_PATH}"),
}
_SCP = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:(?!//)")
_REF_PART = r"[A-Za-z0-9_][A-Za-z0-9_.+@-]*"
_BRANCH = re.compile(rf"{_REF_PART}(?:/{_REF_PART})*")
_REF = re.compile(rf"refs/(?:heads|tags|reconciler)/{_REF_PART}(?:/{_REF_PART})*")
_HEAD = re.compile(r"refs/(?:pull|merge-requests)/[1-9][0-9]{0,9}/head")
_HEX = re.compile(r"[0-9a-f]{40}")
_SSH_FILE = re.compile(r"/[A-Za-z0-9._@+/-]+")
_TOKEN = re.compile(rb"[\x21-\x7e]+")
_SSH_OPTIONS = (
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "ForwardAgent=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ProxyCommand=none",
    "ControlMaster=no",
    "ControlPath=none",
    "ConnectTimeout=15",
    "LogLevel=ERROR",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token in a file (one line), sent as HTTP basic authentication to the remote's host and nowhere else."""

    file: Path
    user: str = "x-access-token"
    """GitHub wants this name for app tokens; GitLab and Gitea accept any with a token as password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshKey:
    """A private key and the host keys to expect, both files with absolute paths."""

    file: Path
    known_hosts: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """One branch of one remote repository. Raises `Misused` for an address or branch that we do not hand to git."""

    url: str
    branch: str
    credentials: Token | SshKey | None = None
    allow_file: bool = False
    allow_plain_loopback: bool = False
    fetch_timeout: float = 60.0
    """Seconds for one command that talks to the remote."""
    fetch_limit: int = 512 * MIB
    """Bytes that one fetch may bring."""

    def __post_init__(self) -> None:
        check_ref(self.ref)
        if not _BRANCH.fullmatch(self.branch):
            raise Misused(f"The branch name {self.branch!r} has characters that are not allowed.")
        self._check_scheme()
        if self.credentials is None and self.scheme == "ssh":
            raise Misused(f"{self.shown} needs sshKeyFile and knownHostsFile.")
        wanted = {"ssh": SshKey, "https": Token, "http": Token}.get(self.scheme, type(None))
        if self.credentials is not None and not isinstance(self.credentials, wanted):
            raise Misused(f"{self.shown} cannot use these credentials: https takes tokenFile, ssh takes sshKeyFile.")

    def _check_scheme(self) -> None:
        if self.scheme == "file":
            if not self.allow_file:
                raise Misused("A local repository needs `allow: [fileRemotes]`.")
            local_path(self.url)
            return
        if self.scheme == "http" and not self.allow_plain_loopback:
            raise Misused("Plain http needs `allow: [plainLoopback]` and an address on this machine.")
        pattern = _SCHEMES.get(self.scheme)
        if pattern is None or not pattern.fullmatch(self.url) or ".." in PurePosixPath(self.url).parts:
            raise Misused(_why_not(self.url), hint="Write https://HOST/PATH or ssh://USER@HOST/PATH.")

    @property
    def scheme(self) -> str:
        """`https`, `ssh`, `http` or `file`; anything else is refused."""
        return "file" if self.url.startswith("/") else self.url.partition("://")[0]

    @property
    def ref(self) -> str:
        """The full name of the watched branch."""
        return f"refs/heads/{self.branch}"

    @property
    def address(self) -> str:
        """What git is given: local paths as file URLs, so that git takes them for nothing else."""
        return local_path(self.url).as_uri() if self.scheme == "file" else self.url

    @property
    def shown(self) -> str:
        """The address for people: there are no credentials in it."""
        return self.url

    def access(self) -> Access:
        """What a git process needs to talk to this remote. Reads the credential files; raises `Misused`."""
        if isinstance(self.credentials, Token):
            return _token_access(self, self.credentials)
        if isinstance(self.credentials, SshKey):
            return Access(protocols="ssh", environment={"GIT_SSH_COMMAND": _ssh_command(self.credentials)})
        return Access(protocols=self.scheme)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A folder in which a change of one of `names` means *look now*."""

    folder: Path
    names: frozenset[str]


def watches(remote: Remote) -> tuple[Watch, ...]:
    """Where a local repository's branch shows that it moved; empty for every other remote (the poll is the truth).

    Only the branch's own file and `packed-refs`: what we write to our own refs beside it never wakes us.
    """
    if remote.scheme != "file":
        return ()
    top = local_path(remote.url)
    folder = top / ".git" if (top / ".git").is_dir() else top
    wanted = folder / remote.ref
    while not wanted.parent.is_dir() and wanted.parent != folder:
        wanted = wanted.parent
    if not wanted.parent.is_dir():
        return ()
    return (
        Watch(folder=wanted.parent, names=frozenset({wanted.name})),
        Watch(folder=folder, names=frozenset({"packed-refs"})),
    )


def check_ref(ref: str) -> str:
    """The ref itself when it is a branch, a tag or one of our own refs; raises `Misused` otherwise."""
    parts = ref.split("/")
    doubtful = ".." in ref or "@{" in ref or any(part.endswith((".lock", ".")) for part in parts)
    if doubtful or len(ref) > 255 or not _REF.fullmatch(ref):  # noqa: PLR2004  # a ref is a file name: 255 bytes
        raise Misused(f"The ref {ref!r} is not one that may be used.")
    return ref


def check_head_ref(ref: str) -> str:
    """The ref itself when it is where a forge keeps the head of a pull request; raises `Misused` otherwise."""
    if not _HEAD.fullmatch(ref):
        raise Misused(f"The ref {ref!r} is not the head of a pull request.")
    return ref


def check_revision(revision: str) -> Revision:
    """The revision itself when it is 40 hex digits; raises `Misused` otherwise."""
    if not _HEX.fullmatch(revision):
        raise Misused(f"{revision!r} is not a full commit id (40 hex digits).")
    return Revision(revision)


def local_path(url: str) -> Path:
    """The absolute path that a local address means; raises `Misused` when it is not one."""
    text = url
    if url.startswith("file:"):
        parts = urlsplit(url)
        if parts.netloc or parts.query or parts.fragment:
            raise Misused(f"{url!r} is not an address of a local repository: write file:///PATH.")
        text = unquote(parts.path)
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or not text.isprintable():
        raise Misused(f"{url!r} is not an absolute path of a local repository.")
    return Path(path)


def _why_not(url: str) -> str:
    if _SCP.match(url):
        return "The address HOST:PATH is ambiguous: write ssh://USER@HOST/PATH."
    if "://" in url and "@" in urlsplit(url).netloc and not url.startswith("ssh:"):
        return "The repository's address contains credentials: put them in a file and name it as tokenFile."
    return "The repository's address is not one that may be used."


def _token_access(remote: Remote, token: Token) -> Access:
    secret = _read_token(token.file)
    header = base64.b64encode(f"{token.user}:{secret}".encode()).decode()
    parts = urlsplit(remote.url)
    return Access(
        protocols=remote.scheme,
        config=((f"http.{parts.scheme}://{parts.netloc}/.extraHeader", f"Authorization: Basic {header}"),),
        secrets=(secret, header),
    )


def _read_token(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Misused(f"The token file {file} cannot be read: {error.strerror}.") from error
    line = content.removesuffix(b"\n").removesuffix(b"\r")
    if len(line) > _MAX_TOKEN or not _TOKEN.fullmatch(line):
        raise Misused(f"The token file {file} does not hold one token on one line.")
    return line.decode("ascii")


def _ssh_command(key: SshKey) -> str:
    # git hands this to a shell and ssh expands % and ~ in paths: both see only characters without a meaning.
    for file in (key.file, key.known_hosts):
        if not _SSH_FILE.fullmatch(str(file)):
            raise Misused(f"The path {str(file)!r} is not absolute or has characters that ssh would expand.")
        if not file.is_file():
            raise Misused(f"The file {file} does not exist.")
    options = (*_SSH_OPTIONS, f"UserKnownHostsFile={key.known_hosts}")
    words = ["ssh", "-F", "/dev/null", "-i", str(key.file)]
    return shlex.join(words + [word for option in options for word in ("-o", option)])
