"""A web server from its start to the first page, with a database that is migrated and static files that are there."""

from statistics import median

from bench import seasons
from bench.report import Figure
from bench.run import Run
from bench.stack import FLOOR
from bench.usage import Meter

TIMES = 5


def measure(run: Run) -> list[Figure]:
    seasons.fresh_season(**seasons.RUSH)
    starts = [first_page(run) for _time in range(TIMES)]
    floor = [first_page(run, FLOOR, "/hello/") for _time in range(TIMES)]
    seconds, cpu, foreign = (median(values) for values in zip(*starts, strict=True))
    floor_seconds, floor_cpu, _foreign = (median(values) for values in zip(*floor, strict=True))
    return [
        Figure(
            "web process start to the first 200, s",
            f"{seconds:.2f}",
            "7.4",
            "< 2",
            seconds < 2,
            f'CPU {cpu:.2f} s; "hello" {floor_seconds:.2f} s, CPU {floor_cpu:.2f} s; foreign {foreign:.0%}',
        )
    ]


def first_page(run: Run, application: str = "", path: str = "/en/") -> tuple[float, float, float]:
    """Seconds, CPU seconds of the web processes, and the share of the machine that others had."""
    with run.stack() as stack:
        meter = Meter(stack.roots())
        stack.start_web(run.asked.web, **({"application": application} if application else {}))
        meter.roots["web"] = stack.children["web"].pid
        seconds = stack.wait_for(path)
        usage = meter.read()
    return seconds, usage.of("web"), usage.foreign
