"""The texts of documents as they are in a place and were in the last commits behind it: what somebody signs the end of.

Not a judgement. Rule: what does not parse, or is other people's, is passed over; `validate` says so.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from reconciler.cli.places import Place
from reconciler.errors import NotFound, Refused

if TYPE_CHECKING:
    from reconciler.documents.schema import Loaded
    from reconciler.edges.git.checkout import Checkout

REVISIONS = 50  # commits that are looked back for the text of what is gone


def documents_in(place: Place) -> Iterator[tuple[str, "Loaded"]]:
    """The documents of a place by path."""
    yield from _parsed(place.contents())


def _parsed(contents: Mapping[str, bytes]) -> Iterator[tuple[str, "Loaded"]]:
    from reconciler.documents.schema import is_document_path, parse

    for path, data in contents.items():
        if not is_document_path(path):
            continue
        try:
            yield path, parse(path, data)
        except Refused:
            continue  # other people's YAML, and what does not parse: `validate` says so


def _is_release(loaded: "Loaded", env: str, name: str) -> bool:
    from reconciler.model.release import ModelRelease

    document = loaded.document
    return isinstance(document, ModelRelease) and (document.environment, loaded.name) == (env, name)


def texts_of(checkout: "Checkout", place: Place, env: str, name: str) -> Iterator[tuple[str, bytes]]:
    """Path and text of the release, the newest first: as it lies there, then commit by commit."""
    for path, loaded in documents_in(place):
        if _is_release(loaded, env, name):
            yield path, place.read(path)
    seen: set[bytes] = set()
    for contents in _revisions(checkout, (".yaml", ".yml"), REVISIONS, place.tip):
        for path, loaded in _parsed(contents):
            if _is_release(loaded, env, name) and contents[path] not in seen:
                seen.add(contents[path])
                yield path, contents[path]


def last_committed(
    checkout: "Checkout", path: str, revisions: int = REVISIONS, *, tip: str = "HEAD"
) -> "tuple[Loaded, bytes] | None":
    """The document that was committed last at `path` and can be read, and its text; None for none."""
    for contents in _revisions(checkout, (path,), revisions, tip):
        for at, loaded in _parsed(contents):
            if at == path:
                return loaded, contents[path]
    return None


def _revisions(checkout: "Checkout", suffixes: tuple[str, ...], most: int, tip: str) -> Iterator[dict[str, bytes]]:
    """The files whose names end so, by path, of the last commits up to `tip`, the newest first."""
    from reconciler.cli.tree import watched_path
    from reconciler.edges.git.checkout import history

    with history(checkout.top) as opened:
        for back in range(most):
            try:
                revision = opened.resolve(f"{tip}~{back}")
            except NotFound:
                return
            try:
                yield opened.read(revision, watched_path(checkout), suffixes=suffixes)[0]
            except NotFound:
                continue  # the watched folder was empty there
