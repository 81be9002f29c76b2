"""A believable organisation on this disk: a repository from `sample-repo/`, people with keys, trust and settings.

It is what `init` makes and the demo plays with. The keys are ordinary unencrypted SSH keys in files: right for a play
and wrong for production, where everybody signs with the key they already have.
"""

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli.desk import CONFIG_TRUST
from reconciler.cli.signing import CONFIG_REPOSITORY, sign_file
from reconciler.documents.schema import is_document_path, parse
from reconciler.edges.git import Actor
from reconciler.edges.git.checkout import Checkout, history
from reconciler.errors import Refused
from reconciler.loop.bundle import bundled
from reconciler.loop.statements import SIGNED
from reconciler.trust.keys import generate_key

REPOSITORY = "github.com/acme/models"
_PRIVATE = 0o600
PROJECT = "acme/models"
"""What the forge calls the repository."""
BOT = "reconciler"
"""Who the daemon is on the forge."""
_PEOPLE = {"ada": "science", "bo": "platform, owner", "cy": "risk"}

_TRUST = """\
# Whom the daemon believes, and in what. It lies outside the watched repository and is re-read when it changes.
apiVersion: reconciler.dev/v1alpha1
kind: Trust
spec:
  repository: {repository}
  version: 1
  threshold: {{role: owner, count: 1}}
  daemon:                                     # for its ledger and its commits only; it can release nothing
    - {{key: {daemon}}}
  people:
{people}
  allow:                                      # nothing else is allowed
    - {{role: science, may: [release], environments: [dev, staging]}}
    - {{role: platform, may: [release, remove], environments: ["*"]}}
    - {{role: platform, may: [configure], paths: ["clusters/**", "environments/**", "runtimes/**", "policies/**"]}}
    - {{role: risk, may: [approve, waive, clear], environments: [staging, prod]}}
    - {{role: owner, may: [trust, trunk, hold, breakGlass], environments: ["*"]}}
"""

_SETTINGS = """\
# The daemon's settings. Paths are relative to this file. Check them with: reconciler config check
apiVersion: reconciler.dev/v1alpha1
kind: Config
home: {{kubeconfig: kube/fleet, context: {home}}}  # the cluster that holds the release state
allow: [fileRemotes, plainLoopback]            # a repository, and clusters, on this machine
repositories:
  - name: {repository}
    url: {url}
    branch: main
    start: "{start}"  # in quotes: some commits look like numbers
    poll: {poll}
    trust: trust.yaml
    # forge: {{type: github, tokenFile: keys/forge-token}}  # plans and outcomes on pull requests: docs/forges.md
signing: {{keyFile: keys/daemon, name: reconciler, email: reconciler@acme.example}}
clusters: {{kubeconfigDir: kube}}
data: data
listen: {{metrics: "{metrics}"}}
"""


_FORGE = """\
    forge:                                     # the demo's own; on a real forge leave pace and coalesce out
      {{type: github, url: "{api}", project: acme/models, tokenFile: keys/reconciler.token,
       webhook: {{secretFile: keys/webhook}}, pace: 0s, coalesce: 0s}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with a key."""

    name: str
    key: Path

    @property
    def actor(self) -> Actor:
        """How their commits are signed off."""
        return Actor(name=self.name.capitalize(), email=f"{self.name}@acme.example")


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """Where everything of one organisation lies."""

    folder: Path
    repository: str
    checkout: Checkout

    @property
    def settings(self) -> Path:
        """The daemon's settings file."""
        return self.folder / "reconciler.yaml"

    @property
    def kubeconfig(self) -> Path:
        """Where the clusters' kubeconfig belongs."""
        return self.folder / "kube" / "fleet"

    @property
    def data(self) -> Path:
        """The daemon's folder, which may be lost."""
        return self.folder / "data"

    def use_forge(self, api: str, *, web: str) -> None:
        """Tell the daemon and everybody's clone of a forge; `web` is where the daemon takes its deliveries."""
        for name in (*_PEOPLE, BOT):
            _secret(self.token(name), secrets.token_hex(20))
        _secret(self.webhook, secrets.token_hex(20))
        text = self.settings.read_text()
        text = text.replace("    trust: trust.yaml\n", f"    trust: trust.yaml\n{_FORGE.format(api=api)}")
        self.settings.write_text(text.replace("listen: {", f'listen: {{web: "{web}", '))
        self.checkout.set_config("reconciler.forge", "github")
        self.checkout.set_config("reconciler.forgeUrl", api)
        self.checkout.set_config("reconciler.forgeProject", PROJECT)

    def token(self, name: str) -> Path:
        """The file with somebody's token of the forge."""
        return self.folder / "keys" / f"{name}.token"

    @property
    def webhook(self) -> Path:
        """The file with the secret of the forge's deliveries."""
        return self.folder / "keys" / "webhook"

    def person(self, name: str) -> Person:
        """One of ada (science), bo (platform) and cy (risk)."""
        return Person(name=name, key=self.folder / "keys" / name)

    def sign(self, path: str, who: Person) -> None:
        """Put somebody's signature beside a document."""
        sign_file(self.checkout.top, path, repository=self.repository, key=str(who.key))

    def commit(self, message: str, who: Person) -> str:
        """Commit everything and push it, as a merge of a pull request would."""
        revision = self.checkout.commit(message, who.actor)
        self.checkout.push()
        return revision

    def force_push(self, revision: str) -> str:
        """Rewrite the trunk: it ends at an earlier revision, as after `git reset --hard` and `git push --force`."""
        before = self.checkout.head()
        with history(self.checkout.top) as opened:
            head = opened.resolve(revision)
        self.checkout.reset(head)
        self.checkout.push_ref("refs/heads/main", head, before)
        return head


