"""Writes the golden comments anew, to be looked at before they are committed: `python tests/plan/write_golden.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from plan_reports import CASES, LIMIT, MARKER

from reconciler.plan.comment import render

for name in ("small-change", "failure", "twenty-clusters"):
    (Path(__file__).parent / "golden" / f"{name}.md").write_text(render(CASES[name](), LIMIT, marker=MARKER).body)
