"""Fixtures of the tests of edges/forge: a fake of each forge on loopback, and clients that end with the test."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_gitea import FakeGitea
from fake_github import FakeGitHub
from fake_gitlab import FakeGitLab
from forge_contracts import ABSENT, contracts
from forge_fake import CANARY, Fake

from reconciler.edges.forge.open import open_forge, pace_for
from reconciler.edges.forge.protocol import Forge

KINDS = {"github": FakeGitHub, "gitlab": FakeGitLab, "gitea": FakeGitea}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """All tests skipped for want of the descriptions share a place, so that the summary says it in one line."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and report.longrepr[2].endswith(ABSENT):
        report.longrepr = (__file__, 1, report.longrepr[2])
    return report


@pytest.fixture
def start() -> Iterator[Callable[[str], Fake]]:
    """start("github"): a fake; at the end nothing may have been wrong with what was sent to it or answered."""
    started: list[Fake] = []

    def start_one(kind: str) -> Fake:
        if contracts() is None:
            pytest.skip(ABSENT)
        started.append(KINDS[kind]())
        return started[-1]

    yield start_one
    for fake in started:
        fake.stop()
    assert [said for fake in started for said in fake.wrong] == []


@pytest.fixture
def connect() -> Iterator[Callable[..., Forge]]:
    """connect(fake, …): a client of it that writes as fast as it can, for the project acme/models and branch main."""
    opened: list[Forge] = []

    def connect_to(fake: Fake, **options) -> Forge:
        if "app" not in options:
            options = {"token": lambda: CANARY, **options}
        options = {"pace": pace_for(fake.kind, interval=0.0), "branch": "main", "url": fake.url, **options}
        url = "https://forge.example/acme/models.git"
        forge = open_forge(fake.kind, repository_url=url, allow_plain_loopback=True, **options)
        opened.append(forge)
        return forge

    yield connect_to
    for forge in opened:
        forge.close()


@pytest.fixture(params=sorted(KINDS))
def fake(request: pytest.FixtureRequest, start: Callable[[str], Fake]) -> Fake:
    """Each of the three."""
    return start(request.param)


@pytest.fixture
def forge(fake: Fake, connect: Callable[..., Forge]) -> Forge:
    """A client of it."""
    return connect(fake)
