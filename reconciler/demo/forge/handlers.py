"""What each call of the API does: reads a body, asks the hub, answers with a shape. One function per call."""

import re
from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

from reconciler.demo.api.messages import Answer
from reconciler.demo.forge import pulls, talk
from reconciler.demo.forge.calls import Call, json, nothing
from reconciler.demo.forge.hub import HEADS, Hub
from reconciler.demo.forge.messages import invalid, not_found
from reconciler.demo.forge.shapes import Facts, together
from reconciler.demo.forge.state import Pull

_SORTS = {"created": "number", "updated": "updated"}
_STATES = frozenset({"open", "closed", "all"})
_MOST_COMMITS = 250


class Route(NamedTuple):
    """`name` is what such requests are counted as."""

    method: str
    pattern: re.Pattern[str]
    name: str
    handler: Callable[[Call], Answer]


def facts(hub: Hub, pull: Pull) -> Facts:
    """What is counted for one pull request."""
    mergeable = hub.mergeable(pull) if pull.open else None
    return Facts(
        comments=len(hub.comments(pull.number)),
        commits=len(hub.repository.commits(pull.base_sha, pull.head_sha)),
        files=hub.repository.files(fork_point(hub, pull), pull.head_sha),
        mergeable=mergeable,
        mergeable_state=_mergeable_state(hub, pull, mergeable=mergeable),
    )


def fork_point(hub: Hub, pull: Pull) -> str:
    """What the pull request's difference begins at."""
    return hub.repository.fork_point(pull.base_sha, pull.head_sha)


def _mergeable_state(hub: Hub, pull: Pull, *, mergeable: bool | None) -> str:
    if mergeable is None:
        return "unknown"
    if not mergeable:
        return "dirty"
    if pull.draft:
        return "draft"
    if hub.missing(pull):
        return "blocked"
    statuses = hub.statuses(pull.head_sha)
    return "clean" if not statuses or together(statuses) == "success" else "unstable"


# --- people and the repository


def _user(call: Call) -> Answer:
    return json(call.shapes.me(call.login))


def _rate(call: Call) -> Answer:
    return json(call.shapes.rate(call.left))


def _repository(call: Call) -> Answer:
    return json(call.shapes.repository(sum(pull.open for pull in call.hub.state.pulls.values())))


def _permission(call: Call) -> Answer:
    if call.parts[0] not in call.hub.people.logins:
        raise not_found()
    return json(call.shapes.permission(call.parts[0]))


# --- pull requests


def _pulls(call: Call) -> Answer:
    query = call.request.query
    state, sort = query.get("state", "open"), query.get("sort", "created")
    if state not in _STATES or sort not in _SORTS:
        raise invalid("PullRequest", "state" if state not in _STATES else "sort", "invalid")
    direction = query.get("direction") or ("desc" if sort == "created" else "asc")
    owner = f"{call.hub.project.owner}:"
    found = [
        pull
        for pull in call.hub.state.pulls.values()
        if (state == "all" or pull.open == (state == "open"))
        and query.get("base", pull.base) == pull.base
        and query.get("head", pull.head).removeprefix(owner) == pull.head
    ]
    found.sort(key=attrgetter(_SORTS[sort]), reverse=direction == "desc")
    return call.page(found, call.shapes.pull)


def _one(call: Call, pull: Pull, status: int = 200) -> Answer:
    return json(call.shapes.whole_pull(pull, facts(call.hub, pull)), status)


def _pull(call: Call) -> Answer:
    return _one(call, call.hub.pull(call.number))


def _open(call: Call) -> Answer:
    pull = pulls.open_pull(
        call.hub, call.login, head=call.text("head"), base=call.text("base"), title=call.text("title"),
        body=call.text("body"), draft=call.field("draft", bool) or False,
    )  # fmt: skip
    return _one(call, pull, 201)


def _update(call: Call) -> Answer:
    pull = pulls.update(
        call.hub, call.login, call.number, title=call.field("title", str), body=call.field("body", str),
        state=call.field("state", str),
    )  # fmt: skip
    return _one(call, pull)


def _merge(call: Call) -> Answer:
    pull = pulls.merge(
        call.hub, call.login, call.number, way=call.text("merge_method") or "merge", sha=call.text("sha"),
        title=call.text("commit_title"), message=call.text("commit_message"),
    )  # fmt: skip
    return json({"sha": pull.merge_sha, "merged": True, "message": "Pull Request successfully merged"})


def _merged(call: Call) -> Answer:
    if not call.hub.pull(call.number).merged:
        raise not_found()
    return nothing()


def _files(call: Call) -> Answer:
    pull = call.hub.pull(call.number)
    found = call.hub.repository.files(fork_point(call.hub, pull), pull.head_sha)
    return call.page(found, lambda change: call.shapes.file(change, pull.head_sha))


def _commits(call: Call) -> Answer:
    pull = call.hub.pull(call.number)
    found = call.hub.repository.commits(pull.base_sha, pull.head_sha)[:_MOST_COMMITS]
    return call.page(found, call.shapes.commit)


