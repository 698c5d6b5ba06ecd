"""A program that asks for the sign-up form 200 times a second, beside people: a hundred in ten seconds, then three
hundred in one, so that the waiting room is open.

Once without cookies, so that it is somebody new each time, and once with the ticket that it was let in with, which the
waiting room never stops. What matters is what people meet, and what the program costs.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from bench import seasons
from bench.client import Answer, Client
from bench.parts.rush import at_share
from bench.report import Figure
from bench.run import Measured, Run
from bench.visitors import Visitor, come

# People, and in how many seconds they come.
CROWDS = ((100, 10.0), (300, 1.0))
A_SECOND = 200
# Who finds all its lines busy waits for one, as a program would.
LINES = 64
THINK = 3.2
ADDRESS = "203.0.113.7"
SERVING = ("web", "redis", "postgres")


@dataclass
class Bot:
    """``cookies`` says whether it keeps them. ``met`` counts its answers by what they were."""

    port: int
    path: str
    cookies: bool
    met: Counter[str] = field(default_factory=Counter)

    async def ask(self) -> None:
        """Until it is cancelled."""
        first = Client("127.0.0.1", self.port, address=ADDRESS)
        self.met[kind_of(await first.get(self.path))] += 1
        kept = dict(first.cookies)
        await first.leave()
        began, turns = time.monotonic(), iter(range(10**9))

        async def line() -> None:
            client = Client("127.0.0.1", self.port, address=ADDRESS)
            for turn in turns:
                await asyncio.sleep(max(0.0, began + turn / A_SECOND - time.monotonic()))
                client.cookies = dict(kept) if self.cookies else {}
                try:
                    self.met[kind_of(await client.get(self.path))] += 1
                except (OSError, EOFError) as error:
                    self.met[type(error).__name__] += 1
                    client.close()

        await asyncio.gather(*(line() for _number in range(LINES)))


def kind_of(answer: Answer) -> str:
    if answer.status != 200:
        return str(answer.status)
    return "form" if 'name="submission_key"' in answer.body else "room"


def measure(run: Run) -> list[Figure]:
    figures = []
    for count, seconds in CROWDS:
        alone = None
        for name, cookies in (("nobody", None), ("a program without cookies", False), ("one that was let in", True)):
            measured, bot = beside(run, count, seconds, cookies)
            alone = alone or measured
            figures.append(told(run, f"{count} people in {seconds:.0f} s beside {name}", measured, bot, alone))
    return figures


def beside(run: Run, count: int, seconds: float, cookies: bool | None) -> tuple[Measured, Bot | None]:
    sessions = seasons.fresh_season(**seasons.RUSH)
    visitors = [Visitor(number, 1 + number % 3, patience=60, think=THINK) for number in range(count)]
    moments = [seconds * number / count for number in range(count)]
    with run.stack("web") as stack:
        bot = None if cookies is None else Bot(stack.port, f"/en/sessions/{sessions[0].pk}/sign-up/", cookies)
        measured = run.visits(
            stack, lambda crowd: come(crowd, visitors, moments), thinks=True, beside=[bot.ask] if bot else []
        )
    return measured, bot


def told(run: Run, name: str, measured: Measured, bot: Bot | None, alone: Measured) -> Figure:
    visitors, usage = measured.visitors, measured.usage
    took = sorted(visitor.answered - visitor.came - THINK for visitor in visitors if visitor.answered)
    asked = sum(bot.met.values()) if bot else 0
    more = usage.of(*SERVING) - alone.usage.of(*SERVING)
    run.note(
        f"- bots, {name}: {dict(Counter(visitor.outcome for visitor in visitors))} in {measured.seconds:.0f} s; "
        f"told to come again {sum(visitor.waits for visitor in visitors)} times; "
        f"the program met {dict(bot.met) if bot else 'nothing'}; CPU s "
        f"{ {group: round(spent, 1) for group, spent in usage.cpu.items()} }; foreign {usage.foreign:.0%}"
    )
    return Figure(
        f"{name}: answered; p50, p95, s beside their writing",
        f"{len(took)}; {at_share(took, 0.5):.1f}, {at_share(took, 0.95):.1f}",
        "",
        "all",
        len(took) == len(visitors),
        f"{1000 * more / asked:.2f} CPU ms for each of its {asked} questions" if asked else "",
    )
