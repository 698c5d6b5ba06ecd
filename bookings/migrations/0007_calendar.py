from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bookings', '0006_reports'),
    ]

    operations = [
        migrations.AddField(
            model_name='notice',
            name='calendar_sequence',
            field=models.PositiveIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='toursession',
            name='calendar_sequence',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='toursession',
            name='moved_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
