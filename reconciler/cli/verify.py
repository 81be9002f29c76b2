"""`verify`: who signed each document of a tree, and whether that counts.

Not the judgement itself (trust/verify). Rule: keys are judged as of now, as if everything were seen for the first time;
the daemon judges by when it first saw a document, so what it accepted before a key expired is still in force there.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.output import Form, print_json
from reconciler.errors import EXIT_DONE, EXIT_NO, Invalid, NotFound, Refused

if TYPE_CHECKING:
    from reconciler.documents.schema import Loaded
    from reconciler.model.trustfile import TrustFile
    from reconciler.model.verification import Verification
    from reconciler.trust.succession import Succession, TrustText

TrustOption = Annotated[Path, typer.Option("--trust", metavar="FILE", help="The trust file, from a place you trust.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One document: whether its signatures count (None: it decides nothing and needs none), and why."""

    path: str
    verified: bool | None
    sentence: str
    people: tuple[str, ...] = ()


_WORDS = {True: "verified", False: "NOT VERIFIED", None: "not signed"}


def verify(
    trust: TrustOption,
    revision: Annotated[str, typer.Argument(help="A commit, branch or tag; else the work tree as it is.")] = "",
    root: Annotated[Path, typer.Option("--root", metavar="DIR", help="A folder of the clone; else this one.")] = Path(),
    output: Annotated[Form, typer.Option("-o", "--output", help="The form of the answer.")] = Form.TEXT,
) -> int:
    """Show who signed each document and whether that counts.

    A trust file of the tree that follows the one given is the one that all the others are judged by. Ends with 1 when a
    document that needs a signature is not verified.

    Example: reconciler verify HEAD --trust /etc/reconciler/trust.yaml
    """
    from reconciler.cli.tree import around, at_revision, watched, watched_path, work_tree
    from reconciler.cli.trust import trust_texts, trusted
    from reconciler.edges.git.checkout import Checkout
    from reconciler.trust.succession import succeed

    file = trusted(trust)
    if revision:
        checkout = Checkout.find(root)
        files = at_revision(checkout, revision, watched_path(checkout))
    else:
        clone = around(root)
        files = work_tree(watched(clone) if clone else root.resolve(), clone)
    now = datetime.now(UTC)
    texts = trust_texts(files.contents)
    succession = succeed(file, texts, now=now)
    rows = [Judgement(path=path, verified=False, sentence=why) for path, why in files.refused.items()]
    rows += [_judge_trust(text, succession) for text in texts]
    for path in files.contents.keys() - {text.path for text in texts}:
        judged = judge_document(path, files.contents[path], files.signature(path), succession.trust, now)
        rows += [judged] if judged else []
    if not rows:
        raise NotFound(f"there is no document in {root.resolve()}")
    _print(sorted(rows, key=lambda row: row.path), output)
    return EXIT_NO if any(row.verified is False for row in rows) else EXIT_DONE


def _print(rows: list[Judgement], output: Form) -> None:
    if output is Form.JSON:
        keys = ("path", "verified", "sentence", "people")
        print_json([{key: getattr(row, key) for key in keys} for row in rows])
        return
    for row in rows:
        print(f"{_WORDS[row.verified]}  {row.path}: {row.sentence}")


def _judge_trust(text: "TrustText", succession: "Succession") -> Judgement:
    """One trust file of the tree: it follows the one given, decides nothing any more, or does not count."""
    if text.path in succession.refused:
        why = succession.refused[text.path].removeprefix(f"{text.path}: ")
        return Judgement(path=text.path, verified=False, sentence=why)
    if text in succession.taken:
        before = text.version - 1
        return Judgement(path=text.path, verified=True, sentence=f"version {text.version}, signed as {before} asks")
    now = succession.trust.spec.version
    sentence = f"version {text.version} of the trust file decides nothing: version {now} is in force"
    return Judgement(path=text.path, verified=None, sentence=sentence)


def judge_document(path: str, data: bytes, signature: bytes, trust: "TrustFile", now: datetime) -> Judgement | None:
    """The judgement of one file; None when it is no document of ours."""
    from reconciler.digest import sha256_of
    from reconciler.documents.schema import NotOurs, is_document_path, parse
    from reconciler.loop.statements import statement_of

    if not is_document_path(path):
        return None
    try:
        loaded = parse(path, data)
    except NotOurs:
        return None
    except Invalid as error:
        return Judgement(path=path, verified=False, sentence=f"cannot be read: {error.problems[0]}")
    try:
        statement_of(trust.spec.repository, path, loaded, sha256_of(data))
    except Refused:
        does = "only stops" if loaded.kind == "Hold" else "decides nothing"
        return Judgement(path=path, verified=None, sentence=f"a {loaded.kind} {does} and needs no signature")
    verification = verify_document(path, data, signature, loaded, trust, first_seen=now, now=now)
    people = tuple(sorted(verification.people))
    return Judgement(path=path, verified=verification.verified, sentence=verification.sentence, people=people)


def verify_document(
    path: str, data: bytes, signature: bytes, loaded: "Loaded", trust: "TrustFile", *, first_seen: datetime,
    now: datetime,
) -> "Verification":  # fmt: skip
    """Judge the signatures of one document by what a signature of its kind needs; raises Refused where it needs none.

    `path` is where the document lies in the watched repository.
    """
    from reconciler.digest import sha256_of
    from reconciler.loop.statements import statement_of, verify_config
    from reconciler.model.release import ModelRelease
    from reconciler.model.trustfile import TrustFile
    from reconciler.trust.verify import verify as judge

    statement = statement_of(trust.spec.repository, path, loaded, sha256_of(data))
    document = loaded.document
    if isinstance(document, ModelRelease):
        return judge(
            statement, signature, trust, verb="release", environment=document.environment, first_seen=first_seen,
            now=now,
        )  # fmt: skip
    if isinstance(document, TrustFile):
        return judge(statement, signature, trust, verb="trust", first_seen=first_seen, now=now)
    return verify_config(statement, signature, trust, loaded, first_seen=first_seen, now=now)
