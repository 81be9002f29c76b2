"""What one says: comments and reviews on a pull request, statuses of a commit. Limits and refusals are GitHub's."""

import re
from dataclasses import replace

from reconciler.demo.forge.hub import Hub
from reconciler.demo.forge.messages import ForgeError, invalid, not_found
from reconciler.demo.forge.pulls import BODY_LIMIT
from reconciler.demo.forge.state import Comment, Review, Status, stamp

STATUS_LIMIT = 1000  # of one commit and context
_DESCRIPTION_LIMIT = 140
_CONTEXT_LIMIT = 255
_STATES = frozenset({"error", "failure", "pending", "success"})
_REVIEWS = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
_URL = re.compile(r"https?://[^\s<>\"]{1,2000}")


def comment(hub: Hub, login: str, number: int, body: str) -> Comment:
    """Say something on a pull request."""
    _check_body(body)
    with hub.change():
        pull = hub.touch(number)
        now = stamp()
        said = Comment(id=hub.state.next_id(), pull=number, author=login, body=body, created=now, updated=now)
        hub.state.comments[said.id] = said
        hub.happened("issue_comment", "created", login, pull=pull, comment=said)
        return said


def edit(hub: Hub, login: str, number: int, body: str) -> Comment:
    """Replace a comment's text; `number` is the comment's."""
    _check_body(body)
    with hub.change():
        said = _own(hub, login, number)
        said = hub.state.comments[number] = replace(said, body=body, updated=stamp())
        hub.happened("issue_comment", "edited", login, pull=hub.touch(said.pull), comment=said)
        return said


def take_back(hub: Hub, login: str, number: int) -> None:
    """Delete a comment."""
    with hub.change():
        said = _own(hub, login, number)
        del hub.state.comments[number]
        hub.happened("issue_comment", "deleted", login, pull=hub.touch(said.pull), comment=said)


def _own(hub: Hub, login: str, number: int) -> Comment:
    """A comment that this login may change: its own, and anybody's when it may write."""
    if number not in hub.state.comments:
        raise not_found()
    said = hub.state.comments[number]
    if said.author != login:
        hub.people.expect_write(login)
    return said


def _check_body(body: str) -> None:
    if not body.strip():
        raise invalid("IssueComment", "body", "missing_field")
    if len(body) > BODY_LIMIT:
        raise invalid("IssueComment", "body", "custom", f"Body is too long (maximum is {BODY_LIMIT} characters)")


def review(hub: Hub, login: str, number: int, *, event: str, body: str = "", commit: str = "") -> Review:
    """Approve, ask for changes, or only comment. `commit` is the head that was looked at; the newest without it."""
    hub.refresh()
    with hub.change():
        pull = hub.pull(number)
        if event not in _REVIEWS:
            raise _unprocessable(f"{event or 'A pending review'} is not an event of this forge")
        if event != "COMMENT" and login == pull.author:
            what = "approve" if event == "APPROVE" else "request changes on"
            raise _unprocessable(f"Can not {what} your own pull request")
        if event != "APPROVE" and not body.strip():
            raise _unprocessable("Body cannot be blank")
        if len(body) > BODY_LIMIT:
            raise _unprocessable(f"Body is too long (maximum is {BODY_LIMIT} characters)")
        if commit and not hub.repository.has(commit):
            raise _unprocessable("The commit of the review is not part of the pull request")
        said = Review(
            id=hub.state.next_id(), pull=number, author=login, state=_REVIEWS[event], body=body,
            commit=commit or pull.head_sha, at=stamp(),
        )  # fmt: skip
        hub.state.reviews[said.id] = said
        hub.happened("pull_request_review", "submitted", login, pull=hub.touch(number), review=said)
        return said


def _unprocessable(message: str) -> ForgeError:
    return ForgeError(422, "Unprocessable Entity", errors=[message])


def set_status(
    hub: Hub, login: str, sha: str, *, state: str, context: str = "default", description: str = "", url: str = ""
) -> Status:
    """Say how a commit does. A repeat adds another one, up to the limit."""
    with hub.change():
        hub.people.expect_write(login)
        if not hub.repository.has(sha):
            raise ForgeError(422, f"No commit found for SHA: {sha}")
        if state not in _STATES:
            raise invalid("Status", "state", "custom", "state is not included in the list")
        if len(description) > _DESCRIPTION_LIMIT:
            told = f"description is too long (maximum is {_DESCRIPTION_LIMIT} characters)"
            raise invalid("Status", "description", "custom", told)
        if not 0 < len(context) <= _CONTEXT_LIMIT:
            raise invalid("Status", "context", "invalid")
        if url and not _URL.fullmatch(url):
            raise invalid("Status", "target_url", "custom", "target_url must use http(s) scheme")
        before = hub.state.statuses.setdefault(sha, [])
        if sum(one.context.lower() == context.lower() for one in before) >= STATUS_LIMIT:
            told = "This SHA and context has reached the maximum number of statuses."
            raise invalid("Status", "base", "custom", told)
        said = Status(
            id=hub.state.next_id(), context=context, state=state, description=description, url=url, author=login,
            at=stamp(),
        )  # fmt: skip
        before.append(said)
        return said
