from datetime import timedelta

from django.db import migrations, models
from django.db.models import F

LEASE = timedelta(minutes=2)


def keep_what_may_have_left(apps, schema_editor):
    """A mail on its way at this moment may have left, and is found by the end of its lease."""
    notices = apps.get_model("bookings", "Notice").objects
    for pk, lease_until in notices.filter(status="sending").values_list("pk", "lease_until"):
        notices.filter(pk=pk).update(next_attempt_at=lease_until, begun_at=lease_until - LEASE, times_begun=1)
    notices.filter(sent_at__isnull=False).update(begun_at=F("sent_at"), times_begun=1)


class Migration(migrations.Migration):

    dependencies = [
        ('bookings', '0008_words'),
    ]

    operations = [
        migrations.AddField(
            model_name='notice',
            name='begun_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='begun'),
        ),
        migrations.AddField(
            model_name='notice',
            name='times_begun',
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
        migrations.CreateModel(
            name='Sender',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField(unique=True)),
                ('busy_until', models.DateTimeField(blank=True, null=True)),
            ],
            options={'verbose_name': 'sender', 'verbose_name_plural': 'senders'},
        ),
        migrations.CreateModel(
            name='Breaker',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('opened_at', models.DateTimeField(blank=True, null=True, verbose_name='takes nothing since')),
                ('why', models.CharField(blank=True, max_length=200, verbose_name='why')),
                ('probe_at', models.DateTimeField(blank=True, null=True, verbose_name='next try')),
                ('strikes', models.PositiveSmallIntegerField(default=0)),
                ('struck_by', models.PositiveBigIntegerField(blank=True, null=True)),
                ('last_taken_at', models.DateTimeField(blank=True, null=True, verbose_name='last took a mail')),
            ],
            options={'verbose_name': 'mail server', 'verbose_name_plural': 'mail server'},
        ),
        migrations.AddConstraint(
            model_name='breaker',
            constraint=models.CheckConstraint(condition=models.Q(('pk', 1)), name='breaker_is_one_row'),
        ),
        migrations.AddConstraint(
            model_name='breaker',
            constraint=models.CheckConstraint(
                condition=models.Q(('opened_at', None), ('probe_at__isnull', False), _connector='OR'),
                name='breaker_open_has_a_next_try',
            ),
        ),
        migrations.RunPython(keep_what_may_have_left, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(
                condition=models.Q(('kind__in', ['already_in', 'in_line', 'link', 'prove'])),
                fields=['begun_at'],
                name='notice_unproven_begun',
            ),
        ),
        migrations.RemoveIndex(model_name='notice', name='notice_owed'),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(
                condition=models.Q(('status__in', ['queued', 'sending'])),
                fields=['lane', 'next_attempt_at', 'id'],
                name='notice_owed',
            ),
        ),
    ]
