"""List and session pages for anybody, and the waiting room's for those who wait, beside the framework's "hello" and
the floor's own list, 32 requests at once.

A second's worth is said twice: as it was, with the driver and whoever else on the same cores, and as two idle cores
would give it, by the CPU that the servers took for each request. The second one is the figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection

from bench import crowds, seasons
from bench.floor.database import make as make_floor
from bench.hammer import ANYBODY, AT_ONCE, Who, hammer
from bench.report import Figure
from bench.run import Run
from bench.stack import FLOOR, Stack

SECONDS = 6.0
WARM_UP = 1.5
WAITING = 5_000
SERVED_BY = ("web", "postgres", "redis")


@dataclass(frozen=True)
class Served:
    name: str
    a_second: float
    cpu: float
    cores: int
    calls: float
    driver: float
    foreign: float
    errors: int

    @property
    def by_cpu(self) -> float:
        return self.cores / self.cpu

    def told(self) -> str:
        return (
            f"- pages, {self.name}: {self.a_second:.0f}/s as it was, {1000 * self.cpu:.2f} CPU ms each, that is"
            f" {self.by_cpu:.0f}/s of {self.cores} cores; {self.calls:.2f} statements each; driver {self.driver:.0%}"
            f" of ours, foreign {self.foreign:.0%}; errors {self.errors}"
        )


def measure(run: Run) -> list[Figure]:
    url, floor_url = run.servers.database_url(), run.servers.database_url(name="floor")
    make_floor(url, floor_url, sessions=16, places=60, parties=20)
    with run.stack("web", application=FLOOR) as stack:
        hello = serve(run, stack, "hello", "/hello/")
        floor = serve(run, stack, "floor list", "/en/")
    sessions = seasons.fresh_season(**seasons.RUSH)
    with run.stack("web") as stack:
        pages = [
            serve(run, stack, "list", "/en/"),
            serve(run, stack, "session", f"/en/sessions/{sessions[0].pk}/"),
        ]
        form = f"/en/sessions/{sessions[0].pk}/sign-up/"
        crowds.wait(WAITING)
        poll = serve(run, stack, "poll", form, visitors=[joined(stack, form, number) for number in range(AT_ONCE)])
    run.note(*(each.told() for each in (hello, floor, *pages, poll)))
    return [
        Figure(
            f"{page.name} page, anonymous, requests/s by CPU",
            f"{page.by_cpu:.0f}",
            "12.6" if page.name == "list" else "8.6",
            ">= 1,500, >= 0.6 of hello",
            page.by_cpu >= 1500 and page.by_cpu >= 0.6 * hello.by_cpu and not page.errors,
            f"{page.by_cpu / hello.by_cpu:.2f} of hello's {hello.by_cpu:.0f}; as it was {page.a_second:.0f}/s"
            f" (hello {hello.a_second:.0f}/s)",
        )
        for page in pages
    ] + [
        Figure(
            f"a poll of the waiting room, {WAITING:,} in line, of the framework's hello",
            f"{poll.cpu / hello.cpu:.1f} x",
            "",
            "<= 2 x",
            poll.cpu <= 2 * hello.cpu and not poll.errors,
            f"{1000 * poll.cpu:.2f} CPU ms, Redis too; hello {1000 * hello.cpu:.2f}",
        )
    ]


def joined(stack: Stack, form: str, number: int) -> Who:
    """Somebody who has come to the line and polls from now on."""
    address = f"10.{number}.2.3"
    asking = HTTPConnection("127.0.0.1", stack.port)
    asking.request("GET", form, headers={"X-Forwarded-For": address})
    with asking.getresponse() as answer:
        return Who(address, str(answer.headers["Set-Cookie"]).partition(";")[0])


def serve(run: Run, stack: Stack, name: str, path: str, *, visitors: Sequence[Who] = ANYBODY) -> Served:
    hammer(stack.port, path, seconds=WARM_UP, visitors=visitors)
    with run.measuring(stack) as measured:
        hammered = hammer(stack.port, path, seconds=SECONDS, visitors=visitors)
    took = measured()
    answers = max(1, hammered.answers)
    return Served(
        name,
        hammered.a_second,
        took.usage.of(*SERVED_BY) / answers,
        took.usage.cores,
        took.calls["web"] / answers,
        took.usage.driver_share,
        took.usage.foreign,
        hammered.errors,
    )
