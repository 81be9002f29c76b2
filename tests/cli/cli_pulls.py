"""What tests of commands on pull requests share: a clone, its origin, and a forge over that, in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cli_world import ADA, ENVIRONMENT, RELEASE, World
from proposing_world import IDENTITY, Clone, FakeForge

from reconciler.demo.forge import LocalForge, Visitor
from reconciler.edges.git.checkout import Checkout, history

FILE = "releases/prod/fraud.yaml"
PEOPLE = ("ada", "bo", "cy", "dee", "sam")
ASKING = ENVIRONMENT + "  approvals: {rules: [{role: risk, count: 1}]}\n"
NEWER = RELEASE.replace("1.4.0", "1.5.0").replace("a" * 64, "c" * 64)


@dataclass
class Forged(Clone):
    """A clone whose origin is served by a forge. ada releases and configures, cy and dee approve, sam is nobody."""

    local: LocalForge = field(kw_only=True)
    call: Callable[..., Any] = field(kw_only=True)
    set_token: Callable[[str], None] = field(kw_only=True)

    def run(self, *arguments: object, who: str = "") -> Any:
        """One command, in the clone, as somebody: with their key, and their token for the forge."""
        if who:
            self.set_token(f"t-{who}")
        key = ("--key", self.world.key(who)) if who else ()
        return self.call(*arguments, *key, at=self.world.root)

    def as_(self, who: str) -> Visitor:
        return Visitor(self.local.api, "acme/models", f"t-{who}")

    def sign(self, *paths: str, who: str = "ada") -> None:
        for path in paths:
            assert self.run("sign", path, who=who).code == 0

    def change(self, branch: str, files: dict[str, str | None], *, sign: bool = True, base: str = "origin/main") -> str:
        """Push a branch with files changed, signed by ada, and let the work tree be main again; the commit."""
        self.fetch()
        self.git("checkout", "-q", "-B", branch, base)
        for path, text in files.items():
            if text is None:
                (self.world.root / path).unlink()
                (self.world.root / f"{path}.sig").unlink(missing_ok=True)
            else:
                self.world.write(path, text)
                if sign:
                    self.sign(path)
        head = str(self.world.checkout.commit(f"Change {', '.join(files)}", ADA))
        self.git("push", "-q", "-f", "origin", f"HEAD:refs/heads/{branch}")
        self.git("checkout", "-q", "main")
        return head

    def pull(self, branch: str, files: dict[str, str | None], *, sign: bool = True, base: str = "main") -> int:
        """A pull request with that change; its number."""
        self.change(branch, files, sign=sign)
        with self.as_("bo") as bo:
            return bo.open_pull(branch, f"Try {branch}", base=base)

    def merge(self, number: int, way: str = "merge") -> str:
        with self.as_("bo") as bo:
            return bo.merge(number, way=way)

    def comments(self, number: int) -> list[tuple[str, str]]:
        with self.as_("bo") as bo:
            return bo.comments(number)

    def head(self, branch: str) -> str:
        with history(self.origin) as opened:
            return opened.resolve(branch)


@contextmanager
def forged(world: World, reconciler: Callable[..., Any], monkeypatch: Any) -> Iterator[Forged]:
    """prod asks risk for one approval; everything on the trunk is signed by ada."""
    origin = Checkout.init_bare(world.folder / "origin.git")
    (world.folder / ".gitconfig").write_text(IDENTITY)
    world.checkout.set_config("remote.origin.url", str(origin))
    trust = world.trust(ada="platform", cy="risk", dee="risk", sam="science")
    world.checkout.set_config("reconciler.trust", str(trust))
    with LocalForge(origin, world.folder / "forge", {f"t-{name}": name for name in PEOPLE}) as local:
        settings = {"forge": "github", "forgeUrl": local.api, "forgeProject": "acme/models"}
        for name, value in settings.items():
            world.checkout.set_config(f"reconciler.{name}", value)
        made = Forged(
            world, origin, FakeForge(), local=local, call=reconciler,
            set_token=lambda token: monkeypatch.setenv("RECONCILER_FORGE_TOKEN", token),
        )  # fmt: skip
        world.write("environments/prod.yaml", ASKING)
        made.sign("environments/prod.yaml", "clusters/eu-1.yaml", FILE)
        made.publish()
        made.set_token("t-cy")
        yield made
