from io import StringIO

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

pytestmark = pytest.mark.django_db

WRITTEN_BY_HOSTS = {
    "venue",
    "tour",
    "tourstop",
    "consent",
    "season",
    "reminderplan",
    "toursession",
    "announcement",
    "mailtext",
}
CHANGED_BY_RULES = {"house", "party", "booking", "notice"}
ONLY_READ = {"member", "bookingevent", "decision"}


def make_groups() -> dict[str, set[str]]:
    call_command("make_groups", stdout=StringIO())
    return {group.name: set(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()}


def test_hosts_may_write_what_is_shown_change_through_the_rules_and_read_the_history():
    written = {f"{act}_{model}" for model in WRITTEN_BY_HOSTS for act in ("view", "add", "change", "delete")}
    changed = {f"{act}_{model}" for model in CHANGED_BY_RULES for act in ("view", "change")}
    read = {f"view_{model}" for model in ONLY_READ}

    assert make_groups() == {"Hosts": written | changed | read | {"use_roster"}, "Gate": {"use_roster"}}


def test_making_the_groups_again_takes_back_what_they_were_given_besides():
    first = make_groups()
    gate = Group.objects.get(name="Gate")
    gate.permissions.add(Permission.objects.get(codename="view_party"))
    Group.objects.get(name="Hosts").permissions.clear()

    assert make_groups() == first
    assert Group.objects.count() == 2


def test_the_command_names_the_groups():
    told = StringIO()
    call_command("make_groups", stdout=told)
    assert told.getvalue() == "Groups: Hosts, Gate\n"
