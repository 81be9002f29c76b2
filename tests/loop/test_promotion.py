"""The promotion chain over releases: what production is asked of staging, who is woken, and when to look again."""

from datetime import timedelta

import pytest
from loop_acme import FRAUD, NOW, Published, Repo, key_of, snapshot
from loop_passes import Release

from reconciler.edges.cel.engine import CelEngine
from reconciler.judge.upstream import Upstream, upstream_of
from reconciler.judge.verdict import gates
from reconciler.loop.bundle import shipped_policies
from reconciler.loop.standing import questions, stand
from reconciler.loop.upstream import downstream, until_soaked
from reconciler.model.plan import Condition
from reconciler.model.state import unpack

STAGING = key_of("staging", "fraud-detector")
CHAT = key_of("prod", "support-chat")


def chained(*, soak: str = "1h") -> Repo:
    repo = Repo()
    repo.edit("environments/prod.yaml", "spec:\n", f"spec:\n  after: staging\n  soak: {soak}\n")
    return repo


@pytest.fixture(scope="module")
def engine():
    with CelEngine() as engine:
        yield engine


def denied(engine: CelEngine, repo: Repo, staging, *, minutes: int) -> list[str]:
    """The closed gates of policies for production's 1.3.0, `minutes` after staging's status was made."""
    now = NOW + timedelta(minutes=minutes)
    found = snapshot(repo)
    row = stand(FRAUD, found, (), first_seen=now, now=now)
    upstream = upstream_of(row.environment, staging, row.resolved.effective, unpack)
    asked = questions(
        row,
        found,
        shipped_policies(),
        running=None,
        commit=None,
        objects={},
        rollback=False,
        upstream=upstream,
        now=now,
    )
    return [gate.message for gate in gates(engine.ask(asked.questions)) if not gate.open]


def test_nothing_comes_to_production_that_staging_has_not_served(engine):
    (sentence,) = denied(engine, chained(), None, minutes=0)
    assert sentence.startswith("policy promotion-order denies: staging has not served fraud-detector 1.3.0")
    assert sentence.endswith("(policies/promotion-order.yaml:25:19)")


def test_it_comes_when_its_soak_is_over(engine):
    repo = chained()
    staging = Release(repo=repo, key=STAGING)
    staging.settle()
    (sentence,) = denied(engine, repo, staging.status, minutes=10)
    assert "its soak of 1h ends at" in sentence
    assert denied(engine, repo, staging.status, minutes=70) == []


def test_a_soak_begins_again_when_staging_was_not_healthy(engine):
    repo = chained()
    staging = Release(repo=repo, key=STAGING)
    staging.settle()
    again = Condition(type="Ready", status="True", reason="Promoted", since=NOW + timedelta(minutes=60))
    status = staging.status.model_copy(update={"conditions": (again,)})
    assert denied(engine, repo, status, minutes=70)
    assert denied(engine, repo, status, minutes=121) == []


def test_who_comes_after_is_woken():
    found = snapshot(chained())
    assert downstream(STAGING, found) == [FRAUD]
    assert downstream(key_of("staging", "support-chat"), found) == [CHAT]
    assert downstream(key_of("staging", "churn-scorer"), found) == []  # production has none
    assert downstream(FRAUD, found) == []
    assert downstream(STAGING, snapshot(Repo())) == []


def test_an_environment_that_changes_is_news_for_those_after_it():
    repo = chained()
    world = Published(repo)
    world.publish()
    repo.edit("environments/staging.yaml", "modelSources: [oci]", "modelSources: [oci, s3]")
    world.publish()
    assert {FRAUD, CHAT, STAGING} <= world.last.affected


@pytest.mark.parametrize(
    ("since", "until", "left"),
    [(None, None, None), (0, None, 60), (-59, None, 1), (-60, None, None), (-90, None, None), (-30, 0, None)],
)
def test_the_end_of_a_soak_is_looked_at_when_it_comes(since, until, left):
    at = [NOW + timedelta(minutes=minutes) if minutes is not None else None for minutes in (since, until)]
    upstream = Upstream(environment="staging", soak=timedelta(hours=1), served=True, since=at[0], until=at[1])
    assert until_soaked(upstream, NOW) == (timedelta(minutes=left) if left else None)
    assert until_soaked(None, NOW) is None
