"""A person's way from a clone to its `origin`: with their own settings and credentials, and with none of the clone's.

Not the daemon's way (`remote`). Rules: whom to talk to is all that the clone says, and its address is checked like the
daemon's; what a person has set for all of their clones counts (credential helpers, ssh and its agent, known hosts,
proxies); a clone may come from anybody, so nothing that its settings name is run or used. No prompt: who is asked for a
password or a passphrase there is told to put it where git finds it.

How: git runs in an empty repository that is made for one command and borrows the clone's objects, so it never reads the
clone's settings. It is told the clone's refs, for they say what need not be sent.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath

from reconciler.edges.git.beside import beside
from reconciler.edges.git.remote import check_head_ref, check_ref, check_revision, local_path
from reconciler.edges.git.run import Access, Ending, Git, Output, mask
from reconciler.edges.git.write import RECEIVE_PACK, push_error
from reconciler.errors import Conflict, Misused, Refused, Retry, Unreachable
from reconciler.model.ids import Revision

_WAIT = 180.0  # seconds for one command that talks to origin
_LARGEST = 512 * 1024 * 1024  # bytes that one fetch may bring
_HERE = "refs/heads/fetched"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
_USER = r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}@)?"
_PATH = r"[A-Za-z0-9._~+@%/-]{1,1024}"
_ADDRESSES: Mapping[str, re.Pattern[str]] = {
    "https": re.compile(rf"https://{_USER}{_HOST}/{_PATH}"),
    "http": re.compile(rf"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{{1,5}})?/{_PATH}"),
    "ssh": re.compile(
        rf"ssh://{_USER}{_HOST}/{_PATH}|{_USER}[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?:(?![/-]){_PATH}"
    ),
}
_NAMED = re.compile(r"(?<=://)[^/@]*@")
_OWN = frozenset(
    {"HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "credential.helper", "core.askPass", "http.followRedirects"}
)
"""What the clean environment sets, and a person has set for themself."""
_PASSED = (
    "HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "USER", "LOGNAME", "GIT_CONFIG_GLOBAL",
    "SSH_AUTH_SOCK", "SSH_AGENT_PID", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
)  # fmt: skip


class Origin:
    """The repository that a clone is of. `address` is what the clone calls it; raises Misused for one we do not use."""

    def __init__(self, clone: Git, address: str, *, push_address: str = "") -> None:
        self._clone = clone
        self.address, self._scheme = _checked(address)
        self._push_address, self._push_scheme = _checked(push_address or address)
        self.shown = _shown(address)

    def head(self, ref: str) -> Revision | None:
        """What a ref points to there; None when there is no such ref. Raises Unreachable."""
        output = self._talk(["ls-remote", "--quiet", "--", self.address, check_ref(ref)])
        rows = (line.partition("\t") for line in output.stdout.decode("ascii", "replace").splitlines())
        return next((check_revision(found) for found, _, name in rows if name == ref), None)

    def fetch(self, ref: str) -> Revision | None:
        """Bring the commits of a ref into the clone; what it points to, or None when there is none. No ref moves."""
        checked = check_head_ref(ref) if ref.startswith(("refs/pull/", "refs/merge-requests/")) else check_ref(ref)
        words = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--",
                 self.address, f"+{checked}:{_HERE}"]  # fmt: skip
        found: list[Revision] = []

        def read(git: Git, access: Access) -> None:
            done = git.run(["rev-parse", "--verify", _HERE], access=access)
            found.append(check_revision(done.stdout.decode("ascii", "replace").strip()))

        output = self._talk(words, then=read, missing="couldn't find remote ref")
        return found[0] if output.ok else None

    def refs_under(self, prefix: str) -> dict[str, Revision]:
        """What is there under a prefix of refs, by full name. Raises Unreachable."""
        output = self._talk(["ls-remote", "--quiet", "--", self.address, f"{check_ref(prefix)}/*"])
        rows = (line.partition("\t") for line in output.stdout.decode("ascii", "replace").splitlines())
        return {name: check_revision(found) for found, _, name in rows if name.startswith(f"{prefix}/")}

    def push(self, ref: str, revision: Revision, expected: Revision | None) -> None:
        """Move a ref there from `expected` (None: there is none) to a commit of the clone.

        Raises Refused when it is something else meanwhile, or origin does not want this, and Unreachable.
        """
        lease = f"--force-with-lease={check_ref(ref)}:{expected or ''}"
        words = ["push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no", lease]
        words += [f"--receive-pack={RECEIVE_PACK}"] if self._push_scheme == "file" else []
        words += ["--", self._push_address, f"{check_revision(revision)}:{ref}"]
        with self._beside() as (git, access):
            output = git.run(words, access=access(self._push_scheme), timeout=_WAIT)
        if output.ok:
            return
        error = push_error(output, f"{ref} of {self.shown}")
        if isinstance(error, Retry):
            raise _unreachable(self.shown, output)
        if isinstance(error, Conflict):
            raise Refused(f"{ref} could not be pushed: it is something else by now")
        raise Refused(f"{ref} could not be pushed: {error.message}")

    def _talk(
        self, words: Sequence[str], *, then: Callable[[Git, Access], None] | None = None, missing: str = ""
    ) -> Output:
        """Run a command that reads from origin; `then` looks at what it brought. Raises Unreachable."""
        with self._beside() as (git, access):
            output = git.run(words, access=access(self._scheme), timeout=_WAIT, file_limit=_LARGEST)
            if not output.ok and not (missing and missing in output.detail):
                raise _unreachable(self.shown, output)
            if output.ok and then:
                then(git, access("none"))
        return output

    @contextmanager
    def _beside(self) -> Iterator[tuple[Git, Callable[[str], Access]]]:
        """An empty repository with the clone's objects and refs, and what git is let to do in it by protocol."""
        own = {name: os.environ[name] for name in _PASSED if name in os.environ}
        with beside(self._clone, address=self.address) as (git, objects):

            def access(protocols: str) -> Access:
                return Access(protocols=protocols, environment={**own, **objects}, without=_OWN)

            yield git, access


def _checked(address: str) -> tuple[str, str]:
    """What git is given, and the one protocol that it may speak; raises Misused."""
    if not address:
        raise Misused("the clone has no origin", hint="say where it is: git remote add origin ADDRESS")
    if address.startswith(("/", "file:")):
        return local_path(address).as_uri(), "file"
    for scheme, pattern in _ADDRESSES.items():
        if pattern.fullmatch(address) and ".." not in PurePosixPath(address).parts:
            return address, scheme
    raise Misused(
        f"origin's address {_shown(address)!r} is not one that we talk to",
        hint="it is https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH or a path, with no password in it",
    )


def _shown(address: str) -> str:
    """The address for people; who somebody is there may be a token."""
    return address if address.startswith("ssh:") else mask(_NAMED.sub("", address))


def _unreachable(shown: str, output: Output) -> Unreachable:
    why = output.detail or output.ending.value
    if output.ending is Ending.TIMED_OUT:
        why = f"it did not answer within {_WAIT:g} seconds"
    return Unreachable(
        f"{shown} could not be reached: {why}",
        hint="it is asked with your own git settings and without a prompt: try git ls-remote origin",
    )
