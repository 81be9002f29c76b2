"""What one does to a pull request: open, change, merge, delete its branch. Every refusal is GitHub's."""

from dataclasses import replace

from reconciler.demo.forge.hub import HEADS, Hub
from reconciler.demo.forge.merging import WAYS, Wish
from reconciler.demo.forge.messages import ForgeError, custom, invalid
from reconciler.demo.forge.state import Pull, stamp

BODY_LIMIT = 65_536  # characters of a comment or of what a pull request says
_TITLE_LIMIT = 256
_RESOURCE = "PullRequest"


def open_pull(hub: Hub, login: str, *, head: str, base: str, title: str, body: str = "", draft: bool = False) -> Pull:
    """Ask for `head`, a branch or `owner:branch`, to be merged into `base`."""
    with hub.lock:
        hub.refresh()
        hub.people.expect_write(login)
        head = head.removeprefix(f"{hub.project.owner}:")
        _check_text(title, body)
        _check_branches(hub, head, base)
        now = stamp()
        pull = Pull(
            number=len(hub.state.pulls) + 1, title=title, body=body, author=login, head=head, base=base,
            head_sha=hub.branches[head], base_sha=hub.branches[base], created=now, updated=now, draft=draft,
        )  # fmt: skip
        with hub.change():
            hub.repository.point(pull.ref, pull.head_sha)
            return hub.put(pull, "opened", login)


def _check_text(title: str, body: str) -> None:
    if not title.strip():
        raise invalid(_RESOURCE, "title", "missing_field")
    if len(title) > _TITLE_LIMIT:
        raise invalid(_RESOURCE, "title", "custom", f"title is too long (maximum is {_TITLE_LIMIT} characters)")
    if len(body) > BODY_LIMIT:
        raise invalid(_RESOURCE, "body", "custom", f"body is too long (maximum is {BODY_LIMIT} characters)")


def _check_branches(hub: Hub, head: str, base: str) -> None:
    for field, name in (("head", head), ("base", base)):
        if name not in hub.branches:
            raise invalid(_RESOURCE, field, "invalid")
    if any(pull.open and (pull.head, pull.base) == (head, base) for pull in hub.state.pulls.values()):
        raise custom(_RESOURCE, f"A pull request already exists for {hub.project.owner}:{head}.")
    ours, theirs = hub.branches[base], hub.branches[head]
    if hub.repository.contains(ours, theirs):
        raise custom(_RESOURCE, f"No commits between {base} and {head}")
    if not hub.repository.fork_point(ours, theirs):
        raise custom(_RESOURCE, f"The {head} branch has no history in common with {base}")


def update(
    hub: Hub, login: str, number: int, *, title: str | None = None, body: str | None = None, state: str | None = None
) -> Pull:
    """Change what a pull request says, close it, or open it again."""
    hub.refresh()
    with hub.change():
        pull = hub.pull(number)
        if login != pull.author:
            hub.people.expect_write(login)
        changed = replace(
            pull, title=pull.title if title is None else title, body=pull.body if body is None else body,
            updated=stamp(),
        )  # fmt: skip
        _check_text(changed.title, changed.body)
        if state not in {None, "open", "closed"}:
            raise invalid(_RESOURCE, "state", "invalid")
        if state == "open" and not pull.open:
            changed = _reopened(hub, changed)
            hub.put(changed, "reopened", login)
        if (changed.title, changed.body) != (pull.title, pull.body):
            hub.put(changed, "edited", login)
        if state == "closed" and pull.open:
            changed = hub.put(replace(changed, closed=stamp()), "closed", login)
        return changed


def _reopened(hub: Hub, pull: Pull) -> Pull:
    if pull.merged:
        raise custom(_RESOURCE, "state cannot be changed. The pull request is merged.")
    try:
        _check_branches(hub, pull.head, pull.base)
    except ForgeError as error:
        raise custom(_RESOURCE, f"state cannot be changed. {error.sentence}") from None
    head, base = hub.branches[pull.head], hub.branches[pull.base]
    hub.repository.point(pull.ref, head)
    return replace(pull, closed="", head_sha=head, base_sha=base)


def merge(
    hub: Hub, login: str, number: int, *, way: str = "merge", sha: str = "", title: str = "", message: str = ""
) -> Pull:
    """Merge it: `way` is merge, squash or rebase; with `sha` only when that is still its head."""
    with hub.lock:
        hub.refresh()
        hub.people.expect_write(login)
        pull = hub.pull(number)
        if way not in WAYS:
            raise invalid(_RESOURCE, "merge_method", "invalid")
        if sha and sha != pull.head_sha:
            raise ForgeError(409, "Head branch was modified. Review and try the merge again.")
        _check_mergeable(hub, pull)
        wish = Wish(
            pull=pull, base=hub.branches[pull.base], by=hub.actor(login), owner=hub.project.owner,
            title=title, message=message,
        )  # fmt: skip
        tip = WAYS[way](hub.repository, wish)
        if not tip:
            raise ForgeError(
                405, "This branch can't be rebased" if way == "rebase" else "Pull Request is not mergeable"
            )
        if not hub.repository.move(f"{HEADS}{pull.base}", tip, wish.base):
            raise ForgeError(405, "Base branch was modified. Review and try the merge again.")
        with hub.change():
            now = stamp()
            merged = replace(pull, closed=now, merged=now, updated=now, merged_by=login, merge_sha=tip)
            hub.put(merged, "closed", login)
        hub.refresh()  # tells the push, and lets the other pull requests follow
        return merged


def _check_mergeable(hub: Hub, pull: Pull) -> None:
    if not pull.open:
        raise ForgeError(405, "Pull Request is not mergeable")
    if pull.draft:
        raise ForgeError(405, "Pull Request is still a draft")
    if missing := hub.missing(pull):
        raise ForgeError(405, " ".join(f'Required status check "{context}" is expected.' for context in missing))


def delete_branch(hub: Hub, login: str, name: str) -> None:
    """Delete a branch; open pull requests from it are closed."""
    with hub.lock:
        hub.refresh()
        hub.people.expect_write(login)
        if name not in hub.branches:
            raise ForgeError(422, "Reference does not exist")
        if name == hub.project.trunk:
            raise ForgeError(422, "Cannot delete the default branch")
        if not hub.repository.move(f"{HEADS}{name}", "", hub.branches[name]):
            raise ForgeError(409, "Reference was updated meanwhile")
        hub.refresh()
