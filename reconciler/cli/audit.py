"""`audit`: the ledger proved from a clone, offline, and read: nothing but the clone and the trust file is believed.

Not a reader of the clusters. Rules: every record counts or is named (loop/chain says which); every manifest that a
record speaks of lies in the ledger with the signatures that the record claims, and so does every accepted document and
every acceptance of a rewritten trunk; approvals and removals are proved by the signatures that lie there (evidence);
trust files that were accepted follow the one given, each judged by its predecessor, and the last one judges; what is
in the ledger and no record accounts for is named as well. The first thing that is wrong is the answer.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.app import new_app
from reconciler.cli.output import Form, print_json
from reconciler.cli.verify import TrustOption, verify_document
from reconciler.errors import EXIT_DONE, EXIT_NO, Invalid, NotFound, Refused

if TYPE_CHECKING:
    from reconciler.edges.git.checkout import History
    from reconciler.loop.chain import Chain
    from reconciler.model.ids import Revision
    from reconciler.model.record import Record
    from reconciler.model.trustfile import TrustFile

app = new_app("Check the ledger: who decided what, proved offline.")
LEDGER = "refs/heads/reconciler/ledger"
_ENDS_PROMOTED = "Promoted"
_UNSIGNED = ("Hold", "Trust")  # whoever merges may stop something; trust files are judged one by the other
_MANIFEST = re.compile(r"manifests/(?P<digest>[0-9a-f]{64})\.yaml")


Clone = Annotated[Path, typer.Option("--repository-dir", metavar="DIR", help="A clone with the ledger's branch.")]
Ref = Annotated[str, typer.Option("--ref", help="The ledger's ref; a remote's branch of that name counts too.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    """What a ledger holds, and every sentence on what does not hold; empty: all of it does."""

    chain: "Chain"
    files: Mapping[str, bytes]
    revision: "Revision"
    problems: list[str]


@app.command()
def verify(
    trust: TrustOption,
    repository: Clone = Path(),
    ref: Ref = LEDGER,
    output: Annotated[Form, typer.Option("-o", "--output", help="The form of the answer.")] = Form.TEXT,
) -> int:
    """Check every record of the ledger, its chain, its signatures and what it speaks of, without any network.

    Ends with 1 and names the first thing that does not hold.

    Example: reconciler audit verify --trust trust.yaml --repository-dir models
    """
    proof = _prove(trust, repository, ref)
    _print(proof, output)
    return EXIT_NO if proof.problems else EXIT_DONE


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="NAME, in every environment, or ENVIRONMENT/NAME.")],
    trust: TrustOption,
    repository: Clone = Path(),
    ref: Ref = LEDGER,
    output: Annotated[Form, typer.Option("-o", "--output", help="The form of the answer.")] = Form.TEXT,
) -> int:
    """Tell one release's story: what happened, of which text, who signed and approved it, what the policies said.

    Only records that count are told. Ends with 1 when the ledger does not hold, or has no such release.

    Example: reconciler audit show prod/fraud-detector --trust trust.yaml --repository-dir models
    """
    from reconciler.cli.audit_story import as_data, names, of_release, told

    proof = _prove(trust, repository, ref)
    links = of_release(proof.chain.links, name)
    if not links:
        known = ", ".join(names(proof.chain.links)[:10]) or "none"
        raise NotFound(f"the ledger tells of no release '{name}'", hint=f"it tells of {known}")
    if output is Form.JSON:
        print_json([as_data(link) for link in links])
    else:
        print("\n".join(line for link in links for line in told(link.record)))
    return _warned(proof)


@app.command()
def export(trust: TrustOption, repository: Clone = Path(), ref: Ref = LEDGER) -> int:
    """Print every record that counts, one JSON object per line, oldest first: for archives and other programs.

    Ends with 1 when the ledger does not hold.

    Example: reconciler audit export --trust trust.yaml --repository-dir models > ledger.jsonl
    """
    import orjson

    from reconciler.cli.audit_story import as_data

    proof = _prove(trust, repository, ref)
    for link in proof.chain.links:
        print(orjson.dumps(as_data(link), option=orjson.OPT_SORT_KEYS).decode())
    return _warned(proof)


def _warned(proof: _Proof) -> int:
    """Say on standard error that not all of the ledger holds; the exit code."""
    if proof.problems:
        typer.echo(_broken(proof), err=True)
    return EXIT_NO if proof.problems else EXIT_DONE


def _prove(trust: Path, repository: Path, ref: str) -> _Proof:
    from reconciler.cli.trust import trusted
    from reconciler.edges.git.checkout import history
    from reconciler.loop.chain import verify_chain

    file = trusted(trust)
    with history(repository) as opened:
        revision = ledger_head(opened, ref)
        files, rejected = opened.read(revision)
    file, chain, untrusted = _with_successors(verify_chain(files, file), files, file)
    problems = [*(f"{entry}" for entry in rejected), *_problems(chain, files, file), *untrusted]
    return _Proof(chain=chain, files=files, revision=revision, problems=problems)


def ledger_head(opened: "History", ref: str) -> "Revision":
    """The ledger's head: the ref itself, or what a clone remembers of the remote's."""
    branch = ref.removeprefix("refs/heads/")
    for name in (ref, f"refs/remotes/origin/{branch}"):
        try:
            return opened.resolve(name)
        except NotFound:
            continue
    raise NotFound(f"there is no ledger {ref} in {opened.folder}", hint=f"fetch it first: git fetch origin {branch}")


def _with_successors(
    chain: "Chain", files: Mapping[str, bytes], trust: "TrustFile"
) -> tuple["TrustFile", "Chain", list[str]]:
    """The last trust file that the ledger proves to follow the one given, the chain judged by it, and what it does not.

    A later trust file may name later keys of the daemon, whose records tell of still later ones.
    """
    from reconciler.loop.chain import verify_chain

    while True:
        newer, problems = _successor([link.record for link in chain.links], files, trust)
        if newer is trust:
            return trust, chain, problems
        trust = newer
        chain = verify_chain(files, trust)


def _successor(
    records: list["Record"], files: Mapping[str, bytes], trust: "TrustFile"
) -> tuple["TrustFile", list[str]]:
    """What the ledger's accepted trust files make of the one given, one by one, and what does not follow."""
    from reconciler.cli.trust import trust_texts
    from reconciler.loop.statements import TRUST
    from reconciler.trust.succession import judge

    problems = []
    for record in records:
        if record.kind != "Accepted" or record.detail["accepted"]["kind"] != TRUST:
            continue
        version = record.detail["version"]
        if version <= trust.spec.version:
            continue  # older than the file given, which is trusted as it is
        path = f"trust/{version}.yaml"
        stored = {name: files[name] for name in (path, f"{path}.sig") if name in files}
        text = next(iter(trust_texts(stored)), None)
        if text is None or text.sha256 != record.detail["accepted"]["sha256"]:
            problems.append(f"record {record.sequence}: {path} is not the trust file that was accepted")
        elif why := judge(trust, text, now=record.time):
            problems.append(f"record {record.sequence}: {why}")
        else:
            trust = text.file
    return trust, problems


