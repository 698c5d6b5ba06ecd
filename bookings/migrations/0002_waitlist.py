import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F
from django.db.models.functions import Least


def copy_what_the_line_is_searched_by(apps, schema_editor):
    """Bookings made before this migration get what new ones are made with."""
    booking, party = apps.get_model("bookings", "Booking"), apps.get_model("bookings", "Party")
    its_party = party.objects.filter(pk=models.OuterRef("party"))
    waiting = booking.objects.filter(status="waiting", party__mailbox_proven_at__isnull=False)
    offered = booking.objects.filter(party=models.OuterRef("party"), status="offered")
    booking.objects.update(
        least=Least(F("places"), models.Subquery(its_party.values("smallest_size")[:1])),
        short_notice=models.Subquery(its_party.values("short_notice")[:1]),
    )
    in_line = waiting.exclude(models.Exists(offered))
    booking.objects.filter(pk__in=in_line.values("pk")).update(in_line=True)
    # PostgreSQL builds no index on a table while checks of its changed rows are put off to the end of the transaction.
    schema_editor.connection.check_constraints()


class Migration(migrations.Migration):

    dependencies = [
        ('bookings', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='SwapWish',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('made_at', models.DateTimeField(verbose_name='since')),
            ],
            options={
                'verbose_name': 'wish to swap',
                'verbose_name_plural': 'wishes to swap',
            },
        ),
        migrations.RenameIndex(
            model_name='booking',
            new_name='booking_waiting',
            old_name='booking_line',
        ),
        migrations.AddField(
            model_name='booking',
            name='first_call',
            field=models.BooleanField(default=False, editable=False, verbose_name='has first call'),
        ),
        migrations.AddField(
            model_name='booking',
            name='in_line',
            field=models.BooleanField(default=False, editable=False, verbose_name='in line'),
        ),
        migrations.AddField(
            model_name='booking',
            name='least',
            field=models.PositiveSmallIntegerField(default=1, editable=False, verbose_name='fewest places it would take now'),
        ),
        migrations.AddField(
            model_name='booking',
            name='short_notice',
            field=models.BooleanField(default=False, editable=False, verbose_name='can come at short notice'),
        ),
        migrations.AddField(
            model_name='decision',
            name='places',
            field=models.PositiveSmallIntegerField(blank=True, help_text='How many were offered, or are saved.', null=True, verbose_name='places'),
        ),
        migrations.AddField(
            model_name='party',
            name='first_call_until',
            field=models.DateTimeField(blank=True, null=True, verbose_name='has first call until'),
        ),
        migrations.AddField(
            model_name='toursession',
            name='offers_made',
            field=models.PositiveIntegerField(default=0, editable=False, verbose_name='offers made to its line'),
        ),
        migrations.AlterField(
            model_name='decision',
            name='trigger',
            field=models.CharField(choices=[('cancelled', 'a party cancelled'), ('fewer', 'a party comes with fewer'), ('declined', 'an offer was refused'), ('lapsed', 'an offer lapsed'), ('left', 'a party left the line'), ('joined', 'a party joined the line'), ('moved', 'a party moved to another session'), ('recalled', 'offers were recalled'), ('capacity', 'the capacity changed'), ('sign-up', 'a new party asked'), ('scan', 'the regular scan')], max_length=12, verbose_name='trigger'),
        ),
        migrations.AlterField(
            model_name='notice',
            name='kind',
            field=models.CharField(choices=[('prove', 'prove your mailbox'), ('in_line', 'you are in line'), ('confirmed', 'confirmed'), ('offer', 'offer'), ('offer_lapsed', 'offer lapsed'), ('already_in', 'already in'), ('link', 'your link again'), ('reminder', 'reminder'), ('changed', 'changed'), ('cancelled', 'cancelled'), ('called_off', 'called off'), ('recalled', 'offer recalled'), ('swapped', 'swapped'), ('line_closed', 'the line has closed')], max_length=14, verbose_name='kind'),
        ),
        migrations.RunPython(copy_what_the_line_is_searched_by, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='booking',
            index=models.Index(condition=models.Q(('in_line', True)), fields=['session', '-first_call', 'queue_number'], name='booking_line'),
        ),
        migrations.AddIndex(
            model_name='booking',
            index=models.Index(condition=models.Q(('in_line', True)), fields=['session', 'first_call', 'short_notice', 'least', 'queue_number'], name='booking_line_by_size'),
        ),
        migrations.AddConstraint(
            model_name='booking',
            constraint=models.CheckConstraint(condition=models.Q(('least__gte', 1), ('least__lte', models.F('places'))), name='booking_least_within_places'),
        ),
        migrations.AddConstraint(
            model_name='booking',
            constraint=models.CheckConstraint(condition=models.Q(('in_line', False), ('status', 'waiting'), _connector='OR'), name='booking_in_line_while_waiting'),
        ),
        migrations.AddField(
            model_name='swapwish',
            name='booking',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='swap_wishes', to='bookings.booking', verbose_name='booking'),
        ),
        migrations.AddField(
            model_name='swapwish',
            name='wanted',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='swap_wishes', to='bookings.toursession', verbose_name='session wanted'),
        ),
        migrations.AddIndex(
            model_name='swapwish',
            index=models.Index(fields=['wanted', 'made_at'], name='swap_wish_oldest'),
        ),
        migrations.AddConstraint(
            model_name='swapwish',
            constraint=models.UniqueConstraint(fields=('booking', 'wanted'), name='swap_wish_once'),
        ),
    ]
