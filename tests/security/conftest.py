"""Makes the world of the loop's tests importable: attacks are tried on what decides."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "loop"))
