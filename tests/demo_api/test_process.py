"""The embedded clusters as a process of their own: a kubeconfig that works, and an end when told."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import urllib3
import yaml

COMMAND = [sys.executable, "-m", "reconciler.demo.api"]
ROOT = Path(__file__).parents[2]


def started(folder, *more):
    command = [*COMMAND, "--state-dir", str(folder), "--clusters", "eu-1,us-1", *more]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + 30
    while not (folder / "kubeconfig").exists():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.fixture
def process(tmp_path):
    running = started(tmp_path / "state")
    yield running
    running.kill()
    running.wait()


def test_the_kubeconfig_has_a_context_per_cluster_and_every_one_answers(process, tmp_path):
    path = tmp_path / "state" / "kubeconfig"
    config = yaml.safe_load(path.read_text())
    assert [each["name"] for each in config["contexts"]] == ["eu-1", "us-1"]
    assert config["current-context"] == "eu-1"
    assert path.stat().st_mode & 0o077 == 0
    servers = {each["cluster"]["server"] for each in config["clusters"]}
    assert len(servers) == 2
    for server in servers:
        assert server.startswith("http://127.0.0.1:")
        with urllib3.PoolManager(retries=False, timeout=10) as pool:
            assert pool.request("GET", f"{server}/readyz").data == b"ok"
    assert int((tmp_path / "state" / "pid").read_text()) == process.pid


def test_it_ends_when_told_and_leaves_no_files(process, tmp_path):
    os.kill(process.pid, signal.SIGHUP)  # the terminal goes: that is no reason
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(20) == 0
    assert list((tmp_path / "state").iterdir()) == []


WRONG = {
    "no cluster": (["--clusters", ","], "--clusters needs"),
    "one name twice": (["--clusters", "a,a"], "--clusters needs"),
    "a name that is a path": (["--clusters", "../a"], "--clusters needs"),
    "a port that is no number": (["--clusters", "a", "--ports", "a=x"], "--ports is not"),
    "a port of another cluster": (["--clusters", "a", "--ports", "b=1"], "--ports names a cluster"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_sentence(case, tmp_path, capsys):
    from reconciler.demo.api.__main__ import main

    arguments, sentence = WRONG[case]
    assert main(["--state-dir", str(tmp_path), *arguments]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1


def test_a_taken_port_is_one_sentence(tmp_path, server):
    taken = server.port("eu-1")
    command = [*COMMAND, "--state-dir", str(tmp_path), "--clusters", "a", "--ports", f"a={taken}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("a port cannot be used: ")
    assert "Traceback" not in done.stderr
