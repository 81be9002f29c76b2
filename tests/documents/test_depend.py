"""dependsOn in `validate`: every dependency that leads nowhere or in a circle, at its place."""

import pytest
from documents_samples import CLUSTER, ENVIRONMENT, RELEASE, RUNTIME

from reconciler.cli.checking import check_tree


def release(name, *dependencies):
    text = RELEASE.replace("  name: fraud-detector\n  labels", f"  name: {name}\n  labels")
    more = f"  dependsOn: [{', '.join(dependencies)}]\n" if dependencies else ""
    return text.replace("  environment: prod\n", f"  environment: prod\n{more}").encode()


def told(**releases):
    files = {f"releases/prod/{name}.yaml": text for name, text in releases.items()}
    rest = {
        "environments/prod.yaml": ENVIRONMENT.replace("params: {not-worse: {margin: 0.02}}, ", "").encode(),
        "clusters/eu-1.yaml": CLUSTER.encode(), "runtimes/mlserver.yaml": RUNTIME.encode(),
    }  # fmt: skip
    return [str(problem).removeprefix("releases/prod/") for problem in check_tree(files | rest).problems]


def test_dependencies_that_are_there_and_lead_nowhere_back():
    assert told(a=release("a", "{name: b}", "{name: c}"), b=release("b", "{name: c}"), c=release("c")) == []


def test_one_whose_file_cannot_be_read_is_there():
    (one,) = told(a=release("a", "{name: b}"), b=release("b").replace(b"max: 10", b"max: ten"))
    assert one.startswith("b.yaml:")


PLACE = "a.yaml:8:22: spec.dependsOn[0].name:"
ONE = {
    "nobody": ("{name: zz}", f"{PLACE} there is no release prod/zz"),
    "somebody nearly": ("{name: gatewy}", f"{PLACE} there is no release prod/gatewy: did you mean 'gateway'?"),
    "another environment": ("{name: gateway, environment: dev}", f"{PLACE} there is no release dev/gateway"),
    "itself": ("{name: a}", f"{PLACE} a release cannot depend on itself"),
    "one twice": (
        "{name: gateway}, {name: gateway}",
        "a.yaml:8:39: spec.dependsOn[1].name: prod/gateway stands here twice: keep one of them",
    ),
}


@pytest.mark.parametrize(("dependency", "expected"), ONE.values(), ids=ONE)
def test_a_release_that_depends_on(dependency, expected):
    assert told(a=release("a", dependency), gateway=release("gateway")) == [expected]


def test_a_circle_is_told_by_everybody_in_it_and_by_nobody_who_leads_to_it():
    found = told(
        a=release("a", "{name: b}"),
        b=release("b", "{name: c}"),
        c=release("c", "{name: a}"),
        d=release("d", "{name: a}"),
    )
    assert [one.partition(":")[0] for one in found] == ["a.yaml", "b.yaml", "c.yaml"]
    assert found[0] == (
        "a.yaml:8:22: spec.dependsOn[0].name: the dependencies go in a circle: prod/a on prod/b on prod/c on prod/a"
    )


def test_a_way_that_branches_and_joins_is_no_circle():
    rows = {"a": ("{name: b}", "{name: c}"), "b": ("{name: d}",), "c": ("{name: d}",), "d": ()}
    assert told(**{name: release(name, *others) for name, others in rows.items()}) == []
