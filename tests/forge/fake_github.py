"""A fake GitHub: its answers are the published examples, with the fields that matter set.

Rules: it ignores what the forge ignores, limits what it limits and says no in the forge's own words (FACTS.md,
DIFFERENCES.md).
"""

import base64
import copy
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from forge_fake import CREATED, OK, REPO, Fake, Pull, Seen, sha, stamp

_MOST_STATUSES = 1000


class FakeGitHub(Fake):
    kind = "github"
    prefix = "/api/v3"
    tags = True

    def __init__(self) -> None:
        super().__init__()
        self.app_key: rsa.RSAPublicKey | None = None
        self.app_tokens = 0
        self.app_expires = ""
        self.claims: dict[str, Any] = {}

    def handler(self, method, template):
        return {
            ("GET", f"{REPO}/pulls"): self._list,
            ("POST", f"{REPO}/pulls"): self._open,
            ("GET", f"{REPO}/pulls/{{pull_number}}"): self._get,
            ("PATCH", f"{REPO}/pulls/{{pull_number}}"): self._patch,
            ("GET", f"{REPO}/issues/{{issue_number}}/comments"): self._comments,
            ("POST", f"{REPO}/issues/{{issue_number}}/comments"): self._comment,
            ("PATCH", f"{REPO}/issues/comments/{{comment_id}}"): self._edit,
            ("GET", f"{REPO}/pulls/{{pull_number}}/reviews"): self._reviews,
            ("GET", f"{REPO}/commits/{{ref}}/status"): self._combined,
            ("POST", f"{REPO}/statuses/{{sha}}"): self._status,
            ("GET", "/user"): self._user,
            ("GET", "/app"): self._app,
            ("POST", "/app/installations/{installation_id}/access_tokens"): self._app_token,
        }[(method, template)]

    def pull_json(self, pull: Pull, *, listed: bool) -> dict[str, Any]:
        method, template = "GET", f"{REPO}/pulls" if listed else f"{REPO}/pulls/{{pull_number}}"
        example = self.description.example(method, template)
        data = copy.deepcopy(example[0] if listed else example)
        base_repo = data["base"]["repo"]
        data |= {
            "number": pull.number, "title": pull.title, "draft": pull.draft, "body": pull.body,
            "state": "open" if pull.state == "open" else "closed", "requested_teams": [],
            "html_url": f"https://github.example/acme/models/pull/{pull.number}",
            "merge_commit_sha": pull.merged or sha("trial"), "updated_at": stamp(pull.updated),
            "merged_at": stamp(pull.merged_at) if pull.merged_at else None,
        }  # fmt: skip
        data["user"] = None if pull.author == "ghost" else {**data["user"], "login": pull.author}
        if not listed:
            data["merged"] = pull.state == "merged"
        head_repo = {**base_repo, "id": 999} if pull.fork else base_repo
        data["head"] |= {"ref": pull.branch, "sha": pull.head, "repo": head_repo}
        data["base"] |= {"ref": pull.base, "sha": sha("base")}
        return data

    def _list(self, seen: Seen, **_):
        query = seen.query
        chosen = [
            pull for pull in self.pulls.values()
            if query.get("state", "open") in ("all", "open" if pull.state == "open" else "closed")
            and query.get("base") in (None, pull.base)
            and query.get("head") in (None, f"acme:{pull.branch}")
        ]  # fmt: skip
        chosen.sort(key=lambda pull: pull.updated if query.get("sort") == "updated" else pull.number)
        if query.get("direction", "desc" if query.get("sort") is None else "asc") == "desc":
            chosen.reverse()
        page, headers = self.paged(seen, [self.pull_json(pull, listed=True) for pull in chosen])
        return OK, headers, page

    def _get(self, _seen: Seen, pull_number: str, **_):
        pull = self.pulls.get(int(pull_number))
        if pull is None:
            return 404, {}, {"message": "Not Found", "documentation_url": "https://docs", "status": "404"}
        return OK, {}, self.pull_json(pull, listed=False)

    def _open(self, seen: Seen, **_):
        head, base = seen.body["head"], seen.body["base"]
        if any((one.branch, one.base, one.state) == (head, base, "open") for one in self.pulls.values()):
            return 422, {}, self.invalid("PullRequest", f"A pull request already exists for acme:{head}.")
        pull = self.add(branch=head, base=base, title=seen.body["title"], body=seen.body["body"], author=self.login)
        return CREATED, {}, self.pull_json(pull, listed=False)

    @staticmethod
    def invalid(resource: str, message: str) -> dict[str, Any]:
        return {
            "message": "Validation Failed", "documentation_url": "https://docs",
            "errors": [{"resource": resource, "code": "custom", "message": message}],
        }  # fmt: skip

    def _patch(self, seen: Seen, pull_number: str, **_):
        pull = self.pulls[int(pull_number)]
        if pull.state == "merged":
            return 422, {}, self.invalid("PullRequest", "state cannot be changed.")
        pull.state = seen.body["state"]
        return OK, {}, self.pull_json(pull, listed=False)

    def comment_json(self, comment: dict[str, Any]) -> dict[str, Any]:
        data = self.description.example("GET", f"{REPO}/issues/{{issue_number}}/comments")[0]
        data["user"] |= {"login": comment["author"]}
        return data | {"id": comment["id"], "body": comment["body"], "html_url": f"https://g/c{comment['id']}"}

    def _comments(self, seen: Seen, issue_number: str, **_):
        made = [self.comment_json(one) for one in self.comments.get(int(issue_number), [])]
        page, headers = self.paged(seen, made)
        return OK, headers, page

    def _comment(self, seen: Seen, issue_number: str, **_):
        if len(seen.body["body"]) > 65_536:
            return 422, {}, self.invalid("IssueComment", "Body is too long (maximum is 65536 characters)")
        self.say(int(issue_number), self.login, seen.body["body"])
        return CREATED, {}, self.comment_json(self.comments[int(issue_number)][-1])

    def _edit(self, seen: Seen, comment_id: str, **_):
        for comment in (one for many in self.comments.values() for one in many):
            if comment["id"] == int(comment_id):
                comment["body"] = seen.body["body"]
                return OK, {}, self.comment_json(comment)
        return 404, {}, {"message": "Not Found"}

    def _reviews(self, seen: Seen, pull_number: str, **_):
        example = self.description.example("GET", f"{REPO}/pulls/{{pull_number}}/reviews")[0]
        made = []
        for one in self.reviews.get(int(pull_number), []):
            user = None if one["login"] == "ghost" else {**example["user"], "login": one["login"]}
            fields = {"id": one["id"], "user": user, "state": one["state"], "commit_id": one["commit"]}
            made.append({**example, **fields, "author_association": one.get("as", "MEMBER")})
        page, headers = self.paged(seen, made)
        return OK, headers, page

    def _combined(self, seen: Seen, ref: str, **_):
        data = self.description.example("GET", f"{REPO}/commits/{{ref}}/status")
        newest = {one["context"]: one for one in self.statuses.get(ref, [])}
        example = data["statuses"][0]
        made = [
            {**example, "id": one["id"], "context": one["context"], "state": one["state"],
             "description": one["description"], "target_url": one["url"] or None}
            for one in newest.values()
        ]  # fmt: skip
        page, headers = self.paged(seen, made)
        return OK, headers, {**data, "statuses": page, "total_count": len(made)}

    def _status(self, seen: Seen, sha: str, **_):
        if sha == "0" * 40:
            return 422, {}, {"message": f"No commit found for SHA: {sha}"}
        if len(seen.body.get("description", "")) > 140:
            return 422, {}, self.invalid("Status", "description is too long (maximum is 140 characters)")
        there = self.statuses.setdefault(sha, [])
        if sum(one["context"] == seen.body["context"] for one in there) >= _MOST_STATUSES:
            said = "This SHA and context has reached the maximum number of statuses."
            return 422, {}, self.invalid("Status", said)
        fields = {"description": "", "url": seen.body.get("target_url", ""), **seen.body, "id": self.next_id()}
        there.append(fields)
        example = self.description.example("POST", f"{REPO}/statuses/{{sha}}", CREATED)
        return CREATED, {}, {**example, "context": fields["context"], "state": fields["state"]}

    def _user(self, _seen: Seen, **_):
        if self.token.startswith("ghs_"):
            return 403, {}, {"message": "Resource not accessible by integration"}
        data = self.description.example("GET", "/user")
        return OK, {}, {**data, "login": self.login, "user_view_type": "private"}

    def _app(self, seen: Seen, **_):
        self._check_word(seen)
        return OK, {}, {**self.description.example("GET", "/app"), "slug": "reconciler"}

    def _app_token(self, seen: Seen, **_):
        self._check_word(seen)
        self.app_tokens += 1
        self.token = f"ghs_{CANARY_TAIL}{self.app_tokens}"
        example = self.description.example("POST", "/app/installations/{installation_id}/access_tokens", CREATED)
        example.pop("repositories", None)
        return CREATED, {}, {**example, "token": self.token, "expires_at": self.app_expires}

    def _check_word(self, seen: Seen) -> None:
        word, _, signature = seen.headers["authorization"].removeprefix("Bearer ").rpartition(".")
        assert self.app_key
        self.app_key.verify(_unpacked(signature), word.encode(), padding.PKCS1v15(), hashes.SHA256())
        head, claims = (orjson.loads(_unpacked(part)) for part in word.split("."))
        assert head == {"alg": "RS256", "typ": "JWT"}
        self.claims = claims


CANARY_TAIL = "canary-installation-token-"


def _unpacked(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
