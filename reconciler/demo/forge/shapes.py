"""Records as GitHub's JSON. Complete by its published description; what a local forge has nothing to say of is empty.

The description's templates of addresses (`{/sha}`) are there because it asks for them; only those that this forge
answers lead anywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from reconciler.demo.forge.hub import Project
from reconciler.demo.forge.people import People
from reconciler.demo.forge.repository import FileChange
from reconciler.demo.forge.state import Comment, Pull, Review, Status
from reconciler.edges.git import Actor, Commit

Body = dict[str, Any]
_NEVER = "2026-01-01T00:00:00Z"  # nobody joined and nothing was made: there are no such records here
_USER_URLS = {
    "events_url": "/events{/privacy}", "followers_url": "/followers", "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}", "organizations_url": "/orgs", "received_events_url": "/received_events",
    "repos_url": "/repos", "starred_url": "/starred{/owner}{/repo}", "subscriptions_url": "/subscriptions",
}  # fmt: skip
_REPOSITORY_URLS = {
    "archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}", "commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}", "contributors_url": "/contributors", "deployments_url": "/deployments",
    "downloads_url": "/downloads", "events_url": "/events", "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks", "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}", "issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}", "languages_url": "/languages", "merges_url": "/merges",
    "milestones_url": "/milestones{/number}", "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}", "releases_url": "/releases{/id}", "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}", "subscribers_url": "/subscribers", "subscription_url": "/subscription",
    "tags_url": "/tags", "teams_url": "/teams", "trees_url": "/git/trees{/sha}",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is counted for one pull request that is looked at alone."""

    comments: int
    commits: int
    files: Sequence[FileChange]
    mergeable: bool | None
    mergeable_state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Where the forge is, and of what."""

    address: str
    """`http://127.0.0.1:PORT`."""
    project: Project
    people: People

    @property
    def api(self) -> str:
        """The API's address."""
        return f"{self.address}/api/v3"

    @property
    def here(self) -> str:
        """The repository in the API."""
        return f"{self.api}/repos/{self.project.full}"

    @property
    def page(self) -> str:
        """The repository's page."""
        return f"{self.address}/{self.project.full}"

    def user(self, login: str) -> Body:
        """A simple user."""
        url = f"{self.api}/users/{quote(login)}"
        number = self.people.number(login)
        return {
            "login": login, "id": number, "node_id": f"U_{number}", "avatar_url": f"{self.address}/avatar/{number}",
            "gravatar_id": "", "url": url, "html_url": f"{self.address}/{quote(login)}",
            **{key: f"{url}{rest}" for key, rest in _USER_URLS.items()},
            "type": "Bot" if login.endswith("[bot]") else "User", "site_admin": False,
        }  # fmt: skip

    def me(self, login: str) -> Body:
        """A user as that user sees it."""
        return {
            **self.user(login), "user_view_type": "public", "name": login, "company": None, "blog": None,
            "location": None, "email": None, "hireable": None, "bio": None, "public_repos": 1, "public_gists": 0,
            "followers": 0, "following": 0, "created_at": _NEVER, "updated_at": _NEVER,
        }  # fmt: skip

    def small_repository(self) -> Body:
        """What every mention of the repository has."""
        project = self.project
        return {
            "id": 1, "node_id": "R_1", "name": project.name, "full_name": project.full, "private": True,
            "owner": self.user(project.owner), "html_url": self.page, "description": None, "fork": False,
            "url": self.here, **{key: f"{self.here}{rest}" for key, rest in _REPOSITORY_URLS.items()},
        }  # fmt: skip

    def repository(self, opened: int = 0) -> Body:
        """All of it."""
        counted = ("stargazers_count", "watchers", "watchers_count", "forks", "forks_count", "size")
        return {
            **self.small_repository(), "default_branch": self.project.trunk, "clone_url": f"{self.page}.git",
            "git_url": f"{self.page}.git", "ssh_url": f"{self.page}.git", "svn_url": self.page, "mirror_url": None,
            "homepage": None, "language": None, "license": None, **dict.fromkeys(counted, 0),
            "network_count": 0, "subscribers_count": 0, "open_issues": opened, "open_issues_count": opened,
            "has_downloads": False, "has_issues": False, "has_projects": False, "has_wiki": False, "has_pages": False,
            "has_discussions": False, "archived": False, "disabled": False, "pushed_at": _NEVER, "created_at": _NEVER,
            "updated_at": _NEVER,
        }  # fmt: skip

    def permission(self, login: str) -> Body:
        """What somebody may do."""
        role = "write" if self.people.may_write(login) else "read"
        return {"permission": role, "role_name": role, "user": {**self.user(login), "role_name": role}}

    # --- pull requests

    def pull(self, pull: Pull) -> Body:
        """As a list has it."""
        url, issue = f"{self.here}/pulls/{pull.number}", f"{self.here}/issues/{pull.number}"
        page, statuses = f"{self.page}/pull/{pull.number}", f"{self.here}/statuses/{pull.head_sha}"
        links = {
            "self": url, "html": page, "issue": issue, "comments": f"{issue}/comments",
            "review_comments": f"{url}/comments", "review_comment": f"{self.here}/pulls/comments{{/number}}",
            "commits": f"{url}/commits", "statuses": statuses,
        }  # fmt: skip
        return {
            "id": pull.number, "node_id": f"PR_{pull.number}", "number": pull.number, "url": url, "html_url": page,
            "diff_url": f"{page}.diff", "patch_url": f"{page}.patch", "issue_url": issue,
            "commits_url": links["commits"], "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"], "comments_url": links["comments"], "statuses_url": statuses,
            "state": "open" if pull.open else "closed", "locked": False, "title": pull.title,
            "user": self.user(pull.author), "body": pull.body or None, "labels": [], "milestone": None,
            "assignee": None, "assignees": [], "requested_reviewers": [], "requested_teams": [], "draft": pull.draft,
            "created_at": pull.created, "updated_at": pull.updated, "closed_at": pull.closed or None,
            "merged_at": pull.merged or None, "merge_commit_sha": pull.merge_sha or None, "auto_merge": None,
            "active_lock_reason": None, "author_association": self.people.association(pull.author),
            "head": self._side(pull.head, pull.head_sha), "base": self._side(pull.base, pull.base_sha),
            "_links": {name: {"href": href} for name, href in links.items()},
        }  # fmt: skip

    def whole_pull(self, pull: Pull, facts: Facts) -> Body:
        """As it is when looked at alone."""
        return {
            **self.pull(pull), "merged": bool(pull.merged), "mergeable": facts.mergeable, "rebaseable": None,
            "mergeable_state": facts.mergeable_state,
            "merged_by": self.user(pull.merged_by) if pull.merged_by else None, "comments": facts.comments,
            "review_comments": 0, "maintainer_can_modify": False, "commits": facts.commits,
            "additions": sum(one.additions for one in facts.files),
            "deletions": sum(one.deletions for one in facts.files), "changed_files": len(facts.files),
        }  # fmt: skip

    def _side(self, branch: str, sha: str) -> Body:
        owner = self.project.owner
        return {
            "label": f"{owner}:{branch}", "ref": branch, "sha": sha, "user": self.user(owner),
            "repo": self.repository(),
        }  # fmt: skip

    def file(self, change: FileChange, sha: str) -> Body:
        """One changed file."""
        path = quote(change.path)
        found: Body = {
            "sha": change.blob, "filename": change.path, "status": change.status, "additions": change.additions,
            "deletions": change.deletions, "changes": change.additions + change.deletions,
            "blob_url": f"{self.page}/blob/{sha}/{path}", "raw_url": f"{self.page}/raw/{sha}/{path}",
            "contents_url": f"{self.here}/contents/{path}?ref={sha}",
        }  # fmt: skip
        found |= {"previous_filename": change.previous} if change.previous else {}
        return found | ({"patch": change.patch} if change.patch else {})

    def commit(self, commit: Commit) -> Body:
        """One commit."""
        sha = commit.revision
        url, page = f"{self.here}/commits/{sha}", f"{self.page}/commit/{sha}"
        said = {
            "url": f"{self.here}/git/commits/{sha}", "message": commit.message, "comment_count": 0,
            "author": _git_user(commit.author, commit.author_time.isoformat() if commit.author_time else _NEVER),
            "committer": _git_user(
                commit.committer, commit.committer_time.isoformat() if commit.committer_time else _NEVER
            ),
            "tree": {"sha": commit.tree, "url": f"{self.here}/git/trees/{commit.tree}"},
        }  # fmt: skip
        parents = [
            {"sha": parent, "url": f"{self.here}/commits/{parent}", "html_url": f"{self.page}/commit/{parent}"}
            for parent in commit.parents
        ]
        return {
            "sha": sha, "node_id": f"C_{sha}", "url": url, "html_url": page, "comments_url": f"{url}/comments",
            "commit": said, "parents": parents,
            "author": {}, "committer": {},  # no user is known by an e-mail here; the description knows no null
        }  # fmt: skip

    # --- what is said

    def comment(self, comment: Comment) -> Body:
        """One comment."""
        return {
            "id": comment.id, "node_id": f"IC_{comment.id}", "url": f"{self.here}/issues/comments/{comment.id}",
            "html_url": f"{self.page}/pull/{comment.pull}#issuecomment-{comment.id}",
            "issue_url": f"{self.here}/issues/{comment.pull}", "user": self.user(comment.author),
            "body": comment.body, "created_at": comment.created, "updated_at": comment.updated,
            "author_association": self.people.association(comment.author),
        }  # fmt: skip

    def review(self, review: Review) -> Body:
        """One review."""
        page, pull = f"{self.page}/pull/{review.pull}", f"{self.here}/pulls/{review.pull}"
        html = f"{page}#pullrequestreview-{review.id}"
        return {
            "id": review.id, "node_id": f"PRR_{review.id}", "user": self.user(review.author), "body": review.body,
            "state": review.state, "commit_id": review.commit, "submitted_at": review.at, "html_url": html,
            "pull_request_url": pull, "author_association": self.people.association(review.author),
            "_links": {"html": {"href": html}, "pull_request": {"href": pull}},
        }  # fmt: skip

    def small_status(self, status: Status, sha: str) -> Body:
        """One status, as the combined ones have it."""
        return {
            "id": status.id, "node_id": f"SC_{status.id}", "url": f"{self.here}/statuses/{sha}",
            "avatar_url": f"{self.address}/avatar/{self.people.number(status.author)}", "state": status.state,
            "description": status.description or None, "target_url": status.url or None, "context": status.context,
            "created_at": status.at, "updated_at": status.at,
        }  # fmt: skip

    def status(self, status: Status, sha: str) -> Body:
        """One status."""
        return {**self.small_status(status, sha), "creator": self.user(status.author)}

    def combined(self, sha: str, statuses: Sequence[Status], shown: Sequence[Status]) -> Body:
        """What all the newest statuses of a commit come to, and one page of them."""
        return {
            "state": together(statuses), "sha": sha, "total_count": len(statuses),
            "statuses": [self.small_status(status, sha) for status in shown], "repository": self.small_repository(),
            "commit_url": f"{self.here}/commits/{sha}", "url": f"{self.here}/commits/{sha}/status",
        }  # fmt: skip

    def ref(self, ref: str, sha: str) -> Body:
        """One ref, by its full name."""
        return {
            "ref": ref, "node_id": f"REF_{ref}", "url": f"{self.here}/git/{quote(ref)}",
            "object": {"type": "commit", "sha": sha, "url": f"{self.here}/git/commits/{sha}"},
        }  # fmt: skip

    def rate(self, left: Mapping[str, int]) -> Body:
        """What is left to ask."""
        return {"resources": {"core": left, "search": left}, "rate": left}


def together(statuses: Sequence[Status]) -> str:
    """The state that a commit has by its newest statuses."""
    states = {status.state for status in statuses}
    if states & {"failure", "error"}:
        return "failure"
    return "pending" if "pending" in states or not states else "success"


def _git_user(actor: Actor, moment: str) -> Body:
    return {"name": actor.name, "email": actor.email, "date": moment.replace("+00:00", "Z")}
