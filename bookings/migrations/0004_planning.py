import datetime

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


def make_plans_of_the_days(apps, schema_editor):
    """What was owed so far is owed by the same keys, so nothing is sent again, and what is due meanwhile is not lost."""
    season, plan = apps.get_model("bookings", "Season"), apps.get_model("bookings", "ReminderPlan")
    now = datetime.datetime.now(datetime.timezone.utc)
    plan.objects.bulk_create(
        plan(season_id=pk, days=days, since=min(opens_at, now))
        for pk, opens_at, all_days in season.objects.values_list("pk", "opens_at", "reminder_days")
        for days in sorted(set(all_days), reverse=True)
    )


def write_days_of_the_plans(apps, schema_editor):
    """The other shapes of a plan have no place in the list of days."""
    season, plan = apps.get_model("bookings", "Season"), apps.get_model("bookings", "ReminderPlan")
    for each in season.objects.all():
        days = plan.objects.filter(season=each, days__isnull=False, at=None).order_by("-days")
        each.reminder_days = list(days.values_list("days", flat=True))
        each.save(update_fields=["reminder_days"])


class Migration(migrations.Migration):

    dependencies = [
        ('bookings', '0003_first_call'),
    ]

    operations = [
        migrations.CreateModel(
            name='PlannedReminder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField()),
                ('which', models.CharField(max_length=12)),
                ('planned_at', models.DateTimeField()),
                ('is_complete', models.BooleanField()),
                ('session', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='planned_reminders', to='bookings.toursession')),
            ],
            options={
                'verbose_name': 'planned reminder',
                'verbose_name_plural': 'planned reminders',
                'constraints': [models.UniqueConstraint(fields=('session', 'starts_at', 'which'), name='planned_reminder_once')],
            },
        ),
        migrations.CreateModel(
            name='ReminderPlan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('days', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MaxValueValidator(60)], verbose_name='days before')),
                ('at', models.TimeField(blank=True, help_text='Empty: the time of day at which the session starts.', null=True, verbose_name='at (venue time)')),
                ('hours', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(72)], verbose_name='or hours before')),
                ('since', models.DateTimeField(editable=False)),
                ('season', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reminder_plans', to='bookings.season', verbose_name='season')),
            ],
            options={
                'verbose_name': 'reminder',
                'verbose_name_plural': 'reminders',
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('at__isnull', True), ('days__isnull', False), ('days__range', (1, 60)), ('hours__isnull', True)), models.Q(('at__isnull', False), ('days__isnull', False), ('days__range', (0, 60)), ('hours__isnull', True)), models.Q(('at__isnull', True), ('days__isnull', True), ('hours__isnull', False), ('hours__range', (1, 72))), _connector='OR'), name='reminder_plan_has_one_shape', violation_error_message='Write days before, or days before and a time of day, or hours before. A reminder on the day itself (0 days before) needs a time of day or hours.'), models.UniqueConstraint(condition=models.Q(('at__isnull', True), ('hours__isnull', True)), fields=('season', 'days'), name='reminder_plan_days_once', violation_error_message='This reminder is planned already.'), models.UniqueConstraint(condition=models.Q(('at__isnull', False)), fields=('season', 'days', 'at'), name='reminder_plan_time_once', violation_error_message='This reminder is planned already.'), models.UniqueConstraint(condition=models.Q(('hours__isnull', False)), fields=('season', 'hours'), name='reminder_plan_hours_once', violation_error_message='This reminder is planned already.')],
            },
        ),
        migrations.RunPython(make_plans_of_the_days, write_days_of_the_plans),
        migrations.RemoveField(
            model_name='season',
            name='reminder_days',
        ),
    ]
