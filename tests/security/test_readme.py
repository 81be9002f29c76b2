"""The README names every test of this folder, and nothing else."""

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_test_is_named_in_the_readme_and_exists():
    named = set(re.findall(r"`(test_\w+\.py::test_\w+)`", (HERE / "README.md").read_text()))
    there = {
        f"{file.name}::{name}"
        for file in HERE.glob("test_*.py")
        if file.name != Path(__file__).name
        for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }
    assert named == there
