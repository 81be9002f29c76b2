"""A fake GitLab: its answers are those that go-scm recorded, with the fields that matter set.

Rules: it ignores what the forge ignores, limits what it limits and says no in the forge's own words (FACTS.md,
DIFFERENCES.md).
"""

import copy
from datetime import datetime
from typing import Any

from forge_contracts import recorded
from forge_fake import CREATED, OK, Fake, Pull, Seen, stamp

MR = "/api/v4/projects/{id}/merge_requests"


class FakeGitLab(Fake):
    kind = "gitlab"
    prefix = "/api/v4"
    tags = True
    misdescribed = frozenset({f"{MR}/{{merge_request_iid}}/approvals"})  # one object where the server sends a list

    def handler(self, method, template):
        one, notes = f"{MR}/{{merge_request_iid}}", f"{MR}/{{noteable_id}}/notes"
        return {
            ("GET", MR): self._list,
            ("POST", MR): self._open,
            ("GET", one): self._get,
            ("PUT", one): self._put,
            ("GET", notes): self._notes,
            ("POST", notes): self._note,
            ("PUT", f"{notes}/{{note_id}}"): self._edit,
            ("GET", f"{one}/approvals"): self._approvals,
            ("GET", "/api/v4/projects/{id}/repository/commits/{sha}/statuses"): self._statuses,
            ("POST", "/api/v4/projects/{id}/statuses/{sha}"): self._status,
            ("GET", "/api/v4/user"): self._user,
        }[(method, template)]

    def pull_json(self, pull: Pull) -> dict[str, Any]:
        data = copy.deepcopy(recorded("gitlab/responses/merge.json"))
        data["author"] |= {"username": pull.author}
        return data | {
            "iid": pull.number, "title": pull.title, "state": "opened" if pull.state == "open" else pull.state,
            "source_branch": pull.branch, "target_branch": pull.base, "sha": pull.head or None, "draft": pull.draft,
            "source_project_id": 999 if pull.fork else data["target_project_id"],
            "merge_commit_sha": pull.merged, "updated_at": stamp(pull.updated),
            "merged_at": stamp(pull.merged_at) if pull.merged_at else None,
            "web_url": f"https://gitlab.example/acme/models/-/merge_requests/{pull.number}",
            "user_notes_count": len(self.comments.get(pull.number, [])),
        }  # fmt: skip

    def paged(self, seen: Seen, entries):
        page, headers = super().paged(seen, entries)
        return page, {**headers, "X-Total": str(len(entries))}

    def _list(self, seen: Seen, id: str, **_):  # noqa: A002  # the description's name
        assert id == "acme/models"
        query = seen.query
        after = datetime.fromisoformat(query["updated_after"]) if "updated_after" in query else None
        chosen = [
            pull for pull in self.pulls.values()
            if query.get("state", "all") in ("all", "opened" if pull.state == "open" else pull.state)
            and query.get("target_branch") in (None, pull.base)
            and query.get("source_branch") in (None, pull.branch)
            and (after is None or pull.updated >= after)
        ]  # fmt: skip
        chosen.sort(key=lambda pull: pull.updated if query.get("order_by") == "updated_at" else pull.number)
        if query.get("sort", "desc") == "desc":
            chosen.reverse()
        page, headers = self.paged(seen, [self.pull_json(pull) for pull in chosen])
        return OK, headers, page

    def _get(self, _seen: Seen, merge_request_iid: str, **_):
        pull = self.pulls.get(int(merge_request_iid))
        return (OK, {}, self.pull_json(pull)) if pull else (404, {}, {"message": "404 Not found"})

    def _open(self, seen: Seen, **_):
        head, base = seen.body["source_branch"], seen.body["target_branch"]
        if any((one.branch, one.base, one.state) == (head, base, "open") for one in self.pulls.values()):
            return 409, {}, {"message": ["Another open merge request already exists for this source branch: !1"]}
        fields = {"title": seen.body["title"], "body": seen.body["description"], "author": self.login}
        return CREATED, {}, self.pull_json(self.add(branch=head, base=base, **fields))

    def _put(self, seen: Seen, merge_request_iid: str, **_):
        pull = self.pulls[int(merge_request_iid)]
        if pull.state == "merged":
            return 422, {}, {"message": {"state": ["cannot transition via close from merged"]}}
        assert seen.body == {"state_event": "close"}
        pull.state = "closed"
        return OK, {}, self.pull_json(pull)

    def note_json(self, comment: dict[str, Any]) -> dict[str, Any]:
        data = copy.deepcopy(recorded("gitlab/responses/merge_note.json"))
        data["author"] |= {"username": comment["author"]}
        return data | {"id": comment["id"], "body": comment["body"], "system": comment.get("system", False)}

    def _notes(self, seen: Seen, noteable_id: str, **_):
        made = [self.note_json(one) for one in self.comments.get(int(noteable_id), [])]
        if seen.query.get("sort", "desc") == "desc":
            made.reverse()
        page, headers = self.paged(seen, made)
        return OK, headers, page

    def _note(self, seen: Seen, noteable_id: str, **_):
        self.say(int(noteable_id), self.login, seen.body["body"])
        return CREATED, {}, self.note_json(self.comments[int(noteable_id)][-1])

    def _edit(self, seen: Seen, noteable_id: str, note_id: str, **_):
        for comment in self.comments.get(int(noteable_id), []):
            if comment["id"] == int(note_id):
                comment["body"] = seen.body["body"]
                return OK, {}, self.note_json(comment)
        return 404, {}, {"message": "404 Note Not Found"}

    def _approvals(self, _seen: Seen, merge_request_iid: str, **_):
        user = recorded("gitlab/responses/merge.json")["author"]
        given = [
            {"user": {**user, "id": one["id"], "username": one["login"]}, "approved_at": stamp(self.now)}
            for one in self.reviews.get(int(merge_request_iid), [])
        ]
        for one in given:
            self.description.check("#/components/schemas/APIEntitiesApprovals", one)
        return OK, {}, {"approved": bool(given), "approved_by": given}

    def _statuses(self, seen: Seen, sha: str, **_):
        example = recorded("gitlab/responses/statuses.json")[0]
        made = [
            {**example, "id": one["id"], "name": one["context"], "status": one["state"], "sha": sha,
             "description": one["description"], "target_url": one["url"] or None}
            for one in self.statuses.get(sha, [])
        ]  # fmt: skip
        page, headers = self.paged(seen, made)
        return OK, headers, page

    def _status(self, seen: Seen, sha: str, **_):
        if sha == "0" * 40:
            return 404, {}, {"message": "404 Commit Not Found"}
        there = self.statuses.setdefault(sha, [])
        body = seen.body
        same = [one for one in there if one["context"] == body["name"]][-1:]
        if same and same[0]["state"] == body["state"] == "pending":
            said = "Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition)"
            return 400, {}, {"message": said}
        fields = {"context": body["name"], "state": body["state"], "description": body["description"]}
        there.append({**fields, "url": body.get("target_url", ""), "id": self.next_id(), "ref": body.get("ref")})
        example = recorded("gitlab/responses/status.json")
        return CREATED, {}, {**example, "name": body["name"], "status": body["state"], "sha": sha}

    def _user(self, _seen: Seen, **_):
        data = {**recorded("gitlab/responses/user.json"), "username": self.login}
        data.pop("identities")  # an object in the description, a list from the server
        return OK, {}, data
