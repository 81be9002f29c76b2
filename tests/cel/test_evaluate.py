"""Compiling and evaluating, without the worker: only exactly true is a pass, and every problem names its expression."""

import subprocess
import sys

import pytest
from cel_expr_python import cel
from policy_samples import ROOT, asked, facts

from reconciler.edges.cel.compile import TYPES, NotCompiled, compile_policy
from reconciler.edges.cel.evaluate import MAX_VALUE_ITEMS, answer, shown
from reconciler.judge.variables import VARIABLES, variables
from reconciler.model.policy import PolicySpec

LIST = cel.Type.List(cel.Type.Map(cel.Type.STRING, cel.Type.DYN))
DOCUMENTED = {
    "map(string, dyn)": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "list(map(string, dyn))": LIST,
    "dyn": cel.Type.DYN,
    "string": cel.Type.STRING,
    "timestamp": cel.Type.TIMESTAMP,
}


def spec(expression="true", **more):
    return PolicySpec.from_data({"validations": [{"expression": expression}], **more}).to_full_data()


def evaluated(expression="true", **more):
    return answer(compile_policy(spec(expression, **more)), {**variables(facts()), "params": {"n": 3, "s": "x"}})


def outcome(expression, **more):
    given = evaluated(expression, **more)
    if given["errors"]:
        return given["errors"][0]["message"]
    return "fail" if given["failed"] else "pass"


def problems(expression="true", **more):
    with pytest.raises(NotCompiled) as caught:
        compile_policy(spec(expression, **more))
    return caught.value.problems


def test_the_library_is_told_the_documented_types():
    assert {name: DOCUMENTED[seen.type].name() for name, seen in VARIABLES.items()} == {
        name: given.name() for name, given in TYPES.items()
    }


def test_every_documented_variable_can_be_read():
    for name in VARIABLES:
        assert outcome(f"{name} == {name}") == "pass", name


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true", "pass"),
        ("false", "fail"),
        ("release.spec.model.version == '1.4.0'", "pass"),
        ("dyn(true)", "pass"),
        ("dyn(false)", "fail"),
        ("true || 1 / 0 == 1", "pass"),
        ("now < timestamp('2027-01-01T00:00:00Z')", "pass"),
        ("now == timestamp('2026-12-01T09:00:00Z')", "pass"),
        ("running == null", "pass"),
        ("release.spec.targets.namespace == 'fraud'", "pass"),
        ("params.n == 3", "pass"),
        # never a pass, though the library calls all of them truthy
        ("1 / 0 == 1", "divide by zero"),
        ("release.spec.nothing", 'Key not found in map : "nothing"'),
        ("release.spec.nothing == true", 'Key not found in map : "nothing"'),
        ("release.spec.model", "gives MAP<DYN, DYN> where BOOL is needed"),
        ("dyn('true')", "gives STRING where BOOL is needed"),
        ("dyn(1)", "gives INT where BOOL is needed"),
        ("dyn(null)", "gives NULL where BOOL is needed"),
        ("dyn([true])", "gives LIST<DYN> where BOOL is needed"),
        ("running.spec.model.version == '1'", "Applying SELECT to non-message type"),
        ("running.spec == 1 || false", "Applying SELECT to non-message type"),
        ("params.s > 1", "No matching overloads found : _>_(string, int64)"),
        ("params.s < 1 && true", "No matching overloads found : _<_(string, int64)"),
        ("dyn(1) + dyn('a') == 'x'", "No matching overloads found : _+_(int64, string)"),
        ("clusters[3].suspend", "Index error: index=3 size=0"),
        ("9223372036854775807 + params.n > 0", "integer overflow"),
        ("'a'.matches('(')", "invalid regular expression: missing ): ("),
        ("timestamp('soon') < now", "String to Timestamp conversion failed"),
    ],
)
def test_only_exactly_true_is_a_pass(expression, expected):
    assert outcome(expression) == expected


@pytest.mark.parametrize(
    ("more", "path", "message"),
    [
        ({"expression": "1"}, "spec.validations[0].expression", "gives INT where BOOL is needed"),
        ({"expression": "'true'"}, "spec.validations[0].expression", "gives STRING where BOOL is needed"),
        ({"expression": "null"}, "spec.validations[0].expression", "gives NULL where BOOL is needed"),
        ({"expression": "type(true)"}, "spec.validations[0].expression", "gives TYPE<BOOL> where BOOL is needed"),
        (
            {"expression": "relaese.image == ''"},
            "spec.validations[0].expression",
            "undeclared reference to 'relaese.image' (in container '') (line 1, column 8 of the expression)",
        ),
        (
            {"expression": "variables.none == 1"},
            "spec.validations[0].expression",
            "undeclared reference to 'variables.none' (in container '') (line 1, column 10 of the expression)",
        ),
        (
            {"expression": "'a' + 1 == 'b'"},
            "spec.validations[0].expression",
            "found no matching overload for '_+_' applied to '(string, int)' (line 1, column 5 of the expression)",
        ),
        (
            {"validations": [{"expression": "true", "messageExpression": "1"}]},
            "spec.validations[0].messageExpression",
            "gives INT where STRING is needed",
        ),
        (
            {"matchConditions": [{"name": "a", "expression": "'x'"}]},
            "spec.matchConditions[0].expression",
            "gives STRING where BOOL is needed",
        ),
        (
            {"variables": [{"name": "a", "expression": "("}]},
            "spec.variables[0].expression",
            "Syntax error: mismatched input",
        ),
        (
            {"variables": [{"name": "a", "expression": "1"}, {"name": "a", "expression": "2"}]},
            "spec.variables[1].name",
            "there is a variable 'a' before this one",
        ),
        (
            {"variables": [{"name": "a", "expression": "true"}], "expression": "has( variables.a )"},
            "spec.validations[0].expression",
            "uses has() on a variable of the policy",
        ),
        ({"expression": "'é' == '" + "é" * 2045 + "'"}, "spec.validations[0].expression", "is 4100 bytes long"),
        ({"expression": "'a\x00' == 'a'"}, "spec.validations[0].expression", "contains a NUL character"),
        ({"expression": "(" * 33 + "true" + ")" * 33}, "spec.validations[0].expression", "nests brackets more than 32"),
    ],
)
def test_what_cannot_be_a_policy_is_refused_when_it_is_loaded(more, path, message):
    found = problems(**more)
    assert [at for at, _ in found] == [path]
    assert found[0][1].startswith(message)


