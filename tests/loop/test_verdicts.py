"""Verdicts: what is asked of the engine, and what is known."""

from collections.abc import Sequence
from datetime import timedelta

from loop_acme import NOW

from reconciler.judge.question import Question
from reconciler.loop.telemetry import Telemetry
from reconciler.loop.verdicts import Verdicts
from reconciler.model.policy import PolicyResult, PolicySpec, PolicyVerdict, Validation

SPEC = PolicySpec(validations=(Validation(expression="true", message="never"),))


def question(name: str, **variables: object) -> Question:
    return Question(
        name=name, source="policies/x.yaml", policy="sha256:1", spec=SPEC, operation="Create", variables=variables
    )


class Engine:
    """Answers with what it was told for a name, and writes down what it was asked."""

    def __init__(self, **results: PolicyResult) -> None:
        self.results = results
        self.asked: list[str] = []

    def ask(self, questions: Sequence[Question]) -> list[PolicyVerdict]:
        self.asked += [row.name for row in questions]
        return [
            PolicyVerdict(name=row.name, source=row.source, result=self.results.get(row.name, PolicyResult.PASS))
            for row in questions
        ]


class Now:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self):
        return self.time


def test_a_question_whose_every_input_is_known_is_not_asked_again():
    engine = Engine()
    verdicts = Verdicts(engine, Telemetry(), Now())
    first = verdicts.ask([question("a", release=1), question("b", release=1)])
    again = verdicts.ask([question("b", release=1), question("a", release=1), question("a", release=2)])
    assert [row.name for row in first] == ["a", "b"]
    assert [row.name for row in again] == ["b", "a", "a"]
    assert engine.asked == ["a", "b", "a"]


def test_the_same_question_twice_in_one_decision_is_asked_once():
    engine = Engine()
    found = Verdicts(engine, Telemetry(), Now()).ask([question("a"), question("a")])
    assert [row.name for row in found] == ["a", "a"]
    assert engine.asked == ["a"]


def test_an_error_is_asked_again_after_a_minute_and_not_before():
    engine, now = Engine(a=PolicyResult.ERROR), Now()
    verdicts = Verdicts(engine, Telemetry(), now)
    verdicts.ask([question("a")])
    now.time += timedelta(seconds=59)
    assert verdicts.ask([question("a")])[0].result is PolicyResult.ERROR
    assert engine.asked == ["a"]
    now.time += timedelta(seconds=1)
    engine.results = {}
    assert verdicts.ask([question("a")])[0].result is PolicyResult.PASS
    assert engine.asked == ["a", "a"]


def test_equal_verdicts_of_many_releases_are_kept_once():
    verdicts = Verdicts(Engine(), Telemetry(), Now())
    one, two = (verdicts.ask([question("a", release=number)])[0] for number in (1, 2))
    assert one is two


def test_the_metric_tells_engine_from_cache():
    telemetry = Telemetry()
    verdicts = Verdicts(Engine(), telemetry, Now())
    verdicts.ask([question("a"), question("b")])
    verdicts.ask([question("a"), question("c")])
    text = telemetry.page().decode()
    assert 'reconciler_policy_questions_total{from="engine"} 3.0' in text
    assert 'reconciler_policy_questions_total{from="cache"} 1.0' in text
