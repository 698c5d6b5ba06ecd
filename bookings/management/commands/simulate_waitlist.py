from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from bookings.management.simulation import play, season
from bookings.management.simulation.figures import table
from bookings.management.simulation.rules import compared
from bookings.management.simulation.simulate import simulate

SEED = 974


class Command(BaseCommand):
    help = (
        "Play seasons through the waitlist under several fit rules and print what came of each. Everything happens in "
        "databases in memory: the house's own is neither read nor written, and no mail is sent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seasons", type=int, default=12, help="how many seasons each rule is played on (12)")
        parser.add_argument("--sessions", type=int, default=4, help="sessions in a season (4)")
        parser.add_argument("--seed", type=int, default=SEED, help=f"the same seed gives the same table ({SEED})")
        parser.add_argument(
            "--hours", type=int, nargs="+", default=[24, 48, 72], help="lengths of our last call (24 48 72)"
        )

    def handle(self, *, seasons: int, sessions: int, seed: int, hours: list[int], **_options: Any) -> None:
        rules = compared(hours)
        figures = simulate(rules, seasons=seasons, sessions=sessions, seed=seed)
        self.stdout.write(
            f"{seasons} seasons of {sessions} sessions under each rule, seed {seed}. A session takes "
            f"{season.PLACES} places and {season.PARTIES} parties of {season.SIZES} people, weighted "
            f"{season.SIZE_WEIGHTS}; {season.IN_LINE} parties stand in each line, each in 1 to 3 lines; "
            f"{season.UNTIL_FIRST_LOCK.days} days until the first roster locks, {season.CANCELS:.0%} of parties "
            f"cancel; of offers {play.ACCEPTS:.0%} are accepted and {play.DECLINES:.0%} declined, after a mean of "
            f"{play.ANSWERS_AFTER} waking hours, or {play.ANSWERS_SHORT_NOTICE_AFTER} by the {season.SHORT_NOTICE:.0%} "
            "who come at short notice."
        )
        self.stdout.write(table(zip([rule.name for rule in rules], figures, strict=True)))