def make(
    folder: Path,
    *,
    repository: str = REPOSITORY,
    home: str = "eu-1",
    metrics: str = "127.0.0.1:9090",
    poll: str = "30s",
) -> Organisation:
    """Make a signed organisation in a folder that is empty or not there; raises Refused otherwise."""
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty", hint="name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")  # made inside another repository, its keys must not be committed there
    publics = {name: _make_key(folder / "keys" / name) for name in (*_PEOPLE, "daemon")}
    (folder / "trust.yaml").write_text(_trust(repository, publics))
    (folder / "kube").mkdir()
    origin = folder / "models.git"
    checkout = _make_repository(folder / "models", origin, repository)
    organisation = Organisation(folder=folder, repository=repository, checkout=checkout)
    owner = organisation.person("bo")
    for path in checkout.files():
        signer = _signer(checkout.top / path) if is_document_path(path) else ""
        if signer:
            organisation.sign(path, organisation.person(signer))
    start = organisation.commit("Declare clusters, environments and first releases", owner)
    organisation.settings.write_text(
        _SETTINGS.format(
            repository=repository, url=origin.resolve(), start=start, home=home, metrics=metrics, poll=poll
        )
    )
    return organisation


def _signer(file: Path) -> str:
    """Who signs a document of the sample; empty for what nobody signs: tests of policies, and Holds."""
    kind = parse(file.name, file.read_bytes()).kind
    return "" if kind not in (*SIGNED, "ModelRelease") else "cy" if kind == "Waiver" else "bo"


def _make_key(path: Path) -> str:
    """Write a key pair; returns the public line."""
    pair = generate_key(f"{path.name}@acme.example")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=_PRIVATE)
    path.write_bytes(pair.private)
    path.with_name(f"{path.name}.pub").write_text(pair.public.rstrip("\n") + "\n")
    return " ".join(pair.public.split()[:2])


def _secret(path: Path, text: str) -> None:
    path.touch(mode=_PRIVATE)
    path.write_text(f"{text}\n")


def _trust(repository: str, publics: dict[str, str]) -> str:
    people = "\n".join(
        f"    - {{name: {name}, roles: [{roles}], keys: [{{key: {publics[name]}}}]}}" for name, roles in _PEOPLE.items()
    )
    return _TRUST.format(repository=repository, daemon=publics["daemon"], people=people)


def _make_repository(work: Path, origin: Path, repository: str) -> Checkout:
    """A bare origin, and a clone of it with the sample's files, not committed yet."""
    Checkout.init_bare(origin)
    shutil.copytree(bundled("sample-repo"), work)
    checkout = Checkout.init(work)
    checkout.set_config("remote.origin.url", str(origin.resolve()))
    checkout.set_config("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    checkout.set_config("branch.main.remote", "origin")
    checkout.set_config("branch.main.merge", "refs/heads/main")
    checkout.set_config(CONFIG_REPOSITORY, repository)
    checkout.set_config(CONFIG_TRUST, str((work.parent / "trust.yaml").resolve()))
    checkout.set_config("user.signingkey", str((work.parent / "keys" / "bo").resolve()))
    return checkout
