"""A pull request as a person sees it from their clone: on which forge it is, its head, and what merging it asks whom.

Nothing is judged here: the merge is the daemon's (`edges/git/merging`), and so is everything that is asked
(`loop/pull_asks`). Rules: base, head and ledger are fetched from origin, so what is looked at is what is there now; no
branch, no index and no file of the clone moves; who is trusted is said by the trust file in force on the base.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.desk import Desk, Subject, trust_file
from reconciler.errors import NotFound, Refused

if TYPE_CHECKING:
    from reconciler.cli.pull_files import Steps
    from reconciler.edges.forge.protocol import Forge
    from reconciler.edges.git.checkout import Checkout
    from reconciler.loop.pull_asks import Question
    from reconciler.loop.snapshot import Snapshot
    from reconciler.model.ids import BlobId, ReleaseKey, Revision
    from reconciler.model.pull import PullRequest
    from reconciler.model.trustfile import TrustFile
    from reconciler.model.vote import GivenVotes

Watched = Annotated[
    str, typer.Option("--branch", metavar="NAME", help="The watched branch; else the one that origin is about.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How somebody says it: about which releases, where to, with or without a question, and why."""

    only: tuple[str, ...] = ()
    push: bool = False
    printing: bool = False
    yes: bool = False
    branch: str = ""
    reason: str = ""

    @property
    def only_for_pulls(self) -> str:
        """The first option that nothing but a pull request has; empty when none was given."""
        given = {"--release": self.only, "--print": self.printing, "--yes": self.yes, "--branch": self.branch,
                 "--reason": self.reason}  # fmt: skip
        return next((name for name, value in given.items() if value), "")


def number_of(text: str) -> int | None:
    """The pull request that somebody means by `12` or `#12`; None for anything else."""
    digits = text.removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdigit() and int(digits[:18]) > 0 else None


@contextmanager
def pull_on_forge(checkout: "Checkout", number: int, branch: str) -> Iterator[tuple["Forge", "PullRequest"]]:
    """The clone's forge and one pull request on it; raises Misused, NotFound, and Retry where it does not answer."""
    from reconciler.cli.forge import opened, usable_place

    base = branch or checkout.default_branch
    forge = opened(usable_place(checkout), base)
    try:
        yield forge, _looked_up(forge, number, base)
    finally:
        forge.close()


def _looked_up(forge: "Forge", number: int, base: str) -> "PullRequest":
    """A pull request to the watched branch that was not turned down; raises NotFound, or Refused for another one."""
    from reconciler.model.pull import PullState

    try:
        pull = forge.pull(number)
    except NotFound:
        raise NotFound(f"there is no pull request #{number} on the forge of this clone") from None
    if pull.base_branch != base:
        hint = f"if the daemon watches that branch: --branch {pull.base_branch}"
        raise Refused(f"#{number} is to {pull.base_branch}, and not to {base}", hint=hint)
    if pull.state is PullState.CLOSED:
        raise Refused(f"#{number} was closed without a merge")
    if pull.fork:
        note = f"#{number} comes from a fork: the daemon looks at it only where its settings say forge.forks"
        typer.echo(note, err=True)
    return pull


def fetched_head(checkout: "Checkout", pull: "PullRequest") -> "Revision":
    """The head that the forge told of, in the clone; raises Refused when it is another one by now."""
    head = checkout.fetch(pull.ref)
    if head != pull.head:
        raise Refused(f"#{pull.number} moves at the moment: its head is {head[:12]}, and was {pull.head[:12]}")
    return head


def person_of(trust: "TrustFile", key: str) -> str:
    """Whose key it is; raises Refused for a stranger's."""
    from reconciler.edges.keys import public_key
    from reconciler.trust.people import owner

    public = public_key(key)
    found = owner(trust, public.blob)
    if found is None:
        raise Refused(f"{public.fingerprint} belongs to nobody in the trust file, so nothing that it signs counts")
    return found[0].name


def still_there(forge: "Forge", pull: "PullRequest") -> None:
    """Raise Refused when its head, or what became of it, is another one than was looked at."""
    now = forge.pull(pull.number)
    if (now.head, now.state) != (pull.head, pull.state):
        became = f"its head is {now.head[:12]} by now, and was {pull.head[:12]}"
        became = became if now.head != pull.head else f"it is {now.state} by now"
        raise Refused(f"#{pull.number} moved meanwhile: {became}", hint="nothing was said; look at it again")


