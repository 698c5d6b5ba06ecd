"""The reminders of a season, beside its other rules: how many days or hours before, and at what time of day."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import TimeField
from django.forms import BaseInlineFormSet, ModelForm, TimeInput
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bookings.models import ReminderPlan, Season

# What a new season begins with; a host changes it or clears it.
USUAL: list[dict[str, Any]] = [{"days": 7}, {"days": 1}]
SHAPE = ["days", "at", "hours"]


class ReminderPlanForm(ModelForm):
    class Meta:
        model = ReminderPlan
        fields = SHAPE
        # A hint would be a sign that only a mouse opens.
        labels = {"at": _("at (empty: when the session starts)")}
        help_texts = {"at": ""}

    def has_changed(self) -> bool:
        """A new row is one to save when anything stands in it, also what stood in it from the start."""
        if not self.instance._state.adding:
            return super().has_changed()
        return any(self[name].data not in {None, ""} for name in SHAPE)


class ReminderPlanFormSet(BaseInlineFormSet):
    def add_fields(self, form: ModelForm, index: int | None) -> None:
        """Only the head of the column shows what a field is; who cannot see the column hears it."""
        super().add_fields(form, index)
        for field in form.fields.values():
            field.widget.attrs["aria-label"] = field.label or ""

    def clean(self) -> None:
        super().clean()
        kept = [form.cleaned_data for form in self.forms if form.is_valid() and not form.cleaned_data.get("DELETE")]
        rows = [tuple(cleaned.get(name) for name in SHAPE) for cleaned in kept]
        shapes = [shape for shape in rows if any(value is not None for value in shape)]
        if len(shapes) != len({*shapes}):
            raise ValidationError(_("The same reminder is planned twice."))

    def save_existing_objects(self, commit: bool = True) -> list[ReminderPlan]:
        """What is changed or removed makes room first: a line may take the shape that another has just given up."""
        if commit:
            leaving = [form.instance.pk for form in self.initial_forms if form.has_changed()]
            self.get_queryset().filter(pk__in=leaving).delete()
        saved: list[ReminderPlan] = super().save_existing_objects(commit=commit)
        return saved

    def save_new(self, form: ModelForm, commit: bool = True) -> ReminderPlan:
        form.instance.since = timezone.now()
        plan: ReminderPlan = super().save_new(form, commit=commit)
        return plan

    def save_existing(self, form: ModelForm, obj: ReminderPlan, commit: bool = True) -> ReminderPlan:
        """Only what was changed is saved: it is another reminder from now on."""
        form.instance.since = timezone.now()
        plan: ReminderPlan = super().save_existing(form, obj, commit=commit)
        return plan


class ReminderPlanInline(admin.TabularInline):
    model = ReminderPlan
    form = ReminderPlanForm
    formset = ReminderPlanFormSet
    fields = [*SHAPE]
    verbose_name_plural = _("reminders, like “7 days before”, “1 day before at 18:00” or “2 hours before”")
    # The browser's own field: it needs no script, and "now" is no time of a reminder.
    formfield_overrides = {TimeField: {"widget": TimeInput(attrs={"type": "time"}, format="%H:%M")}}

    def get_extra(self, request: HttpRequest, obj: Season | None = None, **kwargs: Any) -> int:
        """One empty row: without a script a page can add none."""
        return 1 if obj else len(USUAL) + 1
