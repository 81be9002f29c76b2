"""Which forge a clone's pull requests are on, where a token may go, and how one is opened by hand."""

import pytest

from reconciler.cli.forge import place
from reconciler.errors import Misused

NEW = "https://gitlab.com/acme/models/-/merge_requests/new"
GITHUB = "https://github.com/acme/models.git"


@pytest.fixture
def clone(world, monkeypatch):
    """clone(origin, own settings, …settings of the clone): where its forge is."""
    monkeypatch.setenv("RECONCILER_FORGE_TOKEN", "secret-token")

    def call(origin, own=None, **settings):
        rows = "".join(f"\t{key} = {value}\n" for key, value in (own or {}).items())
        (world.folder / ".gitconfig").write_text(f"[reconciler]\n{rows}")
        world.checkout.set_config("remote.origin.url", origin)
        for key, value in settings.items():
            world.checkout.set_config(f"reconciler.{key}", value)
        return place(world.checkout)

    return call


@pytest.mark.parametrize(
    ("origin", "kind", "url", "project"),
    [
        (GITHUB, "github", "https://github.com", "acme/models"),
        ("git@github.com:acme/models.git", "github", "https://github.com", "acme/models"),
        ("ssh://git@ssh.github.com:443/acme/models.git", "github", "https://github.com", "acme/models"),
        ("https://gitlab.com/acme/ml/models", "gitlab", "https://gitlab.com", "acme/ml/models"),
        ("https://git.example.com/acme/models", "none", "", "acme/models"),
        ("/srv/models.git", "none", "", ""),
        ("file:///srv/models.git", "none", "", ""),
    ],
)
def test_the_public_forges_are_known_by_origins_address(clone, origin, kind, url, project):
    found = clone(origin)
    assert (found.kind, found.url, found.project) == (kind, url, project)
    assert found.usable == (kind != "none")
    assert "secret-token" not in repr(found)


def test_the_settings_say_otherwise(clone):
    found = clone("/srv/x.git", {"forgeUrl": "https://git.example.com"}, forge="gitea", forgeProject="acme/models")
    assert (found.kind, found.url, found.project) == ("gitea", "https://git.example.com", "acme/models")
    assert found.token() == "secret-token"
    assert not clone(GITHUB, forge="none").usable


EVIL = {"forge": "gitea", "forgeUrl": "https://evil.example"}


@pytest.mark.parametrize(
    ("origin", "own", "settings", "words"),
    [
        ("https://evil.example/a/b", {}, EVIL, "goes only where your own settings say"),
        (GITHUB, {}, EVIL, "goes only where your own settings say"),
        (GITHUB, {"forgeUrl": "https://git.example.com"}, EVIL, "goes only where your own settings say"),
        (GITHUB, {}, {"forge": "github", "forgeUrl": "http://github.com"}, "goes only where your own settings say"),
        (GITHUB, {}, {"forge": "gitlab", "forgeUrl": "https://github.com"}, "goes only where your own settings say"),
        ("https://evil.example/a/b", {}, {"forge": "gitea"}, "where gitea is was not said"),
    ],
)
def test_a_clone_cannot_send_a_token_somewhere(clone, origin, own, settings, words):
    with pytest.raises(Misused, match=words) as error:
        clone(origin, own, **settings)
    assert "git config --global reconciler.forgeUrl" in error.value.hint


@pytest.mark.parametrize(
    ("origin", "own", "settings", "url"),
    [
        (GITHUB, {}, {"forge": "github", "forgeUrl": "https://github.com"}, "https://github.com"),
        (GITHUB, {}, {"forge": "gitea", "forgeUrl": "http://127.0.0.1:3000"}, "http://127.0.0.1:3000"),
        (GITHUB, {"forgeUrl": "https://evil.example"}, EVIL, "https://evil.example"),
        ("git@gitlab.com:a/b", {}, {"forge": "gitlab"}, "https://gitlab.com"),
    ],
)
def test_where_a_token_may_go(clone, origin, own, settings, url):
    assert clone(origin, own, **settings).url == url


def test_without_a_token_a_public_forge_is_opened_by_hand_and_a_named_one_is_a_mistake(clone, monkeypatch):
    monkeypatch.delenv("RECONCILER_FORGE_TOKEN")
    assert not clone(GITHUB).usable
    with pytest.raises(Misused, match="there is no token for github") as error:
        clone(GITHUB, forge="github")
    assert "reconciler.forgeTokenFile FILE, or $RECONCILER_FORGE_TOKEN" in error.value.hint


def test_a_token_file_that_is_not_there_is_told_before_anything_is_pushed(clone):
    with pytest.raises(Misused, match="there is no token file /nowhere/token"):
        clone(GITHUB, forgeTokenFile="/nowhere/token")


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (GITHUB, "open it: https://github.com/acme/models/compare/main...reconciler/promote/a/b/1?expand=1"),
        (
            "https://gitlab.com/acme/models",
            f"open it: {NEW}?merge_request[source_branch]=reconciler/promote/a/b/1&merge_request[target_branch]=main",
        ),
        ("/srv/x", "open a pull request from reconciler/promote/a/b/1 to main, and merge it as your repository asks"),
    ],
)
def test_how_it_is_opened_by_hand(clone, origin, line):
    assert clone(origin).by_hand("reconciler/promote/a/b/1", "main") == line
