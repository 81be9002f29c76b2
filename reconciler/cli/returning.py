"""`rollback`: a text that was good in an environment is proposed again, byte for byte and with its old signature.

Not the rollback: the daemon returns to it once it is merged, at once, as it does after `git revert`. Rules: only what
the ledger's records that count say was promoted here comes back; nothing is signed anew; what would not return at once
is refused, and the sentence says what would happen instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.desk import CONFIG_TRUST, TrustFileOption
from reconciler.cli.proposing import Base, Branch, Change, DryRun, NoPull, Proposer, code, plain, show, trust_of
from reconciler.errors import Misused, NotFound, Refused

if TYPE_CHECKING:
    from reconciler.documents.schema import Loaded
    from reconciler.model.record import Record
    from reconciler.model.state import Promotion
    from reconciler.model.trustfile import TrustFile

_SHORT = 12
_LEAST = 6  # digits by which a version is named
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """What the ledger tells of one release: its promotions, the newest first, its records, and all of its files."""

    promotions: "tuple[Promotion, ...]"
    records: "Sequence[Record]"
    files: Mapping[str, bytes]


def rollback(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The release's name.")],
    *,
    env: Annotated[str, typer.Option("--env", metavar="ENV", help="The environment to return in.")],
    to: Annotated[
        str, typer.Option("--to", metavar="VERSION", help="A model version or a version's digest; else the one before.")
    ] = "",
    branch: Branch = "",
    dry_run: DryRun = False,
    no_pr: NoPull = False,
    trust: TrustFileOption = "",
    ledger: Annotated[str, typer.Option("--ref", metavar="REF", help="The ledger's ref.")] = "",
) -> int:
    """Propose the return of what was good in an environment: its text and its old signature, and a pull request.

    Both are taken from the ledger's branch in the clone, as they were promoted. Once it is merged that version returns
    at once, without a canary and without approvals, also during a freeze.

    Example: reconciler rollback fraud-detector --env prod --to 1.3.0
    """
    from reconciler.edges.git.checkout import Checkout

    checkout, now = Checkout.find(Path()), datetime.now(UTC)
    base = Base.open(checkout, branch, trying=dry_run)
    people = trust_of(base, trust, now=now) if trust or checkout.config(CONFIG_TRUST) else None
    if people is None:
        hint = f"give --trust FILE, or set it once: git config {CONFIG_TRUST} FILE"
        raise Misused("there is no trust file, and it says which of the ledger's records count", hint=hint)
    past = _past(base, env, name, people, ledger)
    promotion = _chosen(base, past, env, name, to)
    change = _change(base, past, promotion, env, name)
    _returns(base, past, promotion, env, people, now)
    _counts(past, promotion, next(iter(change.files)), people, now)
    return show(base, change) if dry_run else Proposer.of(base, pull=not no_pr).propose(change)


def _past(base: Base, env: str, name: str, trust: "TrustFile", ref: str) -> _Past:
    """What the ledger says; raises NotFound where the clone has none, or it knows no such release."""
    from reconciler.cli.audit import LEDGER, ledger_head
    from reconciler.edges.git.checkout import history
    from reconciler.loop.chain import promotions_in, verify_chain

    with history(base.checkout.top) as opened:
        files, _ = opened.read(ledger_head(opened, ref or LEDGER))
    chain = verify_chain(files, trust)
    links = [link.record for link in reversed(chain.links)]
    records = [record for record in links if (record.environment, record.name) == (env, name)]
    promotions = promotions_in(records)
    if not promotions:
        known = sorted({f"{one.environment}/{one.name}" for one in links if one.kind == "Promoted"})[:_SHOWN]
        broken = f" ({chain.problems[0]})" if chain.problems else ""
        raise NotFound(
            f"the ledger knows nothing that was promoted as {env}/{name}{broken}",
            hint=f"it knows {', '.join(known)}" if known else "",
        )
    return _Past(promotions=promotions, records=records, files=files)


def _chosen(base: Base, past: _Past, env: str, name: str, to: str) -> "Promotion":
    """The promotion to return to; raises NotFound for one that is not known, Refused for what the branch has."""
    from reconciler.digest import sha256_of

    there = base.release(env, name)
    present = sha256_of(base.contents[there.path]) if there else ""
    if not to:
        return _before(past.promotions, present, env, name)
    found = next((row for row in past.promotions if _is_called(row, to)), None)
    if found is None:
        known = ", ".join(dict.fromkeys(row.model_version for row in past.promotions))
        raise NotFound(f"the ledger knows no {to} of {env}/{name}", hint=f"it knows {known}")
    if found.manifest == present:
        raise Refused(f"{base.branch} asks for {found.model_version} already: {env}/{name} is that text")
    return found


def _is_called(row: "Promotion", to: str) -> bool:
    digits = to.removeprefix("sha256:")
    named = any(digest.removeprefix("sha256:").startswith(digits) for digest in (row.version, row.manifest))
    return row.model_version == to or (len(digits) >= _LEAST and named)


def _before(promotions: "Sequence[Promotion]", present: str, env: str, name: str) -> "Promotion":
    """The last good text before the present one: who goes back twice goes two back, and not forth again."""
    good: list[Promotion] = []
    for row in reversed(promotions):
        texts = [one.manifest for one in good]
        if row.manifest in texts:
            del good[texts.index(row.manifest) :]
        good.append(row)
    texts = [one.manifest for one in good]
    earlier = good[: texts.index(present)] if present in texts else good
    if not earlier:
        raise NotFound(f"nothing was promoted as {env}/{name} before what is there now")
    return earlier[-1]


def _returns(base: Base, past: _Past, promotion: "Promotion", env: str, trust: "TrustFile", now: datetime) -> None:
    """Raise Refused for what would not return at once."""
    from reconciler.model.environment import Environment
    from reconciler.trust.known_good import Unknown, known_good
    from reconciler.trust.people import revoked_keys

    rules = base.environment(env).as_(Environment).spec.rollback
    found = known_good(
        promotion.manifest, past.promotions, depth=rules.depth, max_age=rules.max_age,
        revoked=revoked_keys(trust, now), now=now,
    )  # fmt: skip
    if isinstance(found, Unknown):
        raise Refused(
            f"{promotion.model_version} would not return at once: {found.reason}",
            hint="merged all the same it would be a new candidate, after its gates, its approvals and its rollout: "
            "`git revert` proposes that",
        )


def _counts(past: _Past, promotion: "Promotion", path: str, trust: "TrustFile", now: datetime) -> None:
    """Raise Refused where the old signature would not count any more."""
    from reconciler.cli.verify import verify_document
    from reconciler.documents.schema import parse

    stored = f"manifests/{promotion.manifest.removeprefix('sha256:')}.yaml"
    data = past.files[stored]
    facts = [row.manifest for row in past.records if row.manifest and row.manifest.sha256 == promotion.manifest]
    seen = min((fact.first_seen for fact in facts if fact.first_seen), default=promotion.at)
    loaded: Loaded = parse(path, data)
    found = verify_document(path, data, past.files[f"{stored}.sig"], loaded, trust, first_seen=seen, now=now)
    if not found.verified:
        raise Refused(f"{promotion.model_version} would be held: its old signature does not count: {found.sentence}")


def _change(base: Base, past: _Past, promotion: "Promotion", env: str, name: str) -> Change:
    """The old text and its signature, in the place that the release has now or had then."""
    from reconciler.digest import sha256_of
    from reconciler.model.branches import branch_of
    from reconciler.model.wire import format_time

    digits = promotion.manifest.removeprefix("sha256:")
    data, signature = (past.files.get(f"manifests/{digits}.yaml{end}") for end in ("", ".sig"))
    if data is None or signature is None or sha256_of(data) != promotion.manifest:
        raise NotFound(f"the ledger does not hold the text {promotion.manifest} with its signature")
    there = base.release(env, name)
    paths = [row.manifest.path for row in past.records if row.manifest and row.manifest.sha256 == promotion.manifest]
    path = there.path if there else paths[0]
    was = there.document.spec.data["model"]["version"] if there else "none"  # type: ignore[attr-defined]  # a release
    rows = [
        f"{name} in {env}: {code(was)} → {code(promotion.model_version)}",
        "",
        f"- version {code(promotion.version)}, promoted {format_time(promotion.at)}",
        f"- {code(path)} is {code(promotion.manifest)} again, byte for byte, with the signature that it had",
        "",
        "Once it is merged that version returns at once: no canary and no approvals, also during a freeze.",
    ]
    return Change(
        branch=branch_of("rollback", env, name, promotion.manifest),
        files={path: data, f"{path}.sig": signature},
        title=plain(f"Roll {name} back to {promotion.model_version} in {env}"),
        body="\n".join(rows) + "\n",
    )
