"""The forge as a process of its own: an address that answers, an end when told, wrong use in one sentence."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from reconciler.demo.forge import LocalForge
from reconciler.demo.forge.__main__ import main
from reconciler.errors import Misused

COMMAND = [sys.executable, "-m", "reconciler.demo.forge"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def people(tmp_path):
    path = tmp_path / "people.json"
    path.write_text(json.dumps({"ada": {"token": "t-ada"}, "eve": {"token": "t-eve", "role": "read"}}))
    return path


def started(repo, people, folder, *more):
    command = [*COMMAND, "--bare", str(repo.bare), "--state-dir", str(folder), "--people", str(people), *more]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + 30
    while not (folder / "address").exists():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_it_answers_survives_a_kill_and_ends_when_told(repo, people, tmp_path):
    folder = tmp_path / "state"
    repo.branch("promote", {"a": b"a"})
    process = started(repo, people, folder)
    with httpx.Client(trust_env=False, headers={"Authorization": "Bearer t-ada"}) as http:
        try:
            api = (folder / "address").read_text().strip() + "/api/v3/repos/acme/models"
            sent = {"head": "promote", "base": "main", "title": "A"}
            assert http.post(f"{api}/pulls", json=sent).status_code == 201
            assert int((folder / "pid").read_text()) == process.pid
        finally:
            process.kill()
            process.wait()
        (folder / "address").unlink()
        process = started(repo, people, folder)
        try:
            api = (folder / "address").read_text().strip() + "/api/v3/repos/acme/models"
            assert http.get(f"{api}/pulls/1").json()["title"] == "A"
            assert http.get(f"{api}/collaborators/eve/permission").json()["permission"] == "read"
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
    assert [path.name for path in folder.iterdir()] == ["forge.json"]


WRONG = {
    "no people": ({"--people": "/nonexistent"}, "the people file or the webhook's secret cannot be read"),
    "no repository": ({"--bare": "/nonexistent"}, "is not a Git repository"),
    "a name without an owner": ({"--name": "models"}, "OWNER/NAME"),
    "a webhook without a secret": ({"--webhook": "http://127.0.0.1:1/"}, "are given together"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_sentence(case, repo, people, tmp_path, capsys):
    changed, sentence = WRONG[case]
    options = {"--bare": str(repo.bare), "--state-dir": str(tmp_path / "state"), "--people": str(people), **changed}
    assert main([word for pair in options.items() for word in pair]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1


def test_a_state_of_something_else_is_refused(repo, tmp_path):
    (tmp_path / "forge.json").write_text('{"pulls": 1}')
    with pytest.raises(Misused, match="is not a forge's state"):
        LocalForge(repo.bare, tmp_path, {"t": "ada"}).start()


def test_a_taken_port_is_one_sentence(repo, people, tmp_path, forge, capsys):
    taken = forge.address.rpartition(":")[2]
    options = ["--bare", str(repo.bare), "--state-dir", str(tmp_path / "other"), "--people", str(people)]
    assert main([*options, "--port", taken]) == 2
    assert capsys.readouterr().err.startswith("the port cannot be used: ")
