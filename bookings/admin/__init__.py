from django.contrib import admin

from bookings.admin import announcements, bookings, mail_texts, notices, parties, roster, seasons, sessions, tours

__all__ = ["announcements", "bookings", "mail_texts", "notices", "parties", "roster", "seasons", "sessions", "tours"]

# The lists need the width; every list is one press away in the bar under the head (templates/admin/base_site.html).
admin.site.enable_nav_sidebar = False
