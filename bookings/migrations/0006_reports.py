import django.db.models.deletion
import i18nfield.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bookings', '0005_reconfirm'),
    ]

    operations = [
        migrations.AddField(
            model_name='notice',
            name='reported_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='reported back'),
        ),
        migrations.AddField(
            model_name='party',
            name='complained_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='called our mail unwanted'),
        ),
        migrations.AddField(
            model_name='party',
            name='mail_failed_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='mail did not arrive'),
        ),
        migrations.AddField(
            model_name='party',
            name='mail_failure',
            field=models.CharField(blank=True, max_length=40, verbose_name='as the mail server put it'),
        ),
        migrations.AddField(
            model_name='party',
            name='wants_no_news_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='wants no announcements'),
        ),
        migrations.AlterField(
            model_name='notice',
            name='kind',
            field=models.CharField(choices=[('prove', 'prove your mailbox'), ('in_line', 'you are in line'), ('confirmed', 'confirmed'), ('offer', 'offer'), ('offer_lapsed', 'offer lapsed'), ('already_in', 'already in'), ('link', 'your link again'), ('reminder', 'reminder'), ('still_coming', 'still coming?'), ('changed', 'changed'), ('cancelled', 'cancelled'), ('called_off', 'called off'), ('recalled', 'offer recalled'), ('swapped', 'swapped'), ('line_closed', 'the line has closed'), ('announcement', 'announcement')], max_length=14, verbose_name='kind'),
        ),
        migrations.AlterField(
            model_name='notice',
            name='lane',
            field=models.PositiveSmallIntegerField(choices=[(0, 'proof of held places'), (1, 'offers and links'), (2, 'confirmations and changes'), (3, 'reminders'), (4, 'announcements')], verbose_name='lane'),
        ),
        migrations.CreateModel(
            name='Announcement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', i18nfield.fields.I18nCharField(max_length=120, verbose_name='subject')),
                ('words', i18nfield.fields.I18nTextField(help_text='An empty line begins a new paragraph. Parties see it as written.', verbose_name='words')),
                ('posted_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='sent')),
                ('posted_by', models.CharField(blank=True, editable=False, max_length=160, verbose_name='sent by')),
                ('owed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('season', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='announcements', to='bookings.season', verbose_name='season')),
            ],
            options={
                'verbose_name': 'announcement',
                'verbose_name_plural': 'announcements',
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('posted_at', None), ('posted_by', '')), models.Q(('posted_at__isnull', False), models.Q(('posted_by', ''), _negated=True)), _connector='OR'), name='announcement_sent_by_somebody')],
            },
        ),
    ]
