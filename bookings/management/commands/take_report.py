import os
import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError
from django.utils import timezone

from bookings.domain.reports import LONGEST_REPORT, take_report


class Command(BaseCommand):
    help = "Take one report of a mail that did not arrive, as a mail server pipes it: the raw mail on standard input."

    def handle(self, **_options: Any) -> None:
        """Ends well with whatever comes, so that no report is answered with a report; the mail server keeps it and
        comes again while the database is away."""
        raw = sys.stdin.buffer.read(LONGEST_REPORT)
        try:
            take_report(raw, now=timezone.now())
        except DatabaseError as error:
            self.stderr.write(f"The database does not answer ({type(error).__name__})")
            sys.exit(os.EX_TEMPFAIL)
