"""Every address of the portal. Those of pages carry their language; what machines ask for does not."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import path

from portal.views import errors, health, language, pages, sessions, tours

handler400 = errors.bad_request
handler403 = errors.not_allowed
handler404 = errors.not_found
handler500 = errors.server_error

urlpatterns = [
    path("", language.to_own_language, name="root"),
    path("healthz", health.health, name="health"),
    path("healthz/clock", health.clock, name="health_clock"),
    *i18n_patterns(
        path("", sessions.home, name="home"),
        path("sessions/<int:pk>/", sessions.session, name="session"),
        path("tours/<slug:slug>/", tours.tour, name="tour"),
        path("privacy/", pages.privacy, name="privacy"),
        path("admin/", admin.site.urls),
    ),
]
