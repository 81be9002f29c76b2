"""The worker's parts, without a process: what is kept, what a job answers, how frames look."""

import io
import sys
from types import SimpleNamespace

import orjson
import pytest

from reconciler.edges.cel import worker
from reconciler.edges.cel.limits import MAX_REPLY


def spec(expression):
    return {
        "matchConditions": [],
        "variables": [],
        "validations": [{"expression": expression, "messageExpression": None}],
    }


def test_a_policy_is_compiled_once_per_digest():
    programs = worker.Programs()
    first = programs.get("a", spec("true"))
    assert programs.get("a", spec("true")) is first
    assert programs.get("b", spec("true")) is not first


def test_the_least_recently_used_program_is_forgotten_first():
    programs = worker.Programs()
    kept, lost = programs.get("kept", spec("true")), programs.get("lost", spec("true"))
    for number in range(worker.KEPT_PROGRAMS - 1):
        programs.get(str(number), spec("true"))
        programs.get("kept", spec("true"))
    assert programs.get("kept", spec("true")) is kept
    assert programs.get("lost", spec("true")) is not lost


def test_a_job_is_a_question_when_it_has_variables_and_a_check_otherwise():
    programs = worker.Programs()
    good = {"policy": "a", "spec": spec("operation == 'Update'")}
    assert worker.work(good, programs) == {"problems": []}
    assert worker.work({**good, "variables": {"operation": "Create"}}, programs)["failed"][0]["rule"] == 1
    bad = {"policy": "b", "spec": spec("1")}
    problem = ("spec.validations[0].expression", "gives INT where BOOL is needed")
    assert worker.work(bad, programs) == {"problems": [problem]}
    assert worker.work({**bad, "variables": {}}, programs) == {"problems": [problem]}


@pytest.mark.parametrize(
    ("data", "frame"),
    [(b"", b""), (b"\0\0", b""), (b"\0\0\0\2{}", b"{}"), (b"\0\0\0\2{}\0\0\0\1", b"{}")],
)
def test_a_frame_is_its_length_and_its_bytes(monkeypatch, data, frame):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert worker.read_frame() == frame


def test_a_reply_that_is_too_large_is_an_error_instead(monkeypatch):
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
    worker.write_frame({"values": "x" * (MAX_REPLY + 1)})
    frame = out.getvalue()
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert orjson.loads(frame[4:]) == {"problems": [["spec", "its answer is too large"]]}
