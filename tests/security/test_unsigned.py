"""What governs is changed without a signature and merged, first alone and then with a release that profits from it."""

from collections.abc import Callable, Iterator

import pytest
from attack_stage import ENVIRONMENT, RUNTIME, back_to, change, sign_as
from stage_lab import DEPLOYMENTS, Lab, lab

from reconciler.demo.stage import CLUSTERS
from reconciler.demo.story import PROD, runs

WAIVER = "waivers/worse.yaml"
WAIVER_TEXT = """\
apiVersion: reconciler.dev/v1alpha1
kind: Waiver
metadata: {name: worse}
spec:
  policy: evaluations-not-worse
  selector: {names: [fraud-detector], environments: [prod]}
  reason: it will be better tomorrow
  expires: 2099-01-01T00:00:00Z
"""
THEFT = "registry.example.com/serving/miner@sha256:" + "6" * 64
OTHER_CLUSTER = """\
apiVersion: reconciler.dev/v1alpha1
kind: Cluster
metadata: {name: mine, labels: {tier: prod, region: mine}}
spec: {connection: {kubeconfig: fleet, context: eu-1}}
"""


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("unsigned") / "acme") as made:
        yield made
        assert "Traceback" not in made.log()


def waive(acme: Lab) -> str:
    (acme.work / WAIVER).parent.mkdir(exist_ok=True)
    (acme.work / WAIVER).write_text(WAIVER_TEXT)
    return WAIVER


def allow_worse(acme: Lab) -> str:
    change(acme, ENVIRONMENT, lambda text: text.replace("margin: 0.01", "margin: 0.9"))
    return ENVIRONMENT


def name_no_team(acme: Lab) -> str:
    change(
        acme,
        "policies/team-named.yaml",
        lambda text: text.replace("variables.team in params.teams\n", "variables.team in params.teams || true\n"),
    )
    return "policies/team-named.yaml"


def take_cluster(acme: Lab) -> str:
    (acme.work / "clusters/mine.yaml").write_text(OTHER_CLUSTER)
    return "clusters/mine.yaml"


def steal_image(acme: Lab) -> str:
    text = next(line for line in (acme.work / RUNTIME).read_text().splitlines() if line.startswith("  image:"))
    change(acme, RUNTIME, lambda whole: whole.replace(text, f"  image: {THEFT}"))
    return RUNTIME


def worse(acme: Lab) -> None:
    """1.5.0 is much worse than what runs."""
    acme.release("1.5.0", auc=0.91)
    acme.wait("it is denied", lambda: "evaluations-not-worse denies" in acme.reasons())
    assert runs(acme.stage, "1.3.0")


def nameless(acme: Lab) -> None:
    """A release of a team that nobody knows."""
    change(acme, PROD, lambda text: text.replace("{team: risk}", "{team: crime}"), by="bo")
    acme.commit("a team of our own")
    acme.wait("it is denied", lambda: "team-named denies" in acme.reasons())
    assert runs(acme.stage, "1.3.0")


def better(acme: Lab) -> None:
    """1.4.0 is good, and goes where and how the accepted texts say."""
    acme.release("1.4.0")
    acme.serves("1.4.0")
    assert set(acme.status().directives) == set(CLUSTERS)
    for cluster in CLUSTERS:
        images = [row["spec"]["template"]["spec"]["containers"][0]["image"]
                  for row in acme.ask(cluster, "GET", DEPLOYMENTS)["items"]]  # fmt: skip
        assert images
        assert THEFT not in images


CASES: dict[str, tuple[Callable[[Lab], str], Callable[[Lab], None]]] = {
    "environment": (allow_worse, worse),
    "policy": (name_no_team, nameless),
    "waiver": (waive, worse),
    "cluster": (take_cluster, better),
    "runtime": (steal_image, better),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "signer"), [*((kind, signer) for kind in CASES for signer in ("", "daemon")),
                         ("environment", "ada"), ("environment", "copied")],
)  # fmt: skip
def test_an_unsigned_change_merged_without_a_release_leaves_the_last_accepted_in_force(acme, kind, signer):
    good = acme.git("rev-parse", "HEAD")
    path = CASES[kind][0](acme)
    if signer == "copied":
        (acme.work / f"{path}.sig").write_bytes((acme.work / "environments/dev.yaml.sig").read_bytes())
    elif signer:
        sign_as(acme, path, signer)
    acme.commit("quietly")
    acme.wait("it is named", lambda: path in acme.reasons())
    assert "ConfigTrusted=False ConfigNotTrusted" in acme.reasons()
    accepted = acme.repository()["accepted"].get(path)
    was = acme.git("ls-tree", "-r", good, path).split()
    assert (accepted["blob"] if accepted else None) == (was[2] if was else None)
    assert not acme.status().gates
    back_to(acme, good)
    acme.wait("nothing is named", lambda: "ConfigNotTrusted" not in acme.reasons())


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
def test_an_unsigned_change_merged_with_a_release_that_profits_leaves_the_last_accepted_in_force(acme, kind):
    good = acme.git("rev-parse", "HEAD")
    alter, profit = CASES[kind]
    path = alter(acme)
    profit(acme)
    assert "ConfigTrusted=False ConfigNotTrusted" in acme.reasons()
    assert path in acme.reasons()
    back_to(acme, good)
    acme.wait("nothing is named", lambda: "ConfigNotTrusted" not in acme.reasons() and not acme.status().gates)
    acme.serves("1.3.0")
