from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from bookings.management.simulation import play, season
from bookings.management.simulation.figures import table
from bookings.management.simulation.rules import compared
from bookings.management.simulation.simulate import simulate

# As many as two slow processors play in less than a minute.
SEASONS, SESSIONS = 4, 4
SEED = 974
HOURS = [24, 48, 72]


class Command(BaseCommand):
    help = (
        "Play seasons through the waitlist under several fit rules and print what came of each. All of it happens in "
        "databases in memory: the house's own is neither read nor written, and no mail is sent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seasons", type=at_least_one, default=SEASONS, help=f"seasons to play ({SEASONS})")
        parser.add_argument("--sessions", type=at_least_one, default=SESSIONS, help=f"sessions of each ({SESSIONS})")
        parser.add_argument("--seed", type=int, default=SEED, help=f"the same seed gives the same table ({SEED})")
        parser.add_argument(
            "--hours",
            type=at_least_one,
            nargs="+",
            default=HOURS,
            help=f"lengths of our last call to compare ({' '.join(map(str, HOURS))})",
        )

    def handle(self, *, seasons: int, sessions: int, seed: int, hours: list[int], **_options: Any) -> None:
        rules = compared(hours)
        figures = simulate(rules, seasons=seasons, sessions=sessions, seed=seed)
        self.stdout.write(how_it_was_made(seasons=seasons, sessions=sessions, seed=seed))
        self.stdout.write("")
        self.stdout.write(table(zip([rule.name for rule in rules], figures, strict=True)))


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text} is no whole number from 1")
    return int(text)


def how_it_was_made(*, seasons: int, sessions: int, seed: int) -> str:
    sizes = " : ".join(map(str, season.SIZE_WEIGHTS))
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    return (
        f"Seasons: {seasons}, seed {seed}, sessions in each: {sessions}, of {season.PLACES} places and "
        f"{season.PARTIES} parties; parties of 1 to {max(season.SIZES)} as {sizes}; {season.IN_LINE} in each line, "
        f"each party in up to {max(season.CHOICES)} lines, {season.SHORT_NOTICE:.0%} at short notice; "
        f"{season.UNTIL_FIRST_LOCK.days} days until the first roster locks; {season.CANCELS:.0%} cancel; "
        f"{play.ACCEPTS:.0%} accept, {play.DECLINES:.0%} decline, the others say nothing; mean answer after "
        f"{play.ANSWERS_AFTER / hour:.0f} waking hours, at short notice "
        f"{play.ANSWERS_SHORT_NOTICE_AFTER / minute:.0f} minutes. The table counts per session; success is the share "
        "of the parties of a size that had to wait and were given places."
    )
