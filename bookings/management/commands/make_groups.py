from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.management.base import BaseCommand

# What each role needs and no more. Hosts plan, watch and change; the gate reads rosters and checks in.
ROLES = {
    "Hosts": [
        *(f"{act}_{model}"
          for model in ("venue", "tour", "tourstop", "consent", "season", "reminderplan", "toursession",
                        "announcement", "mailtext")
          for act in ("view", "add", "change", "delete")),
        *(f"{act}_{model}" for model in ("house", "party", "booking", "notice") for act in ("view", "change")),
        "view_member",
        "view_bookingevent",
        "view_decision",
        "use_roster",
    ],
    "Gate": ["use_roster"],
}  # fmt: skip


class Command(BaseCommand):
    help = "Make the groups Hosts and Gate with the permissions they need; running it again sets them right."

    def handle(self, *args: Any, **options: Any) -> None:
        for name, codenames in ROLES.items():
            group, _made = Group.objects.get_or_create(name=name)
            group.permissions.set(Permission.objects.filter(content_type__app_label="bookings", codename__in=codenames))
        self.stdout.write("Groups: " + ", ".join(ROLES))
