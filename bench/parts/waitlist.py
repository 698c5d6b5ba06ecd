"""What long lines cost: to serve one freed place, and to look at a party's page; queries, rows and pages read, time."""

from bench import long_lines
from bench.report import Figure
from bench.run import Run


def measure(_run: Run) -> list[Figure]:
    long_lines.main()
    return []
