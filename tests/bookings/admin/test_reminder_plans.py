from datetime import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bookings.models import ReminderPlan, Season
from tests.factories import NOON, make_season, make_tour

pytestmark = pytest.mark.django_db

ADD = reverse("admin:bookings_season_add")
TOLD = ["days", "at", "hours"]


def reminders(*rows: dict[str, Any], stored: int = 0) -> dict[str, str]:
    """The rows of the form, the stored ones first; each with what stands in it."""
    fields = {
        f"reminder_plans-{number}-{name}": str(row.get(name, ""))
        for number, row in enumerate(rows)
        for name in [*TOLD, "id", "DELETE"]
        if name in TOLD or name in row
    }
    return fields | {"reminder_plans-TOTAL_FORMS": str(len(rows)), "reminder_plans-INITIAL_FORMS": str(stored)}


def season_fields(season: Season) -> dict[str, Any]:
    return {
        "tour": season.tour_id,
        "title_0": "Spring",
        "title_1": "春季",
        "mode": "first come",
        "opens_at_0": "2100-03-01",
        "opens_at_1": "10:00",
        "closes_at_0": "2100-04-01",
        "closes_at_1": "10:00",
        "choices_allowed": "3",
        "proves_mailbox": "on",
    }


def save(host: Client, season: Season, *rows: dict[str, Any]) -> list[str]:
    """Save the season's page with these rows; returns what the page objects to."""
    stored = [{"id": plan.pk, **row} for plan, row in zip(stored_plans(season), rows, strict=False)]
    data = season_fields(season) | reminders(*stored, *rows[len(stored) :], stored=len(stored))
    answer = host.post(reverse("admin:bookings_season_change", args=[season.pk]), data)
    if answer.status_code == 302:
        return []
    [formset] = [inline.formset for inline in answer.context["inline_admin_formsets"]]
    told = [formset.non_form_errors(), *(error for form in formset.forms for error in form.errors.values())]
    return [str(message) for errors in told for message in errors]


def stored_plans(season: Season) -> list[ReminderPlan]:
    return list(season.reminder_plans.order_by("pk"))


def plans(season: Season) -> list[str]:
    return [str(plan) for plan in stored_plans(season)]


def test_a_new_season_begins_with_reminders_a_week_and_a_day_before(host):
    page = host.get(ADD)
    [formset] = [inline.formset for inline in page.context["inline_admin_formsets"]]

    assert [form.initial for form in formset.forms] == [{"days": 7}, {"days": 1}, {}]

    host.post(ADD, season_fields(Season(tour=make_tour())) | reminders({"days": 7}, {"days": 1}))
    season = Season.objects.get()
    assert plans(season) == ["7 days before", "1 day before"]
    assert all(plan.since > NOON.replace(year=2020) for plan in season.reminder_plans.all())


def test_what_a_host_clears_in_a_new_season_is_not_planned(host):
    host.post(ADD, season_fields(Season(tour=make_tour())) | reminders({}, {"hours": 2}))

    assert plans(Season.objects.get()) == ["2 hours before"]


def test_a_host_plans_by_days_by_a_time_of_day_and_by_hours(host):
    season = make_season(reminders=[])

    rows: list[dict[str, Any]] = [
        {"days": 7},
        {"days": 1, "at": "18:00"},
        {"days": 2, "at": "08:30"},
        {"days": 0, "at": "07:00"},
    ]
    assert save(host, season, *rows, {"hours": 2}, {"hours": 1}, {}) == []

    assert plans(season) == [
        "7 days before",
        "the day before at 18:00",
        "2 days before at 08:30",
        "on the day at 07:00",
        "2 hours before",
        "1 hour before",
    ]


def test_a_plan_that_is_changed_is_another_from_then_on_and_the_others_stay(host):
    season = make_season(reminders=[{"days": 7}, {"days": 1}, {"days": 2}])
    begun = timezone.now()

    assert save(host, season, {"days": 7}, {"days": 1, "at": "18:00"}, {"days": 2, "DELETE": "on"}) == []

    week, evening = stored_plans(season)
    assert (str(week), week.since) == ("7 days before", season.opens_at)
    assert (str(evening), begun <= evening.since <= timezone.now()) == ("the day before at 18:00", True)


SHAPE = "Write days before, or days before and a time of day, or hours before."
REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "a time without a day": ([{"at": "18:00"}], SHAPE),
    "days and hours": ([{"days": 1, "hours": 2}], SHAPE),
    "a time and hours": ([{"at": "18:00", "hours": 2}], SHAPE),
    "the day without a time": ([{"days": 0}], SHAPE),
    "no hours": ([{"hours": 0}], "Ensure this value is greater than or equal to 1."),
    "more than sixty days": ([{"days": 61}], "Ensure this value is less than or equal to 60."),
    "more than three days in hours": ([{"hours": 73}], "Ensure this value is less than or equal to 72."),
    "the same twice": ([{"days": 7}, {"days": 7}], "The same reminder is planned twice."),
}


@pytest.mark.parametrize(("rows", "told"), REFUSED.values(), ids=[*REFUSED])
def test_what_is_no_plan_is_refused_in_words(host, rows, told):
    season = make_season(reminders=[])

    [objection] = save(host, season, *rows)

    assert (objection.startswith(told), plans(season)) == (True, [])


def test_without_a_script_there_is_a_row_for_another_reminder(host):
    season = make_season(reminders=[{"days": 1, "at": time(18)}])

    page = host.get(reverse("admin:bookings_season_change", args=[season.pk])).content.decode()

    assert '<input type="time" name="reminder_plans-0-at" value="18:00"' in page
    assert '<input type="time" name="reminder_plans-1-at"' in page


def test_a_stored_plan_cannot_be_emptied_but_only_removed(host):
    season = make_season(reminders=[{"days": 7}])

    [objection] = save(host, season, {})

    assert (objection.startswith(SHAPE), plans(season)) == (True, ["7 days before"])


def test_a_reminder_that_is_planned_already_is_refused_in_words(host):
    season = make_season(reminders=[{"days": 7}, {"days": 1, "at": time(18)}, {"hours": 2}])
    stored: list[dict[str, Any]] = [{"days": 7}, {"days": 1, "at": "18:00"}, {"hours": 2}]

    told = [save(host, season, *stored, again) for again in stored]

    assert told == [["The same reminder is planned twice."]] * 3
    assert len(plans(season)) == 3


def test_a_line_may_take_the_shape_that_another_gives_up_on_the_same_page(host):
    season = make_season(reminders=[{"days": 7}, {"days": 1}, {"days": 2}])

    assert save(host, season, {"days": 1}, {"days": 7}, {"days": 3}) == []
    assert plans(season) == ["1 day before", "7 days before", "3 days before"]

    assert save(host, season, {"days": 7}, {"days": 7, "DELETE": "on"}, {"days": 3}) == []
    assert plans(season) == ["7 days before", "3 days before"]


def test_what_an_empty_time_means_is_written_where_it_is_left_empty(host):
    """Not in a sign that only a mouse opens."""
    page = host.get(ADD).content.decode()

    assert "At (empty: when the session starts)" in page
    assert "help-tooltip" not in page
