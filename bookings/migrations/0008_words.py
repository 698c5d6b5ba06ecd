import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bookings', '0007_calendar'),
    ]

    operations = [
        migrations.CreateModel(
            name='MailText',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('prove', 'prove your mailbox'), ('in_line', 'you are in line'), ('confirmed', 'confirmed'), ('offer', 'offer'), ('offer_lapsed', 'offer lapsed'), ('already_in', 'already in'), ('link', 'your link again'), ('reminder', 'reminder'), ('still_coming', 'still coming?'), ('changed', 'changed'), ('cancelled', 'cancelled'), ('called_off', 'called off'), ('recalled', 'offer recalled'), ('swapped', 'swapped'), ('line_closed', 'the line has closed')], max_length=14, verbose_name='mail')),
                ('language', models.CharField(choices=[('en', 'English'), ('zh-hans', '中文')], max_length=12, verbose_name='language')),
                ('subject', models.CharField(blank=True, max_length=120, verbose_name='subject')),
                ('words', models.TextField(blank=True, max_length=3000, verbose_name='words')),
                ('in_use', models.BooleanField(default=False, help_text='Mails that leave from now on carry this text. Try it first.', verbose_name='in use')),
                ('changed_at', models.DateTimeField(editable=False, verbose_name='changed')),
                ('changed_by', models.CharField(editable=False, max_length=160, verbose_name='changed by')),
            ],
            options={
                'verbose_name': 'mail text',
                'verbose_name_plural': 'mail texts',
                'ordering': ['season', 'kind', 'language'],
            },
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(fields=['party', 'status'], name='notice_state'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(('sent_at__isnull', False)), fields=['sent_at', 'party'], name='notice_handed_over'),
        ),
        migrations.AddField(
            model_name='mailtext',
            name='season',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='mail_texts', to='bookings.season', verbose_name='season'),
        ),
        migrations.AddConstraint(
            model_name='mailtext',
            constraint=models.UniqueConstraint(fields=('season', 'kind', 'language'), name='mail_text_one_a_kind_and_language', violation_error_message='The season has a text for this mail in this language already.'),
        ),
        migrations.AddConstraint(
            model_name='mailtext',
            constraint=models.CheckConstraint(condition=models.Q(('subject', ''), ('words', ''), _negated=True), name='mail_text_says_something', violation_error_message='Write a subject, words, or both.'),
        ),
    ]
