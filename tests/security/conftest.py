"""Makes the world of the loop's tests, that of pull requests, and what the attacks share, importable."""

import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / "loop"), str(_TESTS / "pulls"), str(Path(__file__).parent)]
