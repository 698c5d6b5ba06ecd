import secrets
from io import StringIO
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

STAFF_NAME = "admin"


class Command(BaseCommand):
    help = "Bring the database and the static files up to date; on the first start make demo data and a staff login."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--empty", action="store_true", help="make no demo data")

    def handle(self, *, empty: bool, verbosity: int, **_options: Any) -> None:
        self.stdout.write("Preparing the database ...")
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        call_command("make_groups", stdout=StringIO())
        # The login is made last: a start that broke off before it begins anew.
        if not get_user_model().objects.exists():
            if not empty:
                self.stdout.write("Making the demo season ...")
                call_command("seed_demo", verbosity=verbosity)
            self.make_staff_login()

    def make_staff_login(self) -> None:
        password = secrets.token_urlsafe(12)
        get_user_model().objects.create_superuser(STAFF_NAME, password=password)
        self.stdout.write(f"Staff login, shown this once: name {STAFF_NAME}, password {password}")
