"""The engine and its worker: hostile expressions, limits, deaths. Every one ends in a verdict that is no pass."""

import importlib.util
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from policy_samples import asked, document

from reconciler.edges.cel.engine import CelEngine
from reconciler.edges.cel.limits import Limits
from reconciler.edges.cel.process import WorkerProcess
from reconciler.errors import Misused
from reconciler.judge.question import Question
from reconciler.model.policy import Policy, PolicyResult

TEN = "[1,2,3,4,5,6,7,8,9,10]"
STRING_BOMB = "['aaaaaaaaaa']" + ".map(a, a.replace('a', 'aaaaaaaaaa'))" * 12 + ".size() == 1"
BURNING = "params.list.all(x, !params.text.replace('a', 'b').contains('c'))"  # minutes, and nearly no memory


def with_params(expression: str, **params: object) -> Question:
    return replace(asked(expression), variables={"params": params})


def burning() -> Question:
    return with_params(BURNING, list=list(range(4000)), text="a" * 900_000)


@pytest.fixture
def small() -> Iterator[CelEngine]:
    with CelEngine(Limits(memory=128 << 20, wall=5.0, cpu=2)) as engine:
        yield engine


@pytest.fixture
def fake_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the engine start a shell script that says it is ready and then does as told."""

    def make(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\nprintf '\\0\\0\\0\\016{{\"ready\":true}}'\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return make


def asked_policy() -> Policy:
    return document({"validations": [{"expression": "true"}]}).as_(Policy)


def kill_at_work(pid: int) -> None:
    """Kill a process once it has used another 0.2 s of CPU, so that it is surely at the question that burns it."""

    def ticks() -> int:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])

    start = ticks()
    while ticks() < start + 20:
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)


def usable(engine: CelEngine) -> bool:
    return [entry.result for entry in engine.ask([asked("true"), asked("false")])] == ["pass", "fail"]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        (f"{TEN}.all(a, {TEN}.all(b, {TEN}.all(c, {TEN}.all(d, a + b + c + d > 0))))", "Iteration budget exceeded"),
        (STRING_BOMB, "128 MiB of memory"),
        ("(" * 2000 + "true" + ")" * 2000, "nests brackets more than 32 deep"),
        ("[" * 2000 + "]" * 2000 + " == []", "nests brackets more than 32 deep"),
        ("1" + "+1" * 1500 + " == 1501", "recursion depth"),
        ("release" + ".a" * 1500 + " == 1", "recursion depth"),
        ("false ? true : " * 250 + "true", "recursion"),
        ("1 / 0 == 0", "divide by zero"),
        ("release.spec.nothing.at.all == 1", "Key not found"),
        ("release.spec.model.name > 1", "No matching overloads"),
        ("release.spec", "where BOOL is needed"),
        ("'not closed", "Syntax error"),
        ("\ud800".encode("utf-8", "replace").decode() + "x", "Syntax error"),
    ],
)
def test_hostile_expressions_are_errors_and_the_engine_goes_on(small, expression, says):
    verdict, after = small.ask([asked(expression), asked("true")])
    assert verdict.result is PolicyResult.ERROR
    assert says in verdict.message
    assert after.result is PolicyResult.PASS


@pytest.mark.parametrize("expression", ["!" * 3000 + "true", "-" * 3000 + "1 == 1", " && ".join(["true"] * 500)])
def test_long_chains_that_are_not_nested_are_fine(small, expression):
    assert small.ask([asked(expression)])[0].result is PolicyResult.PASS


def test_five_thousand_parentheses_do_not_even_make_a_policy():
    with pytest.raises(Exception, match="4096"):
        asked("(" * 5000 + "true" + ")" * 5000)


def test_five_thousand_parentheses_reach_the_worker_and_do_not_crash_it():
    worker = WorkerProcess(Limits())
    try:
        row = {"expression": "(" * 5000 + "true" + ")" * 5000, "messageExpression": None}
        worker.send(
            [{"policy": "x", "spec": {"matchConditions": [], "variables": [], "validations": [row]}}], seconds=5
        )
        assert "10004 bytes" in worker.receive(seconds=5)["problems"][0][1]
        assert worker.alive
    finally:
        worker.end()


def test_a_backtracking_pattern_costs_nothing(small):
    assert small.ask([asked("!('" + "a" * 3000 + "b').matches('^(a+)+$')")])[0].result is PolicyResult.PASS


def test_a_list_of_a_million_is_refused_before_it_is_sent(small):
    for data in (list(range(10**6)), {"deep": [{"deeper": list(range(6000))}]}):
        verdict = small.ask([with_params("size(params.data) >= 0", data=data)])[0]
        assert verdict.result is PolicyResult.ERROR
        assert "are allowed" in verdict.message
    assert small.worker_pid is None


@pytest.mark.parametrize("data", ["a\x00b", ["a\x00"], {"k\x00": 1}])
def test_a_nul_is_refused_because_the_library_would_cut_the_text_there(small, data):
    verdict = small.ask([with_params("size(params.data) > 0", data=data)])[0]
    assert (verdict.result, verdict.message) == ("error", "spec: what it would see contains a NUL character")


def test_a_question_of_many_bytes_is_refused(small):
    verdict = small.ask([with_params("params.data != ''", data="x" * (1 << 20))])[0]
    assert verdict.result is PolicyResult.ERROR
    assert "1048576 are allowed" in verdict.message


def test_one_question_that_overruns_its_wall_time_costs_only_itself():
    with CelEngine(Limits(wall=1.5, cpu=60)) as engine:
        before, slow, after = engine.ask([asked("true"), burning(), asked("false")])
        assert (before.result, after.result) == (PolicyResult.PASS, PolicyResult.FAIL)
        assert slow.result is PolicyResult.ERROR
        assert "took longer than its time limit" in slow.message
        assert usable(engine)


def test_one_question_that_overruns_its_cpu_time_costs_only_itself():
    with CelEngine(Limits(wall=60.0, cpu=1)) as engine:
        slow, after = engine.ask([burning(), asked("true")])
        assert slow.result is PolicyResult.ERROR
        assert "used more than 1 s of CPU time" in slow.message
        assert after.result is PolicyResult.PASS


def test_cpu_time_is_counted_per_question_and_not_for_the_life_of_the_worker():
    question = with_params("params.list.all(x, !params.text.replace('a', 'b').contains('c'))",
                           list=list(range(20)), text="a" * 400_000)  # fmt: skip
    with CelEngine(Limits(wall=60.0, cpu=1)) as engine:
        first = engine.ask([question])
        pid = engine.worker_pid
        assert [entry.result for entry in [*first, *engine.ask([question] * 8)]] == ["pass"] * 9
        assert engine.worker_pid == pid


def test_a_worker_killed_while_idle_is_replaced_without_a_lost_answer(small):
    assert usable(small)
    pid = small.worker_pid
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert usable(small)
    assert small.worker_pid not in {None, pid}


def test_a_worker_killed_at_work_costs_the_question_it_was_at():
    with CelEngine(Limits(wall=60.0, cpu=60)) as engine:
        usable(engine)
        killer = threading.Thread(target=kill_at_work, args=(engine.worker_pid,))
        killer.start()
        before, struck, after = engine.ask([asked("true"), burning(), asked("true")])
        killer.join()
        assert (before.result, struck.result, after.result) == ("pass", "error", "pass")
        assert "the worker ended (signal 9)" in struck.message


def test_a_worker_that_stops_reading_costs_its_deadline():
    with CelEngine(Limits(wall=1.0)) as engine:
        assert usable(engine)
        os.kill(engine.worker_pid, signal.SIGSTOP)
        large = [with_params("size(params.text) > 0", text="a" * 900_000)] * 2
        assert [entry.result for entry in engine.ask(large)] == ["error", "pass"]
        assert usable(engine)


def test_the_worker_has_no_secret_of_ours_and_its_limits(monkeypatch, small):
    monkeypatch.setenv("RECONCILER_TOKEN", "canary-token-4711")
    assert usable(small)
    environment = Path(f"/proc/{small.worker_pid}/environ").read_text()
    assert {row.partition("=")[0] for row in environment.split("\0") if row} == {"PYTHONPATH", "LC_ALL", "PATH"}
    limits = Path(f"/proc/{small.worker_pid}/limits").read_text()
    assert re.search(rf"Max address space +{128 << 20} ", limits)
    assert re.search(r"Max cpu time +\d+ ", limits)
    assert re.search(r"Max file size +0 ", limits)


def test_many_threads_get_their_own_answers(small):
    answers: dict[int, list[str]] = {}

    def caller(number: int) -> None:
        questions = [with_params(f"params.n == {number}", n=number), with_params(f"params.n == {number}", n=-1)]
        answers[number] = [entry.result for _ in range(5) for entry in small.ask(questions)]

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: ["pass", "fail"] * 5 for number in range(8)}


def test_a_batch_larger_than_a_message_keeps_its_order(small):
    questions = [with_params("params.n % 3 == 0", n=number) for number in range(200)]
    assert [entry.result for entry in small.ask(questions)] == ["fail" if n % 3 else "pass" for n in range(200)]
    assert small.ask([]) == []


def test_a_check_names_every_expression_that_cannot_be_used(small):
    spec = {
        "matchConditions": [{"name": "a", "expression": "1"}],
        "validations": [{"expression": "true"}, {"expression": "relaese == 1", "messageExpression": "2"}],
    }
    loaded = document(spec)
    found = small.check(loaded.document)
    assert [problem.path for problem in found] == [
        ("spec", "matchConditions", 0, "expression"),
        ("spec", "validations", 1, "expression"),
        ("spec", "validations", 1, "messageExpression"),
    ]
    assert str(found[0]) == "spec.matchConditions[0].expression: gives INT where BOOL is needed"
    assert loaded.problem(found[0].path, found[0].message).line == 1
    assert small.check(document({"validations": [{"expression": "true"}]}).document) == []


def test_a_policy_that_does_not_compile_denies(small):
    verdict = small.ask([asked("nothing == 1")])[0]
    assert (verdict.result, verdict.place.split(":")[0]) == ("error", "policies/sample.yaml")
    assert verdict.message.startswith("spec.validations[0].expression: undeclared reference to 'nothing'")


def test_a_closed_engine_ends_its_worker_and_answers_no_more():
    engine = CelEngine()
    assert usable(engine)
    pid = engine.worker_pid
    engine.close()
    engine.close()
    assert not Path(f"/proc/{pid}").exists()
    assert engine.worker_pid is None
    with pytest.raises(Misused, match="closed"):
        engine.ask([asked("true")])


def test_closing_kills_a_worker_that_does_not_listen():
    engine = CelEngine()
    usable(engine)
    pid = engine.worker_pid
    os.kill(pid, signal.SIGSTOP)
    engine.close()
    assert not Path(f"/proc/{pid}").exists()


def test_without_the_library_the_engine_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(Misused, match="cel-expr-python") as caught:
        CelEngine().ask([asked("true")])
    assert "glibc" in caught.value.hint


def test_a_library_that_does_not_load_is_reported_by_the_worker(tmp_path, monkeypatch):
    (tmp_path / "cel_expr_python").mkdir()
    (tmp_path / "cel_expr_python" / "__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(Misused, match="cannot be loaded here"), CelEngine() as engine:
        engine.ask([asked("true")])


def test_a_worker_that_cannot_start_gives_errors_and_no_pass(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with CelEngine() as engine:
        verdicts = engine.ask([asked("true"), asked("false")])
    assert [entry.result for entry in verdicts] == ["error", "error"]
    assert "did not start" in verdicts[0].message


def test_too_little_memory_to_start_is_an_error_too():
    with CelEngine(Limits(memory=1 << 20)) as engine:
        assert [entry.result for entry in engine.ask([asked("true")])] == ["error"]


@pytest.mark.parametrize("frame", [r"\0\0\0\2no", r"\177\0\0\0"])
def test_a_reply_that_is_none_is_an_error(fake_worker, frame):
    fake_worker(f"printf '{frame}'\ncat >/dev/null")
    with CelEngine() as engine:
        verdict = engine.ask([asked("true")])[0]
    assert verdict.result is PolicyResult.ERROR
    assert "the worker's answer is not one" in verdict.message


@pytest.mark.parametrize(
    "reply", ['{"skipped":""}', '{"problems":[1]}', "[]", '{"skipped":"","failed":[{"x":1}],"errors":[],"values":{}}']
)
def test_a_reply_of_another_shape_is_an_error_and_no_pass(fake_worker, reply):
    fake_worker(f"printf '\\0\\0\\0\\{len(reply):03o}{reply}'\ncat >/dev/null")
    with CelEngine() as engine:
        assert engine.ask([asked("true")])[0].result is PolicyResult.ERROR
    with CelEngine() as engine:
        assert engine.check(asked_policy()) != []


@pytest.mark.parametrize("ends", ["exec 1>&-; exec cat >/dev/null 2>&1", "exec 0<&-; sleep 1"])
def test_a_worker_that_closes_a_pipe_is_lost_and_ended(fake_worker, ends):
    fake_worker(ends)
    with CelEngine() as engine:
        verdict = engine.ask([with_params("size(params.text) > 0", text="a" * 900_000)])[0]
        assert verdict.result is PolicyResult.ERROR
        assert "the worker" in verdict.message
        assert engine.worker_pid is None
