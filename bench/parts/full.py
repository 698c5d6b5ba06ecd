"""Somebody who is told "full", and somebody who joins the line then: CPU of web and database, mail left out.

The sessions have a party in line each, so that nothing is given to a newcomer. Told "full" are those who read the list
and a session's page, and go.
"""

from functools import partial

from bench import seasons
from bench.hammer import hammer
from bench.report import Figure
from bench.run import Measured, Run
from bench.stack import Stack
from bench.visitors import Visitor, in_turns
from tests.factories import make_booking, make_waiting

SERVED_BY = ("web", "postgres", "redis")
SECONDS = 5.0
WARM_UP = 16
JOINING = 128
AT_ONCE = 32


def measure(run: Run) -> list[Figure]:
    sessions = seasons.fresh_season(**{**seasons.RUSH, "max_parties": 60})
    for session in sessions:
        for _party in range(20):
            make_booking(session, size=3)
        make_waiting(session, size=2)
    with run.stack("web") as stack:
        told = [told_full(run, stack, path) for path in ("/en/", f"/en/sessions/{sessions[0].pk}/")]
        joining(run, stack, "warm", WARM_UP)
        measured = joining(run, stack, "joining", JOINING)
    full, line = sum(told), measured.usage.of(*SERVED_BY) / JOINING
    run.note(
        f"- full: list {1000 * told[0]:.2f} and session page {1000 * told[1]:.2f} CPU ms; joining"
        f" {sum(measured.calls.values()) / JOINING:.1f} statements, {JOINING / measured.seconds:.1f}/s; foreign"
        f" {measured.usage.foreign:.0%}; errors {measured.errors or 0}"
    )
    return [
        Figure('told "full" (list and session page), CPU s', f"{full:.4f}", "0.4", "<= 0.003", full <= 0.003),
        Figure(
            "joining the line, mail excluded, CPU s",
            f"{line:.4f}",
            "1.4",
            "<= 0.030",
            line <= 0.030 and not measured.errors,
            "list, session, form, submit, answer",
        ),
    ]


def told_full(run: Run, stack: Stack, path: str) -> float:
    """CPU seconds of one answer."""
    hammer(stack.port, path, seconds=1)
    with run.measuring(stack) as measured:
        hammered = hammer(stack.port, path, seconds=SECONDS / 2)
    return measured().usage.of(*SERVED_BY) / max(1, hammered.answers)


def joining(run: Run, stack: Stack, name: str, count: int) -> Measured:
    visitors = [Visitor(number, 1 + number % 3, email=f"{name}-{number}@visitors.example") for number in range(count)]
    come = partial(in_turns, visitors=visitors, at_once=AT_ONCE)
    return run.visits(stack, lambda crowd: come(crowd))
