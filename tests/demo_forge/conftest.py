"""Fixtures of this room: a repository with people, a forge over it, and clients."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from forge_room import LOGINS, SIGNATURE, Client, Repo

from reconciler.demo.forge import LocalForge


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)


@pytest.fixture
def start(repo: Repo, tmp_path: Path) -> Iterator[Callable[..., LocalForge]]:
    """start(**options) -> a forge over the repository; started again it continues."""
    running: list[LocalForge] = []

    def begin(**options: Any) -> LocalForge:
        forge = LocalForge(repo.bare, tmp_path / "state", LOGINS, roles={"eve": "read"}, **options)
        forge.start()
        running.append(forge)
        return forge

    yield begin
    for forge in running:
        forge.close()


@pytest.fixture
def forge(start: Callable[..., LocalForge]) -> LocalForge:
    return start()


@pytest.fixture
def client() -> Iterator[Callable[[LocalForge, str], Client]]:
    opened: list[Client] = []

    def make(forge: LocalForge, login: str) -> Client:
        opened.append(Client(forge, login))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def ada(forge: LocalForge, client: Callable[[LocalForge, str], Client]) -> Client:
    return client(forge, "ada")


@pytest.fixture
def bo(forge: LocalForge, client: Callable[[LocalForge, str], Client]) -> Client:
    return client(forge, "bo")


@pytest.fixture
def eve(forge: LocalForge, client: Callable[[LocalForge, str], Client]) -> Client:
    return client(forge, "eve")


@pytest.fixture
def opened(repo: Repo, ada: Client) -> dict[str, Any]:
    """Pull request 1, by ada: a new version and its signature."""
    repo.branch("promote", {"releases/prod/fraud.yaml": b"version: 1.4.0\n", "releases/prod/fraud.yaml.sig": SIGNATURE})
    answer = ada.post("pulls", head="promote", base="main", title="Promote fraud 1.4.0")
    assert answer.status_code == 201
    found: dict[str, Any] = answer.json()
    return found