def _pulls_of_commit(call: Call) -> Answer:
    sha = call.hub.resolve(call.parts[0])
    found = [pull for pull in call.hub.state.pulls.values() if sha in {pull.head_sha, pull.merge_sha}]
    return call.page(found, call.shapes.pull)


# --- what is said


def _reviews(call: Call) -> Answer:
    return call.page(call.hub.reviews(call.number), call.shapes.review)


def _review(call: Call) -> Answer:
    said = talk.review(
        call.hub, call.login, call.number, event=call.text("event"), body=call.text("body"),
        commit=call.text("commit_id"),
    )  # fmt: skip
    return json(call.shapes.review(said))


def _comments(call: Call) -> Answer:
    return call.page(call.hub.comments(call.number), call.shapes.comment)


def _comment(call: Call) -> Answer:
    return json(call.shapes.comment(talk.comment(call.hub, call.login, call.number, call.text("body"))), 201)


def _one_comment(call: Call) -> Answer:
    if call.number not in call.hub.state.comments:
        raise not_found()
    return json(call.shapes.comment(call.hub.state.comments[call.number]))


def _edit(call: Call) -> Answer:
    return json(call.shapes.comment(talk.edit(call.hub, call.login, call.number, call.text("body"))))


def _take_back(call: Call) -> Answer:
    talk.take_back(call.hub, call.login, call.number)
    return nothing()


# --- commits and refs


def _set_status(call: Call) -> Answer:
    sha = call.parts[0]
    context = call.field("context", str)
    said = talk.set_status(
        call.hub, call.login, sha, state=call.text("state"), context="default" if context is None else context,
        description=call.text("description"), url=call.text("target_url"),
    )  # fmt: skip
    return json(call.shapes.status(said, sha), 201)


def _combined(call: Call) -> Answer:
    sha = call.hub.resolve(call.parts[0])
    statuses = call.hub.statuses(sha)
    shown, links = call.window(statuses)
    return json(call.shapes.combined(sha, statuses, shown), headers=links)


def _statuses(call: Call) -> Answer:
    sha = call.hub.resolve(call.parts[0])
    newest_first = call.hub.state.statuses.get(sha, [])[::-1]
    return call.page(newest_first, lambda status: call.shapes.status(status, sha))


def _commit(call: Call) -> Answer:
    return json(call.shapes.commit(call.hub.repository.commit(call.hub.resolve(call.parts[0]))))


def _ref(call: Call) -> Answer:
    ref = f"refs/{call.parts[0]}"
    found = call.hub.repository.refs("refs/").get(call.parts[0])
    if found is None:
        raise not_found()
    return json(call.shapes.ref(ref, found))


def _delete_ref(call: Call) -> Answer:
    name = f"refs/{call.parts[0]}"
    if not name.startswith(HEADS):
        raise not_found()
    pulls.delete_branch(call.hub, call.login, name.removeprefix(HEADS))
    return nothing()


_NUMBER, _REST = r"(\d{1,9})", r"(.+)"


def _route(method: str, path: str, name: str, handler: Callable[[Call], Answer]) -> Route:
    pattern = path.replace("{n}", _NUMBER).replace("{ref}", _REST)
    return Route(method, re.compile(pattern), name, handler)


ROUTES = (  # below the repository; the first that fits is taken
    _route("GET", "", "repository", _repository),
    _route("GET", "collaborators/([^/]+)/permission", "permission", _permission),
    _route("GET", "pulls", "pulls", _pulls),
    _route("POST", "pulls", "open", _open),
    _route("GET", "pulls/{n}", "pull", _pull),
    _route("PATCH", "pulls/{n}", "update", _update),
    _route("GET", "pulls/{n}/merge", "merged", _merged),
    _route("PUT", "pulls/{n}/merge", "merge", _merge),
    _route("GET", "pulls/{n}/files", "files", _files),
    _route("GET", "pulls/{n}/commits", "commits", _commits),
    _route("GET", "pulls/{n}/reviews", "reviews", _reviews),
    _route("POST", "pulls/{n}/reviews", "review", _review),
    _route("GET", "issues/{n}/comments", "comments", _comments),
    _route("POST", "issues/{n}/comments", "comment", _comment),
    _route("GET", "issues/comments/{n}", "comment-read", _one_comment),
    _route("PATCH", "issues/comments/{n}", "edit", _edit),
    _route("DELETE", "issues/comments/{n}", "take-back", _take_back),
    _route("POST", "statuses/([^/]+)", "set-status", _set_status),
    _route("GET", "commits/{ref}/status", "combined", _combined),
    _route("GET", "commits/{ref}/statuses", "statuses", _statuses),
    _route("GET", "commits/([0-9a-f]{40})/pulls", "pulls-of-commit", _pulls_of_commit),
    _route("GET", "commits/{ref}", "commit", _commit),
    _route("GET", "git/ref/{ref}", "ref", _ref),
    _route("DELETE", "git/refs/{ref}", "delete-ref", _delete_ref),
)
RATE_LIMIT = "rate-limit"
OUTSIDE = (
    _route("GET", "user", "user", _user),
    _route("GET", "rate_limit", RATE_LIMIT, _rate),
)
