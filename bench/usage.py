"""What processes use, read from ``/proc``: CPU seconds of whole groups, shared memory counted once, and the rest of
the machine, which is never ours alone."""

import os
import resource
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import psutil


@dataclass(frozen=True)
class Usage:
    """Between two moments: CPU seconds (user and system, reaped children included) by group, and seconds passed.

    ``driver`` is this process; ``sink``, which takes the mail, is a part of what we measure with, too.
    """

    seconds: float
    cpu: dict[str, float]
    busy: float
    cores: int

    @property
    def foreign(self) -> float:
        """The share of the machine that others took, 0 to 1."""
        return max(0.0, self.busy - sum(self.cpu.values())) / (self.seconds * self.cores)

    @property
    def driver_share(self) -> float:
        """Of all that we used, what measuring took."""
        ours = sum(self.cpu.values())
        return (self.cpu.get("driver", 0.0) + self.cpu.get("sink", 0.0)) / ours if ours else 0.0

    def of(self, *groups: str) -> float:
        return sum(self.cpu.get(group, 0.0) for group in groups)

    def without(self, idle: "Usage", *groups: str) -> float:
        """CPU seconds of these groups beyond what they use when nobody visits."""
        return max(0.0, self.of(*groups) - idle.of(*groups) / idle.seconds * self.seconds)


class Meter:
    """Begins to count when it is made; ``read`` says what was used since."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self.roots = dict(roots)
        self.began, self.busy, self.cpu = monotonic(), machine_busy(), self._cpu()

    def read(self) -> Usage:
        cpu = {group: spent - self.cpu.get(group, 0.0) for group, spent in self._cpu().items()}
        return Usage(monotonic() - self.began, cpu, machine_busy() - self.busy, os.cpu_count() or 1)

    def _cpu(self) -> dict[str, float]:
        own = resource.getrusage(resource.RUSAGE_SELF)
        spent = {name: sum(cpu_of(process) for process in tree(root)) for name, root in self.roots.items()}
        return {**spent, "driver": own.ru_utime + own.ru_stime}


def tree(root: int) -> list[psutil.Process]:
    try:
        top = psutil.Process(root)
        return [top, *top.children(recursive=True)]
    except psutil.Error:
        return []


def cpu_of(process: psutil.Process) -> float:
    """With those of its children that have ended and that it has asked about; nothing if it is gone."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def machine_busy() -> float:
    """CPU seconds of all cores that were not idle, those stolen by the host included."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - times.guest - times.guest_nice)


def memory(roots: Mapping[str, int]) -> dict[str, float]:
    """MiB by group, as PSS: what several processes share is divided among them, so that the sum is what is used."""
    return {name: sum(pss_of(process.pid) for process in tree(root)) for name, root in roots.items()}


def pss_of(pid: int) -> float:
    with suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as told:
        for line in told:
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
