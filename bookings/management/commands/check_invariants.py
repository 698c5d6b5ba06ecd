from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from bookings.domain.invariants import broken_promises


class Command(BaseCommand):
    help = "Check that the rows keep every promise. Reads only; exits with 1 and one line for each that is broken."

    def handle(self, *args: Any, **options: Any) -> None:
        broken = list(broken_promises(now=timezone.now()))
        for sentence in broken:
            self.stdout.write(sentence)
        if broken:
            raise CommandError(f"{len(broken)} promises are broken.")
        self.stdout.write("All promises are kept.")
