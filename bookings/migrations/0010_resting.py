from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bookings', '0009_delivery'),
    ]

    operations = [
        migrations.AddField(
            model_name='notice',
            name='rests_for_server',
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(('rests_for_server', True)), fields=['id'], name='notice_rests_for_server'),
        ),
    ]
