"""A fake Gitea: its answers were recorded from a running one, with the fields that matter set.

Rules: it ignores what the forge ignores, limits what it limits and says no in the forge's own words (FACTS.md,
DIFFERENCES.md).
"""

import copy
from typing import Any

from forge_contracts import gitea
from forge_fake import CREATED, OK, REPO, Fake, Pull, Seen, stamp


class FakeGitea(Fake):
    kind = "gitea"
    prefix = "/api/v1"
    page_size = 50
    size_name = "limit"

    def authorised(self, headers):
        return headers.get("authorization") in (f"token {self.token}", f"Bearer {self.token}")

    def handler(self, method, template):
        return {
            ("GET", f"{REPO}/pulls"): self._list,
            ("POST", f"{REPO}/pulls"): self._open,
            ("GET", f"{REPO}/pulls/{{index}}"): self._get,
            ("PATCH", f"{REPO}/pulls/{{index}}"): self._patch,
            ("GET", f"{REPO}/issues/{{index}}/comments"): self._comments,
            ("POST", f"{REPO}/issues/{{index}}/comments"): self._comment,
            ("PATCH", f"{REPO}/issues/comments/{{id}}"): self._edit,
            ("GET", f"{REPO}/pulls/{{index}}/reviews"): self._reviews,
            ("GET", f"{REPO}/commits/{{ref}}/status"): self._combined,
            ("POST", f"{REPO}/statuses/{{sha}}"): self._status,
            ("GET", f"{REPO}/git/commits/{{sha}}"): self._commit,
            ("GET", "/user"): self._user,
        }[(method, template)]

    def recorded_no(self, name: str):
        answer = gitea(name)
        return answer["status"], {}, answer["body"]

    def pull_json(self, pull: Pull) -> dict[str, Any]:
        data = copy.deepcopy(gitea("pull_get")["body"])
        data["user"]["login"] = pull.author
        data["head"] |= {"ref": pull.branch, "sha": pull.head, "repo_id": 77 if pull.fork else 1}
        data["base"] |= {"ref": pull.base}
        return data | {
            "number": pull.number, "title": pull.title, "draft": pull.draft, "body": pull.body,
            "state": "open" if pull.state == "open" else "closed", "merged": pull.state == "merged",
            "merged_at": stamp(pull.merged_at) if pull.merged_at else None, "merge_commit_sha": pull.merged,
            "updated_at": stamp(pull.updated), "html_url": f"https://gitea.example/acme/models/pulls/{pull.number}",
        }  # fmt: skip

    def paged(self, seen: Seen, entries):
        page, headers = super().paged(seen, entries)
        return page, {**headers, "X-Total-Count": str(len(entries))}

    def _list(self, seen: Seen, **_):
        query = seen.query  # state=merged, head and per_page are not published: FACTS.md says that they do nothing
        chosen = [
            pull for pull in self.pulls.values()
            if query.get("state", "all") in ("all", "open" if pull.state == "open" else "closed")
            and query.get("base_branch") in (None, pull.base)
        ]  # fmt: skip
        recent = query.get("sort") == "recentupdate"
        chosen.sort(key=lambda pull: (pull.updated, pull.number) if recent else pull.number, reverse=recent)
        page, headers = self.paged(seen, [self.pull_json(pull) for pull in chosen])
        return OK, headers, page

    def _get(self, _seen: Seen, index: str, **_):
        pull = self.pulls.get(int(index))
        return (OK, {}, self.pull_json(pull)) if pull else self.recorded_no("err_404")

    def _open(self, seen: Seen, **_):
        head, base = seen.body["head"], seen.body["base"]
        if head == base:
            return self.recorded_no("err_pull_no_diff")
        if head == "nope":
            return self.recorded_no("err_pull_no_head")
        if any((one.branch, one.base, one.state) == (head, base, "open") for one in self.pulls.values()):
            return self.recorded_no("err_pull_exists")
        pull = self.add(branch=head, base=base, title=seen.body["title"], body=seen.body["body"], author=self.login)
        return CREATED, {}, self.pull_json(pull)

    def _patch(self, seen: Seen, index: str, **_):
        pull = self.pulls[int(index)]
        if pull.state == "merged":
            return 412, {}, {"message": "pull request already merged", "url": "http://127.0.0.1:3939/api/swagger"}
        pull.state = seen.body["state"]
        return CREATED, {}, self.pull_json(pull)

    def comment_json(self, comment: dict[str, Any]) -> dict[str, Any]:
        data = copy.deepcopy(gitea("comment_create")["body"])
        data["user"]["login"] = comment["author"]
        return data | {"id": comment["id"], "body": comment["body"], "html_url": f"https://g/c{comment['id']}"}

    def _comments(self, _seen: Seen, index: str, **_):
        if int(index) not in self.pulls:
            return 500, {}, {"message": "", "url": "http://127.0.0.1:3939/api/swagger"}
        made = [self.comment_json(one) for one in self.comments.get(int(index), [])]
        return OK, {"X-Total-Count": str(len(made))}, made  # all at once, whatever was asked

    def _comment(self, seen: Seen, index: str, **_):
        if not seen.body["body"]:
            return self.recorded_no("err_422_empty")
        self.say(int(index), self.login, seen.body["body"])
        return CREATED, {}, self.comment_json(self.comments[int(index)][-1])

    def _edit(self, seen: Seen, id: str, **_):  # noqa: A002  # the description's name
        for comment in (one for many in self.comments.values() for one in many):
            if comment["id"] == int(id):
                if comment["author"] != self.login:
                    return self.recorded_no("err_403_comment")
                comment["body"] = seen.body["body"]
                return OK, {}, self.comment_json(comment)
        return self.recorded_no("err_404")

    def _reviews(self, seen: Seen, index: str, **_):
        example = gitea("reviews")["body"][0]
        made = []
        for one in self.reviews.get(int(index), []):
            user = {**example["user"], "login": one["login"]}
            flags = {name: one[name] for name in ("official", "dismissed", "stale") if name in one}
            made.append(
                {**example, "id": one["id"], "user": user, "state": one["state"], "commit_id": one["commit"], **flags}
            )
        page, headers = self.paged(seen, made)
        return OK, headers, page

    def _combined(self, seen: Seen, ref: str, **_):
        newest = list({one["context"]: one for one in self.statuses.get(ref, [])}.values())
        example = gitea("status_success")["body"]
        whole = [
            {**example, "id": one["id"], "context": one["context"], "status": one["state"],
             "description": one["description"], "target_url": one["url"]}
            for one in newest
        ]  # fmt: skip
        page, headers = self.paged(seen, whole)
        headers.pop("Link", None)
        body = {**gitea("combined_status_none")["body"], "statuses": page or None, "total_count": len(page)}
        # Its own state covers this page only, and is empty without statuses (not published so).
        body["state"] = "failure" if any(one["status"] == "failure" for one in page) else "success"
        return OK, headers, body

    def _status(self, seen: Seen, sha: str, **_):
        if sha == "0" * 40:
            return self.recorded_no("err_status_nosha")
        fields = {"description": "", "url": seen.body.get("target_url", ""), **seen.body, "id": self.next_id()}
        self.statuses.setdefault(sha, []).append(fields)
        example = gitea("status_success")["body"]
        return CREATED, {}, {**example, "context": fields["context"], "status": fields["state"]}

    def _commit(self, _seen: Seen, sha: str, **_):
        return self.recorded_no("err_404") if sha == "0" * 40 else (OK, {}, gitea("commits")["body"][0])

    def _user(self, _seen: Seen, **_):
        return OK, {}, {**gitea("user")["body"], "login": self.login}