def test_all_problems_of_a_policy_are_told_at_once():
    found = problems(
        "1",
        matchConditions=[{"name": "a", "expression": "2"}],
        variables=[{"name": "v", "expression": "nothing"}, {"name": "w", "expression": "variables.v + 1"}],
    )
    assert [path for path, _ in found] == [
        "spec.matchConditions[0].expression", "spec.variables[0].expression", "spec.validations[0].expression",
    ]  # fmt: skip


def test_a_condition_that_is_false_skips_and_wins_over_one_that_fails():
    broken = {"name": "broken", "expression": "1 / 0 == 1"}
    given = evaluated("1 / 0 == 1", matchConditions=[broken, {"name": "never", "expression": "false"}])
    assert (given["skipped"], given["errors"], given["failed"]) == ("never", [], [])
    given = evaluated("true", matchConditions=[broken, {"name": "always", "expression": "true"}])
    assert given["skipped"] == ""
    assert given["errors"] == [
        {
            "rule": 0,
            "path": "spec.matchConditions[0].expression",
            "message": "the match condition 'broken' failed: divide by zero",
        }
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("variables.bad == 1", "variables.bad has no value: divide by zero"),
        ("variables.worse == 1", "variables.worse has no value: variables.bad has no value: divide by zero"),
        ("true || variables.bad == 1", "pass"),
        ("variables.good == 4", "pass"),
    ],
)
def test_a_variable_that_fails_concerns_only_what_reads_it(expression, expected):
    table = [
        {"name": "bad", "expression": "1 / 0"},
        {"name": "worse", "expression": "variables.bad + 1"},
        {"name": "good", "expression": "params.n + 1"},
    ]
    assert outcome(expression, variables=table) == expected


def test_a_variable_keeps_its_type():
    table = [
        {"name": "when", "expression": "now - duration('1h')"},
        {"name": "list", "expression": "[now, now + duration('1h')]"},
        {"name": "whole", "expression": "1u"},
    ]
    assert outcome("variables.when < variables.list[0] && variables.whole == 1u", variables=table) == "pass"


@pytest.mark.parametrize(
    ("message_expression", "message"),
    [
        ("'version ' + release.spec.model.version", "version 1.4.0"),
        ("release.spec.nothing", ""),
        ("dyn(1)", ""),
        ("string(1 / 0)", ""),
    ],
)
def test_a_message_that_gives_no_text_leaves_the_fixed_one(message_expression, message):
    given = evaluated(validations=[{"expression": "false", "messageExpression": message_expression}])
    assert given["failed"] == [{"rule": 1, "path": "spec.validations[0].expression", "message": message}]
    assert given["errors"] == []


def test_what_people_are_shown_of_a_value_is_short():
    assert shown("x" * 500) == "x" * 200 + "…"
    assert shown(list(range(100)))[-2:] == [MAX_VALUE_ITEMS - 1, "… 80 more"]
    assert shown({f"k{i:03}": i for i in reversed(range(30))})["…"] == "10 more"
    assert list(shown({"b": 1, "a": 2})) == ["a", "b"]
    assert shown([[[[[1]]]]]) == [[[["…"]]]]
    assert shown(b"ab") == "b'ab'"


def test_the_values_of_a_verdict_are_the_variables_of_the_policy():
    table = [{"name": f"v{i}", "expression": f"{i} + params.n"} for i in range(20)]
    values = evaluated(variables=table)["values"]
    assert values["v2"] == 5
    assert len(values) == 16


def test_the_value_of_an_environment_variable_cannot_be_read():
    leak = [{"name": "leak", "expression": "release.spec.serving.env.map(e, e.value)"}]
    given = evaluated("size(variables.leak) == 0", variables=leak)
    assert "canary-token-4711" not in str(given)
    assert given["errors"][0]["message"] == 'variables.leak has no value: Key not found in map : "value"'
    assert outcome("release.spec.serving.env.map(e, e.name) == ['TOKEN', 'KEY']") == "pass"
    assert "canary-token-4711" not in str(asked("release == release").variables)


def test_our_own_process_never_loads_the_library():
    code = "import sys, reconciler.edges.cel.engine; print('cel_expr_python' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
