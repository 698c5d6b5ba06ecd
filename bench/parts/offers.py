"""Ten places become free in a session where many wait: how long until their offers are made, and in how much memory.

Each line is measured in a process of its own, so that its memory is its own.
"""

import subprocess
import sys

from bench.report import Figure
from bench.run import Run

LENGTHS = (1_000, 100_000)


def measure(run: Run) -> list[Figure]:
    milliseconds: dict[int, float] = {}
    memory: dict[int, float] = {}
    for length in LENGTHS:
        command = [sys.executable, "-m", "bench.with_django", "bench.ten_offers", str(length)]
        told = subprocess.run(command, env=run.shell, check=True, capture_output=True, text=True).stdout.split()
        milliseconds[length], cpu, memory[length], offers = map(float, told)
        run.note(
            f"- offers: {offers:.0f} for 10 freed places with {length:,} waiting: {milliseconds[length]:.0f} ms,"
            f" own CPU {cpu:.0f} ms, {memory[length]:.0f} MiB more than before"
        )
    short, long = (milliseconds[length] for length in LENGTHS)
    return [
        Figure(
            f"offers for 10 freed places, {LENGTHS[1]:,} waiting, s; MiB",
            f"{long / 1000:.3f}; {memory[LENGTHS[1]]:.0f}",
            "37; 1,400",
            "< 0.1, whatever waits",
            long < 100,
            f"{long / short:.1f} x as with {LENGTHS[0]:,}",
        )
    ]
