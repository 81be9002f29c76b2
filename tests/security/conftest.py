"""Makes the world of the loop's tests, and what the attacks share, importable."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "loop"), str(Path(__file__).parent)]