def _problems(chain: "Chain", files: Mapping[str, bytes], trust: "TrustFile") -> list[str]:
    """One sentence for everything that does not hold, records first."""
    from reconciler.cli.evidence import unproven

    if not chain.links and not chain.problems:
        return ["the ledger holds no record"]
    found = [*chain.problems]
    counted = {link.path for link in chain.links}
    beyond = [path for path in files if path.startswith("records/") and path.removesuffix(".sig") not in counted]
    if beyond and not found:
        found.append(f"{min(beyond)} is not a record that counts")
    records = [link.record for link in chain.links]
    told = (
        _manifests(records, files, trust),
        _accepted(records, files, trust),
        _trunks(records, files, trust),
        unproven(records, files, trust),
    )
    return [*found, *itertools.chain.from_iterable(told)]


def _manifests(records: list["Record"], files: Mapping[str, bytes], trust: "TrustFile") -> Iterator[str]:
    """Manifests that are missing, are not what their name says, or do not carry the signatures that a record claims."""
    spoken: dict[str, list[Record]] = {}
    for record in records:
        if record.manifest:
            spoken.setdefault(record.manifest.sha256.removeprefix("sha256:"), []).append(record)
    for digest, about in spoken.items():
        promoted = [record for record in about if record.kind == _ENDS_PROMOTED and record.signatures]
        if promoted and f"manifests/{digest}.yaml" not in files:
            yield f"record {promoted[0].sequence}: its manifest manifests/{digest}.yaml is not in the ledger"
    for path in sorted(files):
        match = _MANIFEST.fullmatch(path)
        if match:
            yield from _manifest(path, match["digest"], spoken.get(match["digest"], []), files, trust)
        elif path.startswith("manifests/") and not _MANIFEST.fullmatch(path.removesuffix(".sig")):
            yield f"{path} is not named by a digest"


