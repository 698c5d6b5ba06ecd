"""The journey through a PgBouncer in transaction mode, with two hosts of which one falls (see `growing`)."""

from bench.parts import growing
from bench.report import Figure
from bench.run import Run


def measure(run: Run) -> list[Figure]:
    return growing.measure(run, through_pooler=True)
