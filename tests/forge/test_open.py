"""Where a forge is by the repository's URL and the settings, and who may be told a token."""

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.edges.forge.github_app import AppKey
from reconciler.edges.forge.open import KINDS, key_from, open_forge, place_of, token_from
from reconciler.errors import Misused, Refused, Retry

PLACES = {
    "github.com": ("github", "https://github.com/acme/models.git", "https://api.github.com", "acme/models"),
    "github.com by ssh": ("github", "ssh://git@github.com/acme/models.git", "https://api.github.com", "acme/models"),
    "github.com as git has it": ("github", "git@github.com:acme/models.git", "https://api.github.com", "acme/models"),
    "github.com by ssh on 443": (
        "github", "ssh://git@ssh.github.com:443/acme/models.git", "https://api.github.com", "acme/models",
    ),
    "an enterprise with data residency": ("github", "https://acme.ghe.com/a/m", "https://api.acme.ghe.com", "a/m"),
    "an enterprise server": ("github", "https://git.acme.example/a/m.git", "https://git.acme.example/api/v3", "a/m"),
    "gitlab.com": ("gitlab", "https://gitlab.com/acme/ml/models.git", "https://gitlab.com/api/v4", "acme/ml/models"),
    "a gitlab by ssh on its port": (
        "gitlab", "ssh://git@git.acme.example:2222/a/b/m.git", "https://git.acme.example/api/v4", "a/b/m",
    ),
    "gitlab.com by ssh on 443": ("gitlab", "ssh://git@altssh.gitlab.com:443/a/m", "https://gitlab.com/api/v4", "a/m"),
    "a gitea on its port": ("gitea", "https://acme.example:3000/a/m", "https://acme.example:3000/api/v1", "a/m"),
    "a gitea below a path": (
        "gitea", "https://acme.example/git/a/m.git", "https://acme.example/git/api/v1", "a/m",
    ),
    "a gitea on this machine": ("gitea", "http://127.0.0.1:3000/a/m.git", "http://127.0.0.1:3000/api/v1", "a/m"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLACES)
def test_the_place_follows_from_the_repositorys_url(case):
    kind, url, api, project = PLACES[case]
    place = place_of(kind, url)
    assert (place.api, place.project) == (api, project)


@pytest.mark.parametrize(
    ("kind", "url", "api"),
    [
        ("github", "https://github.com", "https://api.github.com"),
        ("github", "https://api.github.com/", "https://api.github.com"),
        ("github", "https://git.acme.example", "https://git.acme.example/api/v3"),
        ("github", "https://git.acme.example/api/v3", "https://git.acme.example/api/v3"),
        ("gitlab", "https://acme.example/gitlab", "https://acme.example/gitlab/api/v4"),
        ("gitea", "https://acme.example/api/v1/", "https://acme.example/api/v1"),
    ],
)
def test_settings_name_the_forge_or_its_api(kind, url, api):
    assert place_of(kind, "/srv/git/models", url=url, project="a/m").api == api


@pytest.mark.parametrize(
    ("kind", "repository", "more", "words"),
    [
        ("github", "/srv/git/models", {"project": "a/m"}, "names no forge"),
        ("github", "file:///srv/models", {"url": "https://x"}, "does not follow"),
        ("github", "https://github.com/models", {}, "does not follow"),
        ("github", "https://github.com/a/b/c", {"project": "a/b/c"}, "is not OWNER/NAME"),
        ("gitlab", "https://gitlab.com/a/../m", {}, "does not follow"),
        ("gitlab", "https://gitlab.com/a/m?x=y", {"project": "a/m?x"}, "does not follow"),
        ("none", "https://github.com/a/m", {}, "is no forge"),
        ("github", "https://github.com:port/a/m", {}, "does not follow"),
    ],
)
def test_what_does_not_follow_must_be_set(kind, repository, more, words):
    with pytest.raises(Misused, match=words):
        place_of(kind, repository, **more)


def test_a_token_is_read_as_it_is_now(tmp_path):
    path = tmp_path / "token"
    for token in ("one-token", "another-token"):
        path.write_text(f"{token}\n")
        assert token_from(path) == token


@pytest.mark.parametrize("content", ["", "\n", "two lines\nof-canary-token", "canary-tökén", "canary token"])
def test_a_file_without_a_token_is_refused_and_not_shown(content, tmp_path):
    path = tmp_path / "token"
    path.write_text(content)
    with pytest.raises(Refused, match="has no token in it") as caught:
        token_from(path)
    assert "canary" not in str(caught.value)


def test_a_file_that_is_being_replaced_is_looked_at_again(tmp_path):
    for read in (token_from, key_from):
        with pytest.raises(Retry, match="cannot be read") as caught:
            read(tmp_path / "gone")
        assert caught.value.reason == "ForgeUnreachable"


def opened(kind="github", **options):
    return open_forge(kind, repository_url="https://forge.example/a/m", branch="main", **options)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_forge(kind):
    forge = opened(kind, token=lambda: "x")
    assert forge.kind == kind
    assert "https://forge.example/api/v" in repr(forge)
    forge.close()


def test_it_needs_a_token_or_an_app_and_not_both():
    app = AppKey(id=1, installation=2, key=lambda: b"")
    for kind, options in (
        ("github", {}),
        ("github", {"token": lambda: "x", "app": app}),
        ("gitlab", {"app": app}),
        ("gitea", {}),
    ):
        with pytest.raises(Misused, match="needs a token or, on github, an app"):
            opened(kind, **options)


def test_plain_http_is_refused_unless_it_is_this_machine_and_allowed():
    for url, allowed in (("http://forge.example", True), ("http://127.0.0.1:1", False)):
        with pytest.raises(Misused, match="plain text"):
            opened("gitea", url=url, token=lambda: "x", allow_plain_loopback=allowed)


def test_nothing_heavy_is_imported_before_a_forge_is_opened():
    code = "import sys, reconciler.edges.forge.open; print({'httpx', 'cryptography', 'orjson'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "set()"
