"""A stage with a forge: an organisation, clusters, the daemon as a process, and people who use the forge's API.

What is not here: scenarios. Rules: people talk to the forge as anybody would, over HTTP with their own token; what they
push is real Git with real signatures; a test leaves the trunk as it found it or says what it changed.
"""

import contextlib
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from stage_lab import Lab, lab

from reconciler.cli.signing import sign_file
from reconciler.demo.forge import LocalForge
from reconciler.demo.organisation import Organisation
from reconciler.demo.plot import PROD, versioned
from reconciler.demo.story import first_release

TOKENS = {f"t-{name}": name for name in ("ada", "bo", "cy", "eve")} | {"t-bot": "reconciler-bot"}
_SECONDS = 30.0


@dataclass(slots=True)
class PullLab:
    """The stage, its forge, and what people do there."""

    lab: Lab
    forge: LocalForge
    client: httpx.Client

    # --- people

    def ask(self, who: str, method: str, path: str, body: Any = None) -> Any:
        """One request of the API as somebody; the answer's JSON."""
        url = f"{self.forge.api}/repos/acme/models/{path}"
        answer = self.client.request(method, url, json=body, headers={"Authorization": f"Bearer t-{who}"})
        assert answer.status_code < 400, answer.text
        return answer.json() if answer.content else None

    def change(self, branch: str, version: str, *, path: str = PROD, auc: float = 0.957, who: str = "bo") -> str:
        """Push a branch from the trunk with another version of a release; unsigned when `who` is empty."""
        text = versioned((self.work / path).read_text(), version, auc)
        return self.push(branch, {path: text}, sign=(path,) if who else (), who=who or "bo")

    def push(
        self, branch: str, files: Mapping[str, str | None], *, sign: tuple[str, ...] = (), who: str = "bo",
        base: str = "origin/main",
    ) -> str:  # fmt: skip
        """Push a branch of one commit on `base`; None takes a file away. Returns the commit."""
        git = self.lab.git
        git("fetch", "-q", "origin")
        git("checkout", "-q", "-B", branch, base)
        for path, text in files.items():
            if text is None:
                (self.work / path).unlink()
            else:
                (self.work / path).parent.mkdir(parents=True, exist_ok=True)
                (self.work / path).write_text(text)
        for path in sign:
            sign_file(self.work, path, repository=self.people.repository, key=str(self.people.person(who).key))
        git("add", "-A")
        git("commit", "-q", "-m", f"Change {', '.join(files)}")
        git("push", "-q", "-f", "origin", f"HEAD:refs/heads/{branch}")
        head = git("rev-parse", "HEAD")
        git("checkout", "-q", "main")
        return head

    def open(self, branch: str, who: str = "bo") -> int:
        """Open a pull request; its number."""
        return int(self.ask(who, "POST", "pulls", {"head": branch, "base": "main", "title": f"Try {branch}"})["number"])

    def merge(self, number: int, who: str = "bo", how: str = "merge") -> str:
        """Merge it; the commit on the trunk. The clone follows."""
        found = self.ask(who, "PUT", f"pulls/{number}/merge", {"merge_method": how})
        self.lab.git("pull", "-q", "--ff-only", "origin", "main")
        return str(found["sha"])

    def comment(self, number: int, body: str, who: str = "cy") -> int:
        return int(self.ask(who, "POST", f"issues/{number}/comments", {"body": body})["id"])

    def types(self, comment: str, who: str) -> str:
        """What somebody gets who copies the command that a comment shows into a shell, with their key."""
        command = re.search(r"```sh\n(ssh-keygen .*?\nSTATEMENT\n)```", comment, re.DOTALL)
        assert command, comment
        script = command[1].replace("~/.ssh/id_ed25519", str(self.people.person(who).key))
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        return done.stdout

    # --- what is seen

    @property
    def people(self) -> Organisation:
        return self.lab.organisation

    @property
    def work(self) -> Path:
        return self.lab.work

    def comments(self, number: int) -> list[dict[str, Any]]:
        return list(self.ask("eve", "GET", f"issues/{number}/comments"))

    def ours(self, number: int) -> str:
        """The text of the daemon's comment; empty while there is none."""
        found = [row["body"] for row in self.comments(number) if row["user"]["login"] == "reconciler-bot"]
        assert len(found) <= 1, "one comment, never two"
        return found[0] if found else ""

    def says(self, number: int, words: str, *, without: str = "\0") -> str:
        """Wait until the comment says something; the comment."""
        try:
            self.lab.wait(
                f"#{number} says {words!r}",
                lambda: words in self.ours(number) and without not in self.ours(number),
                seconds=_SECONDS,
            )
        except AssertionError as error:
            raise AssertionError(f"{self.ours(number)}\n{error}") from error
        return self.ours(number)

    def statuses(self, commit: str) -> dict[str, tuple[str, str]]:
        """State and description of the newest status by context."""
        rows = self.ask("eve", "GET", f"commits/{commit}/statuses")
        return {row["context"]: (row["state"], row["description"]) for row in reversed(rows)}

    def status(self, commit: str, environment: str, state: str) -> str:
        """Wait until a commit's status of an environment has this state; its description."""
        context = f"reconciler/{environment}"
        self.lab.wait(
            f"{context} is {state}", lambda: self.statuses(commit).get(context, ("", ""))[0] == state, seconds=_SECONDS
        )
        return self.statuses(commit)[context][1]


@contextlib.contextmanager
def pull_lab(
    folder: Path, *, settings: str = "pace: 0s, coalesce: 1s", token: str = "", hook: str = "", **options: Any
) -> Iterator[PullLab]:
    """Set the stage; `settings` are further lines of `forge:`, `token` and `hook` what its files hold.

    `options` are the forge's.
    """
    token = token or "t-bot"
    with lab(folder, start=False) as made:
        for name, text in (("bot-token", token), ("hook", hook)):
            file = made.folder / "keys" / name
            file.touch(mode=0o600)
            file.write_text(f"{text}\n")
        tokens = {**TOKENS, token: "reconciler-bot"}
        with LocalForge(made.origin, made.folder / "forge", tokens, name="acme/models", **options) as forge:
            given = f"type: github, url: '{forge.api}', project: acme/models, tokenFile: keys/bot-token, {settings}"
            text = made.organisation.settings.read_text()
            text = text.replace("    trust: trust.yaml\n", f"    trust: trust.yaml\n    forge: {{{given}}}\n")
            made.organisation.settings.write_text(text)
            first_release(made.stage)
            with httpx.Client(timeout=20) as client:
                yield PullLab(made, forge, client)
