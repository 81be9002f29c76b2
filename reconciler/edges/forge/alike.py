"""What the three clients do alike: learn who they are, open a pull request once, close one that may be closed.

Not how answers are read (`reading`) or sent (`http`). Rules: a login belongs to a token and is asked for again with
another one; what is there already is looked for before and, where the forge refuses a second one, after the request.
"""

from collections.abc import Callable

from reconciler.edges.forge.answers import Rejected
from reconciler.edges.forge.http import Answer, Client
from reconciler.errors import NotFound, Refused
from reconciler.model.pull import PullRequest, PullState

_NO_TOKEN = 401  # of theirs


class Account:
    """Who the client's token is there."""

    def __init__(self, client: Client, *, field: str = "login", hidden: bool = False) -> None:
        """`field` names it in the answer; `hidden`: "not found" also says that this token may not ask."""
        self._client = client
        self._field = field
        self._silent = (Rejected, NotFound) if hidden else (Rejected,)
        self._known = ("", "")  # the login, and the digest of its token

    def login(self) -> str:
        """Asked once for each token; empty, and asked again, while it may not ask. Raises Rejected without a token."""
        if not self._known[0] or self._known[1] != self._client.owner:
            self._known = (self._ask(), self._client.owner)
        return self._known[0]

    def _ask(self) -> str:
        try:
            answer = self._client.get("user", "/user")
        except self._silent as error:
            if isinstance(error, Rejected) and error.status == _NO_TOKEN:
                raise
            return ""
        with self._client.understanding("user"):
            return str(answer.json()[self._field])


def open_once(
    find: Callable[[], PullRequest | None],
    send: Callable[[], Answer],
    read: Callable[[Answer], PullRequest],
    *,
    exists: int,
) -> PullRequest:
    """The pull request that is there, or a new one; `exists` is the status with which a second one is refused."""
    there = find()
    if there:
        return there
    try:
        answer = send()
    except Rejected as error:
        there = find() if error.status == exists else None
        if there is None:
            raise
        return there
    return read(answer)


def close_once(send: Callable[[], object], now: Callable[[], PullRequest]) -> None:
    """Close it without a merge; one that is not open any more is done."""
    try:
        send()
    except Refused:
        if now().state is PullState.OPEN:
            raise
