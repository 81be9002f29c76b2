"""Measurements, one command: `make bench`. Figures are ratios to a limit probe in the same run; nothing is asserted.

A probe is a raw loop that does only the unavoidable work. Rounds are interleaved, figures are medians, and CPU comes
from the operating system beside the wall clock. Results go to tests/bench/results.json and a table on the terminal.
"""