@dataclass(frozen=True, slots=True, kw_only=True)
class PullDesk:
    """A pull request with everything that merging it asks of people, or, once it is merged, the trunk still asks.

    `unasked` has a sentence for each release that it changes and nobody can say anything to. `desk` has the files
    after the merge, and whom the trunk trusts.
    """

    desk: Desk
    pull: "PullRequest"
    questions: "Sequence[Question]"
    unasked: Sequence[str]

    @classmethod
    def open(
        cls, checkout: "Checkout", forge: "Forge", pull: "PullRequest", *, trust: str, repository: str
    ) -> "PullDesk":
        """Fetch, merge and ask; raises Refused for a conflict, and what origin and the forge refuse."""
        from reconciler.cli.pull_files import fetched_ledger, steps
        from reconciler.cli.tree import watched, watched_path
        from reconciler.edges.git.checkout import history
        from reconciler.loop.pull_asks import unasked

        mounted, now = trust_file(checkout, trust, repository), datetime.now(UTC)
        base = checkout.fetch(f"refs/heads/{pull.base_branch}")
        fetched_head(checkout, pull)
        ledger = fetched_ledger(checkout)
        with history(checkout.top) as opened:
            found = steps(
                checkout, opened, pull, base, folder=watched_path(checkout), mounted=mounted, ledger=ledger, now=now
            )
        trunk, after = found.asked.before, found.asked.after
        return cls(
            desk=Desk(checkout=checkout, root=watched(checkout), trust=trunk.trust, snapshot=after, now=now),
            pull=pull,
            questions=_questions(checkout, forge, pull, found, now),
            unasked=tuple(unasked(found.changed.changes, after, now)),
        )

    def subject(self, question: "Question") -> Subject:
        """One of them, as it is voted on."""
        from reconciler.model.environment import Environment

        one = question.asked
        environment = self.desk.snapshot.documents("Environment")[one.matter.key.environment]
        return Subject(
            key=one.matter.key, digest=one.matter.digest, what=one.matter.what,
            environment=environment.loaded.as_(Environment), authors=one.authors, rules=one.rules, verb=one.verb,
        )  # fmt: skip


def _questions(
    checkout: "Checkout", forge: "Forge", pull: "PullRequest", found: "Steps", now: datetime
) -> "Sequence[Question]":
    """Everything that is asked, with the votes that there are: on the trunk, on the pull request and in refs."""
    from reconciler.loop.pull_asks import keys_asked, questions, status_known
    from reconciler.loop.pull_votes import judge_pull
    from reconciler.model.vote import NOTHING_GIVEN

    trunk, after, changes = found.asked.before, found.asked.after, found.changed.changes
    keys = keys_asked(found.asked, changes, found.records)
    statuses = {key: status_known(key, found.changed.before, found.records, now) for key in keys}

    def ask(given: "Mapping[ReleaseKey, GivenVotes]") -> "list[Question]":
        return questions(keys, trunk=trunk, after=after, statuses=statuses, changes=changes, given=given, now=now)

    asked = [row.asked for row in ask({})]
    if not asked:
        return ()
    refs = _pushed(checkout, {one.matter.key for one in asked}, after)
    said = judge_pull(
        pull, asked, forge=forge.kind, comments=forge.comments(pull.number),
        reviews=forge.reviews(pull.number) if any(one.by_review for one in asked) else (),
        refs=refs, bound={}, trust=trunk.trust, now=now,
    )  # fmt: skip
    return ask({key: refs.get(key, NOTHING_GIVEN) + said.given.get(key, NOTHING_GIVEN) for key in keys})


def _pushed(
    checkout: "Checkout", keys: "Collection[ReleaseKey]", after: "Snapshot"
) -> "Mapping[ReleaseKey, GivenVotes]":
    """What was pushed to refs for these releases."""
    from reconciler.loop.vote_refs import VoteRefs

    where = {key.environment for key in keys}
    return VoteRefs(after.repository).look(_Refs(checkout, keys), where, keys)


@dataclass(frozen=True, slots=True)
class _Refs:
    """Origin's refs of some releases, as the daemon would read them in its mirror."""

    checkout: "Checkout"
    keys: "Collection[ReleaseKey]"

    def refs_under(self, prefix: str) -> "dict[str, Revision]":
        """Those of the releases that are asked about."""
        wanted = tuple(f"{prefix}/{key.environment}/{key.name}/" for key in self.keys)
        return {ref: at for ref, at in self.checkout.upstream().refs_under(prefix).items() if ref.startswith(wanted)}

    def fetch_file(self, ref: str, name: str, limit: int) -> "tuple[Revision, BlobId, bytes] | None":
        """One file of what a ref points to."""
        from reconciler.digest import blob_id
        from reconciler.edges.git.checkout import history

        revision = self.checkout.upstream().fetch(ref)
        if revision is None:
            return None
        with history(self.checkout.top) as opened:
            data = opened.read(revision, suffixes=(name,))[0].get(name)
        if data is None:
            return None
        if len(data) > limit:
            raise Refused(f"{name} has more than {limit} bytes")
        return revision, blob_id(data), data
