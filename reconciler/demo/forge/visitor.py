"""A person at a forge: what the people of a story do there, over HTTP like anybody.

Not our client (`edges/forge` is): it waits for nothing, repeats nothing and knows GitHub's API only. It works on any
GitHub as well as on the local forge.
"""

from typing import Any, Self

import httpx

from reconciler.errors import Refused, Unreachable

Body = dict[str, Any]
_TIMEOUT = 30.0  # seconds
_PAGE = {"per_page": "100"}


class Visitor:
    """Somebody with a token. `api` is the API's address, `name` the repository's OWNER/NAME. Close it after use.

    Every method raises Refused with the forge's own words, and Unreachable when it does not answer.
    """

    def __init__(self, api: str, name: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        self._http = httpx.Client(base_url=f"{api}/repos/{name}/", headers=headers, timeout=_TIMEOUT, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()

    def open_pull(self, head: str, title: str, *, body: str = "", base: str = "main") -> int:
        """Ask for a branch to be merged; the pull request's number."""
        return int(self._ask("POST", "pulls", {"head": head, "base": base, "title": title, "body": body})["number"])

    def pull(self, number: int) -> Body:
        """One pull request, as the forge tells it."""
        found: Body = self._ask("GET", f"pulls/{number}")
        return found

    def pulls(self, state: str = "open") -> list[Body]:
        """Up to a hundred of them: `open`, `closed` or `all`."""
        found: list[Body] = self._ask("GET", "pulls", query={"state": state, **_PAGE})
        return found

    def comment(self, number: int, body: str) -> None:
        """Say something."""
        self._ask("POST", f"issues/{number}/comments", {"body": body})

    def comments(self, number: int) -> list[tuple[str, str]]:
        """Who said what, oldest first: up to a hundred."""
        rows = self._ask("GET", f"issues/{number}/comments", query=_PAGE)
        return [(str(row["user"]["login"]), str(row["body"])) for row in rows]

    def approve(self, number: int, body: str = "") -> None:
        """Approve what its head is now."""
        self._ask("POST", f"pulls/{number}/reviews", {"event": "APPROVE", "body": body})

    def ask_for_changes(self, number: int, body: str) -> None:
        """Say what has to change first."""
        self._ask("POST", f"pulls/{number}/reviews", {"event": "REQUEST_CHANGES", "body": body})

    def statuses(self, commit: str) -> dict[str, tuple[str, str]]:
        """The newest state and description of every context."""
        rows = self._ask("GET", f"commits/{commit}/status", query=_PAGE)["statuses"]
        return {str(row["context"]): (str(row["state"]), str(row["description"] or "")) for row in rows}

    def merge(self, number: int, *, way: str = "merge", head: str = "") -> str:
        """Merge it by `merge`, `squash` or `rebase`, with `head` only if that is still its head; the new tip."""
        body = {"merge_method": way, **({"sha": head} if head else {})}
        return str(self._ask("PUT", f"pulls/{number}/merge", body)["sha"])

    def close_pull(self, number: int) -> None:
        """Close it without a merge."""
        self._ask("PATCH", f"pulls/{number}", {"state": "closed"})

    def _ask(self, method: str, path: str, body: Body | None = None, query: dict[str, str] | None = None) -> Any:
        try:
            answer = self._http.request(method, path, json=body, params=query)
        except httpx.HTTPError as error:
            raise Unreachable(f"the forge does not answer {method} {path}: {error}") from error
        if not answer.is_success:
            raise Refused(f"the forge answers {answer.status_code} to {method} {path}: {_words(answer)}")
        return answer.json()


def _words(answer: httpx.Response) -> str:
    """What a refusal says: GitHub's message, and the messages of its errors."""
    try:
        told = answer.json()
        errors = told.get("errors", ())
        more = [str(one.get("message", one)) if isinstance(one, dict) else str(one) for one in errors]
        return "; ".join([str(told["message"]), *more])
    except (ValueError, KeyError, AttributeError):
        return answer.reason_phrase