def _manifest(
    path: str, digest: str, records: list["Record"], files: Mapping[str, bytes], trust: "TrustFile"
) -> Iterator[str]:
    from reconciler.digest import sha256_of

    data = files[path]
    if sha256_of(data) != f"sha256:{digest}":
        yield f"{path} holds other bytes than its name says"
        return
    if not records:
        yield f"{path} is in the ledger, and no record speaks of it"
    for record in records:
        assert record.manifest is not None  # noqa: S101  # how the records were chosen
        claimed = {fact.person for fact in record.signatures}
        if claimed:
            seen = record.manifest.first_seen or record.time
            missing = _not_proven(path, record.manifest.path, claimed, files, trust, seen)
            if missing:
                yield f"record {record.sequence}: {missing}"


def _accepted(records: list["Record"], files: Mapping[str, bytes], trust: "TrustFile") -> Iterator[str]:
    """Accepted documents that are missing, have other bytes than their last record says, or are not signed."""
    from reconciler.digest import sha256_of

    last = {record.detail["path"]: record for record in records if record.kind == "Accepted"}
    for path, record in sorted(last.items()):
        stored = f"accepted/{path}"
        if stored not in files:
            yield f"record {record.sequence}: {stored} is not in the ledger"
        elif sha256_of(files[stored]) != record.detail["accepted"]["sha256"]:
            yield f"record {record.sequence}: {stored} holds other bytes than were accepted"
        elif record.detail["accepted"]["kind"] not in _UNSIGNED:
            claimed = {fact.person for fact in record.signatures}
            missing = _not_proven(stored, path, claimed, files, trust, record.time)
            if missing:
                yield f"record {record.sequence}: {missing}"
    known = {f"accepted/{path}" for path in last}
    for path in files:
        if path.startswith("accepted/") and path.removesuffix(".sig") not in known:
            yield f"{path} is in the ledger, and no record speaks of it"


def _trunks(records: list["Record"], files: Mapping[str, bytes], trust: "TrustFile") -> Iterator[str]:
    """Rewritten trunks that were accepted, and whose signature is missing or not of somebody who may."""
    from reconciler.model.record import ACCEPTED
    from reconciler.trust.statement import TrunkStatement
    from reconciler.trust.verify import verify as judge

    known = set()
    for record in records:
        if record.kind != ACCEPTED:
            continue
        branch, old, new = (str(record.detail.get(name, "")) for name in ("branch", "from", "to"))
        path = f"trunk/{old}-{new}.sig"
        known.add(path)
        said = TrunkStatement(repository=record.repository, branch=branch, old=old, new=new)
        found = judge(said, files.get(path, b""), trust, verb="trunk", first_seen=record.time, now=record.time)
        if not found.verified:
            yield f"record {record.sequence}: {path}: {found.sentence}"
    for path in files:
        if path.startswith("trunk/") and path not in known:
            yield f"{path} is in the ledger, and no record speaks of it"


def _not_proven(
    stored: str, path: str, claimed: set[str], files: Mapping[str, bytes], trust: "TrustFile", seen: datetime
) -> str:
    """Why the document stored there was not signed by whom the record claims (empty: by anybody who may)."""
    from reconciler.documents.schema import parse

    try:
        loaded = parse(path, files[stored])
        found = verify_document(
            path, files[stored], files.get(f"{stored}.sig", b""), loaded, trust, first_seen=seen, now=datetime.now(UTC)
        )
    except (Invalid, Refused) as error:
        return f"{stored} cannot be judged: {error.message.splitlines()[0]}"
    if not found.verified:
        return f"{stored}: {found.sentence}"
    lacking = sorted(claimed - found.people)
    return f"{stored} is not signed by {' and '.join(lacking)}, as the record says" if lacking else ""


def _broken(proof: _Proof) -> str:
    more = f" (and {len(proof.problems) - 1} more)" if len(proof.problems) > 1 else ""
    return f"the ledger at {proof.revision[:12]} does not hold: {proof.problems[0]}{more}"


def _print(proof: _Proof, output: Form) -> None:
    chain, files, revision, problems = proof.chain, proof.files, proof.revision, proof.problems
    manifests = sum(_MANIFEST.fullmatch(path) is not None for path in files)
    accepted = sum(path.startswith("accepted/") and not path.endswith(".sig") for path in files)
    if output is Form.JSON:
        print_json(
            {
                "ok": not problems, "revision": revision, "records": len(chain.links), "head": chain.head,
                "manifests": manifests, "accepted": accepted, "problems": problems,
            }
        )  # fmt: skip
        return
    if problems:
        print(_broken(proof))
        return
    first, last = chain.links[0].record, chain.links[-1].record
    print(
        f"the ledger at {revision[:12]} holds: {len(chain.links)} records from {first.time:%Y-%m-%d} to "
        f"{last.time:%Y-%m-%d}, {manifests} signed manifests, {accepted} accepted documents; head {chain.head}"
    )
