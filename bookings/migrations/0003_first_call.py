from django.db import migrations, models
from django.db.models import Max


def note_until_when_first_calls_stand(apps, schema_editor):
    """Seasons in which parties have first call already learn until when; the clock does the rest."""
    season, party = apps.get_model("bookings", "Season"), apps.get_model("bookings", "Party")
    called = party.objects.filter(first_call_until__isnull=False)
    for pk, until in called.values_list("season").annotate(Max("first_call_until")):
        season.objects.filter(pk=pk).update(first_call_until=until)


class Migration(migrations.Migration):

    dependencies = [
        ('bookings', '0002_waitlist'),
    ]

    operations = [
        migrations.AddField(
            model_name='season',
            name='first_call_until',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='toursession',
            name='keeps_for_first_call',
            field=models.BooleanField(default=False, editable=False),
        ),
        migrations.AddField(
            model_name='toursession',
            name='parties_kept',
            field=models.PositiveIntegerField(default=0, editable=False, verbose_name='parties kept for first call'),
        ),
        migrations.AddField(
            model_name='toursession',
            name='places_kept',
            field=models.PositiveIntegerField(default=0, editable=False, verbose_name='places kept for first call'),
        ),
        migrations.AlterField(
            model_name='decision',
            name='reason',
            field=models.CharField(choices=[('offered', 'offered to the next party'), ('full', 'nothing is free'), ('saved', 'saved for the first in line until its size is free'), ('kept', 'kept for parties whose session was called off'), ('nobody', 'nobody waits'), ('no fit', 'nobody in line fits'), ('too late', 'too little time is left before the roster locks'), ('not open', 'the session takes nobody now')], max_length=10, verbose_name='reason'),
        ),
        migrations.AlterField(
            model_name='decision',
            name='trigger',
            field=models.CharField(choices=[('cancelled', 'a party cancelled'), ('fewer', 'a party comes with fewer'), ('declined', 'an offer was refused'), ('lapsed', 'an offer lapsed'), ('left', 'a party left the line'), ('joined', 'a party joined the line'), ('moved', 'a party moved to another session'), ('recalled', 'offers were recalled'), ('capacity', 'the capacity changed'), ('sign-up', 'a new party asked'), ('first call', 'a first call was used, or is over'), ('scan', 'the regular scan')], max_length=12, verbose_name='trigger'),
        ),
        migrations.RunPython(note_until_when_first_calls_stand, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='party',
            index=models.Index(condition=models.Q(('first_call_until__isnull', False)), fields=['season', 'first_call_until'], name='party_with_first_call'),
        ),
    ]
