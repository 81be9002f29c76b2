"""The mounted trust file: read, and refused where another version of it was in force already.

Not the judgement of what lies in the repository (trust/succession). Rules: one that cannot be read leaves the last in
force; versions only grow: a file that is not the one taken over last counts only when nothing newer was in force. What
was taken over last is kept on the home cluster, by version and digest.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.digest import sha256_of
from reconciler.documents.load import load
from reconciler.errors import Misused, ReconcilerError
from reconciler.model.ids import RepositoryName
from reconciler.model.repository import MountedTrust
from reconciler.model.trustfile import TrustFile
from reconciler.trust.people import read_trust
from reconciler.trust.succession import in_force


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """A mounted trust file as it was read, and the digest of its bytes."""

    file: TrustFile
    digest: str

    @property
    def remembered(self) -> MountedTrust:
        """What to remember of it once it is taken over."""
        return MountedTrust(version=self.file.spec.version, sha256=self.digest)


def trust_in(path: str, data: bytes) -> TrustFile:
    """The trust file that these bytes are; raises Invalid with every problem and its place in `path`."""
    tree = load(path, data)
    return read_trust(tree.data, path=path, locate=tree.positions.value)


def read_trust_file(path: Path, repository: RepositoryName) -> Mounted:
    """Read and check a trust file; raises Misused with every problem."""
    try:
        data = path.read_bytes()
        file = trust_in(str(path), data)
    except OSError as error:
        raise Misused(f"the trust file {path} cannot be read: {error.strerror}") from None
    except ReconcilerError as error:
        raise Misused(error.message) from None
    if file.spec.repository != repository:
        raise Misused(f"{path} vouches for {file.spec.repository}, not for {repository}")
    return Mounted(file=file, digest=sha256_of(data))


def outdated(found: Mounted, taken: MountedTrust | None, newest: int) -> str:
    """Why a mounted file is not taken over; empty when it is.

    `taken` was taken over last, `newest` is the version in force. The same file as before always counts: what the
    repository put on top of it does.
    """
    version = found.file.spec.version
    if taken is None or found.digest == taken.sha256 or version >= newest:
        return ""
    return f"the mounted trust file is version {version}, and version {newest} was in force; versions only grow"


def nobody(found: Mounted, taken: MountedTrust) -> Mounted:
    """In place of a newer file that nobody has any more: the daemon's keys count, and nobody may do anything new."""
    spec = found.file.spec.model_copy(update={"version": taken.version, "allow": ()})
    return Mounted(file=found.file.model_copy(update={"spec": spec}), digest=taken.sha256)


class TrustFiles:
    """The trust files of one repository: the mounted one, and the one accepted from the repository. One thread owns it.

    Raises Misused when there is no mounted one that can be read.
    """

    def __init__(self, path: Path, repository: RepositoryName, log: Any) -> None:
        self._path = path
        self._repository = repository
        self._log = log
        self._accepted: TrustFile | None = None
        self._trouble = ("", "")
        self.mounted = read_trust_file(path, repository)

    @property
    def file(self) -> TrustFile:
        """The one in force."""
        return in_force(self.mounted.file, self._accepted)

    def reread(self, taken: MountedTrust | None) -> None:
        """Take over a mounted file that changed; one that does not read or is older leaves the last in force.

        `taken` is what the home cluster remembers as taken over last.
        """
        try:
            found = read_trust_file(self._path, self._repository)
        except Misused as error:
            self._refused("TrustFileInvalid", error.message)
            return
        before = taken or self.mounted.remembered
        newest = max(before.version, self._accepted.spec.version if self._accepted else 0)
        why = outdated(found, before, newest)
        if why:
            if self.mounted.digest != before.sha256:  # this process never had what was taken over last
                self.mounted = nobody(found, before)
            self._refused("TrustFileOutdated", why)
            return
        self._trouble = ("", "")
        if found != self.mounted:
            self.mounted = found

    def follow(self, accepted: TrustFile) -> bool:
        """Remember what was accepted from the repository; True when that changes which one is in force."""
        before = self.file
        if self._accepted is None or accepted.spec.version > self._accepted.spec.version:
            self._accepted = accepted
        return self.file is not before

    def told(self, note: str) -> tuple[bool, str, str]:
        """Status, reason and sentence of the condition; `note` is what is said of files in the repository."""
        if self._trouble[0]:
            return False, *self._trouble
        if note:
            return False, "ConfigNotTrusted", note
        where = "mounted" if self.file is self.mounted.file else "from the repository"
        return True, "InForce", f"version {self.file.spec.version} ({where}) is in force"

    def _refused(self, reason: str, sentence: str) -> None:
        stays = f"version {self.file.spec.version} stays in force"
        if not self.file.spec.allow:
            stays = f"nobody is trusted with anything new until version {self.file.spec.version} or later is mounted"
        said = (reason, f"{sentence}; {stays}")
        if said != self._trouble:
            self._log.error("trust file not taken over", repository=self._repository, error=said[1])
        self._trouble = said
