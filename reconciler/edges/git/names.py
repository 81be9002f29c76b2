"""Which names in a tree we accept, and when two of them are too alike.

Not about paths a person configures (see `path_parts` for those) and not about what a file holds. Rule: a name that
could mean something to a file system, a terminal or a reader other than what it says is refused, with the reason.
"""

import hashlib
import re
import unicodedata

from reconciler.errors import Misused
from reconciler.model.ids import RepositoryName

MAX_NAME = 255  # bytes: the limit of the usual file systems
_GIT_FOLDERS = frozenset({".git", "git~1"})
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # control, format (bidi), surrogate, separators


def name_problem(raw: bytes) -> str:
    """Why a name is refused, as a phrase that follows the path; empty when it is fine."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        return "has a name that is not UTF-8"
    if not name or "/" in name or name in {".", ".."}:
        return "has a name that means another folder"
    if name.rstrip(". ").casefold() in _GIT_FOLDERS:
        return "has a name that git keeps for itself"
    if len(raw) > MAX_NAME:
        return f"has a name of more than {MAX_NAME} bytes"
    if not name.isascii() or not name.isprintable():
        odd = next((char for char in name if unicodedata.category(char) in _INVISIBLE), "")
        return f"has the character U+{ord(odd):04X} in its name" if odd else ""
    return ""


def fold(name: str) -> str:
    """What two names that differ only by case or Unicode form have in common."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def printable(raw: bytes) -> str:
    """A refused name for people: nothing in it moves the cursor or hides."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if unicodedata.category(c) not in _INVISIBLE else f"\\u{ord(c):04x}" for c in text)


def path_parts(path: str) -> tuple[str, ...]:
    """The folders of a path relative to the repository (`.` or empty: its top); raises `Misused` when it is not one."""
    if path in {"", "."}:
        return ()
    parts = tuple(path.removesuffix("/").split("/"))
    problem = next(
        (found for found in (name_problem(part.encode("utf-8", "surrogatepass")) for part in parts) if found), ""
    )
    if problem:
        raise Misused(f"The path {path!r} {problem}.")
    return parts


def folder_name(name: RepositoryName) -> str:
    """A folder name of ours: readable, unique, and never a path somebody else uses."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60] or "repository"
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.mirror"
