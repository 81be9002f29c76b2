"""`sign --pr 12`: the signatures that a pull request lacks, as one commit on its branch.

Not the signing of a document (`signing`) and no judgement. Rules: only what the pull request changes is signed, as its
head has it; a signature that would not count by the trust file is not pushed; the branch moves forward by one commit or
not at all, and no branch, index or file of the clone moves. A branch of somebody else's repository is left alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import typer

from reconciler.cli.desk import trust_file
from reconciler.cli.proposing import commit_signer, committer, plain
from reconciler.cli.pulls import fetched_head, person_of, pull_on_forge
from reconciler.cli.signing import chosen_key, statement_in, with_signature
from reconciler.errors import EXIT_DONE, Refused

if TYPE_CHECKING:
    from reconciler.documents.schema import Loaded
    from reconciler.edges.git.checkout import Checkout
    from reconciler.model.pull import PullRequest
    from reconciler.model.trustfile import TrustFile

_SUFFIX = ".sig"


def sign_pull(number: int, *, branch: str, key: str, trust: str, repository: str) -> int:
    """Sign what lacks it, commit the signatures onto the head and push them to the pull request's branch."""
    from reconciler.edges.git.checkout import Checkout

    checkout = Checkout.find(Path())
    mounted, chosen, author = trust_file(checkout, trust, repository), chosen_key(checkout, key), committer(checkout)
    with pull_on_forge(checkout, number, branch) as (_, pull):
        if pull.merged:
            raise Refused(f"#{number} is merged: sign what the branch has, and propose that")
        if pull.fork:
            raise Refused(
                f"the branch of #{number} is in somebody else's repository, where nothing is pushed to",
                hint=f"git fetch origin {pull.ref} && git switch --detach FETCH_HEAD, then: reconciler sign FILE, "
                "and let its author commit the .sig files",
            )
        there = _Head.read(checkout, pull, mounted)
        files = dict(_signatures(there, chosen))
        if not files:
            print(f"nothing that #{number} changes needs your signature")
            return EXIT_DONE
        message = f"Sign {', '.join(path.removesuffix(_SUFFIX) for path in files)}"
        revision = checkout.commit_on(
            pull.head, {there.whole(path): data for path, data in files.items()}, message, author,
            when=datetime.now(UTC), sign=commit_signer(checkout, key),
        )  # fmt: skip
        checkout.push_ref(f"refs/heads/{pull.head_branch}", revision, pull.head)
        print(f"pushed {', '.join(files)} to {pull.head_branch} as {revision[:12]}: {plain(pull.url)}")
    return EXIT_DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The head's documents and signatures, those that the pull request changes, and whom the trunk trusts."""

    folder: str
    contents: Mapping[str, bytes]
    changed: tuple[str, ...]
    trust: "TrustFile"
    now: datetime

    @classmethod
    def read(cls, checkout: "Checkout", pull: "PullRequest", mounted: "TrustFile") -> "_Head":
        """Fetch and read it; raises Refused where it began nowhere on the watched branch."""
        from reconciler.cli.tree import at_revision, watched_path
        from reconciler.cli.trust import trust_texts
        from reconciler.documents.schema import is_document_path
        from reconciler.trust.succession import succeed

        base, head = checkout.fetch(f"refs/heads/{pull.base_branch}"), fetched_head(checkout, pull)
        began = checkout.fork_point(base, head)
        if began is None:
            raise Refused(f"#{pull.number} and {pull.base_branch} have no commit in common")
        folder, now = watched_path(checkout), datetime.now(UTC)
        trunk, before, after = (at_revision(checkout, row, folder).contents for row in (base, began, head))
        differs = {path.removesuffix(_SUFFIX) for path in after if before.get(path) != after[path]}
        return cls(
            folder=folder, contents=after, now=now, trust=succeed(mounted, trust_texts(trunk), now=now).trust,
            changed=tuple(sorted(path for path in differs if path in after and is_document_path(path))),
        )  # fmt: skip

    def whole(self, path: str) -> str:
        """Where a file of the watched folder lies in the repository."""
        return path if self.folder == "." else str(PurePosixPath(self.folder) / path)


def _signatures(there: _Head, key: str) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of every signature file that is new; says what was signed, and what was left out and why."""
    from reconciler.cli.verify import verify_document
    from reconciler.model.trustfile import TrustFile

    person = person_of(there.trust, key)
    for path, loaded in _signable(there):
        data, before = there.contents[path], there.contents.get(f"{path}{_SUFFIX}", b"")
        judged = partial(
            verify_document, path, data, loaded=loaded, trust=there.trust, first_seen=there.now, now=there.now
        )
        found = judged(signature=before)
        if person in found.people or (found.verified and not isinstance(loaded.document, TrustFile)):
            continue  # of a trust file several have to sign
        said = statement_in(path, data, there.trust.spec.repository)
        signed, after = with_signature(path, said, before, key=key)
        found = judged(signature=after)
        if person not in found.people:
            typer.echo(f"left out {path}: {'; '.join(found.unsigned)}", err=True)
            continue
        print(signed.sentence)
        yield f"{path}{_SUFFIX}", after


def _signable(there: _Head) -> "Iterator[tuple[str, Loaded]]":
    """The changed documents that carry a signature; raises Invalid for one that does not validate."""
    from reconciler.documents.schema import NotOurs, parse
    from reconciler.loop.statements import SIGNED

    for path in there.changed:
        try:
            loaded = parse(path, there.contents[path])
        except NotOurs:
            continue
        if loaded.kind in (*SIGNED, "ModelRelease", "Trust"):
            yield path, loaded
