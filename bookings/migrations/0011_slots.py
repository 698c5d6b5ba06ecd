from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bookings', '0010_resting'),
    ]

    operations = [
        migrations.AddField(
            model_name='sender',
            name='worker',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=200),
        ),
    ]
